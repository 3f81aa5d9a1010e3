// SPDX-License-Identifier: Apache-2.0
/*
 * An ASGI app: Python's main thread has the app's event loop (uvloop where there is one). I/O
 * threads put what happens into a list and make an eventfd readable, once for many events; the
 * loop calls back into C, which starts tasks and resolves what waits. I/O threads never take the
 * GIL.
 */
#include "serve/asgi.h"

#include "base/clock.h"
#include "base/lock.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Runs on the loop's thread, around everything else; not on the path of a request. */
static const char loop_code[] =
    "def new_loop():\n"
    "    try:\n"
    "        import uvloop\n"
    "    except ImportError:\n"
    "        import asyncio\n"
    "        return asyncio.new_event_loop()\n"
    "    return uvloop.new_event_loop()\n"
    "def end(loop, tasks, then):\n"
    "    import asyncio\n"
    "    async def cancel():\n"
    "        for task in tasks:\n"
    "            task.cancel()\n"
    "        await asyncio.wait(tasks, timeout=1)\n"
    "        then()\n"
    "    end.task = loop.create_task(cancel())\n"
    "def run(loop):\n"
    "    import asyncio\n"
    "    asyncio.set_event_loop(loop)\n"
    "    try:\n"
    "        loop.run_forever()\n"
    "    finally:\n"
    "        tasks = asyncio.all_tasks(loop)\n"
    "        for task in tasks:\n"
    "            task.cancel()\n"
    "        if tasks:\n"
    "            loop.run_until_complete(asyncio.wait(tasks, timeout=1))\n"
    "        loop.run_until_complete(loop.shutdown_asyncgens())\n"
    "        asyncio.set_event_loop(None)\n"
    "        loop.close()\n";

/* --- events, from I/O threads --- */

static void signal_locked(struct asgi *asgi)
{
    if (asgi->signalled)
        return;
    asgi->signalled = true;
    uint64_t one = 1;
    (void)!write(asgi->wake_fd, &one, sizeof(one)); /* cannot be full: it is read before 2^64 */
}

static void note_locked(struct asgi *asgi, struct asgi_request *request, unsigned event)
{
    request->pending |= event;
    if (request->queued)
        return;
    request->queued = true;
    request->next = NULL;
    if (asgi->last == NULL)
        asgi->first = request;
    else
        asgi->last->next = request;
    asgi->last = request;
}

static void on_request(void *context, struct http_exchange *exchange)
{
    struct serve *serve = context;
    struct asgi *asgi = serve->asgi;
    const struct http_request *head = http_request(exchange);
    if (head->protocol.len > 0 && !asgi_websocket_wanted(head)) {
        refuse_connect(exchange);
        return;
    }
    struct asgi_request *request = mem_alloc(sizeof(*request), NULL);
    http_set_data(exchange, request);
    if (request == NULL) {
        refuse_busy(serve, exchange);
        return;
    }
    request->asgi = asgi;
    request->exchange = exchange;
    request->since_us = serve->timeout_ms > 0 ? clock_monotonic_us() : 0;
    lock_acquire(&asgi->lock);
    /* What the app does behind its answers is bounded too. */
    bool taken = !asgi->refusing && asgi->active < asgi->limit + SERVE_DEFAULT_TASKS &&
                 __atomic_load_n(&asgi->unanswered, __ATOMIC_RELAXED) < asgi->limit;
    if (taken) {
        asgi->active++;
        (void)__atomic_add_fetch(&asgi->unanswered, 1, __ATOMIC_RELAXED);
        note_locked(asgi, request, ASGI_NEW);
        if (!serve->rounds)
            signal_locked(asgi);
    }
    lock_release(&asgi->lock);
    if (taken)
        return;
    http_set_data(exchange, NULL);
    free(request);
    refuse_busy(serve, exchange);
}

