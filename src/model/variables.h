// SPDX-License-Identifier: Apache-2.0
/*
 * Environment variables of an app: those that mse.toml gives in the open ([env], in the manifest)
 * and those that its secrets become (secrets_env: the manifest has their names, never a value).
 * What may be set is written here once, for who writes the manifest and for who obeys it.
 *
 * Plain variables are one text, as the manifest's struct has it: a line "NAME=value\n" for each, in
 * ascending order of the names. Values are printable ASCII, as all texts of a manifest.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum {
    VARIABLE_NAME_SIZE = 65, /* with the zero byte */
    VARIABLE_VALUE_SIZE = 1025,
    VARIABLES_MAX = 64,
    VARIABLES_SIZE = 4097,           /* all lines together, with the zero byte */
    VARIABLE_NAMES_SIZE = 513,       /* of a list of names */
    VARIABLE_SECRET_MAX = 128 << 10, /* bytes of a secret that becomes one */
};

#define VARIABLE_NAMES_SEPARATOR ":"
#define VARIABLE_NAMES_ALL "*" /* every secret becomes a variable */

struct variable {
    char name[VARIABLE_NAME_SIZE];
    char value[VARIABLE_VALUE_SIZE];
};

/* Why an app may not have a variable of this name, in words that follow on the name; NULL: it may.
 * What the enclave sets itself, and what would change the programs that it is made of, is not the
 * app's to set. */
const char *variable_refusal(const char *name);
bool variable_value_valid(const char *value);

/* The lines as described above, at most VARIABLES_MAX; "" has none. */
bool variables_valid(const char *text);
/* The first of valid lines into *ret, and where the others begin; NULL at the end. */
const char *variables_next(const char *text, struct variable *ret);
/* Has one of the lines this name? */
bool variables_have(const char *text, const char *name);

/* VARIABLE_NAMES_ALL, or names in ascending order with ':' between. */
bool variable_names_valid(const char *text);

struct variable_taker {
    int (*take)(void *context, const char *name, const char *value, struct err *err);
    void *context;
};

/* Gives each secret that `names` (valid) means to `taker`: texts as they are, whole numbers and
 * booleans as JSON writes them. Errors name a secret and never a value: INVALID for one that is not
 * there, that is another kind of value, or whose name no variable may have. */
int variables_of_secrets(struct slice secrets, const char *names,
                         const struct variable_taker *taker, struct err *err) MUST_USE;
