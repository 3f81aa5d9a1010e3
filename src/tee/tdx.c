// SPDX-License-Identifier: Apache-2.0
/*
 * Intel TDX virtual machine: DCAP quotes through configfs-tsm. /dev/tdx_guest alone gives a
 * TDREPORT, which only the same machine can check, so it is no substitute. TDX has no key that
 * survives a restart: sealing needs a key service, which there is not yet. Runs inside the TD.
 */
#include "tee/platform.h"
#include "tee/tee.h"

static bool present(void)
{
    return tee_path_exists("/dev/tdx_guest");
}

static int evidence(const uint8_t report_data[static TEE_REPORT_DATA_SIZE], struct buf *out,
                    struct err *err)
{
    if (tsm_report("tdx_guest", slice_of(report_data, TEE_REPORT_DATA_SIZE), out, err) < 0)
        return FAIL_CONTEXT(err, "TDX");
    return 0;
}

static int sealing_key(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], uint32_t epoch,
                       struct secret *ret, struct err *err)
{
    (void)fingerprint;
    (void)epoch;
    (void)ret;
    return FAIL(err, ERR_UNSUPPORTED,
                "TDX gives a virtual machine no key that it would get again after a restart, and "
                "no key service is configured: storage cannot be sealed");
}

const struct tee tee_tdx = {
    .name = "tdx",
    .evidence_format = RATLS_INTEL_QUOTE,
    .present = present,
    .evidence = evidence,
    .sealing_key = sealing_key,
    /* Intel DCAP, quote version 4: the ECDSA signature behind header (48), body (584), length (4);
     * in version 5 it lies elsewhere, so two of those always differ */
    .varying = {{48 + 584 + 4, 64}},
};
