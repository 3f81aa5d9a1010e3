// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a request on its way through Python, and the few answers that C gives itself.
 * Called from I/O threads (never with the GIL) and from Python threads.
 */
#include "serve/internal.h"

struct serve_request *serve_request_new(struct serve *serve, struct http_exchange *exchange)
{
    struct serve_request *request = mem_alloc(sizeof(*request), NULL);
    if (request == NULL)
        return NULL;
    request->serve = serve;
    request->exchange = exchange;
    request->references = 1;
    return request;
}

void serve_request_hold(struct serve_request *request)
{
    (void)__atomic_add_fetch(&request->references, 1, __ATOMIC_RELAXED);
}

void serve_request_answered(struct serve_request *request)
{
    if (!request->under_way)
        return;
    request->under_way = false;
    (void)__atomic_sub_fetch(&request->serve->under_way, 1, __ATOMIC_RELAXED);
}

void serve_request_drop(struct serve_request *request)
{
    if (__atomic_sub_fetch(&request->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    serve_request_answered(request);
    http_release(request->exchange);
    free(request);
}

void respond_text(struct http_exchange *exchange, int status, const char *text)
{
    const struct http_header fields[] = {
        {slice_str("Content-Type"), slice_str("text/plain; charset=utf-8")},
        {slice_str("Retry-After"), slice_str("1")},
    };
    size_t count = status == 503 ? 2 : 1;
    /* On failure the client is gone: nothing is left to tell it. */
    if (http_respond(exchange, status, fields, count, slice_str(text), NULL) < 0)
        http_abort(exchange);
}

bool head_was_refused(int status, const char *reason, const struct fields *fields)
{
    struct err err = ERR_INIT;
    if (http_response_check(status, reason, fields->items, fields->count, &err) == 0)
        return false;
    PyErr_SetString(PyExc_ValueError, err.message);
    return true;
}

void refuse_busy(struct serve *serve, struct http_exchange *exchange)
{
    (void)__atomic_add_fetch(&serve->refused, 1, __ATOMIC_RELAXED);
    respond_text(exchange, 503, "The server is busy. Please try again in a moment.\n");
    http_release(exchange);
}

void refuse_late(struct http_exchange *exchange)
{
    respond_text(exchange, 503, "The app did not come to this request in time.\n");
    http_release(exchange);
}

void client_wait_begin(struct serve *serve)
{
    (void)__atomic_add_fetch(&serve->with_client, 1, __ATOMIC_RELAXED);
}

void client_wait_end(struct serve *serve)
{
    (void)__atomic_sub_fetch(&serve->with_client, 1, __ATOMIC_RELAXED);
    (void)__atomic_add_fetch(&serve->progress, 1, __ATOMIC_RELAXED);
}

void refuse_connect(struct http_exchange *exchange)
{
    respond_text(exchange, 501, "This app does not speak that protocol over CONNECT.\n");
    http_release(exchange);
}

int status_of_body_err(enum err_kind kind)
{
    switch (kind) {
    case ERR_TOO_LARGE:
        return 413;
    case ERR_TIMEOUT:
        return 408;
    case ERR_INVALID:
        return 400;
    default:
        return 500;
    }
}
