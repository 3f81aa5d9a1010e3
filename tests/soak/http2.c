// SPDX-License-Identifier: Apache-2.0
/*
 * What a client of mse-soak says and hears in HTTP/2: requests beside one another, each a stream of
 * its own. Some streams are reset amid their request or their answer, windows are small now and
 * then and change their size, and frames are padded. Framed by nghttp2.
 */
#include "soak.h"

#include "base/text.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    GREAT_WINDOW = 1 << 20,
    ABANDONED_MAX = 100, /* of a connection: the server ends those that reset more */
    FIELDS_MAX = 8,
};

struct stream {
    int32_t id; /* 0: free */
    struct request request;
    struct response response;
    size_t body_sent;
    size_t abandon_at; /* reset when so many bytes of the answer's body are there; SIZE_MAX: not */
    bool abandoned;
    bool sent;  /* to its end, and counted */
    bool ended; /* the answer */
};

struct http2 {
    nghttp2_session *session;
    struct stream streams[PIPELINE_MAX];
    const struct stream *suspect;
    char wrong[128];
    uint64_t cut_limit;
    unsigned abandoned;
    bool told; /* the server, that no request will follow */
};

/* What an error is: the first one counts. The result is for nghttp2. */
static int note_wrong(struct client *client, const struct stream *stream, const char *wrong,
                      const char *detail)
{
    struct http2 *http2 = client->http2;
    if (wrong == NULL || http2->wrong[0] != '\0')
        return 0;
    (void)snprintf(http2->wrong, sizeof(http2->wrong), "%s%s", wrong, detail);
    http2->suspect = stream;
    return 0;
}

static const struct request *suspect(const struct client *client)
{
    const struct http2 *http2 = client->http2;
    if (http2 == NULL)
        return NULL;
    const struct stream *stream = http2->suspect;
    for (size_t i = 0; i < PIPELINE_MAX && stream == NULL; i++)
        stream = http2->streams[i].id != 0 ? &http2->streams[i] : NULL;
    return stream == NULL ? NULL : &stream->request;
}

static struct stream *stream_of(nghttp2_session *session, const nghttp2_frame *frame)
{
    return nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
}

/* --- streams that end early --- */

static void abandon(nghttp2_session *session, struct stream *stream)
{
    stream->abandoned = true;
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
}

static bool is_due(const struct stream *stream)
{
    return !stream->abandoned && stream->response.body >= stream->abandon_at;
}

static size_t draw_abandon(struct client *client, bool last)
{
    struct http2 *http2 = client->http2;
    struct rng *rng = &client->rng;
    bool never = last && client_is_cut(client);
    if (rng_below(rng, 1000) >= client->soak->options.cut_percent || never ||
        http2->abandoned == ABANDONED_MAX)
        return SIZE_MAX;
    http2->abandoned++;
    return rng_percent(rng, 40) ? 0 : 1 + rng_below(rng, rng_percent(rng, 50) ? 20 : 50000);
}

