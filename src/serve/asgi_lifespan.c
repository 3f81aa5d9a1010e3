// SPDX-License-Identifier: Apache-2.0
/*
 * The lifespan scope of ASGI 3: the app's start and end. An app that raises on it does without
 * (the specification allows that); one that answers startup.failed is not served.
 */
#include "serve/asgi.h"

enum step {
    STEP_BEGIN,    /* lifespan.startup is to be received */
    STEP_STARTING, /* and answered */
    STEP_RUNNING,
    STEP_STOPPING, /* lifespan.shutdown is to be received */
    STEP_STOPPED,  /* and answered */
    STEP_OVER,
};

static PyObject *message_of(PyObject *type)
{
    PyObject *message = PyDict_New();
    if (message != NULL && PyDict_SetItem(message, asgi_text.type, type) < 0)
        Py_CLEAR(message);
    return message;
}

static PyObject *lifespan_receive(struct asgi_channel *channel)
{
    if (channel->step == STEP_BEGIN) {
        channel->step = STEP_STARTING;
        return message_of(asgi_text.lifespan_startup);
    }
    if (channel->step == STEP_STOPPING) {
        channel->step = STEP_STOPPED;
        return message_of(asgi_text.lifespan_shutdown);
    }
    return NULL;
}

static void fail(struct asgi_channel *channel, const char *what, PyObject *message)
{
    struct asgi *asgi = channel->asgi;
    PyObject *text = asgi_member(message, asgi_text.message);
    const char *reason = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    err_set(&asgi->start_err, ERR_APP, 0, "%s%s%s", what,
            reason == NULL || reason[0] == '\0' ? "" : ": ", reason == NULL ? "" : reason);
    if (reason != NULL && asgi->phase != ASGI_STARTING)
        PySys_FormatStderr("%s: %U\n", what, text);
}

static PyObject *lifespan_send(struct asgi_channel *channel, PyObject *type, PyObject *message)
{
    if (PyUnicode_CompareWithASCIIString(type, "lifespan.startup.complete") == 0) {
        channel->step = STEP_RUNNING;
        asgi_set_phase(channel->asgi, ASGI_RUNNING);
    } else if (PyUnicode_CompareWithASCIIString(type, "lifespan.startup.failed") == 0) {
        channel->step = STEP_OVER;
        fail(channel, "the app's start-up failed", message);
        asgi_set_phase(channel->asgi, ASGI_FAILED);
    } else if (PyUnicode_CompareWithASCIIString(type, "lifespan.shutdown.complete") == 0) {
        channel->step = STEP_OVER;
    } else if (PyUnicode_CompareWithASCIIString(type, "lifespan.shutdown.failed") == 0) {
        channel->step = STEP_OVER;
        fail(channel, "the app's shutdown failed", message);
    } else {
        PyErr_Format(PyExc_ValueError, "send(): unexpected message %R", type);
        return NULL;
    }
    return asgi_done();
}

static void lifespan_finished(struct asgi_channel *channel)
{
    struct asgi *asgi = channel->asgi;
    bool failed = PyErr_Occurred() != NULL;
    int step = channel->step;
    channel->step = STEP_OVER;
    if (step == STEP_BEGIN || step == STEP_STARTING) {
        PyErr_Clear(); /* it does not know lifespan */
        Py_CLEAR(asgi->state);
        asgi_set_phase(asgi, ASGI_RUNNING);
    } else if (failed && step != STEP_OVER) {
        interpreter_report("exception in the app", slice_str("lifespan"), slice_str(""));
    }
    PyErr_Clear();
    if (asgi->lifespan_stopping)
        asgi_stop_loop(asgi);
}

const struct asgi_kind asgi_lifespan = {
    .receive = lifespan_receive,
    .send = lifespan_send,
    .finished = lifespan_finished,
};

bool asgi_lifespan_begin(struct asgi *asgi)
{
    asgi->state = PyDict_New();
    AUTO_OBJECT PyObject *scope = asgi->state == NULL ? NULL : asgi_lifespan_scope(asgi->state);
    if (scope == NULL)
        return false;
    asgi->lifespan = asgi_channel_new(asgi, &asgi_lifespan, NULL);
    if (asgi->lifespan == NULL)
        return false;
    if (asgi_channel_run(asgi->lifespan, scope))
        return true;
    /* Already the call has failed: it does not know lifespan. */
    lifespan_finished(asgi->lifespan);
    return true;
}

void asgi_lifespan_stop(struct asgi *asgi)
{
    asgi->lifespan_stopping = true;
    if (asgi->lifespan == NULL || asgi->lifespan->step != STEP_RUNNING) {
        asgi_stop_loop(asgi);
        return;
    }
    asgi->lifespan->step = STEP_STOPPING;
    asgi_channel_wake(asgi->lifespan);
}
