// SPDX-License-Identifier: Apache-2.0
/*
 * What both storage tests need: a mount namespace of their own, so that nothing they mount is seen
 * or left anywhere, and a temporary folder.
 */
#pragma once

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

static bool namespace_is_ready;
static bool is_real_root;

static inline void write_line(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        err_clear(&err);
    (void)close(fd);
}

/* As root a mount namespace; otherwise with a user namespace around it. */
static inline int enter_namespace(void **state)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    is_real_root = uid == 0;
    if (unshare(is_real_root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0) {
        (void)printf("SKIP: no mount namespace here: %s\n", strerror(errno));
        return 0;
    }
    if (!is_real_root) {
        (void)snprintf(map, sizeof(map), "0 %u 1", uid);
        write_line("/proc/self/uid_map", map);
        write_line("/proc/self/setgroups", "deny");
        (void)snprintf(map, sizeof(map), "0 %u 1", gid);
        write_line("/proc/self/gid_map", map);
    }
    namespace_is_ready = mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0;
    if (!namespace_is_ready)
        (void)printf("SKIP: cannot make mounts private here\n");
    return 0;
}

struct folders {
    char base[64];
    char cipher[96];
    char plain[96];
    char image[96];
};

static inline int make_folders(void **state)
{
    static struct folders folders;
    struct err err = ERR_INIT;
    (void)snprintf(folders.base, sizeof(folders.base), "/tmp/mse-storage-XXXXXX");
    if (mkdtemp(folders.base) == NULL)
        return -1;
    (void)snprintf(folders.cipher, sizeof(folders.cipher), "%s/cipher", folders.base);
    (void)snprintf(folders.plain, sizeof(folders.plain), "%s/plain", folders.base);
    (void)snprintf(folders.image, sizeof(folders.image), "%s/image", folders.base);
    *state = &folders;
    return folder_create(folders.cipher, 0700, &err) < 0 ||
                   folder_create(folders.plain, 0700, &err) < 0
               ? -1
               : 0;
}

static inline int remove_folders(void **state)
{
    struct folders *folders = *state;
    struct err err = ERR_INIT;
    (void)umount2(folders->plain, MNT_DETACH);
    (void)umount2(folders->plain, MNT_DETACH);
    (void)umount2(folders->cipher, MNT_DETACH);
    return folder_remove_tree(folders->base, &err);
}