/* The loop's thread may end the request at this moment: its pointer is read under the lock. */
static void note_event(struct serve *serve, struct http_exchange *exchange, unsigned event)
{
    struct asgi *asgi = serve->asgi;
    lock_acquire(&asgi->lock);
    struct asgi_request *request = http_data(exchange);
    if (request != NULL) {
        note_locked(asgi, request, event);
        if (!serve->rounds)
            signal_locked(asgi);
    }
    lock_release(&asgi->lock);
}

static void on_body(void *context, struct http_exchange *exchange)
{
    note_event(context, exchange, ASGI_BODY);
}

static void on_writable(void *context, struct http_exchange *exchange)
{
    note_event(context, exchange, ASGI_WRITABLE);
}

static void on_aborted(void *context, struct http_exchange *exchange)
{
    note_event(context, exchange, ASGI_ABORTED);
}

static const struct http_handler handler = {
    .request = on_request,
    .body = on_body,
    .writable = on_writable,
    .aborted = on_aborted,
};

static void asgi_returned(struct serve *serve)
{
    struct asgi *asgi = serve->asgi;
    lock_acquire(&asgi->lock);
    asgi->returned = true;
    if (!serve->rounds)
        signal_locked(asgi);
    lock_release(&asgi->lock);
}

static void asgi_round_end(struct serve *serve)
{
    struct asgi *asgi = serve->asgi;
    lock_acquire(&asgi->lock);
    if (asgi->first != NULL || asgi->returned)
        signal_locked(asgi);
    lock_release(&asgi->lock);
}

/* --- what takes too long --- */

static void begun_add_locked(struct asgi *asgi, struct asgi_request *request)
{
    if (asgi->serve->timeout_ms == 0)
        return;
    request->since_us = clock_monotonic_us();
    request->begun = true;
    request->begun_next = asgi->begun;
    request->begun_last = NULL;
    if (asgi->begun != NULL)
        asgi->begun->begun_last = request;
    asgi->begun = request;
}

static void begun_remove_locked(struct asgi *asgi, struct asgi_request *request)
{
    if (!request->begun)
        return;
    request->begun = false;
    if (request->begun_last == NULL)
        asgi->begun = request->begun_next;
    else
        request->begun_last->begun_next = request->begun_next;
    if (request->begun_next != NULL)
        request->begun_next->begun_last = request->begun_last;
}

void asgi_note_answer(struct asgi_request *request)
{
    if (request->asgi->serve->timeout_ms == 0)
        return;
    lock_acquire(&request->asgi->lock);
    begun_remove_locked(request->asgi, request);
    lock_release(&request->asgi->lock);
}

static void asgi_watch(struct serve *serve, struct serve_watch *ret)
{
    struct asgi *asgi = serve->asgi;
    lock_acquire(&asgi->lock);
    ret->waiting = asgi->first != NULL && asgi->phase == ASGI_RUNNING;
    ret->progress = asgi->turns;
    lock_release(&asgi->lock);
}

/* The first that the loop has not seen and that came before that moment, out of the list. */
static struct asgi_request *take_older_locked(struct asgi *asgi, int64_t before_us)
{
    struct asgi_request *before = NULL;
    struct asgi_request *at = asgi->first;
    while (at != NULL && ((at->pending & ASGI_NEW) == 0 || at->since_us >= before_us)) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return NULL;
    if (before == NULL)
        asgi->first = at->next;
    else
        before->next = at->next;
    if (asgi->last == at)
        asgi->last = before;
    at->queued = false;
    http_set_data(at->exchange, NULL);
    return at;
}

static unsigned count_hanging_locked(struct asgi *asgi, int64_t before_us)
{
    unsigned count = 0;
    struct asgi_request *at = asgi->begun;
    while (at != NULL) {
        struct asgi_request *next = at->begun_next;
        if (at->since_us < before_us) {
            begun_remove_locked(asgi, at);
            count++;
        }
        at = next;
    }
    return count;
}

static void note_finished(struct asgi *asgi, bool served)
{
    lock_acquire(&asgi->lock);
    asgi->active--;
    asgi->served += served;
    if (asgi->active == 0)
        (void)pthread_cond_broadcast(&asgi->changed);
    lock_release(&asgi->lock);
}

