// SPDX-License-Identifier: Apache-2.0
/*
 * Operations on open files and folders of the union. Files of the code open for reading only; a
 * folder shows the code's entries and then those of the data that the code has not. Runs in the
 * union's process.
 */
#include "storage/union.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { ENTRIES_FIRST = 64, ENTRIES_MAX = 1 << 20 };

static struct handle *handle_of(uint64_t fh)
{
    return (struct handle *)(uintptr_t)fh;
}

/* --- files --- */

/* What the kernel does itself (appending) or what only its own files know (locks, direct I/O)
 * stays out. */
static uint64_t flags_below(uint32_t flags)
{
    return (flags & (uint32_t)(O_ACCMODE | O_TRUNC | O_EXCL)) | O_NONBLOCK;
}

/* Of the data: what is written begins behind the head, which reading is needed for. */
static int open_data(const struct union_fs *fs, const char *path, uint32_t flags)
{
    AUTO_CLOSE int fd = union_open_file(fs, path, (flags & O_ACCMODE) != O_RDONLY);
    if (fd >= 0 && (flags & O_TRUNC) != 0 && ftruncate(fd, HEAD_SIZE) < 0)
        return -errno;
    return fd < 0 ? fd : fd_steal(&fd);
}

/* Takes the descriptor over. What the kernel has cached stays good: nothing changes the file but
 * what goes through it. Of a file with two names it has two caches, and one may be old. */
static int answer_open(struct union_fs *fs, struct node *node, int fd, struct fuse_open_out *ret)
{
    AUTO_CLOSE int file = fd;
    struct stat info;
    if (fstat(file, &info) < 0 || !S_ISREG(info.st_mode))
        return -EIO;
    struct handle *handle = handle_new(fs, node, file);
    if (handle == NULL)
        return -ENOMEM;
    file = -1;
    handle->is_code = node->is_code;
    bool is_one = node->is_code || (info.st_nlink <= 1 && !atomic_load(&node->is_shared));
    *ret = (struct fuse_open_out){.fh = (uint64_t)(uintptr_t)handle,
                                  .open_flags = is_one ? FOPEN_KEEP_CACHE : 0};
    return 0;
}

int union_open(struct union_fs *fs, struct request *request)
{
    struct fuse_open_in in;
    struct fuse_open_out out;
    char path[PATH_MAX];
    struct node *node = node_of(fs, request->in->nodeid);
    memcpy(&in, request->body, sizeof(in));
    if (node->is_code && ((in.flags & O_ACCMODE) != O_RDONLY || (in.flags & O_TRUNC) != 0))
        return -EROFS;
    lock_acquire(&fs->names);
    int fd = node_path(fs, node, NULL, path);
    if (fd == 0)
        fd = node->is_code ? union_open_node(fs, node, path, flags_below(in.flags))
                           : open_data(fs, path, in.flags);
    lock_release(&fs->names);
    int result = fd < 0 ? fd : answer_open(fs, node, fd, &out);
    if (result < 0)
        return result;
    memcpy(request->out, &out, sizeof(out));
    request->out_len = sizeof(out);
    return 0;
}

/* Under the lock of names. */
static int create_file(struct union_fs *fs, struct node *parent, const char *name,
                       const struct fuse_create_in *in, bool *ret_is_new)
{
    char path[PATH_MAX];
    struct stat info;
    int result = node_path(fs, parent, name, path);
    if (result < 0)
        return result;
    int has = union_code_has(fs, path, &info);
    if (has != 0)
        return has < 0 ? has : -EEXIST;
    if (union_is_hidden(fs, name))
        return -EROFS;
    AUTO_CLOSE int folder = union_data_folder(fs, parent);
    if (folder < 0)
        return folder;
    int fd = union_new_file(fs, folder, name, path, in->mode);
    if (fd == -EEXIST && (in->flags & O_EXCL) == 0)
        return open_data(fs, path, in->flags);
    *ret_is_new = fd >= 0;
    return fd;
}

