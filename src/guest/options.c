// SPDX-License-Identifier: Apache-2.0
/*
 * The command line's words for pid 1. Pure: bytes in, values out.
 */
#include "guest/options.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/guest.h"

#include <stdio.h>
#include <string.h>

#define OWN_PREFIX "mse."
#define DEBUG_CONSOLE "console=ttyS0"

enum { WORD_MAX = 256, BLOCKS_MAX = 1 << 28 /* 1 TiB */ };

static bool is_lower_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") == len && strlen(text) == len;
}

int verity_spec_parse(const char *text, struct verity_spec *ret, struct err *err)
{
    char copy[WORD_MAX];
    struct verity_spec spec = {0};
    int len = snprintf(copy, sizeof(copy), "%s", text);
    char *rest = copy;
    const char *root = strsep(&rest, ":");
    const char *blocks = strsep(&rest, ":");
    const char *salt = rest;
    if (len < 0 || (size_t)len >= sizeof(copy) || blocks == NULL || salt == NULL ||
        !is_lower_hex(root, VERITY_DIGEST_TEXT - 1) || !is_lower_hex(salt, VERITY_SALT_TEXT - 1))
        return FAIL(err, ERR_INVALID,
                    "'%.100s' is no root: expected 64 hexadecimal digits, the number of blocks and "
                    "64 digits of salt, with colons between",
                    text);
    if (parse_u64(blocks, "number of blocks", 1, BLOCKS_MAX, &spec.data_blocks, err) < 0)
        return -1;
    memcpy(spec.root, root, VERITY_DIGEST_TEXT);
    memcpy(spec.salt, salt, VERITY_SALT_TEXT);
    *ret = spec;
    return 0;
}

/* --- the words --- */

static int read_root(const char *value, struct guest_options *options, struct err *err)
{
    return verity_spec_parse(value, &options->root, err);
}

static int read_memory(const char *value, struct guest_options *options, struct err *err)
{
    return parse_u64(value, "memory", 1, UINT64_MAX, &options->memory_bytes, err);
}

static const struct word {
    const char *prefix;
    int (*read)(const char *value, struct guest_options *options, struct err *err);
} words[] = {
    {GUEST_WORD_ROOT, read_root},
    {GUEST_WORD_MEMORY, read_memory},
};

static int read_word(const char *text, struct guest_options *options, unsigned *seen,
                     struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].prefix);
        if (strncmp(text, words[i].prefix, len) != 0)
            continue;
        if ((*seen & 1u << i) != 0)
            return FAIL(err, ERR_INVALID, "'%s' appears twice", words[i].prefix);
        *seen |= 1u << i;
        return words[i].read(text + len, options, err);
    }
    return FAIL(err, ERR_INVALID, "unknown word '%.40s'", text);
}

int guest_options_parse(const char *cmdline, struct guest_options *ret, struct err *err)
{
    char copy[GUEST_CMDLINE_MAX];
    struct guest_options options = {0};
    unsigned seen = 0;
    int len = snprintf(copy, sizeof(copy), "%s", cmdline);
    if (len < 0 || (size_t)len >= sizeof(copy))
        return FAIL(err, ERR_INVALID, "command line: longer than %d bytes", GUEST_CMDLINE_MAX - 1);
    copy[strcspn(copy, "\n")] = '\0';
    char *rest = copy;
    for (char *text = strsep(&rest, " "); text != NULL; text = strsep(&rest, " ")) {
        if (strcmp(text, DEBUG_CONSOLE) == 0)
            options.console = true;
        if (str_starts_with(text, OWN_PREFIX) && read_word(text, &options, &seen, err) < 0)
            return FAIL_CONTEXT(err, "command line");
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if ((seen & 1u << i) == 0)
            return FAIL(err, ERR_INVALID, "command line: '%s' is missing", words[i].prefix);
    }
    *ret = options;
    return 0;
}
