// SPDX-License-Identifier: Apache-2.0
/*
 * From secrets to a running app: the code is decrypted and checked against the commitment, the
 * secrets file is written, the app is imported and served. The code is opened once; after a restart
 * it is where it was, in sealed storage.
 */
#include "base/lock.h"
#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "package/package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Beside the code, in the same mount; gone once the code is opened. */
#define UNPACKED SANDBOX_MODULE "/.mse-unpacked"

enum { CODE_ITEMS_MAX = 1000000 };

/* --- code --- */

static int empty_folder(const char *path, struct err *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot open '%s'", path);
    int status = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && status == 0;
         entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        AUTO_FREE char *inner = path_join(path, entry->d_name, err);
        status = inner == NULL ? -1 : folder_remove_tree(inner, err);
    }
    (void)closedir(folder);
    return status;
}

/* The module folder is a mount point and stays: what was unpacked inside it moves up. */
static int move_contents(const char *from, const char *to, struct err *err)
{
    DIR *folder = opendir(from);
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot open '%s'", from);
    int status = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && status == 0;
         entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        AUTO_FREE char *old = path_join(from, entry->d_name, err);
        AUTO_FREE char *new = path_join(to, entry->d_name, err);
        if (old == NULL || new == NULL)
            status = -1;
        else if (rename(old, new) < 0)
            status = FAIL_ERRNO(err, ERR_IO, "cannot move '%s'", entry->d_name);
    }
    (void)closedir(folder);
    return status;
}

static int unpack(struct enclave *enclave, const char *unpacked, struct err *err)
{
    AUTO_CLOSE int archive = -1;
    if (fd_open(ENCLAVE_PACKAGE "/code.enc", O_RDONLY, 0, &archive, err) < 0)
        return -1;
    const struct package_keys keys = {secret_slice(&enclave->provisioned.code_key),
                                      secret_slice(&enclave->provisioned.salt)};
    const struct archive_limits limits = {
        .content_bytes = enclave->manifest.quota_bytes,
        .items = CODE_ITEMS_MAX,
    };
    return package_unpack(archive, &keys, enclave->manifest.code_commitment, &limits, unpacked,
                          err);
}

int open_code(struct enclave *enclave, struct err *err)
{
    AUTO_BUF struct buf marker = BUF_INIT(16);
    if (state_read(enclave, STATE_OPENED, &marker, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    err_clear(err);
    if (empty_folder(SANDBOX_MODULE, err) < 0 || unpack(enclave, UNPACKED, err) < 0 ||
        move_contents(UNPACKED, SANDBOX_MODULE, err) < 0 || folder_remove_tree(UNPACKED, err) < 0)
        return FAIL_CONTEXT(err, "opening the code");
    return state_write(enclave, STATE_OPENED, slice_str("1\n"), err);
}

/* --- secrets --- */

int open_secrets_file(struct enclave *enclave, struct err *err)
{
    const struct provisioned *provisioned = &enclave->provisioned;
    if (provisioned->has_secrets &&
        file_write_atomic(SANDBOX_SECRETS, secret_slice(&provisioned->secrets), 0400, err) < 0)
        return FAIL_CONTEXT(err, "secrets file");
    /* From here on nothing needs the sealed state or the keys: out of the app's reach. */
    provisioned_done(&enclave->provisioned);
    state_close(enclave);
    return 0;
}

/* --- app --- */

int open_app(struct enclave *enclave, struct err *err)
{
    static const char *const sites[] = {ENCLAVE_SITE};
    const struct serve_config config = {
        .module_path = SANDBOX_MODULE,
        .python_application = enclave->manifest.python_application,
        .site_folders = sites,
        .site_folder_count = file_exists(ENCLAVE_SITE) ? 1 : 0,
        .threads = (unsigned)enclave->manifest.server.threads,
        .queue = (unsigned)enclave->manifest.server.queue,
        .message_bytes = enclave->manifest.server.body_bytes,
        .rounds = true,
    };
    enclave->serve = serve_new(&config, err);
    if (enclave->serve == NULL)
        return -1;
    front_open(enclave->front, &(struct front_app){.handler = serve_handler(enclave->serve),
                                                   .context = serve_handler_context(enclave->serve),
                                                   .round_end = serve_round_end,
                                                   .rest_us = serve_rest_us});
    lock_acquire(&enclave->provision_lock);
    enclave->state_name = "running";
    lock_release(&enclave->provision_lock);
    return 0;
}
