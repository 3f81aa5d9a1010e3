// SPDX-License-Identifier: Apache-2.0
/*
 * start_response() and write() of PEP 3333, and the response that they build. One object per
 * request; the app may keep it longer, so it is cut off from the request when that is over.
 * Everything here runs with the GIL held and gives it back where a client may make us wait.
 */
#include "serve/internal.h"

#include <strings.h>

static struct slice reason_of(const char *text, size_t len)
{
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    return slice_of(text, len);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool parse_status(struct start_response *self, PyObject *status)
{
    struct slice text;
    if (!latin1_slice(status, "status", &text))
        return false;
    const uint8_t *at = text.data;
    bool valid = text.len >= 3 && is_digit(at[0]) && is_digit(at[1]) && is_digit(at[2]) &&
                 (text.len == 3 || at[3] == ' ');
    int code = valid ? (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0') : 0;
    for (size_t i = 0; valid && i < text.len; i++)
        valid = at[i] >= 0x20 && at[i] != 0x7f;
    if (!valid || code < 200 || code > 999) {
        PyErr_Format(PyExc_ValueError, "status %R: expected \"200 OK\" and the like", status);
        return false;
    }
    self->status_code = code;
    self->reason = reason_of((const char *)at + 3, text.len - 3);
    self->bodiless = self->is_head || code == 204 || code == 304;
    return true;
}

static bool add_item(struct start_response *self, PyObject *item)
{
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_TypeError, "response headers: expected (name, value), found %R", item);
        return false;
    }
    struct slice name;
    struct slice value;
    return latin1_slice(PyTuple_GET_ITEM(item, 0), "response header name", &name) &&
           latin1_slice(PyTuple_GET_ITEM(item, 1), "response header value", &value) &&
           fields_add(&self->fields, name, value);
}

static bool parse_headers(struct start_response *self, PyObject *headers)
{
    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "response headers must be a list, not %.100s",
                     Py_TYPE(headers)->tp_name);
        return false;
    }
    self->held = PyList_AsTuple(headers);
    if (self->held == NULL)
        return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->held); i++) {
        if (!add_item(self, PyTuple_GET_ITEM(self->held, i)))
            return false;
    }
    return true;
}

static void forget_head(struct start_response *self)
{
    self->status_code = 0;
    self->reason = slice_of(NULL, 0);
    fields_done(&self->fields);
    Py_CLEAR(self->status);
    Py_CLEAR(self->held);
}

/* exc_info: once the head is out the app's exception goes up again, before that it replaces it. */
static bool take_exc_info(struct start_response *self, PyObject *exc_info)
{
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "exc_info must be a tuple of three");
        return false;
    }
    if (!self->head_sent)
        return true;
    PyObject *type = PyTuple_GET_ITEM(exc_info, 0);
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1);
    PyObject *traceback = PyTuple_GET_ITEM(exc_info, 2);
    Py_INCREF(type);
    Py_INCREF(value);
    Py_INCREF(traceback);
    PyErr_Restore(type, value, traceback == Py_None ? NULL : traceback);
    if (traceback == Py_None)
        Py_DECREF(traceback);
    return false;
}

static bool may_start(struct start_response *self, PyObject *exc_info)
{
    if (self->request == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "start_response called after the end of the request");
        return false;
    }
    if (exc_info != NULL && exc_info != Py_None)
        return take_exc_info(self, exc_info);
    if (self->status_code == 0)
        return true;
    PyErr_SetString(PyExc_AssertionError, "start_response called twice without exc_info");
    return false;
}

