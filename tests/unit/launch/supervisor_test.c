// SPDX-License-Identifier: Apache-2.0
/*
 * Whole lives of supervisors with real sandboxes: this program is its own msed ("supervise RUN")
 * and a Python script stands in for mse-enclave. Needs root, user namespaces, bubblewrap,
 * slirp4netns; says SKIP aloud where the machine lacks one.
 */
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

static int mount_storage(const struct launch_spec *spec, const char *folder, struct err *err)
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
};

static const char *program;
static bool can_launch;

static int write_in(const char *folder, const char *name, const char *text, mode_t mode)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_join(folder, name, &err);
    return path == NULL ? -1 : file_write_atomic(path, slice_str(text), mode, &err);
}

static void write_spec(struct app *app)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    assert_int_equal(launch_spec_encode(&app->spec, &text, &err), 0);
    assert_int_equal(write_in(app->run, LAUNCH_SPEC_FILE, buf_text(&text), 0600), 0);
}

static int make_app(void **state)
{
    static struct app app;
    struct err err = ERR_INIT;
    app = (struct app){.base = "/tmp/mse-launch-XXXXXX"};
    if (mkdtemp(app.base) == NULL)
        return -1;
    (void)snprintf(app.run, sizeof(app.run), "%s/run", app.base);
    (void)snprintf(app.package, sizeof(app.package), "%s/package", app.run);
    (void)snprintf(app.enclave, sizeof(app.enclave), "%s/enclave", app.base);
    (void)snprintf(app.storage_path, sizeof(app.storage_path), "%s/storage", app.run);
    (void)snprintf(app.root, sizeof(app.root), "%s/root", app.base);
    app.spec = (struct launch_spec){
        .launcher = "process",
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
    return write_in(app.base, "enclave",
                    "#!/bin/sh\nexec /usr/bin/python3 -S /run/mse/package/test.py\n", 0755);
}

static void start(struct app *app, const char *python)
{
    struct err err = ERR_INIT;
    static const char head[] = "import os, sys, time, socket, json, signal\n"
                               "def say(**what): os.write(3, (json.dumps(what) + '\\n').encode())\n"
                               "def wait():\n"
                               "    while True: signal.pause()\n";
    AUTO_FREE char *text = str_printf(&err, "%s%s", head, python);
    assert_int_equal(write_in(app->package, "test.py", text, 0644), 0);
    if (launch_start(program, app->run, &err) < 0)
        fail_msg("%s", err.message);
}

static bool is_final(enum launch_state state)
{
    return state == LAUNCH_STOPPED || state == LAUNCH_FAILED;
}

/* Reads the pushed stream until a state is reached (or one that is final). */
static struct launch_status wait_for(const struct app *app, enum launch_state wanted)
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

static void wait_until_gone(const struct app *app)
{
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    while (launch_alive(app->run) && clock_monotonic_ms() < deadline)
        clock_sleep_ms(5);
    assert_false(launch_alive(app->run));
}

static bool output_contains(const char *const *argv, const char *text)
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
static void assert_nothing_left(const struct app *app)
{
    const char *const losetup[] = {"losetup", "--noheadings", "-l", NULL};
    const char *const mounts[] = {"cat", "/proc/self/mountinfo", NULL};
    const char *const users[] = {"ps", "-eo", "uid=", NULL};
    const char *const groups[] = {"find",  "/sys/fs/cgroup", "-maxdepth", "3",
                                  "-name", app->spec.id,     NULL};
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

static int remove_app(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    if (launch_stop(app->run, 0, &err) < 0 || launch_cleanup(app->run, &storage, &err) < 0)
        (void)fprintf(stderr, "%s\n", err.message);
    return folder_remove_tree(app->base, &err);
}

static char *read_log(const struct app *app)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_join(app->run, "log", &err);
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    assert_int_equal(file_read(path, &text, &err), 0);
    return buf_steal_text(&text, &err);
}

/* Runs a script that must end with say(state="running") after its assertions. */
static void assert_script_runs(struct app *app, const char *python)
{
    start(app, python);
    struct launch_status status = wait_for(app, LAUNCH_RUNNING);
    if (status.state != LAUNCH_RUNNING)
        fail_msg("%s\n%s", status.reason, status.detail);
}

/* --- tests --- */

static void test_life(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct launch_status status;
    if (!can_launch)
        skip();
    start(app, "say(state='initializing'); say(state='running'); print('hello'); wait()\n");
    status = wait_for(app, LAUNCH_RUNNING);
    assert_int_equal(status.state, LAUNCH_RUNNING);
    assert_true(launch_alive(app->run));
    assert_int_equal(launch_start(program, app->run, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(launch_cleanup(app->run, &storage, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(launch_stop(app->run, 5000, &err), 0);
    assert_int_equal(launch_status_read(app->run, &status, &err), 0);
    assert_int_equal(status.state, LAUNCH_STOPPED);
    AUTO_FREE char *log = read_log(app);
    assert_non_null(strstr(log, "Z hello\n"));
    assert_nothing_left(app);
}

static void test_what_the_app_sees(void **state)
{
    struct app *app = *state;
    if (!can_launch)
        skip();
    assert_script_runs(
        app,
        "assert os.getuid() == 0 and os.getgid() == 0 and socket.gethostname() == 'mse'\n"
        "assert sorted(os.listdir('/')) == sorted(set(os.listdir('/')) & {'bin','dev','etc','lib',"
        "'lib32','lib64','libx32','mse-app','proc','root','run','sbin','tmp','usr','var'}), "
        "os.listdir('/')\n"
        "assert not os.path.exists('/etc/shadow') and not os.path.exists('/etc/machine-id')\n"
        "assert os.listdir('/run') == ['mse'] and os.listdir('/root') == []\n"
        "assert sorted(os.environ) == ['HOME','LANG','MODULE_PATH','PATH','PWD',"
        "'PYTHONUNBUFFERED','SECRETS_PATH','TMP_PATH'], sorted(os.environ)\n"
        "assert [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 9] == []\n"
        "fds = sorted(int(f) for f in os.listdir('/proc/self/fd'))\n"
        "assert fds[:4] == [0,1,2,3] and len(fds) == 5, fds\n"
        "for place in ['/usr', '/etc', '/', '/run/mse/package', '/run/mse']:\n"
        "    try: open(place + '/x', 'w'); assert False, place\n"
        "    except OSError: pass\n"
        "for place in ['/tmp', '/run/mse/cipher', '/run/mse/node', '/dev/shm']:\n"
        "    open(place + '/x', 'w').write('x')\n"
        "try: open('/tmp/big', 'wb').write(bytes(2 << 20)); assert False\n"
        "except OSError: pass\n"
        "caps = [l for l in open('/proc/self/status') if l.startswith('CapEff')][0]\n"
        "assert caps.split()[1] == '0000000000200100', caps\n"
        "import ssl; assert len(ssl.create_default_context().get_ca_certs()) > 0\n"
        "say(state='running'); wait()\n");
}

/* This program in mse-enclave's place: the steps that the real one takes before the app. */
static int enclave_steps(struct err *err)
{
    const uint8_t fingerprint[32] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                                     7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
    const struct confine_options options = {.status_fd = 3};
    const struct tee *tee = NULL;
    AUTO_SECRET struct secret sealing = SECRET_INIT;
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (crypto_init(err) < 0 || tee_detect(&tee, err) < 0 ||
        tee->sealing_key(fingerprint, 1, &sealing, err) < 0 ||
        tee_purpose_key(&sealing, "storage", &key, err) < 0 ||
        storage_mount(&key, "/run/mse/cipher", "/run/mse/plain", err) < 0 ||
        folder_create("/run/mse/plain/home", 0700, err) < 0)
        return -1;
    if (mount("/run/mse/plain/home", "/root", NULL, MS_BIND, NULL) < 0 ||
        umount2("/run/mse/plain", MNT_DETACH) < 0 || umount2("/run/mse/cipher", MNT_DETACH) < 0 ||
        umount2("/dev/fuse", MNT_DETACH) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot arrange the folders");
    if (confine_hide_neighbours(err) < 0)
        return -1;
    return confine_self(&options, err);
}

/* bubblewrap's init and gocryptfs run as the app's user but without its filter: through their
 * memory the app could do all that it may not itself. The init is covered; gocryptfs, whose threads
 * have places in /proc that no list shows, has a capability that we gave up. */
static bool neighbours_are_closed(void)
{
    static const char *const places[] = {"mem", "root", "fd/0", "environ"};
    size_t open_places = 0;
    for (int pid = 1; pid < 64; pid++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/self/task/%d", pid);
        if (file_exists(path))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, places[i]);
            AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
            open_places += fd >= 0 ? 1 : 0;
        }
    }
    return open_places == 0 && getpid() != 1 && !file_exists("/proc/1/stat");
}

static int enclave_main(void)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf before = BUF_INIT(64);
    AUTO_BUF struct buf line = BUF_INIT(2048);
    if (enclave_steps(&err) < 0) {
        (void)!buf_printf(&line, NULL, "{\"state\":\"failed\",\"reason\":\"%s\"}\n", err.message);
        (void)!fd_write_all(3, buf_slice(&line), NULL);
        return 1;
    }
    if (!neighbours_are_closed())
        return 3;
    bool is_second = file_read("/root/kept", &before, &err) == 0;
    if (file_write_atomic("/root/kept", slice_str("kept"), 0600, &err) < 0 ||
        fd_write_all(3, slice_str("{\"state\":\"running\"}\n"), &err) < 0)
        return 2;
    if (is_second)
        (void)syscall(SYS_fork);
    for (;;)
        (void)pause();
}

static void test_whole_boot(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct launch_status status;
    AUTO_BUF struct buf binary = BUF_INIT(64 << 20);
    if (!can_launch)
        skip();
    assert_int_equal(file_read("/proc/self/exe", &binary, &err), 0);
    assert_int_equal(file_write_atomic(app->enclave, buf_slice(&binary), 0755, &err), 0);
    start(app, "");
    status = wait_for(app, LAUNCH_RUNNING);
    if (status.state != LAUNCH_RUNNING)
        fail_msg("%s\n%s", status.reason, status.detail);
    assert_int_equal(launch_stop(app->run, 0, &err), 0);
    assert_nothing_left(app);
    start(app, ""); /* finds what the first one kept, and does what is forbidden */
    status = wait_for(app, LAUNCH_STOPPED);
    assert_string_equal(status.reason, "the app called fork: an enclave starts no processes");
    wait_until_gone(app);
    assert_nothing_left(app);
}

static void test_simulated_tee(void **state)
{
    struct app *app = *state;
    if (!can_launch)
        skip();
    assert_script_runs(app,
                       "s = socket.socket(socket.AF_UNIX); s.connect('/run/mse/node/tee.sock')\n"
                       "s.sendall(b'\\0\\0\\0\\x41\\1' + bytes(64))\n"
                       "a = b''\n"
                       "while len(a) < 213: a += s.recv(999) or sys.exit('closed')\n"
                       "assert a[4] == 0 and a[5:13] == b'MSESIMEV', a\n"
                       "assert a[21:53] == bytes([7]) * 32\n"
                       "say(state='running'); wait()\n");
}

/* A listener on every kind of address that the host has, and none of them can be reached. */
static void test_host_is_out_of_reach(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof(address);
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    const char *const argv[] = {"hostname", "-I", NULL};
    const struct process_spec spec = {.argv = argv};
    if (!can_launch)
        skip();
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    AUTO_FREE char *python = str_printf(
        &err,
        "for host in ['127.0.0.1', '10.213.0.2', '10.213.0.3', '169.254.169.254'] + "
        "'%.*s'.split():\n"
        "    if ':' in host: continue\n"
        "    try: socket.create_connection((host, %d), 2); assert False, host\n"
        "    except OSError as e: print(host, e)\n"
        "assert open('/etc/resolv.conf').read().split()[0] == 'nameserver'\n"
        "assert [n for _, n in socket.if_nameindex()] == ['lo', 'tap0'], socket.if_nameindex()\n"
        "say(state='running'); wait()\n",
        (int)strcspn(buf_text(&out), "\n"), buf_text(&out), ntohs(address.sin_port));
    assert_script_runs(app, python);
}

static void test_failure_is_explained(void **state)
{
    struct app *app = *state;
    struct launch_status status;
    if (!can_launch)
        skip();
    start(app, "say(state='initializing'); raise SystemExit('no such module: \\x1b[31mapp')\n");
    status = wait_for(app, LAUNCH_STOPPED);
    assert_int_equal(status.state, LAUNCH_FAILED);
    assert_string_equal(status.reason, "the app's process ended: exit status 1");
    assert_non_null(strstr(status.detail, "no such module: ?[31mapp\n"));
    wait_until_gone(app);
    assert_nothing_left(app);
    start(app, "say(state='failed', reason='the module app has no app'); sys.exit(3)\n");
    status = wait_for(app, LAUNCH_STOPPED);
    assert_string_equal(status.reason, "the module app has no app");
    wait_until_gone(app);
    start(app, "say(event='forbidden', call='fork', thread=1); os._exit(86)\n");
    status = wait_for(app, LAUNCH_STOPPED);
    assert_string_equal(status.call, "fork");
    assert_non_null(strstr(status.reason, "the app called fork"));
    wait_until_gone(app);
    start(app, "os.kill(os.getpid(), 9)\n");
    status = wait_for(app, LAUNCH_STOPPED);
    assert_string_equal(status.reason, "the app's process ended: signal 9 (Killed)");
    wait_until_gone(app);
}

static void test_memory_limit(void **state)
{
    struct app *app = *state;
    struct launch_status status;
    if (!can_launch)
        skip();
    app->spec.memory_bytes = 64 << 20;
    write_spec(app);
    start(app, "say(state='running'); x = bytearray(b'x') * (128 << 20); time.sleep(60)\n");
    status = wait_for(app, LAUNCH_STOPPED);
    assert_int_equal(status.state, LAUNCH_FAILED);
    if (strncmp(status.limits, "cgroup", 6) != 0) {
        (void)printf("SKIP: no cgroups here\n");
        return;
    }
    assert_string_equal(status.reason, "out of memory: the app may use 64 MiB");
    wait_until_gone(app);
    assert_nothing_left(app);
}

/* An app that ignores SIGTERM has its grace and no more. */
static void test_stubborn_app(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    if (!can_launch)
        skip();
    start(app, "signal.signal(15, lambda *a: print('not now')); say(state='running'); \n"
               "while True: signal.pause()\n");
    assert_int_equal(wait_for(app, LAUNCH_RUNNING).state, LAUNCH_RUNNING);
    assert_int_equal(launch_stop(app->run, 100, &err), 0);
    AUTO_FREE char *log = read_log(app);
    assert_non_null(strstr(log, "not now\n"));
    assert_nothing_left(app);
}

/* kill -9 of the supervisor takes the enclave with it; cleanup takes the rest; a new start works.
 */
static void test_killed_supervisor(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    static const char script[] = "say(state='running'); wait()\n";
    if (!can_launch)
        skip();
    start(app, script);
    struct launch_status status = wait_for(app, LAUNCH_RUNNING);
    assert_int_equal(kill(status.supervisor, SIGKILL), 0);
    wait_until_gone(app);
    assert_int_equal(launch_cleanup(app->run, &storage, &err), 0);
    assert_nothing_left(app);
    start(app, script);
    status = wait_for(app, LAUNCH_RUNNING);
    assert_int_equal(kill(status.supervisor, SIGKILL), 0);
    wait_until_gone(app);
    start(app, script); /* without a cleanup in between */
    assert_int_equal(wait_for(app, LAUNCH_RUNNING).state, LAUNCH_RUNNING);
}

/* What the app says on the enclave's pipe costs the host nothing that grows. */
static void test_talkative_app(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    if (!can_launch)
        skip();
    start(app, "say(state='initializing'); say(state='running')\n"
               "for i in range(2000): os.write(3, b'nonsense\\n'); say(state='initializing')\n"
               "print('said'); say(state='failed', reason='last words'); sys.exit(1)\n");
    struct launch_status status = wait_for(app, LAUNCH_STOPPED);
    assert_int_equal(status.state, LAUNCH_FAILED);
    assert_string_equal(status.reason, "last words");
    wait_until_gone(app);
    AUTO_BUF struct buf text = BUF_INIT(16 << 10);
    AUTO_FREE char *path = path_join(app->run, "supervisor.log", &err);
    if (file_exists(path))
        assert_int_equal(file_read(path, &text, &err), 0);
}

/* The log has a size, and so has the folder that the app shares with the node. */
static void test_app_cannot_fill_the_disk(void **state)
{
    struct app *app = *state;
    struct stat info;
    if (!can_launch)
        skip();
    assert_script_runs(app,
                       "for i in range(3000): print('x' * 100)\n"
                       "try:\n"
                       "    open('/run/mse/node/big', 'wb').write(bytes(1 << 20)); assert False\n"
                       "except OSError: pass\n"
                       "say(state='running'); wait()\n");
    struct err err = ERR_INIT;
    assert_int_equal(launch_stop(app->run, 0, &err), 0);
    AUTO_FREE char *log = path_join(app->run, "log", NULL);
    AUTO_FREE char *old = path_join(app->run, "log.1", NULL);
    assert_int_equal(stat(log, &info), 0);
    assert_true(info.st_size <= 32 << 10);
    assert_int_equal(stat(old, &info), 0);
    assert_true(info.st_size <= 32 << 10);
}

static void test_connect_app(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    AUTO_CLOSE int fd = -1;
    if (!can_launch)
        skip();
    assert_script_runs(app, "s = socket.socket(socket.AF_UNIX); s.bind('/run/mse/node/app.sock')\n"
                            "s.listen(); say(state='running'); c, _ = s.accept()\n"
                            "os.unlink('/run/mse/node/app.sock')\n"
                            "os.symlink('/run/mse/node/tee.sock', '/run/mse/node/app.sock')\n"
                            "c.sendall(b'x'); wait()\n");
    assert_int_equal(launch_connect_app(app->run, &fd, &err), 0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    int other = -1;
    assert_int_equal(launch_connect_app(app->run, &other, &err), -1);
    assert_int_equal(err.kind, ERR_UNREACHABLE);
}

static void test_bad_starts(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    if (!can_launch)
        skip();
    assert_int_equal(file_remove(app->enclave, &err), 0);
    assert_int_equal(launch_start(program, app->run, &err), -1);
    assert_non_null(strstr(err.message, "enclave"));
    wait_until_gone(app);
    assert_nothing_left(app);
    assert_int_equal(write_in(app->run, LAUNCH_SPEC_FILE, "{", 0600), 0);
    assert_int_equal(launch_start(program, app->run, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(launch_start(program, "/nonexistent", &err), -1);
}

static int set_up(void **state)
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

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "supervise") == 0) {
        log_init("supervisor", LOG_INFO);
        return launch_supervise_main(argv[2], &storage);
    }
    if (strcmp(argv[0], "/run/mse/mse-enclave") == 0)
        return enclave_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_what_the_app_sees, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_whole_boot, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_simulated_tee, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_host_is_out_of_reach, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_failure_is_explained, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_memory_limit, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_stubborn_app, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_killed_supervisor, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_app_cannot_fill_the_disk, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_talkative_app, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_connect_app, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_bad_starts, make_app, remove_app),
    };
    program = argv[0];
    return cmocka_run_group_tests(tests, set_up, NULL);
}
