// SPDX-License-Identifier: Apache-2.0
/*
 * A run of bytes that somebody else owns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){.data = data, .len = len};
}

static inline struct slice slice_str(const char *text)
{
    return slice_of(text, strlen(text));
}

/* Not for secrets: the time taken depends on the contents (crypto/equal.h has the other one). */
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is_str(struct slice a, const char *text)
{
    return slice_equal(a, slice_str(text));
}

static inline bool slice_starts_with(struct slice a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && memcmp(a.data, prefix, len) == 0;
}

static inline bool slice_ends_with(struct slice a, const char *suffix)
{
    size_t len = strlen(suffix);
    return a.len >= len && memcmp(a.data + (a.len - len), suffix, len) == 0;
}

static inline bool slice_is_zero(struct slice a)
{
    uint8_t any = 0;
    for (size_t i = 0; i < a.len; i++)
        any |= a.data[i];
    return any == 0;
}
