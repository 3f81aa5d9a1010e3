// SPDX-License-Identifier: Apache-2.0
/*
 * The folders in apps/, one for each app. What the node removes of them without being told to by an
 * owner: those that carry the mark of a creation that was cut short, or that were being removed. A
 * folder that only the database does not know is never removed: the database may be the one that
 * is wrong.
 */
#pragma once

#include "base/err.h"
#include "model/manifest.h"

#include <stdbool.h>
#include <stdint.h>

/* The mark: no record of this app may be expected yet. On disk when it returns, as is its end. */
int app_folder_mark(const char *folder, struct err *err) MUST_USE;
int app_folder_unmark(const char *folder,
                      struct err *err) MUST_USE; /* 0 also where there is none */

/* The folder of a release's package; the caller frees. The first one's has no number. */
char *app_folder_package(const char *folder, int64_t release, struct err *err) MUST_USE;
/* The manifest in that. */
int app_folder_manifest(const char *package, struct manifest *ret, struct err *err) MUST_USE;

enum app_folder_kind {
    APP_FOLDER_PLAIN,
    APP_FOLDER_UNFINISHED, /* marked, or empty, as mkdir leaves it */
    APP_FOLDER_DISCARDED,  /* its removal was cut short */
};
/* Of apps/NAME. Errors: IO. */
int app_folder_judge(const char *apps, const char *name, enum app_folder_kind *ret,
                     struct err *err) MUST_USE;

/* Removes it in one step from the eyes of all, and then what is in it. 0 also where it is gone. */
int app_folder_discard(const char *folder, struct err *err) MUST_USE;
