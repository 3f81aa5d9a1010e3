// SPDX-License-Identifier: Apache-2.0
/*
 * The websocket scope of ASGI 3 (specification "HTTP & WebSocket"), over HTTP/1.1 (RFC 6455) and
 * HTTP/2 (RFC 8441). Behind the 101, or the 200 to an extended CONNECT, the exchange carries frames
 * in both directions. Runs on the loop's thread.
 */
#include "serve/asgi.h"
#include "serve/websocket.h"

#include <strings.h>

enum { READ_PIECE = 32 * 1024 };

enum state {
    STATE_NEW,        /* websocket.connect is to be received */
    STATE_CONNECTING, /* the app decides */
    STATE_DENYING,    /* it answers with a response of its own */
    STATE_OPEN,
    STATE_CLOSED, /* websocket.disconnect is what receive() answers */
};

struct websocket {
    struct websocket_parser parser;
    uint8_t piece[READ_PIECE];
    size_t counted;      /* of asgi->messages_held */
    struct slice unread; /* of piece */
    uint64_t owed;       /* the number of what the client has begun and not ended; 0: nothing */
    uint64_t last_owed;
    bool owes_pong; /* for the latest ping, while the client does not read */
    uint8_t pong[WEBSOCKET_CONTROL_MAX];
    size_t pong_len;
    int code;
    char reason[WEBSOCKET_CONTROL_MAX];
    size_t reason_len;
};

static struct http_exchange *exchange_of(const struct asgi_channel *channel)
{
    return channel->request == NULL ? NULL : channel->request->exchange;
}

/* --- ending --- */

static void close_with(struct asgi_channel *channel, int code, struct slice reason)
{
    struct websocket *socket = channel->websocket;
    channel->step = STATE_CLOSED;
    socket->code = code;
    socket->reason_len = reason.len < sizeof(socket->reason) ? reason.len : sizeof(socket->reason);
    if (socket->reason_len > 0)
        memcpy(socket->reason, reason.data, socket->reason_len);
    channel->complete = true;
    asgi_head_clear(&channel->head);
    asgi_channel_end(channel);
    asgi_channel_wake(channel);
}

static bool send_frame(struct asgi_channel *channel, enum websocket_opcode opcode,
                       struct slice payload, size_t *ret_queued)
{
    uint8_t head[WEBSOCKET_HEAD_MAX];
    size_t len = websocket_head(head, opcode, payload.len);
    struct http_exchange *exchange = exchange_of(channel);
    return exchange != NULL && http_respond_write(exchange, slice_of(head, len), NULL, NULL) == 0 &&
           http_respond_write(exchange, payload, ret_queued, NULL) == 0;
}

static void send_close(struct asgi_channel *channel, int code, struct slice reason)
{
    uint8_t payload[WEBSOCKET_CONTROL_MAX];
    size_t len = 0;
    if (code != WEBSOCKET_NO_CODE) {
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        len = 2 + (reason.len < sizeof(payload) - 2 ? reason.len : sizeof(payload) - 2);
        if (reason.len > 0)
            memcpy(payload + 2, reason.data, len - 2);
    }
    if (channel->request != NULL)
        asgi_request_answered(channel->request);
    /* Where the client is gone already, it needs no goodbye. */
    if (send_frame(channel, WEBSOCKET_CLOSE, slice_of(payload, len), NULL) &&
        http_respond_end(exchange_of(channel), NULL) < 0)
        channel->gone = true;
}

/* --- receive --- */

static PyObject *typed_message(PyObject *type)
{
    PyObject *message = PyDict_New();
    if (message != NULL && PyDict_SetItem(message, asgi_text.type, type) < 0)
        Py_CLEAR(message);
    return message;
}

/* Sets a member and drops the value; clears the message where that fails. */
static void set_member(PyObject **message, PyObject *name, PyObject *value)
{
    if (*message != NULL && (value == NULL || PyDict_SetItem(*message, name, value) < 0))
        Py_CLEAR(*message);
    Py_XDECREF(value);
}

static PyObject *disconnect_message(const struct asgi_channel *channel)
{
    const struct websocket *socket = channel->websocket;
    PyObject *message = typed_message(asgi_text.websocket_disconnect);
    set_member(&message, asgi_text.code, PyLong_FromLong(socket->code));
    set_member(&message, asgi_text.reason,
               PyUnicode_DecodeUTF8(socket->reason, (Py_ssize_t)socket->reason_len, "replace"));
    return message;
}

