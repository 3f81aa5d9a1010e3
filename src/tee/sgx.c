// SPDX-License-Identifier: Apache-2.0
/*
 * Intel SGX under Gramine, which offers evidence and keys as files below /dev/attestation
 * (gramine.readthedocs.io, "Attestation and Secret Provisioning"): 64 bytes of report data go in, a
 * DCAP quote comes out; keys/_sgx_mrenclave is 16 bytes of EGETKEY under the MRENCLAVE policy. Runs
 * inside the enclave, where these files come from Gramine's library, not from the host.
 */
#include "tee/platform.h"
#include "tee/tee.h"

#define FOLDER "/dev/attestation/"

enum { GRAMINE_KEY_SIZE = 16 };

static bool present(void)
{
    return tee_path_exists(FOLDER "attestation_type");
}

/* Only DCAP quotes can be verified without Intel's retired service. */
static int check_type(struct err *err)
{
    AUTO_BUF struct buf type = BUF_INIT(64);
    if (tee_read(FOLDER "attestation_type", &type, err) < 0)
        return -1;
    size_t len = strcspn(buf_text(&type), "\n");
    if (slice_is_str(slice_of(type.data, len), "dcap"))
        return 0;
    (void)FAIL(err, ERR_UNSUPPORTED, "Gramine's attestation type is '%.*s', expected 'dcap'",
               (int)len, buf_text(&type));
    err_hint(err, "set sgx.remote_attestation = \"dcap\" in the Gramine manifest");
    return -1;
}

static int evidence(const uint8_t report_data[static TEE_REPORT_DATA_SIZE], struct buf *out,
                    struct err *err)
{
    AUTO_BUF struct buf quote = BUF_INIT(TEE_EVIDENCE_MAX);
    if (check_type(err) < 0 ||
        tee_write(FOLDER "user_report_data", slice_of(report_data, TEE_REPORT_DATA_SIZE), err) <
            0 ||
        tee_read(FOLDER "quote", &quote, err) < 0)
        return FAIL_CONTEXT(err, "SGX");
    if (quote.len == 0)
        return FAIL(err, ERR_INVALID, "SGX: the quote is empty");
    return buf_bytes(out, buf_slice(&quote), err);
}

static int sealing_key(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], uint32_t epoch,
                       struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf key = BUF_INIT(GRAMINE_KEY_SIZE + 1);
    if (tee_read(FOLDER "keys/_sgx_mrenclave", &key, err) < 0)
        return FAIL_CONTEXT(err, "SGX sealing key");
    if (key.len != GRAMINE_KEY_SIZE)
        return FAIL(err, ERR_INVALID, "SGX sealing key of %zu bytes, expected %d", key.len,
                    GRAMINE_KEY_SIZE);
    if (slice_is_zero(buf_slice(&key)))
        return FAIL(err, ERR_INVALID, "the SGX sealing key is zero: this is not an SGX enclave");
    return tee_derive_sealing_key(buf_slice(&key), fingerprint, epoch, ret, err);
}

const struct tee tee_sgx = {
    .name = "sgx",
    .evidence_format = RATLS_INTEL_QUOTE,
    .present = present,
    .evidence = evidence,
    .sealing_key = sealing_key,
    /* Intel DCAP, quote version 3: the ECDSA signature behind header, report body, length */
    .varying = {{48 + 384 + 4, 64}},
};
