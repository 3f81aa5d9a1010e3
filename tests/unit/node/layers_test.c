// SPDX-License-Identifier: Apache-2.0
/*
 * Layers built by the real pip in its sandbox, from a wheel that the test makes: built once, found
 * again by content, failures with pip's own words, nothing half built left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "crypto/crypto.h"
#include "node/layers.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char folder[64];
static char wheels[96];
static struct node_config config;
static struct environments environments;
static const struct environment_offer *environment;
static struct store *store;
static struct layers *layers;

/* An address of this machine that is not its loopback; the loopback where it has no other. */
static const char *address_of_host(void)
{
    static char text[INET_ADDRSTRLEN];
    struct ifaddrs *all = NULL;
    (void)snprintf(text, sizeof(text), "127.0.0.1");
    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        struct sockaddr_in address;
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&address, one->ifa_addr, sizeof(address));
        if ((ntohl(address.sin_addr.s_addr) >> 24) != IN_LOOPBACKNET)
            (void)inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
    }
    freeifaddrs(all);
    return text;
}

static const struct build_limits limits = {.memory_bytes = 512 << 20,
                                           .disk_bytes = 64 << 20,
                                           .tmp_bytes = 64 << 20,
                                           .cpu_millis = 1000,
                                           .processes = 64};

static void must(int result, const struct err *err)
{
    if (result < 0)
        fail_msg("%s", err->message);
}

/* A wheel is a zip with the package and three files about it. */
static const char make_wheel[] =
    "import sys, zipfile\n"
    "name = sys.argv[2] if len(sys.argv) > 2 else 'tiny'\n"
    "info = name + '-1.0.dist-info/'\n"
    "with zipfile.ZipFile(f'{sys.argv[1]}/{name}-1.0-py3-none-any.whl', 'w') as z:\n"
    "    z.writestr(name + '/__init__.py', 'answer = 42\\n')\n"
    "    z.writestr(info + 'METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n')\n"
    "    z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\n'\n"
    "               'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
    "    z.writestr(info + 'RECORD', '')\n";

/* A package of source: its setup.py is what argv[3] says. */
static const char make_source[] =
    "import io, sys, tarfile\n"
    "folder, name, code = sys.argv[1:]\n"
    "with tarfile.open(f'{folder}/{name}-1.0.tar.gz', 'w:gz') as t:\n"
    "    for path, text in (('setup.py', code + f'\\nfrom setuptools import setup\\n'\n"
    "                        f'setup(name={name!r}, version=\"1.0\", packages=[])\\n'),\n"
    "                       ('PKG-INFO', f'Metadata-Version: 2.1\\nName: {name}\\n'\n"
    "                        'Version: 1.0\\n')):\n"
    "        info = tarfile.TarInfo(f'{name}-1.0/{path}')\n"
    "        info.size = len(text)\n"
    "        t.addfile(info, io.BytesIO(text.encode()))\n";

static void run_python(const char *program, const char *name, const char *code)
{
    struct err err = ERR_INIT;
    const char *const argv[] = {"/usr/bin/python3", "-c", program, wheels, name, code, NULL};
    const struct process_spec spec = {.argv = argv};
    AUTO_BUF struct buf out = BUF_INIT(4096);
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    must(process_run(&spec, slice_of(NULL, 0), &out, &errors, 20000, &status, &err), &err);
    if (status != 0)
        fail_msg("%s", buf_text(&errors));
}

static const char *base_requirements[] = {NULL, NULL};

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    log_init("test", LOG_ERROR);
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-layers-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    (void)snprintf(wheels, sizeof(wheels), "%s/wheels", folder);
    must(folder_create(wheels, 0755, &err), &err);
    run_python(make_wheel, NULL, NULL);
    assert_int_equal(setenv("PIP_NO_INDEX", "1", 1), 0);
    assert_int_equal(setenv("PIP_FIND_LINKS", wheels, 1), 0);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/state.db", folder);
    const struct store_sqlite_options options = {.path = path};
    must(store_sqlite_open(&options, &store, &err), &err);
    must(node_config_defaults(folder, &config, &err), &err);
    must(environments_fill(&config, "3.11", true, &environments, &err), &err);
    environments.offers[0].base_requirements = base_requirements; /* no index here has Flask */
    must(environments_find(&environments, "", &environment, &err), &err);
    const struct layers_options made = {.folder = folder,
                                        .store = store,
                                        .timeout_ms = 60000,
                                        .builds = 2,
                                        .limits = limits,
                                        .config = &config};
    must(layers_new(&made, &layers, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    layers_free(layers);
    environments_done(&environments);
    node_config_done(&config);
    store_close(store);
    return folder_remove_tree(folder, &err);
}

static void expect_nothing_unfinished(void)
{
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (strncmp(entry->d_name, ".build-", 7) == 0)
            fail_msg("'%s' was left", entry->d_name);
    }
    (void)closedir(list);
}