/* --- out --- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)session;
    (void)id;
    struct client *client = data;
    struct stream *stream = source->ptr;
    const struct request *request = &stream->request;
    if (request->expect && !stream->response.continued)
        return NGHTTP2_ERR_DEFERRED;
    size_t len = request->size - stream->body_sent;
    if (len > size)
        len = size;
    if (request->chunked && len > 1)
        len = 1 + rng_below(&client->rng, (uint32_t)len);
    for (size_t i = 0; i < len; i++)
        to[i] = request_byte(request, stream->body_sent + i);
    stream->body_sent += len;
    if (stream->body_sent == request->size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static int submit(struct client *client, struct stream *stream, struct err *err)
{
    const struct request *request = &stream->request;
    char target[TARGET_SIZE];
    char length[24];
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = 0;
    bool body = request_has_body(request);
    request_target(request, target);
    (void)snprintf(length, sizeof(length), "%zu", request->size);
    fields[count++] = field(":method", request_method(request));
    fields[count++] = field(":scheme", "https");
    fields[count++] = field(":authority", "localhost");
    fields[count++] = field(":path", target);
    fields[count++] = field("x-token", request->token);
    if (body && !request->chunked)
        fields[count++] = field("content-length", length);
    if (request->expect)
        fields[count++] = field("expect", "100-continue");
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    stream->id = nghttp2_submit_request(client->http2->session, NULL, fields, count,
                                        body ? &provider : NULL, stream);
    return stream->id > 0 ? 0 : FAIL(err, ERR_INTERNAL, "nghttp2 takes no request");
}

/* Frames that may be sent now. */
static int fill(struct client *client, struct err *err)
{
    while (client->out.len < OUT_MAX / 2) {
        const uint8_t *bytes;
        ssize_t len = nghttp2_session_mem_send(client->http2->session, &bytes);
        if (len < 0)
            return FAIL(err, ERR_INTERNAL, "nghttp2: %s", nghttp2_strerror((int)len));
        if (len == 0)
            break;
        if (buf_bytes(&client->out, slice_of(bytes, (size_t)len), err) < 0)
            return -1;
        client->made_len += (uint64_t)len;
    }
    return 0;
}

static int make_request(struct client *client, struct err *err)
{
    struct http2 *http2 = client->http2;
    struct stream *stream = http2->streams;
    while (stream->id != 0) /* fewer than PIPELINE_MAX are under way */
        stream++;
    bool last = client->made + 1 == client->plan.requests;
    *stream = (struct stream){0};
    response_begin(&stream->response);
    plan_request(client->soak, &client->rng, true, last, &client->plan, &stream->request);
    stream->abandon_at = draw_abandon(client, last);
    bool cut = client->plan.ending == CUT_HEAD || client->plan.ending == CUT_BODY;
    if (last && cut) {
        if (fill(client, err) < 0)
            return -1;
        http2->cut_limit = client->made_len + client->plan.cut_at;
    }
    if (submit(client, stream, err) < 0)
        return -1;
    client->made++;
    client->count++;
    return 0;
}

static int speak(struct client *client, struct err *err)
{
    struct http2 *http2 = client->http2;
    while (!client->leaving && client_wants_request(client)) {
        if (make_request(client, err) < 0)
            return -1;
    }
    bool tell = client->plan.ending == END_ASKED && client->made == client->plan.requests;
    if (!tell || http2->told)
        return fill(client, err);
    if (fill(client, err) < 0) /* nghttp2 would put the GOAWAY before the last requests */
        return -1;
    http2->told = true;
    (void)nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    return fill(client, err);
}

static uint64_t send_limit(const struct client *client)
{
    uint64_t limit = client->http2->cut_limit;
    return limit < client->made_len ? limit : client->made_len;
}

static void note_sent(struct client *client)
{
    (void)client; /* counted as they are framed: on_frame_send */
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct client *client = data;
    struct stream *stream = stream_of(session, frame);
    bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (stream == NULL || !message)
        return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        stream->sent = true;
        client->soak->sent++;
    }
    if (is_due(stream))
        abandon(session, stream);
    return 0;
}

static ssize_t select_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t max,
                              void *data)
{
    (void)session;
    struct client *client = data;
    size_t len = frame->hd.length;
    if (!rng_percent(&client->rng, 2))
        return (ssize_t)len;
    len += rng_below(&client->rng, 256);
    return (ssize_t)(len < max ? len : max);
}

