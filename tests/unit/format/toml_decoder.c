// SPDX-License-Identifier: Apache-2.0
/*
 * Reads TOML from standard input and writes it as tagged JSON, {"type": "integer", "value": "1"}
 * for each scalar: the decoder's side of the toml-test suite's protocol. Exit status 1 and the
 * error on standard error where the text is refused. Driven by tools/toml-conformance.
 */
#include "base/buf.h"
#include "base/fd.h"
#include "format/json.h"
#include "format/toml.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static json_t *encode(const struct toml_value *value);

static json_t *tagged(const char *type, const char *text, size_t len)
{
    return JSON_OF(JSON_TEXT("type", type), JSON_VALUE("value", json_stringn(text, len)));
}

static json_t *encode_float(double real)
{
    char text[64];
    if (isnan(real))
        return tagged("float", "nan", 3);
    if (isinf(real))
        return tagged("float", real < 0 ? "-inf" : "inf", real < 0 ? 4 : 3);
    int len = snprintf(text, sizeof(text), "%.17g", real);
    return tagged("float", text, (size_t)len);
}

static json_t *encode_integer(int64_t integer)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRId64, integer);
    return tagged("integer", text, (size_t)len);
}

static json_t *encode_time(enum toml_type type, const struct toml_time *time)
{
    AUTO_BUF struct buf out = BUF_INIT(256);
    int failed = 0;
    if (type != TOML_LOCAL_TIME)
        failed |= buf_printf(&out, NULL, "%04d-%02d-%02d", time->year, time->month, time->day);
    if (type == TOML_DATETIME || type == TOML_LOCAL_DATETIME)
        failed |= buf_str(&out, "T", NULL);
    if (type != TOML_LOCAL_DATE)
        failed |= buf_printf(&out, NULL, "%02d:%02d:%02d", time->hour, time->minute, time->second);
    if (type != TOML_LOCAL_DATE && time->nanosecond != 0)
        failed |= buf_printf(&out, NULL, ".%09d", time->nanosecond);
    if (type == TOML_DATETIME && time->offset_minutes == 0)
        failed |= buf_str(&out, "Z", NULL);
    else if (type == TOML_DATETIME)
        failed |= buf_printf(&out, NULL, "%c%02d:%02d", time->offset_minutes < 0 ? '-' : '+',
                             abs(time->offset_minutes) / 60, abs(time->offset_minutes) % 60);
    static const char *const names[] = {[TOML_DATETIME] = "datetime",
                                        [TOML_LOCAL_DATETIME] = "datetime-local",
                                        [TOML_LOCAL_DATE] = "date-local",
                                        [TOML_LOCAL_TIME] = "time-local"};
    return failed ? NULL : tagged(names[type], buf_text(&out), out.len);
}

static json_t *encode_children(const struct toml_value *value)
{
    bool table = value->type == TOML_TABLE;
    json_t *all = table ? json_object() : json_array();
    for (const struct toml_value *child = value->first; child != NULL; child = child->next) {
        json_t *encoded = encode(child);
        if (table)
            (void)json_object_add_new(all, child->key, encoded);
        else
            (void)json_array_append_new(all, encoded);
    }
    return all;
}

static json_t *encode(const struct toml_value *value)
{
    switch (value->type) {
    case TOML_STRING:
        return tagged("string", (const char *)value->text.data, value->text.len);
    case TOML_INTEGER:
        return encode_integer(value->integer);
    case TOML_FLOAT:
        return encode_float(value->real);
    case TOML_BOOLEAN:
        return tagged("bool", value->boolean ? "true" : "false", value->boolean ? 4 : 5);
    case TOML_ARRAY:
    case TOML_TABLE:
        return encode_children(value);
    default:
        return encode_time(value->type, &value->time);
    }
}

int main(void)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
    AUTO(toml_free_pointer) struct toml *toml = NULL;
    if (fd_read_all(STDIN_FILENO, &text, &err) < 0 ||
        toml_parse(buf_slice(&text), "stdin", &toml, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    json_t *json = encode(toml_root(toml));
    AUTO_BUF struct buf out = BUF_INIT(16 * TOML_MAX_BYTES);
    int failed = json_write(json, JSON_FOR_PEOPLE, &out, &err);
    json_decref(json);
    (void)printf("%s\n", buf_text(&out));
    return failed < 0 ? 2 : 0;
}