static PyObject *data_message(const struct websocket_event *event)
{
    const char *data = (const char *)event->payload.data;
    Py_ssize_t len = (Py_ssize_t)event->payload.len;
    PyObject *message = typed_message(asgi_text.websocket_receive);
    if (event->opcode == WEBSOCKET_TEXT)
        set_member(&message, asgi_text.text, PyUnicode_DecodeUTF8(len > 0 ? data : "", len, NULL));
    else
        set_member(&message, asgi_text.bytes, PyBytes_FromStringAndSize(data, len));
    return message;
}

/* A client that sends pings and reads nothing is owed one pong, for the latest (RFC 6455 section
 * 5.5.3), not a queue of them. */
static void send_pong(struct asgi_channel *channel, struct slice payload)
{
    struct websocket *socket = channel->websocket;
    size_t queued = 0;
    socket->owes_pong = channel->high;
    if (socket->owes_pong) {
        memcpy(socket->pong, payload.data, payload.len);
        socket->pong_len = payload.len;
    } else if (send_frame(channel, WEBSOCKET_PONG, payload, &queued)) {
        channel->high = queued > HTTP_WRITE_HIGH;
    } else {
        close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
    }
}

/* One event of the client. A message for the app, or NULL where it was for us. */
static PyObject *handle_event(struct asgi_channel *channel, const struct websocket_event *event)
{
    switch (event->opcode) {
    case WEBSOCKET_PING:
        send_pong(channel, event->payload);
        return NULL;
    case WEBSOCKET_CLOSE:
        send_close(channel, event->code, slice_of(NULL, 0));
        close_with(channel, event->code, event->payload);
        return NULL;
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        return data_message(event);
    default:
        return NULL;
    }
}

/* What the client has begun has to end in time: a message that is put together is memory. */
static void note_owed(struct asgi_channel *channel, bool amid)
{
    struct websocket *socket = channel->websocket;
    if (amid == (socket->owed != 0) || channel->request == NULL)
        return;
    socket->owed = amid ? ++socket->last_owed : 0;
    http_body_owed(exchange_of(channel), socket->owed);
}

/* More bytes from the socket; false: there are none now. */
static bool read_more(struct asgi_channel *channel)
{
    struct websocket *socket = channel->websocket;
    size_t len = 0;
    bool end = false;
    struct err err = ERR_INIT;
    int result = http_body_read(exchange_of(channel), socket->piece, sizeof(socket->piece), &len,
                                &end, &err);
    if (result < 0 && err.kind == ERR_TIMEOUT) {
        send_close(channel, WEBSOCKET_POLICY, slice_str("a message was not ended in time"));
        close_with(channel, WEBSOCKET_POLICY, slice_str("a message was not ended in time"));
        return false;
    }
    if (result < 0 || (len == 0 && end)) {
        close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
        return false;
    }
    socket->unread = slice_of(socket->piece, len);
    if (len == 0)
        note_owed(channel, websocket_is_amid(&socket->parser));
    return len > 0;
}

/* What messages that are put together take. All of them have a limit, past which one of more than
 * WEBSOCKET_KEEP bytes grows no further: unfinished ones of many connections would fill the memory.
 * False: this one is it. */
static bool count_message(struct asgi_channel *channel)
{
    struct websocket *socket = channel->websocket;
    size_t *held = &channel->asgi->messages_held;
    *held += socket->parser.message.cap - socket->counted;
    socket->counted = socket->parser.message.cap;
    return socket->counted <= WEBSOCKET_KEEP || *held <= channel->asgi->messages_limit;
}

static void drop_message(struct asgi_channel *channel)
{
    websocket_parser_done(&channel->websocket->parser);
    (void)count_message(channel);
}

static PyObject *open_receive(struct asgi_channel *channel)
{
    struct websocket *socket = channel->websocket;
    while (channel->step == STATE_OPEN) {
        if (socket->unread.len == 0 && !read_more(channel))
            break;
        struct websocket_event event;
        int code = WEBSOCKET_PROTOCOL_ERROR;
        int parsed = websocket_parse(&socket->parser, &socket->unread, &event, &code, NULL);
        if (parsed >= 0 && !count_message(channel)) {
            code = WEBSOCKET_TOO_BIG;
            parsed = -1;
            drop_message(channel);
        }
        if (parsed < 0) {
            send_close(channel, code, slice_of(NULL, 0));
            close_with(channel, code, slice_of(NULL, 0));
            break;
        }
        if (parsed > 0 && (event.opcode == WEBSOCKET_TEXT || event.opcode == WEBSOCKET_BINARY))
            note_owed(channel, false);
        PyObject *message = parsed > 0 ? handle_event(channel, &event) : NULL;
        websocket_forget_message(&socket->parser);
        (void)count_message(channel);
        if (message != NULL || PyErr_Occurred() != NULL)
            return message;
    }
    return NULL;
}

