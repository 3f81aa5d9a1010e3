// SPDX-License-Identifier: Apache-2.0
/*
 * What receive() and send() return: awaitables in C. Mostly the result is there already, and an
 * await of it never leaves the app's coroutine. Else a future of the app's loop is waited for,
 * which an event from the I/O threads resolves (asgi.c).
 *
 * They have send, throw and close as well, which makes them coroutines to asyncio: an app may wrap
 * receive() in a task.
 */
#include "serve/asgi.h"

struct asgi_waiter {
    PyObject_HEAD PyObject *result; /* ready: handed out once */
    asgi_poll poll;                 /* NULL: ready */
    struct asgi_channel *channel;   /* owned */
    PyObject *future;               /* owned; NULL: does not wait */
    PyObject *inner;                /* the future's iterator */
    struct asgi_waiter *next;       /* in channel->waiters while it has a future */
};

static PyTypeObject waiter_type;
static struct asgi_waiter *the_done; /* result None, again and again */

static struct asgi_waiter *make(void)
{
    struct asgi_waiter *self = PyObject_New(struct asgi_waiter, &waiter_type);
    if (self != NULL)
        memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    return self;
}

PyObject *asgi_ready(PyObject *result)
{
    if (result == NULL)
        return NULL;
    struct asgi_waiter *self = make();
    if (self == NULL)
        Py_DECREF(result);
    else
        self->result = result;
    return (PyObject *)self;
}

PyObject *asgi_done(void)
{
    Py_INCREF((PyObject *)the_done);
    return (PyObject *)the_done;
}

PyObject *asgi_wait(struct asgi_channel *channel, asgi_poll poll)
{
    struct asgi_waiter *self = make();
    if (self == NULL)
        return NULL;
    Py_INCREF((PyObject *)channel);
    self->channel = channel;
    self->poll = poll;
    return (PyObject *)self;
}

static void stop_waiting(struct asgi_waiter *self)
{
    if (self->future == NULL)
        return;
    for (struct asgi_waiter **at = &self->channel->waiters; *at != NULL; at = &(*at)->next) {
        if (*at == self) {
            *at = self->next;
            break;
        }
    }
    Py_CLEAR(self->inner);
    Py_CLEAR(self->future);
}

static bool start_waiting(struct asgi_waiter *self)
{
    PyObject *future = PyObject_CallNoArgs(self->channel->asgi->create_future);
    if (future == NULL)
        return false;
    PyAsyncMethods *async = Py_TYPE(future)->tp_as_async;
    PyObject *inner = async == NULL || async->am_await == NULL ? NULL : async->am_await(future);
    if (inner == NULL) {
        Py_DECREF(future);
        if (PyErr_Occurred() == NULL)
            PyErr_SetString(PyExc_TypeError, "the loop's futures cannot be awaited");
        return false;
    }
    self->future = future;
    self->inner = inner;
    self->next = self->channel->waiters;
    self->channel->waiters = self;
    return true;
}

/* One step of waiting: PYGEN_NEXT with what the loop wants to see, or the end. */
static PySendResult step(struct asgi_waiter *self, PyObject **ret)
{
    *ret = NULL;
    if (self->poll == NULL) {
        *ret = self->result != NULL ? STEAL(self->result) : Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    if (self->inner != NULL) {
        PyObject *nothing = NULL;
        PySendResult resumed = PyIter_Send(self->inner, Py_None, &nothing);
        if (resumed == PYGEN_NEXT) {
            *ret = nothing;
            return PYGEN_NEXT;
        }
        Py_XDECREF(nothing);
        stop_waiting(self);
        if (resumed == PYGEN_ERROR)
            return PYGEN_ERROR;
    }
    *ret = self->poll(self->channel);
    if (*ret != NULL)
        return PYGEN_RETURN;
    if (PyErr_Occurred() != NULL || !start_waiting(self))
        return PYGEN_ERROR;
    return PyIter_Send(self->inner, Py_None, ret);
}

static PySendResult waiter_am_send(PyObject *object, PyObject *value, PyObject **ret)
{
    return step((struct asgi_waiter *)object, ret);
}

/* StopIteration(result), without the detour of an exception object where that is possible. */
static void set_stop_iteration(PyObject *result)
{
    if (!PyTuple_Check(result) && !PyExceptionInstance_Check(result)) {
        PyErr_SetObject(PyExc_StopIteration, result);
        return;
    }
    AUTO_OBJECT PyObject *arguments = PyTuple_Pack(1, result);
    if (arguments != NULL)
        PyErr_SetObject(PyExc_StopIteration, arguments);
}

static PyObject *waiter_next(PyObject *object)
{
    PyObject *result;
    switch (step((struct asgi_waiter *)object, &result)) {
    case PYGEN_NEXT:
        return result;
    case PYGEN_RETURN:
        if (result != Py_None)
            set_stop_iteration(result);
        Py_DECREF(result);
        return NULL;
    default:
        return NULL;
    }
}

static PyObject *waiter_send(PyObject *object, PyObject *value)
{
    PyObject *next = waiter_next(object);
    if (next == NULL && PyErr_Occurred() == NULL)
        PyErr_SetNone(PyExc_StopIteration);
    return next;
}

static PyObject *waiter_throw(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    stop_waiting((struct asgi_waiter *)object);
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
        return NULL;
    }
    PyObject *value = count > 1 && args[1] != Py_None ? args[1] : args[0];
    if (PyExceptionInstance_Check(value))
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    else if (PyExceptionClass_Check(value))
        PyErr_SetNone(value);
    else
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
    return NULL;
}

static PyObject *waiter_close(PyObject *object, PyObject *nothing)
{
    stop_waiting((struct asgi_waiter *)object);
    Py_RETURN_NONE;
}

static void waiter_dealloc(PyObject *object)
{
    struct asgi_waiter *self = (struct asgi_waiter *)object;
    stop_waiting(self);
    Py_CLEAR(self->result);
    Py_XDECREF((PyObject *)self->channel);
    PyObject_Free(self);
}

void asgi_channel_wake(struct asgi_channel *channel)
{
    /* Resolving a future only schedules its task: the list does not change under us. */
    for (struct asgi_waiter *at = channel->waiters; at != NULL; at = at->next) {
        AUTO_OBJECT PyObject *done = PyObject_CallMethodNoArgs(at->future, asgi_text.done);
        if (done == Py_True)
            continue;
        AUTO_OBJECT PyObject *set =
            done == NULL ? NULL
                         : PyObject_CallMethodOneArg(at->future, asgi_text.set_result, Py_None);
        if (set == NULL)
            PyErr_Clear(); /* cancelled meanwhile */
    }
}

static PyMethodDef methods[] = {
    {"send", waiter_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))waiter_throw, METH_FASTCALL, NULL},
    {"close", waiter_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods waiter_async = {
    .am_await = PyObject_SelfIter,
    .am_send = waiter_am_send,
};

static PyTypeObject waiter_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mse.awaitable",
    .tp_basicsize = sizeof(struct asgi_waiter),
    .tp_dealloc = waiter_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_async = &waiter_async,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = waiter_next,
    .tp_methods = methods,
};

int asgi_waiter_start(void)
{
    if (PyType_Ready(&waiter_type) < 0)
        return -1;
    the_done = make();
    return the_done == NULL ? -1 : 0;
}
