// SPDX-License-Identifier: Apache-2.0
/*
 * The one question: is this evidence good? No network, no files, no clock, no logging, no state
 * of its own; any number of threads may ask at once; no input makes it abort.
 */
#pragma once

#include "mse/policy.h"

MSE_BEGIN

enum { MSE_REPORT_DATA_SIZE = 64, MSE_FINGERPRINT_SIZE = 32 };

/* Roots of trust in place of the built-in ones. For tests and for closed installations: a verdict
 * under other roots says nothing about the vendor's hardware, and a check says that they were
 * used. */
struct mse_trust {
    size_t size;                       /* sizeof(struct mse_trust), as mse_policy.size */
    struct mse_bytes intel_root;       /* one certificate, PEM or DER */
    const struct mse_bytes *amd_roots; /* ARKs, PEM or DER */
    size_t amd_root_count;
};

struct mse_input {
    size_t size;                 /* sizeof(struct mse_input), as mse_policy.size */
    struct mse_bytes evidence;   /* quote, report, RA-TLS certificate (DER or PEM), simulation */
    struct mse_bytes collateral; /* the bundle, JSON text; size 0: none */
    const struct mse_policy *policy; /* NULL: strict */
    int64_t at;                      /* unix seconds: the time to judge at */
    const uint8_t *report_data;      /* 64 bytes that the evidence must hold; NULL: not compared */
    const uint8_t *fingerprint;      /* 32 bytes, as mse_policy.fingerprint; NULL: not asked */
    const struct mse_trust *trust;   /* NULL: the vendors' roots */
    /* The key that the TLS peer proved to hold (DER SubjectPublicKeyInfo); the evidence must then
     * be a certificate with this very key. size 0: not compared. */
    struct mse_bytes public_key;
};

#define MSE_TRUST_INIT                                                                             \
    {                                                                                              \
        .size = sizeof(struct mse_trust)                                                           \
    }
#define MSE_INPUT_INIT                                                                             \
    {                                                                                              \
        .size = sizeof(struct mse_input)                                                           \
    }

/* Judges. The caller frees the verdict with mse_verdict_free; it points to nothing of the input.
 * NULL only when out of memory. */
MSE_API struct mse_verdict *mse_verify(const struct mse_input *input);

MSE_END
