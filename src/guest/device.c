// SPDX-License-Identifier: Apache-2.0
/*
 * Disks and ports by name, out of sysfs. Every name is read, also after a match: a host that gives
 * one name to two devices is refused instead of chosen from.
 */
#include "guest/device.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 64, POLL_MS = 10, NODE_MAX = 16 };

/* What is looked through: folder, beginning of the names in it, the file with the name. */
struct kind {
    const char *what;
    const char *folder;
    const char *prefix;
    const char *name_file;
};

static const struct kind disks = {"disk", "/sys/block", "vd", "serial"};
static const struct kind ports = {"port", "/sys/class/virtio-ports", "vport", "name"};

static bool has_name(const struct kind *kind, const char *node, const char *name)
{
    char path[128];
    AUTO_BUF struct buf text = BUF_INIT(NAME_MAX_SIZE);
    struct err ignored = ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", kind->folder, node, kind->name_file);
    if (file_read(path, &text, &ignored) < 0)
        return false;
    size_t len = text.len > 0 && text.data[text.len - 1] == '\n' ? text.len - 1 : text.len;
    return slice_is_str(slice_of(text.data, len), name);
}

/* How many have it; `ret` is the last one's node. */
static int count(const struct kind *kind, const char *name, char ret[static DEVICE_PATH_SIZE])
{
    int found = 0;
    DIR *folder = opendir(kind->folder);
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *node = entry->d_name;
        if (strncmp(node, kind->prefix, strlen(kind->prefix)) != 0 || strlen(node) > NODE_MAX ||
            !has_name(kind, node, name))
            continue;
        found++;
        (void)snprintf(ret, DEVICE_PATH_SIZE, "/dev/%.16s", node);
    }
    (void)closedir(folder);
    return found;
}

static int find(const struct kind *kind, const char *name, int wait_ms,
                char ret[static DEVICE_PATH_SIZE], struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + wait_ms;
    for (;;) {
        int found = count(kind, name, ret);
        if (found == 1)
            return 0;
        if (found > 1)
            return FAIL(err, ERR_INVALID, "%d %ss are called '%s', expected one", found, kind->what,
                        name);
        if (clock_monotonic_ms() >= deadline)
            return FAIL(err, ERR_NOT_FOUND, "no %s is called '%s'", kind->what, name);
        clock_sleep_ms(POLL_MS);
    }
}

int device_find_disk(const char *serial, int wait_ms, char path[static DEVICE_PATH_SIZE],
                     struct err *err)
{
    return find(&disks, serial, wait_ms, path, err);
}

int device_open_port(const char *name, int wait_ms, int *ret, struct err *err)
{
    char path[DEVICE_PATH_SIZE];
    if (find(&ports, name, wait_ms, path, err) < 0)
        return -1;
    return fd_open(path, O_RDWR | O_NONBLOCK, 0, ret, err);
}
