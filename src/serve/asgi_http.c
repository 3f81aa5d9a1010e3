// SPDX-License-Identifier: Apache-2.0
/*
 * The http scope of ASGI 3 (specification "HTTP & WebSocket", version 2.4): body in, response out.
 * A response of one part leaves in one piece. Runs on the loop's thread.
 */
#include "serve/asgi.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BODY_PIECE = 64 * 1024, MAX_CONTEXTS = 16 };

static struct http_exchange *exchange_of(const struct asgi_channel *channel)
{
    return channel->request == NULL ? NULL : channel->request->exchange;
}

/* --- receive --- */

static PyObject *request_message(struct slice body, bool more)
{
    PyObject *message = PyDict_New();
    AUTO_OBJECT PyObject *bytes =
        PyBytes_FromStringAndSize((const char *)body.data, (Py_ssize_t)body.len);
    if (message == NULL || bytes == NULL ||
        PyDict_SetItem(message, asgi_text.type, asgi_text.http_request) < 0 ||
        PyDict_SetItem(message, asgi_text.body, bytes) < 0 ||
        PyDict_SetItem(message, asgi_text.more_body, more ? Py_True : Py_False) < 0)
        Py_CLEAR(message);
    return message;
}

static PyObject *disconnect_message(void)
{
    PyObject *message = PyDict_New();
    if (message != NULL && PyDict_SetItem(message, asgi_text.type, asgi_text.http_disconnect) < 0)
        Py_CLEAR(message);
    return message;
}

static PyObject *body_message(struct asgi_channel *channel)
{
    uint8_t piece[BODY_PIECE];
    size_t len = 0;
    bool end = false;
    struct err err = ERR_INIT;
    if (!http_request(exchange_of(channel))->has_body) {
        channel->body_ended = true;
        return request_message(slice_of(NULL, 0), false);
    }
    if (http_body_read(exchange_of(channel), piece, sizeof(piece), &len, &end, &err) < 0) {
        /* Too large, malformed or too slow: the server has answered, or closes. */
        channel->gone = true;
        return disconnect_message();
    }
    if (len == 0 && !end)
        return NULL;
    channel->body_ended = end;
    return request_message(slice_of(piece, len), !end);
}

static PyObject *http_receive(struct asgi_channel *channel)
{
    if (channel->gone || channel->complete || channel->request == NULL)
        return disconnect_message();
    return channel->body_ended ? NULL : body_message(channel);
}

/* --- send --- */

static PyObject *client_gone(struct asgi_channel *channel)
{
    channel->gone = true;
    PyErr_SetString(PyExc_ConnectionResetError, "the client has closed the connection");
    return NULL;
}

static void complete(struct asgi_channel *channel)
{
    channel->complete = true;
    asgi_head_clear(&channel->head);
    asgi_channel_end(channel);
    asgi_channel_wake(channel); /* receive() answers http.disconnect from now on */
}

static PyObject *start_response(struct asgi_channel *channel, PyObject *message)
{
    if (channel->head_started) {
        PyErr_SetString(PyExc_RuntimeError, "http.response.start was sent already");
        return NULL;
    }
    if (!asgi_head_read(channel, message))
        return NULL;
    PyObject *trailers = asgi_member(message, asgi_text.trailers);
    int trailing = trailers == NULL ? 0 : PyObject_IsTrue(trailers);
    if (trailing < 0)
        return NULL;
    channel->trailing = trailing;
    channel->head_started = true;
    return asgi_done();
}

/* `object`: the bytes object that has the body, or NULL. */
static int respond_whole(struct asgi_channel *channel, struct slice body, PyObject *object)
{
    struct asgi_head *head = &channel->head;
    int64_t length = head->fields.content_length;
    struct http_exchange *exchange = exchange_of(channel);
    int status;
    asgi_request_answered(channel->request);
    if (length >= 0 && (uint64_t)length != body.len) {
        /* HEAD and 304 tell the length of what they do not carry. */
        if (body.len != 0 || (!channel->is_head && head->status != 304)) {
            PyErr_SetString(PyExc_RuntimeError, "the body is not as long as Content-Length says");
            return -1;
        }
        status = http_respond_start(exchange, head->status, NULL, head->fields.items,
                                    head->fields.count, length, NULL);
        if (status == 0)
            status = http_respond_end(exchange, NULL);
    } else if (object != NULL && body.len > SERVE_BIG_BYTES) {
        status = lend_body(channel->asgi->serve, exchange, head->status, &head->fields, object);
    } else {
        status = http_respond(exchange, head->status, head->fields.items, head->fields.count, body,
                              NULL);
    }
    if (status < 0 && head_was_refused(head->status, NULL, &head->fields))
        return -1;
    channel->gone |= status < 0;
    return 0;
}

