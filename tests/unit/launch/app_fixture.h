// SPDX-License-Identifier: Apache-2.0
/*
 * An app to launch: this program is its own msed ("supervise RUN") and a Python script stands in
 * for mse-enclave. Needs root, user namespaces, bubblewrap, slirp4netns; says SKIP aloud where the
 * machine lacks one. For tests that include all of it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "confine/confine.h"
#include "crypto/crypto.h"
#include "launch/launcher.h"
#include "launch/simulation_device.h"
#include "storage/storage.h"
#include "tee/tee.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000, UID_BASE = 1200000000 };

/* --- storage, as msed wires it --- */

static inline int mount_storage(const struct launch_spec *spec, const char *folder, struct err *err)
{
    const struct storage_backing backing = {.path = spec->storage,
                                            .quota_bytes = spec->quota_bytes,
                                            .uid = spec->uid,
                                            .gid = spec->gid};
    if (storage_backing_create(&backing, err) < 0)
        return -1;
    return storage_backing_mount(&backing, folder, err);
}

static const struct launch_storage storage = {.mount = mount_storage,
                                              .cleanup = storage_backing_cleanup};

/* --- one app --- */

struct app {
    char base[64];
    char run[96];
    char package[128];
    char enclave[128];
    char storage_path[128];
    char root[128];
    struct launch_spec spec;
    int listen_fd; /* what msed would hold */
};

static const char *program;
static bool can_launch;

static inline int write_in(const char *folder, const char *name, const char *text, mode_t mode)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_join(folder, name, &err);
    return path == NULL ? -1 : file_write_atomic(path, slice_str(text), mode, &err);
}

static inline void write_spec(struct app *app)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    assert_int_equal(launch_spec_encode(&app->spec, &text, &err), 0);
    assert_int_equal(write_in(app->run, LAUNCH_SPEC_FILE, buf_text(&text), 0600), 0);
}

static inline int make_app(void **state)
{
    static struct app app;
    struct err err = ERR_INIT;
    app = (struct app){.base = "/tmp/mse-launch-XXXXXX", .listen_fd = -1};
    if (mkdtemp(app.base) == NULL)
        return -1;
    (void)snprintf(app.run, sizeof(app.run), "%s/run", app.base);
    (void)snprintf(app.package, sizeof(app.package), "%s/package", app.run);
    (void)snprintf(app.enclave, sizeof(app.enclave), "%s/enclave", app.base);
    (void)snprintf(app.storage_path, sizeof(app.storage_path), "%s/storage", app.run);
    (void)snprintf(app.root, sizeof(app.root), "%s/root", app.base);
    app.spec = (struct launch_spec){
        .launcher = "process",
        .tee = "simulation",
        .package = app.package,
        .enclave = app.enclave,
        .storage = app.storage_path,
        .simulation_root = app.root,
        .quota_bytes = STORAGE_QUOTA_MIN,
        .memory_bytes = 256 << 20,
        .tmp_bytes = 1 << 20,
        .log_bytes = 64 << 10,
        .cpu_millis = 1000,
        .pids_max = 64,
        /* tests of several trees may run at once on one machine */
        .uid = UID_BASE + (uid_t)getpid(),
        .gid = UID_BASE + (gid_t)getpid(),
    };
    memset(app.spec.fingerprint, 7, sizeof(app.spec.fingerprint));
    *state = &app;
    if (folder_create(app.run, 0700, &err) < 0 || folder_create(app.package, 0755, &err) < 0 ||
        crypto_init(&err) < 0 || simulation_root_create(app.root, &err) < 0)
        return -1;
    if (uuid_new(app.spec.id, &err) < 0)
        return -1;
    write_spec(&app);
    AUTO_FREE char *listens = path_join(app.run, "app.sock", &err);
    if (listens == NULL || unix_listen(listens, 0600, &app.listen_fd, &err) < 0)
        return -1;
    return write_in(app.base, "enclave",
                    "#!/bin/sh\nexec /usr/bin/python3 -S /run/mse/package/test.py\n", 0755);
}

static inline void start(struct app *app, const char *python)
{
    struct err err = ERR_INIT;
    static const char head[] = "import os, sys, time, socket, json, signal\n"
                               "def say(**what): os.write(3, (json.dumps(what) + '\\n').encode())\n"
                               "def wait():\n"
                               "    while True: signal.pause()\n";
    AUTO_FREE char *text = str_printf(&err, "%s%s", head, python);
    assert_int_equal(write_in(app->package, "test.py", text, 0644), 0);
    if (launch_start(program, app->run, app->listen_fd, &err) < 0)
        fail_msg("%s", err.message);
}

