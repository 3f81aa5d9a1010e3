// SPDX-License-Identifier: Apache-2.0
/*
 * Reading, checking and packing a project. Runs on the owner's machine; the only secrets here are
 * the owner's own, kept in locked memory.
 */
#include "cli/project.h"
#include "cli/secrets_file.h"

#include "cli/code_folder.h"
#include "cli/ui.h"
#include "client/app_keys.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/name_proof.h"
#include "crypto/ocsp.h"
#include "model/environment.h"
#include "model/package_format.h"
#include "package/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PEM_MAX = 64 << 10,
};

/* Of an RA-TLS certificate without expiration_date: no end that is known (RFC 5280, 4.1.2.5). Its
 * key is made and vouched for anew at each start, and a day's date would make each day's deployment
 * of the same code another identity. */
#define NO_END INT64_C(253402300799)

void project_init(struct project *project)
{
    *project = (struct project){
        .requested = REQUESTED_INIT,
        .certificate = {.max = PACKAGE_CERTIFICATE_MAX},
        .ocsp = {.max = OCSP_RESPONSE_MAX},
        .manifest_bytes = {.max = MANIFEST_MAX},
        .package_fd = -1,
    };
}

void project_done(struct project *project)
{
    image_measured_done(&project->image_measured);
    app_config_done(&project->config);
    owner_key_done(&project->owner);
    provisioned_done(&project->secrets);
    requested_done(&project->requested);
    buf_done(&project->certificate);
    buf_done(&project->ocsp);
    buf_done(&project->manifest_bytes);
    fd_close(project->package_fd);
    project->package_fd = -1;
}

/* --- reading --- */

static int read_secrets(struct project *project, struct err *err)
{
    project->secrets.has_secrets = project->config.secrets != NULL;
    return secrets_file_read(&project->config, &project->secrets.secrets, err);
}

static int check_certificate(struct project *project, X509 *certificate, EVP_PKEY *key,
                             struct err *err)
{
    const struct app_config *config = &project->config;
    int64_t from;
    int64_t until;
    if (certificate_validity(certificate, &from, &until, err) < 0)
        return -1;
    char end[RFC3339_SIZE];
    rfc3339_format(until, end);
    if (until <= clock_unix())
        return APP_CONFIG_FAIL(config, ssl_certificate, err, "the certificate '%s' expired on %s",
                               config->ssl_certificate, end);
    if (config->expiration > until)
        return APP_CONFIG_FAIL(config, ssl_certificate, err,
                               "the certificate '%s' ends on %s, before expiration_date",
                               config->ssl_certificate, end);
    if (!certificate_matches_key(certificate, key))
        return APP_CONFIG_FAIL(config, ssl_private_key, err,
                               "the key '%s' does not belong to the certificate '%s'",
                               config->ssl_private_key, config->ssl_certificate);
    if (!certificate_covers(certificate, config->ssl_domain_name))
        return APP_CONFIG_FAIL(config, ssl_domain_name, err,
                               "the certificate '%s' does not cover '%s'", config->ssl_certificate,
                               config->ssl_domain_name);
    return 0;
}

static int read_ocsp(struct project *project, X509 *certificate, struct err *err)
{
    const struct app_config *config = &project->config;
    struct err reason = ERR_INIT;
    struct ocsp_validity validity;
    if (config->ssl_ocsp_response == NULL)
        return 0;
    if (file_read(config->ssl_ocsp_response, &project->ocsp, &reason) < 0 ||
        ocsp_check(buf_slice(&project->ocsp), certificate, buf_slice(&project->certificate),
                   clock_unix(), &validity, &reason) < 0)
        return APP_CONFIG_FAIL(config, ssl_ocsp_response, err, "%s", reason.message);
    return 0;
}

