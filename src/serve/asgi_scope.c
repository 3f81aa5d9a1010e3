// SPDX-License-Identifier: Apache-2.0
/*
 * The scope of a request, as the ASGI specification wants it: made in C from a prepared dict, with
 * cached objects for the usual methods and header names.
 */
#include "serve/asgi.h"

#include <strings.h>

struct asgi_strings asgi_text;

static const char *const method_names[] = {"GET",     "POST",  "PUT",   "DELETE", "HEAD",
                                           "OPTIONS", "PATCH", "TRACE", "CONNECT"};

static PyObject *methods[ARRAY_LEN(method_names)];
static PyObject *text_http, *text_https, *text_10, *text_11, *text_2, *text_empty;
static PyObject *versions; /* {"version": "3.0", "spec_version": "2.4"} */
static PyObject *base;
static PyObject *extensions, *extensions_trailers; /* of http scopes; where trailers are taken */
static struct name_cache header_names;

static bool make_texts(void)
{
#define X(name, text)                                                                              \
    asgi_text.name = PyUnicode_InternFromString(text);                                             \
    if (asgi_text.name == NULL)                                                                    \
        return false;
    ASGI_STRINGS(X)
#undef X
    for (size_t i = 0; i < ARRAY_LEN(method_names); i++)
        methods[i] = PyUnicode_InternFromString(method_names[i]);
    text_http = PyUnicode_InternFromString("http");
    text_https = PyUnicode_InternFromString("https");
    text_10 = PyUnicode_InternFromString("1.0");
    text_11 = PyUnicode_InternFromString("1.1");
    text_2 = PyUnicode_InternFromString("2");
    text_empty = PyUnicode_InternFromString("");
    return PyErr_Occurred() == NULL;
}

/* In the order in which the specification lists them; all keys that a request fills are there. */
static bool make_base(void)
{
    PyObject *const keys[] = {
        asgi_text.type,       asgi_text.asgi,    asgi_text.http_version, asgi_text.method,
        asgi_text.scheme,     asgi_text.path,    asgi_text.raw_path,     asgi_text.query_string,
        asgi_text.root_path,  asgi_text.headers, asgi_text.client,       asgi_text.server,
        asgi_text.extensions,
    };
    base = PyDict_New();
    for (size_t i = 0; base != NULL && i < ARRAY_LEN(keys); i++) {
        if (PyDict_SetItem(base, keys[i], text_empty) < 0)
            return false;
    }
    versions = Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.4");
    extensions = Py_BuildValue("{O{}}", asgi_text.pathsend);
    extensions_trailers =
        Py_BuildValue("{O{}O{}}", asgi_text.pathsend, asgi_text.http_response_trailers);
    return base != NULL && versions != NULL && extensions != NULL && extensions_trailers != NULL &&
           PyDict_SetItem(base, asgi_text.type, asgi_text.http) == 0 &&
           PyDict_SetItem(base, asgi_text.asgi, versions) == 0;
}

int asgi_scope_start(void)
{
    return make_texts() && make_base() ? 0 : -1;
}

void asgi_scope_finish(void)
{
    Py_CLEAR(base);
    Py_CLEAR(versions);
    Py_CLEAR(extensions);
    Py_CLEAR(extensions_trailers);
    name_cache_clear(&header_names);
}

/* --- header fields --- */

static PyObject *make_name(struct slice name)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.len);
    if (bytes == NULL)
        return NULL;
    char *to = PyBytes_AS_STRING(bytes);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        to[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return bytes;
}

static PyObject *bytes_object(struct slice bytes)
{
    return PyBytes_FromStringAndSize((const char *)bytes.data, (Py_ssize_t)bytes.len);
}

