// SPDX-License-Identifier: Apache-2.0
/*
 * Limits through cgroups, in mse/NAME below the root of each hierarchy. Both versions are written
 * out as tables of files and values. Runs in the supervisor, as root.
 */
#include "launch/cgroup.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process_handle.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const char *cgroup_root = "/sys/fs/cgroup";

enum {
    CPU_PERIOD_US = 100000,
    REMOVE_TRIES = 200,
    REMOVE_PAUSE_MS = 10,
    PATH_SIZE = 256,
    DEVICE_SIZE = 24,
    LOOPS_MAX = 4,
    MEMBERS_AT_ONCE = 4096,
    KEPT_SHARE = 8,
    KEPT_LEAST = 512 << 20
};

/* Below the root; v2 has one hierarchy. */
static const char *const v1_folders[] = {"memory/mse", "cpu/mse", "pids/mse"};
static const char v1_io_folder[] = "blkio/mse"; /* only where there is a limit on I/O */
static const char *const v2_folders[] = {"mse"};

static int write_value(const char *folder, const char *name, const char *file, const char *value)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s/%s%s%s", cgroup_root, folder, name,
                   name[0] == '\0' ? "" : "/", file);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    return write(fd, value, strlen(value)) == (ssize_t)strlen(value) ? 0 : -1;
}

static int make_folder(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", cgroup_root, folder);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", cgroup_root, folder, name);
    return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static enum cgroup_kind detect(void)
{
    if (geteuid() != 0)
        return CGROUP_NONE;
    AUTO_BUF struct buf controllers = BUF_INIT(4096);
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/cgroup.controllers", cgroup_root);
    if (file_read(path, &controllers, NULL) == 0 &&
        strstr(buf_text(&controllers), "memory") != NULL)
        return CGROUP_V2;
    (void)snprintf(path, sizeof(path), "%s/memory/memory.limit_in_bytes", cgroup_root);
    return access(path, R_OK) == 0 ? CGROUP_V1 : CGROUP_NONE;
}

uint64_t cgroup_memory_of_all(void)
{
    struct sysinfo machine = {0};
    (void)sysinfo(&machine); /* fails only for a bad address */
    uint64_t bytes = (uint64_t)machine.totalram * machine.mem_unit;
    uint64_t kept = bytes / KEPT_SHARE < KEPT_LEAST ? KEPT_LEAST : bytes / KEPT_SHARE;
    return kept < bytes / 2 ? bytes - kept : bytes / 2;
}

/* Of the group around those of the apps: whatever is in it leaves the machine its part. */
static void limit_all(const char *folder, const char *file)
{
    char value[24];
    (void)snprintf(value, sizeof(value), "%llu", (unsigned long long)cgroup_memory_of_all());
    (void)write_value(folder, "", file, value); /* each app has its own limit besides */
}

struct setting {
    const char *folder;
    const char *file;
    char value[48];
    bool needed;
};

static int apply(const struct setting *settings, size_t count, const char *name, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (write_value(settings[i].folder, name, settings[i].file, settings[i].value) < 0 &&
            settings[i].needed)
            return FAIL_ERRNO(err, ERR_IO, "cannot set the limit '%s' to %s", settings[i].file,
                              settings[i].value);
    }
    return 0;
}

