// SPDX-License-Identifier: Apache-2.0
/*
 * Files and links of the data, each bound to its path (head.h). What was not put where it lies is
 * not there: whoever holds the disk gains nothing by exchanging, copying or inventing. Runs in the
 * union's process, under the lock of names.
 */
#include "storage/union.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMPLAINTS_MAX = 20, TREE_MAX = 10000, TREE_DEPTH = 32 };

/* The host has put it there, or the power went before its head was on the disk. */
static void complain(const char *path)
{
    static atomic_uint count;
    unsigned number = atomic_fetch_add(&count, 1);
    if (number < COMPLAINTS_MAX)
        (void)fprintf(
            stderr,
            "mse: what lies in storage as '%.200s' was not stored there: it is passed over%s\n",
            path, number + 1 == COMPLAINTS_MAX ? " (no more of these are said)" : "");
}

static int bad(const char *path, int result)
{
    if (result == -ENOENT)
        complain(path);
    return result;
}

/* Opens a regular file whatever its mode says: the app may have taken its own rights away. */
static int open_anyway(const struct union_fs *fs, const char *path, uint64_t flags)
{
    char self[64];
    struct stat info;
    int fd = union_open_below(fs->data, path, flags | O_NONBLOCK);
    if (fd != -EACCES)
        return fd;
    AUTO_CLOSE int named = union_open_below(fs->data, path, O_PATH);
    if (named < 0)
        return named;
    if (fstat(named, &info) < 0 || !S_ISREG(info.st_mode))
        return -EACCES;
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", named);
    if (chmod(self, (info.st_mode & 07777) | 0600) < 0)
        return -errno;
    fd = union_open_below(fs->data, path, flags | O_NONBLOCK);
    if (chmod(self, info.st_mode & 07777) < 0 && fd >= 0) {
        fd_close(fd);
        return -errno;
    }
    return fd;
}

int union_open_file(const struct union_fs *fs, const char *path, bool writes)
{
    struct stat info;
    AUTO_CLOSE int fd = open_anyway(fs, path, writes ? O_RDWR : O_RDONLY);
    if (fd < 0)
        return fd;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        return -EIO;
    int result = bad(path, head_check(&fs->place, fd, path));
    return result < 0 ? result : fd_steal(&fd);
}

static int read_target(const struct union_fs *fs, const char *path, int fd,
                       char ret[static PATH_MAX])
{
    char text[PATH_MAX];
    ssize_t len = readlinkat(fd, "", text, sizeof(text) - 1);
    if (len < 0)
        return -errno;
    text[len] = '\0';
    const char *target = head_link_target(&fs->place, path, text);
    if (target == NULL)
        return bad(path, -ENOENT);
    (void)snprintf(ret, PATH_MAX, "%s", target);
    return 0;
}

int union_read_link(const struct union_fs *fs, const char *path, char ret[static PATH_MAX])
{
    AUTO_CLOSE int fd = union_open_below(fs->data, path, O_PATH);
    return fd < 0 ? fd : read_target(fs, path, fd, ret);
}

void union_trim(struct stat *info)
{
    if (S_ISREG(info->st_mode))
        info->st_size = info->st_size > HEAD_SIZE ? info->st_size - HEAD_SIZE : 0;
}

int union_stat_data(const struct union_fs *fs, const char *path, struct stat *info)
{
    char target[PATH_MAX];
    AUTO_CLOSE int fd = union_open_below(fs->data, path, O_PATH);
    if (fd < 0)
        return fd;
    if (fstat(fd, info) < 0)
        return -errno;
    if (S_ISREG(info->st_mode)) {
        AUTO_CLOSE int file = union_open_file(fs, path, false);
        if (file < 0)
            return file;
        union_trim(info);
        return 0;
    }
    if (S_ISLNK(info->st_mode)) {
        int result = read_target(fs, path, fd, target);
        info->st_size = (off_t)strlen(target);
        return result;
    }
    return S_ISDIR(info->st_mode) || S_ISFIFO(info->st_mode) || S_ISSOCK(info->st_mode) ? 0
                                                                                        : -ENOENT;
}

