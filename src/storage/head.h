// SPDX-License-Identifier: Apache-2.0
/*
 * What binds a stored file or link to its path. Whoever holds the disk can put the cipher text of
 * one at the name of another, since gocryptfs binds a block to its file and not a file to its name.
 * So each file begins with a head, which the app does not see: two blocks of gocryptfs', which
 * nobody can separate from the file's other blocks. They hold tags:
 *
 *     tag = HMAC-SHA-256(key, label || purpose || zero || path)      the mount's purpose, "app" or
 * "home" block = "mse-head" || version (1) || number of tags (1) || tags (32 each) || zeros
 *
 * A file is at a path where one of the blocks has the path's tag. Two, because a block that is
 * written while the power goes may be lost: a change goes to the block that does not have the tag
 * of now. A symbolic link's stored text is its tag in base64url and then the target.
 */
#pragma once

#include "crypto/crypto.h"

#include <stdbool.h>

enum {
    HEAD_BLOCK = 4096,
    HEAD_SIZE = 2 * HEAD_BLOCK,
    HEAD_TAG_SIZE = 32,
    HEAD_TAGS_MAX = 64, /* names of one file */
    HEAD_LINK_TAG = 43, /* characters before a link's target */
};

struct head_tags {
    size_t count;
    uint8_t tags[HEAD_TAGS_MAX][HEAD_TAG_SIZE];
};

/* Which key and which mount. */
struct head_place {
    const struct secret *key;
    const char *purpose;
};

/* 0 or -1 (no memory). */
int head_tag_of_file(const struct head_place *place, const char *path,
                     uint8_t ret[static HEAD_TAG_SIZE]) MUST_USE;

void head_encode(const struct head_tags *tags, uint8_t ret[static HEAD_BLOCK]);
/* False: it is no such block. */
bool head_decode(struct slice block, struct head_tags *ret);

bool head_has(const struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE]);
void head_remove(struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE]);
/* False: there are too many. */
bool head_add(struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE]);

/* --- of an open file; 0 or -errno --- */

/* Of a new one, before anything is written to it. */
int head_make(const struct head_place *place, int fd, const char *path);
/* -ENOENT where the file is not one of this path's; another error where that cannot be told. Needs
 * reading alone. */
int head_check(const struct head_place *place, int fd, const char *path);
/* The file, at `path`, is accepted at `to` as well when this returns, and whatever happens then:
 * for a name that it is about to get besides, or instead (then head_settle comes after that). With
 * `sync` it is on the disk. -EMLINK: too many names. */
int head_add_name(const struct head_place *place, int fd, const char *path, const char *to,
                  bool sync);
int head_move_name(const struct head_place *place, int fd, const char *path, const char *to,
                   bool sync);
/* The file is at `path`, and nowhere that only an older head says. */
int head_settle(const struct head_place *place, int fd, const char *path);
/* The name `path` has gone; the file has others. */
int head_drop_name(const struct head_place *place, int fd, const char *path);

/* --- links --- */

/* The text to be stored; the caller frees. NULL: no memory. */
char *head_link_text(const struct head_place *place, const char *path, const char *target);
/* The target in a stored text, inside it; NULL where it is not one of this path's. */
const char *head_link_target(const struct head_place *place, const char *path, const char *text);
