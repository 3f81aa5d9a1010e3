// SPDX-License-Identifier: Apache-2.0
/*
 * The TEE of a confidential VM as mse-enclave has it: pid 1 keeps the devices and answers over a
 * socket (model/broker_protocol.h). Which TEE it is, it says; whoever judges the evidence learns it
 * from there. Runs inside the enclave.
 */
#include "tee/broker.h"

#include "base/fd.h"
#include "base/lock.h"
#include "model/broker_protocol.h"
#include "tee/platform.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { NAME_SIZE = 16 };

static struct lock ask_lock = LOCK_INIT(LOCK_BROKER);

bool tee_broker_present(void)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(BROKER_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static int exchange(struct slice request, uint8_t *answer, size_t *ret_len, struct err *err)
{
    const struct timeval timeout = {.tv_sec = BROKER_TIMEOUT_MS / 1000};
    if (setsockopt(BROKER_FD, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        send(BROKER_FD, request.data, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        return FAIL_ERRNO(err, ERR_IO, "cannot ask");
    ssize_t len = recv(BROKER_FD, answer, BROKER_ANSWER_MAX, 0);
    if (len <= 0)
        return FAIL_ERRNO(err, ERR_IO, "no answer");
    *ret_len = (size_t)len;
    return 0;
}

/* One question at a time: packets carry no numbers. */
static int ask(struct slice request, struct buf *out, struct err *err)
{
    AUTO_FREE uint8_t *answer = mem_alloc(BROKER_ANSWER_MAX, err);
    size_t len = 0;
    if (answer == NULL)
        return -1;
    lock_acquire(&ask_lock);
    int status = exchange(request, answer, &len, err);
    lock_release(&ask_lock);
    if (status == 0 && answer[0] != BROKER_STATUS_OK)
        status = FAIL(err, ERR_FORBIDDEN, "%.*s", (int)len - 1, (const char *)answer + 1);
    if (status == 0)
        status = buf_bytes(out, slice_of(answer + 1, len - 1), err);
    mem_wipe(answer, BROKER_ANSWER_MAX);
    return status < 0 ? FAIL_CONTEXT(err, "pid 1") : 0;
}

static int ask_with(uint8_t kind, struct slice body, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf request = BUF_INIT(BROKER_REQUEST_MAX);
    if (buf_u8(&request, kind, err) < 0 || buf_bytes(&request, body, err) < 0)
        return -1;
    return ask(buf_slice(&request), out, err);
}

static int evidence(const uint8_t report_data[static TEE_REPORT_DATA_SIZE], struct buf *out,
                    struct err *err)
{
    return ask_with(BROKER_REQUEST_EVIDENCE, slice_of(report_data, TEE_REPORT_DATA_SIZE), out, err);
}

/* The hardware's key is this guest's alone; the epoch is mixed in here. */
static int sealing_key(const uint8_t fingerprint[static TEE_FINGERPRINT_SIZE], uint32_t epoch,
                       struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf key = BUF_INIT(BROKER_KEY_SIZE);
    if (ask_with(BROKER_REQUEST_SEALING_KEY, slice_of(fingerprint, TEE_FINGERPRINT_SIZE), &key,
                 err) < 0)
        return -1;
    if (key.len != BROKER_KEY_SIZE)
        return FAIL(err, ERR_INVALID, "pid 1: a key of %zu bytes, expected %d", key.len,
                    BROKER_KEY_SIZE);
    return tee_derive_sealing_key(buf_slice(&key), fingerprint, epoch, ret, err);
}

int tee_broker_storage(const struct secret *key, struct err *err)
{
    AUTO_BUF struct buf nothing = BUF_INIT(1);
    return ask_with(BROKER_REQUEST_STORAGE, secret_slice(key), &nothing, err);
}

int tee_broker_end_of_keys(struct err *err)
{
    AUTO_BUF struct buf nothing = BUF_INIT(1);
    return ask_with(BROKER_REQUEST_END_OF_KEYS, slice_of(NULL, 0), &nothing, err);
}

int tee_broker_detect(const struct tee **ret, struct err *err)
{
    static struct tee brokered;
    AUTO_BUF struct buf text = BUF_INIT(NAME_SIZE);
    const struct tee *named = NULL;
    if (ask_with(BROKER_REQUEST_NAME, slice_of(NULL, 0), &text, err) < 0 ||
        tee_by_name(buf_text(&text), &named, err) < 0)
        return -1;
    brokered = *named;
    brokered.present = tee_broker_present;
    brokered.evidence = evidence;
    brokered.sealing_key = sealing_key;
    *ret = &brokered;
    return 0;
}
