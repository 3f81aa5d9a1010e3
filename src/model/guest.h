// SPDX-License-Identifier: Apache-2.0
/*
 * What the launcher `vm` outside and mse-init, pid 1 inside, of a confidential VM know of each
 * other: names of files, disks and ports, words of the command line, addresses, the lines of the
 * control port. Only constants: mse-init is linked with nothing but libc. docs/vm.md has the
 * picture.
 *
 * Inside, everything that comes through a device is the host's word: a disk or a port is found by
 * its name and what is in it is checked.
 */
#pragma once

/* --- the folder of an image (docs/image.md) --- */

#define IMAGE_FILE_DESCRIPTION "image.json"
#define IMAGE_FILE_KERNEL "kernel"
#define IMAGE_FILE_INITRD "initrd"
#define IMAGE_FILE_ROOT "root"
#define IMAGE_FILE_FIRMWARE_SNP "firmware-snp.fd"
#define IMAGE_FILE_FIRMWARE_TDX "firmware-tdx.fd"

/* --- what the launcher starts, as far as SEV-SNP measures it (docs/measure.md) --- */

#define GUEST_SNP_CPU "EPYC-v4" /* QEMU's model of the processor */
enum {
    GUEST_VCPUS = 1,        /* with acpi=off no second one is found */
    GUEST_SEV_FEATURES = 1, /* SNP itself alone (measure/snp.h) */
};

/* --- words of the command line, each once; all of it is measured --- */

#define GUEST_WORD_ROOT "mse.root="     /* ROOT:BLOCKS:SALT of the disk GUEST_DISK_ROOT */
#define GUEST_WORD_MEMORY "mse.memory=" /* bytes; with a smaller MemTotal the guest stops */

/* --- disks: virtio-blk, by serial (at most 20 bytes) --- */

#define GUEST_DISK_ROOT "mse-root"   /* read-only: file system and hash tree */
#define GUEST_DISK_LAYER "mse-layer" /* read-only, optional: likewise, root in the manifest */
/* Read-only: the package as it was uploaded (model/package_format.h), then zeros. */
#define GUEST_DISK_PACKAGE "mse-package"
/* Read-only: u32 big-endian length, that many bytes of the environment's description (the bytes
 * whose SHA-256 is the manifest's environment digest), then zeros. */
#define GUEST_DISK_ENVIRONMENT "mse-environment"
#define GUEST_DISK_STORAGE "mse-storage" /* read and write: sealed storage */

enum {
    GUEST_BLOCK_SIZE = 4096, /* every disk has whole blocks of it */
    GUEST_ENVIRONMENT_MAX = 64 * 1024,
};

/* --- ports: virtio-serial, by name --- */

#define GUEST_PORT_STATUS "mse.status"   /* out: the enclave's status lines (JSON) */
#define GUEST_PORT_LOG "mse.log"         /* out: what the app and mse-init print */
#define GUEST_PORT_CONTROL "mse.control" /* in: the lines below */
/* Both ways, simulated TEE only: requests and answers of model/simulation_protocol.h, one after
 * another. On hardware a guest does not open it. */
#define GUEST_PORT_TEE "mse.tee"

/* A line of the control port ends with a newline; any other line is dropped. */
#define GUEST_CONTROL_STOP "{\"cmd\":\"stop\"}"
enum { GUEST_CONTROL_LINE_MAX = 128 };

/* --- network: QEMU's user-mode network, static addresses, no DHCP --- */

#define GUEST_ADDRESS "10.0.2.15"
#define GUEST_NETMASK "255.255.255.0"
#define GUEST_GATEWAY "10.0.2.2"
#define GUEST_DNS "10.0.2.3"
/* Where mse-enclave listens for TLS, each connection with a PROXY header before it. */
enum { GUEST_APP_PORT = 443 };
