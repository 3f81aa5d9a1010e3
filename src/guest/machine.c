// SPDX-License-Identifier: Apache-2.0
/*
 * The first steps of pid 1: the kernel's file systems, its command line, whether the initrd and the
 * memory are whole, and the modules. Nothing of the host is read but how much memory it gave.
 */
#include "guest/guest.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARKER "/mse-initrd-end"
#define MODULES "/modules"
#define MODULES_LIST "/modules.list"

enum {
    MODULES_MAX = 128,
    MODULE_NAME_MAX = 64,
    LIST_MAX = 8192,
    MEMINFO_MAX = 16384,
    /* Of the memory that a VM is given, the kernel takes its image, its tables and what it reserves
     * before it counts MemTotal. */
    MEMORY_KERNEL_BYTES = 64 << 20,
};

static int mount_fresh(const char *type, const char *folder, unsigned long flags, const char *data,
                       struct err *err)
{
    if (folder_create(folder, 0755, err) < 0)
        return -1;
    if (mount(type, folder, type, flags, data) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount '%s' on '%s'", type, folder);
    return 0;
}

int step_kernel(struct guest *guest, struct err *err)
{
    const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    AUTO_BUF struct buf text = BUF_INIT(GUEST_CMDLINE_MAX - 1);
    if (mount_fresh("proc", "/proc", plain, NULL, err) < 0 ||
        mount_fresh("sysfs", "/sys", plain, NULL, err) < 0 ||
        mount_fresh("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755", err) < 0 ||
        file_read("/proc/cmdline", &text, err) < 0)
        return -1;
    (void)snprintf(guest->cmdline, sizeof(guest->cmdline), "%s", buf_text(&text));
    guest->cmdline[strcspn(guest->cmdline, "\n")] = '\0';
    return guest_options_parse(guest->cmdline, &guest->options, err);
}

/* A kernel without memory for all of the initrd boots on with what had fitted; the host chooses how
 * much memory there is. */
int step_initrd(struct guest *guest, struct err *err)
{
    (void)guest;
    if (file_exists(MARKER))
        return 0;
    return FAIL(err, ERR_INVALID,
                "the initrd is not whole: '%s' is missing; the guest has too little memory",
                MARKER);
}

static int read_mem_total(uint64_t *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MEMINFO_MAX);
    char number[24] = "";
    uint64_t kib = 0;
    if (file_read("/proc/meminfo", &text, err) < 0)
        return -1;
    if (sscanf(buf_text(&text), "MemTotal: %23[0-9] kB", number) != 1)
        return FAIL(err, ERR_INVALID, "/proc/meminfo does not begin with MemTotal");
    if (parse_u64(number, "MemTotal", 1, UINT64_MAX / 1024, &kib, err) < 0)
        return -1;
    *ret = kib * 1024;
    return 0;
}

int step_memory(struct guest *guest, struct err *err)
{
    if (read_mem_total(&guest->memory_bytes, err) < 0)
        return -1;
    if (guest->memory_bytes + MEMORY_KERNEL_BYTES >= guest->options.memory_bytes)
        return 0;
    return FAIL(err, ERR_INVALID, "the guest has %llu MiB of memory, the image needs %llu MiB",
                (unsigned long long)(guest->memory_bytes >> 20),
                (unsigned long long)(guest->options.memory_bytes >> 20));
}

static int load_module(const char *name, struct err *err)
{
    char path[sizeof(MODULES) + MODULE_NAME_MAX + 1];
    AUTO_CLOSE int fd = -1;
    (void)snprintf(path, sizeof(path), "%s/%s", MODULES, name);
    if (fd_open(path, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    unsigned flags = str_ends_with(name, ".xz") ? MODULE_INIT_COMPRESSED_FILE : 0;
    /* ENODEV: a driver of hardware that is not here; what is needed is missed by a later step */
    if (syscall(SYS_finit_module, fd, "", flags) < 0 && errno != EEXIST && errno != ENODEV)
        return FAIL_ERRNO(err, ERR_IO, "cannot load the module '%s'", name);
    return 0;
}

int step_modules(struct guest *guest, struct err *err)
{
    (void)guest;
    AUTO_BUF struct buf list = BUF_INIT(LIST_MAX);
    if (file_read(MODULES_LIST, &list, err) < 0 || buf_u8(&list, 0, err) < 0)
        return -1;
    char *rest = (char *)list.data;
    for (char *name = strsep(&rest, "\n"); name != NULL; name = strsep(&rest, "\n")) {
        if (*name == '\0')
            continue;
        if (strlen(name) > MODULE_NAME_MAX || strchr(name, '/') != NULL)
            return FAIL(err, ERR_INVALID, "'%.64s' in '%s' is no module", name, MODULES_LIST);
        if (load_module(name, err) < 0)
            return -1;
    }
    return 0;
}
