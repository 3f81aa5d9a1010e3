// SPDX-License-Identifier: Apache-2.0
/*
 * Wheels on the owner's machine: resolved and fetched by pip, kept by their hash, made into a
 * layer. pip takes wheels alone here, so that nothing of a package runs.
 */
#pragma once

#include "cli/lock_file.h"
#include "measure/verity.h"

/* Resolves the lines of `requirements` with the pip of `python` (a program) and keeps the wheels;
 * *ret, zeroed, gets them, its Python and its machine. APP: pip's own words. */
int wheels_resolve(const char *python, struct slice requirements, struct requirements_lock *ret,
                   struct err *err) MUST_USE;

struct layer_image {
    int fd; /* an unnamed file with the file system; -1 before it is made */
    struct verity verity;
    struct layer_made made;
};

/* Makes the layer of a lock; wheels that are not kept are fetched, each by its hash. Errors: APP
 * (they cannot be had), those of layer_write. */
int wheels_layer(const struct requirements_lock *lock, struct layer_image *ret,
                 struct err *err) MUST_USE;