/* What an environment has of the system's packages is in its layers: the app sees no others. */
static void base_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *hashed = NULL;
    run_python(make_wheel, "usual", NULL);
    base_requirements[0] = "usual";
    must(layers_get(layers, environment, slice_str("tiny\n"), "uid:1", &path, &err), &err);
    AUTO_FREE char *file = str_printf(&err, "%s/site-packages/usual", path);
    assert_true(file_exists(file));
    /* pip takes nothing without a hash beside such a line, and does not get it */
    static const char lines[] =
        "tiny==1.0 --hash=sha256:"
        "0000000000000000000000000000000000000000000000000000000000000000\n";
    assert_int_equal(layers_get(layers, environment, slice_str(lines), "uid:1", &hashed, &err), -1);
    assert_null(strstr(err.message, "usual"));
    base_requirements[0] = NULL;
}

static void *get_in_thread(void *path)
{
    struct err err = ERR_INIT;
    if (layers_get(layers, environment, slice_str("tiny==1.0\n"), "uid:1", path, &err) < 0)
        print_error("%s\n", err.message);
    return NULL;
}

static void built_once_test(void **state)
{
    struct err err = ERR_INIT;
    pthread_t threads[2];
    char *paths[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_in_thread, &paths[i]), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_non_null(paths[0]);
    assert_non_null(paths[1]);
    assert_string_equal(paths[0], paths[1]);
    char file[256];
    AUTO_BUF struct buf text = BUF_INIT(4096);
    (void)snprintf(file, sizeof(file), "%s/site-packages/tiny/__init__.py", paths[0]);
    must(file_read(file, &text, &err), &err);
    assert_string_equal(buf_text(&text), "answer = 42\n");
    struct stat info;
    assert_int_equal(stat(file, &info), 0);
    assert_int_equal(info.st_uid, geteuid());
    assert_int_equal(info.st_mode & 07777, 0644);
    buf_clear(&text);
    (void)snprintf(file, sizeof(file), "%s/environment.json", paths[0]);
    must(file_read(file, &text, &err), &err);
    assert_string_equal(buf_text(&text), environment->description);
    /* the same again needs no pip: there is nothing to install from any more */
    must(folder_remove_tree(wheels, &err), &err);
    AUTO_FREE char *again = NULL;
    must(layers_get(layers, environment, slice_str("tiny==1.0\n"), "uid:1", &again, &err), &err);
    assert_string_equal(again, paths[0]);
    free(paths[0]);
    free(paths[1]);
    expect_nothing_unfinished();
}

static void failure_test(void **state)
{
    struct err err = ERR_INIT;
    char *path = NULL;
    assert_int_equal(
        layers_get(layers, environment, slice_str("no-such-thing==9\n"), "uid:1", &path, &err), -1);
    assert_int_equal(err.kind, ERR_APP);
    assert_non_null(strstr(err.message, "no-such-thing"));
    assert_null(path);
    expect_nothing_unfinished();
}

static void need_of(const char *owner, const char *path, int64_t state)
{
    struct err err = ERR_INIT;
    struct store_app app = {.state = state};
    (void)snprintf(app.id, sizeof(app.id), "11111111-1111-4111-8111-111111111111");
    (void)snprintf(app.owner, sizeof(app.owner), "%s", owner);
    (void)snprintf(app.layer, sizeof(app.layer), "%s", path_base(path));
    if (store_app_save(store, &app, &err) < 0) {
        err_clear(&err);
        must(store_app_create(store, &app, NULL, &err), &err);
    }
}

static void need(const char *path, int64_t state)
{
    need_of("uid:1", path, state);
}

/* What one account's apps need leaves half of all layers to others, whose apps start. */
static void share_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *own = NULL;
    AUTO_FREE char *others = NULL;
    struct store_layer layer = {0};
    must(layers_get(layers, environment, slice_str("tiny==1.0\n"), "token:a", &path, &err), &err);
    need_of("token:a", path, STORE_RUNNING);
    must(store_layer_get(store, path_base(path), &layer, &err), &err);
    layer.size_bytes = 10 << 20; /* as far as anybody knows */
    must(store_layer_save(store, &layer, &err), &err);
    config.limits.layers_bytes = 20 << 20;
    assert_int_equal(layers_get(layers, environment, slice_str("tiny>=1\n"), "token:a", &own, &err),
                     -1);
    assert_int_equal(err.kind, ERR_NO_ROOM);
    assert_non_null(strstr(err.message, "for one account"));
    assert_null(own);
    err_clear(&err);
    must(layers_get(layers, environment, slice_str("tiny>=1\n"), "token:b", &others, &err), &err);
    config.limits.layers_bytes = (20 << 20) + 8192; /* something is left, which is not enough */
    assert_int_equal(layers_get(layers, environment, slice_str("tiny<2\n"), "token:a", &own, &err),
                     -1);
    assert_int_equal(err.kind, ERR_APP);
    assert_non_null(strstr(err.message, "limits.layers"));
    expect_nothing_unfinished();
}

