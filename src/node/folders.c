// SPDX-License-Identifier: Apache-2.0
/*
 * The state folder's layout and its lock. Owns the lock's descriptor. Runs in msed.
 */
#include "node/folders.h"

#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int fill_paths(const char *state, struct folders *folders, struct err *err)
{
    const struct {
        char **path;
        const char *name;
    } table[] = {
        {&folders->lock, "lock"},
        {&folders->database, "state.db"},
        {&folders->simulation, "simulation"},
        {&folders->certificate, "api.pem"},
        {&folders->private_key, "api.key"},
        {&folders->tokens, "tokens"},
        {&folders->uploads, "uploads"},
        {&folders->apps, "apps"},
        {&folders->layers, "layers"},
        {&folders->runtimes, "runtimes"},
        {&folders->logs, "logs"},
    };
    folders->state = path_resolve(state, err); /* supervisors are told absolute paths */
    if (folders->state == NULL)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        *table[i].path = path_join(folders->state, table[i].name, err);
        if (*table[i].path == NULL)
            return -1;
    }
    return 0;
}

static int make_folder(const char *path, mode_t mode, struct err *err)
{
    if (folder_create(path, mode, err) < 0)
        return -1;
    /* the mode asked for, whatever the umask or an older version made of it */
    if (chmod(path, mode) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the mode of '%s'", path);
    return 0;
}

static int take_lock(struct folders *folders, struct err *err)
{
    if (fd_open(folders->lock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &folders->lock_fd, err) < 0)
        return -1;
    char pid[32] = "";
    if (flock(folders->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        ssize_t len = pread(folders->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[len > 0 ? strcspn(pid, "\n") : 0] = '\0';
        err_set(err, ERR_CONFLICT, 0, "the state folder '%s' is in use by another msed (pid %s)",
                folders->state, pid[0] != '\0' ? pid : "unknown");
        err_hint(err, "stop that one, or give this one another 'state' in its configuration");
        return -1;
    }
    int len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(folders->lock_fd, 0) < 0 || pwrite(folders->lock_fd, pid, (size_t)len, 0) != len)
        return FAIL_ERRNO(err, ERR_IO, "cannot write to '%s'", folders->lock);
    return 0;
}

int folders_open(const char *state, struct folders *ret, struct err *err)
{
    AUTO_FOLDERS struct folders folders = FOLDERS_INIT;
    if (folder_create_all(state, 0711, err) < 0 || fill_paths(state, &folders, err) < 0 ||
        take_lock(&folders, err) < 0)
        return FAIL_CONTEXT(err, "state folder");
    if (make_folder(folders.uploads, 0700, err) < 0 || make_folder(folders.apps, 0711, err) < 0 ||
        make_folder(folders.layers, 0711, err) < 0 ||
        make_folder(folders.runtimes, 0711, err) < 0 || make_folder(folders.logs, 0700, err) < 0)
        return FAIL_CONTEXT(err, "state folder");
    *ret = folders;
    folders = FOLDERS_INIT;
    return 0;
}

void folders_close(struct folders *folders)
{
    fd_close(folders->lock_fd);
    free(folders->state);
    free(folders->lock);
    free(folders->database);
    free(folders->simulation);
    free(folders->certificate);
    free(folders->private_key);
    free(folders->tokens);
    free(folders->uploads);
    free(folders->apps);
    free(folders->layers);
    free(folders->runtimes);
    free(folders->logs);
    *folders = FOLDERS_INIT;
}
