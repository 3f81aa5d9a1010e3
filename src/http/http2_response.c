// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 responses: what a handler said is kept on the exchange by whichever thread it runs on, and
 * given to nghttp2 by the I/O thread, which sends as much as the windows allow. Section numbers are
 * RFC 9113's.
 */
#include "base/lock.h"
#include "http/http2_internal.h"
#include "http/syntax.h"

#include <stdlib.h>

/* --- out: what any thread does, under the exchange's lock --- */

/* name length, value length (uint32_t each), name in lower case, value */
static int put_field(struct output *to, struct slice name, struct slice value, struct err *err)
{
    uint32_t lengths[2] = {(uint32_t)name.len, (uint32_t)value.len};
    uint8_t *at = output_reserve(to, sizeof(lengths) + name.len + value.len, err);
    if (at == NULL)
        return -1;
    memcpy(at, lengths, sizeof(lengths));
    at += sizeof(lengths);
    for (size_t i = 0; i < name.len; i++)
        at[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i];
    if (value.len > 0)
        memcpy(at + name.len, value.data, value.len);
    to->len += sizeof(lengths) + name.len + value.len;
    return 0;
}

static int put_number(struct http_exchange *exchange, const char *name, int64_t value,
                      struct err *err)
{
    char digits[20];
    size_t len = decimal_format((uint64_t)value, digits);
    return put_field(&exchange->fields, slice_str(name), slice_of(digits, len), err);
}

static int put_given(struct http_exchange *exchange, const struct response_head *head,
                     bool *ret_date, bool *ret_length, struct err *err)
{
    bool like_get = exchange->head_only || head->status == 304;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        int64_t length;
        enum response_field field = response_field(header->name);
        bool own_length =
            field == FIELD_CONTENT_LENGTH && like_get && decimal_parse(header->value, &length);
        if (field != FIELD_OTHER && field != FIELD_DATE && !own_length)
            continue;
        *ret_date |= field == FIELD_DATE;
        *ret_length |= own_length;
        if (put_field(&exchange->fields, header->name, header->value, err) < 0)
            return -1;
    }
    return 0;
}

int http2_start_response(struct http_exchange *exchange, const struct response_head *head,
                         struct err *err)
{
    if (head->status == 101)
        return FAIL(err, ERR_INVALID, "HTTP/2 has no status 101");
    exchange->fields.pos = exchange->fields.len = 0; /* a start that failed may have left some */
    bool date = false;
    bool length = false;
    if (put_number(exchange, ":status", head->status, err) < 0 ||
        put_given(exchange, head, &date, &length, err) < 0)
        return -1;
    if (!date && put_field(&exchange->fields, slice_str("date"),
                           slice_of(http_date_now(), HTTP_DATE_SIZE - 1), err) < 0)
        return -1;
    char timing[TIMING_SIZE];
    size_t timing_len = observe_timing(exchange, timing);
    if (timing_len > 0 && put_field(&exchange->fields, slice_str("server-timing"),
                                    slice_of(timing, timing_len), err) < 0)
        return -1;
    bool none = length || head->status == 204 || head->content_length < 0 ||
                (exchange->no_body && head->content_length == 0);
    return none ? 0 : put_number(exchange, "content-length", head->content_length, err);
}

int http2_write_body(struct http_exchange *exchange, struct slice bytes, struct err *err)
{
    return output_bytes(&exchange->out, bytes.data, bytes.len, err);
}

int http2_end_response(struct http_exchange *exchange, const struct http_header *trailers,
                       size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (put_field(&exchange->trailers, trailers[i].name, trailers[i].value, err) < 0)
            return -1;
    }
    return 0;
}

int http2_send_continue(struct http_exchange *exchange, struct err *err)
{
    (void)err;
    exchange->continue_due = true;
    return 0;
}

/* --- out: on the I/O thread --- */

static size_t unpack_fields(struct output *fields, nghttp2_nv *ret)
{
    size_t count = 0;
    while (output_left(fields) > 0 && count < HTTP2_MAX_RESPONSE_FIELDS) {
        uint32_t lengths[2];
        uint8_t *at = fields->data + fields->pos;
        memcpy(lengths, at, sizeof(lengths));
        at += sizeof(lengths);
        ret[count++] = (nghttp2_nv){
            .name = at, .value = at + lengths[0], .namelen = lengths[0], .valuelen = lengths[1]};
        fields->pos += sizeof(lengths) + lengths[0] + lengths[1];
    }
    return count;
}

/* The response has ended: nobody else touches them any more. */
static int submit_trailers(nghttp2_session *session, struct http_exchange *exchange)
{
    nghttp2_nv fields[HTTP2_MAX_RESPONSE_FIELDS];
    size_t count = unpack_fields(&exchange->trailers, fields);
    return nghttp2_submit_trailer(session, exchange->stream_id, fields, count);
}

