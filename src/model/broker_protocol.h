// SPDX-License-Identifier: Apache-2.0
/*
 * What mse-enclave asks pid 1 of a confidential VM, which keeps the TEE's devices and the disks,
 * over the socket pair (SOCK_SEQPACKET) whose end is descriptor BROKER_FD of mse-enclave: one
 * packet a request, one packet an answer, integers big-endian.
 *
 *     request:  u8 kind | body
 *       evidence     report data (64)
 *       sealing key  fingerprint (32)
 *       name         nothing
 *       storage      key (32): mounts the storage on the plain folder; once
 *       end of keys  nothing: from here on sealing key and storage are refused
 *     answer:   u8 status | body
 *       0  evidence, the hardware's key for this guest (32), the TEE's name, nothing,
 *          nothing
 *       1  text that says why not
 *
 * The app runs in mse-enclave's process: whatever the enclave may ask after the app was started,
 * the app may ask too. So mse-enclave ends the time of keys before that.
 */
#pragma once

enum {
    BROKER_FD = 5, /* after those of model/sandbox_layout.h */
    BROKER_REQUEST_EVIDENCE = 1,
    BROKER_REQUEST_SEALING_KEY = 2,
    BROKER_REQUEST_NAME = 3,
    BROKER_REQUEST_STORAGE = 4,
    BROKER_REQUEST_END_OF_KEYS = 5,
    BROKER_STATUS_OK = 0,
    BROKER_STATUS_ERROR = 1,
    BROKER_REQUEST_MAX = 128,
    BROKER_ANSWER_MAX = 64 * 1024,
    BROKER_KEY_SIZE = 32,
    BROKER_REPORT_DATA_SIZE = 64,
    BROKER_TIMEOUT_MS = 120 * 1000, /* for an answer; the first mount makes a file system */
};
