// SPDX-License-Identifier: Apache-2.0
/*
 * Chains of strangers, PEM or DER, and the SGX extension of whatever certificate came out.
 */
#include "attest/chain.h"
#include "attest/intel_pck.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_extension(const struct certificate *certificate)
{
    struct err err = ERR_INIT;
    struct slice extension;
    struct intel_pck pck;
    if (certificate_find_extension(certificate, intel_pck_oid, &extension, &err) < 0)
        return;
    if (intel_pck_parse(extension, &pck, &err) < 0 && err.message[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct certificate_store store = {0};
    struct chain chain;
    struct certificate *certificate;
    struct err err = ERR_INIT;
    if (chain_parse(&store, &arena, slice_of(data, size), &chain, &err) == 0) {
        for (size_t i = 0; i < chain.count; i++) {
            (void)certificate_key(chain.certificates[i]);
            read_extension(chain.certificates[i]);
        }
    } else if (err.message[0] == '\0') {
        abort();
    }
    if (certificate_parse(&store, &arena, slice_of(data, size), &certificate, &err) == 0)
        read_extension(certificate);
    certificate_store_done(&store);
    arena_done(&arena);
    return 0;
}
