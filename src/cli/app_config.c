// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of mse.toml, in both layouts, and reading it. Runs on the owner's machine. What the
 * file points to is checked in app_config_check.c.
 */
#include "cli/app_config.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>

static int check_application(const char *text, struct err *err)
{
    if (manifest_application_valid(text))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected \"module:variable\" such as \"app:app\", or a factory "
                "such as \"shop:create_app()\", found '%.80s'",
                text);
}

static int check_function(const char *text, struct err *err)
{
    if (manifest_function_valid(text))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected \"module:function\" such as \"shop.release:migrate\", found '%.80s'",
                text);
}

static int check_endpoint(const char *text, struct err *err)
{
    if (manifest_endpoint_valid(text))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected a path that begins with \"/\" such as \"/health\", found '%.80s'", text);
}

static int check_data(const char *text, struct err *err)
{
    if (manifest_data_valid(text) && strchr(text, MANIFEST_DATA_SEPARATOR[0]) == NULL)
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected a path below the code folder such as \"db.sqlite3\", found '%.80s'",
                text);
}

/* An image reference: registry, port, path, tag and digest have these characters. */
static int check_docker(const char *text, struct err *err)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "._:/@-");
    if (len > 0 && len < 256 && text[len] == '\0')
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected the name of an environment such as \"mse-flask\", found '%.80s'", text);
}

static int check_image(const char *text, struct err *err)
{
    static const size_t prefix = sizeof(APP_IMAGE_PREFIX) - 1;
    bool digest = strncmp(text, APP_IMAGE_PREFIX, prefix) == 0;
    if (!digest && text[0] != '\0' && strlen(text) < CONFIG_PATH_MAX)
        return 0;
    if (digest && strlen(text) == prefix + 2 * SHA256_SIZE &&
        strspn(text + prefix, "0123456789abcdef") == 2 * SHA256_SIZE)
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected \"sha256:\" and 64 hexadecimal digits, as 'mse image show' prints them, "
                "or the folder of an image, found '%.80s'",
                text);
}

const char *const app_config_log_formats[] = {"off", "common", "combined", "json", NULL};

const char *const app_config_log_targets[] = {"sealed", "log", NULL};

const char *const app_config_new_processes[] = {"refuse", "end", NULL};
const char *const app_config_keeps[] = {"version", "owner", NULL};

const char *const app_config_tees[] = {"hardware", "sgx", "tdx", "snp", "simulation", NULL};

#define AT(member) .offset = offsetof(struct app_config, member)

