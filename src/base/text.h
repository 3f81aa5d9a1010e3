// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as text and back: hexadecimal, base64, numbers, UTF-8.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

/* The value of a hexadecimal digit of either case; -1 for anything else. */
int hex_digit_value(char digit);
/* Lower-case hexadecimal; `text` has room for 2 * bytes.len + 1. */
void hex_encode(struct slice bytes, char *text);
/* The same, allocated; the caller frees. */
char *hex_encode_new(struct slice bytes, struct err *err) MUST_USE;
/* Exactly `size` bytes from exactly 2 * size digits of either case. `what` names it in errors. */
int hex_decode(const char *text, const char *what, uint8_t *ret, size_t size,
               struct err *err) MUST_USE;
int hex_append(struct buf *out, struct slice bytes, struct err *err) MUST_USE;
/* Any even number of digits, appended to out. */
int hex_decode_append(struct buf *out, struct slice digits, const char *what,
                      struct err *err) MUST_USE;

/* RFC 4648 section 4, with padding. */
int base64_append(struct buf *out, struct slice bytes, struct err *err) MUST_USE;
/* Strict: canonical padding, no white space. */
int base64_decode_append(struct buf *out, struct slice text, const char *what,
                         struct err *err) MUST_USE;

/* A whole decimal number between min and max, nothing around it. */
int parse_u64(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
              struct err *err) MUST_USE;
/* "512M", "10G", "1 GiB", "4096": powers of 1024. */
int parse_size(const char *text, const char *what, uint64_t *ret_bytes, struct err *err) MUST_USE;

/* Well-formed UTF-8 (no overlong forms, no surrogates)? */
bool utf8_valid(struct slice text);
/* Can text, the beginning of a longer one, still be well-formed UTF-8? *ret_whole is then the
 * length of the whole characters at its front; what follows those is a cut-off one. */
bool utf8_valid_so_far(struct slice text, size_t *ret_whole);

/* How many bytes at the end of text are a character that was cut off in its middle: 0 to 3. */
size_t utf8_cut_tail(struct slice text);

/* Outside text, harmless to a terminal, a log line or a sentence: control characters (C0, DEL,
 * C1), those that turn or break a line invisibly (Unicode's bidirectional controls, line and
 * paragraph separator) and bytes that are no UTF-8 become one '?' each. `kept`: control characters
 * that may stay, such as "\n\t". In place; the new length, never more than the old one. */
size_t bytes_make_printable(char *text, size_t len, const char *kept);
/* The same for a text with its zero byte. */
void text_make_printable(char *text, const char *kept);
/* As much of it as fits into `size` bytes with a zero byte, ends at a whole character, and made
 * printable. */
void text_copy_printable(char *to, size_t size, struct slice text, const char *kept);

/* One word of a POSIX shell: as it is where nothing in it means anything to a shell, else quoted.
 */
int shell_quote_append(struct buf *out, const char *text, struct err *err) MUST_USE;

/* Edit distance (Damerau-Levenshtein, at most 64 bytes each; longer texts are SIZE_MAX apart). */
size_t text_distance(const char *a, const char *b);
/* The nearest of `count` candidates when it is near enough to be a typing error, else NULL. */
const char *text_nearest(const char *text, const char *const *candidates, size_t count);

bool str_starts_with(const char *text, const char *prefix);
bool str_ends_with(const char *text, const char *suffix);
