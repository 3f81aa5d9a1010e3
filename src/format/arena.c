// SPDX-License-Identifier: Apache-2.0
/*
 * The arena behind a verdict. A failing request sets a flag that the end of the verification looks
 * at, so that the many places that only say something need no error path of their own.
 */
#include "format/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_SIZE = 16 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

void arena_done(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        if (arena->secret)
            mem_wipe(chunk->data, chunk->used);
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){0};
}

static struct arena_chunk *chunk_new(struct arena *arena, size_t size)
{
    size_t payload = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    if (payload > SIZE_MAX - sizeof(struct arena_chunk)) {
        arena->out_of_memory = true;
        return NULL;
    }
    struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + payload, NULL);
    if (chunk == NULL) {
        arena->out_of_memory = true;
        return NULL;
    }
    chunk->size = payload;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) {
        arena->out_of_memory = true;
        return NULL;
    }
    size_t need = (size + align - 1) / align * align;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < need)
        chunk = chunk_new(arena, need);
    if (chunk == NULL)
        return NULL;
    void *place = chunk->data + chunk->used;
    chunk->used += need;
    return place;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        arena->out_of_memory = true;
        return NULL;
    }
    return arena_alloc(arena, count * size);
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    uint8_t *place = arena_alloc(arena, bytes.len);
    if (place == NULL)
        return slice_of(NULL, 0);
    if (bytes.len > 0)
        memcpy(place, bytes.data, bytes.len);
    return slice_of(place, bytes.len);
}

const char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text == NULL ? "" : text;
}

const char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(arena, fmt, args);
    va_end(args);
    return text;
}

const char *arena_hex(struct arena *arena, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_array(arena, bytes.len + 1, 2);
    if (text == NULL)
        return "";
    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = digits[bytes.data[i] >> 4];
        text[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    return text;
}

const char *arena_printable(struct arena *arena, struct slice text, size_t max)
{
    size_t len = text.len < max ? text.len : max;
    char *copy = arena_alloc(arena, len + 1);
    if (copy == NULL)
        return "";
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = text.data[i];
        copy[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    return copy;
}
