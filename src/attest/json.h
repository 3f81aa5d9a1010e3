// SPDX-License-Identifier: Apache-2.0
/*
 * A strict JSON reader (RFC 8259) for documents that somebody signed or handed over: a tree of
 * nodes in an arena, strings as views of the text. Refused: duplicate names in an object, control
 * characters, bad UTF-8, bad escapes, anything after the value, more than the limits below.
 *
 * jansson is not used here: it seeds its hash tables from a file and keeps that seed in a global,
 * and libmse touches neither; and the trees of a verification live exactly as long as its arena.
 */
#pragma once

#include "attest/arena.h"

enum {
    JSON_MAX_SIZE = 1 << 20,
    JSON_MAX_NODES = 65536,
    JSON_MAX_DEPTH = 16,
    JSON_MAX_MEMBERS = 64, /* names in one object */
};

enum json_type {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

struct json_node {
    enum json_type type;
    struct slice name; /* in an object: the member's name as written (escapes kept) */
    struct slice text; /* the value's text; a string without its quotes */
    struct json_node *child;
    struct json_node *next;
    size_t count; /* members or elements */
};

/* `what` names the document in errors. The nodes live in the arena and point into `text`. */
int json_parse(struct arena *arena, struct slice text, const char *what,
               const struct json_node **ret, struct err *err) MUST_USE;

/* The member, or NULL where `object` is no object (or NULL) or has none of that name. */
const struct json_node *json_get(const struct json_node *object, const char *name);

/* The readers below fail with ERR_INVALID where the member is missing or of another type; `object`
 * may be NULL. */
int json_get_object(const struct json_node *object, const char *name, const struct json_node **ret,
                    struct err *err) MUST_USE;
/* An array of at most max_count elements. */
int json_get_array(const struct json_node *object, const char *name, size_t max_count,
                   const struct json_node **ret, struct err *err) MUST_USE;
/* The string with its escapes resolved: a view of the text where there are none. */
int json_get_string(struct arena *arena, const struct json_node *object, const char *name,
                    struct slice *ret, struct err *err) MUST_USE;
int json_string(struct arena *arena, const struct json_node *node, struct slice *ret,
                struct err *err) MUST_USE;
/* A whole number from 0 to max, without sign, fraction or exponent. */
int json_get_number(const struct json_node *object, const char *name, uint64_t max, uint64_t *ret,
                    struct err *err) MUST_USE;
/* A string of exactly 2 * size hexadecimal digits. */
int json_get_hex(const struct json_node *object, const char *name, uint8_t *ret, size_t size,
                 struct err *err) MUST_USE;