/* Different requirements without end fill no disk: what no app needs goes, and what apps need is a
 * limit to what is built. */
static void room_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *other = NULL;
    AUTO_FREE char *bare = NULL;
    must(layers_get(layers, environment, slice_of(NULL, 0), "uid:1", &bare, &err), &err);
    must(layers_get(layers, environment, slice_str("tiny==1.0\n"), "uid:1", &path, &err), &err);
    need(path, STORE_RUNNING);
    layers_trim(layers, 0);
    assert_true(file_exists(path));
    assert_true(file_exists(bare));
    config.limits.layers_bytes = 8192; /* it takes more */
    assert_int_equal(layers_get(layers, environment, slice_str("tiny>=1\n"), "uid:1", &other, &err),
                     -1);
    assert_int_equal(err.kind, ERR_NO_ROOM);
    assert_null(other);
    need(path, STORE_EXPIRED); /* it may come back */
    layers_trim(layers, 0);
    assert_true(file_exists(path));
    need(path, STORE_STOPPED);
    err_clear(&err);
    assert_int_equal(layers_get(layers, environment, slice_str("tiny>=1\n"), "uid:1", &other, &err),
                     -1);
    assert_int_equal(err.kind, ERR_APP); /* too large for so little, which is free now */
    assert_false(file_exists(path));
    config.limits.layers_bytes = INT64_C(1) << 30;
    err_clear(&err);
    must(layers_get(layers, environment, slice_str("tiny>=1\n"), "uid:1", &other, &err), &err);
    assert_true(file_exists(other));
    assert_true(file_exists(bare));
    err_clear(&err);
    config.limits.disk_reserve_bytes = INT64_C(1) << 50; /* a full disk */
    AUTO_FREE char *third = NULL;
    assert_int_equal(layers_get(layers, environment, slice_str("tiny<2\n"), "uid:1", &third, &err),
                     -1);
    assert_int_equal(err.kind, ERR_NO_ROOM);
    assert_false(file_exists(other)); /* what could go has gone first */
    expect_nothing_unfinished();
}

/* Without requirements the environment's description is all there is, and no pip runs. */
static void nothing_needed_test(void **state)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = NULL;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    char file[256];
    must(folder_remove_tree(wheels, &err), &err);
    must(layers_get(layers, environment, slice_of(NULL, 0), "uid:1", &path, &err), &err);
    assert_non_null(path);
    (void)snprintf(file, sizeof(file), "%s/site-packages", path);
    assert_false(file_exists(file));
    (void)snprintf(file, sizeof(file), "%s/environment.json", path);
    must(file_read(file, &text, &err), &err);
    assert_string_equal(buf_text(&text), environment->description);
}

/* Installs a package whose setup.py does this; what became of it as a text. */
static void install(const char *name, const char *code, struct err *err)
{
    char requirement[64];
    AUTO_FREE char *path = NULL;
    *err = ERR_INIT;
    run_python(make_source, name, code);
    (void)snprintf(requirement, sizeof(requirement), "%s==1.0\n", name);
    (void)!layers_get(layers, environment, slice_str(requirement), "uid:1", &path, err);
    expect_nothing_unfinished();
}

static void contained(const char *name, const char *code, const char *words)
{
    struct err err;
    install(name, code, &err);
    if (err.kind != ERR_APP || strstr(err.message, words) == NULL)
        fail_msg("%s: '%s' expected, found: %s", name, words, err.message);
}

static bool has_cgroups(void)
{
    return geteuid() == 0 && (file_exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") ||
                              file_exists("/sys/fs/cgroup/cgroup.controllers"));
}

/* A package of source can be installed at all, or the tests below would show nothing. */
static void source_test(void **state)
{
    struct err err;
    install("good", "print('hello')", &err);
    if (err.kind != ERR_NONE)
        fail_msg("%s", err.message);
}

static void fills_memory_test(void **state)
{
#define FILL(path) "f = open('" path "', 'wb')\nwhile True: f.write(bytes(1 << 20))"
    contained("filltmp", FILL("/tmp/x"), "fills its /tmp");
    contained("fillshm", FILL("/dev/shm/x"), "/dev/shm");
    contained("filldev", FILL("/dev/x"), "Read-only file system");
    contained("fillroot", FILL("/x"), "Read-only file system");
    if (!has_cgroups()) {
        print_message("SKIP: no cgroups: memory and processes of a build\n");
        return;
    }
    contained("eater", "a = []\nwhile True: a.append(bytearray(1 << 20))",
              "more than 536870912 bytes of memory (limits.build_memory)");
    contained("forker", "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(100)",
              "more than 64 processes");
}

