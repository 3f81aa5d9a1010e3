// SPDX-License-Identifier: Apache-2.0
/*
 * Certificate revocation lists of strangers: what was read can be walked to its end.
 */
#include "attest/crl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crl crl;
    struct slice serial;
    struct err err = ERR_INIT;
    if (crl_read(slice_of(data, size), &crl, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    struct reader in = reader_of(crl.entries, "entries");
    while (reader_left(&in) > 0) {
        if (crl_next_entry(&in, &crl, &serial, &err) < 0)
            abort();
    }
    return 0;
}
