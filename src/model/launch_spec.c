// SPDX-License-Identifier: Apache-2.0
/*
 * Encoding and decoding of launch.json, from one table of its members each way. Runs in msed and
 * in its supervisors, on the host.
 */
#include "model/launch_spec.h"

#include "base/mem.h"
#include "format/json.h"

#include <stdlib.h>

/* Largest whole number that every JSON reader keeps exactly. */
#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

enum { PATH_REQUIRED = 0, PATH_OPTIONAL = 1, CPU_MILLIS_MAX = 1024 * 1000, PIDS_LIMIT = 1 << 22 };

struct path_member {
    const char *key;
    size_t offset;
    int optional;
};

static const struct path_member paths[] = {
    {"package", offsetof(struct launch_spec, package), PATH_REQUIRED},
    {"enclave", offsetof(struct launch_spec, enclave), PATH_REQUIRED},
    {"environment", offsetof(struct launch_spec, environment), PATH_OPTIONAL},
    {"image", offsetof(struct launch_spec, image), PATH_OPTIONAL},
    {"storage", offsetof(struct launch_spec, storage), PATH_REQUIRED},
    {"simulation_root", offsetof(struct launch_spec, simulation_root), PATH_REQUIRED},
};

struct number_member {
    const char *key;
    size_t offset;
    size_t size; /* 4 or 8 */
    uint64_t min;
    uint64_t max;
};

#define NUMBER(name, low, high)                                                                    \
    {                                                                                              \
#name, offsetof(struct launch_spec, name), sizeof(((struct launch_spec *)NULL)->name),     \
            low, high                                                                              \
    }

static const struct number_member numbers[] = {
    NUMBER(quota_bytes, 0, NUMBER_MAX),
    NUMBER(memory_bytes, 1 << 20, NUMBER_MAX),
    NUMBER(tmp_bytes, 1 << 12, NUMBER_MAX),
    NUMBER(log_bytes, 1 << 12, NUMBER_MAX),
    NUMBER(io_bytes, 0, NUMBER_MAX),
    NUMBER(cpu_millis, 1, CPU_MILLIS_MAX),
    NUMBER(pids_max, 8, PIDS_LIMIT),
    NUMBER(key_epoch, 0, UINT32_MAX),
    NUMBER(hold, 0, 1),
    NUMBER(uid, 0, UINT32_MAX - 1),
    NUMBER(gid, 0, UINT32_MAX - 1),
};

static const char *const known_keys[] = {
    "format",      "id",           "launcher",    "package",
    "enclave",     "environment",  "storage",     "simulation_root",
    "quota_bytes", "memory_bytes", "tmp_bytes",   "log_bytes",
    "io_bytes",    "cpu_millis",   "pids_max",    "key_epoch",
    "uid",         "gid",          "fingerprint", "tee",
    "image",       "hold",
};

static char **path_place(struct launch_spec *spec, const struct path_member *member)
{
    return (char **)((char *)spec + member->offset);
}

static uint64_t get_number(const struct launch_spec *spec, const struct number_member *member)
{
    const char *place = (const char *)spec + member->offset;
    uint32_t small = 0;
    uint64_t large = 0;
    if (member->size == sizeof(small)) {
        memcpy(&small, place, sizeof(small));
        return small;
    }
    memcpy(&large, place, sizeof(large));
    return large;
}

static void set_number(struct launch_spec *spec, const struct number_member *member, uint64_t value)
{
    char *place = (char *)spec + member->offset;
    uint32_t small = (uint32_t)value;
    if (member->size == sizeof(small))
        memcpy(place, &small, sizeof(small));
    else
        memcpy(place, &value, sizeof(value));
}

static int put_members(json_t *object, const struct launch_spec *spec, struct err *err)
{
    if (json_put_u64(object, "format", LAUNCH_SPEC_FORMAT, err) < 0 ||
        json_put_text(object, "id", spec->id, err) < 0 ||
        json_put_text(object, "launcher", spec->launcher, err) < 0 ||
        json_put_text(object, "tee", spec->tee, err) < 0 ||
        json_put_hex(object, "fingerprint", slice_of(spec->fingerprint, sizeof(spec->fingerprint)),
                     err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *path = *path_place((struct launch_spec *)(uintptr_t)spec, &paths[i]);
        if (json_put_text_optional(object, paths[i].key, path, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (json_put_u64(object, numbers[i].key, get_number(spec, &numbers[i]), err) < 0)
            return -1;
    }
    return 0;
}

int launch_spec_encode(const struct launch_spec *spec, struct buf *out, struct err *err)
{
    AUTO_JSON json_t *object = json_new_object(err);
    if (object == NULL || put_members(object, spec, err) < 0 ||
        json_canonical(object, out, err) < 0)
        return FAIL_CONTEXT(err, LAUNCH_SPEC_FILE);
    return 0;
}

static int read_path(const struct json_at *top, const struct path_member *member,
                     struct launch_spec *spec, struct err *err)
{
    const char *text = NULL;
    if (member->optional && !json_has(top, member->key))
        return 0;
    if (json_read_text(top, member->key, LAUNCH_PATH_MAX - 1, &text, err) < 0)
        return -1;
    if (text[0] != '/')
        return FAIL(err, ERR_INVALID, LAUNCH_SPEC_FILE ": %s: '%s' is no absolute path",
                    member->key, text);
    char *copy = str_copy(text, err);
    if (copy == NULL)
        return -1;
    *path_place(spec, member) = copy;
    return 0;
}

static int read_members(const struct json_at *top, struct launch_spec *spec, struct err *err)
{
    uint64_t number = 0;
    if (json_only_keys(top, known_keys, ARRAY_LEN(known_keys), err) < 0 ||
        json_read_u64(top, "format", LAUNCH_SPEC_FORMAT, LAUNCH_SPEC_FORMAT, &number, err) < 0 ||
        json_read_text_into(top, "id", spec->id, sizeof(spec->id), err) < 0 ||
        json_read_text_into(top, "launcher", spec->launcher, sizeof(spec->launcher), err) < 0 ||
        json_read_text_into(top, "tee", spec->tee, sizeof(spec->tee), err) < 0 ||
        json_read_hex(top, "fingerprint", spec->fingerprint, sizeof(spec->fingerprint), err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (read_path(top, &paths[i], spec, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (json_read_u64(top, numbers[i].key, numbers[i].min, numbers[i].max, &number, err) < 0)
            return -1;
        set_number(spec, &numbers[i], number);
    }
    return 0;
}

int launch_spec_decode(struct slice text, struct launch_spec *ret, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    AUTO_LAUNCH_SPEC struct launch_spec spec = {0};
    struct json_at top;
    if (json_parse(text, LAUNCH_SPEC_FILE, LAUNCH_SPEC_MAX, &root, err) < 0 ||
        json_top(root, LAUNCH_SPEC_FILE, &top, err) < 0 || read_members(&top, &spec, err) < 0)
        return -1;
    *ret = spec;
    spec = (struct launch_spec){0};
    return 0;
}

void launch_spec_done(struct launch_spec *spec)
{
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        free(*path_place(spec, &paths[i]));
    *spec = (struct launch_spec){0};
}
