// SPDX-License-Identifier: Apache-2.0
/*
 * What the enclave and the simulated TEE say to each other over the Unix stream socket
 * SIMULATION_SOCKET: one request and one answer per connection, integers big-endian.
 *
 *     request:  u32 length of what follows | u8 kind | body
 *       kind 1  evidence:     report data (64)
 *       kind 2  sealing key:  fingerprint (32) | u32 epoch
 *     answer:   u32 length of what follows | u8 status | body
 *       status 0  body: the evidence (model/evidence.h), or the key (32)
 *       status 1  body: text that says why not
 *
 * The device knows by itself which app it belongs to; the fingerprint in a request for a key is
 * there only to be refused when it is another.
 */
#pragma once

#include "model/sandbox_layout.h"

#include <stdint.h>

#define SIMULATION_SOCKET_NAME "tee.sock"
#define SIMULATION_SOCKET SANDBOX_NODE "/" SIMULATION_SOCKET_NAME

enum {
    SIMULATION_REQUEST_EVIDENCE = 1,
    SIMULATION_REQUEST_SEALING_KEY = 2,
    SIMULATION_STATUS_OK = 0,
    SIMULATION_STATUS_ERROR = 1,
    SIMULATION_LENGTH_SIZE = 4,
    SIMULATION_MESSAGE_MAX = 1024, /* longest message, without its length */
    SIMULATION_TIMEOUT_MS = 10000, /* for either side to say the next byte */
};
