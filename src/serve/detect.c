// SPDX-License-Identifier: Apache-2.0
/*
 * WSGI or ASGI? Told by looking at the callable, without importing asyncio or inspect (which would
 * cost a WSGI app a fifth of its start-up) and without calling it:
 *
 *   a coroutine function, or an object whose __call__ is one       ASGI 3
 *   a plain callable that needs two arguments                     WSGI (environ, start_response)
 *   a plain callable that needs three                             ASGI 3, wrapped by a decorator
 *   a plain callable that needs one                               ASGI 2: refused
 *   one that does not tell (C code, *args)                        WSGI
 */
#include "serve/internal.h"

enum { MAX_WRAPPERS = 16, ARGUMENTS_UNKNOWN = -1 };

struct callable_facts {
    bool is_coroutine;
    int arguments; /* that a caller has to give by position */
};

/* The code object behind a function or a method; *ret_bound counts arguments already given. */
static PyObject *code_of(PyObject *callable, int *ret_bound)
{
    *ret_bound = 0;
    if (PyMethod_Check(callable)) {
        *ret_bound = 1;
        callable = PyMethod_GET_FUNCTION(callable);
    }
    if (!PyFunction_Check(callable))
        return NULL;
    return PyFunction_GET_CODE(callable);
}

static int required_arguments(PyObject *callable, const PyCodeObject *code, int bound)
{
    if (code->co_flags & CO_VARARGS)
        return ARGUMENTS_UNKNOWN;
    PyObject *function = PyMethod_Check(callable) ? PyMethod_GET_FUNCTION(callable) : callable;
    PyObject *defaults = PyFunction_GetDefaults(function);
    int optional = defaults == NULL ? 0 : (int)PyTuple_Size(defaults);
    return code->co_argcount - bound - optional;
}

/* functools.partial and its like: the function inside, a new reference; NULL where there is none.
 */
static PyObject *unwrap(PyObject *callable)
{
    if (strcmp(Py_TYPE(callable)->tp_name, "functools.partial") != 0)
        return NULL;
    PyObject *inner = PyObject_GetAttrString(callable, "func");
    PyErr_Clear();
    return inner;
}

/* asyncio.coroutine and inspect.markcoroutinefunction leave a mark on the function. */
static bool has_mark(PyObject *callable)
{
    bool mark = PyObject_HasAttrString(callable, "_is_coroutine") == 1 ||
                PyObject_HasAttrString(callable, "_is_coroutine_mark") == 1;
    return mark;
}

static bool look_at(PyObject *callable, struct callable_facts *ret)
{
    int bound;
    const PyCodeObject *code = (const PyCodeObject *)code_of(callable, &bound);
    if (code == NULL)
        return false;
    ret->is_coroutine =
        (code->co_flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE)) != 0 || has_mark(callable);
    ret->arguments = required_arguments(callable, code, bound);
    return true;
}

static struct callable_facts facts_of(PyObject *app)
{
    struct callable_facts facts = {.arguments = ARGUMENTS_UNKNOWN};
    AUTO_OBJECT PyObject *at = app;
    Py_INCREF(at);
    for (int i = 0; i < MAX_WRAPPERS; i++) {
        PyObject *inner = unwrap(at);
        if (inner == NULL)
            break;
        Py_DECREF(at);
        at = inner;
    }
    if (look_at(at, &facts)) {
        if (at != app)
            facts.arguments = ARGUMENTS_UNKNOWN; /* partial has given some of them */
        return facts;
    }
    AUTO_OBJECT PyObject *call =
        PyObject_GetAttrString(at, PyType_Check(at) ? "__init__" : "__call__");
    PyErr_Clear();
    if (call == NULL || !look_at(call, &facts))
        return facts;
    if (PyType_Check(at) && facts.arguments > 0)
        facts.arguments -= 1; /* self */
    return facts;
}

int app_detect(PyObject *app, const char *name, enum serve_protocol *ret, struct err *err)
{
    struct callable_facts facts = facts_of(app);
    if (facts.is_coroutine) {
        *ret = SERVE_ASGI;
        return 0;
    }
    if (facts.arguments == 1) {
        err_set(err, ERR_APP, 0,
                "'%s' takes one argument: neither WSGI (environ, start_response) nor ASGI 3 "
                "(scope, receive, send)",
                name);
        err_hint(err, "an ASGI 2 app can be wrapped with asgiref.compatibility.guarantee_single_"
                      "callable; a factory has to be called: app = create_app()");
        return -1;
    }
    if (facts.arguments == 0) {
        err_set(err, ERR_APP, 0, "'%s' takes no argument: it is a factory, not an app", name);
        err_hint(err,
                 "with () at the end it is called: python_application = \"shop:create_app()\"");
        return -1;
    }
    *ret = facts.arguments == 3 ? SERVE_ASGI : SERVE_WSGI;
    return 0;
}
