// SPDX-License-Identifier: Apache-2.0
/*
 * Whole lives of supervisors with real sandboxes: this program is its own msed ("supervise RUN")
 * and a Python script stands in for mse-enclave. Needs root, user namespaces, bubblewrap,
 * slirp4netns; says SKIP aloud where the machine lacks one.
 */
#include "app_fixture.h"
#include "confine/confine.h"
#include "launch/cgroup.h"
#include "tee/tee.h"

#include <sys/wait.h>

/* --- tests --- */

static void test_life(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct launch_status status;
    if (!can_launch)
        skip();
    start(app, "say(state='initializing'); print('hello'); say(state='running'); wait()\n");
    status = wait_for(app, LAUNCH_RUNNING);
    assert_int_equal(status.state, LAUNCH_RUNNING);
    assert_true(launch_alive(app->run));
    assert_int_equal(launch_start(program, app->run, app->listen_fd, &err), -1);
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

static bool holds_image(const char *path)
{
    char command[256];
    (void)snprintf(command, sizeof(command), "grep -qsF '%s' /sys/block/loop*/loop/backing_file",
                   path);
    const char *const argv[] = {"sh", "-c", command, NULL};
    const struct process_spec spec = {.argv = argv};
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    return status == 0;
}

/* Whoever starts the app again when the lock is free mounts the same image: two mounts at once
 * would lose what the first has not written yet. */
static void test_the_storage_is_unmounted_before_the_lock_is_free(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!can_launch)
        skip();
    start(app, "say(state='running')\nwait()\n");
    assert_int_equal(wait_for(app, LAUNCH_RUNNING).state, LAUNCH_RUNNING);
    if (!holds_image(app->storage_path))
        skip(); /* no quota here */
    AUTO_FREE char *path = path_join(app->run, "supervisor.lock", &err);
    AUTO_CLOSE int held = open(path, O_RDWR | O_CLOEXEC);
    AUTO_CLOSE int control = -1;
    assert_true(held >= 0);
    assert_int_equal(launch_attach(app->run, &control, &err), 0);
    assert_int_equal(launch_request_stop(control, 5000, &err), 0);
    assert_int_equal(fcntl(held, F_SETLKW, &lock), 0);
    assert_false(holds_image(app->storage_path));
}

static char cleaned[128];

static int note_cleaned(const char *backing, struct err *err)
{
    (void)err;
    (void)snprintf(cleaned, sizeof(cleaned), "%s", backing);
    return 0;
}

/* The copy's launch.json names the original's storage, whose loop device may be in use. */
static void test_a_copied_run_folder(void **state)
{
    const struct app *app = *state;
    const struct launch_storage noting = {.cleanup = note_cleaned};
    struct err err = ERR_INIT;
    char copy[96];
    char own[128];
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    (void)snprintf(copy, sizeof(copy), "%s/copy", app->base);
    (void)snprintf(own, sizeof(own), "%s/storage", copy);
    assert_int_equal(folder_create(copy, 0700, &err), 0);
    assert_int_equal(launch_spec_encode(&app->spec, &text, &err), 0);
    assert_int_equal(write_in(copy, LAUNCH_SPEC_FILE, buf_text(&text), 0600), 0);
    assert_int_equal(launch_cleanup(copy, &noting, &err), 0);
    assert_string_equal(cleaned, own);
}

/* What was written before a change of state, or before somebody asks, is in the log then. */
static void test_log_is_not_behind(void **state)
{
    struct app *app = *state;
    if (!can_launch)
        skip();
    start(app, "os.write(1, (b'x' * 99 + b'\\n') * 200 + b'x before\\n'); say(state='running')\n"
               "os.write(1, (b'y' * 99 + b'\\n') * 9 + b'y after\\n'); wait()\n");
    assert_int_equal(wait_for(app, LAUNCH_RUNNING).state, LAUNCH_RUNNING);
    AUTO_FREE char *log = read_log(app);
    assert_non_null(strstr(log, "x before\n"));
    int64_t deadline = clock_monotonic_ms() + PATIENCE_MS;
    bool seen = false;
    while (!seen && clock_monotonic_ms() < deadline) {
        launch_catch_up(app->run);
        AUTO_FREE char *now = read_log(app);
        bool begun = strstr(now, "yyyy") != NULL;
        seen = strstr(now, "y after\n") != NULL;
        assert_true(seen || !begun); /* it came in one piece: all of it or nothing yet */
    }
    assert_true(seen);
    struct err err = ERR_INIT;
    assert_int_equal(launch_stop(app->run, 5000, &err), 0);
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
        "'PYTHONUNBUFFERED','SECRETS_PATH','TMPDIR','TMP_PATH'], sorted(os.environ)\n"
        "assert [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 9] == []\n"
        "fds = sorted(int(f) for f in os.listdir('/proc/self/fd'))\n"
        "assert fds[:5] == [0,1,2,3,4] and len(fds) == 6, fds\n"
        "for place in ['/usr', '/etc', '/', '/run/mse/package', '/run/mse', '/run/mse/node']:\n"
        "    try: open(place + '/x', 'w'); assert False, place\n"
        "    except OSError: pass\n"
        "for place in ['/tmp', '/run/mse/cipher', '/dev/shm']:\n"
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
    const struct confine_options options = {.new_processes = CONFINE_END, .status_fd = 3};
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
 * memory the app could do all that it may not itself. Nothing of them can be seen: no list shows
 * threads, which have places in /proc all the same. */
static bool neighbours_are_closed(void)
{
    static const char *const places[] = {"",    "comm", "status", "cmdline", "fd",
                                         "mem", "root", "fd/0",   "environ"};
    size_t found = 0;
    for (int pid = 1; pid < 256; pid++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/self/task/%d", pid);
        if (file_exists(path))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, places[i]);
            found += access(path, F_OK) == 0 ? 1 : 0;
        }
    }
    return found == 0 && getpid() != 1 && file_exists("/proc/self/status") &&
           file_exists("/proc/meminfo");
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

