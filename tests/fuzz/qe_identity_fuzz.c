// SPDX-License-Identifier: Apache-2.0
/*
 * QE identities of strangers.
 */
#include "attest/intel_tcb.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct qe_identity identity;
    struct err err = ERR_INIT;
    if (qe_identity_parse(&arena, slice_of(data, size), &identity, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
    } else {
        const struct svn_level *level = svn_level_find(&identity.levels, 8);
        if (level != NULL && level->isv_svn > 8)
            abort();
    }
    arena_done(&arena);
    return 0;
}
