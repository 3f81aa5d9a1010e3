// SPDX-License-Identifier: Apache-2.0
/*
 * What WSGI and ASGI both make of a request's head: cached objects for header names, decoded paths,
 * the server's name and port. The caches are guarded by the GIL.
 */
#include "serve/internal.h"

static size_t hash_name(const uint8_t *name, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ name[i]) * 0x100000001b3u;
    return (size_t)(hash ^ (hash >> 29));
}

PyObject *name_cache_get(struct name_cache *cache, struct slice name,
                         PyObject *(*make)(struct slice name))
{
    if (name.len == 0 || name.len > NAME_CACHE_LONGEST)
        return make(name);
    uint8_t lower[NAME_CACHE_LONGEST];
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    }
    struct name_entry *entry = NULL;
    for (size_t i = hash_name(lower, name.len);; i++) {
        entry = &cache->entries[i & (NAME_CACHE_SLOTS - 1)];
        if (entry->len == 0)
            break;
        if (entry->len == name.len && memcmp(entry->name, lower, name.len) == 0) {
            Py_INCREF(entry->object);
            return entry->object;
        }
    }
    PyObject *object = make(name);
    if (object == NULL || cache->used >= NAME_CACHE_MAX)
        return object;
    if (PyUnicode_CheckExact(object))
        PyUnicode_InternInPlace(&object);
    memcpy(entry->name, lower, name.len);
    entry->len = (uint8_t)name.len;
    Py_INCREF(object);
    entry->object = object;
    cache->used++;
    return object;
}

void name_cache_clear(struct name_cache *cache)
{
    for (size_t i = 0; i < NAME_CACHE_SLOTS; i++)
        Py_CLEAR(cache->entries[i].object);
    memset(cache, 0, sizeof(*cache));
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t percent_decode(struct slice text, uint8_t *to)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%' && i + 2 < text.len && hex_value(text.data[i + 1]) >= 0 &&
            hex_value(text.data[i + 2]) >= 0) {
            c = (uint8_t)(hex_value(text.data[i + 1]) * 16 + hex_value(text.data[i + 2]));
            i += 2;
        }
        to[len++] = c;
    }
    return len;
}

void request_server(const struct http_request *request, struct slice *ret_name,
                    struct slice *ret_port)
{
    const struct http_header *host = http_request_header(request, "host");
    struct slice name = host == NULL ? slice_str("localhost") : host->value;
    struct slice port = slice_str(request->tls ? "443" : "80");
    for (size_t i = name.len; i > 0; i--) {
        uint8_t c = name.data[i - 1];
        if (c == ':') {
            port = i < name.len ? slice_of(name.data + i, name.len - i) : port;
            name.len = i - 1;
            break;
        }
        if (c < '0' || c > '9')
            break;
    }
    *ret_name = name.len == 0 ? slice_str("localhost") : name;
    *ret_port = port;
}