int union_create(struct union_fs *fs, struct request *request)
{
    struct fuse_create_in in;
    struct fuse_entry_out entry = {0};
    struct fuse_open_out open;
    struct node *parent = node_of(fs, request->in->nodeid);
    memcpy(&in, request->body, sizeof(in));
    const char *name = union_take_name(request, sizeof(in));
    if (name == NULL)
        return -EINVAL;
    lock_acquire(&fs->names);
    bool is_new = false;
    AUTO_CLOSE int fd = create_file(fs, parent, name, &in, &is_new);
    struct union_found found = {.parent = parent, .name = name};
    int result = fd < 0 ? fd : fstat(fd, &found.info) < 0 ? -errno : 0;
    union_trim(&found.info);
    if (result == 0)
        result = union_answer_found(fs, request, &found, &entry);
    lock_release(&fs->names);
    if (result < 0)
        return result;
    struct node *node = node_of(fs, entry.nodeid);
    if (is_new)
        atomic_store(&node->made_ms, clock_monotonic_ms());
    result = answer_open(fs, node, fd_steal(&fd), &open);
    if (result < 0) {
        node_forget(fs, node, 1);
        return result;
    }
    memcpy(request->out + sizeof(entry), &open, sizeof(open));
    request->out_len = sizeof(entry) + sizeof(open);
    return 0;
}

/* Where something is below; -EFBIG as a negative number. */
static off_t place_of(const struct handle *handle, uint64_t offset)
{
    uint64_t head = handle->is_code ? 0 : HEAD_SIZE;
    return offset > INT64_MAX - head ? (off_t)-EFBIG : (off_t)(offset + head);
}

int union_read(struct union_fs *fs, struct request *request)
{
    struct fuse_read_in in;
    (void)fs;
    memcpy(&in, request->body, sizeof(in));
    if (in.size > UNION_IO_MAX)
        return -EINVAL;
    off_t place = place_of(handle_of(in.fh), in.offset);
    if (place < 0)
        return (int)place;
    ssize_t len = pread(handle_of(in.fh)->fd, request->out, in.size, place);
    if (len < 0)
        return -errno;
    request->out_len = (size_t)len;
    return 0;
}

int union_write(struct union_fs *fs, struct request *request)
{
    struct fuse_write_in in;
    memcpy(&in, request->body, sizeof(in));
    if (in.size > request->body_len - sizeof(in))
        return -EINVAL;
    off_t place = place_of(handle_of(in.fh), in.offset);
    if (place < 0)
        return (int)place;
    int fd = handle_of(in.fh)->fd;
    int room = union_room_begin(fs, fd, (uint64_t)place + in.size);
    if (room < 0)
        return room;
    ssize_t len = pwrite(fd, request->body + sizeof(in), in.size, place);
    int result = len < 0 ? -errno : 0;
    union_room_end(fs);
    if (result < 0)
        return result;
    const struct fuse_write_out out = {.size = (uint32_t)len};
    memcpy(request->out, &out, sizeof(out));
    request->out_len = sizeof(out);
    return 0;
}

