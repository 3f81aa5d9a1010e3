// SPDX-License-Identifier: Apache-2.0
/*
 * The manifest, driven by one table of fields: encoding, strict decoding and comparison all walk
 * it, so that no field can be in one of them and not in another. Used by owner, node and enclave;
 * what is decoded comes from strangers.
 */
#include "model/manifest.h"

#include "base/text.h"
#include "format/json.h"

#include <stdio.h>

enum field_type { FIELD_TEXT, FIELD_DIGEST, FIELD_NUMBER, FIELD_TLS_MODE, FIELD_VARIABLES };
enum field_presence { ALWAYS, OPTIONAL, RA_TLS_ONLY, OWNER_ONLY };

struct field {
    const char *group; /* "" at the top */
    const char *key;
    enum field_type type;
    enum field_presence presence;
    size_t offset;
    size_t size;
    uint64_t min;
    uint64_t max;
    bool (*valid)(const char *text);
    const char *expected;
    const char *meaning;
};

#define IN_MANIFEST(member)                                                                        \
    offsetof(struct manifest, member), sizeof(((struct manifest *)0)->member)
#define TEXT(group, key, presence, member, valid, expected, meaning)                               \
    {                                                                                              \
        group, key, FIELD_TEXT, presence, IN_MANIFEST(member), 0, 0, valid, expected, meaning      \
    }
#define DIGEST(group, key, presence, member, meaning)                                              \
    {                                                                                              \
        group, key, FIELD_DIGEST, presence, IN_MANIFEST(member), 0, 0, NULL, NULL, meaning         \
    }
#define NUMBER(group, key, presence, member, min, max, meaning)                                    \
    {                                                                                              \
        group, key, FIELD_NUMBER, presence, IN_MANIFEST(member), min, max, NULL, NULL, meaning     \
    }

#define NAME_SYNTAX "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
#define MIB (UINT64_C(1) << 20)
#define SIZE_LIMIT (UINT64_C(1) << 50)
#define LATEST_TIME INT64_C(253402300799) /* 9999-12-31T23:59:59Z, the end of X.509's time */

