// SPDX-License-Identifier: Apache-2.0
/*
 * An http_exchange that is memory: a request with a body on one side, what was answered on the
 * other. Stands in for http/server in the tests of serve/. Included by one file per test program.
 */
#pragma once

#include "base/buf.h"
#include "http/http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { FAKE_MAX_HEADERS = 40, FAKE_MAX_TEXT = 8192, FAKE_MAX_BODY = 16 * 1024 * 1024 };

struct http_exchange {
    struct http_request request;
    struct http_header headers[FAKE_MAX_HEADERS];
    struct slice body;
    size_t body_at;
    size_t body_step;          /* bytes per read; 0: all that fit */
    enum err_kind body_error;  /* raised once the body is used up, instead of its end */
    enum err_kind write_error; /* raised by every write */
    size_t queued;             /* what every write reports */
    bool sends_files;          /* by itself, as over HTTP/1.1 without TLS */
    uint64_t owed;             /* see http_body_owed */
    bool body_stalls;          /* the first read finds nothing, the waiting one does */
    bool gone;                 /* the client, before anybody looked at the request */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *data;
    /* the answer */
    int status;
    char reason[128];
    char head[FAKE_MAX_TEXT]; /* "Name: value\n" ... */
    struct buf out;
    int64_t content_length; /* as announced; -1 chunked */
    bool started, ended, aborted, released, at_once;
    int parts;
    int lent;  /* bodies that were not copied */
    int begun; /* times that the handler began with it */
};

static inline void fake_init(struct http_exchange *fake, const char *method, const char *target)
{
    *fake = (struct http_exchange){.content_length = -2};
    const char *query = strchr(target, '?');
    fake->out = BUF_INIT(FAKE_MAX_BODY);
    fake->request = (struct http_request){
        .method = slice_str(method),
        .target = slice_str(target),
        .path = query == NULL ? slice_str(target) : slice_of(target, (size_t)(query - target)),
        .query = query == NULL ? slice_of(NULL, 0) : slice_str(query + 1),
        .version_major = 1,
        .version_minor = 1,
        .headers = fake->headers,
        .client_address = "192.0.2.7",
        .client_port = 4711,
    };
    (void)pthread_mutex_init(&fake->lock, NULL);
    (void)pthread_cond_init(&fake->changed, NULL);
}

static inline void fake_header(struct http_exchange *fake, const char *name, const char *value)
{
    fake->headers[fake->request.header_count++] =
        (struct http_header){slice_str(name), slice_str(value)};
}

static inline void fake_body(struct http_exchange *fake, struct slice body, bool with_length)
{
    fake->body = body;
    fake->request.has_body = true;
    fake->request.content_length = with_length ? (int64_t)body.len : -1;
}

/* As if none of the body had arrived yet. */
static inline void fake_hold_body(struct http_exchange *fake, bool hold)
{
    __atomic_store_n(&fake->body_stalls, hold, __ATOMIC_RELEASE);
}

static inline void fake_done(struct http_exchange *fake)
{
    buf_done(&fake->out);
    (void)pthread_cond_destroy(&fake->changed);
    (void)pthread_mutex_destroy(&fake->lock);
}

/* Until the handler has let go of it. Without a limit of its own: a test that gave up would leave
 * the app with an exchange on a stack frame that is gone. The test runner ends a hang. */
static inline void fake_wait(struct http_exchange *fake)
{
    pthread_mutex_lock(&fake->lock);
    while (!fake->released)
        (void)pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

/* The value of a response header, or NULL; valid until the next call. */
static inline const char *fake_response_header(const struct http_exchange *fake, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    for (const char *at = fake->head; *at != '\0'; at = strchr(at, '\n') + 1) {
        if (strncasecmp(at, name, len) != 0 || at[len] != ':')
            continue;
        const char *from = at + len + 2;
        (void)snprintf(value, sizeof(value), "%.*s", (int)(strchr(from, '\n') - from), from);
        return value;
    }
    return NULL;
}

static inline void fake_record_head(struct http_exchange *fake, int status, const char *reason,
                                    const struct http_header *headers, size_t count)
{
    size_t at = 0;
    fake->status = status;
    (void)snprintf(fake->reason, sizeof(fake->reason), "%s", reason == NULL ? "" : reason);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(fake->head + at, sizeof(fake->head) - at, "%.*s: %.*s\n",
                               (int)headers[i].name.len, headers[i].name.data,
                               (int)headers[i].value.len, headers[i].value.data);
    fake->started = true;
}

/* --- http/http.h --- */

const struct http_request *http_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

const struct http_header *http_request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (request->headers[i].name.len == strlen(name) &&
            strncasecmp((const char *)request->headers[i].name.data, name, strlen(name)) == 0)
            return &request->headers[i];
    }
    return NULL;
}

void http_set_data(struct http_exchange *exchange, void *data)
{
    exchange->data = data;
}

void *http_data(const struct http_exchange *exchange)
{
    return exchange->data;
}

size_t http_body_waiting(struct http_exchange *exchange, bool *ret_complete)
{
    *ret_complete = true;
    return exchange->body.len - exchange->body_at;
}

int http_body_read_wait(struct http_exchange *exchange, void *to, size_t size, size_t least,
                        size_t *ret_len, struct err *err)
{
    size_t left = exchange->body.len - exchange->body_at;
    if (left == 0 && exchange->body_error != ERR_NONE)
        return FAIL(err, exchange->body_error, "the test says so");
    size_t len = left < size ? left : size;
    if (exchange->body_step != 0 && len > exchange->body_step)
        len = exchange->body_step;
    if (len > 0)
        memcpy(to, exchange->body.data + exchange->body_at, len);
    exchange->body_at += len;
    *ret_len = len;
    return 0;
}