static PyObject *websocket_receive(struct asgi_channel *channel)
{
    if (channel->step == STATE_NEW) {
        channel->step = STATE_CONNECTING;
        return typed_message(asgi_text.websocket_connect);
    }
    if (channel->step == STATE_OPEN) {
        PyObject *message = open_receive(channel);
        if (message != NULL || PyErr_Occurred() != NULL)
            return message;
    }
    if (channel->step == STATE_CLOSED)
        return disconnect_message(channel);
    return NULL;
}

/* --- send --- */

static PyObject *client_gone(struct asgi_channel *channel)
{
    PyErr_SetString(PyExc_ConnectionResetError, "the WebSocket is closed");
    return NULL;
}

static PyObject *broken_order(PyObject *type)
{
    PyErr_Format(PyExc_RuntimeError, "send(): %U does not come in its turn", type);
    return NULL;
}

static bool subprotocol_slice(PyObject *message, struct slice *ret)
{
    PyObject *name = asgi_member(message, asgi_text.subprotocol);
    *ret = slice_of(NULL, 0);
    return name == NULL || name == Py_None || latin1_slice(name, "subprotocol", ret);
}

/* HTTP/1.1's proof that the handshake was understood; HTTP/2 has SETTINGS for that. */
static bool add_proof(struct asgi_head *head, const struct http_request *request,
                      char accept[static WEBSOCKET_ACCEPT_SIZE])
{
    const struct http_header *key = http_request_header(request, "sec-websocket-key");
    if (websocket_accept_key(key->value, accept, NULL) == 0)
        return fields_add(&head->fields, slice_str("Sec-WebSocket-Accept"), slice_str(accept)) &&
               fields_add_own(&head->fields, slice_str("Upgrade"), slice_str("websocket"));
    PyErr_SetString(PyExc_RuntimeError, "the WebSocket handshake cannot be answered");
    return false;
}

static PyObject *accept_socket(struct asgi_channel *channel, PyObject *message)
{
    struct http_exchange *exchange = exchange_of(channel);
    const struct http_request *request = http_request(exchange);
    struct asgi_head *head = &channel->head;
    struct slice subprotocol;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    bool connect = request->protocol.len > 0;
    PyObject *pairs = asgi_member(message, asgi_text.headers);
    if (!subprotocol_slice(message, &subprotocol) ||
        (pairs != NULL && pairs != Py_None && !asgi_head_add(head, pairs)) ||
        (!connect && !add_proof(head, request, accept)) ||
        (subprotocol.len > 0 &&
         !fields_add(&head->fields, slice_str("Sec-WebSocket-Protocol"), subprotocol)))
        return NULL;
    int status = http_respond_start(exchange, connect ? 200 : 101, NULL, head->fields.items,
                                    head->fields.count, -1, NULL);
    if (status < 0 && head_was_refused(connect ? 200 : 101, NULL, &head->fields))
        return NULL;
    asgi_head_clear(head);
    channel->head_sent = true;
    asgi_note_answer(channel->request);
    channel->step = STATE_OPEN;
    if (status < 0) {
        close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
        return client_gone(channel);
    }
    return asgi_done();
}

static PyObject *drained(struct asgi_channel *channel)
{
    if (channel->step == STATE_CLOSED)
        return client_gone(channel);
    return channel->high ? NULL : Py_NewRef(Py_None);
}

static PyObject *after_write(struct asgi_channel *channel, bool sent, size_t queued)
{
    if (!sent) {
        close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
        return client_gone(channel);
    }
    channel->high = queued > HTTP_WRITE_HIGH;
    return channel->high ? asgi_wait(channel, drained) : asgi_done();
}