static int read_certificate(struct project *project, struct err *err)
{
    const struct app_config *config = &project->config;
    if (config->ssl_certificate == NULL)
        return 0;
    AUTO_BUF struct buf key_pem = BUF_INIT(PEM_MAX);
    AUTO_X509 X509 *certificate = NULL;
    AUTO_PKEY EVP_PKEY *key = NULL;
    if (file_read(config->ssl_certificate, &project->certificate, err) < 0 ||
        certificate_from_pem(buf_slice(&project->certificate), &certificate, err) < 0)
        return FAIL_CONTEXT(err, "certificate '%s'", config->ssl_certificate);
    if (file_read(config->ssl_private_key, &key_pem, err) < 0 ||
        private_key_from_pem(buf_slice(&key_pem), &key, err) < 0)
        return FAIL_CONTEXT(err, "private key '%s'", config->ssl_private_key);
    if (check_certificate(project, certificate, key, err) < 0 ||
        read_ocsp(project, certificate, err) < 0)
        return -1;
    return secret_copy(&project->secrets.tls_private_key, buf_slice(&key_pem), err);
}

int project_config_path(const char *path, char **ret, struct err *err)
{
    struct stat status;
    if (path == NULL)
        path = "mse.toml";
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        *ret = path_join(path, "mse.toml", err);
    else
        *ret = str_copy(path, err);
    if (*ret == NULL)
        return -1;
    if (file_exists(*ret))
        return 0;
    (void)FAIL(err, ERR_NOT_FOUND, "there is no '%s'", *ret);
    err_hint(err, "'mse init' writes one for the project in this folder, 'mse scaffold NAME' makes "
                  "an example, --path names another");
    free(*ret);
    *ret = NULL;
    return -1;
}

/* What the owner trusts in place of the node's word. */
static int read_image(struct project *project, struct err *err)
{
    static const size_t prefix = sizeof(APP_IMAGE_PREFIX) - 1;
    const struct app_config *config = &project->config;
    struct image_folder *folder = &project->image_measured.folder;
    struct err reason = ERR_INIT;
    if (config->image == NULL)
        return 0;
    project->image_named = true;
    if (strncmp(config->image, APP_IMAGE_PREFIX, prefix) == 0)
        return hex_decode(config->image + prefix, "image", project->image_digest, SHA256_SIZE, err);
    AUTO_FREE char *path = config->image[0] == '/' ? str_copy(config->image, err)
                                                   : path_join(config->folder, config->image, err);
    if (path == NULL)
        return -1;
    if (image_folder_open(path, folder, &reason) < 0) {
        (void)APP_CONFIG_FAIL(config, image, err, "%s", reason.message);
        err_hint(err, "'mse image build' makes the folder of an image, 'mse image verify' proves "
                      "it; or name the image by its digest");
        return -1;
    }
    memcpy(project->image_digest, folder->digest, SHA256_SIZE);
    return 0;
}

int project_read(struct project *project, const char *path, struct err *err)
{
    AUTO_FREE char *file = NULL;
    if (project_config_path(path, &file, err) < 0 ||
        app_config_read(file, &project->config, err) < 0 ||
        app_config_check(&project->config, clock_unix(), err) < 0 ||
        read_secrets(project, err) < 0 || read_certificate(project, err) < 0 ||
        read_image(project, err) < 0)
        return -1;
    if (requested_read(project->config.code, project->config.docker, &project->requested, err) <
            0 ||
        owner_key_load(&project->owner, err) < 0)
        return -1;
    return app_id_derive(&project->owner, project->config.project, project->config.name,
                         project->id, err);
}

/* --- the node's part --- */

static int read_node(struct node_client *node, struct node_facts *facts, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    if (node_client_request(node, "GET", "/v1/node", &root, err) < 0 ||
        json_top(root, "the node's description", &top, err) < 0 ||
        json_read_text_into(&top, "domain", facts->domain, sizeof(facts->domain), err) < 0 ||
        json_read_hex(&top, "runtime_digest", facts->runtime_digest, SHA256_SIZE, err) < 0)
        return -1;
    return json_read_hex(&top, "simulation_root", facts->simulation_root,
                         sizeof(facts->simulation_root), err);
}

