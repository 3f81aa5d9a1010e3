// SPDX-License-Identifier: Apache-2.0
/*
 * launch.json: everything that a supervisor needs to know about the enclave that it starts. Written
 * by msed into the app's run folder, read by `msed supervise` (docs/sandbox.md). One writer, one
 * reader, and yet parsed strictly: a supervisor may be older than the msed that restarts it.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>
#include <sys/types.h>

enum {
    LAUNCH_SPEC_FORMAT = 2,
    LAUNCH_SPEC_MAX = 64 * 1024,
    LAUNCH_PATH_MAX = 4096,
    LAUNCH_ID_SIZE = 37,
    LAUNCH_NAME_SIZE = 32,
    LAUNCH_FINGERPRINT_SIZE = 32,
    LAUNCH_GRACE_MS = 10000, /* from asking an enclave to end until it is killed */
};

#define LAUNCH_SPEC_FILE "launch.json"
/* An app's storage lies in its run folder under this name. */
#define LAUNCH_STORAGE "storage"

/* All paths are absolute. Texts are owned (launch_spec_done). */
struct launch_spec {
    char id[LAUNCH_ID_SIZE];         /* UUID of the app */
    char launcher[LAUNCH_NAME_SIZE]; /* "process", "vm" */
    char tee[LAUNCH_NAME_SIZE];      /* "simulation", "snp", "tdx" */
    char *package;                   /* folder: manifest.json, requirements.txt, code.enc, ... */
    char *enclave;                   /* the mse-enclave program */
    char *environment;               /* folder: site-packages, environment.json; NULL: none */
    char *image;                     /* folder of a VM's image; NULL: none */
    char *storage;                   /* backing of the sealed storage: an image file, or a folder */
    char *simulation_root;           /* file with the root of the simulated TEE */
    uint64_t quota_bytes;            /* of the sealed storage; 0: none */
    uint64_t memory_bytes;
    uint64_t tmp_bytes;  /* of /tmp, in memory and part of memory_bytes */
    uint64_t log_bytes;  /* kept on disk, in two files of half of it */
    uint32_t cpu_millis; /* thousandths of a processor */
    uint64_t io_bytes;   /* a second, read and written each; 0: no limit */
    uint32_t pids_max;   /* threads and processes */
    uint32_t hold;       /* 1: it waits for its owner also where it has sealed secrets */
    uint32_t key_epoch;
    uid_t uid; /* user of this app alone, when the node is root; else the node's own */
    gid_t gid;
    uint8_t fingerprint[LAUNCH_FINGERPRINT_SIZE];
};

#define AUTO_LAUNCH_SPEC __attribute__((cleanup(launch_spec_done)))

/* Appends the JSON text. Errors: INVALID (a path is not UTF-8), MEMORY. */
int launch_spec_encode(const struct launch_spec *spec, struct buf *out, struct err *err) MUST_USE;
/* *ret must be zeroed. Errors: INVALID with the member: unknown, missing, out of range, a path that
 * is not absolute; TOO_LARGE, MEMORY. */
int launch_spec_decode(struct slice text, struct launch_spec *ret, struct err *err) MUST_USE;
void launch_spec_done(struct launch_spec *spec);
