// SPDX-License-Identifier: Apache-2.0
/*
 * Files and folders by path: whole reads, atomic replacement, removal of trees that somebody else
 * may have filled (no link is followed, no mount crossed, no depth assumed), and paths as text.
 * Owns nothing; runs in every process.
 */
#include "base/file.h"

#include "base/fd.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Levels of a tree held open at once; what lies deeper is moved up first. */
enum { TREE_DEPTH_MAX = 64, NAME_TRIES = 16, SUFFIX_BYTES = 8 };

int file_read(const char *path, struct buf *out, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    if (fd_open(path, O_RDONLY | O_NOCTTY, 0, &fd, err) < 0)
        return -1;
    if (fd_read_all(fd, out, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", path);
    return 0;
}

/* Sixteen random digits: a name that nobody can have put there before us. */
static int random_suffix(char ret[static 2 * SUFFIX_BYTES + 1], struct err *err)
{
    uint8_t bytes[SUFFIX_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return FAIL_ERRNO(err, ERR_IO, "cannot get random bytes");
    hex_encode(slice_of(bytes, sizeof(bytes)), ret);
    return 0;
}

static int write_and_sync(int fd, struct slice bytes, mode_t mode, struct err *err)
{
    if (fchmod(fd, mode) < 0) /* the mode asked for, whatever the umask */
        return FAIL_ERRNO(err, ERR_IO, "cannot set the mode");
    if (fd_write_all(fd, bytes, err) < 0)
        return -1;
    if (fsync(fd) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write to the disk");
    return 0;
}

static int open_folder_of(const char *path, int *ret, struct err *err)
{
    AUTO_FREE char *folder = path_folder(path, err);
    if (folder == NULL)
        return -1;
    return fd_open(folder, O_RDONLY | O_DIRECTORY, 0, ret, err);
}

static int sync_folder(int folder, const char *path, struct err *err)
{
    if (fsync(folder) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write the folder of '%s' to the disk", path);
    return 0;
}

static int create_temporary(int folder, int *ret_fd, char **ret_name, struct err *err)
{
    char suffix[2 * SUFFIX_BYTES + 1];
    if (random_suffix(suffix, err) < 0)
        return -1;
    AUTO_FREE char *name = str_printf(err, ".mse-%s.tmp", suffix);
    if (name == NULL)
        return -1;
    if (fd_open_at(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, ret_fd, err) < 0)
        return -1;
    *ret_name = STEAL(name);
    return 0;
}

int file_write_atomic(const char *path, struct slice bytes, mode_t mode, struct err *err)
{
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *name = NULL;
    if (open_folder_of(path, &folder, err) < 0 || create_temporary(folder, &fd, &name, err) < 0)
        return FAIL_CONTEXT(err, "cannot write '%s'", path);
    if (write_and_sync(fd, bytes, mode, err) < 0) {
        (void)unlinkat(folder, name, 0);
        return FAIL_CONTEXT(err, "cannot write '%s'", path);
    }
    if (renameat(folder, name, folder, path_base(path)) < 0) {
        (void)FAIL_ERRNO(err, ERR_IO, "cannot replace '%s'", path);
        (void)unlinkat(folder, name, 0);
        return -1;
    }
    return sync_folder(folder, path, err);
}

int file_create_new(const char *path, struct slice bytes, mode_t mode, struct err *err)
{
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int fd = -1;
    if (open_folder_of(path, &folder, err) < 0)
        return FAIL_CONTEXT(err, "cannot create '%s'", path);
    const char *name = path_base(path);
    if (fd_open_at(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd, err) < 0)
        return FAIL_CONTEXT(err, "cannot create '%s'", path);
    if (write_and_sync(fd, bytes, mode, err) < 0) {
        (void)unlinkat(folder, name, 0);
        return FAIL_CONTEXT(err, "cannot create '%s'", path);
    }
    return sync_folder(folder, path, err);
}

int file_open_unnamed(int *ret, struct err *err)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] != '/')
        folder = "/var/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        AUTO_FREE char *name = str_printf(err, "%s/mse-XXXXXX", folder);
        if (name == NULL)
            return -1;
        fd = mkostemp(name, O_CLOEXEC);
        if (fd < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot make a temporary file in '%s'", folder);
        (void)unlink(name);
    }
    *ret = fd;
    return 0;
}

bool file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

int file_remove(const char *path, struct err *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot remove '%s'", path);
    return 0;
}

int folder_create(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                          "cannot create folder '%s'", path);
    struct stat status;
    if (stat(path, &status) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    if (!S_ISDIR(status.st_mode))
        return FAIL(err, ERR_EXISTS, "'%s' is there but is no folder", path);
    return 0;
}

int folder_create_all(const char *path, mode_t mode, struct err *err)
{
    AUTO_FREE char *part = str_copy(path, err);
    if (part == NULL)
        return -1;
    for (char *at = part; *at != '\0'; at++) {
        if (*at != '/' || at == part || at[-1] == '/')
            continue;
        *at = '\0';
        if (folder_create(part, mode, err) < 0)
            return -1;
        *at = '/';
    }
    return folder_create(path, mode, err);
}

int folder_each(const char *path, folder_name_fn fn, void *context, struct err *err)
{
    DIR *list = opendir(path);
    if (list == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot list '%s'", path);
    int result = 0;
    for (const struct dirent *entry = readdir(list); entry != NULL && result == 0;
         entry = readdir(list)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = fn(context, entry->d_name, err);
    }
    (void)closedir(list);
    return result;
}

/* What stays the same while a tree is removed. */
struct removal {
    int top; /* descriptor of the tree's own folder */
    struct statx origin;
    bool moved_any; /* something was moved up into `top` since the last look */
};

static int look_at(int fd, struct statx *ret, struct err *err)
{
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at a folder");
    return 0;
}

static bool same_mount(const struct statx *a, const struct statx *b)
{
    if (a->stx_dev_major != b->stx_dev_major || a->stx_dev_minor != b->stx_dev_minor)
        return false;
    /* Sees a bind mount of the same file system too, where the kernel tells (Linux 5.8). */
    bool told = (a->stx_mask & b->stx_mask & STATX_MNT_ID) != 0;
    return !told || a->stx_mnt_id == b->stx_mnt_id;
}

static int open_child(const struct removal *removal, int parent, const char *name, int *ret,
                      struct err *err)
{
    AUTO_CLOSE int fd = -1;
    struct statx status;
    if (fd_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err) < 0 ||
        look_at(fd, &status, err) < 0)
        return -1;
    if (!same_mount(&removal->origin, &status))
        return FAIL(err, ERR_CONFLICT, "'%s' is a mounted file system", name);
    if ((status.stx_mode & S_IRWXU) != S_IRWXU) /* else its entries could not be removed */
        (void)fchmod(fd, (status.stx_mode & 07777) | S_IRWXU);
    *ret = fd_steal(&fd);
    return 0;
}

static int move_up(struct removal *removal, int parent, const char *name, struct err *err)
{
    char suffix[2 * SUFFIX_BYTES + 1];
    if (random_suffix(suffix, err) < 0)
        return -1;
    if (renameat(parent, name, removal->top, suffix) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot move folder '%s'", name);
    removal->moved_any = true;
    return 0;
}

static int remove_contents(struct removal *removal, int fd, int depth, struct err *err);

static int remove_entry(struct removal *removal, int parent, const char *name, int depth,
                        struct err *err)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return FAIL_ERRNO(err, ERR_IO, "cannot remove '%s'", name);
    if (depth >= TREE_DEPTH_MAX)
        return move_up(removal, parent, name, err);
    AUTO_CLOSE int fd = -1;
    if (open_child(removal, parent, name, &fd, err) < 0)
        return -1;
    if (remove_contents(removal, fd, depth + 1, err) < 0)
        return -1;
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot remove folder '%s'", name);
    return 0;
}

static void close_folder(DIR *folder)
{
    if (folder != NULL)
        (void)closedir(folder);
}

DEFINE_CLEANUP(close_folder_pointer, DIR *, close_folder)

static int remove_contents(struct removal *removal, int fd, int depth, struct err *err)
{
    AUTO_CLOSE int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(close_folder_pointer) DIR *folder = own < 0 ? NULL : fdopendir(own);
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot list a folder");
    (void)fd_steal(&own); /* closedir closes it */
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry == NULL && errno != 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot list a folder");
        if (entry == NULL)
            return 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (remove_entry(removal, fd, entry->d_name, depth, err) < 0)
            return -1;
    }
}

/* Empties the folder; as often as something deep was moved up into it while it was listed. */
static int remove_all_contents(int fd, struct err *err)
{
    struct removal removal = {.top = fd};
    if (look_at(fd, &removal.origin, err) < 0)
        return -1;
    do {
        removal.moved_any = false;
        if (remove_contents(&removal, fd, 0, err) < 0)
            return -1;
    } while (removal.moved_any);
    return 0;
}

int folder_remove_tree(const char *path, struct err *err)
{
    struct stat status;
    if (lstat(path, &status) < 0 && errno == ENOENT)
        return 0;
    AUTO_CLOSE int fd = -1;
    if (fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err) < 0)
        return -1;
    (void)fchmod(fd, 0700);
    if (remove_all_contents(fd, err) < 0)
        return FAIL_CONTEXT(err, "cannot remove '%s'", path);
    if (rmdir(path) < 0 && errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot remove folder '%s'", path);
    return 0;
}

int path_remove(const char *path, struct err *err)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    return S_ISDIR(info.st_mode) ? folder_remove_tree(path, err) : file_remove(path, err);
}