/* --- in --- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    (void)flags;
    (void)value_len; /* nghttp2 ends both with a zero byte */
    struct client *client = data;
    struct stream *stream = stream_of(session, frame);
    uint64_t status;
    if (stream == NULL)
        return 0;
    struct response *response = &stream->response;
    const char *wrong = NULL;
    if (response->headed)
        wrong = "a trailer";
    else if (slice_is_str(slice_of(name, name_len), ":status"))
        wrong = parse_u64((const char *)value, "status", 100, 599, &status, NULL) < 0
                    ? "a status that is none"
                    : response_status(response, &stream->request, (int)status);
    else if (slice_is_str(slice_of(name, name_len), "content-length"))
        wrong = response_length(response, (const char *)value);
    else if (slice_is_str(slice_of(name, name_len), "x-token"))
        wrong = response_token(response, &stream->request, (const char *)value);
    return note_wrong(client, stream, wrong, "");
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *data)
{
    (void)flags;
    struct client *client = data;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    (void)nghttp2_session_consume(session, id, len);
    if (stream == NULL)
        return note_wrong(client, NULL, "a body that nobody asked for", "");
    const char *wrong = response_body(&stream->response, &stream->request, slice_of(bytes, len));
    if (wrong == NULL && is_due(stream))
        abandon(session, stream);
    return note_wrong(client, stream, wrong, "");
}

static void end_head(struct client *client, struct stream *stream)
{
    struct response *response = &stream->response;
    (void)note_wrong(client, stream, response_head_end(response, &stream->request), "");
    if (response->continued)
        (void)nghttp2_session_resume_data(client->http2->session, stream->id);
}

/* The server goes: what it has not begun it will not do (RFC 9113 section 6.8). */
static void take_goaway(struct client *client, const nghttp2_goaway *goaway)
{
    bool may = client->http2->told || client->soak->options.until_stopped;
    if (goaway->error_code != NGHTTP2_NO_ERROR || !may)
        (void)note_wrong(client, NULL,
                         "a GOAWAY without need: ", nghttp2_http2_strerror(goaway->error_code));
    client->leaving = true;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct client *client = data;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        take_goaway(client, &frame->goaway);
    struct stream *stream = stream_of(session, frame);
    bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (stream == NULL || !message)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        end_head(client, stream);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        stream->ended = true;
        return note_wrong(client, stream, response_end(&stream->response, &stream->request), "");
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int reason,
                            void *data)
{
    return note_wrong(data, stream_of(session, frame),
                      "a frame that is wrong: ", nghttp2_strerror(reason));
}

/* Now and then between two answers: another size of window, which may leave less than nothing of
 * the windows that there are (section 6.9.2), and a PING. */
static void disturb(struct client *client)
{
    nghttp2_session *session = client->http2->session;
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                           200 + rng_below(&client->rng, 100000)};
    if (rng_percent(&client->rng, 3))
        (void)nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &window, 1);
    if (rng_percent(&client->rng, 1))
        (void)nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, NULL);
}

static bool is_begun(const struct stream *stream)
{
    return stream->response.status != 0 || stream->response.continued;
}

static void free_stream(struct client *client, struct stream *stream)
{
    stream->id = 0;
    client->count--;
}

static void count_abandoned(struct client *client, struct stream *stream)
{
    *(stream->sent ? &client->soak->cut : &client->soak->partial) += 1;
    free_stream(client, stream);
}

static void count_unread(struct client *client, struct stream *stream)
{
    client->soak->unread += stream->sent;
    free_stream(client, stream);
}

/* With until_stopped: the server need not answer what it has not read. */
static bool may_be_unread(const struct client *client, const struct stream *stream)
{
    return client->soak->options.until_stopped && !is_begun(stream);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *data)
{
    struct client *client = data;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream == NULL)
        return 0;
    if (stream->abandoned) {
        count_abandoned(client, stream);
    } else if (error == NGHTTP2_REFUSED_STREAM && may_be_unread(client, stream)) {
        count_unread(client, stream);
    } else if (stream->ended && error == NGHTTP2_NO_ERROR) {
        client_count_verified(client, &stream->request, stream->response.body, stream->sent);
        free_stream(client, stream);
        disturb(client);
    } else {
        return note_wrong(client, stream, "a stream was reset: ", nghttp2_http2_strerror(error));
    }
    return 0;
}