static const struct config_key keys[] = {
    {{"name", "name"},
     {0},
     CONFIG_STRING,
     .required = true,
     AT(name),
     .check = config_check_name,
     .doc = "The name of the app, unique in its project. Deploying again under the same name "
            "replaces the running app."},
    {{"project", "cloud.project"},
     {0},
     CONFIG_STRING,
     .fallback = "default",
     AT(project),
     .check = config_check_name,
     .doc = "The project that the app belongs to."},
    {{"resource", "cloud.hardware"},
     {"hardware", "cloud.resource"},
     CONFIG_STRING,
     .fallback = "free",
     AT(resource),
     .check = config_check_name,
     .doc = "The hardware profile: memory, processors and storage, as the node offers them."},
    {{"expiration_date", "cloud.expiration_date"},
     {0},
     CONFIG_TIME,
     AT(expiration),
     .doc = "When the node ends the app, with the offset from UTC: 2027-01-31T12:00:00Z. What it "
            "stored is kept for a while then. Without it the app runs until it is stopped."},
    {{"code.location", "cloud.code"},
     {NULL, "cloud.location"},
     CONFIG_PATH,
     .required = true,
     AT(code),
     .doc = "The folder with the code of the app, encrypted before it leaves the machine. What "
            ".mseignore names stays behind, and this file, secrets, TLS key and tests; in the "
            "project's own folder (\".\") what .gitignore names, too."},
    {{"code.python_application", "python_application"},
     {0},
     CONFIG_STRING,
     .required = true,
     AT(application),
     .check = check_application,
     .doc =
         "The module and the variable that hold the WSGI or ASGI app, as module:variable; or, with "
         "() at the end, a function without arguments that returns it: shop:create_app()."},
    {{"code.data", "cloud.data"},
     {0},
     CONFIG_STRINGS,
     AT(data),
     .check = check_data,
     .doc = "Files and folders of the code folder that the app changes, such as a database that it "
            "brings along: they are data from the first start on, and never imported. All else of "
            "the code folder is read-only. In the manifest."},
    {{"code.healthcheck_endpoint", "healthcheck_endpoint"},
     {0},
     CONFIG_STRING,
     AT(healthcheck_endpoint),
     .check = check_endpoint,
     .doc = "A path of the app that answers a GET with a status below 400 when the app works. It "
            "is asked at the end of a deployment."},
    {{"code.docker", "cloud.docker"},
     {0},
     CONFIG_STRING,
     AT(docker),
     .check = check_docker,
     .doc = "The environment to run in, by the name that the node gives it, or an image reference, "
            "of which the last name counts. Without it, the default of the node."},
    {{"code.image", "cloud.image"},
     {0},
     CONFIG_STRING,
     AT(image),
     .check = check_image,
     .doc =
         "The image of a confidential VM that you trust: its digest (sha256:..., mse image show) "
         "or "
         "its folder, relative to this file. A node with another image gets nothing. SEV-SNP and "
         "TDX need the folder, or a policy, to compute what is measured."},
    {{"code.secrets", "cloud.secrets"},
     {0},
     CONFIG_PATH,
     AT(secrets),
     .doc = "A file with one JSON object. Its contents are sent to the verified enclave only, "
            "where the app finds them in the file that SECRETS_PATH names. It must lie outside the "
            "code folder."},
    {{"code.secrets_env", "cloud.secrets_env"},
     {0},
     CONFIG_STRINGS,
     .all = VARIABLE_NAMES_ALL,
     AT(secrets_env),
     .check = app_config_check_variable_name,
     .doc = "Which secrets of the first level are also environment variables, set before the app "
            "is imported: their names, or true for all. Texts, whole numbers and booleans can be. "
            "The manifest has the names or true, never a value."},
    {{"env", "env"},
     {0},
     CONFIG_PAIRS,
     AT(env),
     .check = app_config_check_variable,
     .doc = "Environment variables of the app, set before it is imported: NAME = \"value\", "
            "at most 64, 4 KiB together. They stand in the manifest: everybody can read them, and "
            "another value is another fingerprint."},
    {{"deploy.release_command", "deploy.release_command"},
     {0},
     CONFIG_STRING,
     AT(release_command),
     .check = check_function,
     .doc = "A function without arguments, as module:function, that a new release calls once "
            "inside the enclave before it serves, to migrate a database, for example. If it "
            "raises, the deployment fails. In the manifest."},
    {{"policy", "policy"},
     {0},
     CONFIG_PATH,
     AT(policy),
     .doc = "The attestation policy that decides which enclaves get the code and the secrets. "
            "Without it, the strict built-in one."},
    {{"tee", "tee"},
     {0},
     CONFIG_CHOICE,
     .fallback = "hardware",
     AT(tee),
     .choices = app_config_tees,
     .doc = "Which TEE is accepted without a policy: hardware (any), sgx, tdx, snp, or simulation, "
            "which protects nothing from the operator. hardware includes the simulation of a node "
            "that provably runs on this machine; see --simulation."},
    {{"tests", "cloud.tests"},
     {"code.tests", "tests"},
     CONFIG_PATH,
     AT(tests),
     .doc = "The folder with the tests; tests_cmd runs in it."},
    {{"tests_cmd", "tests_cmd"},
     {0},
     CONFIG_STRING,
     AT(tests_cmd),
     .check = config_check_not_empty,
     .doc = "The command that tests the deployed app (mse test) or the local one (mse localtest)."},
    {{"tests_requirements", "tests_requirements"},
     {0},
     CONFIG_STRINGS,
     AT(tests_requirements),
     .doc = "What tests_cmd needs, as lines of a requirements file."},
    {{"ssl.domain_name", "cloud.ssl.domain_name"},
     {0},
     CONFIG_STRING,
     .required = true,
     .optional_table = true,
     AT(ssl_domain_name),
     .check = config_check_host_name,
     .doc =
         "The domain name under which the app serves its owner's certificate instead of one made "
         "in the enclave. A node that routes by name wants a proof: a public authority's "
         "certificate, or a TXT record that its error names."},
    {{"ssl.certificate", "cloud.ssl.certificate"},
     {0},
     CONFIG_PATH,
     .required = true,
     .optional_table = true,
     AT(ssl_certificate),
     .doc = "A file with the certificate of the owner and its chain, in PEM. It must cover the "
            "domain name and not be expired."},
    {{"ssl.private_key", "cloud.ssl.private_key"},
     {0},
     CONFIG_PATH,
     .required = true,
     .optional_table = true,
     AT(ssl_private_key),
     .doc = "A file with the private key of that certificate, in PEM. It is sent to the verified "
            "enclave only, and must lie outside the code folder."},
    {{"ssl.ocsp_response", "cloud.ssl.ocsp_response"},
     {0},
     CONFIG_PATH,
     AT(ssl_ocsp_response),
     .doc = "A file with the answer of the certificate authority's OCSP responder about that "
            "certificate, in DER, which the app then shows with it. It must belong to the "
            "certificate and hold still; mse staple renews it."},
    {{"storage.tmp", "storage.tmp"},
     {0},
     CONFIG_SIZE,
     .min = 1 << 20,
     .max = INT64_C(1) << 50,
     AT(storage_tmp),
     .doc = "The size of /tmp on the app's encrypted storage, where it is emptied at each start. "
            "It counts to the storage of the hardware profile. Without it /tmp lies in memory and "
            "may take a quarter of the app's. In the manifest."},
    {{"server.threads", "server.threads"},
     {0},
     CONFIG_INTEGER,
     .fallback = "8",
     .min = 1,
     .max = 256,
     AT(server.threads),
     .doc = "How many threads call a WSGI app."},
    {{"server.queue", "server.queue"},
     {0},
     CONFIG_INTEGER,
     .min = 1,
     .max = 65536,
     AT(server.queue),
     .doc = "How many requests of a WSGI app wait for a thread, or of an ASGI app are under way; "
            "one more is answered 503. Without it 1024 and 8192."},
    {{"server.connections", "server.connections"},
     {0},
     CONFIG_INTEGER,
     .fallback = "16384",
     .min = 1,
     .max = 1000000,
     AT(server.connections),
     .doc = "How many connections are open at once. For one more, the one that has been idle "
            "longest is closed; where none is idle, the new one is answered 503."},
    {{"server.header_bytes", "server.header_bytes"},
     {0},
     CONFIG_SIZE,
     .fallback = "32K",
     .min = 1024,
     .max = 32 * 1024,
     AT(server.header_bytes),
     .doc = "The largest head of a request; a larger one is answered 431."},
    {{"server.header_count", "server.header_count"},
     {0},
     CONFIG_INTEGER,
     .fallback = "100",
     .min = 16,
     .max = 1000,
     AT(server.header_count),
     .doc = "The most header fields of a request; more are answered 431."},
    {{"server.target_bytes", "server.target_bytes"},
     {0},
     CONFIG_SIZE,
     .fallback = "8K",
     .min = 256,
     .max = 32 * 1024,
     AT(server.target_bytes),
     .doc = "The longest request line, with path and query; a longer one is answered 414."},
    {{"server.body_bytes", "server.body_bytes"},
     {0},
     CONFIG_SIZE,
     .fallback = "2G",
     .min = 1,
     .max = INT64_C(1) << 50,
     AT(server.body_bytes),
     .doc = "The largest body of a request; a larger one is answered 413."},
    {{"server.header_timeout", "server.header_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "10s",
     .min = 1,
     .max = 86400,
     AT(server.header_timeout_s),
     .doc = "How long a client may take to send the head of a request; then it is answered 408."},
    {{"server.body_timeout", "server.body_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "30s",
     .min = 1,
     .max = 86400,
     AT(server.body_timeout_s),
     .doc = "How long a client may be silent while it sends a body; then it is answered 408."},
    {{"server.idle_timeout", "server.idle_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "75s",
     .min = 1,
     .max = 86400,
     AT(server.idle_timeout_s),
     .doc = "How long a connection is kept between requests."},
    {{"server.write_timeout", "server.write_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "30s",
     .min = 1,
     .max = 86400,
     AT(server.write_timeout_s),
     .doc = "How long a client may take no byte of a response."},
    {{"server.watchdog", "server.watchdog"},
     {0},
     CONFIG_DURATION,
     .fallback = "60s",
     .min = 0,
     .max = 86400,
     AT(server.watchdog_s),
     .doc =
         "How long requests may wait for Python without any being begun or answered; then the "
         "app is stuck: its log gets the traceback of each thread, and it starts anew. 0: never. "
         "Computing while nobody waits is not stuck."},
    {{"server.request_timeout", "server.request_timeout"},
     {0},
     CONFIG_DURATION,
     .min = 0,
     .max = 86400,
     AT(server.request_timeout_s),
     .doc = "How long a request may wait for Python; then it is answered 503. One that the app has "
            "begun with is not ended but counted as hanging. Without it, or 0, there is no limit."},
    {{"server.health_interval", "server.health_interval"},
     {0},
     CONFIG_DURATION,
     .fallback = "30s",
     .min = 0,
     .max = 86400,
     AT(server.health_interval_s),
     .doc =
         "How often the enclave itself asks for healthcheck_endpoint, from the inside; mse status "
         "shows what came of it. 0: only at the end of a deployment."},
    {{"server.restart_unhealthy", "server.restart_unhealthy"},
     {0},
     CONFIG_BOOLEAN,
     .fallback = "false",
     AT(server.restart_unhealthy),
     .doc =
         "Whether the app starts anew after three health checks in a row have failed, behind one "
         "that passed."},
    {{"server.http2", "server.http2"},
     {0},
     CONFIG_BOOLEAN,
     .fallback = "true",
     AT(server.http2),
     .doc = "Whether HTTP/2 is offered beside HTTP/1.1, by ALPN. Clients choose."},
    {{"server.require_pq", "server.require_pq"},
     {0},
     CONFIG_BOOLEAN,
     .fallback = "false",
     AT(server.require_pq),
     .doc = "Whether a TLS key exchange other than the post-quantum X25519MLKEM768 is refused. "
            "Needs OpenSSL 3.5 (Debian 13) on the node, here, and at every client."},
    {{"server.access_log", "server.access_log"},
     {0},
     CONFIG_CHOICE,
     .fallback = "off",
     .choices = app_config_log_formats,
     AT(server.access_log),
     .doc = "A line for each request, as Apache's common or combined format has it, or a JSON "
            "object, which also says how long it took and waited."},
    {{"server.access_log_to", "server.access_log_to"},
     {0},
     CONFIG_CHOICE,
     .fallback = "sealed",
     .choices = app_config_log_targets,
     AT(server.access_log_to),
     .doc =
         "Where these lines go: sealed, the file $HOME/.cache/mse/access.log in the app's sealed "
         "storage, 16 MiB with the one before it; or log, the app's log, which the operator of the "
         "node reads too, with the paths and addresses of its users."},
    {{"server.server_timing", "server.server_timing"},
     {0},
     CONFIG_BOOLEAN,
     .fallback = "false",
     AT(server.server_timing),
     .doc =
         "Whether responses have a header Server-Timing that says how long the request waited and "
         "how long the app took, in milliseconds."},
    {{"server.new_processes", "server.new_processes"},
     {0},
     CONFIG_CHOICE,
     .fallback = "refuse",
     .choices = app_config_new_processes,
     AT(server.new_processes),
     .doc = "What a call for a new process (fork, vfork, execve) meets; none is made in either "
            "case. refuse: the call fails with EPERM, and the log names the place in the code. "
            "end: the app ends at the call, and its log names it."},
    {{"storage.keep", "storage.keep"},
     {0},
     CONFIG_CHOICE,
     .fallback = "version",
     .choices = app_config_keeps,
     AT(keep),
     .doc = "Who can read what the app stores. version: this version of the app alone; another one "
            "begins with nothing. owner: later versions too, on other machines too, by a key that "
            "comes from the owner's, who could read it as well."},
};

const struct config_schema app_config_schema = {keys, ARRAY_LEN(keys)};

void app_config_server_settings(const struct app_config_server *from, struct manifest_server *ret)
{
    *ret = (struct manifest_server){
        .body_bytes = (uint64_t)from->body_bytes,
        .body_timeout_ms = (uint64_t)from->body_timeout_s * 1000,
        .connections = (uint64_t)from->connections,
        .header_bytes = (uint64_t)from->header_bytes,
        .header_count = (uint64_t)from->header_count,
        .header_timeout_ms = (uint64_t)from->header_timeout_s * 1000,
        .http_version = from->http2 ? 2 : 1,
        .idle_timeout_ms = (uint64_t)from->idle_timeout_s * 1000,
        .queue = (uint64_t)from->queue,
        .target_bytes = (uint64_t)from->target_bytes,
        .threads = (uint64_t)from->threads,
        .health_interval_ms = (uint64_t)from->health_interval_s * 1000,
        .restart_unhealthy = from->restart_unhealthy ? 1 : 0,
        .watchdog_ms = (uint64_t)from->watchdog_s * 1000,
        .request_timeout_ms = (uint64_t)from->request_timeout_s * 1000,
        .require_pq = from->require_pq ? 1 : 0,
        .server_timing = from->server_timing ? 1 : 0,
        .write_timeout_ms = (uint64_t)from->write_timeout_s * 1000,
    };
    (void)snprintf(ret->new_processes, sizeof(ret->new_processes), "%s",
                   app_config_new_processes[from->new_processes]);
    if (from->access_log == 0)
        return;
    (void)snprintf(ret->access_log, sizeof(ret->access_log), "%s",
                   app_config_log_formats[from->access_log]);
    (void)snprintf(ret->access_log_to, sizeof(ret->access_log_to), "%s",
                   app_config_log_targets[from->access_log_to]);
}

void app_config_fail(const struct app_config *config, size_t offset, struct err *err,
                     const char *fmt, ...)
{
    char message[ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    const struct toml_value *value =
        config_source(&app_config_schema, (int)config->layout, toml_root(config->toml), offset);
    if (value != NULL)
        toml_fail(value, err, "%s", message);
    else
        err_set(err, ERR_INVALID, 0, "%s: %s: %s", config->path,
                config_name(&app_config_schema, (int)config->layout, offset), message);
}

/* [cloud], or the app at the top, is the later layout; both at once would be two truths. */
static int find_layout(const struct toml_value *root, enum app_config_layout *ret, struct err *err)
{
    const struct toml_value *code = toml_get(root, "code");
    const struct toml_value *cloud = toml_get(root, "cloud");
    const struct toml_value *top = toml_get(root, "python_application");
    const struct toml_value *later = cloud != NULL ? cloud : top;
    if (code != NULL && later != NULL) {
        toml_fail(later, err, "belongs to another layout than section [code] in line %u",
                  code->line);
        err_hint(err, "either [code], [ssl], or python_application at the top with [cloud]");
        return -1;
    }
    *ret = later != NULL ? APP_CONFIG_CLOUD : APP_CONFIG_CODE;
    return 0;
}

static int split_application(struct app_config *config, struct err *err)
{
    const char *colon = strchr(config->application, ':');
    size_t len = (size_t)(colon - config->application);
    config->module = mem_copy(config->application, len, err);
    config->variable = str_copy(colon + 1, err);
    return config->module == NULL || config->variable == NULL ? -1 : 0;
}

static int load(struct app_config *config, struct err *err)
{
    const struct toml_value *root = toml_root(config->toml);
    if (find_layout(root, &config->layout, err) < 0 ||
        config_load(&app_config_schema, (int)config->layout, root, config->folder, config, err) < 0)
        return -1;
    return split_application(config, err);
}

int app_config_parse(struct slice text, const char *path, struct app_config *ret, struct err *err)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    config.path = str_copy(path, err);
    config.folder = path_folder(path, err);
    if (config.path == NULL || config.folder == NULL ||
        toml_parse(text, path, &config.toml, err) < 0 || load(&config, err) < 0)
        return -1;
    *ret = config;
    config = (struct app_config){0};
    return 0;
}

int app_config_read(const char *path, struct app_config *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
    if (file_read(path, &text, err) < 0) {
        if (err != NULL && err->kind == ERR_NOT_FOUND)
            err_hint(err, "run mse in the folder of the app, name the file with --path, or make "
                          "one with 'mse init'");
        return -1;
    }
    return app_config_parse(buf_slice(&text), path, ret, err);
}

void app_config_done(struct app_config *config)
{
    config_done(&app_config_schema, config);
    free(config->path);
    free(config->folder);
    free(config->module);
    free(config->variable);
    toml_free(config->toml);
    *config = (struct app_config){0};
}