int union_clear_foreign(const struct union_fs *fs, int folder, const char *name, const char *path)
{
    struct stat info;
    int result = union_stat_data(fs, path, &info);
    if (result == 0)
        return -EEXIST;
    if (result != -ENOENT)
        return result;
    return unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int union_new_file(struct union_fs *fs, int folder, const char *name, const char *path, mode_t mode)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int room = union_room_for_file(fs);
    if (room < 0)
        return room;
    int fd = openat(folder, name, flags, mode & 07777);
    if (fd < 0 && errno == EEXIST) {
        int cleared = union_clear_foreign(fs, folder, name, path);
        if (cleared < 0)
            return cleared;
        fd = openat(folder, name, flags, mode & 07777);
    }
    if (fd < 0)
        return -errno;
    int result = head_make(&fs->place, fd, path);
    if (result == 0)
        return fd;
    (void)unlinkat(folder, name, 0);
    fd_close(fd);
    return result;
}

/* -ENOTEMPTY for anything that the app has put there. */
static int sweep_entry(const struct union_fs *fs, int folder, const char *name, const char *path)
{
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    int result = S_ISDIR(info.st_mode) ? -EEXIST : union_clear_foreign(fs, folder, name, path);
    return result == -EEXIST ? -ENOTEMPTY : result;
}

int union_sweep(const struct union_fs *fs, const char *path)
{
    int fd = union_open_below(fs->data, path, O_RDONLY | O_DIRECTORY);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        fd_close(fd);
        return fd < 0 ? fd : -ENOMEM;
    }
    int result = 0;
    for (struct dirent *found = readdir(folder); found != NULL && result == 0;
         found = readdir(folder)) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        AUTO_FREE char *below = str_printf(NULL, "%s/%s", path, found->d_name);
        result = below == NULL ? -ENOMEM : sweep_entry(fs, fd, found->d_name, below);
    }
    (void)closedir(folder);
    return result;
}

/* --- moving --- */

/* What a whole folder's move does to each file in it. */
struct tree_move {
    const struct union_fs *fs;
    enum { TREE_COUNT, TREE_EXTEND, TREE_SETTLE } phase;
    size_t count;
};

/* A file with several names has been extended for each, and both its blocks may have the other. */
static int settle_file(const struct union_fs *fs, int fd, const char *now, const char *other)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_nlink > 1)
        return head_drop_name(&fs->place, fd, other);
    return head_settle(&fs->place, fd, now);
}

static int visit_file(struct tree_move *move, const char *now, const char *other)
{
    AUTO_CLOSE int fd = open_anyway(move->fs, now, O_RDWR);
    if (fd < 0)
        return fd;
    if (head_check(&move->fs->place, fd, now) < 0)
        return 0; /* not there, wherever it is */
    if (move->phase == TREE_SETTLE)
        return settle_file(move->fs, fd, now, other);
    return head_move_name(&move->fs->place, fd, now, other, true);
}

static int visit_tree(struct tree_move *move, const char *now, const char *other, int depth);

static int visit_entry(struct tree_move *move, const char *now, const char *other, int depth)
{
    struct stat info;
    AUTO_CLOSE int fd = union_open_below(move->fs->data, now, O_PATH);
    if (fd < 0 || fstat(fd, &info) < 0)
        return fd < 0 ? fd : -errno;
    if (++move->count > TREE_MAX || S_ISLNK(info.st_mode))
        return -EXDEV; /* a link has one text: it would be lost by a power cut */
    if (S_ISDIR(info.st_mode))
        return visit_tree(move, now, other, depth + 1);
    return S_ISREG(info.st_mode) && move->phase != TREE_COUNT ? visit_file(move, now, other) : 0;
}

static int visit_tree(struct tree_move *move, const char *now, const char *other, int depth)
{
    int fd =
        depth > TREE_DEPTH ? -EXDEV : union_open_below(move->fs->data, now, O_RDONLY | O_DIRECTORY);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        fd_close(fd);
        return fd < 0 ? fd : -ENOMEM;
    }
    int result = 0;
    for (struct dirent *found = readdir(folder); found != NULL && result == 0;
         found = readdir(folder)) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        AUTO_FREE char *below = str_printf(NULL, "%s/%s", now, found->d_name);
        AUTO_FREE char *there = str_printf(NULL, "%s/%s", other, found->d_name);
        result = below == NULL || there == NULL ? -ENOMEM : visit_entry(move, below, there, depth);
    }
    (void)closedir(folder);
    return result;
}

/* Also over one that is empty for the app. */
static int rename_folder(const struct union_fs *fs, const struct union_move *move)
{
    if (renameat2(move->from, move->name, move->to, move->new_name, move->flags) == 0)
        return 0;
    if (errno != ENOTEMPTY)
        return -errno;
    int result = union_sweep(fs, move->new_path);
    if (result < 0)
        return result;
    return renameat2(move->from, move->name, move->to, move->new_name, move->flags) < 0 ? -errno
                                                                                        : 0;
}

