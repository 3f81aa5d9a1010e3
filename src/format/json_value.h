// SPDX-License-Identifier: Apache-2.0
/*
 * JSON as a tree in memory: what a program puts together for json_writer.c, and what json.c gives
 * of a text. Members and elements keep their order. A value is counted: who holds it calls
 * json_decref, a container holds what is in it. One thread at a time has a tree. What is freed is
 * wiped: secrets pass through here.
 *
 * What makes a value gives NULL where memory ran out, and for a text that is not well-formed
 * UTF-8. A container that was to take such a NULL is spoilt and is not written, so that whoever
 * puts values together need not look at each, and nothing is left out silently:
 *
 *     json_t *list = json_array();
 *     (void)json_array_append_new(list, JSON_OF(JSON_TEXT("a", a), JSON_NUMBER("n", n)));
 *     return json_put(object, "names", list, err);
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

#include <stdbool.h>

enum json_type {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_INTEGER,
    JSON_REAL, /* a number with a fraction or an exponent */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

typedef struct json_value json_t;

json_t *json_incref(json_t *value);
/* Accepts NULL. */
void json_decref(json_t *value);
DEFINE_CLEANUP(json_cleanup, json_t *, json_decref)
#define AUTO_JSON __attribute__((cleanup(json_cleanup)))

json_t *json_object(void) MUST_USE;
json_t *json_array(void) MUST_USE;
json_t *json_string(const char *text) MUST_USE;
json_t *json_stringn(const char *text, size_t len) MUST_USE;
json_t *json_integer(int64_t number) MUST_USE;
/* NULL for what is no number. */
json_t *json_real(double number) MUST_USE;
/* A number as a text has it. */
json_t *json_real_text(struct slice text) MUST_USE;
json_t *json_boolean(bool value) MUST_USE;
json_t *json_null(void) MUST_USE;
/* All of it anew. */
json_t *json_deep_copy(const json_t *value) MUST_USE;

/* A member of an object to be made. */
struct json_field {
    const char *key;
    json_t *value; /* taken over */
};
#define JSON_TEXT(key, text) ((struct json_field){(key), json_string(text)})
#define JSON_NUMBER(key, number) ((struct json_field){(key), json_integer((int64_t)(number))})
#define JSON_BOOL(key, value) ((struct json_field){(key), json_boolean(value)})
#define JSON_VALUE(key, value) ((struct json_field){(key), (value)})
/* An object of these; NULL, and all of them freed, where one of them is NULL. */
#define JSON_OF(...)                                                                               \
    json_of_fields((struct json_field[]){__VA_ARGS__},                                             \
                   sizeof((struct json_field[]){__VA_ARGS__}) / sizeof(struct json_field))
json_t *json_of_fields(const struct json_field *fields, size_t count) MUST_USE;

/* It, or something in it, could not be made. */
bool json_is_spoilt(const json_t *value);

/* Of a value that there is. */
enum json_type json_typeof(const json_t *value);
/* These take NULL for one that is not there: it is none of all, has no text and is 0. */
bool json_is_object(const json_t *value);
bool json_is_array(const json_t *value);
bool json_is_string(const json_t *value);
bool json_is_integer(const json_t *value);
bool json_is_boolean(const json_t *value);
bool json_is_true(const json_t *value);
bool json_is_null(const json_t *value);
/* Well-formed UTF-8 with a zero byte behind; NULL where it is no string. */
const char *json_string_value(const json_t *value);
size_t json_string_length(const json_t *value);
int64_t json_integer_value(const json_t *value);
/* The number as it is written. */
const char *json_real_value(const json_t *value);

size_t json_object_size(const json_t *object);
/* A view; NULL where there is none. */
json_t *json_object_get(const json_t *object, const char *key);
/* Replaces a member of that name. `value` is taken over in any case. -1, here and below: it is
 * NULL, the container is none, or memory ran out; the container is spoilt then. */
int json_object_set_new(json_t *object, const char *key, json_t *value);
/* The same, for one who knows that there is no such member yet: no look at the others. */
int json_object_add_new(json_t *object, struct slice key, json_t *value);
/* -1: there was none. */
int json_object_del(json_t *object, const char *key);
/* The member at that place, with its whole name, which may have zero bytes, with one more behind;
 * false: there are not so many. */
bool json_object_member(const json_t *object, size_t index, struct slice *ret_key,
                        json_t **ret_value);
/* The member after the *at first ones; false after the last one. */
bool json_object_next(const json_t *object, size_t *at, const char **ret_key, json_t **ret_value);
#define JSON_AT_(line) json_at_##line
#define JSON_EACH_(at, object, key, value)                                                         \
    for (size_t at = 0; json_object_next((object), &at, &(key), &(value));)
#define JSON_EACH_LINE_(line, object, key, value) JSON_EACH_(JSON_AT_(line), object, key, value)
/* Nothing may be added or taken away meanwhile. */
#define json_object_foreach(object, key, value) JSON_EACH_LINE_(__LINE__, object, key, value)

size_t json_array_size(const json_t *array);
json_t *json_array_get(const json_t *array, size_t index);
int json_array_append_new(json_t *array, json_t *value);
/* The array holds it too. */
int json_array_append(json_t *array, json_t *value);
