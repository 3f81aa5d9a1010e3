// SPDX-License-Identifier: Apache-2.0
/*
 * The union of an app's code and of what it writes beside it: pieces that union.c (mount,
 * protocol), union_nodes.c (names), union_data.c (what is bound to its path), union_names.c and
 * union_files.c (operations) share. Internal to storage/.
 *
 * A path that the code has is the code's, at every lookup, whatever lies in the data folder;
 * nothing changes it. Every other path is data. A folder of the code shows the data folder's
 * entries of the same path besides its own. A mount may have no code: all of it is data then.
 */
#pragma once

#include "base/err.h"
#include "base/lock.h"
#include "base/mem.h"
#include "storage/head.h"

#include <dirent.h>
#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    UNION_IO_MAX = 128 * 1024, /* of one read or write */
    UNION_BUCKETS = 1024,
    /* How long the kernel may go by what it knows: the code never changes, and nothing but this
     * mount changes the data. */
    UNION_CODE_SECONDS = 86400,
    UNION_DATA_SECONDS = 60,
};

/* A path the kernel knows of. Its address is the kernel's number for it. */
struct node {
    struct node *parent;
    struct node *next; /* in its bucket */
    char *name;        /* NULL: the root, or removed and still open */
    uint64_t lookups;  /* of the kernel's, that it has not forgotten */
    unsigned children;
    struct handle *handles;
    /* Monotonic: made by this server then, and never synchronised since; else 0. */
    atomic_bool is_shared; /* has had other names, each a node of its own: nothing is cached long */
    _Atomic int64_t made_ms;
    bool is_code;
};

/* An open file or folder. Its address is the kernel's number for it. */
struct handle {
    struct node *node;
    struct handle *next; /* of the node */
    int fd;
    bool is_code;
    struct folder_entry *entries; /* of a folder: what it held when its first entry was asked for */
    size_t count;
};

struct folder_entry {
    uint64_t inode;
    unsigned char type;
    char name[NAME_MAX + 1];
};

struct union_fs {
    int device;            /* /dev/fuse */
    int code_parent;       /* holds the code's folder once it is there; -1: there is no code */
    const char *code_name; /* in it */
    int code;              /* that folder; -1: not there yet */
    int data;
    struct head_place place; /* what binds the data */
    struct node root;
    struct node *buckets[UNION_BUCKETS];
    struct lock names; /* held from making a path of names until it has been used */
    struct lock table; /* nodes, handles of nodes, `code` */
    uint64_t limit;    /* bytes of all files, their heads included; 0: none */
    uint64_t counted;  /* of them, never too few; under `room` */
    struct lock room;  /* held while a file grows, where there is a limit */
};

/* One request of the kernel's, and room for its answer. */
struct request {
    const struct fuse_in_header *in;
    const uint8_t *body;
    size_t body_len;
    uint8_t *out;
    size_t out_len;
};

/* --- union_nodes.c --- */

struct node *node_of(struct union_fs *fs, uint64_t id);
/* The node of a name in a folder, made if there is none, looked up once more. NULL: no memory. */
struct node *node_look_up(struct union_fs *fs, struct node *parent, const char *name, bool is_code);
void node_forget(struct union_fs *fs, struct node *node, uint64_t lookups);
/* The name is gone, or means something else from now on. */
void node_drop_name(struct union_fs *fs, struct node *parent, const char *name);
/* What was at one name is at another. 0 or -ENOMEM. */
int node_rename(struct union_fs *fs, struct node *from, const char *name, struct node *to,
                const char *new_name);
/* Path below either folder, "." for the root; with `name` (may be NULL) below the node. 0, -ENOENT
 * where the node has no name any more, -ENAMETOOLONG. */
int node_path(struct union_fs *fs, struct node *node, const char *name, char path[static PATH_MAX]);
struct handle *handle_new(struct union_fs *fs, struct node *node, int fd);
void handle_free(struct union_fs *fs, struct handle *handle);
/* A descriptor of the node that is open, or -1. */
int node_open_fd(struct union_fs *fs, const struct node *node);
/* The code's folder, or -errno: -ENOENT while it is not there. */
int union_code(struct union_fs *fs);

/* Does the kernel know this name? Then it was looked up, and found to be what it says. */
bool node_is_known(struct union_fs *fs, struct node *parent, const char *name);
/* Of a name in a folder, where it is known. */
/* Made a moment ago, and not synchronised: what there is of it goes to the disk with its name
 * (ext4's auto_da_alloc). */
