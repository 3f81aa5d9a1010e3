// SPDX-License-Identifier: Apache-2.0
/*
 * See bubblewrap.h. Owns nothing. Runs in the supervisor, in msed for builds of layers, and on the
 * owner's machine for `mse localtest`.
 */
#include "launch/bubblewrap.h"

#include "base/clock.h"
#include "base/fd.h"
#include "format/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { INFO_MAX = 4096, INFO_TIMEOUT_MS = 20000 };

static void add_environment(struct argv *argv, const struct bubblewrap *sandbox)
{
    if (sandbox->variables == NULL)
        return;
    argv_add(argv, "--clearenv");
    for (size_t i = 0; i < sandbox->variable_count; i++) {
        argv_add(argv, "--setenv");
        argv_add_all(argv, sandbox->variables[i], 2);
    }
}

static void add_fd(struct argv *argv, const char *option, int fd)
{
    if (fd == 0)
        return;
    argv_add(argv, option);
    argv_addf(argv, "%d", fd);
}

void bubblewrap_begin(struct argv *argv, const struct bubblewrap *sandbox)
{
    static const char *const always[] = {
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-uts",
        "--hostname",
        "mse",
        "--unshare-cgroup-try",
        "--uid",
        "0",
        "--gid",
        "0",
        "--die-with-parent",
        "--cap-drop",
        "ALL",
    };
    argv_add(argv, sandbox->program);
    argv_add_all(argv, always, ARRAY_LEN(always));
    for (size_t i = 0; i < sandbox->capability_count; i++) {
        argv_add(argv, "--cap-add");
        argv_add(argv, sandbox->capabilities[i]);
    }
    if (sandbox->own_network)
        argv_add(argv, "--unshare-net");
    if (sandbox->own_session)
        argv_add(argv, "--new-session");
    add_fd(argv, "--info-fd", sandbox->info_fd);
    add_fd(argv, "--block-fd", sandbox->block_fd);
    add_environment(argv, sandbox);
}

static void add_mount(struct argv *argv, const struct bubblewrap_mount *mount)
{
    static const struct {
        const char *option;
        bool has_from;
    } of[] = {
        [MOUNT_READ_ONLY] = {"--ro-bind", true},  [MOUNT_READ_ONLY_TRY] = {"--ro-bind-try", true},
        [MOUNT_WRITABLE] = {"--bind", true},      [MOUNT_DEVICE] = {"--dev-bind", true},
        [MOUNT_DATA] = {"--ro-bind-data", false}, [MOUNT_LINK] = {"--symlink", true},
        [MOUNT_FOLDER] = {"--dir", false},        [MOUNT_TMPFS] = {"--tmpfs", false},
        [MOUNT_PROC] = {"--proc", false},         [MOUNT_DEV] = {"--dev", false},
        [MOUNT_CLOSE] = {"--remount-ro", false},
    };
    if (mount->mode != NULL) {
        argv_add(argv, "--perms");
        argv_add(argv, mount->mode);
    }
    if (mount->size_bytes > 0) {
        argv_add(argv, "--size");
        argv_addf(argv, "%" PRIu64, mount->size_bytes);
    }
    argv_add(argv, of[mount->how].option);
    if (mount->how == MOUNT_DATA)
        argv_addf(argv, "%d", mount->fd);
    if (of[mount->how].has_from)
        argv_add(argv, mount->from != NULL ? mount->from : mount->at);
    argv_add(argv, mount->at);
}

void bubblewrap_mounts(struct argv *argv, const struct bubblewrap_mount *mounts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_mount(argv, &mounts[i]);
}

void bubblewrap_end(struct argv *argv, const char *folder)
{
    argv_add(argv, "--chdir");
    argv_add(argv, folder);
    argv_add(argv, "--");
}

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
