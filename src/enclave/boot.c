// SPDX-License-Identifier: Apache-2.0
/*
 * The steps that come before anybody can reach the enclave, but for its storage (storage.c): what
 * it is, what it was given, and its own confinement. All that lies under /run/mse/package comes
 * from the node and is checked against the manifest, whose digest is the identity that the TEE
 * vouches for.
 */
#include "enclave/enclave.h"

#include "base/file.h"
#include "base/text.h"
#include "confine/confine.h"
#include "serve/traceback.h"

enum { SMALL_FILE_MAX = 1 << 20 };

int boot_manifest(struct enclave *enclave, struct err *err)
{
    if (file_read(SANDBOX_PACKAGE "/manifest.json", &enclave->manifest_bytes, err) < 0 ||
        manifest_decode(buf_slice(&enclave->manifest_bytes), &enclave->manifest, err) < 0)
        return -1;
    return sha256(buf_slice(&enclave->manifest_bytes), enclave->fingerprint, err);
}

int boot_tee(struct enclave *enclave, struct err *err)
{
    enclave->link = link_find();
    return enclave->link->detect(&enclave->tee, err);
}

/* --- what the node laid down, against the manifest --- */

static int check_digest(const char *what, const uint8_t found[static SHA256_SIZE],
                        const uint8_t expected[static SHA256_SIZE], struct err *err)
{
    if (crypto_equal(found, expected, SHA256_SIZE))
        return 0;
    char found_text[2 * SHA256_SIZE + 1];
    char expected_text[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(found, SHA256_SIZE), found_text);
    hex_encode(slice_of(expected, SHA256_SIZE), expected_text);
    return FAIL(err, ERR_INVALID, "the %s is not the manifest's: found %.16s…, expected %.16s…",
                what, found_text, expected_text);
}

/* A file that is absent counts as empty. */
static int check_file(const char *path, const char *what,
                      const uint8_t expected[static SHA256_SIZE], struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(SMALL_FILE_MAX);
    uint8_t found[SHA256_SIZE];
    if (file_exists(path) && file_read(path, &bytes, err) < 0)
        return -1;
    if (sha256(buf_slice(&bytes), found, err) < 0)
        return -1;
    return check_digest(what, found, expected, err);
}

int boot_package(struct enclave *enclave, struct err *err)
{
    const struct manifest *manifest = &enclave->manifest;
    uint8_t runtime[SHA256_SIZE];
    if (sha256_file("/proc/self/exe", runtime, err) < 0 ||
        check_digest("runtime (mse-enclave)", runtime, manifest->runtime_digest, err) < 0 ||
        check_file(SANDBOX_PACKAGE "/requirements.txt", "requirements.txt",
                   manifest->requirements_digest, err) < 0 ||
        check_file(ENCLAVE_ENVIRONMENT, "environment", manifest->environment_digest, err) < 0)
        return -1;
    if (manifest->tls_mode == MANIFEST_TLS_OWNER)
        return check_file(SANDBOX_PACKAGE "/certificate.pem", "owner's certificate",
                          manifest->tls_certificate_digest, err);
    return 0;
}

/* --- confinement --- */

/* Before the storage is opened, and its key in memory. */
int boot_guard(struct enclave *enclave, struct err *err)
{
    return manifest_ends_at_new_process(&enclave->manifest) ? 0 : confine_start_guard(err);
}

int boot_confine(struct enclave *enclave, struct err *err)
{
    const struct confine_options options = {
        .new_processes =
            manifest_ends_at_new_process(&enclave->manifest) ? CONFINE_END : CONFINE_REFUSE,
        .status_fd = SANDBOX_STATUS_FD,
        .on_forbidden = serve_print_traceback,
        .on_refused = serve_report_refused,
    };
    if (confine_hide_neighbours(err) < 0)
        return -1;
    return confine_self(&options, err);
}
