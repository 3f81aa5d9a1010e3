// SPDX-License-Identifier: Apache-2.0
/*
 * Looks at the state folder's file system and allocates in it. Owns nothing; runs in msed.
 */
#include "node/room.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BALLAST_MAX = 32 << 20 };

static unsigned long long mib(uint64_t bytes)
{
    return (unsigned long long)(bytes >> 20);
}

int room_look(const struct node_config *config, const char *folder, struct room *ret,
              struct err *err)
{
    struct statvfs info;
    if (statvfs(folder, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at the file system of '%s'", folder);
    ret->free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    ret->size_bytes = (uint64_t)info.f_blocks * info.f_frsize;
    ret->reserve_bytes = (uint64_t)config->limits.disk_reserve_bytes;
    return 0;
}

int room_check(const struct node_config *config, const char *folder, const char *what,
               uint64_t bytes, struct err *err)
{
    struct room room;
    if (room_look(config, folder, &room, err) < 0)
        return -1;
    if (bytes <= room.free_bytes && room.free_bytes - bytes >= room.reserve_bytes)
        return 0;
    err_set(err, ERR_NO_ROOM, 0,
            "%s takes %llu MiB, the node's disk has %llu MiB left, of which %llu MiB are its own "
            "reserve",
            what, mib(bytes), mib(room.free_bytes), mib(room.reserve_bytes));
    err_hint(err, "stop apps that are no longer needed; the operator can make room, or give "
                  "profiles less (storage = \"1G\" in [hardware.free] of msed.toml)");
    return -1;
}

int room_take(const struct node_config *config, int fd, const char *path, uint64_t bytes,
              struct err *err)
{
    AUTO_FREE char *folder = path_folder(path, err);
    if (folder == NULL || room_check(config, folder, "the package", bytes, err) < 0)
        return -1;
    if (bytes == 0)
        return 0;
    /* the size stays: what is written is what is read */
    while (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) < 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return 0;
        if (errno != EINTR)
            return FAIL_ERRNO(err, errno == ENOSPC || errno == EDQUOT ? ERR_NO_ROOM : ERR_IO,
                              "cannot allocate %llu MiB for '%s'", mib(bytes), path);
    }
    /* of two at once, both may have found room for one */
    if (room_check(config, folder, "the package", 0, err) == 0)
        return 0;
    (void)!ftruncate(fd, 0);
    return -1;
}

/* --- ballast --- */

static void drop_ballast(const char *path)
{
    struct err err = ERR_INIT;
    if (file_remove(path, &err) < 0) {
        log_err(LOG_ERROR, &err);
        return;
    }
    err_set(&err, ERR_NO_ROOM, 0,
            "the disk is full: '%s' was removed, which is the last room that the node had", path);
    err_hint(&err, "make room at once; apps have theirs, but none can be deployed");
    log_err(LOG_ERROR, &err);
}

static void make_ballast(const char *path, uint64_t bytes)
{
    struct err err = ERR_INIT;
    AUTO_CLOSE int fd = -1;
    if (fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, &err) < 0 ||
        (fallocate(fd, 0, 0, (off_t)bytes) < 0 && file_remove(path, &err) < 0))
        log_err(LOG_WARNING, &err);
}

void room_tend_ballast(const struct node_config *config, const char *folder)
{
    struct err err = ERR_INIT;
    struct room room;
    AUTO_FREE char *path = path_join(folder, "ballast", &err);
    if (path == NULL || room_look(config, folder, &room, &err) < 0) {
        log_err(LOG_WARNING, &err);
        return;
    }
    uint64_t bytes = room.reserve_bytes / 2 < BALLAST_MAX ? room.reserve_bytes / 2 : BALLAST_MAX;
    bool there = file_exists(path);
    if (there && room.free_bytes < bytes / 8)
        drop_ballast(path);
    else if (!there && bytes > 0 && room.free_bytes > 2 * bytes)
        make_ballast(path, bytes);
}
