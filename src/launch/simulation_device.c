// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated TEE's device: signs evidence and derives sealing keys from the node's software
 * root. Runs in the supervisor, on the untrusted host; stands for the hardware and is no
 * substitute. Requests come from an enclave whose app may be hostile to the node: each is read
 * with a bound and a deadline.
 */
#include "launch/simulation_device.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/reader.h"
#include "model/simulation_protocol.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#define KEY_SALT "mse simulation root, version 1"

int simulation_root_create(const char *path, struct err *err)
{
    AUTO_SECRET struct secret root = SECRET_INIT;
    if (secret_random(&root, SIMULATION_ROOT_SIZE, err) < 0)
        return -1;
    if (file_create_new(path, secret_slice(&root), 0600, err) < 0)
        return FAIL_CONTEXT(err, "simulation root");
    return 0;
}

static int check_private(const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                          "cannot look at the simulation root '%s'", path);
    if ((info.st_mode & 077) == 0)
        return 0;
    (void)FAIL(err, ERR_FORBIDDEN, "the simulation root '%s' has mode %04o, expected 0600", path,
               (unsigned)(info.st_mode & 07777));
    err_hint(err, "chmod 600 '%s'; who else may have read it can forge evidence of this node",
             path);
    return -1;
}

int simulation_root_load(const char *path, struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(SIMULATION_ROOT_SIZE + 1);
    if (check_private(path, err) < 0)
        return -1;
    if (file_read(path, &bytes, err) < 0)
        return FAIL_CONTEXT(err, "simulation root");
    if (bytes.len != SIMULATION_ROOT_SIZE)
        return FAIL(err, ERR_INVALID, "the simulation root '%s' has %zu bytes, expected %d", path,
                    bytes.len, SIMULATION_ROOT_SIZE);
    return secret_copy(ret, buf_slice(&bytes), err);
}

static int root_keypair(const struct secret *root, uint8_t public_key[static ED25519_PUBLIC_SIZE],
                        struct secret *ret, struct err *err)
{
    AUTO_SECRET struct secret seed = SECRET_INIT;
    if (secret_init(&seed, ED25519_SEED_SIZE, err) < 0)
        return -1;
    if (hkdf_sha256(secret_slice(root), slice_str(KEY_SALT), slice_str("evidence signing key"),
                    seed.data, seed.len, err) < 0)
        return -1;
    return ed25519_keypair_from_seed(seed.data, public_key, ret, err);
}

int simulation_root_public_key(const struct secret *root,
                               uint8_t ret[static EVIDENCE_PUBLIC_KEY_SIZE], struct err *err)
{
    AUTO_SECRET struct secret signing = SECRET_INIT;
    return root_keypair(root, ret, &signing, err);
}

int simulation_device_init(struct simulation_device *device, const struct secret *root,
                           const uint8_t fingerprint[static EVIDENCE_FINGERPRINT_SIZE],
                           struct err *err)
{
    *device = (struct simulation_device){.root = SECRET_INIT};
    memcpy(device->fingerprint, fingerprint, sizeof(device->fingerprint));
    return secret_copy(&device->root, secret_slice(root), err);
}

void simulation_device_done(struct simulation_device *device)
{
    secret_done(&device->root);
}

int simulation_device_evidence(const struct simulation_device *device,
                               const uint8_t report_data[static EVIDENCE_REPORT_DATA_SIZE],
                               struct buf *out, struct err *err)
{
    struct evidence evidence = {.flags = device->debug ? EVIDENCE_FLAG_DEBUG : 0};
    AUTO_SECRET struct secret signing = SECRET_INIT;
    AUTO_BUF struct buf message = BUF_INIT(EVIDENCE_TBS_SIZE + sizeof(EVIDENCE_SIGNING_PREFIX));
    memcpy(evidence.fingerprint, device->fingerprint, sizeof(evidence.fingerprint));
    memcpy(evidence.report_data, report_data, sizeof(evidence.report_data));
    if (root_keypair(&device->root, evidence.root_public_key, &signing, err) < 0)
        return -1;
    if (evidence_encode_tbs(&evidence, &message, err) < 0 ||
        ed25519_sign(&signing, buf_slice(&message), evidence.signature, err) < 0)
        return -1;
    return evidence_encode(&evidence, out, err);
}

int simulation_device_sealing_key(const struct simulation_device *device, uint32_t epoch,
                                  struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(128);
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (buf_str(&info, "sealing key", err) < 0 || buf_u32be(&info, epoch, err) < 0 ||
        buf_bytes(&info, slice_of(device->fingerprint, sizeof(device->fingerprint)), err) < 0)
        return -1;
    if (secret_init(&key, 32, err) < 0)
        return -1;
    if (hkdf_sha256(secret_slice(&device->root), slice_str(KEY_SALT), buf_slice(&info), key.data,
                    key.len, err) < 0)
        return -1;
    *ret = key;
    key = SECRET_INIT;
    return 0;
}

