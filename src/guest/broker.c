// SPDX-License-Identifier: Apache-2.0
/*
 * The broker: a process beside the app's world that holds the TEE's devices and opens the storage,
 * so that mse-enclave, and the app in it, have neither. It answers on one end of a socket pair, of
 * which mse-enclave has the other.
 */
#include "guest/broker.h"

#include "base/fd.h"
#include "base/reader.h"
#include "guest/storage.h"
#include "model/broker_protocol.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int give_evidence(struct broker *broker, struct reader *in, struct buf *out, struct err *err)
{
    struct slice report_data;
    if (reader_slice(in, "report data", BROKER_REPORT_DATA_SIZE, &report_data, err) < 0 ||
        reader_end(in, err) < 0)
        return -1;
    return broker->tee->evidence(report_data, out, err);
}

static int give_key(struct broker *broker, struct reader *in, struct buf *out, struct err *err)
{
    struct slice fingerprint;
    if (reader_slice(in, "fingerprint", SHA256_BYTES, &fingerprint, err) < 0 ||
        reader_end(in, err) < 0)
        return -1;
    if (!slice_equal(fingerprint, slice_of(broker->fingerprint, SHA256_BYTES)))
        return FAIL(err, ERR_FORBIDDEN, "this guest belongs to another fingerprint");
    if (broker->keys_ended)
        return FAIL(err, ERR_FORBIDDEN, "no key is given any more");
    return broker->tee->key(broker->fingerprint, out, err);
}

static int give_name(struct broker *broker, struct reader *in, struct buf *out, struct err *err)
{
    if (reader_end(in, err) < 0)
        return -1;
    return buf_str(out, broker->tee->name, err);
}

static int give_storage(struct broker *broker, struct reader *in, struct buf *out, struct err *err)
{
    (void)out;
    struct slice key;
    if (reader_slice(in, "key", BROKER_KEY_SIZE, &key, err) < 0 || reader_end(in, err) < 0)
        return -1;
    if (broker->storage_opened || broker->keys_ended)
        return FAIL(err, ERR_FORBIDDEN, "the storage is opened once");
    broker->storage_opened = true;
    return broker->open_storage(key, err);
}

static int end_of_keys(struct broker *broker, struct reader *in, struct buf *out, struct err *err)
{
    (void)out;
    broker->keys_ended = true;
    return reader_end(in, err);
}

static const struct {
    uint8_t kind;
    int (*answer)(struct broker *broker, struct reader *in, struct buf *out, struct err *err);
} requests[] = {
    {BROKER_REQUEST_EVIDENCE, give_evidence},  {BROKER_REQUEST_SEALING_KEY, give_key},
    {BROKER_REQUEST_NAME, give_name},          {BROKER_REQUEST_STORAGE, give_storage},
    {BROKER_REQUEST_END_OF_KEYS, end_of_keys},
};

static int answer_body(struct broker *broker, struct slice request, struct buf *out,
                       struct err *err)
{
    struct reader in = reader_of(request, "request to the broker");
    uint8_t kind = 0;
    if (reader_u8(&in, "kind", &kind, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (requests[i].kind == kind)
            return requests[i].answer(broker, &in, out, err);
    }
    return FAIL(err, ERR_UNSUPPORTED, "request to the broker: unknown kind %u", kind);
}

void broker_answer(struct broker *broker, struct slice request, struct buf *out)
{
    struct err err = ERR_INIT;
    struct err ignored = ERR_INIT;
    buf_clear(out);
    if (buf_u8(out, BROKER_STATUS_OK, &err) == 0 && answer_body(broker, request, out, &err) == 0)
        return;
    buf_clear(out);
    (void)!buf_u8(out, BROKER_STATUS_ERROR, &ignored);
    (void)!buf_str(out, err.message, &ignored);
}

/* --- the process --- */

static _Noreturn void serve(struct broker *broker, int socket)
{
    AUTO_BUF struct buf answer = BUF_INIT(BROKER_ANSWER_MAX);
    uint8_t request[BROKER_REQUEST_MAX];
    for (;;) {
        ssize_t len = recv(socket, request, sizeof(request), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            _exit(0); /* mse-enclave has ended */
        broker_answer(broker, slice_of(request, (size_t)len), &answer);
        (void)!send(socket, answer.data, answer.len, MSG_NOSIGNAL);
        mem_wipe(request, sizeof(request));
        buf_clear(&answer);
    }
}

int step_broker(struct guest *guest, struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket pair");
    pid_t pid = fork();
    if (pid < 0) {
        fd_close(pair[0]);
        fd_close(pair[1]);
        return FAIL_ERRNO(err, ERR_IO, "cannot start the broker");
    }
    if (pid == 0) {
        struct broker broker = {
            .tee = guest->tee, .fingerprint = guest->fingerprint, .open_storage = storage_open};
        fd_close(pair[1]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(&broker, pair[0]);
    }
    fd_close(pair[0]);
    guest->broker = pid;
    guest->broker_socket = pair[1];
    return 0;
}
