// SPDX-License-Identifier: Apache-2.0
/*
 * One call of an ASGI app: its receive and send, and the coroutine that runs it. The coroutine is
 * wrapped, so that its end comes to us without a callback through the event loop; whoever looks
 * at the task's coroutine (anyio does) sees the app's own through the wrapper.
 */
#include "serve/asgi.h"

/* --- receive and send --- */

static PyTypeObject channel_type;

static PyObject *channel_receive(PyObject *object, PyObject *nothing)
{
    struct asgi_channel *channel = (struct asgi_channel *)object;
    PyObject *message = channel->kind->receive(channel);
    if (message != NULL)
        return asgi_ready(message);
    return PyErr_Occurred() != NULL ? NULL : asgi_wait(channel, channel->kind->receive);
}

static PyObject *channel_send(PyObject *object, PyObject *message)
{
    struct asgi_channel *channel = (struct asgi_channel *)object;
    if (!PyDict_Check(message)) {
        PyErr_Format(PyExc_TypeError, "send() takes a dict, not %.100s", Py_TYPE(message)->tp_name);
        return NULL;
    }
    PyObject *type = asgi_member(message, asgi_text.type);
    if (type == NULL || !PyUnicode_Check(type)) {
        PyErr_SetString(PyExc_ValueError, "send(): the message has no \"type\"");
        return NULL;
    }
    return channel->kind->send(channel, type, message);
}

PyObject *asgi_member(PyObject *message, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(message, name);
    if (value == NULL)
        PyErr_Clear();
    return value;
}

bool asgi_is(PyObject *type, PyObject *expected)
{
    return type == expected || PyUnicode_Compare(type, expected) == 0;
}

static void channel_dealloc(PyObject *object)
{
    struct asgi_channel *channel = (struct asgi_channel *)object;
    if (channel->kind->clear != NULL)
        channel->kind->clear(channel);
    asgi_head_clear(&channel->head);
    Py_CLEAR(channel->task);
    PyObject_Free(channel);
}

static PyMethodDef methods[] = {
    {"receive", channel_receive, METH_NOARGS, "receive(): the next message, to be awaited"},
    {"send", channel_send, METH_O, "send(message): to be awaited"},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject channel_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mse.channel",
    .tp_basicsize = sizeof(struct asgi_channel),
    .tp_dealloc = channel_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = methods,
};

struct asgi_channel *asgi_channel_new(struct asgi *asgi, const struct asgi_kind *kind,
                                      struct asgi_request *request)
{
    struct asgi_channel *channel = PyObject_New(struct asgi_channel, &channel_type);
    if (channel == NULL)
        return NULL;
    memset((char *)channel + sizeof(PyObject), 0, sizeof(*channel) - sizeof(PyObject));
    fields_init(&channel->head.fields);
    channel->kind = kind;
    channel->asgi = asgi;
    channel->request = request;
    return channel;
}

void asgi_channel_end(struct asgi_channel *channel)
{
    struct asgi_request *request = STEAL(channel->request);
    if (request == NULL)
        return;
    asgi_request_end(request);
    Py_DECREF((PyObject *)channel); /* the request's reference; the caller has one of its own */
}

/* --- the head of a response --- */

void asgi_head_clear(struct asgi_head *head)
{
    for (size_t i = 0; i < head->held_count; i++)
        Py_DECREF(head->held[i]);
    free(STEAL(head->held));
    head->held_count = 0;
    head->held_cap = 0;
    fields_done(&head->fields);
}

static bool hold(struct asgi_head *head, PyObject *bytes)
{
    if (head->held_count == head->held_cap) {
        size_t cap = head->held_cap == 0 ? 16 : head->held_cap * 2;
        PyObject **held = mem_resize_array(head->held, cap, sizeof(*held), NULL);
        if (held == NULL) {
            PyErr_NoMemory();
            return false;
        }
        head->held = held;
        head->held_cap = cap;
    }
    head->held[head->held_count++] = Py_NewRef(bytes);
    return true;
}

static bool header_slice(struct asgi_head *head, PyObject *bytes, struct slice *ret)
{
    if (!PyBytes_Check(bytes)) {
        PyErr_Format(PyExc_TypeError, "a response header is bytes and bytes, not %.100s",
                     Py_TYPE(bytes)->tp_name);
        return false;
    }
    *ret = slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    return hold(head, bytes);
}

