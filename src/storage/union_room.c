// SPDX-License-Identifier: Apache-2.0
/*
 * The limit of a union that has one (a /tmp on sealed storage): what its files are long together,
 * heads included. A count is kept that is never too low; only where it meets the limit is counted
 * again what there is, so that nothing has to be told that a file became shorter or went. Runs in
 * the union's process.
 */
#include "storage/union.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 128 };

static uint64_t count_tree(int fd, int depth);

static uint64_t count_entry(int folder, const char *name, int depth)
{
    struct stat info;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISREG(info.st_mode))
        return info.st_size > 0 ? (uint64_t)info.st_size : 0;
    if (!S_ISDIR(info.st_mode) || depth == DEPTH_MAX)
        return 0;
    return count_tree(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                      depth + 1);
}

/* Takes the descriptor over. */
static uint64_t count_tree(int fd, int depth)
{
    uint64_t sum = 0;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        fd_close(fd);
        return 0;
    }
    for (struct dirent *found = readdir(folder); found != NULL; found = readdir(folder))
        sum += count_entry(dirfd(folder), found->d_name, depth);
    (void)closedir(folder);
    return sum;
}

/* Files that are open and have no name any more: nothing but files of the data is open here. */
static uint64_t count_nameless(void)
{
    uint64_t sum = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *found = folder == NULL ? NULL : readdir(folder); found != NULL;
         found = readdir(folder)) {
        struct stat info;
        if (fstatat(dirfd(folder), found->d_name, &info, 0) == 0 && S_ISREG(info.st_mode) &&
            info.st_nlink == 0 && info.st_size > 0)
            sum += (uint64_t)info.st_size;
    }
    if (folder != NULL)
        (void)closedir(folder);
    return sum;
}

/* Under the lock of the room. */
static int take(struct union_fs *fs, uint64_t bytes)
{
    if (bytes > fs->limit)
        return -ENOSPC;
    if (fs->counted + bytes > fs->limit)
        fs->counted = count_tree(openat(fs->data, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0) +
                      count_nameless();
    if (fs->counted > fs->limit || bytes > fs->limit - fs->counted)
        return -ENOSPC;
    fs->counted += bytes;
    return 0;
}

int union_room_for_file(struct union_fs *fs)
{
    if (fs->limit == 0)
        return 0;
    lock_acquire(&fs->room);
    int result = take(fs, HEAD_SIZE);
    lock_release(&fs->room);
    return result;
}

int union_room_begin(struct union_fs *fs, int fd, uint64_t end)
{
    struct stat info;
    if (fs->limit == 0)
        return 0;
    lock_acquire(&fs->room);
    int result = fstat(fd, &info) < 0 ? -errno
                 : info.st_size >= 0 && end > (uint64_t)info.st_size
                     ? take(fs, end - (uint64_t)info.st_size)
                     : 0;
    if (result < 0)
        lock_release(&fs->room);
    return result;
}

void union_room_end(struct union_fs *fs)
{
    if (fs->limit != 0)
        lock_release(&fs->room);
}

void union_room_show(struct union_fs *fs, struct fuse_kstatfs *st)
{
    if (fs->limit == 0 || st->frsize == 0)
        return;
    lock_acquire(&fs->room);
    uint64_t left = fs->counted < fs->limit ? fs->limit - fs->counted : 0;
    lock_release(&fs->room);
    st->blocks = fs->limit / st->frsize;
    if (st->bfree > left / st->frsize)
        st->bfree = left / st->frsize;
    if (st->bavail > st->bfree)
        st->bavail = st->bfree;
}
