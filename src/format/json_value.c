// SPDX-License-Identifier: Apache-2.0
/*
 * The tree of JSON values. An object is an array of named values: objects of ours have some ten
 * members, and those of strangers are bounded by their reader.
 */
#include "format/json_value.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct member {
    char *key; /* NULL in an array; a zero byte follows */
    size_t key_len;
    json_t *value;
};

struct json_value {
    enum json_type type;
    size_t holders;
    bool spoilt; /* something that it was to hold is not there */
    int64_t number;
    char *text; /* of a string; a real number as it is written */
    size_t text_len;
    struct member *members; /* or elements */
    size_t count;
    size_t room;
};

static json_t *value_new(enum json_type type)
{
    json_t *value = mem_alloc(sizeof(*value), NULL);
    if (value != NULL)
        *value = (json_t){.type = type, .holders = 1};
    return value;
}

json_t *json_incref(json_t *value)
{
    if (value != NULL)
        value->holders++;
    return value;
}

static void member_done(struct member *member)
{
    mem_free_wiped(member->key);
    json_decref(member->value);
}

void json_decref(json_t *value)
{
    if (value == NULL || --value->holders > 0)
        return;
    for (size_t i = 0; i < value->count; i++)
        member_done(&value->members[i]);
    free(value->members);
    mem_free_wiped(value->text);
    mem_free_wiped(value);
}

json_t *json_object(void)
{
    return value_new(JSON_OBJECT);
}

json_t *json_array(void)
{
    return value_new(JSON_ARRAY);
}

json_t *json_boolean(bool value)
{
    return value_new(value ? JSON_TRUE : JSON_FALSE);
}

json_t *json_null(void)
{
    return value_new(JSON_NULL);
}

json_t *json_integer(int64_t number)
{
    json_t *value = value_new(JSON_INTEGER);
    if (value != NULL)
        value->number = number;
    return value;
}

static json_t *text_new(enum json_type type, struct slice text)
{
    AUTO_FREE char *copy = mem_copy(text.data, text.len, NULL);
    json_t *value = copy == NULL ? NULL : value_new(type);
    if (value == NULL)
        return NULL;
    value->text = STEAL(copy);
    value->text_len = text.len;
    return value;
}

json_t *json_stringn(const char *text, size_t len)
{
    struct slice bytes = slice_of(text, len);
    return (text == NULL && len > 0) || !utf8_valid(bytes) ? NULL : text_new(JSON_STRING, bytes);
}

json_t *json_string(const char *text)
{
    return text == NULL ? NULL : json_stringn(text, strlen(text));
}

json_t *json_real_text(struct slice text)
{
    return text_new(JSON_REAL, text);
}

json_t *json_real(double number)
{
    char text[32];
    if (!isfinite(number))
        return NULL;
    int len = snprintf(text, sizeof(text), "%.15g", number);
    if (strpbrk(text, ".e") == NULL)
        len = snprintf(text, sizeof(text), "%.1f", number);
    return json_real_text(slice_of(text, (size_t)len));
}

