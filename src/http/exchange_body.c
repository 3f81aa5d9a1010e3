// SPDX-License-Identifier: Apache-2.0
/*
 * The body of a request, between the I/O thread that receives it and whichever thread the handler
 * reads it from. Runs in node and enclave.
 */
#include "base/lock.h"
#include "http/connection.h"

/* --- on the I/O thread --- */

/* Under the lock. A response that is complete, or a handler that let go, wants no more of it. */
static bool wants_body(const struct http_exchange *exchange)
{
    return !exchange->released && exchange->stage != RESPONSE_ENDED && !exchange->gone;
}

bool exchange_wants_body(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    bool wanted = wants_body(exchange);
    lock_release(&exchange->lock);
    return wanted;
}

static void call_body(struct http_exchange *exchange)
{
    const struct http_server *server = exchange->io->server;
    if (!exchange->want_body || server->handler->body == NULL || exchange_is_released(exchange))
        return;
    exchange->io->called_handler = true;
    server->handler->body(server->context, exchange);
}

int exchange_body(struct http_exchange *exchange, struct slice bytes, struct err *err)
{
    lock_acquire(&exchange->lock);
    int result = 0;
    bool wanted = wants_body(exchange);
    if (wanted)
        result = output_bytes(&exchange->in, bytes.data, bytes.len, err);
    exchange_count_held(exchange);
    exchange->body_received += (int64_t)bytes.len;
    if (wanted && output_left(&exchange->in) >= BODY_HIGH)
        exchange->body_paused = true;
    bool wake = exchange->waiters > 0 && output_left(&exchange->in) >= exchange->least;
    lock_release(&exchange->lock);
    if (wake) /* without the lock, which is what they need next */
        (void)pthread_cond_broadcast(&exchange->changed);
    if (result == 0 && wanted)
        call_body(exchange);
    return result < 0 ? result : exchange_make_room(exchange, err);
}

static void set_body_state(struct http_exchange *exchange, enum body_state state,
                           enum err_kind kind)
{
    lock_acquire(&exchange->lock);
    exchange->body_state = state;
    exchange->body_error = kind;
    (void)pthread_cond_broadcast(&exchange->changed);
    lock_release(&exchange->lock);
    call_body(exchange);
}

void exchange_body_end(struct http_exchange *exchange)
{
    set_body_state(exchange, BODY_COMPLETE, ERR_NONE);
}

void exchange_body_fail(struct http_exchange *exchange, enum err_kind kind)
{
    set_body_state(exchange, BODY_FAILED, kind);
}

void exchange_progress(struct http_exchange *exchange, size_t bytes)
{
    int64_t now_us = loop_now_us(exchange->io->loop);
    exchange->awaited_us = progress_us(exchange->awaited_us, now_us, bytes);
}

int64_t exchange_owed_due_us(struct http_exchange *exchange)
{
    const struct http_limits *limits = &exchange->io->server->limits;
    int64_t now_us = loop_now_us(exchange->io->loop);
    lock_acquire(&exchange->lock);
    bool unread = output_left(&exchange->in) > 0;
    uint64_t number = exchange->body_state == BODY_OPEN ? exchange->owed_number : 0;
    lock_release(&exchange->lock);
    if (number != exchange->awaited)
        exchange->awaited_us = now_us;
    else if (exchange->unread_us != 0) /* while it lay there, it was the handler's turn */
        exchange->awaited_us += now_us - exchange->unread_us;
    exchange->awaited = number;
    exchange->unread_us = unread ? now_us : 0;
    if (number == 0 || unread)
        return INT64_MAX;
    return exchange->awaited_us + (int64_t)limits->body_timeout_ms * 1000;
}

/* --- any thread --- */

void http_body_owed(struct http_exchange *exchange, uint64_t number)
{
    lock_acquire(&exchange->lock);
    exchange->owed_number = number;
    lock_release(&exchange->lock);
    exchange_post(exchange);
}

