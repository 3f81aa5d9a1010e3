// SPDX-License-Identifier: Apache-2.0
/*
 * Files and folders by path. Files are replaced by writing a temporary one beside them, fsync and
 * rename, so that a reader sees the old or the new contents and never a part.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Appends the whole file, at most out->max bytes. Errors: NOT_FOUND, TOO_LARGE, IO. */
int file_read(const char *path, struct buf *out, struct err *err) MUST_USE;
int file_write_atomic(const char *path, struct slice bytes, mode_t mode, struct err *err) MUST_USE;
/* Fails with ERR_EXISTS where the file is there already; never follows a link. */
int file_create_new(const char *path, struct slice bytes, mode_t mode, struct err *err) MUST_USE;
/* For reading and writing, in $TMPDIR or /var/tmp, gone with its descriptor. */
int file_open_unnamed(int *ret, struct err *err) MUST_USE;
bool file_exists(const char *path);
/* 0 also when it was not there. */
int file_remove(const char *path, struct err *err) MUST_USE;
int folder_create(const char *path, mode_t mode, struct err *err) MUST_USE; /* 0 if it is there */
int folder_create_all(const char *path, mode_t mode, struct err *err) MUST_USE;
/* Removes a tree without following links or crossing into other file systems; 0 if not there. */
int folder_remove_tree(const char *path, struct err *err) MUST_USE;
/* Either of the two, whichever is there. */
int path_remove(const char *path, struct err *err) MUST_USE;
/* Bytes on disk of the files in a tree, or of one file; links and other file systems are not
 * followed. What cannot be looked at counts for nothing. */
int64_t folder_bytes(const char *path);
/* "a/b" from "a" and "b"; an absolute `name` stands alone. The caller frees. */
/* Calls `fn` for each name in the folder but "." and "..", in no order, until one returns -1. What
 * it was called for may be removed meanwhile. Errors: IO, what fn gives. */
typedef int (*folder_name_fn)(void *context, const char *name, struct err *err);
int folder_each(const char *path, folder_name_fn fn, void *context, struct err *err) MUST_USE;
char *path_join(const char *folder, const char *name, struct err *err) MUST_USE;
/* Absolute path without links or dots; the file must exist. The caller frees. */
char *path_resolve(const char *path, struct err *err) MUST_USE;
/* Folder part ("." where there is none). The caller frees. */
char *path_folder(const char *path, struct err *err) MUST_USE;
/* Points into path. */
const char *path_base(const char *path);
/* Is `inner` (resolved) the same as `outer` (resolved) or below it? */
bool path_is_inside(const char *inner, const char *outer);
