// SPDX-License-Identifier: Apache-2.0
/*
 * Asserting what a piece of evidence needs.
 */
#pragma once

#include "testing.h"

#include "mse/mse.h"

/* One document a line: service form name alternative path, and what it comes with. */
static inline void list(const struct mse_needs *needs, struct buf *out)
{
    for (size_t i = 0; i < needs->count; i++) {
        const struct mse_document *d = &needs->documents[i];
        OK(buf_printf(out, &err, "%d %d %s %u %s%s%s%s%s\n", d->service, d->form, d->name,
                      d->alternative, d->path, d->issuer_chain ? " chain" : "",
                      d->permanent ? " permanent" : "", d->member[0] == '\0' ? "" : " ",
                      d->member));
    }
}

static inline void assert_needs(struct slice evidence, const char *expected)
{
    struct mse_needs *needs = NULL;
    char error[MSE_ERROR_SIZE] = "";
    AUTO_BUF struct buf found = BUF_INIT(8192);
    if (mse_needs_of((struct mse_bytes){evidence.data, evidence.len}, &needs, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(needs->size, sizeof(*needs));
    list(needs, &found);
    assert_string_equal(buf_text(&found), expected);
    mse_needs_free(needs);
}

static inline void refused(struct slice evidence, const char *expected)
{
    struct mse_needs *needs = NULL;
    char error[MSE_ERROR_SIZE] = "";
    assert_int_equal(mse_needs_of((struct mse_bytes){evidence.data, evidence.len}, &needs, error),
                     -1);
    assert_null(needs);
    assert_non_null(strstr(error, expected));
    assert_int_equal(mse_needs_of((struct mse_bytes){evidence.data, evidence.len}, &needs, NULL),
                     -1);
}
