// SPDX-License-Identifier: Apache-2.0
/*
 * JSON in and out of text.
 *
 * Parsing is strict (document.h): RFC 8259, UTF-8, no name twice, no zero characters, no bytes
 * behind the value, bounded size, depth and numbers of things. Members are read through typed
 * getters whose errors name the whole key path:
 *
 *     AUTO_JSON json_t *root = NULL;
 *     struct json_at top;
 *     if (json_parse(text, "manifest", MAX, &root, err) < 0 ||
 *         json_top(root, "manifest", &top, err) < 0 ||
 *         json_read_text(&top, "name", 64, &name, err) < 0)
 *         return -1;
 */
#pragma once

#include "base/buf.h"
#include "format/json_value.h"

enum {
    JSON_DEPTH_MAX = 32, /* deeper than any format of ours needs */
    JSON_NAMES_MAX = 4096,
    JSON_VALUES_MAX = 1 << 18,
    JSON_PATH_SIZE = 160,
};

/* Parses one JSON value of at most max_size bytes; `what` names the text in errors, which give line
 * and column and quote nothing: it may be a secret. The caller frees *ret (AUTO_JSON). Errors:
 * INVALID, TOO_LARGE, MEMORY. */
int json_parse(struct slice text, const char *what, size_t max_size, json_t **ret,
               struct err *err) MUST_USE;

/* An object and where it stands; a view that lives as long as the root. */
struct json_at {
    const json_t *value;
    const char *what;
    char path[JSON_PATH_SIZE]; /* "" at the top, "tls", "apps[3].tls" */
};

/* The top of a parsed text, which must be an object. `what` is kept: a literal. */
int json_top(const json_t *root, const char *what, struct json_at *ret, struct err *err) MUST_USE;
bool json_has(const struct json_at *in, const char *key);
/* Refuses members that are not in `known`, naming the nearest known one. */
int json_only_keys(const struct json_at *in, const char *const *known, size_t count,
                   struct err *err) MUST_USE;

int json_read_object(const struct json_at *in, const char *key, struct json_at *ret,
                     struct err *err) MUST_USE;
/* The array itself, at most max_count long; elements by json_read_element. */
int json_read_array(const struct json_at *in, const char *key, size_t max_count, const json_t **ret,
                    struct err *err) MUST_USE;
/* Element `index` of an array member, which must be an object. */
int json_read_element(const struct json_at *in, const char *key, size_t index, struct json_at *ret,
                      struct err *err) MUST_USE;
/* A string of at most max_len bytes (no zero byte inside); a view. */
int json_read_text(const struct json_at *in, const char *key, size_t max_len, const char **ret,
                   struct err *err) MUST_USE;
/* The same, *ret NULL where the member is absent or null. */
int json_read_text_optional(const struct json_at *in, const char *key, size_t max_len,
                            const char **ret, struct err *err) MUST_USE;
/* Copies the string with its zero byte into `to`, which has room for `size` bytes. */
int json_read_text_into(const struct json_at *in, const char *key, char *to, size_t size,
                        struct err *err) MUST_USE;
/* Whole numbers only: 1.0 and 1e3 are refused. */
int json_read_u64(const struct json_at *in, const char *key, uint64_t min, uint64_t max,
                  uint64_t *ret, struct err *err) MUST_USE;
int json_read_i64(const struct json_at *in, const char *key, int64_t min, int64_t max, int64_t *ret,
                  struct err *err) MUST_USE;
int json_read_bool(const struct json_at *in, const char *key, bool *ret, struct err *err) MUST_USE;
/* Exactly `size` bytes as 2 * size lower-case hexadecimal digits. */
int json_read_hex(const struct json_at *in, const char *key, uint8_t *ret, size_t size,
                  struct err *err) MUST_USE;
/* Base64 (RFC 4648 section 4, strict), appended to out, at most out->max. */
int json_read_base64(const struct json_at *in, const char *key, struct buf *out,
                     struct err *err) MUST_USE;

/* A new object or ERR_MEMORY. */
json_t *json_new_object(struct err *err) MUST_USE;
/* Add a member. `value` is taken over in any case; NULL stands for a failed allocation. */
int json_put(json_t *object, const char *key, json_t *value, struct err *err) MUST_USE;
/* A text that is not UTF-8 is ERR_INVALID. */
int json_put_text(json_t *object, const char *key, const char *text, struct err *err) MUST_USE;
int json_put_slice(json_t *object, const char *key, struct slice text, struct err *err) MUST_USE;
/* NULL or "" leaves the member out. */
int json_put_text_optional(json_t *object, const char *key, const char *text,
                           struct err *err) MUST_USE;
int json_put_i64(json_t *object, const char *key, int64_t value, struct err *err) MUST_USE;
int json_put_u64(json_t *object, const char *key, uint64_t value, struct err *err) MUST_USE;
int json_put_bool(json_t *object, const char *key, bool value, struct err *err) MUST_USE;
int json_put_hex(json_t *object, const char *key, struct slice bytes, struct err *err) MUST_USE;
int json_put_base64(json_t *object, const char *key, struct slice bytes, struct err *err) MUST_USE;

/* How a value is written. */
enum json_style {
    JSON_COMPACT,    /* in one line, without white space */
    JSON_FOR_PEOPLE, /* indented; ASCII only: what JSON leaves as it is may drive a terminal */
    JSON_CANONICAL,  /* as json_canonical says */
};
/* Appends. Errors: TOO_LARGE, MEMORY, INVALID where it is deeper than JSON_DEPTH_MAX. */
int json_write(const json_t *value, enum json_style style, struct buf *out,
               struct err *err) MUST_USE;
/* Appends RFC 8785 (JSON Canonicalization Scheme): no white space, members sorted by UTF-16 code
 * units, the shortest escapes. Numbers are whole and within 2^53 - 1 (section 3.2.2.3 and appendix
 * D say why); others are ERR_INVALID. */
int json_canonical(const json_t *value, struct buf *out, struct err *err) MUST_USE;
