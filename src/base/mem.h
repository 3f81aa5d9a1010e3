// SPDX-License-Identifier: Apache-2.0
/*
 * Memory and ownership. The only place that calls malloc. An owning local is declared with its
 * cleanup attribute, giving it away is STEAL(p):
 *
 *     AUTO_FREE char *path = str_printf(err, "%s/%s", folder, name);
 *     if (path == NULL)
 *         return -1;
 *     *ret = STEAL(path);
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, or NULL with ERR_MEMORY. size 0 is allocated as 1. The caller frees with free().
 */
void *mem_alloc(size_t size, struct err *err) MUST_USE;
/* Zeroed array; a product that overflows is ERR_MEMORY. */
void *mem_alloc_array(size_t count, size_t size, struct err *err) MUST_USE;
/* Grows (or shrinks) an array; what is new is not zeroed. On failure the old one stays valid. */
void *mem_resize_array(void *old, size_t count, size_t size, struct err *err) MUST_USE;
/* A copy of len bytes with a zero byte behind them. */
void *mem_copy(const void *data, size_t len, struct err *err) MUST_USE;
char *str_copy(const char *text, struct err *err) MUST_USE;
char *str_printf(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;
/* Overwrites memory in a way the compiler keeps. */
void mem_wipe(void *data, size_t len);

/* free() that overwrites what was there. Accepts NULL. */
void mem_free_wiped(void *memory);

/* For a program whose threads hand memory to one another: all of them allocate from one arena.
 * glibc gives each thread its own, and what is allocated here and freed there splits them up until
 * they are several times as large as what is in use. Before the first thread; without effect where
 * the libc has no arenas. */
void mem_share_arena(void);

#define DEFINE_CLEANUP(name, type, function)                                                       \
    static inline void name(type *value)                                                           \
    {                                                                                              \
        function(*value);                                                                          \
    }

void mem_free_pointer(void *pointer_to_pointer);

#define AUTO_FREE __attribute__((cleanup(mem_free_pointer)))
#define AUTO(cleanup_function) __attribute__((cleanup(cleanup_function)))

#define STEAL(pointer)                                                                             \
    __extension__({                                                                                \
        __typeof__(pointer) *place_ = &(pointer);                                                  \
        __typeof__(pointer) value_ = *place_;                                                      \
        *place_ = NULL;                                                                            \
        value_;                                                                                    \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