json_t *json_of_fields(const struct json_field *fields, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        (void)json_object_set_new(object, fields[i].key, fields[i].value);
    if (object == NULL || !object->spoilt)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *shallow_copy(const json_t *value)
{
    json_t *copy = value->text == NULL
                       ? value_new(value->type)
                       : text_new(value->type, slice_of(value->text, value->text_len));
    if (copy == NULL)
        return NULL;
    copy->number = value->number;
    copy->spoilt = value->spoilt;
    return copy;
}

static int append(json_t *to, const char *key, size_t key_len, json_t *value);

json_t *json_deep_copy(const json_t *value)
{
    json_t *copy = value == NULL ? NULL : shallow_copy(value);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < value->count; i++) {
        const struct member *member = &value->members[i];
        if (append(copy, member->key, member->key_len, json_deep_copy(member->value)) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

/* --- what it is --- */

enum json_type json_typeof(const json_t *value)
{
    return value->type;
}

static bool is(const json_t *value, enum json_type type)
{
    return value != NULL && value->type == type;
}

bool json_is_object(const json_t *value)
{
    return is(value, JSON_OBJECT);
}

bool json_is_array(const json_t *value)
{
    return is(value, JSON_ARRAY);
}

bool json_is_string(const json_t *value)
{
    return is(value, JSON_STRING);
}

bool json_is_integer(const json_t *value)
{
    return is(value, JSON_INTEGER);
}

bool json_is_boolean(const json_t *value)
{
    return is(value, JSON_TRUE) || is(value, JSON_FALSE);
}

bool json_is_true(const json_t *value)
{
    return is(value, JSON_TRUE);
}

bool json_is_null(const json_t *value)
{
    return is(value, JSON_NULL);
}

const char *json_string_value(const json_t *value)
{
    return is(value, JSON_STRING) ? value->text : NULL;
}

size_t json_string_length(const json_t *value)
{
    return is(value, JSON_STRING) ? value->text_len : 0;
}

int64_t json_integer_value(const json_t *value)
{
    return is(value, JSON_INTEGER) ? value->number : 0;
}

const char *json_real_value(const json_t *value)
{
    return is(value, JSON_REAL) ? value->text : NULL;
}

/* --- what is in it --- */

static bool make_room(json_t *to)
{
    if (to->count < to->room)
        return true;
    size_t room = to->room == 0 ? 8 : 2 * to->room;
    void *members = mem_resize_array(to->members, room, sizeof(*to->members), NULL);
    if (members == NULL)
        return false;
    to->members = members;
    to->room = room;
    return true;
}

/* The container takes the value over. `key` is NULL in an array. */
static int append(json_t *to, const char *key, size_t key_len, json_t *value)
{
    AUTO_JSON json_t *owned = value;
    AUTO_FREE char *name = key == NULL ? NULL : mem_copy(key, key_len, NULL);
    if (owned == NULL || (key != NULL && name == NULL) || !make_room(to)) {
        to->spoilt = true;
        return -1;
    }
    to->members[to->count++] = (struct member){STEAL(name), key_len, STEAL(owned)};
    return 0;
}

bool json_is_spoilt(const json_t *value)
{
    if (value == NULL || value->spoilt)
        return true;
    for (size_t i = 0; i < value->count; i++) {
        if (json_is_spoilt(value->members[i].value))
            return true;
    }
    return false;
}

static struct member *find(const json_t *object, const char *key)
{
    for (size_t i = 0; is(object, JSON_OBJECT) && i < object->count; i++) {
        if (strcmp(object->members[i].key, key) == 0)
            return &object->members[i];
    }
    return NULL;
}

size_t json_object_size(const json_t *object)
{
    return is(object, JSON_OBJECT) ? object->count : 0;
}

json_t *json_object_get(const json_t *object, const char *key)
{
    const struct member *member = find(object, key);
    return member == NULL ? NULL : member->value;
}

int json_object_add_new(json_t *object, struct slice key, json_t *value)
{
    if (is(object, JSON_OBJECT))
        return append(object, (const char *)key.data, key.len, value);
    json_decref(value);
    return -1;
}

int json_object_set_new(json_t *object, const char *key, json_t *value)
{
    struct member *member = find(object, key);
    if (member == NULL || value == NULL)
        return json_object_add_new(object, slice_str(key), value);
    json_decref(member->value);
    member->value = value;
    return 0;
}

int json_object_del(json_t *object, const char *key)
{
    struct member *member = find(object, key);
    if (member == NULL)
        return -1;
    member_done(member);
    object->count--;
    size_t at = (size_t)(member - object->members);
    memmove(member, member + 1, (object->count - at) * sizeof(*member));
    return 0;
}

bool json_object_member(const json_t *object, size_t index, struct slice *ret_key,
                        json_t **ret_value)
{
    if (index >= json_object_size(object))
        return false;
    const struct member *member = &object->members[index];
    *ret_key = slice_of(member->key, member->key_len);
    *ret_value = member->value;
    return true;
}

bool json_object_next(const json_t *object, size_t *at, const char **ret_key, json_t **ret_value)
{
    struct slice key;
    if (!json_object_member(object, *at, &key, ret_value))
        return false;
    *ret_key = (const char *)key.data;
    (*at)++;
    return true;
}

size_t json_array_size(const json_t *array)
{
    return is(array, JSON_ARRAY) ? array->count : 0;
}

json_t *json_array_get(const json_t *array, size_t index)
{
    return index < json_array_size(array) ? array->members[index].value : NULL;
}

int json_array_append_new(json_t *array, json_t *value)
{
    if (is(array, JSON_ARRAY))
        return append(array, NULL, 0, value);
    json_decref(value);
    return -1;
}

int json_array_append(json_t *array, json_t *value)
{
    return json_array_append_new(array, json_incref(value));
}