static const struct field fields[] = {
    TEXT("", "id", ALWAYS, id, manifest_id_valid, "a UUID in lower case", "another app"),
    TEXT("", "name", ALWAYS, name, name_valid, NAME_SYNTAX, "another name"),
    TEXT("", "python_application", ALWAYS, python_application, manifest_application_valid,
         "'module:variable' or 'module:factory()'", "another entry point into the code"),
    TEXT("", "release_command", OPTIONAL, release_command, manifest_function_valid,
         "'module:function'", "another function is called before the app serves"),
    TEXT("", "healthcheck_endpoint", OPTIONAL, healthcheck_endpoint, manifest_endpoint_valid,
         "a path that begins with '/'", "another health check"),
    DIGEST("", "code_commitment", ALWAYS, code_commitment,
           "other code, or the same code under another salt"),
    TEXT("", "code_data", OPTIONAL, code_data, manifest_data_valid,
         "paths in ascending order with ':' between", "other files of the package are data"),
    {"", "env", FIELD_VARIABLES, OPTIONAL, IN_MANIFEST(env), 0, 0, variables_valid,
     "an object of variables that an app may set, in ascending order, with printable ASCII values",
     "another variable of the app's environment"},
    TEXT("", "secrets_env", OPTIONAL, secrets_env, variable_names_valid,
         "\"*\", or names of variables in ascending order with ':' between",
         "other secrets become variables of the app's environment"),
    DIGEST("", "requirements_digest", ALWAYS, requirements_digest, "another requirements.txt"),
    DIGEST("", "runtime_digest", ALWAYS, runtime_digest, "another version of mse-enclave"),
    TEXT("environment", "name", ALWAYS, environment_name, name_valid, NAME_SYNTAX,
         "another environment"),
    DIGEST("environment", "digest", ALWAYS, environment_digest,
           "the environment's contents changed (Python, packages)"),
    {"tls", "mode", FIELD_TLS_MODE, ALWAYS, IN_MANIFEST(tls_mode), 0, 0, NULL,
     "\"ra-tls\" or \"owner\"", "another way of proving the TLS key"},
    TEXT("tls", "host_name", ALWAYS, tls_host_name, host_name_valid, "a host name in lower case",
         "another address"),
    NUMBER("tls", "not_after", RA_TLS_ONLY, tls_not_after, 1, LATEST_TIME,
           "the certificate ends at another time"),
    DIGEST("tls", "certificate_digest", OWNER_ONLY, tls_certificate_digest,
           "another certificate of the owner"),
    DIGEST("", "owner_key", ALWAYS, owner_key, "another owner may provision it"),
    NUMBER("resources", "memory_bytes", ALWAYS, memory_bytes, MIB, SIZE_LIMIT,
           "another limit of memory"),
    NUMBER("resources", "cpu_millis", ALWAYS, cpu_millis, 1, 1024000, "another share of the CPU"),
    NUMBER("storage", "quota_bytes", ALWAYS, quota_bytes, MIB, SIZE_LIMIT, "another storage quota"),
    NUMBER("storage", "key_epoch", ALWAYS, key_epoch, 1, UINT32_MAX,
           "other sealing keys: stored data does not open"),
    NUMBER("storage", "tmp_bytes", OPTIONAL, tmp_bytes, MIB, SIZE_LIMIT,
           "/tmp has another size, or lies in memory"),
    TEXT("storage", "keeper", OPTIONAL, storage_keeper, manifest_keeper_valid, "\"owner\"",
         "the owner can let other versions read what is stored, or nobody can"),
    TEXT("server", "access_log", OPTIONAL, server.access_log, manifest_log_format_valid,
         "\"common\", \"combined\" or \"json\"", "another access log is kept, or none"),
    TEXT("server", "access_log_to", OPTIONAL, server.access_log_to, manifest_log_target_valid,
         "\"sealed\" or \"log\"",
         "the access log is kept elsewhere: in \"log\" the operator reads it"),
    NUMBER("server", "body_bytes", OPTIONAL, server.body_bytes, 1, SIZE_LIMIT,
           "another limit of the server"),
    NUMBER("server", "body_timeout_ms", OPTIONAL, server.body_timeout_ms, 1, 86400000,
           "another limit of the server"),
    NUMBER("server", "connections", OPTIONAL, server.connections, 1, 1000000,
           "another limit of the server"),
    NUMBER("server", "header_bytes", OPTIONAL, server.header_bytes, 1024, 32768,
           "another limit of the server"),
    NUMBER("server", "header_count", OPTIONAL, server.header_count, 16, 1000,
           "another limit of the server"),
    NUMBER("server", "header_timeout_ms", OPTIONAL, server.header_timeout_ms, 1, 86400000,
           "another limit of the server"),
    NUMBER("server", "health_interval_ms", OPTIONAL, server.health_interval_ms, 1000, 86400000,
           "its health is checked at another interval, or only when it is deployed"),
    NUMBER("server", "http_version", OPTIONAL, server.http_version, 1, 2,
           "another version of HTTP is offered"),
    NUMBER("server", "idle_timeout_ms", OPTIONAL, server.idle_timeout_ms, 1, 86400000,
           "another limit of the server"),
    TEXT("server", "new_processes", OPTIONAL, server.new_processes, manifest_new_processes_valid,
         "\"refuse\" or \"end\"", "a call for a new process ends the app, or only fails"),
    NUMBER("server", "queue", OPTIONAL, server.queue, 1, 65536, "another limit of the server"),
    NUMBER("server", "request_timeout_ms", OPTIONAL, server.request_timeout_ms, 1, 86400000,
           "requests that wait for the app are given up after another time, or never"),
    NUMBER("server", "require_pq", OPTIONAL, server.require_pq, 1, 1,
           "a key exchange that is not post-quantum is refused, or not"),
    NUMBER("server", "restart_unhealthy", OPTIONAL, server.restart_unhealthy, 1, 1,
           "an app whose health checks fail starts anew, or not"),
    NUMBER("server", "server_timing", OPTIONAL, server.server_timing, 1, 1,
           "responses tell how long they took, or not"),
    NUMBER("server", "target_bytes", OPTIONAL, server.target_bytes, 256, 32768,
           "another limit of the server"),
    NUMBER("server", "threads", OPTIONAL, server.threads, 1, 256, "another limit of the server"),
    NUMBER("server", "watchdog_ms", OPTIONAL, server.watchdog_ms, 1000, 86400000,
           "an app that is stuck is ended after another time, or never"),
    NUMBER("server", "write_timeout_ms", OPTIONAL, server.write_timeout_ms, 1, 86400000,
           "another limit of the server"),
};

/* Objects inside the manifest, in the order of their keys. */
static const char *const groups[] = {"", "environment", "resources", "server", "storage", "tls"};

static const void *member(const struct field *field, const struct manifest *manifest)
{
    return (const char *)manifest + field->offset;
}

static void *member_of(const struct field *field, struct manifest *manifest)
{
    return (char *)manifest + field->offset;
}

