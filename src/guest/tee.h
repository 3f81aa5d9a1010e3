// SPDX-License-Identifier: Apache-2.0
/*
 * The TEE as pid 1 has it: one file per TEE, one table. The simulated one is a port of the host and
 * is taken only where the processor says that there is no other.
 */
#pragma once

#include "base/buf.h"
#include "guest/guest.h"

struct guest_tee {
    const char *name;      /* as in tee/tee.h */
    bool (*present)(void); /* asks the processor, nothing else */
    /* Opens its device; called once, before the two below. */
    int (*open)(struct err *err);
    /* Appends the evidence over 64 bytes. */
    int (*evidence)(struct slice report_data, struct buf *out, struct err *err);
    /* Is this guest what its own evidence says: not for debugging, most privileged, and of this
     * fingerprint? */
    int (*check)(struct slice evidence, const uint8_t fingerprint[static SHA256_BYTES],
                 struct err *err);
    /* Appends the key that the TEE gives to this guest. Errors: UNSUPPORTED where it has none. */
    int (*key)(const uint8_t fingerprint[static SHA256_BYTES], struct buf *out, struct err *err);
};

extern const struct guest_tee guest_tee_snp;
extern const struct guest_tee guest_tee_tdx;
extern const struct guest_tee guest_tee_simulation;

/* Pure: what an attestation report (SNP ABI 1.55, table 23) and a quote (Intel DCAP, v4 and v5)
 * must say of this guest. Errors: INVALID (too short), FORBIDDEN with what is wrong. */
int identity_check_snp(struct slice report, const uint8_t fingerprint[static SHA256_BYTES],
                       struct err *err) MUST_USE;
int identity_check_tdx(struct slice quote, const uint8_t fingerprint[static SHA256_BYTES],
                       struct err *err) MUST_USE;