static void fills_disk_test(void **state)
{
    contained("filler",
              "import time\nfor i in range(100): open(f'/out/{i}', 'wb').write(bytes(1 << 20))\n"
              "time.sleep(60)",
              "more than 67108864 bytes (limits.build_disk)");
}

/* What has no name, or one that is too long to be looked at, is on the disk all the same. */
static void hides_test(void **state)
{
    if (has_cgroups()) {
        contained("nameless",
                  "import os, time\nfd = os.open('/out/x', os.O_CREAT | os.O_RDWR)\n"
                  "os.unlink('/out/x')\nfor i in range(100): os.write(fd, bytes(1 << 20))\n"
                  "time.sleep(60)",
                  "more than 67108864 bytes (limits.build_disk)");
        contained(
            "mapped",
            "import mmap, os, time\nfd = os.open('/out/x', os.O_CREAT | os.O_RDWR)\n"
            "os.unlink('/out/x')\nos.ftruncate(fd, 100 << 20)\n"
            "m = mmap.mmap(fd, 100 << 20)\n"
            "fd = os.close(fd)\nfor i in range(100): m[i << 20:i + 1 << 20] = b'x' * (1 << 20)\n"
            "m.flush()\ntime.sleep(60)",
            "more than 67108864 bytes (limits.build_disk)");
    }
    contained("deep",
              "import os, time\nos.chdir('/out')\nfor i in range(40):\n"
              "    os.mkdir('x' * 200)\n    os.chdir('x' * 200)\n"
              "for i in range(100): open(str(i), 'wb').write(bytes(1 << 20))\ntime.sleep(60)",
              "cannot be looked into");
}

/* Whatever a build hides its bytes from: the node keeps its reserve. */
static void reserve_test(void **state)
{
    struct statvfs disk;
    assert_int_equal(statvfs(folder, &disk), 0);
    const int64_t left = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    config.limits.disk_reserve_bytes = left - (256 << 20);
    contained("passer", /* it holds one file at a time, the others are on their way to itself */
              "import os, socket, time\na, b = socket.socketpair()\n"
              "for i in range(12):\n"
              "    fd = os.open('/out/x', os.O_CREAT | os.O_RDWR)\n    os.unlink('/out/x')\n"
              "    for i in range(40): os.write(fd, bytes(1 << 20))\n"
              "    socket.send_fds(a, [b'x'], [fd])\n    os.close(fd)\ntime.sleep(60)",
              "(limits.disk_reserve)");
}

/* Neither a listener of the host's, nor anything of msed's environment that is not pip's. */
static void out_of_reach_test(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    char code[512];
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    AUTO_CLOSE int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(code, sizeof(code),
                   "import socket\n"
                   "for host in ('127.0.0.1', '10.213.0.2', '169.254.169.254', '%s'):\n"
                   "    try: socket.create_connection((host, %u), 3)\n"
                   "    except OSError: continue\n"
                   "    raise SystemExit('reached ' + host)\n",
                   address_of_host(), ntohs(address.sin_port));
    struct err err;
    install("caller", code, &err);
    if (err.kind != ERR_NONE)
        fail_msg("%s", err.message);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(setenv("PIP_CLIENT_CERT", "/of/the/operator", 1), 0);
    assert_int_equal(setenv("SECRET_OF_THE_NODE", "x", 1), 0);
    install("reader",
            "import os\n"
            "for name in ('PIP_CLIENT_CERT', 'SECRET_OF_THE_NODE'):\n"
            "    if name in os.environ: raise SystemExit('sees ' + name)\n",
            &err);
    assert_int_equal(unsetenv("PIP_CLIENT_CERT"), 0);
    assert_int_equal(unsetenv("SECRET_OF_THE_NODE"), 0);
    if (err.kind != ERR_NONE)
        fail_msg("%s", err.message);
}

/* Where an address of the operator's holds a password, nothing runs that could read it. */
static void password_test(void **state)
{
    assert_int_equal(setenv("PIP_EXTRA_INDEX_URL", "https://user:password@localhost/simple", 1), 0);
    contained("curious", "raise SystemExit('it runs')", "No matching distribution");
    assert_int_equal(unsetenv("PIP_EXTRA_INDEX_URL"), 0);
}

static int start(void **state)
{
    struct err err = ERR_INIT;
    return crypto_init(&err);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name##_test, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(built_once),     TEST(base),         TEST(failure),
                                       TEST(nothing_needed), TEST(source),       TEST(fills_memory),
                                       TEST(fills_disk),     TEST(out_of_reach), TEST(hides),
                                       TEST(reserve),        TEST(password),     TEST(room),
                                       TEST(share)};
    return cmocka_run_group_tests_name("layers", tests, start, NULL);
}