/* Appends "a, b, c" from the names of a list that the node gave. */
static void append_names(const json_t *list, struct buf *out)
{
    struct err ignored = ERR_INIT;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (name != NULL)
            (void)!buf_printf(out, &ignored, "%s%s", out->len == 0 ? "" : ", ", name);
    }
}

static const json_t *find_named(const json_t *list, const char *wanted,
                                bool (*matches)(const char *wanted, const char *name))
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name != NULL && matches(wanted, name))
            return entry;
    }
    return NULL;
}

static bool same_name(const char *wanted, const char *name)
{
    return strcmp(wanted, name) == 0;
}

static int ask_hardware(struct project *project, struct node_client *node, struct err *err)
{
    AUTO_JSON json_t *list = NULL;
    if (node_client_list(node, "/v1/hardware", "hardware", &list, err) < 0)
        return -1;
    const json_t *entry = find_named(list, project->config.resource, same_name);
    if (entry == NULL) {
        AUTO_BUF struct buf names = BUF_INIT(512);
        append_names(list, &names);
        return APP_CONFIG_FAIL(&project->config, resource, err,
                               "the node has no hardware '%s'; it offers: %s",
                               project->config.resource, buf_text(&names));
    }
    struct json_at at;
    struct node_facts *facts = &project->facts;
    if (json_top(entry, "the node's hardware", &at, err) < 0 ||
        json_read_text_into(&at, "tee", facts->tee, sizeof(facts->tee), err) < 0 ||
        json_read_u64(&at, "memory_bytes", 1, INT64_MAX, &facts->memory_bytes, err) < 0 ||
        json_read_u64(&at, "cpu_millis", 1, INT64_MAX, &facts->cpu_millis, err) < 0)
        return -1;
    return json_read_u64(&at, "storage_bytes", 1, INT64_MAX, &facts->storage_bytes, err);
}

static int ask_environment(struct project *project, struct node_client *node, struct err *err)
{
    AUTO_JSON json_t *list = NULL;
    if (node_client_list(node, "/v1/environments", "environments", &list, err) < 0)
        return -1;
    const char *wanted = project->config.docker == NULL ? "mse-flask" : project->config.docker;
    const json_t *entry = find_named(list, wanted, environment_matches);
    if (entry == NULL) {
        AUTO_BUF struct buf names = BUF_INIT(512);
        append_names(list, &names);
        return APP_CONFIG_FAIL(&project->config, docker, err,
                               "the node has no environment '%s'; it offers: %s", wanted,
                               buf_text(&names));
    }
    struct json_at at;
    const char *description;
    const char *python;
    struct node_facts *facts = &project->facts;
    if (json_top(entry, "the node's environment", &at, err) < 0 ||
        json_read_text_into(&at, "name", facts->environment_name, sizeof(facts->environment_name),
                            err) < 0 ||
        json_read_text(&at, "description", ENVIRONMENT_DESCRIPTION_MAX, &description, err) < 0 ||
        json_read_text(&at, "python", NAME_SIZE, &python, err) < 0 ||
        requested_fits(&project->requested, facts->environment_name, python,
                       json_array_size(json_object_get(entry, "requirements")), err) < 0)
        return -1;
    return sha256(slice_str(description), facts->environment_digest, err);
}

static int check_runtime(const struct node_facts *facts, struct err *err)
{
    uint8_t own[SHA256_SIZE];
    if (owner_runtime_digest(own, err) < 0)
        return -1;
    if (crypto_equal(own, facts->runtime_digest, SHA256_SIZE))
        return 0;
    char mine[2 * SHA256_SIZE + 1];
    char theirs[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(own, SHA256_SIZE), mine);
    hex_encode(slice_of(facts->runtime_digest, SHA256_SIZE), theirs);
    (void)FAIL(err, ERR_CONFLICT,
               "the node runs another runtime (mse-enclave %.16s…) than this mse expects (%.16s…)",
               theirs, mine);
    err_hint(err, "bring both to the same version of mse; a different runtime is a different "
                  "identity");
    return -1;
}

