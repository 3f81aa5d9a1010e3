// SPDX-License-Identifier: Apache-2.0
/*
 * What is different between the ways to start an enclave: where its TEE's device is, where it
 * listens, who mounts its storage, what must be hidden from the app. The table's order is the order
 * of asking.
 */
#include "enclave/enclave.h"

#include "storage/storage.h"
#include "tee/broker.h"

#include <sys/socket.h>

/* --- a sandbox of the launcher `process`: everything is a file that the launcher put there --- */

static bool always(void)
{
    return true;
}

static int mount_cipher(const struct secret *key, struct err *err)
{
    return storage_mount(key, SANDBOX_CIPHER, SANDBOX_PLAIN, err);
}

static int no_more(struct err *err)
{
    (void)err;
    return 0;
}

static const struct enclave_link sandbox = {
    .is_ours = always,
    .detect = tee_detect,
    .mount_storage = mount_cipher,
    .end_of_keys = no_more,
    .listen_family = AF_UNIX,
    .slots = SANDBOX_CIPHER,
    .hidden = {SANDBOX_PLAIN, SANDBOX_CIPHER, "/dev/fuse"},
};

/* --- a confidential VM: pid 1 keeps the TEE and the disks --- */

static const struct enclave_link guest = {
    .is_ours = tee_broker_present,
    .detect = tee_broker_detect,
    .mount_storage = tee_broker_storage,
    .end_of_keys = tee_broker_end_of_keys,
    .listen_family = AF_INET,
    .hidden = {SANDBOX_PLAIN, "/dev/fuse"},
};

static const struct enclave_link *const links[] = {&guest, &sandbox};

const struct enclave_link *link_find(void)
{
    for (size_t i = 0; i + 1 < ARRAY_LEN(links); i++) {
        if (links[i]->is_ours())
            return links[i];
    }
    return links[ARRAY_LEN(links) - 1];
}
