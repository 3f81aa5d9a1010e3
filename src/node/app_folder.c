// SPDX-License-Identifier: Apache-2.0
/*
 * Marks are files and names, so that they cannot part from what they speak of.
 */
#include "node/app_folder.h"

#include "base/fd.h"
#include "base/file.h"
#include "node/upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARK "creating"
#define DISCARDED ".removed-" /* before the name */

static int sync_folder(const char *folder, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    if (fd_open(folder, O_RDONLY | O_DIRECTORY, 0, &fd, err) < 0)
        return -1;
    if (fsync(fd) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot write '%s'", folder);
    return 0;
}

int app_folder_mark(const char *folder, struct err *err)
{
    AUTO_FREE char *mark = path_join(folder, MARK, err);
    AUTO_CLOSE int fd = -1;
    if (mark == NULL || fd_open(mark, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, &fd, err) < 0)
        return -1;
    return sync_folder(folder, err);
}

int app_folder_unmark(const char *folder, struct err *err)
{
    AUTO_FREE char *mark = path_join(folder, MARK, err);
    if (mark == NULL)
        return -1;
    if (unlink(mark) == 0)
        return sync_folder(folder, err);
    return errno == ENOENT ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot remove '%s'", mark);
}

char *app_folder_package(const char *folder, int64_t release, struct err *err)
{
    if (release <= 1)
        return path_join(folder, "package", err);
    return str_printf(err, "%s/package-%lld", folder, (long long)release);
}

int app_folder_manifest(const char *package, struct manifest *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    AUTO_FREE char *path = path_join(package, UPLOAD_MANIFEST, err);
    if (path == NULL || file_read(path, &text, err) < 0)
        return -1;
    return manifest_decode(buf_slice(&text), ret, err);
}

int app_folder_judge(const char *apps, const char *name, enum app_folder_kind *ret, struct err *err)
{
    *ret = APP_FOLDER_DISCARDED;
    if (strncmp(name, DISCARDED, strlen(DISCARDED)) == 0)
        return 0;
    AUTO_FREE char *folder = path_join(apps, name, err);
    AUTO_FREE char *mark = folder == NULL ? NULL : path_join(folder, MARK, err);
    if (mark == NULL)
        return -1;
    DIR *list = opendir(folder);
    if (list == NULL && errno != ENOTDIR)
        return FAIL_ERRNO(err, ERR_IO, "cannot list '%s'", folder);
    size_t entries = 0;
    while (list != NULL && entries < 3 && readdir(list) != NULL)
        entries++;
    if (list != NULL)
        (void)closedir(list);
    *ret = entries == 2 || file_exists(mark) ? APP_FOLDER_UNFINISHED : APP_FOLDER_PLAIN;
    return 0;
}

int app_folder_discard(const char *folder, struct err *err)
{
    AUTO_FREE char *apps = path_folder(folder, err);
    AUTO_FREE char *name = str_printf(err, DISCARDED "%s", path_base(folder));
    AUTO_FREE char *hidden = apps == NULL || name == NULL ? NULL : path_join(apps, name, err);
    if (hidden == NULL)
        return -1;
    if (strncmp(path_base(folder), DISCARDED, strlen(DISCARDED)) == 0)
        return folder_remove_tree(folder, err);
    /* of an earlier app of this id whose removal was cut short */
    if (folder_remove_tree(hidden, err) < 0)
        return -1;
    if (rename(folder, hidden) < 0)
        return errno == ENOENT ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot rename '%s'", folder);
    return folder_remove_tree(hidden, err);
}