static int move_folder(const struct union_fs *fs, const struct union_move *move)
{
    struct tree_move tree = {.fs = fs, .phase = TREE_COUNT};
    int result = visit_tree(&tree, move->path, move->new_path, 0);
    if (result < 0)
        return result;
    tree = (struct tree_move){.fs = fs, .phase = TREE_EXTEND};
    result = visit_tree(&tree, move->path, move->new_path, 0);
    if (result == 0)
        result = rename_folder(fs, move);
    tree = (struct tree_move){.fs = fs, .phase = TREE_SETTLE};
    const char *now = result < 0 ? move->path : move->new_path;
    const char *other = result < 0 ? move->new_path : move->path;
    (void)!visit_tree(&tree, now, other, 0); /* what stays is accepted at one path too many */
    return result;
}

/* Are they two names of one file? */
static bool is_same_file(const struct union_fs *fs, int fd, const struct union_move *move)
{
    struct stat one;
    struct stat other;
    AUTO_CLOSE int there = union_open_file(fs, move->new_path, false);
    return there >= 0 && fstat(fd, &one) == 0 && fstat(there, &other) == 0 &&
           one.st_ino == other.st_ino && one.st_nlink > 1;
}

static int move_file(const struct union_fs *fs, const struct union_move *move)
{
    AUTO_CLOSE int fd = union_open_file(fs, move->path, true);
    if (fd < 0)
        return fd;
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_nlink > 1 && is_same_file(fs, fd, move))
        return 0; /* rename(2): nothing happens, and both names stay */
    int result = head_move_name(&fs->place, fd, move->path, move->new_path, move->sync);
    if (result == 0 && renameat2(move->from, move->name, move->to, move->new_name, move->flags) < 0)
        result = -errno;
    (void)!head_settle(&fs->place, fd, result < 0 ? move->path : move->new_path);
    return result;
}

/* A new link takes its place: one has a single text, and that says where it is. */
static int move_link(const struct union_fs *fs, const struct union_move *move)
{
    char target[PATH_MAX];
    int result = union_read_link(fs, move->path, target);
    if (result < 0)
        return result;
    AUTO_FREE char *text = head_link_text(&fs->place, move->new_path, target);
    if (text == NULL)
        return -ENOMEM;
    (void)unlinkat(move->to, UNION_MOVING, 0);
    if (symlinkat(text, move->to, UNION_MOVING) < 0)
        return -errno;
    if (renameat2(move->to, UNION_MOVING, move->to, move->new_name, move->flags) < 0) {
        result = -errno;
        (void)unlinkat(move->to, UNION_MOVING, 0);
        return result;
    }
    return unlinkat(move->from, move->name, 0) < 0 ? -errno : 0;
}

static int move_any(const struct union_fs *fs, const struct union_move *move)
{
    struct stat info;
    AUTO_CLOSE int fd = union_open_below(fs->data, move->path, O_PATH);
    if (fd < 0 || fstat(fd, &info) < 0)
        return fd < 0 ? fd : -errno;
    if ((move->flags & RENAME_NOREPLACE) != 0) {
        int cleared = union_clear_foreign(fs, move->to, move->new_name, move->new_path);
        if (cleared < 0)
            return cleared;
    }
    if (S_ISREG(info.st_mode))
        return move_file(fs, move);
    if (S_ISLNK(info.st_mode))
        return move_link(fs, move);
    if (S_ISDIR(info.st_mode))
        return move_folder(fs, move);
    return renameat2(move->from, move->name, move->to, move->new_name, move->flags) < 0 ? -errno
                                                                                        : 0;
}

/* What is replaced may have other names, and must not count at this one any more. -1: it has none.
 */
static int open_replaced(const struct union_fs *fs, const struct union_move *move)
{
    struct stat info;
    if (fstatat(move->to, move->new_name, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(info.st_mode) || info.st_nlink < 2)
        return -1;
    return union_open_file(fs, move->new_path, true);
}

static bool is_named(int fd, int folder, const char *name)
{
    struct stat one;
    struct stat other;
    return fstat(fd, &one) == 0 && fstatat(folder, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
           one.st_ino == other.st_ino;
}

int union_move_data(const struct union_fs *fs, const struct union_move *move)
{
    AUTO_CLOSE int replaced = open_replaced(fs, move);
    int result = move_any(fs, move);
    if (result == 0 && replaced >= 0 && !is_named(replaced, move->to, move->new_name))
        (void)!head_drop_name(&fs->place, replaced, move->new_path);
    return result;
}
