// SPDX-License-Identifier: Apache-2.0
/*
 * The steps that come before anybody can reach the enclave: what it is, what it was given, its
 * sealed storage, and its own confinement. All that lies under /run/mse/package comes from the node
 * and is checked against the manifest, whose digest is the identity that the TEE vouches for.
 */
#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "confine/confine.h"
#include "serve/traceback.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 1 << 20 };

int boot_manifest(struct enclave *enclave, struct err *err)
{
    if (file_read(ENCLAVE_PACKAGE "/manifest.json", &enclave->manifest_bytes, err) < 0 ||
        manifest_decode(buf_slice(&enclave->manifest_bytes), &enclave->manifest, err) < 0)
        return -1;
    return sha256(buf_slice(&enclave->manifest_bytes), enclave->fingerprint, err);
}

int boot_tee(struct enclave *enclave, struct err *err)
{
    return tee_detect(&enclave->tee, err);
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
        check_file(ENCLAVE_PACKAGE "/requirements.txt", "requirements.txt",
                   manifest->requirements_digest, err) < 0 ||
        check_file(ENCLAVE_ENVIRONMENT, "environment", manifest->environment_digest, err) < 0)
        return -1;
    if (manifest->tls_mode == MANIFEST_TLS_OWNER)
        return check_file(ENCLAVE_PACKAGE "/certificate.pem", "owner's certificate",
                          manifest->tls_certificate_digest, err);
    return 0;
}

/* --- sealed storage --- */

/* Never through a link: the host can put one that the app made in a folder's place, and the app
 * would write where the host reads. */
static int bind_folder(const char *name, const char *target, struct err *err)
{
    AUTO_FREE char *path = path_join(ENCLAVE_PLAIN, name, err);
    AUTO_CLOSE int fd = -1;
    if (path == NULL || folder_create(path, 0700, err) < 0 ||
        fd_open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err) < 0)
        return FAIL_CONTEXT(err, "the sealed folder '%s'", name);
    AUTO_FREE char *source = str_printf(err, "/proc/self/fd/%d", fd);
    if (source == NULL)
        return -1;
    if (mount(source, target, NULL, MS_BIND, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount the sealed folder on '%s'", target);
    return 0;
}

/* The app sees its two folders and not the sealed state beside them, nor the cipher text. */
static int arrange_folders(struct enclave *enclave, const struct secret *sealing, struct err *err)
{
    if (bind_folder("home", SANDBOX_HOME, err) < 0 || bind_folder("app", SANDBOX_MODULE, err) < 0 ||
        folder_create(ENCLAVE_PLAIN "/state", 0700, err) < 0 ||
        state_open(enclave, ENCLAVE_PLAIN "/state", sealing, err) < 0)
        return -1;
    static const char *const hidden[] = {ENCLAVE_PLAIN, ENCLAVE_CIPHER, "/dev/fuse"};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        if (umount2(hidden[i], MNT_DETACH) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot hide '%s' from the app", hidden[i]);
    }
    return 0;
}

/* The secrets file never lies in storage, where the host could exchange it, but in memory of its
 * own. */
static int mount_secrets(struct err *err)
{
    if (mount("secrets", SANDBOX_SECRETS_FOLDER, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=2m,nr_inodes=16,mode=0700") < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount memory on '%s'", SANDBOX_SECRETS_FOLDER);
    return 0;
}

int boot_storage(struct enclave *enclave, struct err *err)
{
    AUTO_SECRET struct secret sealing = SECRET_INIT;
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (enclave->tee->sealing_key(enclave->fingerprint, (uint32_t)enclave->manifest.key_epoch,
                                  &sealing, err) < 0)
        return FAIL_CONTEXT(err, "sealing key");
    if (tee_purpose_key(&sealing, "storage", &key, err) < 0 ||
        storage_mount(&key, ENCLAVE_CIPHER, ENCLAVE_PLAIN, err) < 0)
        return -1;
    if (mount_secrets(err) < 0)
        return -1;
    return arrange_folders(enclave, &sealing, err);
}

int boot_confine(struct enclave *enclave, struct err *err)
{
    (void)enclave;
    const struct confine_options options = {
        .status_fd = ENCLAVE_STATUS_FD,
        .on_forbidden = serve_print_traceback,
    };
    if (confine_hide_neighbours(err) < 0)
        return -1;
    return confine_self(&options, err);
}
