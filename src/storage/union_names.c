// SPDX-License-Identifier: Apache-2.0
/*
 * Operations on names in the union: what a name leads to, and making, moving and removing names,
 * which is done among the data alone. Runs in the union's process; what lies in the data folder may
 * have been put there by whoever holds the disk, so no link in it is followed.
 */
#include "storage/union.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t code_inode_bit = UINT64_C(1) << 62;

int union_open_below(int folder, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

static int stat_below(int folder, const char *path, struct stat *info)
{
    AUTO_CLOSE int fd = union_open_below(folder, path, O_PATH);
    if (fd < 0)
        return fd;
    return fstat(fd, info) < 0 ? -errno : 0;
}

int union_open_node(struct union_fs *fs, const struct node *node, const char *path, uint64_t flags)
{
    int folder = node->is_code ? union_code(fs) : fs->data;
    return folder < 0 ? folder : union_open_below(folder, path, flags);
}

static bool is_absent(int result)
{
    return result == -ENOENT || result == -ENOTDIR;
}

/* Any other failure (no descriptor left, say) is no answer: it would turn a path of the code into
 * one of the data. */
int union_code_has(struct union_fs *fs, const char *path, struct stat *info)
{
    int code = union_code(fs);
    int result = code < 0 ? code : stat_below(code, path, info);
    if (result == 0)
        return 1;
    return is_absent(result) ? 0 : result;
}

/* Byte code, which Python prefers to the source; what importlib.metadata and pkg_resources read of
 * a folder on sys.path, of which entry points name modules to import; and what ld.so prefers to the
 * library beside it. Their readers fold case. */
bool union_is_hidden(const struct union_fs *fs, const char *name)
{
    static const char *const names[] = {"__pycache__", "glibc-hwcaps"};
    static const char *const ends[] = {".dist-info", ".egg-info", ".egg-link", ".egg"};
    size_t len = strlen(name);
    if (strcmp(name, UNION_MOVING) == 0)
        return true;
    if (fs->code_parent < 0)
        return false; /* nothing there is a place for code */
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && strcasecmp(name + len - end, ends[i]) == 0)
            return true;
    }
    return false;
}

void union_fill_attributes(const struct stat *info, bool is_code, struct fuse_attr *ret)
{
    *ret = (struct fuse_attr){
        .ino = (uint64_t)info->st_ino | (is_code ? code_inode_bit : 0),
        .size = (uint64_t)info->st_size,
        .blocks = (uint64_t)info->st_blocks,
        .atime = (uint64_t)info->st_atim.tv_sec,
        .mtime = (uint64_t)info->st_mtim.tv_sec,
        .ctime = (uint64_t)info->st_ctim.tv_sec,
        .atimensec = (uint32_t)info->st_atim.tv_nsec,
        .mtimensec = (uint32_t)info->st_mtim.tv_nsec,
        .ctimensec = (uint32_t)info->st_ctim.tv_nsec,
        .mode = info->st_mode,
        .nlink = (uint32_t)info->st_nlink,
        .uid = info->st_uid,
        .gid = info->st_gid,
        .blksize = (uint32_t)info->st_blksize,
    };
}

/* A file with two names is two nodes, of which only one is told of a change. */
static uint64_t seconds_of(struct node *node, const struct stat *info)
{
    if (node->is_code)
        return S_ISDIR(info->st_mode) ? UNION_DATA_SECONDS : UNION_CODE_SECONDS;
    if (!S_ISDIR(info->st_mode) && info->st_nlink > 1)
        atomic_store(&node->is_shared, true);
    return atomic_load(&node->is_shared) ? 0 : UNION_DATA_SECONDS;
}

const char *union_take_name(const struct request *request, size_t offset)
{
    if (offset >= request->body_len ||
        memchr(request->body + offset, '\0', request->body_len - offset) == NULL)
        return NULL;
    const char *name = (const char *)request->body + offset;
    bool is_name = name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
                   strcmp(name, "..") != 0;
    return is_name ? name : NULL;
}

/* --- what is there --- */

/* 0, -ENOENT where neither has it, or another -errno. */
static int find(struct union_fs *fs, struct node *parent, const char *name, struct stat *info,
                bool *ret_is_code)
{
    char path[PATH_MAX];
    int result = node_path(fs, parent, name, path);
    if (result < 0)
        return result;
    int has = union_code_has(fs, path, info);
    *ret_is_code = has > 0;
    if (has != 0)
        return has < 0 ? has : 0;
    if (union_is_hidden(fs, name))
        return -ENOENT;
    result = union_stat_data(fs, path, info);
    return is_absent(result) ? -ENOENT : result;
}