static int check_image(const struct project *project, struct err *err)
{
    const struct node_facts *facts = &project->facts;
    char theirs[2 * SHA256_SIZE + 1];
    char trusted[2 * SHA256_SIZE + 1];
    if (!project->image_named ||
        crypto_equal(project->image_digest, facts->environment_digest, SHA256_SIZE))
        return 0;
    hex_encode(slice_of(facts->environment_digest, SHA256_SIZE), theirs);
    hex_encode(slice_of(project->image_digest, SHA256_SIZE), trusted);
    err_set(err, ERR_CONFLICT, 0,
            "the node's environment '%s' is sha256:%s, and %s trusts the image sha256:%s",
            facts->environment_name, theirs, project->config.path, trusted);
    err_hint(err, "nothing was uploaded; look at the node's image with 'mse image show DIR', prove "
                  "it with 'mse image verify DIR', and write its digest as 'image' only then");
    return -1;
}

int project_ask_node(struct project *project, struct node_client *node, struct err *err)
{
    if (read_node(node, &project->facts, err) < 0 || ask_hardware(project, node, err) < 0 ||
        ask_environment(project, node, err) < 0 || check_image(project, err) < 0)
        return -1;
    return check_runtime(&project->facts, err);
}

/* --- packing --- */

static int fill_tls(struct project *project, struct err *err)
{
    const struct app_config *config = &project->config;
    struct manifest *manifest = &project->manifest;
    if (config->ssl_domain_name != NULL) {
        manifest->tls_mode = MANIFEST_TLS_OWNER;
        (void)snprintf(manifest->tls_host_name, sizeof(manifest->tls_host_name), "%s",
                       config->ssl_domain_name);
        return sha256(buf_slice(&project->certificate), manifest->tls_certificate_digest, err);
    }
    manifest->tls_mode = MANIFEST_TLS_RA;
    manifest->tls_not_after = config->expiration != 0 ? config->expiration : NO_END;
    bool is_local = strcmp(project->facts.domain, "localhost") == 0;
    int len = snprintf(manifest->tls_host_name, sizeof(manifest->tls_host_name), "%s%s%s",
                       is_local ? "" : manifest->id, is_local ? "" : ".", project->facts.domain);
    if (len < 0 || (size_t)len >= sizeof(manifest->tls_host_name))
        return FAIL(err, ERR_INVALID, "the node's domain '%s' is too long", project->facts.domain);
    return 0;
}

/* What is in /tmp lies beside what is kept. */
static int fill_storage(const struct app_config *config, struct manifest *manifest, struct err *err)
{
    if (config->keep == APP_KEEP_OWNER)
        (void)snprintf(manifest->storage_keeper, sizeof(manifest->storage_keeper), "%s",
                       app_config_keeps[config->keep]);
    manifest->tmp_bytes = (uint64_t)config->storage_tmp;
    if (manifest->tmp_bytes < manifest->quota_bytes)
        return 0;
    return APP_CONFIG_FAIL(config, storage_tmp, err,
                           "it must be less than the storage of '%s', which is %llu bytes",
                           config->resource, (unsigned long long)manifest->quota_bytes);
}

