// SPDX-License-Identifier: Apache-2.0
/*
 * The canonical description of an environment and the matching of names. Owns nothing; used by the
 * node and by the owner's tools, who both hash the same bytes.
 */
#include "model/environment.h"

static int append_text(struct buf *out, const char *text, const char *what, struct err *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > 512)
        return FAIL(err, ERR_INVALID, "environment: %s has %zu bytes, 1 to 512 expected", what,
                    len);
    if (buf_u8(out, '"', err) < 0)
        return -1;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        /* printable ASCII only: its canonical form needs no other escapes (RFC 8785, 3.2.2.2) */
        if (c < 0x20 || c > 0x7e)
            return FAIL(err, ERR_INVALID, "environment: %s is not printable ASCII", what);
        if ((c == '"' || c == '\\') && buf_u8(out, '\\', err) < 0)
            return -1;
        if (buf_u8(out, c, err) < 0)
            return -1;
    }
    return buf_u8(out, '"', err);
}

static int append_requirements(const struct environment *environment, struct buf *out,
                               struct err *err)
{
    if (environment->requirement_count > ENVIRONMENT_REQUIREMENTS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "environment: %zu requirements, at most %d expected",
                    environment->requirement_count, ENVIRONMENT_REQUIREMENTS_MAX);
    for (size_t i = 0; i < environment->requirement_count; i++) {
        if (i > 0 && buf_u8(out, ',', err) < 0)
            return -1;
        if (append_text(out, environment->requirements[i], "a requirement", err) < 0)
            return -1;
    }
    return 0;
}

int environment_describe(const struct environment *environment, struct buf *out, struct err *err)
{
    if (buf_printf(out, err, "{\"base\":\"host\",\"format\":%d,\"name\":", ENVIRONMENT_FORMAT) <
            0 ||
        append_text(out, environment->name, "the name", err) < 0 ||
        buf_str(out, ",\"python\":", err) < 0 ||
        append_text(out, environment->python, "the Python version", err) < 0 ||
        buf_str(out, ",\"requirements\":[", err) < 0)
        return -1;
    if (append_requirements(environment, out, err) < 0)
        return -1;
    return buf_str(out, "]}", err);
}

bool environment_requirements_hashed(struct slice requirements)
{
    static const char option[] = "--hash";
    return requirements.len > 0 &&
           memmem(requirements.data, requirements.len, option, sizeof(option) - 1) != NULL;
}

bool environment_matches(const char *wanted, const char *name)
{
    const char *last = strrchr(wanted, '/');
    last = last != NULL ? last + 1 : wanted;
    size_t len = strcspn(last, ":@");
    return len > 0 && len == strlen(name) && memcmp(last, name, len) == 0;
}