int union_answer_found(struct union_fs *fs, struct request *request,
                       const struct union_found *found, struct fuse_entry_out *ret)
{
    bool is_code = found->is_code;
    *ret = (struct fuse_entry_out){0};
    struct node *node = node_look_up(fs, found->parent, found->name, is_code);
    if (node == NULL)
        return -ENOMEM;
    ret->nodeid = (uint64_t)(uintptr_t)node;
    ret->entry_valid = is_code ? UNION_CODE_SECONDS : UNION_DATA_SECONDS;
    ret->attr_valid = seconds_of(node, &found->info);
    union_fill_attributes(&found->info, is_code, &ret->attr);
    memcpy(request->out, ret, sizeof(*ret));
    request->out_len = sizeof(*ret);
    return 0;
}

int union_answer_entry(struct union_fs *fs, struct request *request, struct node *parent,
                       const char *name, struct fuse_entry_out *ret)
{
    struct union_found found = {.parent = parent, .name = name};
    *ret = (struct fuse_entry_out){0};
    int result = find(fs, parent, name, &found.info, &found.is_code);
    return result < 0 ? result : union_answer_found(fs, request, &found, ret);
}

int union_lookup(struct union_fs *fs, struct request *request)
{
    struct fuse_entry_out entry;
    const char *name = union_take_name(request, 0);
    if (name == NULL)
        return -EINVAL;
    lock_acquire(&fs->names);
    int result = union_answer_entry(fs, request, node_of(fs, request->in->nodeid), name, &entry);
    lock_release(&fs->names);
    if (result != -ENOENT)
        return result;
    entry = (struct fuse_entry_out){.entry_valid = UNION_DATA_SECONDS}; /* "there is none" */
    memcpy(request->out, &entry, sizeof(entry));
    request->out_len = sizeof(entry);
    return 0;
}

static int stat_named(struct union_fs *fs, struct node *node, struct stat *info)
{
    char path[PATH_MAX];
    int result = node_path(fs, node, NULL, path);
    if (result < 0)
        return result;
    if (!node->is_code)
        return union_stat_data(fs, path, info);
    AUTO_CLOSE int named = union_open_node(fs, node, path, O_PATH);
    return named < 0 ? named : fstat(named, info) < 0 ? -errno : 0;
}

/* A node that lost its name is still what is open of it. */
static int stat_node(struct union_fs *fs, struct node *node, struct stat *info)
{
    lock_acquire(&fs->names);
    int result = stat_named(fs, node, info);
    lock_release(&fs->names);
    if (result == 0)
        return 0;
    AUTO_CLOSE int fd = node_open_fd(fs, node);
    if (fd < 0)
        return result;
    if (fstat(fd, info) < 0)
        return -errno;
    if (!node->is_code)
        union_trim(info);
    return 0;
}

static int answer_attributes(struct union_fs *fs, struct request *request, struct node *node)
{
    struct stat info = {0};
    int result = stat_node(fs, node, &info);
    if (result < 0)
        return result;
    struct fuse_attr_out out = {.attr_valid = seconds_of(node, &info)};
    union_fill_attributes(&info, node->is_code, &out.attr);
    memcpy(request->out, &out, sizeof(out));
    request->out_len = sizeof(out);
    return 0;
}

int union_getattr(struct union_fs *fs, struct request *request)
{
    return answer_attributes(fs, request, node_of(fs, request->in->nodeid));
}

static int read_code_link(struct union_fs *fs, const struct node *node, const char *path, char *ret)
{
    AUTO_CLOSE int fd = union_open_node(fs, node, path, O_PATH);
    if (fd < 0)
        return fd;
    ssize_t len = readlinkat(fd, "", ret, PATH_MAX - 1);
    if (len < 0)
        return -errno;
    ret[len] = '\0';
    return 0;
}

int union_readlink(struct union_fs *fs, struct request *request)
{
    char path[PATH_MAX];
    char *target = (char *)request->out;
    struct node *node = node_of(fs, request->in->nodeid);
    lock_acquire(&fs->names);
    int result = node_path(fs, node, NULL, path);
    if (result == 0)
        result = node->is_code ? read_code_link(fs, node, path, target)
                               : union_read_link(fs, path, target);
    lock_release(&fs->names);
    request->out_len = result < 0 ? 0 : strlen(target);
    return result;
}

/* --- changing what a node is like --- */