static uint64_t number_of(const struct field *field, const struct manifest *manifest)
{
    uint64_t number;
    _Static_assert(sizeof(number) == sizeof(manifest->tls_not_after), "numbers have one size");
    memcpy(&number, member(field, manifest), sizeof(number));
    return number;
}

static bool is_set(const struct field *field, const struct manifest *manifest)
{
    if (field->type == FIELD_TEXT || field->type == FIELD_VARIABLES)
        return *(const char *)member(field, manifest) != '\0';
    if (field->type == FIELD_NUMBER)
        return number_of(field, manifest) != 0;
    return true;
}

/* Does this manifest have this field in its JSON? */
static bool applies(const struct field *field, const struct manifest *manifest)
{
    switch (field->presence) {
    case ALWAYS:
        return true;
    case OPTIONAL:
        return is_set(field, manifest);
    case RA_TLS_ONLY:
        return manifest->tls_mode == MANIFEST_TLS_RA;
    case OWNER_ONLY:
        return manifest->tls_mode == MANIFEST_TLS_OWNER;
    }
    return false;
}

static const char *tls_mode_text(enum manifest_tls_mode mode)
{
    return mode == MANIFEST_TLS_RA ? "ra-tls" : "owner";
}

static void path_of(const struct field *field, char path[static 40])
{
    (void)snprintf(path, 40, "%s%s%s", field->group, field->group[0] == '\0' ? "" : ".",
                   field->key);
}

static int check_field(const struct field *field, const struct manifest *manifest, struct err *err)
{
    char path[40];
    path_of(field, path);
    if (field->type == FIELD_VARIABLES) {
        const char *text = member(field, manifest);
        if (memchr(text, '\0', field->size) == NULL || !field->valid(text))
            return FAIL(err, ERR_INVALID, "manifest: key '%s': expected %s", path, field->expected);
    } else if (field->type == FIELD_TEXT) {
        const char *text = member(field, manifest);
        if (memchr(text, '\0', field->size) == NULL || !field->valid(text))
            return FAIL(err, ERR_INVALID, "manifest: key '%s' is '%.*s', expected %s", path,
                        (int)field->size, text, field->expected);
    } else if (field->type == FIELD_DIGEST) {
        if (slice_is_zero(slice_of(member(field, manifest), field->size)))
            return FAIL(err, ERR_INVALID, "manifest: key '%s' is all zeros", path);
    } else if (field->type == FIELD_NUMBER) {
        uint64_t number = number_of(field, manifest);
        if (number < field->min || number > field->max)
            return FAIL(err, ERR_INVALID, "manifest: key '%s' is %llu, expected %llu to %llu", path,
                        (unsigned long long)number, (unsigned long long)field->min,
                        (unsigned long long)field->max);
    }
    return 0;
}

static int put_variables(json_t *object, const char *key, const char *lines, struct err *err)
{
    AUTO_JSON json_t *variables = json_new_object(err);
    struct variable variable;
    if (variables == NULL)
        return -1;
    while ((lines = variables_next(lines, &variable)) != NULL) {
        if (json_put_text(variables, variable.name, variable.value, err) < 0)
            return -1;
    }
    return json_put(object, key, json_incref(variables), err);
}

static int put_field(const struct field *field, const struct manifest *manifest, json_t *object,
                     struct err *err)
{
    switch (field->type) {
    case FIELD_TEXT:
        return json_put_text(object, field->key, member(field, manifest), err);
    case FIELD_DIGEST:
        return json_put_hex(object, field->key, slice_of(member(field, manifest), field->size),
                            err);
    case FIELD_NUMBER:
        return json_put_u64(object, field->key, number_of(field, manifest), err);
    case FIELD_TLS_MODE:
        return json_put_text(object, field->key, tls_mode_text(manifest->tls_mode), err);
    case FIELD_VARIABLES:
        return put_variables(object, field->key, member(field, manifest), err);
    }
    return FAIL(err, ERR_INTERNAL, "manifest: unknown type of field");
}

/* The object for a group, made on first use; a borrowed reference. */
static json_t *group_object(json_t *root, const char *group, struct err *err)
{
    if (group[0] == '\0')
        return root;
    json_t *object = json_object_get(root, group);
    if (object != NULL)
        return object;
    object = json_new_object(err);
    if (object == NULL || json_put(root, group, object, err) < 0)
        return NULL;
    return object;
}

