// SPDX-License-Identifier: Apache-2.0
/*
 * What the values of configuration keys become: one reader per type, from TOML or from the text of
 * a default, and the checks that several keys share.
 */
#include "format/config_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "format/names.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static int store_text(const struct config_key *key, const char *text, const char *folder,
                      void *field, struct err *err)
{
    if (key->check != NULL && key->check(text, err) < 0)
        return -1;
    bool path = key->type == CONFIG_PATH;
    if (path && (text[0] == '\0' || strlen(text) >= CONFIG_PATH_MAX))
        return FAIL(err, ERR_INVALID, "a path has between 1 and %d bytes", CONFIG_PATH_MAX - 1);
    char *copy = path ? path_join(folder, text, err) : str_copy(text, err);
    if (copy == NULL)
        return -1;
    *(char **)field = copy;
    return 0;
}

static int store_number(const struct config_key *key, int64_t number, void *field, struct err *err)
{
    if (number < key->min || (key->max != 0 && number > key->max))
        return FAIL(err, ERR_INVALID,
                    "expected a value between %" PRId64 " and %" PRId64 ", found %" PRId64,
                    key->min, key->max != 0 ? key->max : INT64_MAX, number);
    *(int64_t *)field = number;
    return 0;
}

static int store_ports(const char *text, void *field, struct err *err)
{
    const char *dash = strchr(text, '-');
    uint64_t first, last;
    if (dash == NULL)
        return FAIL(err, ERR_INVALID, "expected a range such as \"20000-29999\", found '%s'", text);
    AUTO_FREE char *start = mem_copy(text, (size_t)(dash - text), err);
    if (start == NULL || parse_u64(start, "the first port", 1, UINT16_MAX, &first, err) < 0 ||
        parse_u64(dash + 1, "the last port", first, UINT16_MAX, &last, err) < 0)
        return -1;
    *(struct config_ports *)field = (struct config_ports){(int)first, (int)last};
    return 0;
}

static int store_choice(const struct config_key *key, const char *text, void *field,
                        struct err *err)
{
    AUTO_BUF struct buf all = BUF_INIT(1024);
    for (int i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(text, key->choices[i]) == 0) {
            *(int *)field = i;
            return 0;
        }
        if (buf_printf(&all, err, "%s\"%s\"", i > 0 ? ", " : "", key->choices[i]) < 0)
            return -1;
    }
    return FAIL(err, ERR_INVALID, "expected one of %s, found \"%s\"", buf_text(&all), text);
}

/* Everything that may be written as a text, in the file or as a default. */
static int read_text(const struct config_key *key, const char *text, const char *folder,
                     void *field, struct err *err)
{
    int64_t number;
    uint64_t bytes;
    switch (key->type) {
    case CONFIG_STRING:
    case CONFIG_PATH:
        return store_text(key, text, folder, field, err);
    case CONFIG_SIZE:
        if (parse_size(text, "the size", &bytes, err) < 0)
            return -1;
        return store_number(key, bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes, field, err);
    case CONFIG_DURATION:
        if (duration_parse(text, "the duration", &number, err) < 0)
            return -1;
        return store_number(key, number, field, err);
    case CONFIG_TIME:
        if (rfc3339_parse(text, &number, err) < 0)
            return -1;
        return store_number(key, number, field, err);
    case CONFIG_PORTS:
        return store_ports(text, field, err);
    case CONFIG_CHOICE:
        return store_choice(key, text, field, err);
    case CONFIG_BOOLEAN: /* a default: in the file it is no text */
        *(bool *)field = strcmp(text, "true") == 0;
        return 0;
    default:
        return FAIL(err, ERR_INTERNAL, "a text for a key of type %d", (int)key->type);
    }
}