int http_body_read(struct http_exchange *exchange, void *to, size_t size, size_t *ret_len,
                   bool *ret_end, struct err *err)
{
    *ret_len = 0;
    *ret_end = false;
    if (__atomic_load_n(&exchange->body_stalls, __ATOMIC_ACQUIRE))
        return 0;
    if (http_body_read_wait(exchange, to, size, 1, ret_len, err) < 0)
        return -1;
    *ret_end = *ret_len == 0;
    return 0;
}

int http_response_check(int status, const char *reason, const struct http_header *headers,
                        size_t header_count, struct err *err)
{
    (void)reason;
    (void)headers;
    (void)header_count;
    return status >= 100 && status < 1000 ? 0 : FAIL(err, ERR_INVALID, "status %d", status);
}

int http_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
                 size_t header_count, struct slice body, struct err *err)
{
    if (exchange->write_error != ERR_NONE)
        return FAIL(err, exchange->write_error, "the test says so");
    fake_record_head(exchange, status, NULL, headers, header_count);
    exchange->content_length = (int64_t)body.len;
    exchange->at_once = true;
    exchange->ended = true;
    if (slice_is_str(exchange->request.method, "HEAD"))
        return 0;
    return buf_bytes(&exchange->out, body, err);
}

int http_respond_lent(struct http_exchange *exchange, int status, const struct http_header *headers,
                      size_t header_count, struct http_loan *body, struct err *err)
{
    int result = http_respond(exchange, status, headers, header_count, body->bytes, err);
    exchange->lent++;
    body->end(body);
    return result;
}

int http_respond_start(struct http_exchange *exchange, int status, const char *reason,
                       const struct http_header *headers, size_t header_count,
                       int64_t content_length, struct err *err)
{
    if (exchange->write_error != ERR_NONE)
        return FAIL(err, exchange->write_error, "the test says so");
    fake_record_head(exchange, status, reason, headers, header_count);
    exchange->content_length = content_length;
    return 0;
}

int http_respond_write(struct http_exchange *exchange, struct slice bytes, size_t *ret_queued,
                       struct err *err)
{
    if (exchange->write_error != ERR_NONE)
        return FAIL(err, exchange->write_error, "the test says so");
    if (ret_queued != NULL)
        *ret_queued = exchange->queued;
    exchange->parts += bytes.len > 0;
    return buf_bytes(&exchange->out, bytes, err);
}

int http_respond_write_wait(struct http_exchange *exchange, struct slice bytes, struct err *err)
{
    return http_respond_write(exchange, bytes, NULL, err);
}

struct http_file {
    int fd;
    int64_t offset;
    int64_t length;
};

static int files_open;

struct http_file *http_file_new(struct http_exchange *exchange, int fd, int64_t offset,
                                int64_t length)
{
    struct http_file *file = exchange->sends_files ? mem_alloc(sizeof(*file), NULL) : NULL;
    if (file == NULL)
        return NULL;
    *file = (struct http_file){.fd = dup(fd), .offset = offset, .length = length};
    files_open++;
    return file;
}

void http_file_free(struct http_file *file)
{
    if (file == NULL)
        return;
    files_open--;
    (void)close(file->fd);
    free(file);
}

bool http_respond_file(struct http_exchange *exchange, struct http_file *file)
{
    struct err failure = ERR_INIT;
    bool given =
        exchange->write_error == ERR_NONE && exchange->content_length == file->length &&
        http_respond_file_wait(exchange, file->fd, file->offset, file->length, &failure) == 0;
    exchange->parts = given ? -2 : exchange->parts; /* says: the server does it alone */
    http_file_free(file);
    return given;
}

int http_respond_file_wait(struct http_exchange *exchange, int fd, int64_t offset, int64_t length,
                           struct err *err)
{
    uint8_t *to = buf_reserve(&exchange->out, (size_t)length, err);
    if (to == NULL)
        return -1;
    ssize_t got = pread(fd, to, (size_t)length, offset);
    if (got != length)
        return FAIL(err, ERR_IO, "short read");
    exchange->out.len += (size_t)length;
    exchange->parts = -1; /* says: sent from the descriptor */
    return 0;
}

int http_respond_end(struct http_exchange *exchange, struct err *err)
{
    exchange->ended = true;
    return 0;
}

bool http_is_gone(struct http_exchange *exchange)
{
    return exchange->gone;
}

bool http_may_begin(struct http_exchange *exchange, void *data)
{
    return true;
}

void http_body_owed(struct http_exchange *exchange, uint64_t number)
{
    exchange->owed = number;
}

void http_begin(struct http_exchange *exchange)
{
    exchange->begun++;
}

bool http_request_takes_trailers(const struct http_request *request)
{
    return http_request_header(request, "te") != NULL;
}

/* They go behind the body, as "|Name: value". */
int http_respond_end_trailers(struct http_exchange *exchange, const struct http_header *trailers,
                              size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (buf_printf(&exchange->out, err, "|%.*s: %.*s", (int)trailers[i].name.len,
                       (const char *)trailers[i].name.data, (int)trailers[i].value.len,
                       (const char *)trailers[i].value.data) < 0)
            return -1;
    }
    return http_respond_end(exchange, err);
}

void http_abort(struct http_exchange *exchange)
{
    exchange->aborted = true;
}

void http_release(struct http_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->released = true;
    if (exchange->begun > 1)
        abort(); /* a request that began twice */
    (void)pthread_cond_broadcast(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
}

const char *http_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 404:
        return "Not Found";
    case 500:
        return "Internal Server Error";
    default:
        return "Unknown";
    }
}