static unsigned asgi_expire(struct serve *serve, int64_t before_us, unsigned *ret_hanging)
{
    struct asgi *asgi = serve->asgi;
    unsigned late = 0;
    for (;;) {
        lock_acquire(&asgi->lock);
        struct asgi_request *request = take_older_locked(asgi, before_us);
        *ret_hanging = request == NULL ? count_hanging_locked(asgi, before_us) : 0;
        lock_release(&asgi->lock);
        if (request == NULL)
            return late;
        asgi_request_answered(request);
        refuse_late(request->exchange);
        free(request);
        note_finished(asgi, false);
        late++;
    }
}

/* --- requests, on the loop's thread --- */

static void live_add(struct asgi *asgi, struct asgi_request *request)
{
    request->live_next = asgi->live;
    request->live_at = &asgi->live;
    if (asgi->live != NULL)
        asgi->live->live_at = &request->live_next;
    asgi->live = request;
}

static void live_remove(struct asgi_request *request)
{
    if (request->live_at == NULL)
        return;
    *request->live_at = request->live_next;
    if (request->live_next != NULL)
        request->live_next->live_at = request->live_at;
    request->live_at = NULL;
}

void asgi_request_answered(struct asgi_request *request)
{
    if (!__atomic_exchange_n(&request->answered, true, __ATOMIC_RELAXED))
        (void)__atomic_sub_fetch(&request->asgi->unanswered, 1, __ATOMIC_RELAXED);
}

void asgi_request_end(struct asgi_request *request)
{
    asgi_request_answered(request);
    struct asgi *asgi = request->asgi;
    struct http_exchange *exchange = request->exchange;
    live_remove(request);
    lock_acquire(&asgi->lock);
    http_set_data(exchange, NULL);
    begun_remove_locked(asgi, request);
    bool queued = request->queued;
    bool sending = request->sending;
    request->over = true;
    if (sending)
        http_abort(exchange); /* under the lock: the thread releases it behind that */
    lock_release(&asgi->lock);
    if (sending)
        return;
    http_release(exchange);
    if (!queued)
        free(request); /* otherwise whoever takes it from the list does */
}

void asgi_file_began(struct asgi_request *request)
{
    lock_acquire(&request->asgi->lock);
    request->sending = true;
    request->asgi->files++;
    lock_release(&request->asgi->lock);
}

void asgi_file_ended(struct asgi_request *request, enum err_kind error)
{
    struct asgi *asgi = request->asgi;
    struct http_exchange *exchange = request->exchange;
    lock_acquire(&asgi->lock);
    request->sending = false;
    request->file_error = error;
    bool over = request->over;
    bool queued = request->queued;
    if (!over) {
        note_locked(asgi, request, ASGI_SENT);
        signal_locked(asgi);
    }
    lock_release(&asgi->lock);
    if (over) {
        http_release(exchange);
        if (!queued)
            free(request);
    }
    lock_acquire(&asgi->lock);
    asgi->files--;
    (void)pthread_cond_broadcast(&asgi->changed);
    lock_release(&asgi->lock);
}

void asgi_note_finished(struct asgi *asgi)
{
    note_finished(asgi, true);
}

static void refuse_failed(struct asgi_request *request)
{
    struct http_exchange *exchange = request->exchange;
    interpreter_report("exception in the app", http_request(exchange)->method,
                       http_request(exchange)->target);
    (void)__atomic_add_fetch(&request->asgi->serve->failed, 1, __ATOMIC_RELAXED);
    asgi_request_answered(request);
    respond_text(exchange, 500, "Internal Server Error\n");
    struct asgi *asgi = request->asgi;
    asgi_request_end(request);
    asgi_note_finished(asgi);
}