static int read_strings(const struct config_key *key, const struct toml_value *value,
                        struct config_strings *ret, struct err *err)
{
    if (toml_expect(value, TOML_ARRAY, err) < 0)
        return -1;
    if (value->count > CONFIG_STRINGS_MAX)
        return TOML_FAIL(value, err, "has %zu items, at most %d are allowed", value->count,
                         CONFIG_STRINGS_MAX);
    ret->items = mem_alloc_array(value->count, sizeof(*ret->items), err);
    if (ret->items == NULL)
        return -1;
    for (const struct toml_value *item = value->first; item != NULL; item = item->next) {
        const char *text;
        struct err reason = ERR_INIT;
        if (toml_string(item, &text, err) < 0)
            return -1;
        if (key->check != NULL && key->check(text, &reason) < 0)
            return TOML_FAIL(item, err, "%s", reason.message);
        char *copy = str_copy(text, err);
        if (copy == NULL)
            return -1;
        ret->items[ret->count++] = copy;
    }
    return 0;
}

/* Instead of a list: true for all of them, false for none. */
static int read_all(const struct config_key *key, const struct toml_value *value,
                    struct config_strings *ret, struct err *err)
{
    bool all;
    if (toml_boolean(value, &all, err) < 0)
        return -1;
    if (!all)
        return 0;
    ret->items = mem_alloc_array(1, sizeof(*ret->items), err);
    if (ret->items == NULL)
        return -1;
    ret->items[0] = str_copy(key->all, err);
    if (ret->items[0] == NULL)
        return -1;
    ret->count = 1;
    return 0;
}

static int read_pair(const struct config_key *key, const struct toml_value *item, char **ret,
                     struct err *err)
{
    const char *text;
    struct err reason = ERR_INIT;
    if (memchr(item->key.data, '=', item->key.len) != NULL ||
        memchr(item->key.data, '\0', item->key.len) != NULL)
        return TOML_FAIL(item, err, "the name has a character that no name has");
    if (toml_string(item, &text, err) < 0)
        return -1;
    AUTO_FREE char *pair = str_printf(err, "%s=%s", (const char *)item->key.data, text);
    if (pair == NULL)
        return -1;
    if (key->check != NULL && key->check(pair, &reason) < 0)
        return TOML_FAIL(item, err, "%s", reason.message);
    *ret = STEAL(pair);
    return 0;
}

static int read_pairs(const struct config_key *key, const struct toml_value *value,
                      struct config_strings *ret, struct err *err)
{
    if (toml_expect(value, TOML_TABLE, err) < 0)
        return -1;
    if (value->count > CONFIG_STRINGS_MAX)
        return TOML_FAIL(value, err, "has %zu items, at most %d are allowed", value->count,
                         CONFIG_STRINGS_MAX);
    ret->items = mem_alloc_array(value->count + 1, sizeof(*ret->items), err);
    if (ret->items == NULL)
        return -1;
    for (const struct toml_value *item = value->first; item != NULL; item = item->next) {
        if (read_pair(key, item, &ret->items[ret->count], err) < 0)
            return -1;
        ret->count++;
    }
    return 0;
}

static int read_cpus(const struct config_key *key, const struct toml_value *value, void *field,
                     struct err *err)
{
    double cpus = value->type == TOML_INTEGER ? (double)value->integer : value->real;
    if (value->type != TOML_INTEGER && value->type != TOML_FLOAT)
        return TOML_FAIL(value, err, "expected a number of processors, found %s",
                         toml_type_text(value->type));
    double max = (double)key->max / 1000;
    if (!(cpus >= (double)key->min / 1000 && cpus <= max)) /* also when it is not a number */
        return TOML_FAIL(value, err, "expected a number of processors between %g and %g, found %g",
                         (double)key->min / 1000, max, cpus);
    *(int64_t *)field = (int64_t)(cpus * 1000 + 0.5);
    return 0;
}

/* The other spelling that a type has besides a string. */
static bool is_plain_number(const struct config_key *key, const struct toml_value *value)
{
    bool counted =
        key->type == CONFIG_INTEGER || key->type == CONFIG_SIZE || key->type == CONFIG_DURATION;
    return counted && value->type == TOML_INTEGER;
}

