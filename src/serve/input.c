// SPDX-License-Identifier: Apache-2.0
/*
 * wsgi.input: the request's body as a file, read from the socket as the app asks for it. While it
 * waits for the client the GIL is free. What arrives is kept here only for readline.
 *
 * read(n) blocks until n bytes or the end are there, as a buffered file does; apps rely on it.
 */
#include "serve/internal.h"

enum {
    LINE_BUFFER_SIZE = 8 * 1024,
    READ_CHUNK = 256 * 1024, /* a read to the end grows by doubling from here */
};

struct input {
    PyObject_HEAD struct serve_request *request; /* NULL: no body, or the request is over */
    bool over;
    bool at_end;
    bool busy; /* a thread is in here without the GIL */
    uint8_t *buffer;
    size_t start;
    size_t end;
};

static PyTypeObject input_type;
static struct input *the_empty; /* shared by all requests without a body */

static void raise_body_err(struct serve_request *request, const struct err *err)
{
    request->body_err = err->kind;
    switch (err->kind) {
    case ERR_INTERRUPTED:
        PyErr_SetString(PyExc_ConnectionResetError, "the client has closed the connection");
        break;
    case ERR_TIMEOUT:
        PyErr_SetString(PyExc_TimeoutError, "the client has stopped sending the request body");
        break;
    default:
        PyErr_Format(PyExc_OSError, "request body: %s", err->message);
        break;
    }
}

static bool check_usable(struct input *self)
{
    if (self->over) {
        PyErr_SetString(PyExc_ValueError, "wsgi.input: the request is over");
        return false;
    }
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input: another thread is reading");
        return false;
    }
    return true;
}

/* At least one byte into `to`, or *ret_len 0 at the end; where there is none, `least` are waited
 * for. False with an exception. */
static bool read_some(struct input *self, void *to, size_t size, size_t least, size_t *ret_len)
{
    *ret_len = 0;
    if (self->at_end || size == 0)
        return true;
    struct serve_request *request = self->request;
    struct err err = ERR_INIT;
    bool end = false;
    size_t len = 0;
    serve_request_hold(request); /* the app may end the request from another thread meanwhile */
    int status = http_body_read(request->exchange, to, size, &len, &end, &err);
    if (status == 0 && len == 0 && !end) {
        self->busy = true;
        client_wait_begin(request->serve);
        Py_BEGIN_ALLOW_THREADS;
        status = http_body_read_wait(request->exchange, to, size, least, &len, &err);
        Py_END_ALLOW_THREADS;
        client_wait_end(request->serve);
        self->busy = false;
        end = len == 0;
    }
    if (status < 0)
        raise_body_err(request, &err);
    self->at_end = self->request == NULL || (status == 0 && end);
    serve_request_drop(request);
    *ret_len = status < 0 ? 0 : len;
    return status == 0;
}

/* From the line buffer first. */
static size_t take_buffered(struct input *self, uint8_t *to, size_t size)
{
    size_t len = self->end - self->start;
    if (len > size)
        len = size;
    if (len > 0)
        memcpy(to, self->buffer + self->start, len);
    self->start += len;
    return len;
}

/* Fills `to` unless the body ends before. */
static bool read_full(struct input *self, uint8_t *to, size_t size, size_t *ret_len)
{
    size_t total = take_buffered(self, to, size);
    while (total < size && !self->at_end) {
        size_t len;
        if (!read_some(self, to + total, size - total, size - total, &len))
            return false;
        total += len;
    }
    *ret_len = total;
    return true;
}

static PyObject *read_sized(struct input *self, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    size_t len = 0;
    if (bytes == NULL)
        return NULL;
    if (!read_full(self, (uint8_t *)PyBytes_AS_STRING(bytes), size, &len)) {
        Py_DECREF(bytes);
        return NULL;
    }
    if (len != size)
        (void)_PyBytes_Resize(&bytes, (Py_ssize_t)len);
    return bytes;
}

