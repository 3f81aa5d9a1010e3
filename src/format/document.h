// SPDX-License-Identifier: Apache-2.0
/*
 * A strict JSON reader (RFC 8259) for documents that somebody signed or handed over: a tree of
 * nodes in an arena, strings as views of the text. Refused: one name twice in an object (however it
 * is written), control characters, zero characters, bad UTF-8, bad escapes, half a surrogate pair,
 * anything after the value, more than the caller's limits.
 *
 * It has no global and opens no file, as libmse must not; the trees of a verification live exactly
 * as long as its arena. json.c makes of them the trees that programs change and write.
 */
#pragma once

#include "format/arena.h"

enum {
    DOC_MAX_SIZE = 1 << 20,
    DOC_MAX_VALUES = 65536,
    DOC_MAX_DEPTH = 16,
    DOC_MAX_NAMES = 64, /* in one object */
};

/* A text and what of it is read at most. */
struct doc_source {
    const char *what; /* names it in errors */
    size_t max_size;  /* 0, here and below: DOC_MAX_... */
    size_t max_values;
    size_t max_depth;
    size_t max_names; /* each is compared with all others */
};

enum doc_type { DOC_OBJECT, DOC_ARRAY, DOC_STRING, DOC_NUMBER, DOC_TRUE, DOC_FALSE, DOC_NULL };

struct doc_node {
    enum doc_type type;
    struct slice name; /* in an object: the member's name, its escapes resolved */
    struct slice text; /* the value's text; a string without its quotes */
    struct doc_node *child;
    struct doc_node *next;
    size_t count; /* members or elements */
};

/* The nodes live in the arena and point into `text`. An error says line and column, never what
 * stands there: the text may be a secret. */
int doc_read(struct arena *arena, struct slice text, const struct doc_source *source,
             const struct doc_node **ret, struct err *err) MUST_USE;
/* With the limits above. */
int doc_parse(struct arena *arena, struct slice text, const char *what, const struct doc_node **ret,
              struct err *err) MUST_USE;

/* The member, or NULL where `object` is no object (or NULL) or has none of that name. */
const struct doc_node *doc_get(const struct doc_node *object, const char *name);

/* The readers below fail with ERR_INVALID where the member is missing or of another type; `object`
 * may be NULL. */
int doc_get_object(const struct doc_node *object, const char *name, const struct doc_node **ret,
                   struct err *err) MUST_USE;
/* An array of at most max_count elements. */
int doc_get_array(const struct doc_node *object, const char *name, size_t max_count,
                  const struct doc_node **ret, struct err *err) MUST_USE;
/* The string with its escapes resolved: a view of the text where there are none. */
int doc_get_string(struct arena *arena, const struct doc_node *object, const char *name,
                   struct slice *ret, struct err *err) MUST_USE;
int doc_string(struct arena *arena, const struct doc_node *node, struct slice *ret,
               struct err *err) MUST_USE;
/* A whole number from 0 to max, without sign, fraction or exponent. */
int doc_get_number(const struct doc_node *object, const char *name, uint64_t max, uint64_t *ret,
                   struct err *err) MUST_USE;
/* A string of exactly 2 * size hexadecimal digits. */
int doc_get_hex(const struct doc_node *object, const char *name, uint8_t *ret, size_t size,
                struct err *err) MUST_USE;
