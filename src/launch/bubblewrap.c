// SPDX-License-Identifier: Apache-2.0
/*
 * See bubblewrap.h. Owns nothing. Runs in the supervisor, and in msed for builds of layers.
 */
#include "launch/bubblewrap.h"

#include "base/clock.h"
#include "base/fd.h"
#include "format/json.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { INFO_MAX = 4096, INFO_TIMEOUT_MS = 20000 };

/* bubblewrap writes {"child-pid": N, ...} once the sandbox exists. */
static int read_info(int fd, struct buf *info, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + INFO_TIMEOUT_MS;
    for (;;) {
        if (fd_wait_readable(fd, deadline, err) < 0)
            return FAIL_CONTEXT(err, "bubblewrap made no sandbox within %d s",
                                INFO_TIMEOUT_MS / 1000);
        uint8_t *to = buf_reserve(info, 256, err);
        if (to == NULL)
            return -1;
        ssize_t len = read(fd, to, 256);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return FAIL(err, ERR_IO, "bubblewrap could not make the sandbox");
        info->len += (size_t)len;
        if (memchr(info->data, '}', info->len) != NULL)
            return 0;
    }
}

int bubblewrap_read_init(int fd, pid_t *ret, struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(INFO_MAX);
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    uint64_t pid = 0;
    if (read_info(fd, &info, err) < 0 ||
        json_parse(buf_slice(&info), "bubblewrap", INFO_MAX, &root, err) < 0 ||
        json_top(root, "bubblewrap", &top, err) < 0 ||
        json_read_u64(&top, "child-pid", 2, INT32_MAX, &pid, err) < 0)
        return -1;
    *ret = (pid_t)pid;
    return 0;
}
