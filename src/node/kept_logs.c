// SPDX-License-Identifier: Apache-2.0
/*
 * Moves, cuts and removes the logs of releases that do not run. Owns nothing; runs in msed, on the
 * threads of the apps and, for what is old, on the main thread.
 */
#include "node/kept_logs.h"

#include "base/fd.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A log is two files: base/rotating_file.h. */
static const char *const parts[] = {"", ".1"};

char *kept_log_path(const char *logs, const char *id, int64_t release, struct err *err)
{
    return str_printf(err, "%s/%s/%lld", logs, id, (long long)release);
}

static int move_part(const char *from, const char *to, const char *part, struct err *err)
{
    AUTO_FREE char *source = str_printf(err, "%s%s", from, part);
    AUTO_FREE char *target = str_printf(err, "%s%s", to, part);
    if (source == NULL || target == NULL)
        return -1;
    if (rename(source, target) == 0)
        (void)utimensat(AT_FDCWD, target, NULL, 0); /* its days begin now */
    else if (errno != ENOENT)
        return FAIL_ERRNO(err, ERR_IO, "cannot move '%s' to '%s'", source, target);
    return 0;
}

/* The older part first: what is cut short in between leaves one whole log in two places. */
static int move_log(const char *from, const char *to, struct err *err)
{
    for (size_t i = ARRAY_LEN(parts); i > 0; i--) {
        if (move_part(from, to, parts[i - 1], err) < 0)
            return -1;
    }
    return 0;
}

int kept_log_put(const char *logs, const char *id, int64_t release, const char *app_folder,
                 struct err *err)
{
    AUTO_FREE char *of_app = path_join(logs, id, err);
    AUTO_FREE char *kept = kept_log_path(logs, id, release, err);
    AUTO_FREE char *log = path_join(app_folder, "log", err);
    if (of_app == NULL || kept == NULL || log == NULL || folder_create(of_app, 0700, err) < 0)
        return -1;
    return file_exists(kept) ? 0 : move_log(log, kept, err);
}

int kept_log_take_back(const char *logs, const char *id, int64_t release, const char *app_folder,
                       struct err *err)
{
    AUTO_FREE char *kept = kept_log_path(logs, id, release, err);
    AUTO_FREE char *log = path_join(app_folder, "log", err);
    if (kept == NULL || log == NULL)
        return -1;
    return move_log(kept, log, err);
}

/* --- cutting --- */

/* The last `room` bytes from the beginning of a line. */
static int read_end(int fd, int64_t size, size_t room, struct buf *out, struct err *err)
{
    AUTO_FREE uint8_t *bytes = mem_alloc(room, err);
    if (bytes == NULL)
        return -1;
    ssize_t got = pread(fd, bytes, room, size - (int64_t)room);
    if (got < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read a log");
    const uint8_t *line_end = memchr(bytes, '\n', (size_t)got);
    size_t from = line_end == NULL ? 0 : (size_t)(line_end - bytes) + 1;
    return buf_bytes(out, slice_of(bytes + from, (size_t)got - from), err);
}

/* *room becomes what is left of it. */
static int cut_part(const char *path, size_t *room, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf text = BUF_INIT(KEPT_LOG_MAX);
    struct err unknown = ERR_INIT;
    struct stat info = {0};
    if (fd_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, &unknown) < 0) {
        if (unknown.kind == ERR_NOT_FOUND)
            return 0;
        *err = unknown;
        return -1;
    }
    if (fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    if (info.st_size <= (int64_t)*room) {
        *room -= (size_t)info.st_size;
        return 0;
    }
    if (*room == 0)
        return file_remove(path, err);
    if (read_end(fd, info.st_size, *room, &text, err) < 0)
        return -1;
    *room = 0;
    return file_write_atomic(path, buf_slice(&text), 0600, err);
}

int kept_log_cut(const char *logs, const char *id, int64_t release, struct err *err)
{
    size_t room = KEPT_LOG_MAX;
    AUTO_FREE char *kept = kept_log_path(logs, id, release, err);
    for (size_t i = 0; kept != NULL && i < ARRAY_LEN(parts); i++) { /* the newer one first */
        AUTO_FREE char *path = str_printf(err, "%s%s", kept, parts[i]);
        if (path == NULL || cut_part(path, &room, err) < 0)
            return -1;
    }
    return kept == NULL ? -1 : 0;
}

/* --- removing --- */

int kept_log_forget(const char *logs, const char *id, int64_t release, struct err *err)
{
    AUTO_FREE char *kept = kept_log_path(logs, id, release, err);
    for (size_t i = 0; kept != NULL && i < ARRAY_LEN(parts); i++) {
        AUTO_FREE char *path = str_printf(err, "%s%s", kept, parts[i]);
        if (path == NULL || file_remove(path, err) < 0)
            return -1;
    }
    return kept == NULL ? -1 : 0;
}

int kept_logs_forget_app(const char *logs, const char *id, struct err *err)
{
    AUTO_FREE char *of_app = path_join(logs, id, err);
    return of_app == NULL ? -1 : folder_remove_tree(of_app, err);
}

static void close_list(DIR *list)
{
    if (list != NULL)
        (void)closedir(list);
}
DEFINE_CLEANUP(list_cleanup, DIR *, close_list)

/* The next entry, with what it is; NULL: there is none any more. */
static const char *next_entry(DIR *list, struct stat *info)
{
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (entry->d_name[0] != '.' &&
            fstatat(dirfd(list), entry->d_name, info, AT_SYMLINK_NOFOLLOW) == 0)
            return entry->d_name;
    }
    return NULL;
}

static int trim_app(const char *of_app, int64_t before, struct err *err)
{
    AUTO(list_cleanup) DIR *list = opendir(of_app);
    struct stat info;
    if (list == NULL)
        return errno == ENOENT ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot list '%s'", of_app);
    for (const char *name = next_entry(list, &info); name != NULL; name = next_entry(list, &info)) {
        if (info.st_mtime < before && unlinkat(dirfd(list), name, 0) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot remove '%s/%s'", of_app, name);
    }
    return 0;
}

int kept_logs_trim(const char *logs, int64_t before, struct err *err)
{
    AUTO(list_cleanup) DIR *list = opendir(logs);
    struct stat info;
    if (list == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot list '%s'", logs);
    for (const char *name = next_entry(list, &info); name != NULL; name = next_entry(list, &info)) {
        AUTO_FREE char *of_app = path_join(logs, name, err);
        if (of_app == NULL || trim_app(of_app, before, err) < 0)
            return -1;
        if (info.st_mtime < before)
            (void)rmdir(of_app); /* one that is not empty stays */
    }
    return 0;
}
