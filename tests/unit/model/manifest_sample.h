// SPDX-License-Identifier: Apache-2.0
/*
 * A manifest that is valid, for tests of what carries one.
 */
#pragma once

#include "model/manifest.h"

static inline struct manifest manifest_sample(void)
{
    struct manifest manifest = {
        .id = "0b1f8a7e-93c4-4d0e-8f21-5a6b7c8d9e0f",
        .name = "helloworld",
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
    memset(manifest.code_commitment, 0x11, MANIFEST_DIGEST_SIZE);
    memset(manifest.requirements_digest, 0x22, MANIFEST_DIGEST_SIZE);
    memset(manifest.runtime_digest, 0x33, MANIFEST_DIGEST_SIZE);
    memset(manifest.environment_digest, 0x44, MANIFEST_DIGEST_SIZE);
    memset(manifest.owner_key, 0x55, MANIFEST_DIGEST_SIZE);
    return manifest;
}
