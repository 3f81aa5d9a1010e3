// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes on their way, for the server's hot path: grows like a buf, but is neither zeroed nor,
 * unless it is marked, wiped (it holds what goes over the wire), keeps its memory for the next use,
 * and is consumed from the front without moving the rest. And the text of HTTP/1.1 responses.
 */
#pragma once

#include "base/buf.h"
#include "http/http.h"

#include <stdbool.h>

struct output {
    uint8_t *data;
    size_t pos; /* consumed */
    size_t len; /* written */
    size_t cap;
    bool secret; /* wiped before its memory is used for anything else */
};

static inline size_t output_left(const struct output *output)
{
    return output->len - output->pos;
}

/* Room for `more` bytes; the caller adds what it used to len. NULL: out of memory. */
uint8_t *output_reserve(struct output *output, size_t more, struct err *err) MUST_USE;
int output_bytes(struct output *output, const void *data, size_t len, struct err *err) MUST_USE;
void output_consume(struct output *output, size_t count);
/* Empties, and takes the mark away; frees the memory when it is larger than `keep`. */
void output_reset(struct output *output, size_t keep);

/* What a handler gave, checked. */
struct response_head {
    int status;
    const char *reason; /* NULL: the usual one */
    const struct http_header *headers;
    size_t header_count;
    int64_t content_length; /* -1: not known */
};

/* What the server makes of some headers instead of sending them as they are. */
enum response_field {
    FIELD_OTHER,
    FIELD_CONNECTION,     /* "close" is obeyed */
    FIELD_CONTENT_LENGTH, /* ours, except for HEAD and 304 */
    FIELD_DATE,           /* theirs, instead of ours */
    FIELD_HOP,            /* dropped: Transfer-Encoding, Keep-Alive, ... */
    FIELD_UPGRADE,        /* sent with 101 only */
};
enum response_field response_field(struct slice name);

/* Refuses a status out of range and anything that could break out of its line (RFC 9112
 * section 11.1): names that are no token, CR, LF, NUL or other controls in values. Errors: INVALID.
 */
int response_check(const struct response_head *head, struct err *err) MUST_USE;

/* The same for trailer fields, and refuses those that decide about framing, routing, identity or
 * how the content is to be read (RFC 9110 section 6.5.1): they come too late there. */
int trailers_check(const struct http_header *trailers, size_t count, struct err *err) MUST_USE;

enum { HTTP_DATE_SIZE = 30 };
/* IMF-fixdate of now, made once a second for each thread. */
const char *http_date_now(void);
/* Is one of the comma-separated tokens of `value` this one (case-insensitive)? */
bool http_has_token(struct slice value, const char *token);
bool slice_is_nocase(struct slice a, const char *text);
/* RFC 9110 section 5.6.2 */
bool http_is_token(struct slice text);
/* RFC 9110 section 5.5, without leading and trailing white space */
bool http_is_field_value(struct slice text);
/* Host, or :authority: uri-host and port (RFC 9112 section 3.2). Lists and userinfo are none. */
bool http_host_is_valid(struct slice host);
/* Path and query of a target from its path on. */
void http_split_target(struct http_request *request, struct slice rest);
/* Decimal digits of value; returns how many (at most 20). */
size_t decimal_format(uint64_t value, char *to);
/* 1*DIGIT up to INT64_MAX. */
bool decimal_parse(struct slice text, int64_t *ret);