/* Will the trailers be sent, or are they for a client that does not want them? */
static bool sends_trailers(const struct asgi_channel *channel)
{
    return channel->trailing && http_request_takes_trailers(http_request(exchange_of(channel)));
}

/* False with an exception. */
static bool send_head(struct asgi_channel *channel)
{
    struct asgi_head *head = &channel->head;
    /* HTTP/1.1 has no place for trailers behind a Content-Length. */
    bool chunked =
        sends_trailers(channel) && http_request(exchange_of(channel))->version_major == 1;
    int status =
        http_respond_start(exchange_of(channel), head->status, NULL, head->fields.items,
                           head->fields.count, chunked ? -1 : head->fields.content_length, NULL);
    if (status < 0 && head_was_refused(head->status, NULL, &head->fields))
        return false;
    channel->head_sent = true;
    asgi_note_answer(channel->request);
    if (status < 0)
        (void)client_gone(channel);
    return status == 0;
}

/* Has the queue gone down, so that the app may send more? Polled by who waits in send(). */
static PyObject *drained(struct asgi_channel *channel)
{
    if (channel->gone)
        return client_gone(channel);
    return channel->high ? NULL : Py_NewRef(Py_None);
}

static PyObject *send_part(struct asgi_channel *channel, struct slice body, bool more)
{
    int64_t length = channel->head.fields.content_length;
    size_t queued = 0;
    bool fits = length < 0 || channel->sent + (int64_t)body.len <= length;
    bool whole =
        more || length < 0 || channel->is_head || channel->sent + (int64_t)body.len == length;
    if (!fits || !whole) {
        PyErr_SetString(PyExc_RuntimeError, "the body is not as long as Content-Length says");
        return NULL;
    }
    if (!channel->head_sent && !send_head(channel))
        return NULL;
    channel->sent += (int64_t)body.len;
    if (body.len > 0 && !channel->is_head &&
        http_respond_write(exchange_of(channel), body, &queued, NULL) < 0)
        return client_gone(channel);
    if (!more && channel->trailing) {
        channel->body_complete = true;
        asgi_head_clear(&channel->head); /* from now on it collects trailers */
        return asgi_done();
    }
    if (!more) {
        asgi_request_answered(channel->request);
        bool gone = http_respond_end(exchange_of(channel), NULL) < 0;
        complete(channel);
        channel->gone |= gone;
        return asgi_done();
    }
    channel->high = queued > HTTP_WRITE_HIGH;
    return channel->high ? asgi_wait(channel, drained) : asgi_done();
}

static PyObject *send_body(struct asgi_channel *channel, struct slice body, PyObject *object,
                           bool more)
{
    if (channel->gone)
        return client_gone(channel);
    if (more || channel->head_sent || channel->trailing)
        return send_part(channel, body, more);
    if (respond_whole(channel, body, object) < 0)
        return NULL;
    complete(channel);
    return channel->gone ? client_gone(channel) : asgi_done();
}

static bool may_send_body(const struct asgi_channel *channel)
{
    bool over = channel->complete || channel->file_given || channel->body_complete;
    if (channel->head_started && !over)
        return true;
    PyErr_SetString(PyExc_RuntimeError, over ? "the response was complete already"
                                             : "http.response.start has to be sent first");
    return false;
}

static PyObject *response_body(struct asgi_channel *channel, PyObject *message)
{
    PyObject *body = asgi_member(message, asgi_text.body);
    PyObject *more = asgi_member(message, asgi_text.more_body);
    int has_more = more == NULL || more == Py_False ? 0 : PyObject_IsTrue(more);
    if (has_more < 0)
        return NULL;
    if (!may_send_body(channel))
        return NULL;
    if (body == NULL || body == Py_None)
        return send_body(channel, slice_of(NULL, 0), NULL, has_more);
    if (PyBytes_CheckExact(body))
        return send_body(channel, slice_of(PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body)),
                         body, has_more);
    Py_buffer view;
    if (PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = send_body(channel, slice_of(view.buf, (size_t)view.len), NULL, has_more);
    PyBuffer_Release(&view);
    return result;
}