/* A descriptor that can be truncated, or else just named. */
static int open_to_change(struct union_fs *fs, struct node *node, const struct fuse_setattr_in *in)
{
    char path[PATH_MAX];
    int result = node_path(fs, node, NULL, path);
    if (result < 0) {
        int fd = node_open_fd(fs, node);
        return fd < 0 ? result : fd;
    }
    return (in->valid & FATTR_SIZE) != 0 ? union_open_file(fs, path, true)
                                         : union_open_below(fs->data, path, O_PATH);
}

static struct timespec time_of(const struct fuse_setattr_in *in, bool modified)
{
    uint32_t set = modified ? FATTR_MTIME : FATTR_ATIME;
    uint32_t now = modified ? FATTR_MTIME_NOW : FATTR_ATIME_NOW;
    struct timespec time = {.tv_nsec = UTIME_OMIT};
    if ((in->valid & now) != 0)
        time.tv_nsec = UTIME_NOW;
    else if ((in->valid & set) != 0)
        time = (struct timespec){(time_t)(modified ? in->mtime : in->atime),
                                 modified ? in->mtimensec : in->atimensec};
    return time;
}

static int change_size(struct union_fs *fs, int fd, uint64_t size)
{
    if (size > INT64_MAX - HEAD_SIZE)
        return -EFBIG;
    int result = union_room_begin(fs, fd, size + HEAD_SIZE);
    if (result < 0)
        return result;
    if (ftruncate(fd, (off_t)(size + HEAD_SIZE)) < 0)
        result = -errno;
    union_room_end(fs);
    return result;
}

