// SPDX-License-Identifier: Apache-2.0
/*
 * environ of PEP 3333, made in C. What is the same for every request is put together once and
 * copied; keys are interned and those of header fields cached, so that a usual request allocates
 * its values only. All of it runs with the GIL held, which also guards the cache.
 */
#include "serve/internal.h"

/* Interned strings, in the order of this list. */
#define KEYS(X)                                                                                    \
    X(REQUEST_METHOD)                                                                              \
    X(SCRIPT_NAME)                                                                                 \
    X(PATH_INFO)                                                                                   \
    X(QUERY_STRING)                                                                                \
    X(CONTENT_TYPE)                                                                                \
    X(CONTENT_LENGTH)                                                                              \
    X(SERVER_NAME)                                                                                 \
    X(SERVER_PORT)                                                                                 \
    X(SERVER_PROTOCOL)                                                                             \
    X(SERVER_SOFTWARE)                                                                             \
    X(REMOTE_ADDR)                                                                                 \
    X(REMOTE_PORT)                                                                                 \
    X(REQUEST_URI)

enum key {
#define X(name) KEY_##name,
    KEYS(X)
#undef X
        KEY_WSGI_INPUT,
    KEY_WSGI_URL_SCHEME,
    KEY_WSGI_ERRORS,
    KEY_WSGI_VERSION,
    KEY_WSGI_MULTITHREAD,
    KEY_WSGI_MULTIPROCESS,
    KEY_WSGI_RUN_ONCE,
    KEY_WSGI_FILE_WRAPPER,
    KEY_WSGI_INPUT_TERMINATED,
    KEY_COUNT,
};

static const char *const key_names[KEY_COUNT] = {
#define X(name) [KEY_##name] = #name,
    KEYS(X)
#undef X
        [KEY_WSGI_INPUT] = "wsgi.input",
    [KEY_WSGI_URL_SCHEME] = "wsgi.url_scheme",
    [KEY_WSGI_ERRORS] = "wsgi.errors",
    [KEY_WSGI_VERSION] = "wsgi.version",
    [KEY_WSGI_MULTITHREAD] = "wsgi.multithread",
    [KEY_WSGI_MULTIPROCESS] = "wsgi.multiprocess",
    [KEY_WSGI_RUN_ONCE] = "wsgi.run_once",
    [KEY_WSGI_FILE_WRAPPER] = "wsgi.file_wrapper",
    [KEY_WSGI_INPUT_TERMINATED] = "wsgi.input_terminated",
};

static const char *const method_names[] = {"GET",     "POST",  "PUT",   "DELETE", "HEAD",
                                           "OPTIONS", "PATCH", "TRACE", "CONNECT"};

static PyObject *keys[KEY_COUNT];
static PyObject *methods[ARRAY_LEN(method_names)];
static PyObject *text_http10, *text_http11, *text_http2, *text_https, *text_empty;
static PyObject *base; /* everything that does not depend on the request */
static struct name_cache key_cache;

static PyObject *latin1(struct slice text)
{
    return PyUnicode_DecodeLatin1((const char *)text.data, (Py_ssize_t)text.len, NULL);
}

/* Sets dict[key] = value and drops value; false with an exception, also where value is NULL. */
static bool set_new(PyObject *dict, PyObject *key, PyObject *value)
{
    if (value == NULL)
        return false;
    int status = PyDict_SetItem(dict, key, value);
    Py_DECREF(value);
    return status == 0;
}

static bool make_texts(void)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        keys[i] = PyUnicode_InternFromString(key_names[i]);
        if (keys[i] == NULL)
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(method_names); i++) {
        methods[i] = PyUnicode_InternFromString(method_names[i]);
        if (methods[i] == NULL)
            return false;
    }
    text_http10 = PyUnicode_InternFromString("HTTP/1.0");
    text_http11 = PyUnicode_InternFromString("HTTP/1.1");
    text_http2 = PyUnicode_InternFromString("HTTP/2");
    text_https = PyUnicode_InternFromString("https");
    text_empty = PyUnicode_InternFromString("");
    return text_http10 != NULL && text_http11 != NULL && text_http2 != NULL && text_https != NULL &&
           text_empty != NULL;
}

/* Every key that each request has is in the base already, so that the copy never grows for them. */
static bool make_base(void)
{
    base = PyDict_New();
    if (base == NULL)
        return false;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (i != KEY_CONTENT_TYPE && i != KEY_CONTENT_LENGTH &&
            PyDict_SetItem(base, keys[i], text_empty) < 0)
            return false;
    }
    PyObject *errors = PySys_GetObject("stderr");
    return set_new(base, keys[KEY_WSGI_VERSION], Py_BuildValue("(ii)", 1, 0)) &&
           set_new(base, keys[KEY_WSGI_URL_SCHEME], PyUnicode_InternFromString("http")) &&
           set_new(base, keys[KEY_SERVER_SOFTWARE], PyUnicode_FromString("mse/" MSE_VERSION)) &&
           set_new(base, keys[KEY_WSGI_INPUT], input_empty()) &&
           PyDict_SetItem(base, keys[KEY_WSGI_ERRORS], errors == NULL ? Py_None : errors) == 0 &&
           PyDict_SetItem(base, keys[KEY_WSGI_MULTITHREAD], Py_True) == 0 &&
           PyDict_SetItem(base, keys[KEY_WSGI_MULTIPROCESS], Py_False) == 0 &&
           PyDict_SetItem(base, keys[KEY_WSGI_RUN_ONCE], Py_False) == 0 &&
           PyDict_SetItem(base, keys[KEY_WSGI_INPUT_TERMINATED], Py_True) == 0 &&
           PyDict_SetItem(base, keys[KEY_WSGI_FILE_WRAPPER], (PyObject *)&file_wrapper_type) == 0;
}

