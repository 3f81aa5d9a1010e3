// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the text decoders of base: what is accepted must encode back to the same text.
 */
#include "base/clock.h"
#include "base/text.h"

#include <stdlib.h>

enum { MAX_OUT = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_base64(struct slice text)
{
    AUTO_BUF struct buf decoded = BUF_INIT(MAX_OUT);
    AUTO_BUF struct buf encoded = BUF_INIT(2 * MAX_OUT);
    if (base64_decode_append(&decoded, text, "text", NULL) < 0)
        return;
    require(base64_append(&encoded, buf_slice(&decoded), NULL) == 0);
    require(slice_equal(buf_slice(&encoded), text));
}

static void fuzz_hex(struct slice text)
{
    AUTO_BUF struct buf decoded = BUF_INIT(MAX_OUT);
    AUTO_BUF struct buf encoded = BUF_INIT(2 * MAX_OUT);
    if (hex_decode_append(&decoded, text, "text", NULL) < 0)
        return;
    require(hex_append(&encoded, buf_slice(&decoded), NULL) == 0);
    require(encoded.len == text.len);
}

static void fuzz_numbers(const char *text)
{
    uint64_t number = 0;
    int64_t seconds = 0;
    int64_t again = 0;
    if (parse_size(text, "text", &number, NULL) < 0 &&
        parse_u64(text, "text", 0, 9, &number, NULL) == 0)
        require(number <= 9);
    if (duration_parse(text, "text", &seconds, NULL) == 0)
        require(seconds >= 0);
    if (rfc3339_parse(text, &seconds, NULL) < 0)
        return;
    char back[RFC3339_SIZE];
    rfc3339_format(seconds, back);
    if (rfc3339_parse(back, &again, NULL) == 0) /* an offset may lead out of the four-digit years */
        require(again == seconds);
}

static void fuzz_printable(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = mem_copy(data, size, NULL);
    if (text == NULL)
        return;
    size_t len = bytes_make_printable(text, size, "\n");
    require(len <= size && utf8_valid(slice_of(text, len)));
    require(bytes_make_printable(text, len, "\n") == len); /* nothing is left to do */
    for (size_t i = 0; i < len; i++)
        require((unsigned char)text[i] >= 0x20 || text[i] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    AUTO_FREE char *text = mem_copy(data, size, NULL);
    if (text == NULL)
        return 0;
    fuzz_base64(input);
    fuzz_hex(input);
    fuzz_numbers(text);
    fuzz_printable(data, size);
    require(text_distance(text, text) == 0 || strlen(text) > 64);
    return 0;
}
