// SPDX-License-Identifier: Apache-2.0
/*
 * OCSP responses of anybody about one certificate: what is refused says why, what is taken holds
 * now, and OpenSSL's queue of errors is left empty.
 */
#include "crypto/ocsp.h"

#include <openssl/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now = 1795341600; /* the responses of the corpus are of that day */

/* The certificate and its issuer; nobody has their keys any more. */
static const char chain[] = "-----BEGIN CERTIFICATE-----\n"
                            "MIIBtzCCAV6gAwIBAgIQCbdbqS95vVV9ndnckIp8HTAKBggqhkjOPQQDAjAVMRMw\n"
                            "EQYDVQQDDApjYS5leGFtcGxlMB4XDTI2MTExMjEwMDAwMFoXDTI3MDIyMDEwMDAw\n"
                            "MFowFjEUMBIGA1UEAwwLYXBwLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMB\n"
                            "BwNCAAR5acc1yhxMT5YgeULxLgMgEnd0JRfcXajJzVsYm1aGPu9HWHvtGGnMO7Mp\n"
                            "TDKjtm5odCUq59/2L1CmWH+51WOPo4GOMIGLMAwGA1UdEwEB/wQCMAAwDgYDVR0P\n"
                            "AQH/BAQDAgeAMBYGA1UdEQQPMA2CC2FwcC5leGFtcGxlMB0GA1UdDgQWBBTd7CqF\n"
                            "5zcZ8M4R3Sf5vfHypjAdKTAfBgNVHSMEGDAWgBQDFufFRmnof0sokQ+ngMUzD37x\n"
                            "ZjATBgNVHSUEDDAKBggrBgEFBQcDATAKBggqhkjOPQQDAgNHADBEAiB3Ku8kfpXI\n"
                            "pkROwopPjRAdFZTwNYQ7wmOBTdwNm6t0+QIgcGJ0UIUbj9Y2BXnLZ2JjSun8KG3t\n"
                            "Ep6dkjtZMIbEOt8=\n"
                            "-----END CERTIFICATE-----\n"
                            "-----BEGIN CERTIFICATE-----\n"
                            "MIIBgTCCASegAwIBAgIQZpHZuHyaJzDAKIv4RrxsaTAKBggqhkjOPQQDAjAVMRMw\n"
                            "EQYDVQQDDApjYS5leGFtcGxlMB4XDTI2MTExMjEwMDAwMFoXDTI3MDMwMjEwMDAw\n"
                            "MFowFTETMBEGA1UEAwwKY2EuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
                            "A0IABKoi11tC8E0OlmB67JDW2Bnwsk1Yz9UA9/mg+Nop2msggacqtifwjJkRyDEb\n"
                            "vXh4AyzBVSGmVDmWlyEusSZk/IOjWTBXMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P\n"
                            "AQH/BAQDAgEGMBUGA1UdEQQOMAyCCmNhLmV4YW1wbGUwHQYDVR0OBBYEFAMW58VG\n"
                            "aeh/SyiRD6eAxTMPfvFmMAoGCCqGSM49BAMCA0gAMEUCIQCCNGvPB0AoZjvos1vh\n"
                            "1sp6xvyKlgMTUrfgJt81eTkHIAIgT6GY2ioFBLThOoN28J3sjFyeTYdmhBsV+kGl\n"
                            "EZ8evS0=\n"
                            "-----END CERTIFICATE-----\n";

static void must(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static X509 *certificate;
    struct err err = ERR_INIT;
    struct ocsp_validity validity = {0};
    if (certificate == NULL)
        must(certificate_from_pem(slice_str(chain), &certificate, NULL) == 0);
    if (ocsp_check(slice_of(data, size), certificate, slice_str(chain), now, &validity, &err) < 0)
        must(err.message[0] != '\0' && validity.next_update == 0);
    else
        must(validity.next_update > now && validity.this_update <= now + 300);
    must(ERR_peek_error() == 0);
    return 0;
}