static PyObject *start_response_write(PyObject *object, PyObject *data)
{
    struct start_response *self = (struct start_response *)object;
    if (self->request == NULL || self->complete) {
        PyErr_SetString(PyExc_RuntimeError, "write() called after the end of the response");
        return NULL;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    int status = response_part(self, slice_of(view.buf, (size_t)view.len));
    PyBuffer_Release(&view);
    if (status < 0)
        return NULL;
    if (self->broken) {
        PyErr_SetString(PyExc_BrokenPipeError, "the client has closed the connection");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"write", start_response_write, METH_O, "write(data): send data now (PEP 3333)"},
    {NULL, NULL, 0, NULL},
};

/* args: status, headers, exc_info or NULL. */
static PyObject *start(struct start_response *self, PyObject *const args[static 3])
{
    if (!may_start(self, args[2]))
        return NULL;
    forget_head(self);
    if (!parse_status(self, args[0]) || !parse_headers(self, args[1])) {
        forget_head(self);
        return NULL;
    }
    Py_INCREF(args[0]);
    self->status = args[0];
    return PyCFunction_New(methods, (PyObject *)self);
}

/* The index of a parameter given by name, or -1. PEP 3333 names none, but callers do. */
static int parameter_index(PyObject *name)
{
    static const char *const names[] = {"status", "headers", "exc_info"};
    for (int i = 0; i < 3; i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return i;
    }
    return PyUnicode_CompareWithASCIIString(name, "response_headers") == 0 ? 1 : -1;
}

static PyObject *start_response_call(PyObject *callable, PyObject *const *args, size_t nargsf,
                                     PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    PyObject *all[3] = {NULL, NULL, NULL};
    if (count > 3) {
        PyErr_SetString(PyExc_TypeError, "start_response(status, headers, exc_info=None)");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        all[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        int at = parameter_index(PyTuple_GET_ITEM(names, i));
        if (at < 0 || all[at] != NULL) {
            PyErr_SetString(PyExc_TypeError, "start_response(status, headers, exc_info=None)");
            return NULL;
        }
        all[at] = args[count + i];
    }
    if (all[0] == NULL || all[1] == NULL) {
        PyErr_SetString(PyExc_TypeError, "start_response(status, headers, exc_info=None)");
        return NULL;
    }
    return start((struct start_response *)callable, all);
}

static void start_response_dealloc(PyObject *object)
{
    struct start_response *self = (struct start_response *)object;
    start_response_detach(self);
    forget_head(self);
    PyObject_Free(self);
}

static PyTypeObject start_response_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mse.start_response",
    .tp_basicsize = sizeof(struct start_response),
    .tp_dealloc = start_response_dealloc,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(struct start_response, call),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = methods,
};

int start_response_start(struct err *err)
{
    if (PyType_Ready(&start_response_type) < 0)
        return interpreter_fail(err, true, "start_response");
    return 0;
}

struct start_response *start_response_new(struct serve_request *request)
{
    struct start_response *self = PyObject_New(struct start_response, &start_response_type);
    if (self == NULL)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    fields_init(&self->fields);
    self->call = start_response_call;
    self->request = request;
    self->is_head = slice_is_str(http_request(request->exchange)->method, "HEAD");
    serve_request_hold(request);
    return self;
}

void start_response_detach(struct start_response *self)
{
    struct serve_request *request = STEAL(self->request);
    if (request != NULL)
        serve_request_drop(request);
}

/* --- the response --- */

/* The reason phrase where it is not the usual one for that status, else NULL. It ends with the
 * app's str, which ends with a NUL. */
static const char *own_reason(const struct start_response *self)
{
    const char *reason = (const char *)self->reason.data;
    return strcmp(reason, http_reason(self->status_code)) == 0 ? NULL : reason;
}

static int check_started(const struct start_response *self)
{
    if (self->status_code != 0)
        return 0;
    PyErr_SetString(PyExc_AssertionError, "the app sent a body before it called start_response");
    return -1;
}

static void note_result(struct start_response *self, int status)
{
    if (status < 0)
        self->broken = true;
}

/* The result of what had the head in it: -1 with an exception where the head was refused. */
static int note_head(struct start_response *self, int status)
{
    if (status < 0 && head_was_refused(self->status_code, own_reason(self), &self->fields))
        return -1;
    self->head_sent = true;
    workers_note_answer();
    note_result(self, status);
    return 0;
}

static int send_head(struct start_response *self, int64_t length)
{
    return note_head(self, http_respond_start(self->request->exchange, self->status_code,
                                              own_reason(self), self->fields.items,
                                              self->fields.count, length, NULL));
}

/* Sends bytes; small ones are queued without giving the GIL back, unless the queue is full. */
static void send_bytes(struct start_response *self, struct slice bytes)
{
    struct http_exchange *exchange = self->request->exchange;
    struct serve *serve = self->request->serve;
    int status = 0;
    size_t queued = 0;
    (void)__atomic_add_fetch(&serve->progress, 1, __ATOMIC_RELAXED);
    if (bytes.len <= SERVE_BIG_BYTES) {
        status = http_respond_write(exchange, bytes, &queued, NULL);
        bytes.len = 0;
    }
    if (status == 0 && (bytes.len > 0 || queued > HTTP_WRITE_HIGH)) {
        client_wait_begin(serve);
        Py_BEGIN_ALLOW_THREADS;
        status = http_respond_write_wait(exchange, bytes, NULL);
        Py_END_ALLOW_THREADS;
        client_wait_end(serve);
    }
    note_result(self, status);
}

/* No more than the app has announced: the rest would be taken for the next response. */
static struct slice within_length(struct start_response *self, struct slice bytes)
{
    int64_t length = self->fields.content_length;
    if (length < 0 || self->sent + (int64_t)bytes.len <= length)
        return bytes;
    return slice_of(bytes.data, (size_t)(length - self->sent));
}

int response_part(struct start_response *self, struct slice body)
{
    if (check_started(self) < 0)
        return -1;
    if (body.len == 0 || self->broken)
        return 0;
    if (!self->head_sent && send_head(self, self->fields.content_length) < 0)
        return -1;
    body = within_length(self, body);
    if (self->bodiless || self->broken || body.len == 0)
        return 0;
    self->sent += (int64_t)body.len;
    send_bytes(self, body);
    return 0;
}

/* `object`: the bytes object that has the body, or NULL. */
static int respond(struct start_response *self, struct slice body, PyObject *object)
{
    struct http_exchange *exchange = self->request->exchange;
    const struct fields *fields = &self->fields;
    serve_request_answered(self->request);
    if (body.len > SERVE_BIG_BYTES && object != NULL && PyBytes_CheckExact(object))
        return lend_body(self->request->serve, exchange, self->status_code, fields, object);
    if (body.len <= SERVE_BIG_BYTES)
        return http_respond(exchange, self->status_code, fields->items, fields->count, body, NULL);
    int status;
    Py_BEGIN_ALLOW_THREADS;
    status = http_respond(exchange, self->status_code, fields->items, fields->count, body, NULL);
    Py_END_ALLOW_THREADS;
    return status;
}

static int send_whole(struct start_response *self, struct slice body, PyObject *object)
{
    if (check_started(self) < 0)
        return -1;
    int64_t length = self->fields.content_length;
    bool length_fits = length < 0 || (uint64_t)length == body.len;
    bool unknown = self->is_head && length < 0 && body.len == 0;
    bool own = own_reason(self) != NULL;
    if (own && !self->head_sent && length_fits && !unknown)
        self->fields.content_length = (int64_t)body.len; /* in parts, but of known length */
    if (self->head_sent || own || !length_fits || unknown)
        return response_part(self, body) < 0 ? -1 : response_end(self);
    if (note_head(self, respond(self, body, object)) < 0)
        return -1;
    self->complete = true;
    self->sent = (int64_t)body.len;
    return 0;
}

int response_whole(struct start_response *self, struct slice body)
{
    return send_whole(self, body, NULL);
}

int response_whole_object(struct start_response *self, PyObject *body)
{
    struct slice bytes = slice_of(PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body));
    return send_whole(self, bytes, body);
}

