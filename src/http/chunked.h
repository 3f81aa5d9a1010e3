// SPDX-License-Identifier: Apache-2.0
/*
 * A chunked body of a request (RFC 9112 section 7.1), taken apart as strictly as the text allows:
 * what two parsers could read differently is refused. Extensions and trailers are dropped.
 */
#pragma once

#include "base/slice.h"

enum chunked_state {
    CHUNKED_SIZE_FIRST,
    CHUNKED_SIZE,
    CHUNKED_SPACE, /* behind the size: only an extension may follow */
    CHUNKED_EXTENSION,
    CHUNKED_QUOTED,
    CHUNKED_ESCAPED,
    CHUNKED_SIZE_LF,
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_LINE, /* where a trailer or the empty line begins */
    CHUNKED_NAME,
    CHUNKED_VALUE,
    CHUNKED_VALUE_LF,
    CHUNKED_LAST_LF,
};

enum { CHUNKED_NAME_SIZE = 18 }; /* longer than the names that are looked at */

struct chunked {
    enum chunked_state state;
    uint64_t left; /* of the chunk, or its size so far */
    char name[CHUNKED_NAME_SIZE];
    size_t name_len;
};

enum chunked_event {
    CHUNKED_MORE,  /* all bytes are used up */
    CHUNKED_BYTES, /* *ret_data: a run of the body */
    CHUNKED_END,   /* the body is complete; what is left in *bytes is not part of it */
    CHUNKED_WRONG,
};

/* `parser` is zeroed for a new body. Takes bytes from the front of *bytes. */
enum chunked_event chunked_next(struct chunked *parser, struct slice *bytes,
                                struct slice *ret_data);
