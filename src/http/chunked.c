// SPDX-License-Identifier: Apache-2.0
/*
 * Chunked bodies: one state for each place in the grammar of RFC 9112 section 7.1, one function for
 * each kind of place. Runs on I/O threads; every byte comes from a client.
 */
#include "http/chunked.h"

#include "base/text.h"
#include "http/syntax.h"

#include <limits.h>

static bool is_text(uint8_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Section 7.1: chunk-size is digits alone; section 7.1.1: an extension may stand behind white
 * space. */
static bool take_size(struct chunked *parser, uint8_t c)
{
    int digit = parser->state == CHUNKED_SPACE ? -1 : hex_digit_value((char)c);
    if (digit >= 0) {
        if (parser->left > UINT64_MAX >> 4)
            return false;
        parser->left = parser->left << 4 | (uint64_t)digit;
        parser->state = CHUNKED_SIZE;
        return true;
    }
    if (parser->state == CHUNKED_SIZE_FIRST)
        return false;
    if (c == ';') {
        parser->state = CHUNKED_EXTENSION;
        return true;
    }
    if (c == ' ' || c == '\t') {
        parser->state = CHUNKED_SPACE;
        return true;
    }
    bool ends = c == '\r' && parser->state == CHUNKED_SIZE;
    parser->state = CHUNKED_SIZE_LF;
    return ends;
}

/* A line can end only outside of quotes: who reads them and who does not must agree. */
static bool take_extension(struct chunked *parser, uint8_t c)
{
    if (c == '\r' && parser->state == CHUNKED_EXTENSION) {
        parser->state = CHUNKED_SIZE_LF;
        return true;
    }
    if (parser->state == CHUNKED_ESCAPED)
        parser->state = CHUNKED_QUOTED;
    else if (c == '"')
        parser->state = parser->state == CHUNKED_QUOTED ? CHUNKED_EXTENSION : CHUNKED_QUOTED;
    else if (c == '\\' && parser->state == CHUNKED_QUOTED)
        parser->state = CHUNKED_ESCAPED;
    return is_text(c);
}

static bool take_line_end(struct chunked *parser, uint8_t c)
{
    switch (parser->state) {
    case CHUNKED_SIZE_LF:
        parser->state = parser->left == 0 ? CHUNKED_LINE : CHUNKED_DATA;
        return c == '\n';
    case CHUNKED_DATA_CR:
        parser->state = CHUNKED_DATA_LF;
        return c == '\r';
    case CHUNKED_DATA_LF:
        parser->state = CHUNKED_SIZE_FIRST;
        return c == '\n';
    default: /* CHUNKED_VALUE_LF */
        parser->state = CHUNKED_LINE;
        return c == '\n';
    }
}

/* RFC 9110 section 6.5.1: fields that say where a message ends, or for whom it is, have no place
 * behind it. */
static bool may_trail(const struct chunked *parser)
{
    static const char *const refused[] = {"content-length", "transfer-encoding", "host"};
    struct slice name = slice_of(parser->name, parser->name_len);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (slice_is_nocase(name, refused[i]))
            return false;
    }
    return true;
}

static bool take_name(struct chunked *parser, uint8_t c)
{
    if (parser->state == CHUNKED_LINE) {
        parser->name_len = 0;
        parser->state = c == '\r' ? CHUNKED_LAST_LF : CHUNKED_NAME;
        if (c == '\r')
            return true;
    }
    if (c == ':') {
        parser->state = CHUNKED_VALUE;
        return parser->name_len > 0 && may_trail(parser);
    }
    if (parser->name_len < CHUNKED_NAME_SIZE)
        parser->name[parser->name_len++] = (char)c;
    return http_is_token(slice_of(&c, 1));
}

static bool take_value(struct chunked *parser, uint8_t c)
{
    if (c == '\r')
        parser->state = CHUNKED_VALUE_LF;
    return c == '\r' || is_text(c);
}

static bool take(struct chunked *parser, uint8_t c)
{
    switch (parser->state) {
    case CHUNKED_SIZE_FIRST:
    case CHUNKED_SIZE:
    case CHUNKED_SPACE:
        return take_size(parser, c);
    case CHUNKED_EXTENSION:
    case CHUNKED_QUOTED:
    case CHUNKED_ESCAPED:
        return take_extension(parser, c);
    case CHUNKED_LINE:
    case CHUNKED_NAME:
        return take_name(parser, c);
    case CHUNKED_VALUE:
        return take_value(parser, c);
    default:
        return take_line_end(parser, c);
    }
}

enum chunked_event chunked_next(struct chunked *parser, struct slice *bytes, struct slice *ret_data)
{
    while (bytes->len > 0) {
        if (parser->state == CHUNKED_DATA) {
            size_t len = parser->left < bytes->len ? (size_t)parser->left : bytes->len;
            *ret_data = slice_of(bytes->data, len);
            *bytes = slice_of(bytes->data + len, bytes->len - len);
            parser->left -= len;
            if (parser->left == 0)
                parser->state = CHUNKED_DATA_CR;
            return CHUNKED_BYTES;
        }
        uint8_t c = bytes->data[0];
        *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        if (parser->state == CHUNKED_LAST_LF)
            return c == '\n' ? CHUNKED_END : CHUNKED_WRONG;
        if (!take(parser, c))
            return CHUNKED_WRONG;
    }
    return CHUNKED_MORE;
}
