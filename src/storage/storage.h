// SPDX-License-Identifier: Apache-2.0
/*
 * Sealed folders: what the app keeps over restarts, encrypted before it reaches the disk. Two
 * halves that share nothing but a folder of cipher text:
 *
 *   inside the enclave   storage_mount: cipher folder -> plain folder, with a key from tee/
 *   on the host          storage_backing_*: the cipher folder as a file system of limited size
 *
 * Layout of the cipher folder: `mse-storage` is a sealed marker that tells whether a key is the
 * right one before anything is read or written with it; `data/` is what gocryptfs keeps.
 */
#pragma once

#include "crypto/crypto.h"

#include <stdint.h>
#include <sys/types.h>

/* --- inside the enclave --- */

enum { STORAGE_KEY_SIZE = 32, STORAGE_MOUNT_TIMEOUT_MS = 20000 };

/* Mounts the cipher folder decrypted on the (existing, empty) plain folder; a cipher folder without
 * anything in it becomes a new storage. `key` is the purpose key "storage"
 * (tee_purpose_key). Needs CAP_SYS_ADMIN and /dev/fuse. gocryptfs runs in a mount namespace of its
 * own: afterwards the caller may unmount the cipher folder, /dev/fuse and (having bound what it
 * needs elsewhere) the plain folder from its own sight. One storage per process.
 * Takes SIGUSR1 for itself while it waits (gocryptfs announces itself with it).
 * Errors: FORBIDDEN (sealed under another key: another version of the app, or another app),
 * INVALID (the marker is missing or broken), UNSUPPORTED (no FUSE), NOT_FOUND (no gocryptfs),
 * TIMEOUT, IO with what gocryptfs said. */
int storage_mount(const struct secret *key, const char *cipher, const char *plain,
                  struct err *err) MUST_USE;
/* Ends gocryptfs and takes the plain folder's mounts away. 0 also when nothing is mounted. */
int storage_unmount(const char *plain, struct err *err) MUST_USE;

/* What is at `point`: the code, read-only, at every path that it has, and at every other path the
 * data folder, in which everything is kept that is written below `point`. Whatever lies in the data
 * folder, also when somebody else puts it there, never takes a path from the code; nor does a
 * `__pycache__` show there. */
struct storage_union {
    const char *point;     /* an existing folder */
    int code_parent;       /* a folder, in which the code's folder appears once and then stays; -1:
                            * there is no code, all is data */
    const char *code_name; /* its name; a literal */
    int data;              /* a folder */
    const struct secret *key; /* binds each file of the data to its path (head.h) */
    const char *purpose;      /* of this mount; a literal */
    uint64_t limit_bytes; /* of all its files, 8 KiB more for each; 0: the file system's alone */
};
/* Forks the server, which ends with this process and has a copy of the key: call it with one thread
 * and nothing else secret in memory. Needs CAP_SYS_ADMIN and /dev/fuse; keeps no descriptor.
 * Errors: NOT_FOUND (no FUSE), IO, MEMORY. */
int storage_union_mount(const struct storage_union *spec, struct err *err) MUST_USE;

/* Makes data of a path of the code: puts it into the data folder unless something is there already,
 * and takes it out of the code. Whole or not at all. 0 also where the code has no such path.
 * Errors: IO (also where a link is on the way), INVALID (nested too deeply), MEMORY. */
struct storage_seed {
    int code; /* the code's folder, writable; both are descriptors */
    int data;
    const struct secret *key; /* as in struct storage_union */
    const char *purpose;
};
int storage_seed(const struct storage_seed *seed, const char *path, struct err *err) MUST_USE;

/* --- on the host --- */

struct storage_backing {
    const char *path;     /* the image file; with no quota, the cipher folder itself */
    uint64_t quota_bytes; /* size of the file system; 0: none, a plain folder */
    uid_t uid;            /* who owns the cipher folder */
    gid_t gid;
};

enum { STORAGE_QUOTA_MIN = 16 * 1024 * 1024 };

/* Allocates the whole quota on the disk, so that nobody else can have it: before the backing is
 * made, or of one that has holes (an older version's), which may be mounted meanwhile. Costs no
 * writing. 0 also where all of it is allocated already, and without a quota. Errors: NO_ROOM (the
 * disk is too full), UNSUPPORTED (this file system cannot reserve), INVALID, IO. */
int storage_backing_reserve(const struct storage_backing *backing, struct err *err) MUST_USE;
/* Makes the backing unless it is there: a file, all of it allocated, with an ext4 file system, or a
 * folder. Whole or not at all. Errors: NOT_FOUND (mkfs.ext4 missing, names the package), INVALID
 * (quota below STORAGE_QUOTA_MIN), those of storage_backing_reserve, IO. */
int storage_backing_create(const struct storage_backing *backing, struct err *err) MUST_USE;
/* Mounts it on an existing folder through a loop device (root), nosuid, nodev, noexec; without
 * quota, binds the folder. The loop device goes away with the last mount, also when that goes away
 * because its mount namespace ended. Errors: FORBIDDEN (not root), BUSY (no free loop device), IO.
 */
int storage_backing_mount(const struct storage_backing *backing, const char *folder,
                          struct err *err) MUST_USE;
/* 0 also when nothing is mounted there. */
int storage_backing_unmount(const char *folder, struct err *err) MUST_USE;
/* Before a new release of an app is tried: what it stored stays beside the backing as it is now,
 * and at `path` lies a copy of it, or nothing. Nothing may be mounted. 0 also where nothing is
 * stored. Whole or not at all. Errors: CONFLICT (something lies aside already), IO. */
int storage_backing_put_aside(const char *path, bool leave_copy, struct err *err) MUST_USE;
/* As it was before; 0 also where nothing lies aside. Cut short, it goes on where it is called
 * again. */
int storage_backing_put_back(const char *path, struct err *err) MUST_USE;
/* The new release is good. */
int storage_backing_forget_aside(const char *path, struct err *err) MUST_USE;

/* Finds by path what a killed process left behind, in this mount namespace: mounts of the image,
 * loop devices that hold it; and waits until none does, since what a mount of a process that is
 * ending has not written yet would be lost to who mounts the image again. Errors: BUSY, IO. */
int storage_backing_cleanup(const char *path, struct err *err) MUST_USE;
/* Bytes that hold what was stored, or, of an image, ever did: what is deleted in it is counted
 * until something else takes its place. 0 where there is nothing. */
int64_t storage_backing_used(const char *path);
/* Cleanup, then removes the image or the folder. 0 when it is not there. */
int storage_backing_destroy(const char *path, struct err *err) MUST_USE;
