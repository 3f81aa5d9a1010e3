// SPDX-License-Identifier: Apache-2.0
/*
 * Who listens behind a socket: this very program, another one, one that is gone, nobody that the
 * kernel names.
 */
#include "client/home_node.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/process.h"
#include "testing.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_un address_in(const struct temp_folder *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.60s/s", folder->path);
    return address;
}

static int listen_in(const struct temp_folder *folder)
{
    struct sockaddr_un address = address_in(folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static int connect_to(const struct temp_folder *folder)
{
    struct sockaddr_un address = address_in(folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void own_path(char text[static 4096])
{
    ssize_t len = readlink("/proc/self/exe", text, 4095);
    assert_true(len > 0);
    text[len] = '\0';
}

static void test_the_program_itself(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char program[4096];
    own_path(program);
    AUTO_CLOSE int listener = listen_in(&folder);
    (void)listener; /* stays open */
    AUTO_CLOSE int fd = connect_to(&folder);
    assert_true(listener != fd);
    OK(home_node_check(fd, program, &err));
    /* by another name: the file counts */
    char other[64];
    (void)snprintf(other, sizeof(other), "%.40s/other", folder.path);
    assert_int_equal(symlink(program, other), 0);
    OK(home_node_check(fd, other, &err));
}

static void test_another_program(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char program[4096];
    own_path(program);
    AUTO_CLOSE int listener = listen_in(&folder);
    (void)listener; /* stays open */
    AUTO_CLOSE int fd = connect_to(&folder);
    assert_true(listener != fd);
    FAILS(ERR_FORBIDDEN, "is '/", home_node_check(fd, "/bin/sh", &err));
    FAILS(ERR_FORBIDDEN, "not '/no/such/msed'", home_node_check(fd, "/no/such/msed", &err));
}

/* The copy runs; then the file at its path is replaced, as an upgrade does. */
static void test_a_replaced_program(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char program[64];
    char script[512];
    struct sockaddr_un address = address_in(&folder);
    (void)snprintf(program, sizeof(program), "%.40s/python", folder.path);
    (void)snprintf(script, sizeof(script), "cp -L /usr/bin/python3 %s", program);
    const char *copy[] = {"sh", "-c", script, NULL};
    AUTO_BUF struct buf out = BUF_INIT(4096);
    int status = 0;
    const struct process_spec copying = {.argv = copy};
    OK(process_run(&copying, slice_of(NULL, 0), &out, &out, 10000, &status, &err));
    char code[512];
    (void)snprintf(code, sizeof(code),
                   "import socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind('%.80s')\n"
                   "s.listen()\ntime.sleep(60)\n",
                   address.sun_path);
    const char *argv[] = {program, "-c", code, NULL};
    const struct process_spec spec = {.argv = argv, .die_with_parent = true};
    pid_t pid = 0;
    OK(process_start(&spec, &pid, &err));
    int fd = -1;
    for (int i = 0; i < 500 && fd < 0; i++) {
        if (unix_connect(address.sun_path, &fd, NULL) < 0)
            (void)usleep(10000);
    }
    assert_true(fd >= 0);
    OK(home_node_check(fd, program, &err));
    assert_int_equal(unlink(program), 0);
    OK(home_node_check(fd, program, &err)); /* nothing is there yet */
    assert_int_equal(symlink("/bin/sh", program), 0);
    OK(home_node_check(fd, program, &err)); /* the newer one */
    FAILS(ERR_FORBIDDEN, "(deleted)", home_node_check(fd, "/bin/sh", &err));
    process_stop(pid, 0);
    FAILS(ERR_FORBIDDEN, "", home_node_check(fd, program, &err));
    fd_close(fd);
}

/* Whoever called listen() counts, and is gone: its number proves nothing. */
static void test_a_listener_that_is_gone(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char program[4096];
    own_path(program);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)listen_in(&folder);
        pid_t heir = fork();
        if (heir == 0) /* keeps the socket open */
            (void)sleep(60);
        _exit(write(ready[1], &heir, sizeof(heir)) < 0);
    }
    pid_t heir = 0;
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(read(ready[0], &heir, sizeof(heir)), sizeof(heir));
    AUTO_CLOSE int fd = connect_to(&folder);
    FAILS(ERR_FORBIDDEN, "", home_node_check(fd, program, &err));
    assert_true(heir > 0);
    assert_int_equal(kill(heir, SIGKILL), 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void test_what_has_no_process(void **state)
{
    char program[4096];
    own_path(program);
    AUTO_CLOSE int listener = socket(AF_INET, SOCK_STREAM, 0);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    FAILS(ERR_FORBIDDEN, "", home_node_check(fd, program, &err));
    FAILS(ERR_FORBIDDEN, "", home_node_check(-1, program, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_program_itself),  cmocka_unit_test(test_another_program),
        cmocka_unit_test(test_a_replaced_program),  cmocka_unit_test(test_a_listener_that_is_gone),
        cmocka_unit_test(test_what_has_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