/* In growing pieces: neither an announced length nor a guess is worth memory before bytes come. */
static PyObject *read_up_to(struct input *self, size_t limit)
{
    PyObject *bytes = NULL;
    size_t total = 0;
    size_t cap = READ_CHUNK;
    for (;;) {
        if (cap > limit)
            cap = limit;
        if (bytes == NULL)
            bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)cap);
        else if (_PyBytes_Resize(&bytes, (Py_ssize_t)cap) < 0)
            return NULL;
        if (bytes == NULL)
            return NULL;
        size_t len = 0;
        if (!read_full(self, (uint8_t *)PyBytes_AS_STRING(bytes) + total, cap - total, &len)) {
            Py_DECREF(bytes);
            return NULL;
        }
        total += len;
        if (total < cap || cap == limit)
            break;
        cap = cap > limit / 2 ? limit : cap * 2;
    }
    (void)_PyBytes_Resize(&bytes, (Py_ssize_t)total);
    return bytes;
}

/* The bytes that are still to come, as far as it is known. */
static size_t read_limit(struct input *self)
{
    size_t buffered = self->end - self->start;
    int64_t length = http_request(self->request->exchange)->content_length;
    if (length < 0)
        return PY_SSIZE_T_MAX - 1;
    return (size_t)length > buffered ? (size_t)length : buffered;
}

/* An optional size argument; None and negative: everything. */
static bool parse_size(PyObject *const *args, Py_ssize_t count, Py_ssize_t *ret)
{
    *ret = -1;
    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "expected at most one argument");
        return false;
    }
    if (count == 0 || args[0] == Py_None)
        return true;
    *ret = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    return *ret != -1 || PyErr_Occurred() == NULL;
}

static PyObject *input_read(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    struct input *self = (struct input *)object;
    Py_ssize_t size;
    if (!parse_size(args, count, &size) || !check_usable(self))
        return NULL;
    if (self->at_end && self->start == self->end)
        return PyBytes_FromStringAndSize(NULL, 0);
    if (size < 0)
        return read_up_to(self, read_limit(self));
    if (size <= READ_CHUNK)
        return read_sized(self, (size_t)size);
    return read_up_to(self, (size_t)size);
}

static PyObject *input_readinto(PyObject *object, PyObject *target)
{
    struct input *self = (struct input *)object;
    Py_buffer view;
    if (!check_usable(self) || PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) < 0)
        return NULL;
    size_t len = 0;
    bool done = read_full(self, view.buf, (size_t)view.len, &len);
    PyBuffer_Release(&view);
    return done ? PyLong_FromSize_t(len) : NULL;
}

/* Makes sure that the line buffer is not empty, unless the body is at its end. */
static bool fill_line_buffer(struct input *self)
{
    if (self->start < self->end || self->at_end)
        return true;
    if (self->buffer == NULL) {
        self->buffer = mem_alloc(LINE_BUFFER_SIZE, NULL);
        if (self->buffer == NULL) {
            PyErr_NoMemory();
            return false;
        }
    }
    size_t len = 0;
    if (!read_some(self, self->buffer, LINE_BUFFER_SIZE, 1, &len))
        return false;
    self->start = 0;
    self->end = len;
    return true;
}

static bool append(PyObject **line, const uint8_t *data, size_t len)
{
    Py_ssize_t before = *line == NULL ? 0 : PyBytes_GET_SIZE(*line);
    if (*line == NULL)
        *line = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
    else
        (void)_PyBytes_Resize(line, before + (Py_ssize_t)len);
    if (*line == NULL)
        return false;
    memcpy(PyBytes_AS_STRING(*line) + before, data, len);
    return true;
}

/* One line, at most `limit` bytes; empty at the end. */
static PyObject *read_line(struct input *self, size_t limit)
{
    PyObject *line = NULL;
    size_t total = 0;
    while (total < limit) {
        if (!fill_line_buffer(self)) {
            Py_XDECREF(line);
            return NULL;
        }
        size_t there = self->end - self->start;
        if (there == 0)
            break;
        const uint8_t *data = self->buffer + self->start;
        size_t len = there < limit - total ? there : limit - total;
        const uint8_t *newline = memchr(data, '\n', len);
        if (newline != NULL)
            len = (size_t)(newline - data) + 1;
        if (!append(&line, data, len))
            return NULL;
        self->start += len;
        total += len;
        if (newline != NULL)
            break;
    }
    return line != NULL ? line : PyBytes_FromStringAndSize(NULL, 0);
}

