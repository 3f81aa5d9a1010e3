// SPDX-License-Identifier: Apache-2.0
/*
 * The access log: a line for each request that is over, in one of three forms, written by a thread
 * of its own. Whoever appends never waits for the disk: what the writer cannot take in time is
 * dropped and counted.
 *
 * "common" and "combined" are Apache's; "json" is an object with time (RFC 3339), client, method,
 * path, query, protocol, status, bytes, duration_us, queue_us (until the handler began, null if it
 * did not), aborted (the client left or the app gave up), referer and user_agent. There is no
 * language to say others: whatever reads a line can choose from it.
 *
 * What a client sends is cut after ACCESS_VALUE_MAX bytes and escaped: quotation marks,
 * backslashes, control characters and everything beyond ASCII, so that it cannot end its place or
 * its line.
 */
#pragma once

#include "http/http.h"

enum {
    ACCESS_VALUE_MAX = 1024, /* bytes of one value in a line, escaped */
    ACCESS_LINE_MAX = 8192,
};

struct access_log;

struct access_log_config {
    const char *format; /* "common", "combined", "json" */
    const char *path;   /* a file, which becomes PATH.1 when it is full; NULL: fd */
    uint64_t max_bytes; /* of both files together */
    int fd;             /* not owned */
};

/* Starts the writer. Errors: INVALID (format), IO, MEMORY. */
int access_log_new(const struct access_log_config *config, struct access_log **ret,
                   struct err *err) MUST_USE;
/* Writes what is left and ends. NULL is accepted. */
void access_log_free(struct access_log *log);

struct access_record {
    const struct http_request *request; /* its texts may be empty: what could not be read */
    const char *client;
    int status;          /* 0: none was sent */
    uint64_t body_bytes; /* of the response, as the handler wrote them */
    int64_t duration_us;
    int64_t queue_us; /* -1: the handler did not begin */
    bool aborted;
};

/* [any thread] A copy into memory, under a lock that nobody holds for long. */
void access_log_append(struct access_log *log, const struct access_record *record);
/* [any thread] Lines that were lost: the writer was too slow, or could not write. */
uint64_t access_log_dropped(const struct access_log *log);
