// SPDX-License-Identifier: Apache-2.0
/*
 * The check of requirements.txt: lines as pip makes them out of the file, each held against the
 * grammar of requirement_line.h. Owns nothing; runs in msed on bytes that an owner sent, and in
 * mse.
 */
#include "model/requirements.h"

#include "model/requirement_line.h"

#include <ctype.h>
#include <stdio.h>

struct line {
    const char *text; /* not terminated */
    size_t len;
    size_t number;
};

static int refuse(const struct line *line, const char *why, struct err *err)
{
    err_set(err, ERR_INVALID, 0, "requirements.txt line %zu: %s: '%.*s'", line->number, why,
            (int)(line->len < 80 ? line->len : 80), line->text);
    err_hint(err, "a line is a package name with versions, extras, a marker or --hash, as in "
                  "'flask[async]==2.2.2'");
    return -1;
}

static void trim(struct line *line)
{
    while (line->len > 0 && isspace((unsigned char)line->text[0])) {
        line->text++;
        line->len--;
    }
    while (line->len > 0 && isspace((unsigned char)line->text[line->len - 1]))
        line->len--;
}

/* pip takes a '#' at the start of a line or behind white space as the start of a comment. */
static void cut_comment(struct line *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if (line->text[i] == '#' && (i == 0 || isspace((unsigned char)line->text[i - 1]))) {
            line->len = i;
            return;
        }
    }
}

static int check_bytes(const struct line *line, struct err *err)
{
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->text[i];
        if ((c < 0x20 && c != '\t') || c > 0x7e)
            return refuse(line, "a byte that is not printable ASCII", err);
    }
    return 0;
}

static int check_requirement(const struct line *line, struct err *err)
{
    const char *why = requirement_line_check(slice_of(line->text, line->len));
    return why == NULL ? 0 : refuse(line, why, err);
}

/* pip does not continue a line that is all comment. */
static bool starts_comment(const uint8_t *text, size_t len)
{
    size_t i = 0;
    while (i < len && isspace(text[i]))
        i++;
    return i < len && text[i] == '#';
}

/* The next line that pip would see: a backslash at its end joins the following one. The joined text
 * goes to `joined`. */
static int next_line(struct slice text, size_t *pos, size_t *number, char *joined, struct line *ret,
                     struct err *err)
{
    size_t len = 0;
    size_t first = *number + 1;
    bool more = true;
    while (more && *pos < text.len) {
        const uint8_t *start = text.data + *pos;
        const uint8_t *newline = memchr(start, '\n', text.len - *pos);
        size_t raw = newline != NULL ? (size_t)(newline - start) : text.len - *pos;
        *pos += raw + (newline != NULL ? 1 : 0);
        ++*number;
        if (raw > 0 && start[raw - 1] == '\r')
            raw--;
        more = raw > 0 && start[raw - 1] == '\\' && !starts_comment(start, raw);
        if (more)
            raw--;
        if (len + raw >= REQUIREMENTS_LINE_MAX)
            return FAIL(err, ERR_INVALID, "requirements.txt line %zu: longer than %d bytes", first,
                        REQUIREMENTS_LINE_MAX);
        memcpy(joined + len, start, raw);
        len += raw;
    }
    *ret = (struct line){joined, len, first};
    return 0;
}

int requirements_check(struct slice text, struct buf *out, size_t *ret_count, struct err *err)
{
    char joined[REQUIREMENTS_LINE_MAX];
    size_t count = 0;
    size_t pos = 0;
    size_t number = 0;
    while (pos < text.len) {
        struct line line = {0};
        if (next_line(text, &pos, &number, joined, &line, err) < 0)
            return -1;
        if (number > REQUIREMENTS_LINES_MAX)
            return FAIL(err, ERR_TOO_LARGE, "requirements.txt: more than %d lines",
                        REQUIREMENTS_LINES_MAX);
        cut_comment(&line);
        trim(&line);
        if (line.len == 0)
            continue;
        if (check_bytes(&line, err) < 0 || check_requirement(&line, err) < 0)
            return -1;
        if (buf_bytes(out, slice_of(line.text, line.len), err) < 0 || buf_u8(out, '\n', err) < 0)
            return -1;
        count++;
    }
    *ret_count = count;
    return 0;
}
