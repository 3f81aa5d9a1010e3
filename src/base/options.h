// SPDX-License-Identifier: Apache-2.0
/*
 * Command line options, declared once as a table, from which parsing, --help, man pages and shell
 * completion come.
 *
 *     static const struct option_spec options[] = {
 *         {"path", 'p', "FILE", "the mse.toml to deploy"},
 *         {"yes", 'y', NULL, "do not ask"},
 *     };
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_spec {
    const char *name;       /* long name without the dashes */
    char letter;            /* 0: none */
    const char *value_name; /* "FILE"; NULL: takes no value */
    const char *help;       /* one line */
    bool repeats;           /* may be given more than once */
    bool value_optional;    /* "--export[=FILE]" */
};

struct option_value {
    const struct option_spec *spec;
    const char *value; /* NULL where the option takes none */
};

enum { OPTIONS_MAX = 64 };

struct options {
    struct option_value values[OPTIONS_MAX];
    size_t count;
    const char *arguments[OPTIONS_MAX];
    size_t argument_count;
};

/* Parses argv[0..argc-1] (no program name in it). "--" ends options; options may stand anywhere.
 * Unknown options are ERR_USAGE and name the nearest known one. The values point into argv. */
int options_parse(const struct option_spec *specs, size_t spec_count, int argc,
                  const char *const *argv, struct options *ret, struct err *err) MUST_USE;
bool options_has(const struct options *options, const char *name);
/* The last value given, or NULL. */
const char *options_value(const struct options *options, const char *name);
/* A number from 1 to `max`; where the option is not given *ret stays. USAGE. */
int options_number(const struct options *options, const char *name, uint64_t max, uint64_t *ret,
                   struct err *err) MUST_USE;
