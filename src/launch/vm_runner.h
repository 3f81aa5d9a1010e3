// SPDX-License-Identifier: Apache-2.0
/*
 * What runs inside a VM's sandbox beside QEMU: it starts QEMU, leads connections from the app's
 * socket to the guest and the guest's questions to the simulated TEE, and passes on the wish to
 * stop. It sees TLS bytes and nothing secret. Internal to launch/.
 */
#pragma once

/* Where the launcher has put things in the sandbox, and descriptors in QEMU. */
#define VM_FOLDER "/run/mse/vm"
#define VM_IMAGE VM_FOLDER "/image"
#define VM_DISKS VM_FOLDER "/disks"
#define VM_STORAGE VM_FOLDER "/storage"

enum {
    VM_STATUS_FD = 3, /* SANDBOX_STATUS_FD */
    VM_LOG_FD = 7,
    VM_CONTROL_FD = 8,
    VM_TEE_FD = 9,
    VM_FORWARD_PORT = 8443, /* in the sandbox's own network */
    VM_CONNECTIONS_MAX = 1024,
};