static int change(struct union_fs *fs, int fd, const struct fuse_setattr_in *in)
{
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    int result = (in->valid & FATTR_SIZE) != 0 ? change_size(fs, fd, in->size) : 0;
    if (result < 0)
        return result;
    if ((in->valid & FATTR_MODE) != 0 && chmod(self, in->mode & 07777) < 0)
        return -errno;
    if ((in->valid & (FATTR_UID | FATTR_GID)) != 0 &&
        fchownat(fd, "", (in->valid & FATTR_UID) != 0 ? in->uid : (uid_t)-1,
                 (in->valid & FATTR_GID) != 0 ? in->gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
        return -errno;
    const struct timespec times[] = {time_of(in, false), time_of(in, true)};
    if ((in->valid & (FATTR_ATIME | FATTR_MTIME)) != 0 && utimensat(AT_FDCWD, self, times, 0) < 0)
        return -errno;
    return 0;
}

int union_setattr(struct union_fs *fs, struct request *request)
{
    struct fuse_setattr_in in;
    struct node *node = node_of(fs, request->in->nodeid);
    memcpy(&in, request->body, sizeof(in));
    if (node->is_code)
        return -EROFS;
    const struct handle *handle =
        (in.valid & FATTR_FH) != 0 ? (const struct handle *)(uintptr_t)in.fh : NULL;
    lock_acquire(&fs->names);
    AUTO_CLOSE int opened = handle == NULL ? open_to_change(fs, node, &in) : -1;
    lock_release(&fs->names);
    int fd = handle == NULL ? opened : handle->fd;
    if (fd < 0)
        return fd;
    int result = change(fs, fd, &in);
    return result < 0 ? result : answer_attributes(fs, request, node);
}

/* --- making names --- */

int union_mirror(int data, char *path)
{
    for (char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        const char *last = strrchr(path, '/');
        AUTO_CLOSE int parent = last == NULL ? fcntl(data, F_DUPFD_CLOEXEC, 0) : -1;
        if (last != NULL) {
            AUTO_FREE char *above = mem_copy(path, (size_t)(last - path), NULL);
            parent = above == NULL ? -ENOMEM : union_open_below(data, above, O_PATH | O_DIRECTORY);
        }
        if (parent < 0)
            return last == NULL ? -errno : parent;
        if (mkdirat(parent, last == NULL ? path : last + 1, 0755) < 0 && errno != EEXIST)
            return -errno;
        if (slash == NULL)
            return 0;
        *slash = '/';
    }
}

int union_data_folder(struct union_fs *fs, struct node *node)
{
    char path[PATH_MAX];
    int result = node_path(fs, node, NULL, path);
    if (result < 0)
        return result;
    int fd = union_open_below(fs->data, path, O_PATH | O_DIRECTORY);
    if (fd != -ENOENT || !node->is_code)
        return fd;
    result = union_mirror(fs->data, path);
    return result < 0 ? result : union_open_below(fs->data, path, O_PATH | O_DIRECTORY);
}

/* May data be there? 0, -EROFS for what is the code's, -EEXIST in `exists`' place. */
static int check_free(struct union_fs *fs, struct node *parent, const char *name, int exists)
{
    char path[PATH_MAX];
    struct stat info;
    if (name == NULL)
        return -EINVAL;
    int result = node_path(fs, parent, name, path);
    if (result < 0)
        return result;
    int has = union_code_has(fs, path, &info);
    if (has != 0)
        return has < 0 ? has : exists;
    return union_is_hidden(fs, name) ? -EROFS : 0;
}

/* What mknod, mkdir, symlink and link have in common. */
struct making {
    const char *name;
    mode_t mode;
    const char *target; /* of a symbolic link */
    int file;           /* to link to, open for writing */
    const char *path;   /* of that file */
};

static int make_hard_link(struct union_fs *fs, int folder, const struct making *what,
                          const char *path)
{
    char self[64];
    int result = head_add_name(&fs->place, what->file, what->path, path, true);
    if (result < 0)
        return result;
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", what->file);
    return linkat(AT_FDCWD, self, folder, what->name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int make_link(struct union_fs *fs, int folder, const struct making *what, const char *path)
{
    AUTO_FREE char *text = head_link_text(&fs->place, path, what->target);
    if (text == NULL)
        return -ENOMEM;
    if (strlen(text) >= PATH_MAX)
        return -ENAMETOOLONG;
    return symlinkat(text, folder, what->name) < 0 ? -errno : 0;
}

static int make_once(struct union_fs *fs, int folder, const struct making *what, const char *path)
{
    if (what->target != NULL)
        return make_link(fs, folder, what, path);
    if (what->file >= 0)
        return make_hard_link(fs, folder, what, path);
    if (S_ISREG(what->mode)) {
        AUTO_CLOSE int fd = union_new_file(fs, folder, what->name, path, what->mode);
        return fd < 0 ? fd : 0;
    }
    int result = S_ISDIR(what->mode) ? mkdirat(folder, what->name, what->mode & 07777)
                                     : mknodat(folder, what->name, what->mode, 0);
    return result < 0 ? -errno : 0;
}

static int make(struct union_fs *fs, struct node *parent, int folder, const struct making *what)
{
    char path[PATH_MAX];
    int result = node_path(fs, parent, what->name, path);
    if (result == 0)
        result = make_once(fs, folder, what, path);
    if (result != -EEXIST)
        return result;
    result = union_clear_foreign(fs, folder, what->name, path);
    return result < 0 ? result : make_once(fs, folder, what, path);
}

static int make_name(struct union_fs *fs, struct request *request, const struct making *what)
{
    struct fuse_entry_out entry;
    struct node *parent = node_of(fs, request->in->nodeid);
    if (what->name == NULL)
        return -EINVAL;
    lock_acquire(&fs->names);
    int result = check_free(fs, parent, what->name, -EEXIST);
    AUTO_CLOSE int folder = result < 0 ? -1 : union_data_folder(fs, parent);
    if (result == 0)
        result = folder < 0 ? folder : make(fs, parent, folder, what);
    if (result == 0)
        result = union_answer_entry(fs, request, parent, what->name, &entry);
    lock_release(&fs->names);
    return result;
}

int union_symlink(struct union_fs *fs, struct request *request)
{
    struct making what = {.name = union_take_name(request, 0), .file = -1};
    size_t offset = what.name == NULL ? 0 : strlen(what.name) + 1;
    if (offset == 0 || offset >= request->body_len || request->body[request->body_len - 1] != '\0')
        return -EINVAL;
    what.target = (const char *)request->body + offset;
    return make_name(fs, request, &what);
}

int union_mknod(struct union_fs *fs, struct request *request)
{
    struct fuse_mknod_in in;
    memcpy(&in, request->body, sizeof(in));
    if (!S_ISREG(in.mode) && !S_ISFIFO(in.mode) && !S_ISSOCK(in.mode))
        return -EPERM;
    const struct making what = {
        .name = union_take_name(request, sizeof(in)), .mode = in.mode, .file = -1};
    return make_name(fs, request, &what);
}

int union_mkdir(struct union_fs *fs, struct request *request)
{
    struct fuse_mkdir_in in;
    memcpy(&in, request->body, sizeof(in));
    const struct making what = {
        .name = union_take_name(request, sizeof(in)), .mode = in.mode | S_IFDIR, .file = -1};
    return make_name(fs, request, &what);
}

int union_link(struct union_fs *fs, struct request *request)
{
    struct fuse_link_in in;
    char path[PATH_MAX];
    memcpy(&in, request->body, sizeof(in));
    struct node *from = node_of(fs, in.oldnodeid);
    if (from->is_code)
        return -EXDEV;
    lock_acquire(&fs->names);
    int result = node_path(fs, from, NULL, path);
    AUTO_CLOSE int file = result < 0 ? result : union_open_file(fs, path, true);
    lock_release(&fs->names);
    if (file < 0)
        return file == -EIO || file == -ELOOP ? -EPERM : file; /* a link, a pipe */
    const struct making what = {
        .name = union_take_name(request, sizeof(in)), .file = file, .path = path};
    result = make_name(fs, request, &what);
    atomic_store(&from->is_shared, true);
    union_forget_attributes(fs, from);
    return result;
}

/* --- taking names away --- */

/* A file with other names loses what binds it to this one. */
static int remove_data(struct union_fs *fs, struct node *parent, int folder, const char *name,
                       int flags)
{
    char path[PATH_MAX];
    struct stat info;
    int result = node_path(fs, parent, name, path);
    if (result < 0)
        return result;
    bool is_linked = flags == 0 && fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISREG(info.st_mode) && info.st_nlink > 1;
    AUTO_CLOSE int file = is_linked ? union_open_file(fs, path, true) : -1;
    if (unlinkat(folder, name, flags) < 0) {
        if (flags == 0 || errno != ENOTEMPTY)
            return -errno;
        result = union_sweep(fs, path);
        if (result < 0)
            return result;
        if (unlinkat(folder, name, flags) < 0)
            return -errno;
    }
    if (file >= 0)
        (void)!head_drop_name(&fs->place, file, path); /* accepted at a name that is not there */
    return 0;
}

static int remove_name(struct union_fs *fs, const struct request *request, int flags)
{
    struct node *parent = node_of(fs, request->in->nodeid);
    const char *name = union_take_name(request, 0);
    lock_acquire(&fs->names);
    int result = check_free(fs, parent, name, -EROFS);
    AUTO_CLOSE int folder = result < 0 ? -1 : union_data_folder(fs, parent);
    if (result == 0)
        result = folder < 0 ? folder : remove_data(fs, parent, folder, name, flags);
    if (result == 0)
        node_drop_name(fs, parent, name);
    lock_release(&fs->names);
    return result;
}

int union_unlink(struct union_fs *fs, struct request *request)
{
    return remove_name(fs, request, 0);
}

int union_rmdir(struct union_fs *fs, struct request *request)
{
    return remove_name(fs, request, AT_REMOVEDIR);
}

struct move {
    struct node *from;
    const char *name;
    struct node *to;
    const char *new_name;
    unsigned flags;
};

static int move_locked(struct union_fs *fs, const struct move *move)
{
    int result = check_free(fs, move->from, move->name, -EROFS);
    if (result == 0)
        result = check_free(fs, move->to, move->new_name,
                            (move->flags & RENAME_NOREPLACE) != 0 ? -EEXIST : -EROFS);
    if (result < 0)
        return result;
    char path[PATH_MAX];
    char new_path[PATH_MAX];
    result = node_path(fs, move->from, move->name, path);
    if (result == 0)
        result = node_path(fs, move->to, move->new_name, new_path);
    if (result < 0)
        return result;
    AUTO_CLOSE int from = union_data_folder(fs, move->from);
    AUTO_CLOSE int to = from < 0 ? -1 : union_data_folder(fs, move->to);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    const struct union_move data = {.from = from,
                                    .name = move->name,
                                    .to = to,
                                    .new_name = move->new_name,
                                    .path = path,
                                    .new_path = new_path,
                                    .flags = move->flags,
                                    .sync = !node_is_fresh(fs, move->from, move->name)};
    result = union_move_data(fs, &data);
    return result < 0 ? result : node_rename(fs, move->from, move->name, move->to, move->new_name);
}

static int rename_names(struct union_fs *fs, const struct request *request, struct move *move,
                        size_t offset)
{
    move->from = node_of(fs, request->in->nodeid);
    move->name = union_take_name(request, offset);
    if (move->name == NULL || (move->flags & ~(unsigned)RENAME_NOREPLACE) != 0)
        return -EINVAL;
    move->new_name = union_take_name(request, offset + strlen(move->name) + 1);
    lock_acquire(&fs->names);
    int result = move_locked(fs, move);
    lock_release(&fs->names);
    return result;
}

int union_rename(struct union_fs *fs, struct request *request)
{
    struct fuse_rename_in in;
    memcpy(&in, request->body, sizeof(in));
    struct move move = {.to = node_of(fs, in.newdir)};
    return rename_names(fs, request, &move, sizeof(in));
}

int union_rename2(struct union_fs *fs, struct request *request)
{
    struct fuse_rename2_in in;
    memcpy(&in, request->body, sizeof(in));
    struct move move = {.to = node_of(fs, in.newdir), .flags = in.flags};
    return rename_names(fs, request, &move, sizeof(in));
}