bool node_is_fresh(struct union_fs *fs, struct node *parent, const char *name);

/* --- union_data.c --- */

/* Where a link waits while it is moved. */
#define UNION_MOVING ".mse-moving"

/* Opens a file of the data for reading, or for both; a descriptor, or -ENOENT where there is none
 * or one that belongs elsewhere, or another -errno. Its contents begin at HEAD_SIZE. */
int union_open_file(const struct union_fs *fs, const char *path, bool writes);
/* A new one in this folder, whose head is written. */
int union_new_file(struct union_fs *fs, int folder, const char *name, const char *path,
                   mode_t mode);
/* What the data has at a path, as the app sees it. -ENOENT as above. */
int union_stat_data(const struct union_fs *fs, const char *path, struct stat *info);
/* From what a file is below to what the app sees. */
void union_trim(struct stat *info);
int union_read_link(const struct union_fs *fs, const char *path, char ret[static PATH_MAX]);
/* Takes away what lies at a path and was not put there. -EEXIST: it was. */
int union_clear_foreign(const struct union_fs *fs, int folder, const char *name, const char *path);

/* Empties a folder in which nothing is that the app has put there; -ENOTEMPTY otherwise. */
int union_sweep(const struct union_fs *fs, const char *path);

struct union_move {
    int from; /* folders */
    const char *name;
    int to;
    const char *new_name;
    const char *path; /* of both names, below the data */
    const char *new_path;
    unsigned flags;
    bool sync; /* what the file holds is on the disk, so its name must not be lost */
};
/* Moves anything; -EXDEV for a folder with links or very much in it. */
int union_move_data(const struct union_fs *fs, const struct union_move *move);

/* --- union.c --- */

/* What the kernel knows of a file's attributes is not so any more. */
void union_forget_attributes(const struct union_fs *fs, const struct node *node);

/* --- union_room.c --- */

/* Is there room for one more file? 0, or -ENOSPC. */
int union_room_for_file(struct union_fs *fs);
/* May the file at `fd` reach to `end`, its head included? 0: then it is to be done, and the room
 * held till union_room_end; or -ENOSPC. */
int union_room_begin(struct union_fs *fs, int fd, uint64_t end);
void union_room_end(struct union_fs *fs);
/* What the limit makes of the size of the file system. */
void union_room_show(struct union_fs *fs, struct fuse_kstatfs *st);

/* --- union_names.c --- */

/* Opens a path below a folder without following links or leaving it; a descriptor or -errno. */
int union_open_below(int folder, const char *path, uint64_t flags);
/* The same for a path that is this node's, below the folder that it belongs to. */
int union_open_node(struct union_fs *fs, const struct node *node, const char *path, uint64_t flags);
/* 1 where the code has this path (*info is what it is there), 0 where it has not, -errno where
 * that cannot be told, and nothing may be taken for data. */
int union_code_has(struct union_fs *fs, const char *path, struct stat *info);
/* Names that no app keeps data under: those by which Python and the loader of shared objects find
 * other code than what was asked for. */
bool union_is_hidden(const struct union_fs *fs, const char *name);
void union_fill_attributes(const struct stat *info, bool is_code, struct fuse_attr *ret);
/* A descriptor (O_PATH) of the node's folder among the data, made if only the code has it. */
int union_data_folder(struct union_fs *fs, struct node *node);
/* Makes each folder of the path that is not there, and leaves the path as it was. 0 or -errno. */
int union_mirror(int data, char *path);
/* What a name leads to, as the app sees it. */
struct union_found {
    struct node *parent;
    const char *name;
    struct stat info;
    bool is_code;
};
int union_answer_found(struct union_fs *fs, struct request *request,
                       const struct union_found *found, struct fuse_entry_out *ret);
/* Answers with what a name leads to. */
int union_answer_entry(struct union_fs *fs, struct request *request, struct node *parent,
                       const char *name, struct fuse_entry_out *ret);
/* The name at the start of what is left of the body; NULL where there is none. */
const char *union_take_name(const struct request *request, size_t offset);

typedef int union_operation(struct union_fs *fs, struct request *request);
union_operation union_lookup, union_getattr, union_setattr, union_readlink, union_symlink,
    union_mknod, union_mkdir, union_unlink, union_rmdir, union_rename, union_rename2, union_link;

/* --- union_files.c --- */

union_operation union_open, union_create, union_read, union_write, union_flush, union_fsync,
    union_release, union_opendir, union_readdir, union_statfs, union_fallocate;