int64_t folder_bytes(const char *path)
{
    char *paths[] = {(char *)path, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int64_t bytes = 0;
    for (FTSENT *entry = tree != NULL ? fts_read(tree) : NULL; entry != NULL;
         entry = fts_read(tree)) {
        if (entry->fts_info == FTS_F)
            bytes += (int64_t)entry->fts_statp->st_blocks * 512;
    }
    if (tree != NULL)
        (void)fts_close(tree);
    return bytes;
}

char *path_join(const char *folder, const char *name, struct err *err)
{
    if (name[0] == '/')
        return str_copy(name, err);
    return str_printf(err, "%s%s%s", folder, str_ends_with(folder, "/") ? "" : "/", name);
}

char *path_resolve(const char *path, struct err *err)
{
    char *resolved = realpath(path, NULL);
    if (resolved == NULL)
        (void)FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot resolve '%s'",
                         path);
    return resolved;
}

char *path_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return str_copy(".", err);
    size_t len = (size_t)(slash - path);
    return len == 0 ? str_copy("/", err) : mem_copy(path, len, err);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

bool path_is_inside(const char *inner, const char *outer)
{
    size_t len = strlen(outer);
    while (len > 0 && outer[len - 1] == '/') /* "/" has everything inside */
        len--;
    return strncmp(inner, outer, len) == 0 && (inner[len] == '/' || inner[len] == '\0');
}
