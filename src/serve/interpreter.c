// SPDX-License-Identifier: Apache-2.0
/*
 * The interpreter of this process: started as python3 would start it, less what the surroundings
 * could change (environment variables, user site, signal handlers), and the import of the app.
 * Runs once, in the main thread of the process.
 */
#include "serve/internal.h"

#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { MAX_CANDIDATES = 256 };

/* Runs once before the app is imported. With packages of its own an app sees these, behind the
 * standard library, and nothing of the system's: what runs must not depend on what the machine has
 * installed. Python was started without `site` then, of whose work the names for people remain. A
 * line of output is one write. */
static const char prepare_code[] =
    "def prepare(module_path, folders):\n"
    "    import site, sys, threading\n" /* its first importer is the main thread to it */
    "    if folders:\n"
    "        site.setquit()\n"
    "        site.setcopyright()\n"
    "        site.sethelper()\n"
    "    for folder in folders:\n"
    "        site.addsitedir(folder)\n"
    "    sys.path.insert(0, module_path)\n"
    "    sys.stdout.reconfigure(line_buffering=True)\n";

/* "module:variable" cut in two; the caller frees both. */
static int split_name(const char *name, char **ret_module, char **ret_variable, struct err *err)
{
    const char *colon = name == NULL ? NULL : strchr(name, ':');
    if (colon == NULL || colon == name || colon[1] == '\0' || strchr(colon + 1, ':') != NULL) {
        err_set(err, ERR_INVALID, 0, "python_application '%s': expected \"module:variable\"",
                name == NULL ? "" : name);
        err_hint(err, "for `app = Flask(__name__)` in app.py write \"app:app\"");
        return -1;
    }
    AUTO_FREE char *module = mem_copy(name, (size_t)(colon - name), err);
    if (module == NULL)
        return -1;
    *ret_variable = str_copy(colon + 1, err);
    if (*ret_variable == NULL)
        return -1;
    *ret_module = STEAL(module);
    return 0;
}

static int status_fail(PyStatus status, struct err *err)
{
    return FAIL(err, ERR_APP, "cannot start Python: %s",
                status.err_msg == NULL ? "unknown reason" : status.err_msg);
}

static PyStatus configure(PyConfig *config, const struct serve_config *wanted, char *module)
{
    config->isolated = 0; /* what it stands for is set one by one */
    config->safe_path = 0;
    config->use_environment = 0;
    config->user_site_directory = 0;
    config->site_import = wanted->site_folder_count == 0;
    config->install_signal_handlers = 0;
    config->write_bytecode = wanted->code_path == NULL;
    config->parse_argv = 0;
    const char *python = wanted->python == NULL ? "/usr/bin/python3" : wanted->python;
    PyStatus status = PyConfig_SetBytesString(config, &config->program_name, python);
    if (PyStatus_Exception(status))
        return status;
    return PyConfig_SetBytesArgv(config, 1, &module);
}

#ifdef PYTHON_LEFT_OUT
/* Takes a module that this Python was linked without (tools/python-link) out of its table of them.
 */
static void leave_out(const char *name)
{
    struct _inittab *to = PyImport_Inittab;
    for (const struct _inittab *from = to; from->name != NULL; from++) {
        if (strcmp(from->name, name) != 0)
            *to++ = *from;
    }
    *to = (struct _inittab){0};
}
#endif

static int initialize(const struct serve_config *wanted, char *module, struct err *err)
{
#ifdef PYTHON_LEFT_OUT
    leave_out(PYTHON_LEFT_OUT);
#endif
    PyPreConfig pre;
    PyPreConfig_InitIsolatedConfig(&pre);
    pre.utf8_mode = 1; /* text files and file names are UTF-8 whatever the locale */
    PyStatus status = Py_PreInitialize(&pre);
    if (PyStatus_Exception(status))
        return status_fail(status, err);
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    status = configure(&config, wanted, module);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? status_fail(status, err) : 0;
}

