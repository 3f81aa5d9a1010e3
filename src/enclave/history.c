// SPDX-License-Identifier: Apache-2.0
/*
 * The openings of the storage, counted inside it: each start of the enclave is one more, on the
 * disk before anybody is answered (model/storage_history.h). A box under a key of its own from the
 * volume key, since the host can put another file's cipher text in its place, or a file's that the
 * app wrote. Runs before the servers of the mounts are forked; the key is wiped when it is done.
 */
#include "enclave/enclave.h"

#include "base/file.h"

#include <fcntl.h>

#define HISTORY_FORMAT "mse storage history, version 1\n"

enum { SEALED_MAX = STORAGE_HISTORY_MAX + 256 };

/* Bound to the app and its epoch, not to a version: with keep = "owner" others go on with it. */
static int associate(const struct enclave *enclave, struct buf *out, struct err *err)
{
    if (buf_str(out, HISTORY_FORMAT, err) < 0 || buf_str(out, enclave->manifest.id, err) < 0)
        return -1;
    return buf_u32be(out, (uint32_t)enclave->manifest.key_epoch, err);
}

static int fail_changed(struct err *err)
{
    (void)FAIL(err, ERR_REJECTED,
               "the history of the storage is not what this app wrote: exchanged, changed or cut "
               "by whoever holds the disk");
    err_hint(err, "stop the app, which destroys its storage, and deploy it again");
    return -1;
}

/* 0 with nothing in *ret: there is none, so the storage is new, or of before there were any. That
 * somebody has taken it away is noticed by who verifies: the count begins anew. */
static int read_history(const char *path, const struct secret *key, struct slice with,
                        struct storage_history *ret, struct err *err)
{
    AUTO_BUF struct buf plain = BUF_INIT(STORAGE_HISTORY_MAX);
    struct err why = ERR_INIT;
    const struct enclave_box box = {AT_FDCWD, path, key, with, SEALED_MAX};
    if (enclave_box_read(&box, &plain, &why) == 0)
        return storage_history_decode(buf_slice(&plain), ret, err);
    if (why.kind == ERR_NOT_FOUND)
        return 0;
    if (why.kind == ERR_REJECTED)
        return fail_changed(err);
    *err = why;
    return FAIL_CONTEXT(err, "history of the storage");
}

static int write_history(const char *path, const struct secret *key, struct slice with,
                         const struct storage_history *history, struct err *err)
{
    AUTO_BUF struct buf sealed = BUF_INIT(SEALED_MAX);
    AUTO_BUF struct buf plain = BUF_INIT(STORAGE_HISTORY_MAX);
    if (storage_history_encode(history, &plain, err) < 0 ||
        box_seal(key->data, buf_slice(&plain), with, &sealed, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&sealed), 0600, err);
}

static int advance(struct storage_history *history, struct err *err)
{
    AUTO_BUF struct buf message = BUF_INIT(256);
    uint8_t random[32];
    uint8_t head[SHA256_SIZE];
    if (random_bytes(random, sizeof(random), err) < 0 ||
        storage_history_next(history, random, &message, err) < 0 ||
        sha256(buf_slice(&message), head, err) < 0)
        return -1;
    storage_history_add(history, head);
    return 0;
}

int history_open(struct enclave *enclave, const char *path, struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_BUF struct buf with = BUF_INIT(256);
    if (tee_purpose_key(&enclave->volume_key, "history of the storage", &key, err) < 0 ||
        associate(enclave, &with, err) < 0 ||
        read_history(path, &key, buf_slice(&with), &enclave->history, err) < 0 ||
        advance(&enclave->history, err) < 0 ||
        write_history(path, &key, buf_slice(&with), &enclave->history, err) < 0)
        return -1;
    return 0;
}
