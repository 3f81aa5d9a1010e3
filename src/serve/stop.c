// SPDX-License-Identifier: Apache-2.0
/*
 * The end of a served app, within a time that somebody else keeps: requests under way end or are
 * cut off, the app's own shutdown runs, and so does what it has registered to run at exit, whatever
 * hangs. Runs in the main thread of the enclave and of mse-local.
 */
#include "serve/internal.h"

#include "base/log.h"
#include "http/server.h"

/* Python, which may be waiting for a request that never ends, is left as it is; but what apps do at
 * exit (flush logs, close databases) is done. */
static void run_exit_functions(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    AUTO_OBJECT PyObject *atexit = PyImport_ImportModule("atexit");
    AUTO_OBJECT PyObject *done =
        atexit == NULL ? NULL : PyObject_CallMethod(atexit, "_run_exitfuncs", NULL);
    if (done == NULL)
        PyErr_Print();
    static const char *const streams[] = {"stdout", "stderr"};
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        PyObject *stream = PySys_GetObject(streams[i]); /* borrowed */
        Py_XDECREF(stream == NULL ? NULL : PyObject_CallMethod(stream, "flush", NULL));
        PyErr_Clear();
    }
    PyGILState_Release(state);
}

bool serve_stop(struct serve *serve, struct http_server *server, int64_t total_ms)
{
    struct err err = ERR_INIT;
    /* ASGI takes this twice: until requests are cancelled, and for the app's shutdown. */
    if (serve_drain(serve, total_ms * 4 / 10, &err) < 0)
        log_err(LOG_WARNING, &err);
    unsigned aborted = http_server_stop(server, total_ms / 10);
    if (aborted > 0)
        log_warning("%u requests were cut off by the stop", aborted);
    /* Who streams finds its client gone now. */
    if (!serve_stopped(serve) && serve_drain(serve, total_ms / 20, NULL) < 0)
        run_exit_functions();
    return serve_stopped(serve);
}
