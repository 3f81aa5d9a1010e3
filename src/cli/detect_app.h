// SPDX-License-Identifier: Apache-2.0
/*
 * Which apps a folder of Python code has, for `mse init`: found by reading, nothing of it runs.
 * Seen are assignments and functions at the left edge of a file: a variable that is made by a
 * framework's class or function, and a function that makes one, returns it and can be called
 * without arguments.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

enum { DETECTED_MAX = 16, DETECTED_NAME_SIZE = 257, DETECTED_PATH_SIZE = 64 };

struct detected_app {
    char application[DETECTED_NAME_SIZE]; /* "package.module:variable", "module:factory()" */
    const char *framework;                /* "FastAPI"; static */
    char health[DETECTED_PATH_SIZE];      /* a path in its file that looks like one, or "" */
    bool used;                            /* a factory that another file calls */
};

struct detected_apps {
    struct detected_app items[DETECTED_MAX];
    size_t count;
    bool more; /* than there is room for */
};

/* Adds the apps of one file; `module` is its dotted name. `known` (may be NULL) has factories of
 * other files, of which those that are called are marked. What is not understood is passed over. */
void detect_in_source(struct slice source, const char *module, struct detected_apps *known,
                      struct detected_apps *apps);

/* The apps of a code folder, in files at most two folders deep, those of the usual names (app,
 * main, wsgi, asgi, server) first. What is not packed is not looked at. Errors: as tree_scan. */
int detect_apps(const char *folder, struct detected_apps *ret, struct err *err) MUST_USE;