static PyObject *input_readline(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    struct input *self = (struct input *)object;
    Py_ssize_t size;
    if (!parse_size(args, count, &size) || !check_usable(self))
        return NULL;
    return read_line(self, size < 0 ? PY_SSIZE_T_MAX : (size_t)size);
}

static PyObject *input_readlines(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    struct input *self = (struct input *)object;
    Py_ssize_t hint;
    if (!parse_size(args, count, &hint) || !check_usable(self))
        return NULL;
    PyObject *lines = PyList_New(0);
    Py_ssize_t total = 0;
    while (lines != NULL && (hint <= 0 || total < hint)) {
        AUTO_OBJECT PyObject *line = read_line(self, PY_SSIZE_T_MAX);
        if (line == NULL || (PyBytes_GET_SIZE(line) > 0 && PyList_Append(lines, line) < 0)) {
            Py_CLEAR(lines);
            break;
        }
        if (PyBytes_GET_SIZE(line) == 0)
            break;
        total += PyBytes_GET_SIZE(line);
    }
    return lines;
}

static PyObject *input_next(PyObject *object)
{
    struct input *self = (struct input *)object;
    if (!check_usable(self))
        return NULL;
    PyObject *line = read_line(self, PY_SSIZE_T_MAX);
    if (line != NULL && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

static PyObject *input_true(PyObject *object, PyObject *nothing)
{
    Py_RETURN_TRUE;
}

static PyObject *input_false(PyObject *object, PyObject *nothing)
{
    Py_RETURN_FALSE;
}

static PyObject *input_none(PyObject *object, PyObject *nothing)
{
    Py_RETURN_NONE;
}

static PyObject *input_closed(PyObject *object, void *nothing)
{
    return PyBool_FromLong(((struct input *)object)->over);
}

static void input_dealloc(PyObject *object)
{
    input_detach(object);
    free(((struct input *)object)->buffer);
    PyObject_Free(object);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"read", FAST(input_read), METH_FASTCALL, "read(size=-1)"},
    {"readinto", input_readinto, METH_O, "readinto(buffer)"},
    {"readline", FAST(input_readline), METH_FASTCALL, "readline(size=-1)"},
    {"readlines", FAST(input_readlines), METH_FASTCALL, "readlines(hint=-1)"},
    {"readable", input_true, METH_NOARGS, NULL},
    {"writable", input_false, METH_NOARGS, NULL},
    {"seekable", input_false, METH_NOARGS, NULL},
    {"close", input_none, METH_NOARGS, NULL},
    {"flush", input_none, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"closed", input_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject input_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mse.input",
    .tp_basicsize = sizeof(struct input),
    .tp_dealloc = input_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = input_next,
    .tp_methods = methods,
    .tp_getset = attributes,
};

static struct input *make(struct serve_request *request)
{
    struct input *self = PyObject_New(struct input, &input_type);
    if (self == NULL)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    self->request = request;
    self->at_end = request == NULL;
    if (request != NULL)
        serve_request_hold(request);
    return self;
}

int input_start(struct err *err)
{
    if (PyType_Ready(&input_type) < 0)
        return interpreter_fail(err, true, "wsgi.input");
    the_empty = make(NULL);
    return the_empty == NULL ? interpreter_fail(err, true, "wsgi.input") : 0;
}

void input_finish(void)
{
    Py_CLEAR(the_empty);
}

PyObject *input_empty(void)
{
    Py_XINCREF((PyObject *)the_empty);
    return (PyObject *)the_empty;
}

PyObject *input_new(struct serve_request *request)
{
    return (PyObject *)make(request);
}

void input_detach(PyObject *object)
{
    struct input *self = (struct input *)object;
    if (self->request == NULL)
        return;
    self->over = true;
    self->at_end = true;
    serve_request_drop(STEAL(self->request));
}