int manifest_encode(const struct manifest *manifest, struct buf *out, struct err *err)
{
    AUTO_JSON json_t *root = json_new_object(err);
    if (root == NULL || json_put_u64(root, "format", MANIFEST_FORMAT, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!applies(&fields[i], manifest))
            continue;
        json_t *object = group_object(root, fields[i].group, err);
        if (object == NULL || check_field(&fields[i], manifest, err) < 0 ||
            put_field(&fields[i], manifest, object, err) < 0)
            return -1;
    }
    return json_canonical(root, out, err);
}

static int read_tls_mode(const struct json_at *in, enum manifest_tls_mode *ret, struct err *err)
{
    const char *text;
    if (json_read_text(in, "mode", 16, &text, err) < 0)
        return -1;
    if (strcmp(text, tls_mode_text(MANIFEST_TLS_RA)) == 0)
        *ret = MANIFEST_TLS_RA;
    else if (strcmp(text, tls_mode_text(MANIFEST_TLS_OWNER)) == 0)
        *ret = MANIFEST_TLS_OWNER;
    else
        return FAIL(err, ERR_INVALID,
                    "manifest: key 'tls.mode' is '%s', expected \"ra-tls\" or \"owner\"", text);
    return 0;
}

/* Names and values are checked with the whole, and their order by the bytes. */
static int read_variables(const struct json_at *in, const char *key, char *to, size_t size,
                          struct err *err)
{
    struct json_at at;
    size_t len = 0;
    const char *name;
    json_t *member;
    if (json_read_object(in, key, &at, err) < 0)
        return -1;
    json_object_foreach(at.value, name, member)
    {
        const char *value;
        if (json_read_text(&at, name, VARIABLE_VALUE_SIZE - 1, &value, err) < 0)
            return -1;
        int more = snprintf(to + len, size - len, "%s=%s\n", name, value);
        if (more < 0 || (size_t)more >= size - len)
            return FAIL(err, ERR_TOO_LARGE,
                        "manifest: key '%s': the variables are more than %zu bytes together", key,
                        size - 1);
        len += (size_t)more;
    }
    if (len == 0)
        return FAIL(err, ERR_INVALID, "manifest: key '%s' is empty", key);
    return 0;
}

static int read_field(const struct field *field, const struct json_at *in,
                      struct manifest *manifest, struct err *err)
{
    void *to = member_of(field, manifest);
    switch (field->type) {
    case FIELD_TEXT:
        return json_read_text_into(in, field->key, to, field->size, err);
    case FIELD_DIGEST:
        return json_read_hex(in, field->key, to, field->size, err);
    case FIELD_NUMBER:
        return json_read_u64(in, field->key, field->min, field->max, to, err);
    case FIELD_TLS_MODE:
        return read_tls_mode(in, &manifest->tls_mode, err);
    case FIELD_VARIABLES:
        return read_variables(in, field->key, to, field->size, err);
    }
    return FAIL(err, ERR_INTERNAL, "manifest: unknown type of field");
}

static int check_keys(const struct json_at *in, const char *group, struct err *err)
{
    const char *known[ARRAY_LEN(fields) + ARRAY_LEN(groups) + 1];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].group, group) == 0)
            known[count++] = fields[i].key;
    }
    if (group[0] == '\0') {
        known[count++] = "format";
        for (size_t i = 1; i < ARRAY_LEN(groups); i++)
            known[count++] = groups[i];
    }
    return json_only_keys(in, known, count, err);
}

