// SPDX-License-Identifier: Apache-2.0
/*
 * The fields of a response as a handler gives them: which the server takes over, which it refuses.
 */
#pragma once

#include "http/http.h"

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
