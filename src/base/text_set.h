// SPDX-License-Identifier: Apache-2.0
/*
 * A few texts, each once; looked through one after another.
 *
 *     AUTO_TEXT_SET struct text_set seen = {0};
 *     if (!text_set_has(&seen, key) && text_set_add(&seen, key, err) < 0)
 *         return -1;
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>

struct text_set {
    char **items; /* owned, as what they point to */
    size_t count;
    size_t room;
};

bool text_set_has(const struct text_set *set, const char *text);
/* Takes a copy. 0 also where it has it. Errors: MEMORY. */
int text_set_add(struct text_set *set, const char *text, struct err *err) MUST_USE;
void text_set_done(struct text_set *set);
#define AUTO_TEXT_SET __attribute__((cleanup(text_set_done)))
