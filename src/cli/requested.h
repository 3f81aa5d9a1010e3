// SPDX-License-Identifier: Apache-2.0
/*
 * What a code folder asks pip for: requirements.lock where it has one, else requirements.txt. That
 * file, as it is, travels with the package and its digest is in the manifest. docs/layers.md.
 */
#pragma once

#include "cli/lock_file.h"

#define REQUIREMENTS_FILE "requirements.txt"
#define REQUESTED_MACHINE "x86_64" /* of every node */

struct requested {
    struct buf text; /* of the file; empty: nothing is asked for */
    bool is_locked;
    struct requirements_lock lock; /* where is_locked */
};
#define REQUESTED_INIT                                                                             \
    {                                                                                              \
        .text = {.max = LOCK_MAX }                                                                 \
    }
#define AUTO_REQUESTED __attribute__((cleanup(requested_done)))

/* `docker`: the environment's name, NULL: the default. *ret is REQUESTED_INIT. Errors: CONFLICT:
 * the lock was not made from this requirements.txt, or for another machine; INVALID. */
int requested_read(const char *code, const char *docker, struct requested *ret,
                   struct err *err) MUST_USE;
void requested_done(struct requested *requested);
const char *requested_file(const struct requested *requested);

/* May a lock be used in an environment of this Python ("3.11"), with so many requirements of its
 * own? Errors: CONFLICT. */
int requested_fits(const struct requested *requested, const char *environment, const char *python,
                   size_t own_requirements, struct err *err) MUST_USE;
