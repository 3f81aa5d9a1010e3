// SPDX-License-Identifier: Apache-2.0
/*
 * Receives packages. Owns the temporary folder until somebody moves it away. Runs in msed on bytes
 * from owners; the archive in it is encrypted and stays so.
 */
#include "node/upload.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/x509.h"
#include "node/names.h"
#include "model/requirements.h"
#include "node/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_section(struct upload *upload, const char *name, struct err *err)
{
    AUTO_FREE char *path = path_join(upload->folder, name, err);
    if (path == NULL)
        return -1;
    return fd_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, &upload->fd, err);
}

static const char *file_of(enum package_section section)
{
    switch (section) {
    case PACKAGE_MANIFEST:
        return UPLOAD_MANIFEST;
    case PACKAGE_REQUIREMENTS:
        return UPLOAD_REQUIREMENTS;
    case PACKAGE_CERTIFICATE:
        return UPLOAD_CERTIFICATE;
    case PACKAGE_ARCHIVE:
        return UPLOAD_ARCHIVE;
    }
    return "unknown";
}

static int check_resources(const struct manifest *manifest, const struct node_hardware *hardware,
                           struct err *err)
{
    const struct {
        const char *name;
        uint64_t asked;
        int64_t offered;
    } table[] = {
        {"memory_bytes", manifest->memory_bytes, hardware->memory_bytes},
        {"cpu_millis", manifest->cpu_millis, hardware->cpu_millis},
        {"quota_bytes", manifest->quota_bytes, hardware->storage_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].asked > (uint64_t)table[i].offered)
            return FAIL(err, ERR_INVALID, "%s: the manifest asks for %llu, profile '%s' has %lld",
                        table[i].name, (unsigned long long)table[i].asked, hardware->name,
                        (long long)table[i].offered);
    }
    return 0;
}

/* No app could open a larger one. It is asked before any of it is here: what an upload has
 * allocated is everybody's disk for as long as it takes. */
static int check_archive(const struct upload *upload, uint64_t length, struct err *err)
{
    uint64_t most = manifest_code_max(&upload->manifest);
    if (check_resources(&upload->manifest, upload->hardware, err) < 0)
        return -1;
    if (length <= most)
        return 0;
    err_set(err, ERR_TOO_LARGE, 0,
            "the encrypted code has %llu bytes and will lie in memory, of which it may take %llu",
            (unsigned long long)length, (unsigned long long)most);
    err_hint(err, "choose a resource with more memory, or keep large files in the app's storage");
    return -1;
}

static int begin_section(void *context, enum package_section section, uint64_t length,
                         struct err *err)
{
    struct upload *upload = context;
    buf_clear(&upload->section);
    if (section == PACKAGE_ARCHIVE && check_archive(upload, length, err) < 0)
        return -1;
    if (open_section(upload, file_of(section), err) < 0)
        return -1;
    return room_take(upload->config, upload->fd, upload->folder, length, err);
}

static int write_section(void *context, enum package_section section, struct slice bytes,
                         struct err *err)
{
    struct upload *upload = context;
    if (section != PACKAGE_ARCHIVE && buf_bytes(&upload->section, bytes, err) < 0)
        return -1;
    if (fd_write_all(upload->fd, bytes, err) == 0)
        return 0;
    if (err->errnum == ENOSPC || err->errnum == EDQUOT)
        err_hint(err, "the node's disk is full: its operator must make room");
    return FAIL_CONTEXT(err, "cannot store the package");
}

static int take_manifest(struct upload *upload, struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    const struct slice bytes = buf_slice(&upload->section);
    if (manifest_decode(bytes, &upload->manifest, err) < 0 || sha256(bytes, digest, err) < 0)
        return -1;
    hex_encode(slice_of(digest, sizeof(digest)), upload->fingerprint);
    return 0;
}

static int take_requirements(struct upload *upload, struct err *err)
{
    size_t count = 0;
    if (sha256(buf_slice(&upload->section), upload->requirements_digest, err) < 0)
        return -1;
    return requirements_check(buf_slice(&upload->section), &upload->requirements, &count, err);
}

static int take_certificate(struct upload *upload, struct err *err)
{
    AUTO_X509 X509 *certificate = NULL;
    upload->has_certificate = true;
    if (certificate_from_pem(buf_slice(&upload->section), &certificate, err) < 0)
        return FAIL_CONTEXT(err, "the owner's certificate");
    return sha256(buf_slice(&upload->section), upload->certificate_digest, err);
}