static bool add_pair(struct asgi_head *head, PyObject *pair)
{
    AUTO_OBJECT PyObject *two = PySequence_Fast(pair, "a response header is a pair");
    if (two == NULL)
        return false;
    if (PySequence_Fast_GET_SIZE(two) != 2) {
        PyErr_SetString(PyExc_ValueError, "a response header is a pair of name and value");
        return false;
    }
    struct slice name;
    struct slice value;
    if (!header_slice(head, PySequence_Fast_GET_ITEM(two, 0), &name) ||
        !header_slice(head, PySequence_Fast_GET_ITEM(two, 1), &value))
        return false;
    /* The connection is the server's; the ASGI specification says to ignore these. */
    return is_hop_by_hop(name) || fields_add(&head->fields, name, value);
}

bool asgi_head_add(struct asgi_head *head, PyObject *pairs)
{
    AUTO_OBJECT PyObject *list = PySequence_Fast(pairs, "headers: expected an iterable of pairs");
    if (list == NULL)
        return false;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        if (!add_pair(head, PySequence_Fast_GET_ITEM(list, i)))
            return false;
    }
    return true;
}

bool asgi_head_read(struct asgi_channel *channel, PyObject *message)
{
    struct asgi_head *head = &channel->head;
    PyObject *status = asgi_member(message, asgi_text.status);
    long code = status == NULL ? -1 : PyLong_AsLong(status);
    if (code < 200 || code > 999) {
        if (PyErr_Occurred() == NULL)
            PyErr_SetString(PyExc_ValueError, "a response needs a status from 200 to 999");
        return false;
    }
    asgi_head_clear(head);
    head->status = (int)code;
    PyObject *pairs = asgi_member(message, asgi_text.headers);
    if (pairs == NULL || pairs == Py_None || asgi_head_add(head, pairs))
        return true;
    asgi_head_clear(head);
    return false;
}

/* --- the coroutine --- */

struct runner {
    PyObject_HEAD PyObject *coroutine;
    struct asgi_channel *channel; /* NULL: has ended */
};

static PyTypeObject runner_type;

/* CancelledError and GeneratorExit are the task's business; SystemExit is not: a request does not
 * end the process. */
static bool is_for_task(PyObject *type)
{
    return type != NULL && !PyErr_GivenExceptionMatches(type, PyExc_Exception) &&
           !PyErr_GivenExceptionMatches(type, PyExc_SystemExit) &&
           !PyErr_GivenExceptionMatches(type, PyExc_KeyboardInterrupt);
}

/* With an exception set or not. A cancellation goes on to the task, anything else ends here. */
static PySendResult runner_finish(struct runner *self, PyObject **ret)
{
    struct asgi_channel *channel = STEAL(self->channel);
    *ret = NULL;
    if (channel == NULL)
        return PyErr_Occurred() != NULL ? PYGEN_ERROR : PYGEN_RETURN;
    PyObject *type = PyErr_Occurred();
    bool outer = is_for_task(type);
    PyObject *value = NULL;
    PyObject *trace = NULL;
    if (outer) {
        PyErr_Fetch(&type, &value, &trace);
        PyErr_SetString(PyExc_RuntimeError, "the app was cancelled");
    }
    channel->kind->finished(channel);
    if (channel->kind != &asgi_lifespan)
        asgi_note_finished(channel->asgi);
    Py_CLEAR(channel->task);
    Py_DECREF((PyObject *)channel);
    if (outer) {
        PyErr_Restore(type, value, trace);
        return PYGEN_ERROR;
    }
    PyErr_Clear();
    *ret = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PySendResult runner_am_send(PyObject *object, PyObject *value, PyObject **ret)
{
    struct runner *self = (struct runner *)object;
    PySendResult result = PyIter_Send(self->coroutine, value, ret);
    if (result == PYGEN_NEXT)
        return PYGEN_NEXT;
    if (result == PYGEN_RETURN)
        Py_CLEAR(*ret);
    return runner_finish(self, ret);
}

/* A step by way of methods: what came out of the coroutine's, with our end where it is one. */
static PyObject *after_method(struct runner *self, PyObject *yielded)
{
    if (yielded != NULL)
        return yielded;
    if (PyErr_ExceptionMatches(PyExc_StopIteration))
        PyErr_Clear();
    PyObject *result;
    if (runner_finish(self, &result) == PYGEN_ERROR)
        return NULL;
    Py_XDECREF(result);
    PyErr_SetNone(PyExc_StopIteration);
    return NULL;
}

static PyObject *runner_send(PyObject *object, PyObject *value)
{
    struct runner *self = (struct runner *)object;
    return after_method(self, PyObject_CallMethod(self->coroutine, "send", "O", value));
}

static PyObject *runner_next(PyObject *object)
{
    return runner_send(object, Py_None);
}

static PyObject *runner_throw(PyObject *object, PyObject *args)
{
    struct runner *self = (struct runner *)object;
    AUTO_OBJECT PyObject *method = PyObject_GetAttrString(self->coroutine, "throw");
    return method == NULL ? NULL : after_method(self, PyObject_CallObject(method, args));
}

static PyObject *runner_close(PyObject *object, PyObject *nothing)
{
    return PyObject_CallMethod(((struct runner *)object)->coroutine, "close", NULL);
}

/* cr_frame, cr_await, __qualname__ and so on are the app's. */
static PyObject *runner_getattro(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(object, name);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    return PyObject_GetAttr(((struct runner *)object)->coroutine, name);
}

static int runner_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((struct runner *)object)->coroutine);
    return 0;
}