static inline bool is_final(enum launch_state state)
{
    return state == LAUNCH_STOPPED || state == LAUNCH_FAILED;
}

/* Reads the pushed stream until a state is reached (or one that is final). */
static inline struct launch_status wait_for(const struct app *app, enum launch_state wanted)
{
    struct err err = ERR_INIT;
    struct launch_status status = {0};
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf lines = BUF_INIT(LAUNCH_LINE_MAX);
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    if (launch_attach(app->run, &fd, &err) < 0) {
        assert_int_equal(launch_status_read(app->run, &status, &err), 0);
        return status;
    }
    while (clock_monotonic_ms() < deadline) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        const uint8_t *end = lines.len == 0 ? NULL : memchr(lines.data, '\n', lines.len);
        if (end != NULL) {
            size_t len = (size_t)(end - lines.data);
            assert_int_equal(launch_status_decode(slice_of(lines.data, len), &status, &err), 0);
            buf_consume(&lines, len + 1);
            if (status.state == wanted || is_final(status.state))
                return status;
            continue;
        }
        (void)poll(&ready, 1, 1000);
        uint8_t piece[4096];
        ssize_t len = read(fd, piece, sizeof(piece));
        if (len == 0) { /* it ended, perhaps before it took our connection: the file tells */
            assert_int_equal(launch_status_read(app->run, &status, &err), 0);
            return status;
        }
        if (len > 0)
            assert_int_equal(buf_bytes(&lines, slice_of(piece, (size_t)len), &err), 0);
    }
    fail_msg("the state is still %s, expected %s", launch_state_name(status.state),
             launch_state_name(wanted));
    return status;
}

static inline void wait_until_gone(const struct app *app)
{
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (launch_alive(app->run) && clock_monotonic_ms() < deadline)
        clock_sleep_ms(5);
    assert_false(launch_alive(app->run));
}

static inline bool output_contains(const char *const *argv, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    const struct process_spec spec = {.argv = argv};
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    return strstr(buf_text(&out), text) != NULL;
}

/* The loop device goes when the kernel is done with it: bounded patience. */
static inline void assert_nothing_left(const struct app *app)
{
    const char *const losetup[] = {"losetup", "--noheadings", "-l", NULL};
    const char *const mounts[] = {"cat", "/proc/self/mountinfo", NULL};
    const char *const users[] = {"ps", "-eo", "uid=", NULL};
    char group[LAUNCH_ID_SIZE + 1];
    (void)snprintf(group, sizeof(group), "%s*", app->spec.id);
    const char *const groups[] = {"find", "/sys/fs/cgroup", "-maxdepth", "3", "-name", group, NULL};
    char uid[16];
    (void)snprintf(uid, sizeof(uid), "%u", (unsigned)app->spec.uid);
    for (int i = 0; i < 400 && output_contains(losetup, app->storage_path); i++)
        clock_sleep_ms(10);
    assert_false(output_contains(losetup, app->storage_path));
    assert_false(output_contains(mounts, app->base));
    for (int i = 0; i < 400 && output_contains(users, uid); i++)
        clock_sleep_ms(10);
    assert_false(output_contains(users, uid));
    assert_false(output_contains(groups, app->spec.id));
    AUTO_FREE char *control = path_join(app->run, "control.sock", NULL);
    assert_false(file_exists(control));
}

static inline int remove_app(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    if (launch_stop(app->run, 0, &err) < 0 || launch_cleanup(app->run, &storage, &err) < 0)
        (void)fprintf(stderr, "%s\n", err.message);
    fd_close(fd_steal(&app->listen_fd));
    return folder_remove_tree(app->base, &err);
}

static inline char *read_log(const struct app *app)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_join(app->run, "log", &err);
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    assert_int_equal(file_read(path, &text, &err), 0);
    return buf_steal_text(&text, &err);
}

/* Runs a script that must end with say(state="running") after its assertions. */
static inline void assert_script_runs(struct app *app, const char *python)
{
    start(app, python);
    struct launch_status status = wait_for(app, LAUNCH_RUNNING);
    if (status.state != LAUNCH_RUNNING)
        fail_msg("%s\n%s", status.reason, status.detail);
}

static inline int set_up(void **state)
{
    struct err err = ERR_INIT;
    if (geteuid() != 0) {
        (void)printf("SKIP: needs root\n");
        return 0;
    }
    can_launch = launch_probe("process", true, &err) == 0;
    if (!can_launch)
        (void)printf("SKIP: %s\n", err.message);
    return 0;
}

/* For main(): what this program is when a supervisor is started. */
static inline bool is_supervisor(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "supervise") == 0;
}

static inline int supervise(char **argv)
{
    log_init("supervisor", LOG_INFO);
    return launch_supervise_main(argv[2], &storage);
}