/* The group around all apps leaves the machine its part. */
static void assert_all_apps_are_limited(bool v2)
{
    const char *path =
        v2 ? "/sys/fs/cgroup/mse/memory.max" : "/sys/fs/cgroup/memory/mse/memory.limit_in_bytes";
    AUTO_BUF struct buf text = BUF_INIT(64);
    struct err err = ERR_INIT;
    assert_int_equal(file_read(path, &text, &err), 0);
    uint64_t limit = strtoull(buf_text(&text), NULL, 10);
    assert_in_range(limit, cgroup_memory_of_all() - 4096, cgroup_memory_of_all());
    assert_true(cgroup_memory_of_all() < (uint64_t)sysconf(_SC_PHYS_PAGES) * 4096);
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
    assert_all_apps_are_limited(strcmp(status.limits, "cgroup v2") == 0);
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

/* The log has a size, and what the node shows the app cannot be written to. */
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

/* A client of the app, as the gateway connects. */
static int client_of(const struct app *app)
{
    struct err err = ERR_INIT;
    int fd = -1;
    AUTO_FREE char *path = path_join(app->run, "app.sock", &err);
    assert_int_equal(unix_connect(path, &fd, &err), 0);
    return fd;
}

static void assert_says(int fd, char expected)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte = 0;
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, expected);
}

/* The app has the socket and no name of it: nothing that it makes, links or removes comes in its
 * place, also not after its death. Who connects between two starts waits for the second. */
static void test_listening_socket(void **state)
{
    struct app *app = *state;
    static const char script[] =
        "s = socket.socket(fileno=4)\n"
        "assert s.family == socket.AF_UNIX and s.getsockopt(1, 30) == 1\n" /* SO_ACCEPTCONN */
        "def attempt(act, *what):\n"
        "    try: act(*what)\n"
        "    except OSError: return\n"
        "    assert False, what\n"
        "other = socket.socket(socket.AF_UNIX)\n"
        "for place in ('/run/mse/node/app.sock', '/run/mse/app.sock', '/run/app.sock',\n"
        "              s.getsockname()):\n"
        "    attempt(other.bind, place); attempt(os.unlink, place)\n"
        "    attempt(os.symlink, '/run/mse/node/tee.sock', place)\n"
        "attempt(os.unlink, '/run/mse/node/tee.sock'); attempt(os.chmod, '/run/mse/node', 0o777)\n"
        "attempt(os.rename, '/run/mse/node/tee.sock', '/run/mse/node/app.sock')\n"
        "say(state='running')\n"
        "c, _ = s.accept(); c.sendall(b'%c'); c.recv(1); os._exit(3)\n";
    struct err err = ERR_INIT;
    AUTO_FREE char *first = str_printf(&err, script, '1');
    AUTO_FREE char *second = str_printf(&err, script, '2');
    if (!can_launch)
        skip();
    assert_script_runs(app, first);
    AUTO_CLOSE int before = client_of(app);
    assert_says(before, '1');
    assert_int_equal(write(before, "x", 1), 1); /* it dies */
    wait_until_gone(app);
    AUTO_CLOSE int between = client_of(app);
    assert_script_runs(app, second);
    assert_says(between, '2');
}

/* Nothing but msed starts supervisors: without the socket there is nothing to serve on. */
static void test_no_socket(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    const char *const argv[] = {program, "supervise", app->run, NULL};
    const struct process_spec spec = {.argv = argv};
    assert_int_equal(process_run(&spec, slice_str(""), &out, &errors, 20000, &status, &err), 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_non_null(strstr(buf_text(&errors), "descriptor 4 is not open"));
}

static void test_bad_starts(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    if (!can_launch)
        skip();
    assert_int_equal(file_remove(app->enclave, &err), 0);
    assert_int_equal(launch_start(program, app->run, app->listen_fd, &err), -1);
    assert_non_null(strstr(err.message, "enclave"));
    wait_until_gone(app);
    assert_nothing_left(app);
    assert_int_equal(write_in(app->run, LAUNCH_SPEC_FILE, "{", 0600), 0);
    assert_int_equal(launch_start(program, app->run, app->listen_fd, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(launch_start(program, "/nonexistent", app->listen_fd, &err), -1);
}

int main(int argc, char **argv)
{
    if (is_supervisor(argc, argv))
        return supervise(argv);
    if (strcmp(argv[0], "/run/mse/mse-enclave") == 0)
        return enclave_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_a_copied_run_folder, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_the_storage_is_unmounted_before_the_lock_is_free,
                                        make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_log_is_not_behind, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_what_the_app_sees, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_whole_boot, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_simulated_tee, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_failure_is_explained, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_memory_limit, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_stubborn_app, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_killed_supervisor, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_app_cannot_fill_the_disk, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_talkative_app, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_listening_socket, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_no_socket, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_bad_starts, make_app, remove_app),
    };
    program = argv[0];
    return cmocka_run_group_tests(tests, set_up, NULL);
}