/* close() of the app's: what the file system below has to say comes with one of ours. */
int union_flush(struct union_fs *fs, struct request *request)
{
    struct fuse_flush_in in;
    (void)fs;
    memcpy(&in, request->body, sizeof(in));
    const struct handle *handle = handle_of(in.fh);
    if (handle->is_code)
        return 0;
    int copy = fcntl(handle->fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 || close(copy) < 0 ? -errno : 0;
}

/* Also of folders, whose own descriptor cannot be synchronised. */
int union_fsync(struct union_fs *fs, struct request *request)
{
    struct fuse_fsync_in in;
    (void)fs;
    memcpy(&in, request->body, sizeof(in));
    const struct handle *handle = handle_of(in.fh);
    if (handle->is_code || handle->fd < 0)
        return 0;
    atomic_store(&handle->node->made_ms, 0);
    int result =
        (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0 ? fdatasync(handle->fd) : fsync(handle->fd);
    return result < 0 ? -errno : 0;
}

int union_release(struct union_fs *fs, struct request *request)
{
    struct fuse_release_in in;
    memcpy(&in, request->body, sizeof(in));
    handle_free(fs, handle_of(in.fh));
    return 0;
}

int union_fallocate(struct union_fs *fs, struct request *request)
{
    struct fuse_fallocate_in in;
    memcpy(&in, request->body, sizeof(in));
    off_t place = place_of(handle_of(in.fh), in.offset);
    if (place < 0)
        return (int)place;
    if (in.length > INT64_MAX - (uint64_t)place)
        return -EFBIG;
    int fd = handle_of(in.fh)->fd;
    int result = union_room_begin(fs, fd, (uint64_t)place + in.length);
    if (result < 0)
        return result;
    if (fallocate(fd, (int)in.mode, place, (off_t)in.length) < 0)
        result = -errno;
    union_room_end(fs);
    return result;
}

int union_statfs(struct union_fs *fs, struct request *request)
{
    struct statfs info;
    if (fstatfs(fs->data, &info) < 0)
        return -errno;
    struct fuse_statfs_out out = {.st = {
                                      .blocks = info.f_blocks,
                                      .bfree = info.f_bfree,
                                      .bavail = info.f_bavail,
                                      .files = info.f_files,
                                      .ffree = info.f_ffree,
                                      .bsize = (uint32_t)info.f_bsize,
                                      .namelen = (uint32_t)info.f_namelen,
                                      .frsize = (uint32_t)info.f_frsize,
                                  }};
    union_room_show(fs, &out.st);
    memcpy(request->out, &out, sizeof(out));
    request->out_len = sizeof(out);
    return 0;
}

/* --- folders --- */

static int add_entry(struct handle *handle, size_t *capacity, const struct dirent *found)
{
    if (handle->count >= ENTRIES_MAX)
        return -EOVERFLOW;
    if (handle->count == *capacity) {
        size_t wanted = *capacity == 0 ? ENTRIES_FIRST : 2 * *capacity;
        struct folder_entry *more =
            mem_resize_array(handle->entries, wanted, sizeof(*handle->entries), NULL);
        if (more == NULL)
            return -ENOMEM;
        handle->entries = more;
        *capacity = wanted;
    }
    struct folder_entry *entry = &handle->entries[handle->count++];
    *entry = (struct folder_entry){.inode = found->d_ino, .type = found->d_type};
    memcpy(entry->name, found->d_name, strnlen(found->d_name, NAME_MAX));
    return 0;
}

/* Is this entry of the data what it says? What was not put there is not shown. */
static bool is_own(struct union_fs *fs, struct handle *handle, const char *folder,
                   const struct dirent *found)
{
    struct stat info;
    if (found->d_type == DT_DIR || node_is_known(fs, handle->node, found->d_name))
        return true;
    bool at_root = strcmp(folder, ".") == 0;
    AUTO_FREE char *path =
        str_printf(NULL, "%s%s%s", at_root ? "" : folder, at_root ? "" : "/", found->d_name);
    return path != NULL && union_stat_data(fs, path, &info) == 0;
}

/* What is listed: the code's folder, or (`folder` is its path) the one among the data, of which the
 * names that the code has, open at `code` (or -1), are left out. */
struct listing {
    struct union_fs *fs;
    struct handle *handle;
    size_t capacity;
    const char *folder;
    int code;
};

/* Takes the descriptor over. */
static int list(struct listing *listing, int fd)
{
    struct handle *handle = listing->handle;
    int code = listing->code;
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        int error = -errno;
        fd_close(fd);
        return error;
    }
    int result = 0;
    for (struct dirent *found = readdir(folder); found != NULL && result == 0;
         found = readdir(folder)) {
        bool is_dot = strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0;
        bool is_covered =
            code >= 0 &&
            (faccessat(code, found->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT);
        if (is_dot || is_covered)
            continue;
        bool is_shown =
            listing->folder == NULL || (!union_is_hidden(listing->fs, found->d_name) &&
                                        is_own(listing->fs, handle, listing->folder, found));
        if (is_shown)
            result = add_entry(handle, &listing->capacity, found);
    }
    (void)closedir(folder);
    return result;
}

/* What both have at the moment. */
static int list_both(struct union_fs *fs, struct handle *handle, const char *path)
{
    struct listing listing = {.fs = fs, .handle = handle, .code = -1};
    const uint64_t flags = O_RDONLY | O_DIRECTORY;
    int code = union_code(fs);
    AUTO_CLOSE int of_code = code < 0 ? code : union_open_below(code, path, flags);
    if (of_code < 0 && of_code != -ENOENT && of_code != -ENOTDIR)
        return of_code; /* not "the code has no such folder" */
    free(handle->entries);
    handle->entries = NULL;
    handle->count = 0;
    int result = of_code < 0 ? 0 : list(&listing, fcntl(of_code, F_DUPFD_CLOEXEC, 0));
    if (result < 0)
        return result;
    int data = union_open_below(fs->data, path, flags);
    if (data < 0)
        return of_code < 0 ? data : 0;
    listing.folder = path;
    listing.code = of_code;
    return list(&listing, data);
}

/* The folder among the data is kept open, to be synchronised, which needs no list. */
static int open_both(struct union_fs *fs, struct handle *handle)
{
    char path[PATH_MAX];
    const uint64_t flags = O_RDONLY | O_DIRECTORY;
    int result = node_path(fs, handle->node, NULL, path);
    if (result < 0)
        return result;
    handle->fd = union_open_below(fs->data, path, flags);
    if (handle->fd >= 0)
        return 0;
    AUTO_CLOSE int code =
        handle->node->is_code ? union_open_node(fs, handle->node, path, flags) : -1;
    return handle->node->is_code ? (code < 0 ? code : 0) : handle->fd;
}

int union_opendir(struct union_fs *fs, struct request *request)
{
    struct node *node = node_of(fs, request->in->nodeid);
    struct handle *handle = handle_new(fs, node, -1);
    if (handle == NULL)
        return -ENOMEM;
    lock_acquire(&fs->names);
    int result = open_both(fs, handle);
    lock_release(&fs->names);
    if (result < 0) {
        handle_free(fs, handle);
        return result;
    }
    const struct fuse_open_out out = {.fh = (uint64_t)(uintptr_t)handle};
    memcpy(request->out, &out, sizeof(out));
    request->out_len = sizeof(out);
    return 0;
}

/* At the beginning, and after rewinddir. A folder that is gone has nothing in it. */
static int make_list(struct union_fs *fs, struct handle *handle)
{
    char path[PATH_MAX];
    lock_acquire(&fs->names);
    int result = node_path(fs, handle->node, NULL, path);
    if (result == 0)
        result = list_both(fs, handle, path);
    lock_release(&fs->names);
    return result == -ENOENT ? 0 : result;
}

/* The offset is the number of the next entry. */
int union_readdir(struct union_fs *fs, struct request *request)
{
    struct fuse_read_in in;
    memcpy(&in, request->body, sizeof(in));
    struct handle *handle = handle_of(in.fh);
    int result = in.offset == 0 ? make_list(fs, handle) : 0;
    if (result < 0)
        return result;
    size_t room = in.size < UNION_IO_MAX ? in.size : UNION_IO_MAX;
    for (uint64_t i = in.offset; i < handle->count; i++) {
        const struct folder_entry *entry = &handle->entries[i];
        size_t len = strlen(entry->name);
        size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);
        if (size > room - request->out_len)
            break;
        const struct fuse_dirent head = {
            .ino = entry->inode, .off = i + 1, .namelen = (uint32_t)len, .type = entry->type};
        memset(request->out + request->out_len, 0, size);
        memcpy(request->out + request->out_len, &head, FUSE_NAME_OFFSET);
        memcpy(request->out + request->out_len + FUSE_NAME_OFFSET, entry->name, len);
        request->out_len += size;
    }
    return 0;
}