int response_file(struct start_response *self, int fd, int64_t offset, int64_t length)
{
    if (check_started(self) < 0)
        return -1;
    if (self->fields.content_length < 0)
        self->fields.content_length = length;
    if (self->fields.content_length < length)
        length = self->fields.content_length;
    if (!self->head_sent && send_head(self, self->fields.content_length) < 0)
        return -1;
    if (self->bodiless || self->broken || length == 0)
        return 0;
    int status;
    struct serve *serve = self->request->serve;
    client_wait_begin(serve);
    Py_BEGIN_ALLOW_THREADS;
    status = http_respond_file_wait(self->request->exchange, fd, offset, length, NULL);
    Py_END_ALLOW_THREADS;
    client_wait_end(serve);
    self->sent += length;
    note_result(self, status);
    return 0;
}

int response_end(struct start_response *self)
{
    if (check_started(self) < 0)
        return -1;
    if (self->complete)
        return 0;
    int64_t length = self->fields.content_length;
    /* Nothing was sent: an empty body, whose length is known unless this answers HEAD. */
    if (!self->head_sent && length < 0 && !self->is_head)
        length = 0;
    if (!self->head_sent && length == 0 && own_reason(self) == NULL)
        return response_whole(self, slice_of(NULL, 0));
    if (!self->head_sent && send_head(self, length) < 0)
        return -1;
    self->complete = true;
    if (self->broken)
        return 0;
    if (!self->bodiless && length >= 0 && self->sent < length) {
        self->broken = true;
        http_abort(self->request->exchange);
        PyErr_Format(PyExc_RuntimeError,
                     "the app announced Content-Length %lld and sent %lld bytes", (long long)length,
                     (long long)self->sent);
        return -1;
    }
    serve_request_answered(self->request);
    note_result(self, http_respond_end(self->request->exchange, NULL));
    return 0;
}
