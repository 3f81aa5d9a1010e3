// SPDX-License-Identifier: Apache-2.0
/*
 * What a TEE gives to the code inside it: evidence and a sealing key. One file per TEE, one table
 * that lists them (tee.c). Runs inside the enclave; the node's half of the simulated TEE is in
 * launch/simulation_device.h.
 */
#pragma once

#include "base/buf.h"
#include "crypto/crypto.h"
#include "model/ratls.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TEE_REPORT_DATA_SIZE = 64,
    TEE_FINGERPRINT_SIZE = 32,
    TEE_SEALING_KEY_SIZE = 32,
    TEE_EVIDENCE_MAX = 64 * 1024,
    TEE_TO_THE_END = TEE_EVIDENCE_MAX, /* size of a range */
};

struct tee {
    const char *name; /* DESIGN section 6: "simulation", "sgx", "tdx", "snp" */
    enum ratls_evidence evidence_format;
    /* Is this code running inside such a TEE? Looks for its device, asks it nothing. */
    bool (*present)(void);
    /* Appends the evidence: what the TEE signs over its measurement and these bytes.
     * Errors: UNREACHABLE (no device), TIMEOUT, IO, INVALID (the device answered nonsense). */
    int (*evidence)(const uint8_t report_data[static TEE_REPORT_DATA_SIZE], struct buf *out,
                    struct err *err);
    /* The key that this TEE gives to this identity alone: never from a measurement alone, always
     * with the fingerprint and an epoch. For one use: callers derive a key per purpose from it
     * (tee_purpose_key). Errors: as above, and UNSUPPORTED where the TEE has no key service. */
    int (*sealing_key)(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], uint32_t epoch,
                       struct secret *ret, struct err *err);
    /* What two pieces of evidence over the same report data differ in although nothing has changed:
     * signatures, numbers of reports. Byte ranges; a size of 0 ends the list, TEE_TO_THE_END one.
     */
    struct tee_range {
        size_t offset;
        size_t size;
    } varying[4];
};

/* Do two pieces of evidence say the same of this TEE, whenever they were made? False also where one
 * is too short for what the TEE makes. Proves nothing: whose they are is a verifier's affair. */
bool tee_evidence_same(const struct tee *tee, struct slice a, struct slice b);

/* ERR_NOT_FOUND lists the names that there are. */
int tee_by_name(const char *name, const struct tee **ret, struct err *err) MUST_USE;
/* The first present one; hardware comes before simulation. ERR_NOT_FOUND outside of any. */
int tee_detect(const struct tee **ret, struct err *err) MUST_USE;
/* A key for one purpose ("storage", "provisioned state", ...): HKDF-SHA-256 of the sealing key with
 * the purpose as info. *ret is TEE_SEALING_KEY_SIZE bytes. */
int tee_purpose_key(const struct secret *sealing_key, const char *purpose, struct secret *ret,
                    struct err *err) MUST_USE;

extern const struct tee tee_simulation;
extern const struct tee tee_sgx;
extern const struct tee tee_tdx;
extern const struct tee tee_snp;
