// SPDX-License-Identifier: Apache-2.0
/*
 * The traceback of a thread that made a forbidden call. Runs in the enclave, on the confinement's
 * own thread, just before the process ends.
 */
#include <Python.h>

#include "serve/traceback.h"

#include <unistd.h>

/* What CPython's own faulthandler prints with; exported by libpython 3.11, declared in a header
 * that only its core may include. */
extern void _Py_DumpTraceback(int fd, PyThreadState *state);

void serve_print_traceback(pid_t thread)
{
    if (!Py_IsInitialized())
        return;
    for (PyInterpreterState *interpreter = PyInterpreterState_Head(); interpreter != NULL;
         interpreter = PyInterpreterState_Next(interpreter)) {
        for (PyThreadState *state = PyInterpreterState_ThreadHead(interpreter); state != NULL;
             state = PyThreadState_Next(state)) {
            if (state->native_thread_id == (unsigned long)thread)
                _Py_DumpTraceback(STDERR_FILENO, state);
        }
    }
}
