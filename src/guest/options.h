// SPDX-License-Identifier: Apache-2.0
/*
 * The words of the kernel's command line that are pid 1's (model/guest.h). The command line is
 * measured; it is parsed strictly all the same, since a word read otherwise than a verifier reads
 * it would be a hole.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    GUEST_CMDLINE_MAX = 2048, /* COMMAND_LINE_SIZE of x86-64 */
    VERITY_DIGEST_TEXT = 65,
    VERITY_SALT_TEXT = 65,
};

/* ROOT:BLOCKS:SALT of a dm-verity tree, lower-case hexadecimal. */
struct verity_spec {
    char root[VERITY_DIGEST_TEXT];
    char salt[VERITY_SALT_TEXT];
    uint64_t data_blocks;
};

struct guest_options {
    struct verity_spec root;
    uint64_t memory_bytes; /* the least MemTotal */
    bool console;          /* a debug image: what pid 1 says goes to the console too */
};

/* Errors: INVALID: a word is missing, appears twice, is not understood; an unknown "mse." word. */
int guest_options_parse(const char *cmdline, struct guest_options *ret, struct err *err) MUST_USE;
/* Errors: INVALID. */
int verity_spec_parse(const char *text, struct verity_spec *ret, struct err *err) MUST_USE;
