// SPDX-License-Identifier: Apache-2.0
/*
 * What the manifest names as data of the package (`code_data`): from the code, which was checked a
 * moment ago, to the data folder where it is not there yet.
 */
#include "enclave/enclave.h"

#include "base/fd.h"
#include "storage/storage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int seed_data(struct enclave *enclave, struct err *err)
{
    AUTO_CLOSE int code = -1;
    AUTO_FREE char *paths = str_copy(enclave->manifest.code_data, err);
    if (paths == NULL || fd_open_at(enclave->code_folder, ENCLAVE_CODE_NAME, O_PATH | O_DIRECTORY,
                                    0, &code, err) < 0)
        return -1;
    const struct storage_seed seed = {.code = code,
                                      .data = enclave->data_folder,
                                      .key = &enclave->binding_key,
                                      .purpose = ENCLAVE_DATA_PURPOSE};
    char *place = NULL;
    for (const char *path = strtok_r(paths, MANIFEST_DATA_SEPARATOR, &place); path != NULL;
         path = strtok_r(NULL, MANIFEST_DATA_SEPARATOR, &place)) {
        if (storage_seed(&seed, path, err) < 0)
            return -1;
    }
    fd_close(fd_steal(&enclave->data_folder));
    secret_done(&enclave->binding_key);
    return 0;
}
