// SPDX-License-Identifier: Apache-2.0
/*
 * What the enclave keeps for itself over restarts: its TLS identity, and what its owner
 * provisioned. The storage under it encrypts, but whoever holds the disk can put one file's cipher
 * text in another's place, or an older one, so each file here is a box of its own: sealed under a
 * key that the TEE gives to this identity, with format, name, fingerprint and epoch as associated
 * data. Runs in the enclave, before the app; the key is wiped before the app is imported.
 */
#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define STATE_FORMAT "mse sealed state, version 1\n"

int enclave_associate(const struct enclave *enclave, const char *format, const char *name,
                      struct buf *out, struct err *err)
{
    if (buf_str(out, format, err) < 0 || buf_str(out, name, err) < 0 ||
        buf_bytes(out, slice_of(enclave->fingerprint, SHA256_SIZE), err) < 0)
        return -1;
    return buf_u32be(out, (uint32_t)enclave->manifest.key_epoch, err);
}

static int fail_changed(const char *name, struct err *err)
{
    (void)FAIL(err, ERR_REJECTED,
               "the sealed state '%s' is not what this enclave wrote: exchanged, changed or cut by "
               "whoever holds the disk",
               name);
    err_hint(err, "stop the app, which destroys its storage, and deploy it again");
    return -1;
}

/* A link, a pipe or a folder in its place must be told from none at all, and wait for nobody. */
static int read_regular(const struct enclave_box *box, struct buf *out, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    struct stat info;
    if (fstatat(box->folder, box->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot look at it");
    if (!S_ISREG(info.st_mode) || info.st_size > (off_t)out->max)
        return FAIL(err, ERR_REJECTED, "it is no such file");
    if (fd_open_at(box->folder, box->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err) < 0)
        return -1;
    return fd_read_all(fd, out, err);
}

int enclave_box_read(const struct enclave_box *box, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf sealed = BUF_INIT(box->max);
    if (read_regular(box, &sealed, err) < 0)
        return -1;
    if (box_unseal(box->key->data, buf_slice(&sealed), box->with, out, err) == 0)
        return 0;
    if (err->kind == ERR_CRYPTO)
        err->kind = ERR_REJECTED;
    return -1;
}

int state_open(struct enclave *enclave, int folder, const struct secret *sealing, struct err *err)
{
    if (tee_purpose_key(sealing, "sealed state", &enclave->state_key, err) < 0)
        return -1;
    enclave->state_folder = folder;
    return 0;
}

void state_close(struct enclave *enclave)
{
    secret_done(&enclave->state_key);
    fd_close(fd_steal(&enclave->state_folder));
}

int state_read(const struct enclave *enclave, const char *name, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf with = BUF_INIT(256);
    struct err why = ERR_INIT;
    if (enclave_associate(enclave, STATE_FORMAT, name, &with, err) < 0)
        return FAIL_CONTEXT(err, "sealed state '%s'", name);
    const struct enclave_box box = {enclave->state_folder, name, &enclave->state_key,
                                    buf_slice(&with), STATE_FILE_MAX};
    if (enclave_box_read(&box, out, &why) == 0)
        return 0;
    if (why.kind == ERR_REJECTED)
        return fail_changed(name, err);
    *err = why;
    return FAIL_CONTEXT(err, "sealed state '%s'", name);
}

bool state_has(const struct enclave *enclave, const char *name)
{
    return faccessat(enclave->state_folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int state_write(const struct enclave *enclave, const char *name, struct slice bytes,
                struct err *err)
{
    AUTO_BUF struct buf sealed = BUF_INIT(STATE_FILE_MAX);
    AUTO_BUF struct buf with = BUF_INIT(256);
    AUTO_FREE char *path = str_printf(err, "/proc/self/fd/%d/%s", enclave->state_folder, name);
    if (path == NULL || enclave_associate(enclave, STATE_FORMAT, name, &with, err) < 0 ||
        box_seal(enclave->state_key.data, bytes, buf_slice(&with), &sealed, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&sealed), 0600, err);
}
