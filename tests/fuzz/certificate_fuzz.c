// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes what crypto reads out of a certificate that somebody sent.
 */
#include "crypto/x509.h"

#include <stdlib.h>

enum { MAX_OUT = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_X509 X509 *certificate = NULL;
    if (certificate_from_der(slice_of(data, size), &certificate, NULL) < 0 &&
        certificate_from_pem(slice_of(data, size), &certificate, NULL) < 0)
        return 0;
    AUTO_BUF struct buf value = BUF_INIT(MAX_OUT);
    AUTO_BUF struct buf der = BUF_INIT(MAX_OUT);
    int64_t not_before = 0;
    int64_t not_after = 0;
    (void)certificate_covers(certificate, "app.example");
    (void)certificate_covers(certificate, "127.0.0.1");
    if (certificate_extension_get(certificate, "2.5.29.17", &value, NULL) < 0 && value.len != 0)
        abort();
    if (certificate_validity(certificate, &not_before, &not_after, NULL) < 0 && not_after != 0)
        abort();
    if (certificate_to_der(certificate, &der, NULL) < 0)
        return 0;
    AUTO_X509 X509 *again = NULL;
    if (certificate_from_der(buf_slice(&der), &again, NULL) < 0)
        abort();
    return 0;
}
