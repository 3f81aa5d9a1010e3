// SPDX-License-Identifier: Apache-2.0
/*
 * Allocation with our errors. The only file that calls malloc, calloc and realloc.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mem_share_arena(void)
{
#ifdef M_ARENA_MAX
    (void)mallopt(M_ARENA_MAX, 1);
#endif
}

void mem_free_wiped(void *memory)
{
    if (memory != NULL)
        mem_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

void *mem_alloc(size_t size, struct err *err)
{
    return mem_alloc_array(1, size, err);
}

void *mem_alloc_array(size_t count, size_t size, struct err *err)
{
    if (count == 0 || size == 0)
        count = size = 1;
    void *memory = calloc(count, size);
    if (memory == NULL)
        (void)FAIL(err, ERR_MEMORY, "out of memory (%zu times %zu bytes)", count, size);
    return memory;
}

void *mem_resize_array(void *old, size_t count, size_t size, struct err *err)
{
    if (count == 0 || size == 0)
        count = size = 1;
    void *memory = reallocarray(old, count, size);
    if (memory == NULL)
        (void)FAIL(err, ERR_MEMORY, "out of memory (%zu times %zu bytes)", count, size);
    return memory;
}

void *mem_copy(const void *data, size_t len, struct err *err)
{
    if (len == SIZE_MAX) {
        (void)FAIL(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    uint8_t *copy = mem_alloc(len + 1, err);
    if (copy != NULL && len > 0)
        memcpy(copy, data, len);
    return copy;
}

char *str_copy(const char *text, struct err *err)
{
    return mem_copy(text, strlen(text), err);
}

char *str_printf(struct err *err, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        (void)FAIL(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    return text;
}

void mem_wipe(void *data, size_t len)
{
    if (len > 0)
        explicit_bzero(data, len);
}

void mem_free_pointer(void *pointer_to_pointer)
{
    void *pointer;
    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    free(pointer);
}
