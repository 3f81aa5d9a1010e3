// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated TEE end to end over its socket: evidence that verifies under the root, keys that
 * depend on each of root, fingerprint and epoch, and a device that survives every bad request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "launch/simulation_device.h"
#include "model/simulation_protocol.h"
#include "tee/platform.h"
#include "tee/tee.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    char root_path[96];
    struct secret root;
    struct simulation_device device;
    int listen_fd;
    int stop[2];
    pthread_t thread;
};

static const uint8_t fingerprint[32] = {1, 2, 3};
static const uint8_t report_data[64] = {9, 8, 7};

static void *serve(void *argument)
{
    struct fixture *fixture = argument;
    simulation_device_serve(&fixture->device, fixture->listen_fd, fixture->stop[0]);
    return NULL;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct err err = ERR_INIT;
    fixture = (struct fixture){.folder = "/tmp/mse-tee-XXXXXX"};
    assert_non_null(mkdtemp(fixture.folder));
    (void)snprintf(fixture.root_path, sizeof(fixture.root_path), "%s/root", fixture.folder);
    AUTO_FREE char *socket_path = str_printf(&err, "%s%s", fixture.folder, SIMULATION_SOCKET);
    AUTO_FREE char *socket_folder = path_folder(socket_path, &err);
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(folder_create_all(socket_folder, 0700, &err), 0);
    assert_int_equal(simulation_root_create(fixture.root_path, &err), 0);
    assert_int_equal(simulation_root_load(fixture.root_path, &fixture.root, &err), 0);
    assert_int_equal(simulation_device_init(&fixture.device, &fixture.root, fingerprint, &err), 0);
    assert_int_equal(unix_listen(socket_path, 0600, &fixture.listen_fd, &err), 0);
    assert_int_equal(fd_pipe(fixture.stop, &err), 0);
    assert_int_equal(pthread_create(&fixture.thread, NULL, serve, &fixture), 0);
    tee_platform.root = fixture.folder;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    fd_close(fixture->stop[1]);
    (void)pthread_join(fixture->thread, NULL);
    fd_close(fixture->stop[0]);
    fd_close(fixture->listen_fd);
    simulation_device_done(&fixture->device);
    secret_done(&fixture->root);
    tee_platform.root = "";
    assert_int_equal(folder_remove_tree(fixture->folder, &err), 0);
    return 0;
}