/* The file of a http.response.pathsend message, or -1 with an exception. */
static int open_path(PyObject *message, int64_t *ret_size)
{
    AUTO_OBJECT PyObject *path = NULL;
    PyObject *given = asgi_member(message, asgi_text.path);
    if (given == NULL) {
        PyErr_SetString(PyExc_ValueError, "http.response.pathsend needs a \"path\"");
        return -1;
    }
    if (!PyUnicode_FSConverter(given, &path))
        return -1;
    if (PyBytes_AS_STRING(path)[0] != '/') {
        PyErr_Format(PyExc_ValueError, "http.response.pathsend: %R is not an absolute path", given);
        return -1;
    }
    struct stat status;
    /* Not to wait for who writes to a pipe of that name. */
    int fd = open(PyBytes_AS_STRING(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0) {
        (void)PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, given);
    } else if (!S_ISREG(status.st_mode)) {
        PyErr_Format(PyExc_ValueError, "http.response.pathsend: %R is not a file", given);
    } else {
        *ret_size = status.st_size;
        return fd;
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* Polled by who waits in send() for a file. */
static PyObject *file_sent(struct asgi_channel *channel)
{
    if (channel->file_error != ERR_NONE && !channel->gone) {
        PyErr_SetString(PyExc_OSError, "the file could not be read to its end");
        return NULL;
    }
    if (channel->gone)
        return client_gone(channel);
    return channel->complete ? Py_NewRef(Py_None) : NULL;
}

/* The head, and behind it nothing, or what the server sends by itself. Takes the file. */
static PyObject *end_with_file(struct asgi_channel *channel, struct http_file *file, int64_t length)
{
    channel->head.fields.content_length = length;
    if (!send_head(channel)) {
        http_file_free(file);
        return NULL;
    }
    asgi_request_answered(channel->request);
    bool gone = file != NULL && !http_respond_file(exchange_of(channel), file);
    gone |= http_respond_end(exchange_of(channel), NULL) < 0;
    complete(channel);
    channel->gone |= gone;
    return channel->gone ? client_gone(channel) : asgi_done();
}

/* A file that goes out with more than its head. */
static PyObject *send_content(struct asgi_channel *channel, int fd, int64_t length)
{
    struct http_file *file = http_file_new(exchange_of(channel), fd, 0, length);
    if (file != NULL) {
        (void)close(fd);
        return end_with_file(channel, file, length);
    }
    struct file_send *send = asgi_file_prepare(channel->request, fd, length);
    if (send == NULL)
        return NULL;
    channel->head.fields.content_length = length;
    if (!send_head(channel)) {
        asgi_file_drop(send);
        return NULL;
    }
    channel->file_given = true;
    asgi_file_begin(send);
    return asgi_wait(channel, file_sent);
}

static PyObject *send_file(struct asgi_channel *channel, int fd, int64_t size)
{
    struct asgi_head *head = &channel->head;
    int64_t length = head->fields.content_length < 0 ? size : head->fields.content_length;
    if (length > size || channel->head_sent) {
        PyErr_SetString(PyExc_RuntimeError, channel->head_sent
                                                ? "a part of the body was sent already"
                                                : "the file is shorter than Content-Length says");
        (void)close(fd);
        return NULL;
    }
    bool bodiless = channel->is_head || head->status == 204 || head->status == 304;
    if (!bodiless && length > 0)
        return send_content(channel, fd, length);
    (void)close(fd);
    return end_with_file(channel, NULL, length);
}

static PyObject *response_path(struct asgi_channel *channel, PyObject *message)
{
    int64_t size;
    if (!may_send_body(channel))
        return NULL;
    if (channel->trailing) {
        PyErr_SetString(PyExc_RuntimeError, "no trailers can follow http.response.pathsend");
        return NULL;
    }
    int fd = open_path(message, &size);
    return fd < 0 ? NULL : send_file(channel, fd, size);
}

static PyObject *end_with_trailers(struct asgi_channel *channel)
{
    const struct fields *fields = &channel->head.fields;
    struct http_exchange *exchange = exchange_of(channel);
    struct err err = ERR_INIT;
    asgi_request_answered(channel->request);
    int status = sends_trailers(channel)
                     ? http_respond_end_trailers(exchange, fields->items, fields->count, &err)
                     : http_respond_end(exchange, &err);
    if (status < 0 && err.kind == ERR_INVALID) {
        PyErr_SetString(PyExc_ValueError, err.message);
        return NULL;
    }
    complete(channel);
    channel->gone |= status < 0;
    return asgi_done();
}

/* The extension http.response.trailers: header fields in one or more messages behind the body. */
static PyObject *response_trailers(struct asgi_channel *channel, PyObject *message)
{
    if (!channel->body_complete || channel->complete) {
        PyErr_SetString(PyExc_RuntimeError,
                        "http.response.trailers comes behind the whole body of a response that was "
                        "started with trailers=True");
        return NULL;
    }
    PyObject *pairs = asgi_member(message, asgi_text.headers);
    PyObject *more = asgi_member(message, asgi_text.more_trailers);
    int has_more = more == NULL ? 0 : PyObject_IsTrue(more);
    if (has_more < 0 ||
        (pairs != NULL && pairs != Py_None && !asgi_head_add(&channel->head, pairs)))
        return NULL;
    if (channel->head.fields.content_length >= 0) {
        PyErr_SetString(PyExc_ValueError, "'content-length' cannot be a trailer field (RFC 9110)");
        return NULL;
    }
    return has_more ? asgi_done() : end_with_trailers(channel);
}

static PyObject *http_send(struct asgi_channel *channel, PyObject *type, PyObject *message)
{
    if (channel->gone && !channel->complete)
        return client_gone(channel);
    if (asgi_is(type, asgi_text.http_response_body))
        return response_body(channel, message);
    if (asgi_is(type, asgi_text.http_response_start))
        return start_response(channel, message);
    if (asgi_is(type, asgi_text.pathsend))
        return response_path(channel, message);
    if (asgi_is(type, asgi_text.http_response_trailers))
        return response_trailers(channel, message);
    PyErr_Format(PyExc_ValueError, "send(): unexpected message %R", type);
    return NULL;
}

/* --- the end --- */

static void finish_unsent(struct asgi_channel *channel, bool failed)
{
    if (channel->request == NULL)
        return;
    asgi_request_answered(channel->request);
    if (channel->head_sent)
        http_abort(exchange_of(channel));
    else if (!channel->gone)
        respond_text(exchange_of(channel), 500, "Internal Server Error\n");
    complete(channel);
}

bool asgi_is_about_client(void)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    bool found = false;
    PyObject *at = value;
    Py_XINCREF(at);
    for (int depth = 0; at != NULL && !found && depth < MAX_CONTEXTS; depth++) {
        found = PyErr_GivenExceptionMatches(at, PyExc_OSError) != 0;
        PyObject *context = PyException_GetContext(at);
        Py_DECREF(at);
        at = context;
    }
    Py_XDECREF(at);
    PyErr_Restore(type, value, trace);
    return found;
}

static void http_finished(struct asgi_channel *channel)
{
    bool failed = PyErr_Occurred() != NULL;
    bool expected = failed && channel->gone && asgi_is_about_client();
    if (!failed && channel->request != NULL && !channel->gone) {
        failed = true;
        PyErr_SetString(PyExc_RuntimeError,
                        "the app has returned before its response was complete");
    }
    if (failed && !expected) {
        struct serve *serve = channel->asgi->serve;
        (void)__atomic_add_fetch(&serve->failed, 1, __ATOMIC_RELAXED);
        struct http_exchange *exchange = exchange_of(channel);
        struct slice unknown = slice_str("(answered)");
        interpreter_report("exception in the app",
                           exchange == NULL ? unknown : http_request(exchange)->method,
                           exchange == NULL ? unknown : http_request(exchange)->target);
    }
    PyErr_Clear();
    finish_unsent(channel, failed);
}

static void http_event(struct asgi_channel *channel, unsigned events)
{
    if (events & ASGI_ABORTED)
        channel->gone = true;
    if (events & ASGI_WRITABLE)
        channel->high = false;
    if ((events & ASGI_SENT) == 0 || channel->request == NULL)
        return;
    channel->file_error = channel->request->file_error;
    channel->gone |= channel->file_error == ERR_INTERRUPTED;
    complete(channel);
}

const struct asgi_kind asgi_http = {
    .receive = http_receive,
    .send = http_send,
    .finished = http_finished,
    .event = http_event,
};
