// SPDX-License-Identifier: Apache-2.0
/*
 * The disks of a VM that hold no file system, and requests to pid 1's broker.
 */
#include "base/fd.h"
#include "base/file.h"
#include "guest/broker.h"
#include "guest/package_disk.h"
#include "model/broker_protocol.h"
#include "model/guest.h"
#include "model/manifest.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int echo(struct slice report_data, struct buf *out, struct err *err)
{
    return buf_bytes(out, report_data, err);
}

static int no_key(const uint8_t fingerprint[static SHA256_BYTES], struct buf *out, struct err *err)
{
    (void)fingerprint;
    (void)out;
    return FAIL(err, ERR_UNSUPPORTED, "none");
}

static int no_storage(struct slice key, struct err *err)
{
    return key.len == BROKER_KEY_SIZE ? 0 : FAIL(err, ERR_INTERNAL, "length");
}

static void ask_broker(struct slice request)
{
    static const uint8_t fingerprint[SHA256_BYTES];
    static const struct guest_tee tee = {.name = "none", .evidence = echo, .key = no_key};
    struct broker broker = {.tee = &tee, .fingerprint = fingerprint, .open_storage = no_storage};
    AUTO_BUF struct buf answer = BUF_INIT(BROKER_ANSWER_MAX);
    broker_answer(&broker, request, &answer);
    if (answer.len == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/mse-fuzz-XXXXXX";
    struct err err = ERR_INIT;
    AUTO_CLOSE int disk = memfd_create("disk", MFD_CLOEXEC);
    AUTO_BUF struct buf manifest = BUF_INIT(MANIFEST_MAX);
    AUTO_BUF struct buf environment = BUF_INIT(GUEST_ENVIRONMENT_MAX);
    if (disk < 0 || mkdtemp(folder) == NULL || write(disk, data, size) != (ssize_t)size)
        return 0;
    (void)lseek(disk, 0, SEEK_SET);
    (void)!package_disk_unpack(disk, folder, 1 << 16, &manifest, &err);
    (void)lseek(disk, 0, SEEK_SET);
    (void)!environment_disk_read(disk, &environment, &err);
    ask_broker(slice_of(data, size));
    (void)!folder_remove_tree(folder, &err);
    return 0;
}