/* Everything but the commitment, which has the same length whatever it is. */
static int fill_manifest(struct project *project, struct err *err)
{
    const struct app_config *config = &project->config;
    const struct node_facts *facts = &project->facts;
    struct manifest *manifest = &project->manifest;
    *manifest = (struct manifest){
        .memory_bytes = facts->memory_bytes,
        .cpu_millis = facts->cpu_millis,
        .quota_bytes = facts->storage_bytes,
        .key_epoch = 1,
    };
    (void)snprintf(manifest->id, sizeof(manifest->id), "%s", project->id);
    if (fill_tls(project, err) < 0 ||
        sha256(buf_slice(&project->requested.text), manifest->requirements_digest, err) < 0)
        return -1;
    (void)snprintf(manifest->name, sizeof(manifest->name), "%s", config->name);
    (void)snprintf(manifest->python_application, sizeof(manifest->python_application), "%s",
                   config->application);
    if (config->release_command != NULL)
        (void)snprintf(manifest->release_command, sizeof(manifest->release_command), "%s",
                       config->release_command);
    if (config->healthcheck_endpoint != NULL)
        (void)snprintf(manifest->healthcheck_endpoint, sizeof(manifest->healthcheck_endpoint), "%s",
                       config->healthcheck_endpoint);
    (void)snprintf(manifest->environment_name, sizeof(manifest->environment_name), "%s",
                   facts->environment_name);
    memcpy(manifest->environment_digest, facts->environment_digest, SHA256_SIZE);
    memcpy(manifest->runtime_digest, facts->runtime_digest, SHA256_SIZE);
    memcpy(manifest->owner_key, project->owner.public_key, sizeof(manifest->owner_key));
    memset(manifest->code_commitment, 0xff, SHA256_SIZE);
    app_config_server_settings(&config->server, &manifest->server);
    if (fill_storage(config, manifest, err) < 0)
        return -1;
    if (app_config_variables(config, manifest->env, err) < 0)
        return -1;
    return app_config_secrets_env(config, manifest->secrets_env, err);
}

/* --- data of the package --- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The manifest has them in one order, and each must be there to be meant. */
static int fill_data(struct project *project, const struct tree *tree, struct err *err)
{
    struct config_strings *data = &project->config.data;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    if (data->count > 1)
        qsort(data->items, data->count, sizeof(*data->items), compare_texts);
    for (size_t i = 0; i < data->count; i++) {
        if (tree_find(tree, data->items[i]) == NULL)
            return APP_CONFIG_FAIL(&project->config, data, err, "the package has no '%s'",
                                   data->items[i]);
        if (buf_printf(&text, err, "%s%s", i == 0 ? "" : MANIFEST_DATA_SEPARATOR, data->items[i]) <
            0)
            return -1;
    }
    if (text.len > 0 && !manifest_data_valid(buf_text(&text)))
        return APP_CONFIG_FAIL(&project->config, data, err,
                               "one is there twice, or they are more than %d bytes together",
                               MANIFEST_DATA_SIZE - 1);
    (void)snprintf(project->manifest.code_data, sizeof(project->manifest.code_data), "%s",
                   buf_text(&text));
    return 0;
}

