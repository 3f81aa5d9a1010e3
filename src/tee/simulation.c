// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated TEE as the enclave sees it: a socket on which the supervisor answers. Runs inside
 * the enclave. It protects nothing from the operator; it exists so that every step of a deployment
 * runs on any machine.
 */
#include "tee/tee.h"

#include "base/fd.h"
#include "base/reader.h"
#include "model/simulation_protocol.h"
#include "tee/platform.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

static bool present(void)
{
    return tee_path_exists(SIMULATION_SOCKET);
}

static int connect_device(int *ret, struct err *err)
{
    const struct timeval timeout = {.tv_sec = SIMULATION_TIMEOUT_MS / 1000};
    AUTO_FREE char *path = tee_path(SIMULATION_SOCKET, err);
    AUTO_CLOSE int fd = -1;
    if (path == NULL)
        return -1;
    if (unix_connect(path, &fd, err) < 0)
        return FAIL_CONTEXT(err, "simulated TEE");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return FAIL_ERRNO(err, ERR_IO, "simulated TEE: cannot set a time limit");
    *ret = fd_steal(&fd);
    return 0;
}

/* Reads the answer's body to `out`; an answer that says no becomes an error. */
static int read_answer(int fd, struct buf *out, struct err *err)
{
    uint8_t head[SIMULATION_LENGTH_SIZE + 1];
    size_t len = 0;
    uint32_t size = 0;
    uint8_t status = 0;
    if (fd_read_full(fd, head, sizeof(head), &len, err) < 0)
        return -1;
    struct reader in = reader_of(slice_of(head, len), "answer of the simulated TEE");
    if (reader_u32be(&in, "length", &size, err) < 0 || reader_u8(&in, "status", &status, err) < 0)
        return -1;
    if (size < 1 || size > SIMULATION_MESSAGE_MAX)
        return FAIL(err, ERR_INVALID, "answer of the simulated TEE: length %u, expected 1 to %d",
                    size, SIMULATION_MESSAGE_MAX);
    uint8_t *to = buf_reserve(out, size - 1, err);
    if (to == NULL || fd_read_full(fd, to, size - 1, &len, err) < 0)
        return -1;
    if (len != size - 1)
        return FAIL(err, ERR_INVALID, "truncated: answer of the simulated TEE");
    out->len += len;
    if (status == SIMULATION_STATUS_OK)
        return 0;
    AUTO_BUF struct buf text = BUF_INIT(SIMULATION_MESSAGE_MAX);
    if (buf_bytes(&text, buf_slice(out), err) < 0)
        return -1;
    return FAIL(err, ERR_FORBIDDEN, "the simulated TEE refused: %s", buf_text(&text));
}

static int ask(struct slice request, struct buf *out, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf message = BUF_INIT(SIMULATION_MESSAGE_MAX);
    if (buf_u32be(&message, (uint32_t)request.len, err) < 0 ||
        buf_bytes(&message, request, err) < 0 || connect_device(&fd, err) < 0)
        return -1;
    if (fd_write_all(fd, buf_slice(&message), err) < 0 || read_answer(fd, out, err) < 0)
        return FAIL_CONTEXT(err, "simulated TEE");
    return 0;
}

static int evidence(const uint8_t report_data[static TEE_REPORT_DATA_SIZE], struct buf *out,
                    struct err *err)
{
    AUTO_BUF struct buf request = BUF_INIT(128);
    AUTO_BUF struct buf answer = BUF_INIT(SIMULATION_MESSAGE_MAX);
    if (buf_u8(&request, SIMULATION_REQUEST_EVIDENCE, err) < 0 ||
        buf_bytes(&request, slice_of(report_data, TEE_REPORT_DATA_SIZE), err) < 0 ||
        ask(buf_slice(&request), &answer, err) < 0)
        return -1;
    return buf_bytes(out, buf_slice(&answer), err);
}

static int sealing_key(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], uint32_t epoch,
                       struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf request = BUF_INIT(128);
    AUTO_BUF struct buf answer = BUF_INIT(SIMULATION_MESSAGE_MAX);
    if (buf_u8(&request, SIMULATION_REQUEST_SEALING_KEY, err) < 0 ||
        buf_bytes(&request, slice_of(fingerprint, TEE_FINGERPRINT_SIZE), err) < 0 ||
        buf_u32be(&request, epoch, err) < 0 || ask(buf_slice(&request), &answer, err) < 0)
        return -1;
    if (answer.len != TEE_SEALING_KEY_SIZE)
        return FAIL(err, ERR_INVALID, "simulated TEE: a key of %zu bytes, expected %d", answer.len,
                    TEE_SEALING_KEY_SIZE);
    return secret_copy(ret, buf_slice(&answer), err);
}

const struct tee tee_simulation = {
    .name = "simulation",
    .evidence_format = RATLS_SIMULATION,
    .present = present,
    .evidence = evidence,
    .sealing_key = sealing_key,
};
