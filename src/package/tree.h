// SPDX-License-Identifier: Apache-2.0
/*
 * What of a code folder goes into the package, found by one walk before anything is read: sorted,
 * checked, with its sizes, so that the size of the archive is known before its first byte.
 */
#pragma once

#include "package/archive.h"

#include <sys/stat.h>

enum { TREE_PATH_MAX = 4095 };

/* An item of the archive, in its order. */
struct tree_item {
    enum archive_record type; /* not ARCHIVE_END */
    char *path;               /* from the top, "a/b.py"; NULL for ARCHIVE_FOLDER_END */
    const char *name;         /* the last component, inside path */
    char *target;             /* of a link, else NULL */
    uint64_t size;            /* of a file, else 0 */
    struct stat status;       /* as found by the walk: a file that differs later has changed */
};

struct tree_totals {
    uint64_t files;
    uint64_t folders;
    uint64_t links;
    uint64_t content_bytes; /* of the files */
    uint64_t archive_bytes; /* of the plain archive with its padding */
};

struct tree {
    char *folder; /* as given */
    int fd;       /* the folder itself */
    struct tree_item *items;
    size_t count;
    size_t capacity;
    struct tree_totals totals;
};

/* Walks `folder`, which may be reached through a link itself. Refused, with the path: links that
 * leave the folder or point to nothing, devices, sockets, pipes, names that are not UTF-8 or have
 * control characters, more than ARCHIVE_DEPTH_MAX levels. Errors: NOT_FOUND, INVALID, TOO_LARGE,
 * IO. */
int tree_scan(const char *folder, struct tree **ret, struct err *err) MUST_USE;

/* What stays out besides. A .mseignore can take it back. */
struct tree_rules {
    struct slice rules; /* as in a .mseignore at the top */
    bool gitignore;     /* what .gitignore names, in each folder */
};
int tree_scan_with(const char *folder, const struct tree_rules *more, struct tree **ret,
                   struct err *err) MUST_USE;
void tree_free(struct tree *tree);
DEFINE_CLEANUP(tree_cleanup, struct tree *, tree_free)
#define AUTO_TREE __attribute__((cleanup(tree_cleanup)))

/* The item with this path ("app.py", "pkg/__init__.py"), or NULL. */
const struct tree_item *tree_find(const struct tree *tree, const char *path);

/* The plain archive of a tree as a stream of bytes: every read gives exactly what was asked for,
 * up to totals.archive_bytes in all. */
struct tree_source;
int tree_source_new(const struct tree *tree, struct tree_source **ret, struct err *err) MUST_USE;
void tree_source_free(struct tree_source *source);
DEFINE_CLEANUP(tree_source_cleanup, struct tree_source *, tree_source_free)
#define AUTO_TREE_SOURCE __attribute__((cleanup(tree_source_cleanup)))
/* Errors: IO (unreadable), CONFLICT (changed since the walk), each with the path. */
int tree_source_read(struct tree_source *source, uint8_t *to, size_t size,
                     struct err *err) MUST_USE;
