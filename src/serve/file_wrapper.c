// SPDX-License-Identifier: Apache-2.0
/*
 * wsgi.file_wrapper: an iterable over a file. When the app returns it as it is and there is a real
 * file behind it, the server sends the file from its descriptor and never calls read().
 */
#include "serve/internal.h"

#include <sys/stat.h>
#include <unistd.h>

struct file_wrapper {
    PyObject_HEAD PyObject *file;
    Py_ssize_t block_size;
};

static PyObject *file_wrapper_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    static char *names[] = {(char *)"filelike", (char *)"blksize", NULL};
    PyObject *file;
    Py_ssize_t block_size = 8192;
    if (!PyArg_ParseTupleAndKeywords(args, named, "O|n:file_wrapper", names, &file, &block_size))
        return NULL;
    struct file_wrapper *self = (struct file_wrapper *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(file);
    self->file = file;
    self->block_size = block_size > 0 ? block_size : 8192;
    return (PyObject *)self;
}

static PyObject *file_wrapper_next(PyObject *object)
{
    struct file_wrapper *self = (struct file_wrapper *)object;
    PyObject *block = PyObject_CallMethod(self->file, "read", "n", self->block_size);
    if (block == NULL)
        return NULL;
    int some = PyObject_IsTrue(block);
    if (some <= 0)
        Py_CLEAR(block);
    return block;
}

/* Absent in the file, absent here: that is how PEP 3333 describes it. */
static PyObject *file_wrapper_close(PyObject *object, PyObject *nothing)
{
    struct file_wrapper *self = (struct file_wrapper *)object;
    AUTO_OBJECT PyObject *close = PyObject_GetAttrString(self->file, "close");
    if (close != NULL)
        return PyObject_CallNoArgs(close);
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return NULL;
    PyErr_Clear();
    Py_RETURN_NONE;
}

static int file_wrapper_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((struct file_wrapper *)object)->file);
    return 0;
}

static int file_wrapper_clear(PyObject *object)
{
    Py_CLEAR(((struct file_wrapper *)object)->file);
    return 0;
}

static void file_wrapper_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    (void)file_wrapper_clear(object);
    Py_TYPE(object)->tp_free(object);
}

static PyMethodDef methods[] = {
    {"close", file_wrapper_close, METH_NOARGS, "close(): closes the file"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject file_wrapper_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mse.file_wrapper",
    .tp_basicsize = sizeof(struct file_wrapper),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = file_wrapper_new,
    .tp_dealloc = file_wrapper_dealloc,
    .tp_traverse = file_wrapper_traverse,
    .tp_clear = file_wrapper_clear,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = file_wrapper_next,
    .tp_methods = methods,
};

/* An integer that a method without arguments returns; false without exception. */
static bool call_number(PyObject *object, const char *method, int64_t *ret)
{
    AUTO_OBJECT PyObject *number = PyObject_CallMethod(object, method, NULL);
    long long value = number == NULL ? -1 : PyLong_AsLongLong(number);
    if (PyErr_Occurred() != NULL) {
        PyErr_Clear();
        return false;
    }
    *ret = value;
    return value >= 0;
}

/* The same object must give bytes when read: a file opened as text, or one that decompresses,
 * stands for other bytes than its descriptor does. Those are told by their class. */
static bool is_plain_binary(PyObject *file)
{
    static const char *const plain[] = {"BufferedReader", "BufferedRandom", "FileIO"};
    const char *name = Py_TYPE(file)->tp_name;
    if (strncmp(name, "_io.", 4) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (strcmp(name + 4, plain[i]) == 0)
            return true;
    }
    return false;
}

/* BufferedReader(raw): raw may be anything that reads, so it must be a real file itself. */
static bool raw_is_file(PyObject *file)
{
    if (strcmp(Py_TYPE(file)->tp_name, "_io.FileIO") == 0)
        return true;
    AUTO_OBJECT PyObject *raw = PyObject_GetAttrString(file, "raw");
    PyErr_Clear();
    return raw != NULL && strcmp(Py_TYPE(raw)->tp_name, "_io.FileIO") == 0;
}

bool file_wrapper_region(PyObject *iterable, int *ret_fd, int64_t *ret_offset, int64_t *ret_length)
{
    if (Py_TYPE(iterable) != &file_wrapper_type)
        return false;
    PyObject *file = ((struct file_wrapper *)iterable)->file;
    int64_t fd;
    int64_t offset;
    if (!is_plain_binary(file) || !raw_is_file(file) || !call_number(file, "fileno", &fd) ||
        !call_number(file, "tell", &offset))
        return false;
    struct stat status;
    if (fstat((int)fd, &status) < 0 || !S_ISREG(status.st_mode))
        return false;
    *ret_fd = (int)fd;
    *ret_offset = offset;
    *ret_length = status.st_size > offset ? status.st_size - offset : 0;
    return true;
}