/* False: it has ended already, and is freed. */
static bool begin_request(struct asgi *asgi, struct asgi_request *request)
{
    http_begin(request->exchange);
    const struct http_request *head = http_request(request->exchange);
    bool websocket = asgi_websocket_wanted(head);
    struct asgi_channel *channel =
        asgi_channel_new(asgi, websocket ? &asgi_websocket : &asgi_http, request);
    AUTO_OBJECT PyObject *scope = NULL;
    if (channel != NULL && (!websocket || asgi_websocket_prepare(channel)))
        scope = websocket ? asgi_websocket_scope(asgi, head) : asgi_http_scope(asgi, head);
    if (scope == NULL) {
        Py_XDECREF((PyObject *)channel);
        refuse_failed(request);
        return false;
    }
    channel->is_head = slice_is_str(head->method, "HEAD");
    request->channel = channel;
    Py_INCREF((PyObject *)channel);
    bool running = asgi_channel_run(channel, scope);
    /* Where no task could be made of the coroutine, it has answered when it was dropped. */
    bool ended = channel->request == NULL;
    if (!running && !ended) {
        channel->request = NULL;
        Py_DECREF((PyObject *)channel); /* the request's */
    }
    Py_DECREF((PyObject *)channel);
    if (running && !ended)
        return true;
    if (ended)
        PyErr_Clear();
    else
        refuse_failed(request);
    return false;
}

/* The first of its events, or what followed while it was not let begin. False: there is nothing to
 * go on with. */
static bool begin(struct asgi *asgi, struct asgi_request *request, unsigned events)
{
    if ((events & ASGI_ABORTED) != 0) {
        asgi_request_end(request);
        asgi_note_finished(asgi);
        return false;
    }
    if (request->live_at == NULL)
        live_add(asgi, request);
    if (http_may_begin(request->exchange, request))
        return begin_request(asgi, request);
    asgi_note_answer(request); /* it is the client who is waited for */
    return false;
}

static void handle(struct asgi *asgi, struct asgi_request *request, unsigned events)
{
    if (request->channel == NULL && !begin(asgi, request, events))
        return;
    events &= ~(unsigned)ASGI_NEW;
    if (events == 0)
        return;
    struct asgi_channel *channel = request->channel;
    Py_INCREF((PyObject *)channel);
    channel->kind->event(channel, events);
    asgi_channel_wake(channel);
    Py_DECREF((PyObject *)channel);
}

static struct asgi_request *take_event(struct asgi *asgi, unsigned *ret_events)
{
    for (;;) {
        lock_acquire(&asgi->lock);
        struct asgi_request *request = asgi->first;
        if (request == NULL) {
            lock_release(&asgi->lock);
            return NULL;
        }
        asgi->first = request->next;
        if (asgi->first == NULL)
            asgi->last = NULL;
        *ret_events = request->pending;
        request->pending = 0;
        request->queued = false;
        asgi->turns++;
        if ((*ret_events & ASGI_NEW) != 0)
            begun_add_locked(asgi, request);
        bool over = request->over;
        bool sending = request->sending;
        lock_release(&asgi->lock);
        if (!over)
            return request;
        if (!sending)
            free(request);
    }
}

static PyObject *on_cancelled(PyObject *capsule, PyObject *nothing)
{
    asgi_lifespan_stop(PyCapsule_GetPointer(capsule, NULL));
    Py_RETURN_NONE;
}

static PyMethodDef on_cancelled_method = {"on_cancelled", on_cancelled, METH_NOARGS, NULL};

/* Requests that have not ended are cancelled, and then the app's shutdown begins: they still find
 * what it takes away. False with an exception. */
static bool cancel_live(struct asgi *asgi)
{
    AUTO_OBJECT PyObject *tasks = PyList_New(0);
    AUTO_OBJECT PyObject *capsule = PyCapsule_New(asgi, NULL, NULL);
    AUTO_OBJECT PyObject *then =
        capsule == NULL ? NULL : PyCFunction_New(&on_cancelled_method, capsule);
    if (tasks == NULL || then == NULL)
        return false;
    for (struct asgi_request *at = asgi->live; at != NULL; at = at->live_next) {
        if (at->channel != NULL && at->channel->task != NULL &&
            PyList_Append(tasks, at->channel->task) < 0)
            return false;
    }
    if (PyList_GET_SIZE(tasks) == 0) {
        asgi_lifespan_stop(asgi);
        return true;
    }
    AUTO_OBJECT PyObject *begun =
        PyObject_CallFunctionObjArgs(asgi->end, asgi->loop, tasks, then, NULL);
    return begun != NULL;
}