static PyObject *folder_list(const struct serve_config *config)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < config->site_folder_count; i++) {
        AUTO_OBJECT PyObject *folder = PyUnicode_DecodeFSDefault(config->site_folders[i]);
        if (folder == NULL || PyList_Append(list, folder) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static int prepare_paths(const struct serve_config *config, const char *module_path,
                         struct err *err)
{
    AUTO_OBJECT PyObject *names = PyDict_New();
    AUTO_OBJECT PyObject *folders = folder_list(config);
    AUTO_OBJECT PyObject *path = PyUnicode_DecodeFSDefault(module_path);
    if (names == NULL || folders == NULL || path == NULL)
        return interpreter_fail(err, true, "cannot prepare Python");
    AUTO_OBJECT PyObject *done = PyRun_String(prepare_code, Py_file_input, names, names);
    PyObject *prepare = done == NULL ? NULL : PyDict_GetItemString(names, "prepare");
    AUTO_OBJECT PyObject *result =
        prepare == NULL ? NULL : PyObject_CallFunctionObjArgs(prepare, path, folders, NULL);
    return result == NULL ? interpreter_fail(err, true, "cannot prepare Python") : 0;
}

int interpreter_start(const struct serve_config *config, struct err *err)
{
    AUTO_FREE char *module = NULL;
    AUTO_FREE char *variable = NULL;
    if (split_name(config->python_application, &module, &variable, err) < 0)
        return -1;
    if (Py_IsInitialized())
        return FAIL(err, ERR_CONFLICT, "Python has been started in this process already");
    if (chdir(config->module_path) < 0)
        return FAIL_ERRNO(err, ERR_INVALID, "cannot enter the app's folder '%s'",
                          config->module_path);
    AUTO_FREE char *folder = getcwd(NULL, 0);
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot name the app's folder '%s'", config->module_path);
    /* PWD names the working folder, or is not there (POSIX, XBD 8.3). */
    if (setenv("PWD", folder, 1) < 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot set PWD");
    (void)signal(SIGPIPE, SIG_IGN);
    if (initialize(config, module, err) < 0)
        return -1;
    if (prepare_paths(config, folder, err) < 0)
        return -1;
    return config->code_path == NULL ? 0 : finder_install(folder, config->code_path, err);
}

/* --- errors --- */

int interpreter_fail(struct err *err, bool traceback, const char *what)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (type == NULL)
        return FAIL(err, ERR_APP, "%s: unknown error", what);
    if (traceback) {
        if (trace != NULL)
            (void)PyException_SetTraceback(value, trace);
        PyErr_Display(type, value, trace);
    }
    PyObject *text = value == NULL ? NULL : PyObject_Str(value);
    const char *message = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    PyErr_Clear();
    bool empty = message == NULL || message[0] == '\0';
    err_set(err, ERR_APP, 0, "%s: %s%s%s", what, ((PyTypeObject *)type)->tp_name, empty ? "" : ": ",
            empty ? "" : message);
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return -1;
}

void interpreter_report(const char *where, struct slice method, struct slice target)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (type == NULL)
        return;
    if (value != NULL && trace != NULL)
        (void)PyException_SetTraceback(value, trace);
    /* %R-like quoting keeps what a client wrote from forging a line of the log. The query stays out
     * of it: the node's operator reads this log. */
    const uint8_t *query = target.len == 0 ? NULL : memchr(target.data, '?', target.len);
    size_t len = query == NULL ? target.len : (size_t)(query - target.data);
    AUTO_OBJECT PyObject *line =
        PyUnicode_DecodeLatin1((const char *)target.data, (Py_ssize_t)len, NULL);
    AUTO_OBJECT PyObject *verb =
        PyUnicode_DecodeLatin1((const char *)method.data, (Py_ssize_t)method.len, NULL);
    if (line != NULL && verb != NULL)
        PySys_FormatStderr("%s: %A %A\n", where, verb, line);
    PyErr_Display(type, value, trace);
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
}

/* --- the app --- */

/* Did the import fail because the module itself (not one that it imports) is not there? */
static bool is_missing(const char *module)
{
    if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
        return false;
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    AUTO_OBJECT PyObject *name = value == NULL ? NULL : PyObject_GetAttrString(value, "name");
    PyErr_Clear();
    const char *text = name == NULL || !PyUnicode_Check(name) ? NULL : PyUnicode_AsUTF8(name);
    bool missing = text != NULL && str_starts_with(module, text) &&
                   (module[strlen(text)] == '\0' || module[strlen(text)] == '.');
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return missing;
}

static PyObject *import_module(const char *module, struct err *err)
{
    PyObject *imported = PyImport_ImportModule(module);
    if (imported != NULL)
        return imported;
    bool missing = is_missing(module);
    AUTO_FREE char *what = str_printf(err, "cannot import '%s'", module);
    interpreter_fail(err, !missing, what == NULL ? "cannot import" : what);
    if (missing)
        err_hint(err, "python_application is \"module:variable\"; the app's folder has no %s.py",
                 module);
    return NULL;
}

/* Suggests the name in `object` that is nearest to the missing one. */
static void hint_name(PyObject *object, const char *missing, struct err *err)
{
    AUTO_OBJECT PyObject *names = PyObject_Dir(object);
    const char *candidates[MAX_CANDIDATES];
    size_t count = 0;
    Py_ssize_t length = names == NULL ? 0 : PyList_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < length && count < ARRAY_LEN(candidates); i++) {
        const char *name = PyUnicode_AsUTF8(PyList_GET_ITEM(names, i));
        if (name != NULL && name[0] != '_')
            candidates[count++] = name;
    }
    PyErr_Clear();
    const char *nearest = text_nearest(missing, candidates, count);
    if (nearest != NULL)
        err_hint(err, "did you mean '%s'?", nearest);
}

