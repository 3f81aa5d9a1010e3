// SPDX-License-Identifier: Apache-2.0
/*
 * The access log: a line for each request that is over, in a format of the caller's, written by a
 * thread of its own. Whoever appends never waits for the disk: what the writer cannot take in time
 * is dropped and counted.
 *
 * A format is "common", "combined", "json", or a text with directives as Apache's LogFormat has
 * them:
 *
 *     %h  client's address          %m  method          %U  path         %q  "?" and query, or ""
 *     %r  request line              %H  protocol        %s  status (also %>s)
 *     %b  body bytes, "-" for 0     %B  body bytes      %t  [22/Nov/2026:20:51:33 +0000]
 *     %D  microseconds              %T  seconds         %{ms}T, %{us}T, %{iso}t (RFC 3339)
 *     %{queue}x  microseconds until the handler began, "-" if it did not
 *     %X  "X" the client left or the app gave up, else "+"
 *     %{Name}i  a request header    %l, %u  "-"         %%
 *
 * What a client sends is cut after ACCESS_VALUE_MAX bytes and escaped: quotation marks,
 * backslashes, control characters and everything beyond ASCII, so that it cannot end its place or
 * its line.
 */
#pragma once

#include "http/http.h"

enum {
    ACCESS_FORMAT_MAX = 256,
    ACCESS_VALUE_MAX = 1024, /* bytes of one value in a line, escaped */
    ACCESS_LINE_MAX = 8192,
};

struct access_log;

struct access_log_config {
    const char *format;
    const char *path;   /* a file, which becomes PATH.1 when it is full; NULL: fd */
    uint64_t max_bytes; /* of both files together */
    int fd;             /* not owned */
};

/* Errors: INVALID, with the directive and what there is. */
int access_log_check(const char *format, struct err *err) MUST_USE;

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