/* A handler of SIGTERM that the app has set is how it learns of the end, as under its peers: the
 * signal itself goes to the enclave, which keeps it. */
static void tell_stop(void)
{
    AUTO_OBJECT PyObject *name = PyUnicode_FromString("_signal");
    AUTO_OBJECT PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    AUTO_OBJECT PyObject *own =
        module == NULL ? NULL : PyObject_CallMethod(module, "getsignal", "i", SIGTERM);
    if (own != NULL && PyCallable_Check(own))
        (void)PyErr_SetInterruptEx(SIGTERM);
    PyErr_Clear();
}

/* What the loop calls when the eventfd is readable. */
static PyObject *on_wake(PyObject *capsule, PyObject *nothing)
{
    struct asgi *asgi = PyCapsule_GetPointer(capsule, NULL);
    uint64_t count;
    (void)!read(asgi->wake_fd, &count, sizeof(count));
    lock_acquire(&asgi->lock);
    asgi->signalled = false;
    asgi->returned = false;
    asgi->turns++;
    bool stop = asgi->stop_loop;
    asgi->stop_loop = false;
    bool told = asgi->tell_stop;
    asgi->tell_stop = false;
    lock_release(&asgi->lock);
    if (told)
        tell_stop();
    lend_drop_returned(asgi->serve);
    unsigned events = 0;
    struct asgi_request *request = take_event(asgi, &events);
    while (request != NULL) {
        handle(asgi, request, events);
        request = take_event(asgi, &events);
    }
    if (stop && !cancel_live(asgi)) {
        PyErr_Clear();
        asgi_lifespan_stop(asgi);
    }
    Py_RETURN_NONE;
}

static PyMethodDef on_wake_method = {"on_wake", on_wake, METH_NOARGS, NULL};

/* --- the loop's thread --- */

void asgi_set_phase(struct asgi *asgi, enum asgi_phase phase)
{
    lock_acquire(&asgi->lock);
    bool starts = asgi->phase == ASGI_STARTING && phase == ASGI_RUNNING;
    if (asgi->phase == ASGI_STARTING || phase == ASGI_STOPPED)
        asgi->phase = phase;
    if (asgi->phase == ASGI_FAILED) {
        asgi->stop_loop = true;
        signal_locked(asgi);
    }
    (void)pthread_cond_broadcast(&asgi->changed);
    lock_release(&asgi->lock);
    if (!starts)
        return;
    asgi->started = true;
    serve_started(asgi->serve);
}

void asgi_stop_loop(struct asgi *asgi)
{
    AUTO_OBJECT PyObject *stopped = PyObject_CallMethod(asgi->loop, "stop", NULL);
    if (stopped == NULL)
        PyErr_Clear();
}

static bool watch_events(struct asgi *asgi)
{
    AUTO_OBJECT PyObject *capsule = PyCapsule_New(asgi, NULL, NULL);
    AUTO_OBJECT PyObject *callback =
        capsule == NULL ? NULL : PyCFunction_New(&on_wake_method, capsule);
    if (callback == NULL)
        return false;
    AUTO_OBJECT PyObject *added =
        PyObject_CallMethod(asgi->loop, "add_reader", "iO", asgi->wake_fd, callback);
    return added != NULL;
}

