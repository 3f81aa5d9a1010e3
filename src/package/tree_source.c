// SPDX-License-Identifier: Apache-2.0
/*
 * A tree as the bytes of its plain archive. Files are read straight into the caller's buffer, and
 * each is compared with what the walk saw, before and after: an archive never mixes two versions of
 * a file. Runs on the owner's machine, in a thread of its own while packing.
 */
#include "package/tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct tree_source {
    const struct tree *tree;
    size_t next; /* item */
    bool ended;
    struct buf record; /* pending bytes of a record */
    size_t record_pos;
    int file; /* open file, -1 where there is none */
    uint64_t file_left;
    int folders[ARCHIVE_DEPTH_MAX + 1]; /* [0] is the tree's, not ours */
    size_t depth;
};

int tree_source_new(const struct tree *tree, struct tree_source **ret, struct err *err)
{
    AUTO_TREE_SOURCE struct tree_source *source = mem_alloc(sizeof(*source), err);
    if (source == NULL)
        return -1;
    source->tree = tree;
    source->file = -1;
    source->folders[0] = tree->fd;
    source->record = BUF_INIT(ARCHIVE_RECORD_MAX);
    if (archive_header_append(&source->record, err) < 0)
        return -1;
    *ret = STEAL(source);
    return 0;
}

void tree_source_free(struct tree_source *source)
{
    if (source == NULL)
        return;
    while (source->depth > 0)
        fd_close(source->folders[source->depth--]);
    fd_close(source->file);
    buf_done(&source->record);
    free(source);
}

static int fail_changed(const struct tree_item *item, struct err *err)
{
    (void)FAIL(err, ERR_CONFLICT, "'%s' changed while it was being packed", item->path);
    err_hint(err, "run the command again when nothing writes to the code folder");
    return -1;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Is the open file still the one that the walk saw, with the same contents? */
static int check_unchanged(int fd, const struct tree_item *item, struct err *err)
{
    struct stat now;
    const struct stat *then = &item->status;
    if (fstat(fd, &now) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", item->path);
    if (now.st_dev != then->st_dev || now.st_ino != then->st_ino || now.st_size != then->st_size ||
        now.st_mode != then->st_mode || !same_time(now.st_mtim, then->st_mtim) ||
        !same_time(now.st_ctim, then->st_ctim))
        return fail_changed(item, err);
    return 0;
}

static int open_here(const struct tree_source *source, const struct tree_item *item, int flags,
                     int *ret, struct err *err)
{
    int fd = openat(source->folders[source->depth], item->name,
                    flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
        return fail_changed(item, err);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read '%s'", item->path);
    *ret = fd;
    return 0;
}

static int begin_file(struct tree_source *source, const struct tree_item *item, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    if (open_here(source, item, 0, &fd, err) < 0 || check_unchanged(fd, item, err) < 0)
        return -1;
    source->file_left = item->size;
    if (item->size > 0)
        source->file = fd_steal(&fd);
    return archive_file_append(&source->record, item->name, item->type == ARCHIVE_PROGRAM,
                               item->size, err);
}

static int begin_folder(struct tree_source *source, const struct tree_item *item, struct err *err)
{
    int fd;
    if (open_here(source, item, O_DIRECTORY, &fd, err) < 0)
        return -1;
    source->folders[++source->depth] = fd;
    return archive_folder_append(&source->record, item->name, err);
}

/* Puts the next record into source->record and opens what it is about. */
static int next_record(struct tree_source *source, struct err *err)
{
    buf_clear(&source->record);
    source->record_pos = 0;
    if (source->next == source->tree->count) {
        source->ended = true;
        return archive_mark_append(&source->record, ARCHIVE_END, err);
    }
    const struct tree_item *item = &source->tree->items[source->next++];
    switch (item->type) {
    case ARCHIVE_FILE:
    case ARCHIVE_PROGRAM:
        return begin_file(source, item, err);
    case ARCHIVE_FOLDER:
        return begin_folder(source, item, err);
    case ARCHIVE_LINK:
        return archive_link_append(&source->record, item->name, item->target, err);
    case ARCHIVE_FOLDER_END:
        fd_close(source->folders[source->depth--]);
        return archive_mark_append(&source->record, ARCHIVE_FOLDER_END, err);
    case ARCHIVE_END:
        break;
    }
    return FAIL(err, ERR_INTERNAL, "unknown item in the tree");
}

/* Reads at most `size` bytes of the open file; closes it behind its last one. */
static int read_file(struct tree_source *source, uint8_t *to, size_t size, size_t *ret_len,
                     struct err *err)
{
    const struct tree_item *item = &source->tree->items[source->next - 1];
    size_t want = source->file_left < size ? (size_t)source->file_left : size;
    ssize_t got = read(source->file, to, want);
    if (got < 0 && errno == EINTR)
        got = 0;
    else if (got < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read '%s'", item->path);
    else if (got == 0)
        return fail_changed(item, err);
    source->file_left -= (uint64_t)got;
    *ret_len = (size_t)got;
    if (source->file_left > 0)
        return 0;
    if (check_unchanged(source->file, item, err) < 0)
        return -1;
    fd_close(fd_steal(&source->file));
    return 0;
}

int tree_source_read(struct tree_source *source, uint8_t *to, size_t size, struct err *err)
{
    while (size > 0) {
        size_t len = source->record.len - source->record_pos;
        if (len > 0) {
            len = len < size ? len : size;
            memcpy(to, source->record.data + source->record_pos, len);
            source->record_pos += len;
        } else if (source->file >= 0) {
            if (read_file(source, to, size, &len, err) < 0)
                return -1;
        } else if (source->ended) {
            memset(to, 0, size);
            len = size;
        } else if (next_record(source, err) < 0) {
            return -1;
        }
        to += len;
        size -= len;
    }
    return 0;
}
