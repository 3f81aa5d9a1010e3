// SPDX-License-Identifier: Apache-2.0
/*
 * Known answers of src/measure: files beside this one, digests as hexadecimal.
 */
#pragma once

#include "testing.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>

#define AMDSEV "amdsev-suffix.fd"
#define OVMFX64 "ovmfx64-suffix.fd"

/* No known answer is larger. */
enum { GUEST_FILE_MAX = 64 * 1024 };

/* Appends the file; the test runs in the top folder. */
static inline void known_read(const char *name, struct buf *out)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "tests/unit/measure/known-answers/%s", name);
    OK(file_read(path, out, &err));
}

static inline void assert_digest(const uint8_t *found, size_t size, const char *expected)
{
    char text[2 * 64 + 1];
    assert_true(size <= 64);
    hex_encode(slice_of(found, size), text);
    assert_string_equal(text, expected);
}

static inline void put_u16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static inline void put_u32(uint8_t *to, uint32_t value)
{
    put_u16(to, value);
    put_u16(to + 2, value >> 16);
}