static bool run_loop(struct asgi *asgi)
{
    AUTO_OBJECT PyObject *names = PyDict_New();
    AUTO_OBJECT PyObject *done =
        names == NULL ? NULL : PyRun_String(loop_code, Py_file_input, names, names);
    if (done == NULL)
        return false;
    asgi->loop = PyObject_CallNoArgs(PyDict_GetItemString(names, "new_loop"));
    if (asgi->loop == NULL)
        return false;
    asgi->end = Py_XNewRef(PyDict_GetItemString(names, "end"));
    asgi->create_future = PyObject_GetAttr(asgi->loop, asgi_text.create_future);
    if (asgi->create_future == NULL || !watch_events(asgi) || !asgi_lifespan_begin(asgi))
        return false;
    AUTO_OBJECT PyObject *ran = PyObject_CallOneArg(PyDict_GetItemString(names, "run"), asgi->loop);
    return ran != NULL;
}

static void refuse_stopping(struct asgi_request *request)
{
    struct asgi *asgi = request->asgi;
    respond_text(request->exchange, 503, "The app is stopping.\n");
    asgi_request_end(request);
    asgi_note_finished(asgi);
}

/* The loop is closed: what has come since is refused, and what goes on in spite of having been
 * cancelled loses its exchange, which the server waits for. */
static void drop_rest(struct asgi *asgi)
{
    lock_acquire(&asgi->lock);
    asgi->refusing = true;
    lock_release(&asgi->lock);
    unsigned events = 0;
    struct asgi_request *request = take_event(asgi, &events);
    while (request != NULL) {
        if ((events & ASGI_NEW) != 0)
            refuse_stopping(request);
        request = take_event(asgi, &events);
    }
    while (asgi->live != NULL) {
        struct asgi_channel *channel = asgi->live->channel; /* NOLINT: who ends leaves the list */
        if (channel == NULL) {
            refuse_stopping(asgi->live);
            continue;
        }
        struct http_exchange *exchange = asgi->live->exchange;
        Py_INCREF((PyObject *)channel);
        PyErr_SetString(PyExc_RuntimeError, "the app went on after it was cancelled");
        interpreter_report("request dropped", http_request(exchange)->method,
                           http_request(exchange)->target);
        http_abort(exchange);
        channel->gone = true;
        asgi_channel_end(channel);
        Py_CLEAR(channel->task);
        Py_DECREF((PyObject *)channel);
    }
}

static bool is_starting(struct asgi *asgi)
{
    lock_acquire(&asgi->lock);
    bool starting = asgi->phase == ASGI_STARTING;
    lock_release(&asgi->lock);
    return starting;
}

static int asgi_run(struct serve *serve, struct err *err)
{
    struct asgi *asgi = serve->asgi;
    if (!run_loop(asgi)) {
        interpreter_fail(is_starting(asgi) ? &asgi->start_err : NULL, true,
                         "cannot run the event loop");
        asgi_set_phase(asgi, ASGI_FAILED);
    } else if (!asgi->lifespan_stopping) {
        PySys_WriteStderr("the app has stopped its event loop: nothing more is served\n");
    }
    drop_rest(asgi);
    if (asgi->lifespan != NULL)
        Py_CLEAR(asgi->lifespan->task);
    Py_XDECREF((PyObject *)STEAL(asgi->lifespan));
    Py_CLEAR(asgi->create_future);
    Py_CLEAR(asgi->end);
    Py_CLEAR(asgi->loop);
    Py_CLEAR(asgi->state);
    asgi_set_phase(asgi, ASGI_STOPPED);
    if (asgi->started)
        return 0;
    *err = asgi->start_err;
    return -1;
}

/* --- start and stop --- */

static struct asgi *make(struct serve *serve, const struct serve_config *config, struct err *err)
{
    struct asgi *asgi = mem_alloc(sizeof(*asgi), err);
    if (asgi == NULL)
        return NULL;
    asgi->serve = serve;
    asgi->limit = config->queue == 0 ? SERVE_DEFAULT_TASKS : config->queue;
    bool lower = config->message_bytes > 0 && config->message_bytes < SERVE_MAX_MESSAGE;
    asgi->message_limit = lower ? (size_t)config->message_bytes : SERVE_MAX_MESSAGE;
    asgi->messages_limit =
        config->messages_bytes > 0 ? (size_t)config->messages_bytes : SERVE_DEFAULT_MESSAGES;
    lock_init(&asgi->lock, LOCK_ASGI);
    clock_cond_init(&asgi->changed);
    asgi->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return asgi;
}

