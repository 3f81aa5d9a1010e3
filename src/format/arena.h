// SPDX-License-Identifier: Apache-2.0
/*
 * Memory that lives exactly as long as one verdict (or one policy): taken in pieces, freed at once.
 */
#pragma once

#include "base/mem.h"
#include "base/slice.h"

#include <stdarg.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    bool secret;        /* what it held is wiped at its end */
    bool out_of_memory; /* sticky: some request failed */
};

void arena_done(struct arena *arena);
/* Zeroed and aligned for any object; NULL out of memory. */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* NULL also where count * size overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size) MUST_USE;
/* A copy; of nothing where memory ran out. */
struct slice arena_copy(struct arena *arena, struct slice bytes) MUST_USE;
/* Formatted text; "" where memory ran out. */
const char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;
const char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
    PRINTF_LIKE(2, 0) MUST_USE;
/* Lower-case hexadecimal. */
const char *arena_hex(struct arena *arena, struct slice bytes) MUST_USE;
/* Outside text as printable ASCII: everything else becomes '?', cut at `max` characters. */
const char *arena_printable(struct arena *arena, struct slice text, size_t max) MUST_USE;
