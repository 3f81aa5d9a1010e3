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

/* Where the last `lines` lines start. */
static int64_t tail_offset(int fd, int64_t size, uint64_t lines)
{
    char bytes[4096];
    uint64_t seen = 0;
    int64_t end = size;
    while (end > 0) {
        int64_t start = end > (int64_t)sizeof(bytes) ? end - (int64_t)sizeof(bytes) : 0;
        ssize_t got = pread(fd, bytes, (size_t)(end - start), start);
        if (got <= 0)
            return start;
        for (ssize_t i = got - 1; i >= 0; i--) {
            bool last_byte = start + i == size - 1;
            if (bytes[i] == '\n' && !last_byte && ++seen >= lines)
                return start + i + 1;
        }
        end = start;
    }
    return 0;
}

static int first_offset(const char *tail, int fd, int64_t *ret, struct err *err)
{
    struct stat info = {0};
    uint64_t lines = 0;
    *ret = 0;
    if (tail[0] == '\0')
        return 0;
    if (parse_u64(tail, "tail", 0, 1000000, &lines, err) < 0)
        return -1;
    if (fd >= 0 && fstat(fd, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the log");
    *ret = lines == 0 ? info.st_size : tail_offset(fd, info.st_size, lines);
    return 0;
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
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *path = keeper_log_path(call->node->keeper, call->id, err);
    struct log_stream stream = {.exchange = call->exchange,
                                .app = call->id,
                                .owner = call->account.owner,
                                .path = path,
                                .follow = strcmp(query_value(&call->query, "follow"), "1") == 0};
    keeper_catch_up(call->node->keeper, call->id);
    if (path == NULL || log_open(path, &fd, err) < 0 ||
        first_offset(query_value(&call->query, "tail"), fd, &stream.offset, err) < 0 ||
        slots_take(slots, SLOT_LOG, call->account.owner, call->account.operator_of_node, err) < 0)
        return -1;
    if (start_stream(call, &stream, &fd, err) == 0)
        return 0;
    slots_give(slots, SLOT_LOG, call->account.owner);
    return -1;
}