static int read_group(const struct json_at *in, const char *group, struct manifest *manifest,
                      struct err *err)
{
    if (check_keys(in, group, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *field = &fields[i];
        bool absent = field->presence == OPTIONAL && !json_has(in, field->key);
        if (strcmp(field->group, group) != 0 || absent)
            continue;
        /* The table has tls.mode before the fields that depend on it. */
        if (field->presence != OPTIONAL && !applies(field, manifest))
            continue;
        if (read_field(field, in, manifest, err) < 0 || check_field(field, manifest, err) < 0)
            return -1;
    }
    return 0;
}

/* Every field was read and re-written; bytes that differ hold a second reading of the same values:
 * white space, another order or escape, a field that does not belong to this TLS mode. */
static int check_canonical(struct slice bytes, const struct manifest *manifest, struct err *err)
{
    AUTO_BUF struct buf again = BUF_INIT(MANIFEST_MAX);
    if (manifest_encode(manifest, &again, err) < 0)
        return -1;
    size_t i = 0;
    while (i < bytes.len && i < again.len && bytes.data[i] == again.data[i])
        i++;
    if (i == bytes.len && i == again.len)
        return 0;
    return FAIL(err, ERR_INVALID,
                "manifest: not canonical JSON (RFC 8785): byte %zu is not as it must be", i);
}

int manifest_decode(struct slice bytes, struct manifest *ret, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    if (json_parse(bytes, "manifest", MANIFEST_MAX, &root, err) < 0 ||
        json_top(root, "manifest", &top, err) < 0)
        return -1;
    uint64_t format;
    if (json_read_u64(&top, "format", 0, UINT32_MAX, &format, err) < 0)
        return -1;
    if (format != MANIFEST_FORMAT)
        return FAIL(err, ERR_UNSUPPORTED, "manifest: format %llu, this version knows format %d",
                    (unsigned long long)format, MANIFEST_FORMAT);
    struct manifest manifest = {0};
    if (read_group(&top, "", &manifest, err) < 0)
        return -1;
    for (size_t i = 1; i < ARRAY_LEN(groups); i++) {
        struct json_at at;
        if (strcmp(groups[i], "server") == 0 && !json_has(&top, "server"))
            continue;
        if (json_read_object(&top, groups[i], &at, err) < 0 ||
            read_group(&at, groups[i], &manifest, err) < 0)
            return -1;
    }
    if (check_canonical(bytes, &manifest, err) < 0)
        return -1;
    *ret = manifest;
    return 0;
}

static void value_text(const struct field *field, const struct manifest *manifest,
                       char text[static MANIFEST_VALUE_SIZE])
{
    if (!applies(field, manifest)) {
        (void)snprintf(text, MANIFEST_VALUE_SIZE, "(absent)");
        return;
    }
    switch (field->type) {
    case FIELD_TEXT:
        (void)snprintf(text, MANIFEST_VALUE_SIZE, "%s", (const char *)member(field, manifest));
        break;
    case FIELD_DIGEST:
        hex_encode(slice_of(member(field, manifest), field->size), text);
        break;
    case FIELD_NUMBER:
        (void)snprintf(text, MANIFEST_VALUE_SIZE, "%llu",
                       (unsigned long long)number_of(field, manifest));
        break;
    case FIELD_TLS_MODE:
        (void)snprintf(text, MANIFEST_VALUE_SIZE, "%s", tls_mode_text(manifest->tls_mode));
        break;
    case FIELD_VARIABLES: /* one by one: add_variables */
        break;
    }
}

/* The variables on one side that the other has not, or has otherwise; what both have counts once.
 */
static size_t add_variables(const struct field *field, const struct manifest *a,
                            const struct manifest *b, struct manifest_difference *ret)
{
    size_t count = 0;
    struct variable left = {0};
    struct variable right = {0};
    const char *rest_a = variables_next(member(field, a), &left);
    const char *rest_b = variables_next(member(field, b), &right);
    while (rest_a != NULL || rest_b != NULL) {
        int order = rest_a == NULL ? 1 : rest_b == NULL ? -1 : strcmp(left.name, right.name);
        if (order != 0 || strcmp(left.value, right.value) != 0) {
            struct manifest_difference *difference = &ret[count++];
            (void)snprintf(difference->field, sizeof(difference->field), "%s.%s", field->key,
                           order <= 0 ? left.name : right.name);
            (void)snprintf(difference->a, MANIFEST_VALUE_SIZE, "%s",
                           order <= 0 ? left.value : "(absent)");
            (void)snprintf(difference->b, MANIFEST_VALUE_SIZE, "%s",
                           order >= 0 ? right.value : "(absent)");
            difference->meaning = field->meaning;
        }
        if (order <= 0)
            rest_a = variables_next(rest_a, &left);
        if (order >= 0)
            rest_b = variables_next(rest_b, &right);
    }
    return count;
}

size_t manifest_diff(const struct manifest *a, const struct manifest *b,
                     struct manifest_difference ret[static MANIFEST_DIFFERENCES_MAX])
{
    _Static_assert(ARRAY_LEN(fields) + 2 * VARIABLES_MAX <= MANIFEST_DIFFERENCES_MAX,
                   "a place for each field, and for each variable of either side");
    _Static_assert((int)VARIABLE_NAMES_SIZE <= (int)MANIFEST_VALUE_SIZE, "no text is cut");
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].type == FIELD_VARIABLES) {
            count += add_variables(&fields[i], a, b, &ret[count]);
            continue;
        }
        struct manifest_difference *difference = &ret[count];
        value_text(&fields[i], a, difference->a);
        value_text(&fields[i], b, difference->b);
        if (strcmp(difference->a, difference->b) == 0)
            continue;
        char path[40];
        path_of(&fields[i], path);
        (void)snprintf(difference->field, sizeof(difference->field), "%s", path);
        difference->meaning = fields[i].meaning;
        count++;
    }
    return count;
}