static PyObject *make_pair(const struct http_header *field)
{
    PyObject *pair = PyTuple_New(2);
    PyObject *name = name_cache_get(&header_names, field->name, make_name);
    PyObject *value = bytes_object(field->value);
    if (pair == NULL || name == NULL || value == NULL) {
        Py_XDECREF(pair);
        Py_XDECREF(name);
        Py_XDECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, name);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static PyObject *header_list(const struct http_request *request)
{
    PyObject *list = PyList_New((Py_ssize_t)request->header_count);
    for (size_t i = 0; list != NULL && i < request->header_count; i++) {
        PyObject *pair = make_pair(&request->headers[i]);
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

/* --- the rest --- */

static PyObject *method_object(struct slice method)
{
    for (size_t i = 0; i < ARRAY_LEN(method_names); i++) {
        if (slice_is_str(method, method_names[i]))
            return Py_NewRef(methods[i]);
    }
    return PyUnicode_DecodeLatin1((const char *)method.data, (Py_ssize_t)method.len, NULL);
}

static PyObject *path_object(struct slice path)
{
    if (memchr(path.data, '%', path.len) == NULL)
        return PyUnicode_DecodeUTF8((const char *)path.data, (Py_ssize_t)path.len, "replace");
    AUTO_FREE uint8_t *decoded = mem_alloc(path.len, NULL);
    if (decoded == NULL)
        return PyErr_NoMemory();
    size_t len = percent_decode(path, decoded);
    return PyUnicode_DecodeUTF8((const char *)decoded, (Py_ssize_t)len, "replace");
}

static PyObject *version_object(const struct http_request *request)
{
    if (request->version_major >= 2)
        return text_2;
    return request->version_minor == 0 ? text_10 : text_11;
}

static PyObject *client_object(const struct http_request *request)
{
    if (request->client_address[0] == '\0')
        return Py_NewRef(Py_None);
    return Py_BuildValue("(si)", request->client_address, request->client_port);
}

static PyObject *server_object(const struct http_request *request)
{
    struct slice name;
    struct slice port;
    request_server(request, &name, &port);
    int number = 0;
    for (size_t i = 0; i < port.len && number <= 65535; i++)
        number = number * 10 + (port.data[i] - '0');
    AUTO_OBJECT PyObject *host =
        PyUnicode_DecodeLatin1((const char *)name.data, (Py_ssize_t)name.len, NULL);
    return host == NULL ? NULL : Py_BuildValue("(Oi)", host, number);
}

static bool set_new(PyObject *dict, PyObject *key, PyObject *value)
{
    if (value == NULL)
        return false;
    int status = PyDict_SetItem(dict, key, value);
    Py_DECREF(value);
    return status == 0;
}

PyObject *asgi_http_scope(struct asgi *asgi, const struct http_request *request)
{
    PyObject *scope = PyDict_Copy(base);
    if (scope == NULL)
        return NULL;
    bool trailers = http_request_takes_trailers(request);
    bool done =
        PyDict_SetItem(scope, asgi_text.http_version, version_object(request)) == 0 &&
        PyDict_SetItem(scope, asgi_text.scheme, request->tls ? text_https : text_http) == 0 &&
        set_new(scope, asgi_text.method, method_object(request->method)) &&
        set_new(scope, asgi_text.path, path_object(request->path)) &&
        set_new(scope, asgi_text.raw_path, bytes_object(request->path)) &&
        set_new(scope, asgi_text.query_string, bytes_object(request->query)) &&
        set_new(scope, asgi_text.headers, header_list(request)) &&
        set_new(scope, asgi_text.client, client_object(request)) &&
        set_new(scope, asgi_text.server, server_object(request)) &&
        set_new(scope, asgi_text.extensions,
                PyDict_Copy(trailers ? extensions_trailers : extensions)) &&
        (asgi->state == NULL || set_new(scope, asgi_text.state, PyDict_Copy(asgi->state)));
    if (!done)
        Py_CLEAR(scope);
    return scope;
}

/* Sec-WebSocket-Protocol as a list of names, in order. */
static PyObject *subprotocol_list(const struct http_request *request)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < request->header_count; i++) {
        static const char name[] = "sec-websocket-protocol";
        const struct http_header *field = &request->headers[i];
        if (field->name.len != sizeof(name) - 1 ||
            strncasecmp((const char *)field->name.data, name, sizeof(name) - 1) != 0)
            continue;
        AUTO_OBJECT PyObject *text = PyUnicode_DecodeLatin1((const char *)field->value.data,
                                                            (Py_ssize_t)field->value.len, NULL);
        AUTO_OBJECT PyObject *comma = PyUnicode_FromString(",");
        AUTO_OBJECT PyObject *parts =
            text == NULL || comma == NULL ? NULL : PyUnicode_Split(text, comma, -1);
        for (Py_ssize_t at = 0; parts != NULL && at < PyList_GET_SIZE(parts); at++) {
            AUTO_OBJECT PyObject *part =
                PyObject_CallMethod(PyList_GET_ITEM(parts, at), "strip", NULL);
            if (part != NULL && PyUnicode_GET_LENGTH(part) > 0)
                (void)PyList_Append(list, part);
        }
        if (PyErr_Occurred() != NULL)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *asgi_websocket_scope(struct asgi *asgi, const struct http_request *request)
{
    PyObject *scope = asgi_http_scope(asgi, request);
    if (scope == NULL)
        return NULL;
    bool done =
        PyDict_DelItem(scope, asgi_text.method) == 0 &&
        PyDict_SetItem(scope, asgi_text.type, asgi_text.websocket) == 0 &&
        set_new(scope, asgi_text.scheme, PyUnicode_FromString(request->tls ? "wss" : "ws")) &&
        set_new(scope, asgi_text.subprotocols, subprotocol_list(request)) &&
        set_new(scope, asgi_text.extensions, Py_BuildValue("{s{}}", "websocket.http.response"));
    if (!done)
        Py_CLEAR(scope);
    return scope;
}

PyObject *asgi_lifespan_scope(PyObject *state)
{
    return Py_BuildValue("{OOOOOO}", asgi_text.type, asgi_text.lifespan, asgi_text.asgi, versions,
                         asgi_text.state, state);
}