static int asgi_start(struct serve *serve, const struct serve_config *config, struct err *err)
{
    if (asgi_waiter_start() < 0 || asgi_channel_start() < 0 || asgi_scope_start() < 0)
        return interpreter_fail(err, true, "cannot prepare ASGI");
    struct asgi *asgi = make(serve, config, err);
    if (asgi == NULL)
        return -1;
    serve->asgi = asgi;
    return asgi->wake_fd < 0 ? FAIL_ERRNO(err, ERR_IO, "cannot make an eventfd") : 0;
}

static bool is_quiet(const struct asgi *asgi)
{
    return asgi->active == 0;
}

static bool is_stopped(const struct asgi *asgi)
{
    return asgi->phase == ASGI_STOPPED && asgi->files == 0;
}

static bool wait_locked(struct asgi *asgi, bool (*reached)(const struct asgi *), int64_t timeout_ms)
{
    struct timespec until = clock_deadline_us(timeout_ms * 1000);
    int waited = 0;
    while (!reached(asgi) && waited == 0)
        waited = lock_wait_until(&asgi->lock, &asgi->changed, &until);
    return reached(asgi);
}

/* Cancelling, shutdown and cancelling what is left may take a second each (loop_code). */
enum { MIN_SHUTDOWN_MS = 3000 };

/* Requests get timeout_ms and are cancelled then; the app's shutdown gets as long again. */
static int asgi_drain(struct serve *serve, int64_t timeout_ms, struct err *err)
{
    struct asgi *asgi = serve->asgi;
    int64_t shutdown_ms = timeout_ms < MIN_SHUTDOWN_MS ? MIN_SHUTDOWN_MS : timeout_ms;
    lock_acquire(&asgi->lock);
    asgi->tell_stop = !asgi->refusing; /* once */
    asgi->refusing = true;
    signal_locked(asgi);
    bool quiet = wait_locked(asgi, is_quiet, timeout_ms);
    size_t active = asgi->active;
    asgi->stop_loop = true;
    signal_locked(asgi);
    bool stopped = wait_locked(asgi, is_stopped, shutdown_ms);
    lock_release(&asgi->lock);
    if (!stopped)
        return FAIL(err, ERR_TIMEOUT, "the app's shutdown was not complete after %lld ms",
                    (long long)shutdown_ms);
    serve->stopped = true;
    if (!quiet)
        return FAIL(err, ERR_TIMEOUT, "%zu request(s) cancelled after %lld ms", active,
                    (long long)timeout_ms);
    return 0;
}

static void asgi_finish(struct serve *serve)
{
    asgi_scope_finish();
}

static void asgi_free(struct serve *serve)
{
    struct asgi *asgi = STEAL(serve->asgi);
    if (asgi == NULL)
        return;
    if (asgi->wake_fd >= 0)
        (void)close(asgi->wake_fd);
    (void)pthread_cond_destroy(&asgi->changed);
    lock_done(&asgi->lock);
    free(asgi);
}

static void asgi_stats(struct serve *serve, struct serve_stats *ret)
{
    struct asgi *asgi = serve->asgi;
    lock_acquire(&asgi->lock);
    ret->served = asgi->served;
    ret->running = asgi->active;
    lock_release(&asgi->lock);
}

const struct app_protocol asgi_protocol = {
    .name = "ASGI",
    .protocol = SERVE_ASGI,
    .handler = &handler,
    .start = asgi_start,
    .run = asgi_run,
    .drain = asgi_drain,
    .round_end = asgi_round_end,
    .returned = asgi_returned,
    .watch = asgi_watch,
    .expire = asgi_expire,
    .finish = asgi_finish,
    .free = asgi_free,
    .stats = asgi_stats,
};
