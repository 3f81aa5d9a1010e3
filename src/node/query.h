// SPDX-License-Identifier: Apache-2.0
/*
 * The query of a request's target: "name=value&name=value", percent-decoded.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

enum { QUERY_PARAMETERS_MAX = 16, QUERY_VALUE_SIZE = 512, QUERY_NAME_SIZE = 32 };

struct query_parameter {
    char name[QUERY_NAME_SIZE];
    char value[QUERY_VALUE_SIZE];
};

struct query {
    struct query_parameter parameters[QUERY_PARAMETERS_MAX];
    size_t count;
};

/* Strict: names in `known` only (NULL-terminated), each once. INVALID. */
int query_parse(struct slice text, const char *const *known, struct query *ret,
                struct err *err) MUST_USE;
/* "" where it was not given. */
const char *query_value(const struct query *query, const char *name);