static int open_v1(const char *name, const struct launch_spec *spec, struct err *err)
{
    struct setting settings[] = {
        {"memory/mse", "memory.limit_in_bytes", "", true},
        {"memory/mse", "memory.memsw.limit_in_bytes", "", false}, /* where swap is counted */
        {"cpu/mse", "cpu.cfs_period_us", "", true},
        {"cpu/mse", "cpu.cfs_quota_us", "", true},
        {"pids/mse", "pids.max", "", true},
    };
    const uint64_t values[] = {spec->memory_bytes, spec->memory_bytes, CPU_PERIOD_US,
                               (uint64_t)spec->cpu_millis * CPU_PERIOD_US / 1000, spec->pids_max};
    for (size_t i = 0; i < ARRAY_LEN(v1_folders); i++) {
        if (make_folder(v1_folders[i], name) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot make the cgroup '%s'", v1_folders[i]);
    }
    limit_all("memory/mse", "memory.limit_in_bytes");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        (void)snprintf(settings[i].value, sizeof(settings[i].value), "%llu",
                       (unsigned long long)values[i]);
    return apply(settings, ARRAY_LEN(settings), name, err);
}

static int open_v2(const char *name, const struct launch_spec *spec, struct err *err)
{
    struct setting settings[] = {
        {"mse", "memory.max", "", true},         {"mse", "memory.swap.max", "0", false},
        {"mse", "memory.oom.group", "1", false}, {"mse", "cpu.max", "", true},
        {"mse", "pids.max", "", true},
    };
    (void)snprintf(settings[0].value, sizeof(settings[0].value), "%llu",
                   (unsigned long long)spec->memory_bytes);
    (void)snprintf(settings[3].value, sizeof(settings[3].value), "%llu %d",
                   (unsigned long long)spec->cpu_millis * CPU_PERIOD_US / 1000, CPU_PERIOD_US);
    (void)snprintf(settings[4].value, sizeof(settings[4].value), "%u", spec->pids_max);
    (void)write_value("", "", "cgroup.subtree_control", "+memory +cpu +pids");
    if (make_folder("mse", "") < 0 && errno != EEXIST)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the cgroup 'mse'");
    (void)write_value("mse", "", "cgroup.subtree_control", "+memory +cpu +pids");
    if (make_folder("mse", name) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the cgroup of the app");
    limit_all("mse", "memory.max");
    return apply(settings, ARRAY_LEN(settings), name, err);
}

int cgroup_name(const char *id, const char *folder, char ret[static CGROUP_NAME_SIZE],
                struct err *err)
{
    struct stat status;
    if (stat(folder, &status) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", folder);
    (void)snprintf(ret, CGROUP_NAME_SIZE, "%s.%llx.%llx", id, (unsigned long long)status.st_dev,
                   (unsigned long long)status.st_ino);
    return 0;
}

int cgroup_open(struct cgroup *group, const char *name, const struct launch_spec *spec,
                struct err *err)
{
    *group = (struct cgroup){.kind = detect()};
    (void)snprintf(group->name, sizeof(group->name), "%s", name);
    if (group->kind == CGROUP_V1)
        return open_v1(name, spec, err);
    return group->kind == CGROUP_V2 ? open_v2(name, spec, err) : 0;
}

/* --- I/O --- */

/* "254:0" of the whole disk that a device is, or is a part of: limits are per disk. */
static bool disk_of(dev_t device, char ret[static DEVICE_SIZE])
{
    char path[PATH_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(DEVICE_SIZE);
    (void)snprintf(ret, DEVICE_SIZE, "%u:%u", major(device), minor(device));
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%s", ret);
    if (!file_exists(path))
        return false; /* such as 0:31, of a file system without a device */
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%s/partition", ret);
    if (!file_exists(path))
        return true;
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%s/../dev", ret);
    if (file_read(path, &text, NULL) < 0)
        return false;
    (void)snprintf(ret, DEVICE_SIZE, "%.*s", (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
    return true;
}

/* The file behind a loop device, "" for another device. */
static void file_behind(const char *device, char ret[static PATH_MAX])
{
    char path[PATH_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(PATH_MAX);
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%s/loop/backing_file", device);
    ret[0] = '\0';
    if (file_read(path, &text, NULL) == 0)
        (void)snprintf(ret, PATH_MAX, "%.*s", (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
}

static bool limit_device(const struct cgroup *group, const char *device, uint64_t bytes)
{
    char value[96];
    unsigned long long rate = bytes;
    if (group->kind == CGROUP_V2) {
        (void)snprintf(value, sizeof(value), "%s rbps=%llu wbps=%llu", device, rate, rate);
        return write_value("mse", group->name, "io.max", value) == 0;
    }
    (void)snprintf(value, sizeof(value), "%s %llu", device, rate);
    return write_value(v1_io_folder, group->name, "blkio.throttle.read_bps_device", value) == 0 &&
           write_value(v1_io_folder, group->name, "blkio.throttle.write_bps_device", value) == 0;
}

/* The disk of a file, and what lies below where that is a loop device. */
static bool limit_path(const struct cgroup *group, const char *stored, uint64_t bytes)
{
    char device[DEVICE_SIZE];
    char behind[PATH_MAX];
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s", stored);
    for (int depth = 0; depth < LOOPS_MAX; depth++) {
        struct stat status;
        if (stat(path, &status) < 0 || !disk_of(status.st_dev, device) ||
            !limit_device(group, device, bytes))
            return false;
        file_behind(device, behind);
        if (behind[0] == '\0')
            return true;
        memcpy(path, behind, sizeof(path));
    }
    return false;
}

void cgroup_limit_io(struct cgroup *group, const struct launch_spec *spec, const char *stored)
{
    if (spec->io_bytes == 0 || group->kind == CGROUP_NONE)
        return;
    if (group->kind == CGROUP_V2) {
        (void)write_value("", "", "cgroup.subtree_control", "+io");
        (void)write_value("mse", "", "cgroup.subtree_control", "+io");
    } else if (make_folder(v1_io_folder, group->name) < 0) {
        group->io = CGROUP_IO_REFUSED;
        return;
    }
    group->io = limit_path(group, stored, spec->io_bytes) ? CGROUP_IO_LIMITED : CGROUP_IO_REFUSED;
}

static bool has_io(enum cgroup_kind kind, const char *folder)
{
    char device[DEVICE_SIZE];
    char path[PATH_SIZE];
    struct stat status;
    AUTO_BUF struct buf controllers = BUF_INIT(4096);
    if (stat(folder, &status) < 0 || !disk_of(status.st_dev, device))
        return false;
    (void)snprintf(path, sizeof(path), "%s/%s", cgroup_root,
                   kind == CGROUP_V2 ? "cgroup.controllers"
                                     : "blkio/blkio.throttle.read_bps_device");
    if (kind == CGROUP_V1)
        return file_exists(path);
    return file_read(path, &controllers, NULL) == 0 && strstr(buf_text(&controllers), "io") != NULL;
}

const char *cgroup_prospect(const char *folder)
{
    struct cgroup group = {.kind = detect()};
    if (group.kind != CGROUP_NONE)
        group.io = has_io(group.kind, folder) ? CGROUP_IO_LIMITED : CGROUP_IO_REFUSED;
    return cgroup_text(&group);
}

/* --- members --- */

static int limit(pid_t pid, int resource, uint64_t value, struct err *err)
{
    const struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    if (prlimit(pid, (enum __rlimit_resource)resource, &both, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set a resource limit");
    return 0;
}

/* RLIMIT_DATA counts what a process writes to, unlike RLIMIT_AS, which would count the address
 * space that allocators only reserve. It holds for each process. */
static int enter_rlimits(pid_t pid, const struct launch_spec *spec, struct err *err)
{
    return limit(pid, RLIMIT_DATA, spec->memory_bytes, err);
}

int cgroup_enter(const struct cgroup *group, pid_t pid, const struct launch_spec *spec,
                 struct err *err)
{
    char number[16];
    const char *const *folders = group->kind == CGROUP_V1 ? v1_folders : v2_folders;
    size_t count = group->kind == CGROUP_V1 ? ARRAY_LEN(v1_folders) : ARRAY_LEN(v2_folders);
    if (group->kind == CGROUP_NONE)
        return enter_rlimits(pid, spec, err);
    (void)snprintf(number, sizeof(number), "%d", (int)pid);
    for (size_t i = 0; i < count; i++) {
        if (write_value(folders[i], group->name, "cgroup.procs", number) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot put the enclave under its limits in '%s'",
                              folders[i]);
    }
    if (group->kind == CGROUP_V1 && group->io == CGROUP_IO_LIMITED &&
        write_value(v1_io_folder, group->name, "cgroup.procs", number) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot put the enclave under its limits in '%s'",
                          v1_io_folder);
    return 0;
}

const char *cgroup_text(const struct cgroup *group)
{
    static const char *const texts[][3] = {
        [CGROUP_NONE] = {"rlimits (no cgroups): no limit on CPU and I/O",
                         "rlimits (no cgroups): no limit on CPU and I/O",
                         "rlimits (no cgroups): no limit on CPU and I/O"},
        [CGROUP_V1] = {"cgroup v1", "cgroup v1, with I/O", "cgroup v1: no limit on I/O"},
        [CGROUP_V2] = {"cgroup v2", "cgroup v2, with I/O", "cgroup v2: no limit on I/O"},
    };
    return texts[group->kind][group->io];
}

bool cgroup_out_of_memory(const struct cgroup *group)
{
    char path[PATH_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(4096);
    if (group->kind == CGROUP_NONE)
        return false;
    (void)snprintf(path, sizeof(path), "%s/%s/%s/%s", cgroup_root,
                   group->kind == CGROUP_V1 ? v1_folders[0] : v2_folders[0], group->name,
                   group->kind == CGROUP_V1 ? "memory.oom_control" : "memory.events");
    if (file_read(path, &text, NULL) < 0)
        return false;
    const char *count = strstr(buf_text(&text), "oom_kill ");
    return count != NULL && count[strlen("oom_kill ")] != '0';
}

/* Still in this group, now that it is open? Its number may have been given to somebody else since
 * the list was read. */
static bool is_member(pid_t pid, const char *name)
{
    char path[PATH_SIZE];
    char line[PATH_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(PATH_MAX);
    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    (void)snprintf(line, sizeof(line), "/mse/%s\n", name);
    return file_read(path, &text, NULL) == 0 && strstr(buf_text(&text), line) != NULL;
}

static void kill_member(pid_t pid, const char *name)
{
    AUTO_CLOSE int fd = -1;
    if (process_handle_open(pid, &fd, NULL) == 0 && is_member(pid, name))
        (void)process_handle_signal(fd, SIGKILL);
}

bool cgroup_out_of_processes(const struct cgroup *group)
{
    char path[PATH_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(4096);
    if (group->kind == CGROUP_NONE)
        return false;
    (void)snprintf(path, sizeof(path), "%s/%s/%s/pids.events", cgroup_root,
                   group->kind == CGROUP_V1 ? v1_folders[2] : v2_folders[0], group->name);
    if (file_read(path, &text, NULL) < 0)
        return false;
    const char *count = strstr(buf_text(&text), "max ");
    return count != NULL && count[strlen("max ")] != '0';
}

/* Of one hierarchy. */
static size_t read_members(const char *folder, const char *name, pid_t *ret, size_t max)
{
    char path[PATH_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "%s/%s/%s/cgroup.procs", cgroup_root, folder, name);
    if (file_read(path, &text, NULL) < 0)
        return 0;
    char *place = NULL;
    for (char *line = strtok_r((char *)text.data, "\n", &place); line != NULL && count < max;
         line = strtok_r(NULL, "\n", &place)) {
        uint64_t pid = 0;
        if (parse_u64(line, "pid", 2, INT32_MAX, &pid, NULL) == 0)
            ret[count++] = (pid_t)pid;
    }
    return count;
}

size_t cgroup_members(const struct cgroup *group, pid_t *ret, size_t max)
{
    if (group->kind == CGROUP_NONE)
        return 0;
    return read_members(group->kind == CGROUP_V1 ? v1_folders[0] : v2_folders[0], group->name, ret,
                        max);
}

static void kill_members(const char *folder, const char *name)
{
    pid_t members[MEMBERS_AT_ONCE];
    if (write_value(folder, name, "cgroup.kill", "1") == 0)
        return;
    size_t count = read_members(folder, name, members, MEMBERS_AT_ONCE);
    for (size_t i = 0; i < count; i++)
        kill_member(members[i], name);
}

static void remove_folder(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s/%s", cgroup_root, folder, name);
    for (int i = 0; i < REMOVE_TRIES && rmdir(path) < 0 && errno == EBUSY; i++) {
        kill_members(folder, name); /* EBUSY until the last one is reaped */
        clock_sleep_ms(REMOVE_PAUSE_MS);
    }
}

void cgroup_remove(const char *name)
{
    remove_folder(v1_io_folder, name);
    for (size_t i = 0; i < ARRAY_LEN(v1_folders); i++)
        remove_folder(v1_folders[i], name);
    for (size_t i = 0; i < ARRAY_LEN(v2_folders); i++)
        remove_folder(v2_folders[i], name);
}
