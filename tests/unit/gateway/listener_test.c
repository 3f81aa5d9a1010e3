// SPDX-License-Identifier: Apache-2.0
/*
 * The Unix sockets between gateway and apps: made in place of what lies there, whatever the path's
 * length, for one user, with a queue that ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "gateway/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64];
static char *folder; /* longer than a socket's address may be */

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    (void)snprintf(base, sizeof(base), "/tmp/mse-listener-XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    folder = str_printf(&err, "%s/%0100d", base, 7);
    return folder == NULL ? -1 : folder_create(folder, 0700, &err);
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    free(folder);
    return folder_remove_tree(base, &err);
}

static char *path_of(const char *name)
{
    struct err err = ERR_INIT;
    char *path = path_join(folder, name, &err);
    assert_non_null(path);
    return path;
}

static void test_pair(void **state)
{
    struct err err = ERR_INIT;
    struct stat info;
    AUTO_CLOSE int listening = -1;
    AUTO_CLOSE int client = -1;
    AUTO_FREE char *path = path_of(APP_SOCKET);
    AUTO_FREE char *other = path_of("other");
    assert_int_equal(file_write_atomic(other, slice_str("kept"), 0600, &err), 0);
    assert_int_equal(symlink("other", path), 0);
    assert_int_equal(app_socket_listen(folder, APP_SOCKET, &listening, &err), 0);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(file_exists(other)); /* not followed */
    assert_int_equal(app_socket_connect(folder, APP_SOCKET, geteuid(), &client, &err), 0);
    AUTO_CLOSE int accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);
}

/* Who holds the old one serves nobody any more. */
static void test_made_anew(void **state)
{
    struct err err = ERR_INIT;
    AUTO_CLOSE int old = -1;
    AUTO_CLOSE int listening = -1;
    AUTO_CLOSE int client = -1;
    assert_int_equal(app_socket_listen(folder, APP_SOCKET, &old, &err), 0);
    assert_int_equal(app_socket_listen(folder, APP_SOCKET, &listening, &err), 0);
    assert_int_equal(app_socket_connect(folder, APP_SOCKET, geteuid(), &client, &err), 0);
    assert_int_equal(fd_set_nonblocking(old, true, &err), 0);
    assert_int_equal(accept(old, NULL, NULL), -1);
    AUTO_CLOSE int accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(app_socket_listen("/nonexistent", APP_SOCKET, &client, &err), -1);
}

static void test_queue_ends(void **state)
{
    struct err err = ERR_INIT;
    static int clients[APP_SOCKET_QUEUE + 16];
    AUTO_CLOSE int listening = -1;
    struct rlimit descriptors;
    size_t count = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
    descriptors.rlim_cur = descriptors.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
    if (descriptors.rlim_max < ARRAY_LEN(clients) + 32) {
        (void)printf("SKIP: too few descriptors are allowed\n");
        skip();
    }
    assert_int_equal(app_socket_listen(folder, APP_SOCKET, &listening, &err), 0);
    while (count < ARRAY_LEN(clients) &&
           app_socket_connect(folder, APP_SOCKET, geteuid(), &clients[count], &err) == 0)
        count++;
    assert_in_range(count, 1, APP_SOCKET_QUEUE + 1);
    assert_int_equal(err.kind, ERR_BUSY);
    for (size_t i = 0; i < count; i++)
        fd_close(clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue_ends, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
