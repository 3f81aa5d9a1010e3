// SPDX-License-Identifier: Apache-2.0
/*
 * The traceback of a thread that called for a new process, or of all, in the order in which Python
 * prints it: the innermost frame last. Runs in the enclave: on the confinement's own thread or the
 * watchdog's just before the process ends, or in a signal handler of the thread itself.
 */
#include <Python.h>

#include "serve/traceback.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What CPython's own faulthandler prints with, declared in a header that only its core may include.
 * It writes the innermost frame first, and at most 100. The archive has it, which the programs are
 * linked with; the shared library has it up to 3.12: with a later one there is no traceback. */
extern void _Py_DumpTraceback(int fd, PyThreadState *state) __attribute__((weak));

enum {
    TEXT_SIZE = 64 << 10,
    PLACES_MAX = 64,
    THREADS_MAX = 100,  /* of a process's last words */
    PATIENCE = 100000,  /* turns that a process's last words wait for another thread's words */
    COMM_SIZE = 16 + 1, /* of a thread's name, proc_pid_comm(5) */
};

struct text {
    char bytes[TEXT_SIZE];
    size_t len;
};

/* Of one user at a time: `busy`, or the last thread of a process that ends. */
static struct text dumped;
static struct text turned;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static uint64_t places[PLACES_MAX];
static size_t place_count;

/* A file in memory of its own each time: the app may have closed one that was kept, and opened
 * another under its number. */
static void dump(PyThreadState *state)
{
    dumped.len = 0;
    if (_Py_DumpTraceback == NULL)
        return;
    int fd = memfd_create("traceback", MFD_CLOEXEC);
    if (fd < 0)
        return;
    _Py_DumpTraceback(fd, state);
    ssize_t len = pread(fd, dumped.bytes, sizeof(dumped.bytes), 0);
    (void)close(fd);
    dumped.len = len > 0 ? (size_t)len : 0;
}

static void append(struct text *text, const char *bytes, size_t len)
{
    if (len > sizeof(text->bytes) - text->len)
        len = sizeof(text->bytes) - text->len;
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void append_text(struct text *text, const char *bytes)
{
    append(text, bytes, strlen(bytes));
}

/* Appends the frames of `dumped`, without its heading, in the order of calls. */
static void turn(void)
{
    const char *heading_end = memchr(dumped.bytes, '\n', dumped.len);
    if (heading_end == NULL)
        return;
    const char *first = heading_end + 1;
    const char *end = dumped.bytes + dumped.len;
    append_text(&turned, "Traceback (most recent call last):\n");
    while (end > first) {
        const char *line = end - 1; /* at its newline, or at the last byte of a cut line */
        while (line > first && line[-1] != '\n')
            line--;
        append(&turned, line, (size_t)(end - line));
        end = line;
    }
}

static void print(const struct text *text)
{
    size_t at = 0;
    while (at < text->len) {
        ssize_t len = write(STDERR_FILENO, text->bytes + at, text->len - at);
        if (len <= 0)
            return;
        at += (size_t)len;
    }
}

/* --- all threads --- */

static void append_number(struct text *text, unsigned long number)
{
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    append(text, digits + at, sizeof(digits) - at);
}

static void append_name(struct text *text, unsigned long thread)
{
    char name[COMM_SIZE];
    static struct text path; /* under `busy` */
    path.len = 0;
    append_text(&path, "/proc/self/task/");
    append_number(&path, thread);
    append(&path, "/comm", sizeof("/comm"));
    int fd = open(path.bytes, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, name, sizeof(name));
    if (fd >= 0)
        (void)close(fd);
    if (len > 1)
        append(text, name, (size_t)len - 1); /* it ends with a newline */
}

static void print_thread(PyThreadState *state)
{
    turned.len = 0;
    append_text(&turned, "Thread ");
    append_number(&turned, state->native_thread_id);
    append_text(&turned, " (");
    append_name(&turned, state->native_thread_id);
    append_text(&turned, "):\n");
    print(&turned);
    dump(state);
    turned.len = 0;
    turn();
    print(&turned);
}

static void print_threads(pid_t first, bool others)
{
    int printed = 0;
    for (PyInterpreterState *interpreter = PyInterpreterState_Head(); interpreter != NULL;
         interpreter = PyInterpreterState_Next(interpreter)) {
        for (PyThreadState *state = PyInterpreterState_ThreadHead(interpreter); state != NULL;
             state = PyThreadState_Next(state)) {
            bool is_first = state->native_thread_id == (unsigned long)first;
            if (is_first == others || printed == THREADS_MAX)
                continue;
            print_thread(state);
            printed++;
        }
    }
}

void serve_print_tracebacks(pid_t first)
{
    if (!Py_IsInitialized())
        return;
    /* Whoever holds it may stand still for good. */
    for (int i = 0; i < PATIENCE && atomic_flag_test_and_set(&busy); i++)
        (void)sched_yield();
    print_threads(first, false);
    print_threads(first, true);
    atomic_flag_clear(&busy);
}

/* --- one thread --- */

void serve_print_traceback(pid_t thread)
{
    if (!Py_IsInitialized())
        return;
    for (PyInterpreterState *interpreter = PyInterpreterState_Head(); interpreter != NULL;
         interpreter = PyInterpreterState_Next(interpreter)) {
        for (PyThreadState *state = PyInterpreterState_ThreadHead(interpreter); state != NULL;
             state = PyThreadState_Next(state)) {
            if (state->native_thread_id != (unsigned long)thread)
                continue;
            dump(state);
            turned.len = 0;
            turn();
            print(&turned);
        }
    }
}

/* The place is the stack of Python's frames: at one, Python tries fork where vfork has failed. What
 * calls without Python is told apart by the call. FNV-1a, 64 bits: these are places of one app's
 * code, not of somebody who looks for collisions. */
static uint64_t place_of(const char *call)
{
    const char *bytes = dumped.len > 0 ? dumped.bytes : call;
    size_t len = dumped.len > 0 ? dumped.len : strlen(call);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_new(uint64_t place)
{
    for (size_t i = 0; i < place_count; i++) {
        if (places[i] == place)
            return false;
    }
    if (place_count == PLACES_MAX)
        return false;
    places[place_count++] = place;
    return true;
}

void serve_report_refused(const char *call)
{
    PyThreadState *state = Py_IsInitialized() ? PyGILState_GetThisThreadState() : NULL;
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        (void)sched_yield();
    dumped.len = 0;
    if (state != NULL)
        dump(state);
    if (is_new(place_of(call))) {
        turned.len = 0;
        append_text(&turned, "mse: the app called ");
        append_text(&turned, call);
        append_text(&turned, ", and got EPERM: an enclave starts no processes (new_processes = "
                             "\"refuse\"; said once for each place)\n");
        turn();
        if (place_count == PLACES_MAX)
            append_text(&turned, "mse: that is the last such place that is written\n");
        print(&turned);
    }
    atomic_flag_clear_explicit(&busy, memory_order_release);
}