static PyObject *send_data(struct asgi_channel *channel, PyObject *message)
{
    PyObject *bytes = asgi_member(message, asgi_text.bytes);
    PyObject *text = asgi_member(message, asgi_text.text);
    size_t queued = 0;
    if (bytes != NULL && bytes != Py_None) {
        Py_buffer view;
        if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
            return NULL;
        bool sent =
            send_frame(channel, WEBSOCKET_BINARY, slice_of(view.buf, (size_t)view.len), &queued);
        PyBuffer_Release(&view);
        return after_write(channel, sent, queued);
    }
    Py_ssize_t len = 0;
    const char *utf8 = NULL;
    if (text != NULL && PyUnicode_Check(text))
        utf8 = PyUnicode_AsUTF8AndSize(text, &len);
    else
        PyErr_SetString(PyExc_TypeError, "websocket.send needs \"bytes\" or \"text\"");
    if (utf8 == NULL)
        return NULL;
    bool sent = send_frame(channel, WEBSOCKET_TEXT, slice_of(utf8, (size_t)len), &queued);
    return after_write(channel, sent, queued);
}

static PyObject *close_socket(struct asgi_channel *channel, PyObject *message)
{
    if (channel->step == STATE_CONNECTING || channel->step == STATE_NEW) {
        asgi_request_answered(channel->request);
        respond_text(exchange_of(channel), 403, "Forbidden\n");
        close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
        return asgi_done();
    }
    PyObject *number = asgi_member(message, asgi_text.code);
    PyObject *text = asgi_member(message, asgi_text.reason);
    long code = number == NULL || number == Py_None ? WEBSOCKET_NORMAL : PyLong_AsLong(number);
    Py_ssize_t len = 0;
    const char *reason = NULL;
    if (text != NULL && PyUnicode_Check(text))
        reason = PyUnicode_AsUTF8AndSize(text, &len);
    if (PyErr_Occurred() != NULL)
        return NULL;
    if (!websocket_code_valid((int)code) || len > WEBSOCKET_CONTROL_MAX - 2) {
        PyErr_SetString(PyExc_ValueError, "websocket.close: a code that may not be sent, or a "
                                          "reason longer than 123 bytes");
        return NULL;
    }
    struct slice why = slice_of(reason, (size_t)len);
    send_close(channel, (int)code, why);
    close_with(channel, (int)code, why);
    return asgi_done();
}

/* websocket.http.response: a refusal with a status and a body of the app's own. */
static PyObject *deny_start(struct asgi_channel *channel, PyObject *message)
{
    if (!asgi_head_read(channel, message))
        return NULL;
    channel->step = STATE_DENYING;
    return asgi_done();
}

