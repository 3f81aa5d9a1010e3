// SPDX-License-Identifier: Apache-2.0
/*
 * What came out of a verification: accepted or rejected, every check that led there, and the
 * evidence's claims under the same names for every TEE. All memory belongs to the verdict.
 */
#pragma once

#include "mse/bytes.h"

#include <stdbool.h>

MSE_BEGIN

enum mse_tee { MSE_TEE_UNKNOWN, MSE_TEE_SGX, MSE_TEE_TDX, MSE_TEE_SNP, MSE_TEE_SIMULATION };

enum mse_result { MSE_PASS, MSE_FAIL, MSE_NOT_APPLICABLE };

struct mse_check {
    const char *name; /* "quote.signature", "tcb.status"; docs/attestation.md lists them */
    enum mse_result result;
    const char *found;       /* one line, printable; "" where there is nothing to say */
    const char *expected;    /* likewise */
    const char *hint;        /* what a person can do; "" where nothing */
    bool loosened;           /* the check names a policy line that is less than strict */
    const void *reserved[2]; /* NULL: room for a later version, as checks stand in an array */
};

/* A field of the evidence as text: hexadecimal for bytes, decimal for numbers. */
struct mse_claim {
    const char *name; /* "mrenclave", "rtmr0", "fmspc", "guest_svn" */
    const char *value;
    const void *reserved[2]; /* as in struct mse_check */
};

struct mse_verdict {
    /* sizeof(struct mse_verdict) in the library that made it: a program with a newer header has no
     * members beyond it. New members come at the end. */
    size_t size;
    bool accepted;
    enum mse_tee tee;
    /* One word. Intel's TCB status ("UpToDate", "SWHardeningNeeded", ...), "genuine" (SNP),
     * "simulated", or what kept it from being known or trusted: "no-matching-tcb-level", "expired",
     * "not-yet-valid", "revoked", "no-chain", "no-collateral", "bad-signature". NULL where the
     * evidence could not be read at all. */
    const char *status;
    /* The vendor's own word, also where `status` says "expired" or "revoked"; NULL: none. */
    const char *tcb_status;
    int64_t tcb_date; /* unix seconds, 0: none */
    const char *const *advisories;
    size_t advisory_count;
    bool debug;
    /* The verdict stands between these times (unix seconds): latest not-before and earliest
     * not-after of everything that was used. Both 0 where nothing with a window was read. */
    int64_t valid_from;
    int64_t valid_until;
    struct mse_bytes measurement;   /* MRENCLAVE, MRTD, MEASUREMENT */
    struct mse_bytes signer;        /* MRSIGNER, MROWNER, ID_KEY_DIGEST */
    struct mse_bytes identity;      /* CONFIGID, MRCONFIGID, HOST_DATA, the simulation's field */
    struct mse_bytes report_data;   /* 64 bytes */
    const char *platform;           /* FMSPC or chip id, hexadecimal; "" where there is none */
    const char *family;             /* "Milan", "Genoa", "Turin"; "" for the others */
    const struct mse_claim *claims; /* everything above and the TEE's own fields */
    size_t claim_count;
    const struct mse_check *checks; /* in the order in which they were made */
    size_t check_count;
};

/* Frees a verdict and all it points to; NULL is allowed. */
MSE_API void mse_verdict_free(struct mse_verdict *verdict);

/* The verdict as one JSON object, as `mse verify --json` prints it. The caller frees the text with
 * free(). NULL only when out of memory. */
MSE_API char *mse_verdict_json(const struct mse_verdict *verdict);

/* The verdict for a person: one line a check, failed ones with what to do, then the conclusion.
 * Plain text without control sequences. The caller frees it; NULL only when out of memory. */
MSE_API char *mse_verdict_text(const struct mse_verdict *verdict);

/* "sgx", "tdx", "snp", "simulation", "unknown". */
MSE_API const char *mse_tee_name(enum mse_tee tee);
/* "pass", "fail", "not-applicable". */
MSE_API const char *mse_result_name(enum mse_result result);

MSE_END
