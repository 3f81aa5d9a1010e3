// SPDX-License-Identifier: Apache-2.0
/*
 * The event log of a TDX guest (ACPI table CCEL): what extended the RTMRs, in order. The log is a
 * claim of the guest; folding its digests gives four values, and only where those are the quote's
 * does the log mean something. An event's data means something only where its digest is the hash of
 * it, which not every kind of event has.
 *
 * Sources: "TCG PC Client Platform Firmware Profile" 1.06, section 10 (TCG_PCR_EVENT,
 * TCG_PCR_EVENT2, TCG_EfiSpecIDEvent); UEFI 2.10, section 38.4 (registers 1 to 4 are RTMR0 to 3).
 */
#pragma once

#include "base/reader.h"
#include "measure/tdx.h"

enum { EVENT_LOG_MAX = 4 << 20, EVENT_ALGORITHMS_MAX = 8 };

/* Event types that are treated apart. */
enum { EVENT_NO_ACTION = 3 };

struct event_algorithm {
    uint16_t id;
    uint16_t size;
};

/* A log that is being read. */
struct event_log {
    struct reader in;
    struct event_algorithm algorithms[EVENT_ALGORITHMS_MAX];
    size_t algorithm_count;
};

struct event {
    uint32_t rtmr; /* 0 to 3 */
    uint32_t type;
    struct slice digest; /* SHA-384 */
    struct slice data;
};

/* Reads the log's head. The bytes must outlive *ret. Errors: INVALID, TOO_LARGE, UNSUPPORTED. */
int event_log_open(struct slice bytes, struct event_log *ret, struct err *err) MUST_USE;
/* The next event; *ret_more is false, and *ret untouched, behind the last one. Behind it a log may
 * be filled up with bytes of 0xff or of 0. Errors: INVALID, UNSUPPORTED. */
int event_log_next(struct event_log *log, struct event *ret, bool *ret_more,
                   struct err *err) MUST_USE;

/* Folds all events of a log. Errors: as above. */
int event_log_replay(struct slice bytes, uint8_t ret[static TDX_RTMR_COUNT][TDX_DIGEST_SIZE],
                     struct err *err) MUST_USE;