int environ_start(struct serve *serve, const struct serve_config *config, struct err *err)
{
    if (PyType_Ready(&file_wrapper_type) < 0 || !make_texts() || !make_base())
        return interpreter_fail(err, true, "environ");
    return 0;
}

void environ_finish(void)
{
    Py_CLEAR(base);
    for (size_t i = 0; i < KEY_COUNT; i++)
        Py_CLEAR(keys[i]);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        Py_CLEAR(methods[i]);
    Py_CLEAR(text_http10);
    Py_CLEAR(text_http11);
    Py_CLEAR(text_http2);
    Py_CLEAR(text_https);
    Py_CLEAR(text_empty);
    name_cache_clear(&key_cache);
}

/* --- header keys --- */

static uint8_t key_char(uint8_t c)
{
    if (c == '-')
        return '_';
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

/* "HTTP_" + name in capitals; the two fields that CGI names without it stay as they are. */
static PyObject *make_key(struct slice name)
{
    static const char prefix[] = "HTTP_";
    char text[sizeof(prefix) + 256];
    if (name.len > 256 || memchr(name.data, '_', name.len) != NULL)
        return NULL;
    memcpy(text, prefix, sizeof(prefix) - 1);
    size_t at = sizeof(prefix) - 1;
    for (size_t i = 0; i < name.len; i++)
        text[at + i] = (char)key_char(name.data[i]);
    struct slice bare = slice_of(text + at, name.len);
    if (slice_is_str(bare, "CONTENT_TYPE") || slice_is_str(bare, "CONTENT_LENGTH"))
        return PyUnicode_FromStringAndSize(text + at, (Py_ssize_t)name.len);
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)(at + name.len), NULL);
}

PyObject *environ_header_key(struct slice name)
{
    return name_cache_get(&key_cache, name, make_key);
}

/* --- per request --- */

/* The decoded bytes, each as one character: what PEP 3333 calls a bytes-as-unicode string. */
static PyObject *path_object(struct slice path)
{
    if (path.len == 0 || memchr(path.data, '%', path.len) == NULL)
        return latin1(path);
    uint8_t small[512];
    AUTO_FREE uint8_t *large = NULL;
    uint8_t *to = small;
    if (path.len > sizeof(small)) {
        large = mem_alloc(path.len, NULL);
        if (large == NULL)
            return PyErr_NoMemory();
        to = large;
    }
    return latin1(slice_of(to, percent_decode(path, to)));
}

static PyObject *method_object(struct slice method)
{
    for (size_t i = 0; i < ARRAY_LEN(method_names); i++) {
        if (slice_is_str(method, method_names[i])) {
            Py_INCREF(methods[i]);
            return methods[i];
        }
    }
    return latin1(method);
}

static PyObject *protocol_object(const struct http_request *request)
{
    if (request->version_major >= 2)
        return text_http2;
    return request->version_minor == 0 ? text_http10 : text_http11;
}

/* PEP 3333 wants both never empty. */
static bool set_server(PyObject *env, const struct http_request *request)
{
    struct slice name;
    struct slice port;
    request_server(request, &name, &port);
    return set_new(env, keys[KEY_SERVER_NAME], latin1(name)) &&
           set_new(env, keys[KEY_SERVER_PORT], latin1(port));
}

/* A field that came more than once: values joined by a comma, Cookie by "; " (RFC 9110 section
 * 5.3, RFC 9113 section 8.2.3). */
static bool add_again(PyObject *env, PyObject *key, PyObject *before, PyObject *value)
{
    bool cookie = PyUnicode_CompareWithASCIIString(key, "HTTP_COOKIE") == 0;
    PyObject *joined = PyUnicode_FromFormat(cookie ? "%U; %U" : "%U,%U", before, value);
    return set_new(env, key, joined);
}

static bool add_field(PyObject *env, const struct http_header *field)
{
    AUTO_OBJECT PyObject *key = environ_header_key(field->name);
    if (key == NULL)
        return PyErr_Occurred() == NULL;
    AUTO_OBJECT PyObject *value = latin1(field->value);
    if (value == NULL)
        return false;
    PyObject *stored = PyDict_SetDefault(env, key, value);
    if (stored == NULL)
        return false;
    return stored == value || add_again(env, key, stored, value);
}

static bool add_fields(PyObject *env, const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!add_field(env, &request->headers[i]))
            return false;
    }
    return true;
}

static bool set_peer(PyObject *env, const struct http_request *request)
{
    return set_new(env, keys[KEY_REMOTE_ADDR], PyUnicode_FromString(request->client_address)) &&
           set_new(env, keys[KEY_REMOTE_PORT], PyUnicode_FromFormat("%d", request->client_port));
}

PyObject *environ_new(const struct http_request *request, PyObject *input)
{
    PyObject *env = PyDict_Copy(base);
    if (env == NULL)
        return NULL;
    bool done =
        set_new(env, keys[KEY_REQUEST_METHOD], method_object(request->method)) &&
        set_new(env, keys[KEY_PATH_INFO], path_object(request->path)) &&
        set_new(env, keys[KEY_REQUEST_URI], latin1(request->target)) &&
        (request->query.len == 0 || set_new(env, keys[KEY_QUERY_STRING], latin1(request->query))) &&
        PyDict_SetItem(env, keys[KEY_SERVER_PROTOCOL], protocol_object(request)) == 0 &&
        (!request->tls || PyDict_SetItem(env, keys[KEY_WSGI_URL_SCHEME], text_https) == 0) &&
        PyDict_SetItem(env, keys[KEY_WSGI_INPUT], input) == 0 && set_server(env, request) &&
        set_peer(env, request) && add_fields(env, request);
    if (!done)
        Py_CLEAR(env);
    return env;
}
