// SPDX-License-Identifier: Apache-2.0
/*
 * /tmp on sealed storage, where the manifest gives it a size: room for what does not fit into
 * memory, such as an upload of a gigabyte. It is empty at each start: what was there is removed,
 * and what the host might put back counts for nothing, since the files of each start are bound to
 * their paths under a key of their own that is never written down.
 */
#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define TMP_FOLDER SANDBOX_PLAIN "/tmp"

/* Whoever runs in the app's world may make files in it, as in any /tmp. */
static int make_folder(int *ret, struct err *err)
{
    if (folder_remove_tree(TMP_FOLDER, err) < 0 || folder_create(TMP_FOLDER, 0700, err) < 0 ||
        fd_open(TMP_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret, err) < 0)
        return FAIL_CONTEXT(err, "the folder 'tmp' of sealed storage");
    if (fchmod(*ret, 01777) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot open '%s' to the app", TMP_FOLDER);
    return 0;
}

int tmp_mount(const struct enclave *enclave, struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_CLOSE int folder = -1;
    if (enclave->manifest.tmp_bytes == 0)
        return 0; /* the launcher's, in memory */
    if (make_folder(&folder, err) < 0 || secret_random(&key, STORAGE_KEY_SIZE, err) < 0)
        return -1;
    const struct storage_union spec = {.point = SANDBOX_TMP,
                                       .code_parent = -1,
                                       .data = folder,
                                       .key = &key,
                                       .purpose = ENCLAVE_TMP_PURPOSE,
                                       .limit_bytes = enclave->manifest.tmp_bytes};
    return storage_union_mount(&spec, err);
}
