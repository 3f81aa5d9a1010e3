// SPDX-License-Identifier: Apache-2.0
/*
 * Asserting which checks of a verdict failed.
 */
#pragma once

#include "base/buf.h"

#include "mse/mse.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

/* The failed checks' names in order, joined by blanks. */
static inline const char *failed_checks(const struct mse_verdict *verdict, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < verdict->check_count; i++) {
        if (verdict->checks[i].result != MSE_FAIL)
            continue;
        len += (size_t)snprintf(text + len, size - len, "%s%s", len == 0 ? "" : " ",
                                verdict->checks[i].name);
        assert_true(len < size);
    }
    return text;
}

/* "" for `failed` means accepted. `status` NULL: none. Says what is different; frees the verdict.
 */
static inline bool judged(struct mse_verdict *verdict, const char *what, const char *failed,
                          const char *status)
{
    char found[2048];
    failed_checks(verdict, found, sizeof(found));
    bool right = strcmp(found, failed) == 0 && verdict->accepted == (failed[0] == '\0') &&
                 (status == NULL) == (verdict->status == NULL) &&
                 (status == NULL || strcmp(status, verdict->status) == 0);
    if (!right) {
        char *text = mse_verdict_text(verdict);
        (void)printf("%s: expected [%s] %s, found [%s] %s\n%s\n", what, failed,
                     status == NULL ? "-" : status, found,
                     verdict->status == NULL ? "-" : verdict->status, text);
        free(text);
    }
    mse_verdict_free(verdict);
    return right;
}

static inline void assert_judged(struct mse_verdict *verdict, const char *what, const char *failed,
                                 const char *status)
{
    assert_true(judged(verdict, what, failed, status));
}

static inline const struct mse_check *find_check(const struct mse_verdict *verdict,
                                                 const char *name)
{
    for (size_t i = 0; i < verdict->check_count; i++) {
        if (strcmp(verdict->checks[i].name, name) == 0)
            return &verdict->checks[i];
    }
    return NULL;
}