static void test_evidence(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct evidence evidence;
    uint8_t public_key[32];
    const struct tee *tee = NULL;
    AUTO_BUF struct buf out = BUF_INIT(TEE_EVIDENCE_MAX);
    AUTO_BUF struct buf message = BUF_INIT(1024);
    assert_int_equal(tee_detect(&tee, &err), 0);
    assert_string_equal(tee->name, "simulation");
    if (tee->evidence(report_data, &out, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(evidence_decode(buf_slice(&out), &evidence, &err), 0);
    assert_memory_equal(evidence.fingerprint, fingerprint, 32);
    assert_memory_equal(evidence.report_data, report_data, 64);
    assert_int_equal(evidence.flags, 0);
    assert_int_equal(simulation_root_public_key(&fixture->root, public_key, &err), 0);
    assert_memory_equal(evidence.root_public_key, public_key, 32);
    assert_int_equal(evidence_encode_tbs(&evidence, &message, &err), 0);
    assert_true(ed25519_verify(public_key, buf_slice(&message), evidence.signature));
    message.data[message.len - 1] ^= 1;
    assert_false(ed25519_verify(public_key, buf_slice(&message), evidence.signature));
}

static void test_sealing_key_over_the_socket(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    const uint8_t other[32] = {4};
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_SECRET struct secret direct = SECRET_INIT;
    AUTO_SECRET struct secret refused = SECRET_INIT;
    assert_int_equal(tee_simulation.sealing_key(fingerprint, 1, &key, &err), 0);
    assert_int_equal(simulation_device_sealing_key(&fixture->device, 1, &direct, &err), 0);
    assert_true(slice_equal(secret_slice(&key), secret_slice(&direct)));
    assert_int_equal(tee_simulation.sealing_key(other, 1, &refused, &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    assert_null(refused.data);
}

static void sealing_key_of(const struct secret *root, const uint8_t *print, uint32_t epoch,
                           struct secret *ret)
{
    struct err err = ERR_INIT;
    struct simulation_device device;
    assert_int_equal(simulation_device_init(&device, root, print, &err), 0);
    assert_int_equal(simulation_device_sealing_key(&device, epoch, ret, &err), 0);
    simulation_device_done(&device);
}

static void test_key_depends_on_everything(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    const uint8_t other[32] = {4};
    AUTO_SECRET struct secret other_root = SECRET_INIT;
    struct secret keys[5] = {0};
    assert_int_equal(secret_random(&other_root, SIMULATION_ROOT_SIZE, &err), 0);
    sealing_key_of(&fixture->root, fingerprint, 1, &keys[0]);
    sealing_key_of(&fixture->root, fingerprint, 2, &keys[1]);
    sealing_key_of(&fixture->root, other, 1, &keys[2]);
    sealing_key_of(&other_root, fingerprint, 1, &keys[3]);
    assert_int_equal(tee_purpose_key(&keys[0], "storage", &keys[4], &err), 0);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++)
            assert_false(slice_equal(secret_slice(&keys[i]), secret_slice(&keys[j])));
    }
    for (size_t i = 0; i < 5; i++)
        secret_done(&keys[i]);
}

static void send_raw(const struct fixture *fixture, struct slice bytes)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = str_printf(&err, "%s%s", fixture->folder, SIMULATION_SOCKET);
    AUTO_CLOSE int fd = -1;
    char byte;
    assert_int_equal(unix_connect(path, &fd, &err), 0);
    (void)send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    while (read(fd, &byte, 1) == 1)
        continue;
}

static void test_bad_requests_leave_it_working(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1};
    static const uint8_t empty[] = {0, 0, 0, 0};
    static const uint8_t unknown[] = {0, 0, 0, 1, 77};
    static const uint8_t truncated[] = {0, 0, 0, 65, 1, 2, 3};
    send_raw(fixture, slice_of(huge, sizeof(huge)));
    send_raw(fixture, slice_of(empty, sizeof(empty)));
    send_raw(fixture, slice_of(unknown, sizeof(unknown)));
    send_raw(fixture, slice_of(truncated, sizeof(truncated)));
    send_raw(fixture, slice_of(huge, 0));
    test_evidence(state);
}

static void test_root_file(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    AUTO_SECRET struct secret root = SECRET_INIT;
    struct stat info;
    assert_int_equal(stat(fixture->root_path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(simulation_root_create(fixture->root_path, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_int_equal(chmod(fixture->root_path, 0644), 0);
    assert_int_equal(simulation_root_load(fixture->root_path, &root, &err), -1);
    assert_int_equal(err.kind, ERR_FORBIDDEN);
    assert_int_equal(chmod(fixture->root_path, 0600), 0);
    assert_int_equal(truncate(fixture->root_path, 31), 0);
    assert_int_equal(simulation_root_load(fixture->root_path, &root, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void test_names(void **state)
{
    struct err err = ERR_INIT;
    const struct tee *tee = NULL;
    assert_int_equal(tee_by_name("simulation", &tee, &err), 0);
    assert_ptr_equal(tee, &tee_simulation);
    assert_int_equal(tee_by_name("nitro", &tee, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    tee_platform.root = "/nonexistent";
    assert_int_equal(tee_detect(&tee, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void test_evidence_says_the_same(void **state)
{
    (void)state;
    uint8_t a[1184] = {1, 2, 3};
    uint8_t b[1184] = {1, 2, 3};
    const struct slice first = slice_of(a, sizeof(a));
    struct slice second = slice_of(b, sizeof(b));
    b[0x150] = 7; /* the report's number */
    b[0x2a1] = 7; /* its signature */
    assert_true(tee_evidence_same(&tee_snp, first, second));
    assert_false(tee_evidence_same(&tee_simulation, first, second));
    b[0x180] = 7; /* the reported TCB */
    assert_false(tee_evidence_same(&tee_snp, first, second));
    second = slice_of(a, 0x100);
    assert_false(tee_evidence_same(&tee_snp, first, second));
    assert_false(tee_evidence_same(&tee_tdx, first, slice_of(a, 0)));
    assert_true(tee_evidence_same(&tee_simulation, first, first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_evidence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sealing_key_over_the_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_depends_on_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_requests_leave_it_working, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test(test_evidence_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