static PyObject *deny_body(struct asgi_channel *channel, PyObject *message)
{
    struct asgi_head *head = &channel->head;
    PyObject *body = asgi_member(message, asgi_text.body);
    PyObject *more = asgi_member(message, asgi_text.more_body);
    Py_buffer view = {0};
    if (body != NULL && PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    struct http_exchange *exchange = exchange_of(channel);
    int status = 0;
    if (!channel->head_sent)
        status = http_respond_start(exchange, head->status, NULL, head->fields.items,
                                    head->fields.count, head->fields.content_length, NULL);
    if (status < 0 && !channel->head_sent && head_was_refused(head->status, NULL, &head->fields)) {
        if (body != NULL)
            PyBuffer_Release(&view);
        return NULL;
    }
    channel->head_sent = true;
    asgi_note_answer(channel->request);
    if (status == 0 && view.len > 0)
        status = http_respond_write(exchange, slice_of(view.buf, (size_t)view.len), NULL, NULL);
    if (body != NULL)
        PyBuffer_Release(&view);
    bool last = more == NULL || PyObject_IsTrue(more) == 0;
    if (last)
        asgi_request_answered(channel->request);
    if (status == 0 && last)
        status = http_respond_end(exchange, NULL);
    if (status < 0 || last)
        close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
    return status < 0 ? client_gone(channel) : asgi_done();
}

static PyObject *websocket_send(struct asgi_channel *channel, PyObject *type, PyObject *message)
{
    bool connecting = channel->step == STATE_CONNECTING || channel->step == STATE_NEW;
    if (channel->step == STATE_CLOSED)
        return client_gone(channel);
    if (asgi_is(type, asgi_text.websocket_send))
        return channel->step == STATE_OPEN ? send_data(channel, message) : broken_order(type);
    if (asgi_is(type, asgi_text.websocket_accept))
        return connecting ? accept_socket(channel, message) : broken_order(type);
    if (asgi_is(type, asgi_text.websocket_close))
        return channel->step != STATE_DENYING ? close_socket(channel, message) : broken_order(type);
    if (asgi_is(type, asgi_text.websocket_response_start))
        return connecting ? deny_start(channel, message) : broken_order(type);
    if (asgi_is(type, asgi_text.websocket_response_body))
        return channel->step == STATE_DENYING ? deny_body(channel, message) : broken_order(type);
    PyErr_Format(PyExc_ValueError, "send(): unexpected message %R", type);
    return NULL;
}

/* --- the end --- */

static void websocket_finished(struct asgi_channel *channel)
{
    enum { INTERNAL_ERROR = 1011 };
    bool failed = PyErr_Occurred() != NULL;
    if (failed && !(channel->step == STATE_CLOSED && asgi_is_about_client())) {
        (void)__atomic_add_fetch(&channel->asgi->serve->failed, 1, __ATOMIC_RELAXED);
        struct http_exchange *exchange = exchange_of(channel);
        interpreter_report("exception in the app", slice_str("websocket"),
                           exchange == NULL ? slice_str("(closed)")
                                            : http_request(exchange)->target);
    }
    PyErr_Clear();
    if (channel->request == NULL)
        return;
    if (channel->step == STATE_OPEN)
        send_close(channel, failed ? INTERNAL_ERROR : WEBSOCKET_NORMAL, slice_of(NULL, 0));
    else if (channel->head_sent)
        http_abort(exchange_of(channel));
    else
        respond_text(exchange_of(channel), 500, "Internal Server Error\n");
    close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
}

static void websocket_event(struct asgi_channel *channel, unsigned events)
{
    if (events & ASGI_WRITABLE) {
        struct websocket *socket = channel->websocket;
        channel->high = false;
        if (channel->step == STATE_OPEN && socket->owes_pong)
            send_pong(channel, slice_of(socket->pong, socket->pong_len));
    }
    if ((events & ASGI_ABORTED) == 0 || channel->request == NULL)
        return;
    channel->gone = true;
    close_with(channel, WEBSOCKET_GONE, slice_of(NULL, 0));
}

static void websocket_clear(struct asgi_channel *channel)
{
    if (channel->websocket == NULL)
        return;
    drop_message(channel);
    free(STEAL(channel->websocket));
}

const struct asgi_kind asgi_websocket = {
    .receive = websocket_receive,
    .send = websocket_send,
    .finished = websocket_finished,
    .event = websocket_event,
    .clear = websocket_clear,
};

/* --- recognising it --- */

/* Is `token` one of a comma-separated list? */
static bool list_has(const struct http_header *field, const char *token)
{
    if (field == NULL)
        return false;
    size_t len = strlen(token);
    const char *at = (const char *)field->value.data;
    const char *end = at + field->value.len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma == NULL ? end : comma;
        while (at < stop && *at == ' ')
            at++;
        const char *last = stop;
        while (last > at && last[-1] == ' ')
            last--;
        if ((size_t)(last - at) == len && strncasecmp(at, token, len) == 0)
            return true;
        at = stop + 1;
    }
    return false;
}

static bool wanted_by_connect(const struct http_request *request)
{
    return slice_is_str(request->method, "CONNECT") && slice_is_str(request->protocol, "websocket");
}

static bool wanted_by_upgrade(const struct http_request *request)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    const struct http_header *key = http_request_header(request, "sec-websocket-key");
    return slice_is_str(request->method, "GET") && request->version_major == 1 &&
           request->version_minor >= 1 && !request->has_body && key != NULL &&
           list_has(http_request_header(request, "upgrade"), "websocket") &&
           list_has(http_request_header(request, "connection"), "upgrade") &&
           websocket_accept_key(key->value, accept, NULL) == 0;
}

bool asgi_websocket_wanted(const struct http_request *request)
{
    if (!wanted_by_connect(request) && !wanted_by_upgrade(request))
        return false;
    const struct http_header *version = http_request_header(request, "sec-websocket-version");
    return version != NULL && slice_is_str(version->value, "13");
}

bool asgi_websocket_prepare(struct asgi_channel *channel)
{
    channel->websocket = mem_alloc(sizeof(*channel->websocket), NULL);
    if (channel->websocket == NULL) {
        PyErr_NoMemory();
        return false;
    }
    websocket_parser_init(&channel->websocket->parser, channel->asgi->message_limit);
    channel->websocket->code = WEBSOCKET_GONE;
    return true;
}
