// SPDX-License-Identifier: Apache-2.0
/*
 * The node's half of the simulated TEE: the node's software root, and the device that answers one
 * enclave's requests with it. Everything here is in the operator's hands: it protects nothing.
 */
#pragma once

#include "base/buf.h"
#include "crypto/crypto.h"
#include "model/evidence.h"

#include <stdbool.h>

enum { SIMULATION_ROOT_SIZE = 32 };

/* Writes a new random root to a file (mode 0600). ERR_EXISTS where there is one. */
int simulation_root_create(const char *path, struct err *err) MUST_USE;
/* Reads it. Errors: NOT_FOUND, FORBIDDEN (others may read the file), INVALID (wrong size). */
int simulation_root_load(const char *path, struct secret *ret, struct err *err) MUST_USE;
/* The Ed25519 public key that stands in this root's evidence. */
int simulation_root_public_key(const struct secret *root,
                               uint8_t ret[static EVIDENCE_PUBLIC_KEY_SIZE],
                               struct err *err) MUST_USE;

struct simulation_device {
    struct secret root; /* owned */
    uint8_t fingerprint[EVIDENCE_FINGERPRINT_SIZE];
    bool debug; /* say "debug" in evidence */
};

/* Takes a copy of the root; _done wipes it. */
int simulation_device_init(struct simulation_device *device, const struct secret *root,
                           const uint8_t fingerprint[static EVIDENCE_FINGERPRINT_SIZE],
                           struct err *err) MUST_USE;
void simulation_device_done(struct simulation_device *device);

/* Appends signed evidence over the report data. */
int simulation_device_evidence(const struct simulation_device *device,
                               const uint8_t report_data[static EVIDENCE_REPORT_DATA_SIZE],
                               struct buf *out, struct err *err) MUST_USE;
/* HKDF-SHA-256(root, info = "sealing key" | epoch | fingerprint), 32 bytes. */
int simulation_device_sealing_key(const struct simulation_device *device, uint32_t epoch,
                                  struct secret *ret, struct err *err) MUST_USE;
/* One request (without its length) to one answer (with its length); what is wrong with the request
 * goes into the answer. Fails only when the answer cannot be made. */
int simulation_device_answer(const struct simulation_device *device, struct slice request,
                             struct buf *out, struct err *err) MUST_USE;
/* Accepts connections one after another and answers each once, until stop_fd becomes readable. Made
 * for a thread of its own: a silent client holds it up for SIMULATION_TIMEOUT_MS at most. */
void simulation_device_serve(const struct simulation_device *device, int listen_fd, int stop_fd);