static int answer_evidence(const struct simulation_device *device, struct reader *in,
                           struct buf *out, struct err *err)
{
    uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE];
    if (reader_copy(in, "report data", report_data, sizeof(report_data), err) < 0 ||
        reader_end(in, err) < 0)
        return -1;
    return simulation_device_evidence(device, report_data, out, err);
}

static int answer_sealing_key(const struct simulation_device *device, struct reader *in,
                              struct buf *out, struct err *err)
{
    struct slice fingerprint;
    uint32_t epoch = 0;
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (reader_slice(in, "fingerprint", EVIDENCE_FINGERPRINT_SIZE, &fingerprint, err) < 0 ||
        reader_u32be(in, "epoch", &epoch, err) < 0 || reader_end(in, err) < 0)
        return -1;
    if (!slice_equal(fingerprint, slice_of(device->fingerprint, sizeof(device->fingerprint))))
        return FAIL(err, ERR_FORBIDDEN, "this fingerprint is not that of the app in this enclave");
    if (simulation_device_sealing_key(device, epoch, &key, err) < 0)
        return -1;
    return buf_bytes(out, secret_slice(&key), err);
}

static int answer_body(const struct simulation_device *device, struct slice request,
                       struct buf *out, struct err *err)
{
    struct reader in = reader_of(request, "request to the simulated TEE");
    uint8_t kind = 0;
    if (reader_u8(&in, "kind", &kind, err) < 0)
        return -1;
    if (kind == SIMULATION_REQUEST_EVIDENCE)
        return answer_evidence(device, &in, out, err);
    if (kind == SIMULATION_REQUEST_SEALING_KEY)
        return answer_sealing_key(device, &in, out, err);
    return FAIL(err, ERR_INVALID, "unknown kind of request %u", kind);
}

int simulation_device_answer(const struct simulation_device *device, struct slice request,
                             struct buf *out, struct err *err)
{
    struct err problem = ERR_INIT;
    AUTO_BUF struct buf body = BUF_INIT(SIMULATION_MESSAGE_MAX - 1);
    uint8_t status = SIMULATION_STATUS_OK;
    if (answer_body(device, request, &body, &problem) < 0) {
        buf_clear(&body);
        status = SIMULATION_STATUS_ERROR;
        if (buf_str(&body, problem.message, err) < 0)
            return -1;
    }
    if (buf_u32be(out, (uint32_t)body.len + 1, err) < 0 || buf_u8(out, status, err) < 0)
        return -1;
    return buf_bytes(out, buf_slice(&body), err);
}

static int serve_connection(const struct simulation_device *device, int fd, struct err *err)
{
    const struct timeval timeout = {.tv_sec = SIMULATION_TIMEOUT_MS / 1000};
    uint8_t head[SIMULATION_LENGTH_SIZE];
    uint8_t request[SIMULATION_MESSAGE_MAX];
    uint32_t size = 0;
    size_t len = 0;
    AUTO_BUF struct buf answer = BUF_INIT(SIMULATION_MESSAGE_MAX + SIMULATION_LENGTH_SIZE);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return FAIL_ERRNO(err, ERR_IO, "simulated TEE: cannot set a time limit");
    if (fd_read_full(fd, head, sizeof(head), &len, err) < 0)
        return -1;
    struct reader in = reader_of(slice_of(head, len), "request to the simulated TEE");
    if (reader_u32be(&in, "length", &size, err) < 0)
        return -1;
    if (size > sizeof(request))
        return FAIL(err, ERR_TOO_LARGE, "request to the simulated TEE of %u bytes", size);
    if (fd_read_full(fd, request, size, &len, err) < 0)
        return -1;
    if (simulation_device_answer(device, slice_of(request, len), &answer, err) < 0)
        return -1;
    return fd_write_all(fd, buf_slice(&answer), err);
}

void simulation_device_serve(const struct simulation_device *device, int listen_fd, int stop_fd)
{
    struct pollfd fds[] = {{.fd = listen_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    for (;;) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
            if (errno != EINTR)
                return;
            continue; /* what the entries say is of the time before */
        }
        if (fds[1].revents != 0)
            return;
        if ((fds[0].revents & POLLIN) == 0)
            continue;
        AUTO_CLOSE int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        struct err ignored = ERR_INIT; /* a client that fails is its own problem */
        if (fd >= 0 && serve_connection(device, fd, &ignored) < 0)
            continue;
    }
}
