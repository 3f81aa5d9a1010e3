// SPDX-License-Identifier: Apache-2.0
/*
 * What a server answers that claims to be an enclave.
 */
#include "model/attestation_document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
    (void)!attestation_document_decode(slice_of(data, size), &document, &err);
    return 0;
}
