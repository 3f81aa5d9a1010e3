// SPDX-License-Identifier: Apache-2.0
/*
 * Which files stay out of the package: `.mseignore`, with the meaning of `.gitignore`
 * (gitignore(5)).
 *
 * One struct ignore holds the rules of one folder and knows the ones of the folder above; a file
 * deeper down overrules, within a file the last match decides, `!` takes back. What is inside an
 * ignored folder cannot be taken back, since nobody looks there.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum {
    IGNORE_FILE_MAX = 256 * 1024, /* bytes of one .mseignore */
    IGNORE_RULES_MAX = 10000,     /* rules of one .mseignore */
};

/* The name of the file in which the rules are. */
#define IGNORE_FILE_NAME ".mseignore"

struct ignore;

/* The rules that hold everywhere unless a .mseignore takes them back with `!`: version control,
 * Python's caches, editors' files, and .mseignore itself. docs/package.md lists them. */
int ignore_new_default(struct ignore **ret, struct err *err) MUST_USE;
/* The rules of one file, for the folder `prefix` ("" the top, else "a/b"). `parent` must outlive
 * it. Errors: INVALID with the line number (a line that is not UTF-8 or far too long), TOO_LARGE.
 */
int ignore_new(struct slice text, const struct ignore *parent, const char *prefix,
               struct ignore **ret, struct err *err) MUST_USE;
void ignore_free(struct ignore *ignore);
DEFINE_CLEANUP(ignore_cleanup, struct ignore *, ignore_free)
#define AUTO_IGNORE __attribute__((cleanup(ignore_cleanup)))

/* `path` is relative to the top, without leading "./"; it must be below the prefix of `ignore`. */
bool ignore_match(const struct ignore *ignore, const char *path, bool is_folder);

/* One pattern against one path, as gitignore(5) describes wildcards: `*` and `?` do not match "/",
 * `**` between slashes does; `[a-z]`, `[!a-z]`; a backslash takes the next byte as it is. */
bool ignore_glob(const char *pattern, const char *path);
