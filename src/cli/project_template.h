// SPDX-License-Identifier: Apache-2.0
/*
 * The mse.toml that `mse scaffold` and `mse init` write.
 */
#pragma once

#include "base/err.h"

struct project_template {
    const char *name;
    const char *tests; /* lines for the folder of tests, or "" */
    const char *location;
    const char *application;
    const char *health;  /* a path; "": none */
    const char *secrets; /* the line for the file, or "" */
};

/* The caller frees. */
char *project_template_text(const struct project_template *values, struct err *err);

/* 1 to 64 of A-Z a-z 0-9 . _ -, no dot first. Errors: USAGE. */
int project_name_check(const char *name, struct err *err) MUST_USE;
