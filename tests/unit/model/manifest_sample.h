// SPDX-License-Identifier: Apache-2.0
/*
 * A manifest that is valid, for tests of what carries one.
 */
#pragma once

#include "model/manifest.h"

static inline struct manifest manifest_sample(void)
{
    struct manifest manifest = {
        .id = "3e7f0b52-8c1d-4b6a-9f00-1a2b3c4d5e6f",
        .name = "hello",
        .python_application = "app:app",
        .healthcheck_endpoint = "/whoami",
        .environment_name = "mse-flask",
        .tls_mode = MANIFEST_TLS_RA,
        .tls_host_name = "localhost",
        .tls_not_after = 1800000000,
        .memory_bytes = 512 << 20,
        .cpu_millis = 1000,
        .quota_bytes = UINT64_C(10) << 30,
        .key_epoch = 1,
    };
    memset(manifest.code_commitment, 1, MANIFEST_DIGEST_SIZE);
    memset(manifest.requirements_digest, 2, MANIFEST_DIGEST_SIZE);
    memset(manifest.runtime_digest, 3, MANIFEST_DIGEST_SIZE);
    memset(manifest.environment_digest, 4, MANIFEST_DIGEST_SIZE);
    memset(manifest.owner_key, 5, MANIFEST_DIGEST_SIZE);
    return manifest;
}