/* Follows "a.b.c" from the module; takes over `object`. */
static PyObject *follow(PyObject *object, char *names, const char *module, struct err *err)
{
    char *rest = names;
    while (object != NULL && rest != NULL) {
        char *name = strsep(&rest, ".");
        PyObject *next = PyObject_GetAttrString(object, name);
        if (next == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            err_set(err, ERR_APP, 0, "'%s' has no variable '%s'", module, name);
            hint_name(object, name, err);
        } else if (next == NULL) {
            interpreter_fail(err, true, name);
        }
        Py_DECREF(object);
        object = next;
    }
    return object;
}

/* Cuts "()" off the name. */
static bool cut_call(char *name)
{
    size_t len = strlen(name);
    bool called = len > 2 && strcmp(name + len - 2, "()") == 0;
    if (called)
        name[len - 2] = '\0';
    return called;
}

/* What the factory returns; takes over `factory`. */
static PyObject *call_factory(PyObject *factory, const char *name, struct err *err)
{
    PyObject *app = PyObject_CallNoArgs(factory);
    Py_DECREF(factory);
    AUTO_FREE char *what = app != NULL ? NULL : str_printf(err, "'%s' failed", name);
    if (app == NULL)
        interpreter_fail(err, true, what != NULL ? what : "the factory failed");
    return app;
}

/* sys.exit() without a status, or with 0, is how a command says that all is well. */
static bool is_good_exit(void)
{
    if (!PyErr_ExceptionMatches(PyExc_SystemExit))
        return false;
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    AUTO_OBJECT PyObject *code = value == NULL ? NULL : PyObject_GetAttrString(value, "code");
    PyErr_Clear();
    bool good = code == Py_None || (code != NULL && PyLong_Check(code) && PyLong_AsLong(code) == 0);
    PyErr_Clear();
    if (!good) {
        PyErr_Restore(type, value, trace);
        return false;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return true;
}

/* Takes over `coroutine`. */
static PyObject *run_coroutine(PyObject *coroutine)
{
    AUTO_OBJECT PyObject *asyncio = PyImport_ImportModule("asyncio");
    PyObject *result =
        asyncio == NULL ? NULL : PyObject_CallMethod(asyncio, "run", "(O)", coroutine);
    Py_DECREF(coroutine);
    return result;
}

int interpreter_release(const struct serve_config *config, struct err *err)
{
    AUTO_FREE char *module = NULL;
    AUTO_FREE char *function = NULL;
    AUTO_FREE char *what =
        str_printf(err, "the release command '%s' failed", config->release_command);
    if (what == NULL || split_name(config->release_command, &module, &function, err) < 0)
        return -1;
    PyObject *imported = import_module(module, err);
    AUTO_OBJECT PyObject *command =
        imported == NULL ? NULL : follow(imported, function, module, err);
    if (command == NULL) {
        err_context(err, "the release command '%s'", config->release_command);
        err_hint(err, "release_command is \"module:function\", both as the code has them");
        return -1;
    }
    PyObject *result = PyObject_CallNoArgs(command);
    if (result != NULL && PyCoro_CheckExact(result))
        result = run_coroutine(result);
    if (result == NULL && !is_good_exit())
        return interpreter_fail(err, true, what);
    Py_XDECREF(result);
    return 0;
}

int interpreter_import(const struct serve_config *config, PyObject **ret, struct err *err)
{
    AUTO_FREE char *module = NULL;
    AUTO_FREE char *variable = NULL;
    if (split_name(config->python_application, &module, &variable, err) < 0)
        return -1;
    bool is_factory = cut_call(variable);
    PyObject *imported = import_module(module, err);
    PyObject *app = imported == NULL ? NULL : follow(imported, variable, module, err);
    if (app != NULL && is_factory)
        app = call_factory(app, config->python_application, err);
    if (app == NULL)
        return -1;
    if (!PyCallable_Check(app)) {
        const char *type = Py_TYPE(app)->tp_name;
        err_set(err, ERR_APP, 0, "'%s' is not an app: %s is not callable",
                config->python_application, type);
        Py_DECREF(app);
        return -1;
    }
    *ret = app;
    return 0;
}