static bool hear(struct client *client, struct slice bytes)
{
    struct http2 *http2 = client->http2;
    ssize_t used = nghttp2_session_mem_recv(http2->session, bytes.data, bytes.len);
    if (used < 0)
        (void)note_wrong(client, NULL, "nghttp2: ", nghttp2_strerror((int)used));
    if (http2->wrong[0] == '\0')
        return true;
    client_fail(client, http2->wrong);
    return false;
}

/* --- beginning and end --- */

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, select_padding);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static int new_session(struct client *client)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = -1;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
        set_callbacks(callbacks);
        /* Left to itself, nghttp2 1.52 takes a window that has shrunk below what lies in it for an
         * error of the server. */
        nghttp2_option_set_no_auto_window_update(option, 1);
        result = nghttp2_session_client_new2(&client->http2->session, callbacks, client, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return result;
}

static int submit_windows(struct client *client)
{
    nghttp2_session *session = client->http2->session;
    struct rng *rng = &client->rng;
    nghttp2_settings_entry settings[2] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    size_t count = 1;
    if (rng_percent(rng, 40)) {
        uint32_t window = rng_percent(rng, 50) ? GREAT_WINDOW : 200 + rng_below(rng, 3000);
        settings[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    }
    int result = nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, count);
    if (result == 0 && rng_percent(rng, 50))
        result = nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, GREAT_WINDOW);
    return result;
}

static int open_http2(struct client *client, struct err *err)
{
    const unsigned char *selected = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(client->ssl, &selected, &len);
    if (!slice_is_str(slice_of(selected, len), "h2"))
        return FAIL(err, ERR_INVALID, "the server does not speak HTTP/2");
    client->http2 = mem_alloc(sizeof(*client->http2), err);
    if (client->http2 == NULL)
        return -1;
    client->http2->cut_limit = UINT64_MAX;
    if (new_session(client) != 0 || submit_windows(client) != 0)
        return FAIL(err, ERR_MEMORY, "no HTTP/2 session");
    return 0;
}

static void close_http2(struct client *client)
{
    if (client->http2 == NULL)
        return;
    nghttp2_session_del(client->http2->session);
    free(client->http2);
    client->http2 = NULL;
}

/* What is wrong with the end of a stream that the connection took along. */
static const char *settle(struct client *client, struct stream *stream)
{
    if (stream->abandoned) { /* only the server had not heard of it */
        count_abandoned(client, stream);
        return NULL;
    }
    if (may_be_unread(client, stream)) {
        count_unread(client, stream);
        return NULL;
    }
    client->http2->suspect = stream;
    return is_begun(stream) ? "the connection ended amid an answer"
                            : "the connection ended without an answer";
}

static const char *ended(struct client *client)
{
    struct http2 *http2 = client->http2;
    const char *wrong = NULL;
    for (size_t i = 0; i < PIPELINE_MAX && wrong == NULL; i++) {
        if (http2->streams[i].id != 0)
            wrong = settle(client, &http2->streams[i]);
    }
    bool may = client->leaving || http2->told || client->soak->options.until_stopped;
    return wrong == NULL && !may ? "the connection ended without need" : wrong;
}

static void give_up(struct client *client, bool failed)
{
    struct soak *soak = client->soak;
    for (size_t i = 0; client->http2 != NULL && i < PIPELINE_MAX; i++) {
        const struct stream *stream = &client->http2->streams[i];
        if (stream->id != 0 && !(failed && stream == client->http2->suspect))
            *(stream->sent ? &soak->cut : &soak->partial) += 1;
    }
}

const struct dialogue dialogue_http2 = {
    .open = open_http2,
    .speak = speak,
    .send_limit = send_limit,
    .sent = note_sent,
    .hear = hear,
    .ended = ended,
    .give_up = give_up,
    .suspect = suspect,
    .close = close_http2,
    .goes_on = true,
};