static int fail_type(const struct config_key *key, const struct toml_value *value, struct err *err)
{
    static const char *const expected[] = {
        [CONFIG_STRING] = "a string",
        [CONFIG_PATH] = "a string (a path)",
        [CONFIG_INTEGER] = "an integer",
        [CONFIG_SIZE] = "a size such as \"512M\" or an integer (bytes)",
        [CONFIG_DURATION] = "a duration such as \"30s\" or an integer (seconds)",
        [CONFIG_TIME] = "a date and time such as 2027-01-31T12:00:00Z",
        [CONFIG_PORTS] = "a string such as \"20000-29999\"",
        [CONFIG_CHOICE] = "a string",
    };
    return TOML_FAIL(value, err, "expected %s, found %s", expected[key->type],
                     toml_type_text(value->type));
}

int config_read_value(const struct config_key *key, const struct toml_value *value,
                      const char *folder, void *field, struct err *err)
{
    if (key->type == CONFIG_STRINGS && key->all != NULL && value->type == TOML_BOOLEAN)
        return read_all(key, value, field, err);
    if (key->type == CONFIG_PAIRS)
        return read_pairs(key, value, field, err);
    if (key->type == CONFIG_STRINGS)
        return read_strings(key, value, field, err);
    if (key->type == CONFIG_CPUS)
        return read_cpus(key, value, field, err);
    if (key->type == CONFIG_BOOLEAN)
        return toml_boolean(value, field, err);
    struct err reason = ERR_INIT;
    int64_t seconds;
    int result;
    if (is_plain_number(key, value)) {
        result = store_number(key, value->integer, field, &reason);
    } else if (key->type == CONFIG_TIME && value->type == TOML_DATETIME) {
        if (toml_unix_time(value, &seconds, err) < 0)
            return -1;
        result = store_number(key, seconds, field, &reason);
    } else if (key->type == CONFIG_TIME && value->type != TOML_STRING) {
        return toml_unix_time(value, &seconds, err);
    } else if (value->type != TOML_STRING || key->type == CONFIG_INTEGER) {
        return fail_type(key, value, err);
    } else {
        const char *text;
        if (toml_string(value, &text, err) < 0)
            return -1;
        result = read_text(key, text, folder, field, &reason);
    }
    if (result < 0) {
        toml_fail(value, err, "%s", reason.message);
        if (reason.hint[0] != '\0')
            err_hint(err, "%s", reason.hint);
        return -1;
    }
    return 0;
}

int config_read_fallback(const struct config_key *key, const char *folder, void *field,
                         struct err *err)
{
    uint64_t number;
    switch (key->type) {
    case CONFIG_INTEGER:
        if (parse_u64(key->fallback, key->names[0], 0, INT64_MAX, &number, err) < 0)
            return -1;
        return store_number(key, (int64_t)number, field, err);
    case CONFIG_CPUS:
        *(int64_t *)field = (int64_t)(strtod(key->fallback, NULL) * 1000 + 0.5);
        return 0;
    default:
        return read_text(key, key->fallback, folder, field, err);
    }
}

int config_check_name(const char *text, struct err *err)
{
    if (name_valid(text))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected 1 to 64 of A-Z a-z 0-9 . _ - that begin with a letter or digit, "
                "found '%.80s'",
                text);
}

int config_check_not_empty(const char *text, struct err *err)
{
    return text[0] != '\0' ? 0 : FAIL(err, ERR_INVALID, "must not be empty");
}

int config_check_host_name(const char *text, struct err *err)
{
    if (host_name_valid(text))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected a host name in lower case such as \"app.example.com\", found '%.80s'",
                text);
}

int config_check_address(const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || colon == text)
        return FAIL(err, ERR_INVALID,
                    "expected ADDRESS:PORT such as \"127.0.0.1:8443\", found "
                    "'%.80s'",
                    text);
    return parse_u64(colon + 1, "the port", 0, UINT16_MAX, &port, err);
}