static ssize_t read_response(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                             uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)stream_id;
    (void)data;
    struct http_exchange *exchange = source->ptr;
    struct exchange_view view = exchange_take(exchange);
    struct slice sending = exchange_sending(exchange);
    bool held = view.whole && !http2_may_end(exchange);
    size_t most = held && sending.len > 0 ? sending.len - 1 : sending.len;
    size_t len = most < size ? most : size;
    if (held)
        http2_hold(exchange);
    if (len > 0) {
        memcpy(to, sending.data, len);
        exchange_sent(exchange, len);
    }
    bool waits = view.more || most > len;
    exchange->waiting_us = waits ? loop_now_us(exchange->io->loop) : 0;
    bool last = view.ended && sending.len == len && !held;
    if (!last)
        return len == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)len;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (output_left(&exchange->trailers) == 0)
        return (ssize_t)len;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return submit_trailers(session, exchange) == 0 ? (ssize_t)len
                                                   : (ssize_t)NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The head goes out with the first of the body, or with its end: not before. */
static int submit(struct http2 *http2, struct http_exchange *exchange)
{
    nghttp2_nv fields[HTTP2_MAX_RESPONSE_FIELDS];
    struct output packed = {0};
    lock_acquire(&exchange->lock);
    bool empty = exchange->stage == RESPONSE_ENDED && output_left(&exchange->out) == 0 &&
                 exchange->loan == NULL;
    bool held = empty && !http2_may_end(exchange);
    if (!held) {
        packed = exchange->fields;
        exchange->fields = (struct output){0};
    }
    lock_release(&exchange->lock);
    if (held) {
        http2_hold(exchange);
        return 0;
    }
    nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = read_response};
    size_t count = unpack_fields(&packed, fields);
    exchange->submitted = true;
    int result = nghttp2_submit_response(http2->session, exchange->stream_id, fields, count,
                                         empty ? NULL : &provider);
    output_reset(&packed, 0);
    return result;
}

struct changes {
    bool started;
    bool waiting; /* there are bytes that could be sent */
    bool continue_due;
    bool aborted;
    size_t consumed; /* of the body, since the last time */
};

static struct changes take_changes(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    struct changes changes = {
        .started = exchange->stage == RESPONSE_ENDED ||
                   (exchange->stage == RESPONSE_STARTED &&
                    (output_left(&exchange->out) > 0 || exchange->upgraded)),
        .waiting = output_left(&exchange->out) > 0 || exchange->loan != NULL,
        .continue_due = exchange->continue_due,
        .aborted = exchange->aborted,
        .consumed = exchange->unconsumed,
    };
    if (exchange->released || exchange->stage == RESPONSE_ENDED) {
        output_reset(&exchange->in, KEEP_BUFFER);
        exchange_count_held(exchange);
        changes.consumed = exchange->owed;
    }
    exchange->owed -= changes.consumed;
    exchange->unconsumed = 0;
    exchange->continue_due = false;
    lock_release(&exchange->lock);
    return changes;
}

int http2_apply(struct http2 *http2, struct http_exchange *exchange)
{
    struct changes changes = take_changes(exchange);
    nghttp2_session *session = http2->session;
    int result = 0;
    if (changes.waiting && exchange->waiting_us == 0)
        exchange->waiting_us = loop_now_us(exchange->io->loop);
    if (changes.consumed > 0) {
        /* the client may send again */
        exchange->heard_us = exchange->awaited_us = loop_now_us(exchange->io->loop);
        result = nghttp2_session_consume_stream(session, exchange->stream_id, changes.consumed);
    }
    if (result == 0 && changes.continue_due && !changes.started) {
        nghttp2_nv status = {.name = (uint8_t *)(uintptr_t) ":status",
                             .value = (uint8_t *)(uintptr_t) "100",
                             .namelen = 7,
                             .valuelen = 3};
        result = nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, exchange->stream_id, NULL,
                                        &status, 1, NULL);
    }
    if (result == 0 && changes.aborted)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                                         NGHTTP2_INTERNAL_ERROR);
    if (result == 0 && changes.started && !exchange->submitted)
        return submit(http2, exchange);
    if (result == 0 && exchange->submitted)
        (void)nghttp2_session_resume_data(session, exchange->stream_id); /* may not be waiting */
    return result;
}

int http2_stop_request(struct http2 *http2, struct http_exchange *exchange)
{
    if (!exchange->owing || exchange_is_upgraded(exchange))
        return 0;
    if (http2_may_stop(exchange))
        return nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                                         NGHTTP2_NO_ERROR);
    http2_hold(exchange);
    return 0;
}

int http2_look_again(struct http2 *http2, struct http_exchange *exchange)
{
    if (!exchange->held)
        return 0;
    exchange->held = false;
    if (!exchange->submitted)
        return http2_apply(http2, exchange);
    if (exchange->end_sent)
        return http2_stop_request(http2, exchange);
    (void)nghttp2_session_resume_data(http2->session, exchange->stream_id); /* may not be waiting */
    return 0;
}