static void runner_dealloc(PyObject *object)
{
    struct runner *self = (struct runner *)object;
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace); /* of whoever drops us */
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->coroutine);
    if (self->channel != NULL) { /* never finished: the loop was closed */
        PyErr_SetString(PyExc_ConnectionResetError, "the app's task was dropped");
        PyObject *result;
        (void)runner_finish(self, &result);
        Py_XDECREF(result);
    }
    PyObject_GC_Del(self);
    PyErr_Restore(type, value, trace);
}

static PyMethodDef runner_methods[] = {
    {"send", runner_send, METH_O, NULL},
    {"throw", runner_throw, METH_VARARGS, NULL},
    {"close", runner_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods runner_async = {
    .am_await = PyObject_SelfIter,
    .am_send = runner_am_send,
};

static PyTypeObject runner_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mse.app_coroutine",
    .tp_basicsize = sizeof(struct runner),
    .tp_dealloc = runner_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_async = &runner_async,
    .tp_traverse = runner_traverse,
    .tp_getattro = runner_getattro,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = runner_next,
    .tp_methods = runner_methods,
};

int asgi_channel_start(void)
{
    return PyType_Ready(&channel_type) < 0 || PyType_Ready(&runner_type) < 0 ? -1 : 0;
}

/* Takes over `coroutine`. */
static PyObject *runner_new(struct asgi_channel *channel, PyObject *coroutine)
{
    struct runner *self = PyObject_GC_New(struct runner, &runner_type);
    if (self == NULL) {
        Py_DECREF(coroutine);
        return NULL;
    }
    self->coroutine = coroutine;
    Py_INCREF((PyObject *)channel);
    self->channel = channel;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* What the app returned must be a coroutine; other awaitables give theirs. */
static PyObject *coroutine_of(PyObject *returned)
{
    if (returned == NULL || PyCoro_CheckExact(returned))
        return returned;
    PyAsyncMethods *async = Py_TYPE(returned)->tp_as_async;
    PyObject *iterator = NULL;
    if (async != NULL && async->am_await != NULL)
        iterator = async->am_await(returned);
    else
        PyErr_Format(PyExc_TypeError, "the app returned %.100s, which cannot be awaited",
                     Py_TYPE(returned)->tp_name);
    Py_DECREF(returned);
    return iterator;
}

bool asgi_channel_run(struct asgi_channel *channel, PyObject *scope)
{
    AUTO_OBJECT PyObject *receive = PyCFunction_New(&methods[0], (PyObject *)channel);
    AUTO_OBJECT PyObject *send = PyCFunction_New(&methods[1], (PyObject *)channel);
    if (receive == NULL || send == NULL)
        return false;
    PyObject *args[4] = {NULL, scope, receive, send};
    PyObject *coroutine = coroutine_of(PyObject_Vectorcall(
        channel->asgi->serve->app, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL));
    if (coroutine == NULL)
        return false;
    AUTO_OBJECT PyObject *runner = runner_new(channel, coroutine);
    if (runner == NULL)
        return false;
    channel->task = PyObject_CallMethodOneArg(channel->asgi->loop, asgi_text.create_task, runner);
    return channel->task != NULL;
}
