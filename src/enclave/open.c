// SPDX-License-Identifier: Apache-2.0
/*
 * From secrets to a running app: the code is decrypted and checked against the commitment, the
 * secrets file is written, the app is imported and served. At every start the code comes from the
 * package and lies in memory: nothing that was kept says what it is, or that it was checked.
 */
#include "base/lock.h"
#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"
#include "package/package.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { CODE_ITEMS_MAX = 1000000, MIB = 1 << 20 };

/* --- code --- */

/* It lies in memory, of which the app needs some too. */
static int check_size(const struct enclave *enclave, int archive, struct err *err)
{
    struct stat info;
    uint64_t most = manifest_code_max(&enclave->manifest);
    if (fstat(archive, &info) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at the encrypted code");
    if ((uint64_t)info.st_size <= most)
        return 0;
    (void)FAIL(err, ERR_TOO_LARGE,
               "the code is %llu MiB and lies in memory, of whose %llu MiB it may take %llu",
               (unsigned long long)info.st_size / MIB,
               (unsigned long long)enclave->manifest.memory_bytes / MIB,
               (unsigned long long)most / MIB);
    err_hint(err, "choose a resource with more memory, or keep large files in the app's storage");
    return -1;
}

static int unpack(struct enclave *enclave, struct err *err)
{
    AUTO_CLOSE int archive = -1;
    AUTO_FREE char *to =
        str_printf(err, "/proc/self/fd/%d/" ENCLAVE_CODE_NAME, enclave->code_folder);
    if (to == NULL || fd_open(SANDBOX_PACKAGE "/code.enc", O_RDONLY, 0, &archive, err) < 0 ||
        check_size(enclave, archive, err) < 0)
        return -1;
    const struct package_keys keys = {.key = secret_slice(&enclave->provisioned.code_key),
                                      .salt = secret_slice(&enclave->provisioned.salt)};
    const struct archive_limits limits = {
        .content_bytes = manifest_code_max(&enclave->manifest),
        .items = CODE_ITEMS_MAX,
    };
    return package_unpack(archive, &keys, enclave->manifest.code_commitment, &limits, to, err);
}

int open_code(struct enclave *enclave, struct err *err)
{
    if (unpack(enclave, err) < 0 || seed_data(enclave, err) < 0)
        return FAIL_CONTEXT(err, "opening the code");
    fd_close(fd_steal(&enclave->code_folder)); /* nothing can write there any more */
    return 0;
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
        .code_path = ENCLAVE_CODE,
        .python_application = enclave->manifest.python_application,
        .release_command = release_is_due(enclave) ? enclave->manifest.release_command : NULL,
        .released = release_is_done,
        .release_context = enclave,
        .site_folders = sites,
        .site_folder_count = file_exists(ENCLAVE_SITE) ? 1 : 0,
        .threads = (unsigned)enclave->manifest.server.threads,
        .queue = (unsigned)enclave->manifest.server.queue,
        .message_bytes = enclave->manifest.server.body_bytes,
        .messages_bytes = enclave->manifest.memory_bytes / ENCLAVE_HELD_SHARE,
        .watchdog_ms = (unsigned)enclave->manifest.server.watchdog_ms,
        .timeout_ms = (unsigned)enclave->manifest.server.request_timeout_ms,
        .stuck = report_stuck,
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
