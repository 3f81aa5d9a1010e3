// SPDX-License-Identifier: Apache-2.0
/*
 * The API's handler about logs: it finds where to begin and leaves the rest to the thread of the
 * logs (node/log_streams.h). Runs in msed, on the thread of its request.
 */
#include "node/api.h"

#include "base/fd.h"
#include "base/text.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_ALL UINT64_MAX

/* Where a log is read from. It is two files: base/rotating_file.h. */
struct beginning {
    int fd; /* -1: there is no log yet */
    int64_t offset;
};

/* Where the last *lines lines start; *lines becomes how many of them are not there. */
static int64_t tail_offset(int fd, int64_t size, uint64_t *lines)
{
    char bytes[4096];
    int64_t end = size;
    while (end > 0) {
        int64_t start = end > (int64_t)sizeof(bytes) ? end - (int64_t)sizeof(bytes) : 0;
        ssize_t got = pread(fd, bytes, (size_t)(end - start), start);
        if (got <= 0)
            return start;
        for (ssize_t i = got - 1; i >= 0; i--) {
            bool last_byte = start + i == size - 1;
            if (bytes[i] == '\n' && !last_byte && --*lines == 0)
                return start + i + 1;
        }
        end = start;
    }
    *lines -= size > 0 ? 1 : 0;
    return 0;
}

/* The last `lines` lines of one file; *ret_left: how many there are too few. */
static int tail_of(int fd, uint64_t lines, int64_t *ret_offset, uint64_t *ret_left, struct err *err)
{
    struct stat info = {0};
    if (fd >= 0 && fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the log");
    *ret_left = lines;
    if (lines == LINES_ALL) {
        *ret_offset = 0;
        return 0;
    }
    *ret_offset = lines == 0 ? info.st_size : tail_offset(fd, info.st_size, &lines);
    *ret_left = lines;
    return 0;
}

/* The newer file first: if it becomes the older one in between, it is opened twice, not never. */
static int open_both(const char *path, int *ret_newer, int *ret_older, struct err *err)
{
    AUTO_FREE char *older = str_printf(err, "%s.1", path);
    return older == NULL || log_open(path, ret_newer, err) < 0 ||
                   log_open(older, ret_older, err) < 0
               ? -1
               : 0;
}

static int begin(const char *path, const char *tail, struct beginning *ret, struct err *err)
{
    AUTO_CLOSE int newer = -1;
    AUTO_CLOSE int older = -1;
    uint64_t lines = LINES_ALL;
    uint64_t left = 0;
    if (tail[0] != '\0' && parse_u64(tail, "tail", 0, 1000000, &lines, err) < 0)
        return -1;
    if (open_both(path, &newer, &older, err) < 0 ||
        tail_of(newer, lines, &ret->offset, &left, err) < 0)
        return -1;
    bool from_older = left > 0 && older >= 0;
    if (from_older && tail_of(older, left, &ret->offset, &left, err) < 0)
        return -1;
    ret->fd = from_older ? fd_steal(&older) : fd_steal(&newer);
    return 0;
}

/* A log that nobody began is empty; one that is no longer there has to be told from it. */
static int check_there(const struct api_call *call, int fd, int64_t release, struct err *err)
{
    if (fd >= 0 || (release == 0 && keeper_has(call->node->keeper, call->id)))
        return 0;
    (void)FAIL(err, ERR_NOT_FOUND, "the node has no log of %s any more",
               release == 0 ? "this app" : "that release");
    err_hint(err, "it keeps them for %lld h after their end (limits.logs_kept)",
             (long long)(call->node->config.limits.logs_kept_s / 3600));
    return -1;
}

static int start_stream(struct api_call *call, const struct log_stream *stream, int *fd,
                        struct err *err)
{
    static const struct http_header headers[] = {
        {{(const uint8_t *)"content-type", 12},
         {(const uint8_t *)"text/plain; charset=utf-8", 25}}};
    call->answered = true;
    if (http_respond_start(call->exchange, 200, NULL, headers, ARRAY_LEN(headers), -1, err) < 0 ||
        log_streams_add(call->node->api->streams, stream, fd, err) < 0)
        return -1;
    call->given = true;
    return 0;
}

int api_get_logs(struct api_call *call, struct err *err)
{
    struct slots *slots = call->node->api->slots;
    struct beginning from = {.fd = -1};
    int64_t release = 0;
    if (api_read_release(call, &release, err) < 0)
        return -1;
    keeper_catch_up(call->node->keeper, call->id);
    AUTO_FREE char *path = keeper_log_path(call->node->keeper, call->id, release, err);
    if (path == NULL || begin(path, query_value(&call->query, "tail"), &from, err) < 0)
        return -1;
    AUTO_CLOSE int fd = from.fd;
    struct log_stream stream = {.exchange = call->exchange,
                                .app = call->id,
                                .owner = call->account.owner,
                                .path = path,
                                .offset = from.offset,
                                .follow = strcmp(query_value(&call->query, "follow"), "1") == 0};
    if (check_there(call, fd, release, err) < 0 ||
        slots_take(slots, SLOT_LOG, call->account.owner, call->account.operator_of_node, err) < 0)
        return -1;
    if (start_stream(call, &stream, &fd, err) == 0)
        return 0;
    slots_give(slots, SLOT_LOG, call->account.owner);
    return -1;
}