static int body_failure(const struct http_exchange *exchange, struct err *err)
{
    switch (exchange->body_error) {
    case ERR_TOO_LARGE:
        return FAIL(err, ERR_TOO_LARGE, "the request body is larger than the limit of %lld bytes",
                    (long long)exchange->io->server->limits.body_bytes);
    case ERR_TIMEOUT:
        return FAIL(err, ERR_TIMEOUT, "the request body came too slowly");
    default:
        return FAIL(err, ERR_INVALID, "the request body is malformed");
    }
}

/* Under the lock: what is there. */
static int take_body(struct http_exchange *exchange, void *to, size_t size, size_t *ret_len,
                     bool *ret_end, struct err *err)
{
    struct output *in = &exchange->in;
    size_t len = output_left(in) < size ? output_left(in) : size;
    if (len > 0) {
        memcpy(to, in->data + in->pos, len);
        output_consume(in, len);
        exchange_count_held(exchange);
        exchange->unconsumed += len;
    }
    bool empty = output_left(in) == 0;
    if (len == 0 && exchange->body_state == BODY_FAILED)
        return body_failure(exchange, err);
    if (len == 0 && exchange->gone && exchange->body_state != BODY_COMPLETE)
        return FAIL(err, ERR_INTERRUPTED, "the client is gone");
    *ret_len = len;
    *ret_end = empty && exchange->body_state == BODY_COMPLETE;
    return 0;
}

/* Under the lock. Is there anything for the I/O thread to do? */
static bool after_read(struct http_exchange *exchange)
{
    bool resume = exchange->body_paused && output_left(&exchange->in) < BODY_LOW;
    if (resume)
        exchange->body_paused = false;
    return resume || (exchange->stream_id != 0 && exchange->unconsumed >= WINDOW_STEP);
}

static bool ask_for_body(struct http_exchange *exchange)
{
    if (!exchange->expects_continue || exchange->continue_sent || exchange->gone ||
        exchange->stage != RESPONSE_NONE || exchange->body_state != BODY_OPEN)
        return false;
    exchange->continue_sent = true;
    return exchange->protocol->send_continue(exchange, NULL) == 0;
}

int http_body_read(struct http_exchange *exchange, void *to, size_t size, size_t *ret_len,
                   bool *ret_end, struct err *err)
{
    lock_acquire(&exchange->lock);
    bool told = ask_for_body(exchange);
    int result = take_body(exchange, to, size, ret_len, ret_end, err);
    told |= after_read(exchange);
    lock_release(&exchange->lock);
    if (told)
        exchange_post(exchange);
    return result;
}

size_t http_body_waiting(struct http_exchange *exchange, bool *ret_complete)
{
    lock_acquire(&exchange->lock);
    size_t waiting = output_left(&exchange->in);
    *ret_complete = exchange->body_state == BODY_COMPLETE;
    lock_release(&exchange->lock);
    return waiting;
}

/* Under the lock. Is it time to take what is there? */
static bool has_enough(const struct http_exchange *exchange, size_t least)
{
    return output_left(&exchange->in) >= least || exchange->body_state != BODY_OPEN ||
           exchange->gone;
}

int http_body_read_wait(struct http_exchange *exchange, void *to, size_t size, size_t least,
                        size_t *ret_len, struct err *err)
{
    if (size == 0 || least == 0)
        return FAIL(err, ERR_INVALID, "a read of no bytes would wait for ever");
    if (least > size)
        least = size;
    if (least > HTTP_READ_LEAST_MAX)
        least = HTTP_READ_LEAST_MAX;
    lock_acquire(&exchange->lock);
    while (!has_enough(exchange, least)) {
        if (ask_for_body(exchange))
            exchange_post(exchange);
        exchange->least = least;
        exchange_wait(exchange);
    }
    exchange->least = 0;
    bool end;
    int result = take_body(exchange, to, size, ret_len, &end, err);
    if (after_read(exchange))
        exchange_post(exchange);
    lock_release(&exchange->lock);
    return result;
}