static int end_section(void *context, enum package_section section, struct err *err)
{
    struct upload *upload = context;
    if (fsync(upload->fd) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot store the package");
    fd_close(fd_steal(&upload->fd));
    switch (section) {
    case PACKAGE_MANIFEST:
        return take_manifest(upload, err);
    case PACKAGE_REQUIREMENTS:
        return take_requirements(upload, err);
    case PACKAGE_CERTIFICATE:
        return take_certificate(upload, err);
    case PACKAGE_ARCHIVE:
        return 0;
    }
    return 0;
}

static const struct package_handler handler = {begin_section, write_section, end_section};

int upload_start(struct upload *upload, const struct node_config *config,
                 const struct node_hardware *hardware, const char *uploads, struct err *err)
{
    *upload = (struct upload){.config = config,
                              .hardware = hardware,
                              .fd = -1,
                              .requirements = BUF_INIT(PACKAGE_REQUIREMENTS_MAX + 1),
                              .section = BUF_INIT(PACKAGE_REQUIREMENTS_MAX + 1)};
    AUTO_FREE char *folder = str_printf(err, "%s/XXXXXX", uploads);
    if (folder == NULL)
        return -1;
    if (mkdtemp(folder) == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a folder in '%s'", uploads);
    upload->folder = STEAL(folder);
    if (chmod(upload->folder, 0755) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the mode of '%s'", upload->folder);
    package_reader_init(&upload->reader, &handler, upload, (uint64_t)config->limits.package_bytes);
    /* of no bytes, until there is such a section */
    return sha256(slice_of(NULL, 0), upload->requirements_digest, err);
}

int upload_feed(struct upload *upload, struct slice bytes, struct err *err)
{
    upload->bytes += bytes.len;
    return package_reader_feed(&upload->reader, bytes, err);
}

static int check_parts(const struct upload *upload, struct err *err)
{
    const struct manifest *manifest = &upload->manifest;
    if (memcmp(manifest->requirements_digest, upload->requirements_digest, SHA256_SIZE) != 0)
        return FAIL(err, ERR_INVALID,
                    "package: requirements.txt is not the one that the manifest "
                    "names (requirements_digest)");
    bool wants_certificate = manifest->tls_mode == MANIFEST_TLS_OWNER;
    if (wants_certificate != upload->has_certificate)
        return FAIL(err, ERR_INVALID, "package: %s",
                    wants_certificate ? "the owner's certificate is missing"
                                      : "a certificate, but the manifest names none");
    if (wants_certificate &&
        memcmp(manifest->tls_certificate_digest, upload->certificate_digest, SHA256_SIZE) != 0)
        return FAIL(err, ERR_INVALID,
                    "package: the certificate is not the one that the manifest "
                    "names (certificate_digest)");
    return 0;
}

int upload_finish(struct upload *upload, struct err *err)
{
    if (package_reader_end(&upload->reader, err) < 0 || check_parts(upload, err) < 0)
        return -1;
    AUTO_CLOSE int folder = -1;
    if (fd_open(upload->folder, O_RDONLY | O_DIRECTORY, 0, &folder, err) < 0)
        return -1;
    if (fsync(folder) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot store the package");
    buf_done(&upload->section);
    return 0;
}

void upload_done(struct upload *upload)
{
    struct err err = ERR_INIT;
    fd_close(upload->fd);
    buf_done(&upload->section);
    buf_done(&upload->requirements);
    if (upload->folder != NULL && folder_remove_tree(upload->folder, &err) < 0)
        log_err(LOG_WARNING, &err);
    free(upload->folder);
    *upload = (struct upload){.fd = -1};
}

/* --- the node's terms --- */

static int check_environment(const struct manifest *manifest, const struct upload_terms *terms,
                             const struct environment_offer **ret, struct err *err)
{
    const struct environment_offer *offer = NULL;
    char digest[65];
    if (environments_find(terms->environments, manifest->environment_name, &offer, err) < 0)
        return -1;
    hex_encode(slice_of(manifest->environment_digest, SHA256_SIZE), digest);
    if (strcmp(digest, offer->digest) != 0) {
        err_set(err, ERR_CONFLICT, 0,
                "environment '%s' of this node has the digest %s, the manifest names %s",
                offer->environment.name, offer->digest, digest);
        err_hint(err, "the node's environment changed: deploy again");
        return -1;
    }
    *ret = offer;
    return 0;
}

/* A VM runs an image, and an image runs in a VM. What requirements.txt asks for cannot be added to
 * an image yet. */
static int check_launcher(const struct upload *upload, const struct environment_offer *offer,
                          struct err *err)
{
    const struct node_hardware *hardware = upload->hardware;
    uint8_t nothing[SHA256_SIZE];
    if (offer->is_image != node_hardware_wants_image(hardware)) {
        err_set(err, ERR_INVALID, 0, "profile '%s' has launcher '%s', environment '%s' is %s",
                hardware->name, node_launchers[hardware->launcher], offer->environment.name,
                offer->is_image ? "an image" : "no image");
        err_hint(err, "choose another 'resource' or 'docker' in mse.toml: images are for VMs");
        return -1;
    }
    if (!offer->is_image)
        return 0;
    if (sha256(slice_of(NULL, 0), nothing, err) < 0)
        return -1;
    if (memcmp(nothing, upload->manifest.requirements_digest, sizeof(nothing)) == 0)
        return 0;
    err_set(err, ERR_UNSUPPORTED, 0,
            "environment '%s' is an image, to which requirements.txt cannot add yet",
            offer->environment.name);
    err_hint(err, "leave requirements.txt out where the image has all packages");
    return -1;
}

static int check_runtime(const struct manifest *manifest, const struct upload_terms *terms,
                         const struct environment_offer *offer, struct err *err)
{
    const char *expected = offer->is_image ? offer->runtime_digest : terms->runtime_digest;
    char digest[65];
    hex_encode(slice_of(manifest->runtime_digest, SHA256_SIZE), digest);
    if (strcmp(digest, expected) == 0)
        return 0;
    err_set(err, ERR_CONFLICT, 0, "this node runs apps with the runtime %s, the manifest names %s",
            expected, digest);
    err_hint(err, "mse and the node are of different versions: install the same one");
    return -1;
}

static int check_certificate(const struct upload *upload, const struct upload_terms *terms,
                             struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(PACKAGE_CERTIFICATE_MAX);
    AUTO_X509 X509 *certificate = NULL;
    AUTO_FREE char *path = path_join(upload->folder, UPLOAD_CERTIFICATE, err);
    if (path == NULL || file_read(path, &text, err) < 0 ||
        certificate_from_pem(buf_slice(&text), &certificate, err) < 0)
        return -1;
    uint8_t fingerprint[SHA256_SIZE];
    const char *name = upload->manifest.tls_host_name;
    if (names_check_certificate(certificate, name, terms->config->domain, err) < 0 ||
        hex_decode(upload->fingerprint, "fingerprint", fingerprint, sizeof(fingerprint), err) < 0)
        return -1;
    const struct name_claim claim = {.name = name,
                                     .account = terms->account,
                                     .by_operator = terms->by_operator,
                                     .certificate = certificate,
                                     .chain = buf_slice(&text),
                                     .signature = terms->signature,
                                     .fingerprint = fingerprint,
                                     .now = terms->now};
    return names_prove(terms->config, &claim, err);
}

static int check_tls(const struct upload *upload, const struct upload_terms *terms, struct err *err)
{
    const struct manifest *manifest = &upload->manifest;
    if (manifest->tls_mode != MANIFEST_TLS_RA)
        return check_certificate(upload, terms, err);
    if (manifest->tls_not_after <= terms->now)
        return FAIL(err, ERR_INVALID, "tls.not_after lies in the past");
    char expected[HOST_NAME_SIZE + MANIFEST_ID_SIZE];
    bool local = strcmp(terms->config->domain, "localhost") == 0;
    (void)snprintf(expected, sizeof(expected), "%s%s%s", local ? "" : manifest->id,
                   local ? "" : ".", terms->config->domain);
    if (strcmp(expected, manifest->tls_host_name) != 0)
        return FAIL(err, ERR_INVALID, "tls.host_name is '%s', on this node '%s' is expected",
                    manifest->tls_host_name, expected);
    return 0;
}

int upload_check(const struct upload *upload, const struct upload_terms *terms,
                 const struct environment_offer **ret_environment, struct err *err)
{
    if (check_environment(&upload->manifest, terms, ret_environment, err) < 0 ||
        check_launcher(upload, *ret_environment, err) < 0 ||
        check_runtime(&upload->manifest, terms, *ret_environment, err) < 0)
        return -1;
    return check_tls(upload, terms, err);
}