static bool is_data(const struct config_strings *data, const char *path)
{
    for (size_t i = 0; i < data->count; i++) {
        size_t len = strlen(data->items[i]);
        if (strncmp(path, data->items[i], len) == 0 && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

/* A database that the app brings along is meant to change, mostly. */
static void warn_of_databases(const struct project *project, const struct tree *tree)
{
    static const char *const endings[] = {".sqlite3", ".sqlite", ".db"};
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_item *item = &tree->items[i];
        const char *dot = item->type != ARCHIVE_FILE ? NULL : strrchr(item->name, '.');
        for (size_t j = 0; dot != NULL && j < ARRAY_LEN(endings); j++) {
            if (strcmp(dot, endings[j]) == 0 && !is_data(&project->config.data, item->path))
                ui_warning("'%s' is read-only for the app, like all code. If the app changes it, "
                           "write data = [\"%s\"] in [code] of mse.toml.",
                           item->path, item->path);
        }
    }
}

/* The package up to the first byte of the archive. */
static int encode_prefix(struct project *project, uint64_t archive_size, struct buf *out,
                         struct err *err)
{
    buf_clear(&project->manifest_bytes);
    if (manifest_encode(&project->manifest, &project->manifest_bytes, err) < 0 ||
        package_header_append(out, err) < 0 ||
        package_section_append(out, PACKAGE_MANIFEST, project->manifest_bytes.len, err) < 0 ||
        buf_bytes(out, buf_slice(&project->manifest_bytes), err) < 0)
        return -1;
    if (project->requested.text.len > 0 &&
        (package_section_append(out, PACKAGE_REQUIREMENTS, project->requested.text.len, err) < 0 ||
         buf_bytes(out, buf_slice(&project->requested.text), err) < 0))
        return -1;
    if (project->certificate.len > 0 &&
        (package_section_append(out, PACKAGE_CERTIFICATE, project->certificate.len, err) < 0 ||
         buf_bytes(out, buf_slice(&project->certificate), err) < 0))
        return -1;
    return package_section_append(out, PACKAGE_ARCHIVE, archive_size, err);
}

static int write_at_start(int fd, struct slice bytes, struct err *err)
{
    if (lseek(fd, 0, SEEK_SET) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write the package");
    return fd_write_all(fd, bytes, err);
}

/* What the keys were derived from. */
struct origin {
    struct secret key;
    uint8_t digest[PACKAGE_COMMITMENT_SIZE];
};

static void origin_done(struct origin *origin)
{
    secret_done(&origin->key);
}

/* The archive first, behind the room that the prefix needs; then the prefix, with the commitment.
 */
static int write_package(struct project *project, const struct tree *tree,
                         const struct origin *origin, struct err *err)
{
    uint64_t archive_size = package_encrypted_size(tree->totals.archive_bytes);
    AUTO_BUF struct buf prefix = BUF_INIT(4 << 20);
    const struct package_keys keys = {.key = secret_slice(&project->secrets.code_key),
                                      .salt = secret_slice(&project->secrets.salt),
                                      .digest_key = secret_slice(&origin->key),
                                      .digest = origin->digest};
    if (encode_prefix(project, archive_size, &prefix, err) < 0 ||
        file_open_unnamed(&project->package_fd, err) < 0) /* ciphertext only goes there */
        return -1;
    if (lseek(project->package_fd, (off_t)prefix.len, SEEK_SET) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write the package");
    if (package_write(tree, &keys, package_sink_fd, &project->package_fd,
                      project->manifest.code_commitment, err) < 0)
        return -1;
    project->package_size = prefix.len + archive_size;
    buf_clear(&prefix);
    if (encode_prefix(project, archive_size, &prefix, err) < 0)
        return -1;
    return write_at_start(project->package_fd, buf_slice(&prefix), err);
}

/* The same code of the same app: the same keys. They are for that code alone, so the packing, which
 * reads it once more, compares what it read with `ret`. */
static int derive_keys(struct project *project, const struct tree *tree, struct origin *ret,
                       struct err *err)
{
    if (app_digest_key(&project->owner, project->id, &ret->key, err) < 0 ||
        package_commit(tree, secret_slice(&ret->key), ret->digest, err) < 0)
        return -1;
    return app_code_keys(&project->owner, project->id, ret->digest, &project->secrets.code_key,
                         &project->secrets.salt, err);
}

int project_pack(struct project *project, struct err *err)
{
    AUTO_TREE struct tree *tree = NULL;
    struct origin origin AUTO(origin_done) = {.key = SECRET_INIT};
    if (code_folder_scan(&project->config, &tree, err) < 0 ||
        derive_keys(project, tree, &origin, err) < 0 || fill_manifest(project, err) < 0 ||
        fill_data(project, tree, err) < 0 || write_package(project, tree, &origin, err) < 0)
        return FAIL_CONTEXT(err, "packing '%s'", project->config.code);
    warn_of_databases(project, tree);
    project->code_files = tree->totals.files;
    project->code_bytes = tree->totals.content_bytes;
    return sha256(buf_slice(&project->manifest_bytes), project->fingerprint, err);
}

int project_prove_name(const struct project *project, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf signature = BUF_INIT(NAME_PROOF_SIGNATURE_MAX);
    AUTO_PKEY EVP_PKEY *key = NULL;
    if (project->secrets.tls_private_key.len == 0)
        return 0;
    if (private_key_from_pem(secret_slice(&project->secrets.tls_private_key), &key, err) < 0 ||
        name_proof_sign(key, project->fingerprint, &signature, err) < 0)
        return -1;
    return hex_append(out, buf_slice(&signature), err);
}
