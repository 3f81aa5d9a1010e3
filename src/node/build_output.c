// SPDX-License-Identifier: Apache-2.0
/*
 * Adds up what lies in the folder, and the files that have no name any more but are held open by a
 * process of the build. What can be hidden from both (a descriptor on its way through a socket)
 * shows in what the disk has left. Owns nothing; runs in msed beside a stranger's code.
 */
#include "node/build_output.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { FILES_MAX = 500000, NAMELESS_MAX = 4096, MEMBERS_MAX = 4096, PROC_PATH_SIZE = 64 };

struct tally {
    const struct build_output *output;
    dev_t device;
    uint64_t bytes;
    uint64_t files;
    size_t nameless;
    ino_t seen[NAMELESS_MAX]; /* of the nameless ones */
};

static void add(struct tally *tally, const struct stat *info)
{
    tally->bytes += (uint64_t)info->st_blocks * 512;
    tally->files++;
}

static bool is_over(const struct tally *tally)
{
    return tally->bytes > tally->output->limit_bytes || tally->files > FILES_MAX ||
           tally->nameless == NAMELESS_MAX;
}

/* --- what has a name --- */

static bool is_unseen(const FTSENT *entry)
{
    bool failed =
        entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR;
    return failed && entry->fts_errno != ENOENT; /* gone meanwhile */
}

static int add_named(struct tally *tally, struct err *err)
{
    char *paths[] = {(char *)(uintptr_t)tally->output->folder, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    bool unseen = tree == NULL;
    errno = 0;
    for (FTSENT *entry = unseen ? NULL : fts_read(tree); entry != NULL && !unseen;
         entry = is_over(tally) ? NULL : fts_read(tree)) {
        unseen = is_unseen(entry);
        if (entry->fts_info != FTS_DP && entry->fts_info != FTS_NS && entry->fts_info != FTS_ERR)
            add(tally, entry->fts_statp);
        errno = 0;
    }
    unseen |= errno == ENAMETOOLONG; /* deeper than fts(3) goes */
    if (tree != NULL)
        (void)fts_close(tree);
    return unseen ? FAIL(err, ERR_APP, "it makes folders that cannot be looked into") : 0;
}

/* --- what has none --- */

static bool is_new(struct tally *tally, ino_t number)
{
    for (size_t i = 0; i < tally->nameless; i++) {
        if (tally->seen[i] == number)
            return false;
    }
    tally->seen[tally->nameless++] = number;
    return true;
}

/* The links of /proc/PID/fd or map_files. */
static void add_links(struct tally *tally, const char *folder)
{
    struct stat info;
    DIR *list = opendir(folder);
    if (list == NULL)
        return; /* it has ended */
    for (struct dirent *entry = readdir(list); entry != NULL && !is_over(tally);
         entry = readdir(list)) {
        if (fstatat(dirfd(list), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode) &&
            info.st_nlink == 0 && info.st_dev == tally->device && is_new(tally, info.st_ino))
            add(tally, &info);
    }
    (void)closedir(list);
}

/* Each thread may have descriptors of its own. */
static void add_nameless_of(struct tally *tally, pid_t process)
{
    char path[PROC_PATH_SIZE + 64];
    (void)snprintf(path, sizeof(path), "/proc/%d/map_files", (int)process);
    add_links(tally, path);
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    DIR *list = opendir(path);
    if (list == NULL)
        return;
    for (struct dirent *entry = readdir(list); entry != NULL && !is_over(tally);
         entry = readdir(list)) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/fd", (int)process, entry->d_name);
        add_links(tally, path);
    }
    (void)closedir(list);
}

static void add_nameless(struct tally *tally)
{
    pid_t members[MEMBERS_MAX];
    size_t count = cgroup_members(tally->output->cgroup, members, MEMBERS_MAX);
    for (size_t i = 0; i < count; i++)
        add_nameless_of(tally, members[i]);
}

/* --- both --- */

static int judge(const struct tally *tally, struct err *err)
{
    const struct build_output *output = tally->output;
    struct statvfs disk;
    if (tally->bytes > output->limit_bytes)
        return FAIL(err, ERR_APP,
                    "it writes more than %llu bytes (limits.build_disk), or than its share of the "
                    "disk or of limits.layers",
                    (unsigned long long)output->limit_bytes);
    if (is_over(tally))
        return FAIL(err, ERR_APP, "it makes more than %d files, or %d that have no name", FILES_MAX,
                    NAMELESS_MAX);
    if (statvfs(output->folder, &disk) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at the file system of '%s'", output->folder);
    if ((uint64_t)disk.f_bavail * disk.f_frsize >= output->reserve_bytes)
        return 0;
    return FAIL(err, ERR_APP,
                "the disk has less left than the %llu bytes that are the node's own "
                "(limits.disk_reserve)",
                (unsigned long long)output->reserve_bytes);
}

int build_output_check(const struct build_output *output, struct err *err)
{
    struct stat info;
    AUTO_FREE struct tally *tally = mem_alloc(sizeof(*tally), err);
    if (tally == NULL)
        return -1;
    tally->output = output;
    if (stat(output->folder, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", output->folder);
    tally->device = info.st_dev;
    if (add_named(tally, err) < 0)
        return -1;
    add_nameless(tally);
    return judge(tally, err);
}
