// SPDX-License-Identifier: Apache-2.0
/*
 * A WSGI app (PEP 3333): requests wait in a bounded queue for one of a few Python threads, which
 * call the app and send what it returns. Everything between the socket and the app's first line
 * is in C. The request callback runs on I/O threads and never takes the GIL.
 */
#include "net/loop.h"
#include "serve/internal.h"

enum {
    JOIN_MAX_BYTES = 64 * 1024,
    BODY_ENOUGH = 32 * 1024, /* below the smallest window of HTTP/2, which opens as the app reads */
    /* I/O threads rest for REST_US while at least REST_QUEUE requests wait, and are called when
     * there are fewer than REST_UNTIL: so Python never waits for them. */
    REST_US = 1000,
    REST_QUEUE = 8,
    REST_UNTIL = 3,
};

/* --- what the app returned --- */

static bool bytes_of(PyObject *item, struct slice *ret)
{
    if (!PyBytes_Check(item)) {
        PyErr_Format(PyExc_TypeError, "the app's response must yield bytes, not %.100s",
                     Py_TYPE(item)->tp_name);
        return false;
    }
    *ret = slice_of(PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item));
    return true;
}

/* A list or tuple of bytes is complete: it can go out in one piece. */
static int send_joined(struct start_response *response, PyObject *const *items, Py_ssize_t count)
{
    uint8_t joined[JOIN_MAX_BYTES];
    size_t len = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        struct slice bytes;
        if (!bytes_of(items[i], &bytes))
            return -1;
        memcpy(joined + len, bytes.data, bytes.len);
        len += bytes.len;
    }
    return response_whole(response, slice_of(joined, len));
}

static int send_items(struct start_response *response, PyObject *const *items, Py_ssize_t count)
{
    struct slice bytes = {0};
    size_t total = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!bytes_of(items[i], &bytes))
            return -1;
        total += bytes.len;
    }
    if (count == 1)
        return response_whole_object(response, items[0]);
    if (count == 0)
        return response_whole(response, bytes);
    if (total <= JOIN_MAX_BYTES)
        return send_joined(response, items, count);
    if (response->fields.content_length < 0)
        response->fields.content_length = (int64_t)total;
    for (Py_ssize_t i = 0; i < count && !response->broken; i++) {
        if (!bytes_of(items[i], &bytes) || response_part(response, bytes) < 0)
            return -1;
    }
    return response->broken ? 0 : response_end(response);
}

/* The first part is the whole where it has the length that the app has announced. */
static bool is_whole(const struct start_response *response, struct slice bytes)
{
    return !response->head_sent && response->status_code != 0 &&
           response->fields.content_length == (int64_t)bytes.len;
}

static int send_iterated(struct start_response *response, PyObject *result)
{
    AUTO_OBJECT PyObject *iterator = PyObject_GetIter(result);
    if (iterator == NULL)
        return -1;
    iternextfunc next = Py_TYPE(iterator)->tp_iternext;
    while (!response->broken) {
        AUTO_OBJECT PyObject *item = next(iterator);
        if (item == NULL)
            break;
        struct slice bytes;
        if (!bytes_of(item, &bytes))
            return -1;
        if (response->complete)
            continue; /* more than Content-Length: ends in nothing */
        if (is_whole(response, bytes)) {
            if (response_whole_object(response, item) < 0)
                return -1;
        } else if (response_part(response, bytes) < 0) {
            return -1;
        }
        if (response->bodiless)
            break;
    }
    if (PyErr_Occurred() != NULL) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration))
            return -1;
        PyErr_Clear();
    }
    return response->broken ? 0 : response_end(response);
}

static int send_result(struct start_response *response, PyObject *result)
{
    int fd;
    int64_t offset;
    int64_t length;
    if (PyList_CheckExact(result)) {
        /* A copy: while the GIL is free somebody could change the list. */
        AUTO_OBJECT PyObject *items = PyList_AsTuple(result);
        if (items == NULL)
            return -1;
        return send_items(response, &PyTuple_GET_ITEM(items, 0), PyTuple_GET_SIZE(items));
    }
    if (PyTuple_CheckExact(result))
        return send_items(response, &PyTuple_GET_ITEM(result, 0), PyTuple_GET_SIZE(result));
    if (file_wrapper_region(result, &fd, &offset, &length)) {
        if (response_file(response, fd, offset, length) < 0)
            return -1;
        return response->broken ? 0 : response_end(response);
    }
    return send_iterated(response, result);
}

/* close() is due whatever happened, once. 0 also where there is none. */
static int close_result(PyObject *result)
{
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return 0;
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyErr_Fetch(&type, &value, &trace);
    AUTO_OBJECT PyObject *close = PyObject_GetAttrString(result, "close");
    if (close == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            goto failed;
        PyErr_Clear();
    } else {
        AUTO_OBJECT PyObject *closed = PyObject_CallNoArgs(close);
        if (closed == NULL)
            goto failed;
    }
    PyErr_Restore(type, value, trace);
    return 0;
failed:
    if (type == NULL)
        return -1;
    PyErr_Restore(type, value, trace); /* the first exception is the one to tell */
    return 0;
}

/* --- one request --- */

static int call_app(struct serve *serve, PyObject *env, struct start_response *response)
{
    PyObject *args[3] = {NULL, env, (PyObject *)response};
    PyObject *result =
        PyObject_Vectorcall(serve->app, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (result == NULL)
        return -1;
    int status = send_result(response, result);
    int closed = close_result(result);
    Py_DECREF(result);
    return status < 0 || closed < 0 ? -1 : 0;
}

/* What flask-sock and python-socketio look for in the environ of other servers is not there. */
static const char NO_SOCKET[] =
    "a WebSocket was asked of a WSGI app, which gets none here: make the app an ASGI app "
    "(docs/server.md, WebSocket)";

static const char *text_of_failure(int status)
{
    switch (status) {
    case 500:
        return "Internal Server Error\n";
    case 501:
        return "This app does not speak WebSocket.\n";
    default:
        return "The request body is not acceptable.\n";
    }
}

/* The app raised: 500 if nothing is out yet, else the connection must not look complete. */
static void answer_failure(struct serve *serve, struct serve_request *request,
                           struct start_response *response)
{
    const struct http_request *head = http_request(request->exchange);
    bool gone = response != NULL && response->broken && request->body_err == ERR_NONE &&
                PyErr_ExceptionMatches(PyExc_BrokenPipeError);
    bool body = request->body_err != ERR_NONE && PyErr_ExceptionMatches(PyExc_OSError);
    bool wants_socket = asgi_websocket_wanted(head);
    if (gone || body) {
        PyErr_Clear();
    } else {
        (void)__atomic_add_fetch(&serve->failed, 1, __ATOMIC_RELAXED);
        interpreter_report(wants_socket ? NO_SOCKET : "exception in the app", head->method,
                           head->target);
    }
    if (response != NULL && response->complete)
        return;
    if (response != NULL && response->head_sent) {
        http_abort(request->exchange);
        return;
    }
    int status = wants_socket ? 501 : status_of_body_err(request->body_err);
    serve_request_answered(request);
    respond_text(request->exchange, status, text_of_failure(status));
}

static PyObject *make_input(struct serve_request *request)
{
    return http_request(request->exchange)->has_body ? input_new(request) : input_empty();
}

static void run_request(struct serve *serve, struct serve_request *request)
{
    http_begin(request->exchange);
    struct start_response *response = start_response_new(request);
    PyObject *input = make_input(request);
    PyObject *env = NULL;
    int status = -1;
    if (response != NULL && input != NULL)
        env = environ_new(http_request(request->exchange), input);
    if (env != NULL)
        status = call_app(serve, env, response);
    if (status < 0)
        answer_failure(serve, request, response);
    if (response != NULL)
        start_response_detach(response);
    if (input != NULL)
        input_detach(input);
    Py_XDECREF(env);
    Py_XDECREF(input);
    Py_XDECREF((PyObject *)response);
}

/* --- threads --- */

struct python_thread {
    void *crash_stack;
    PyGILState_STATE state;
    PyThreadState *thread;
};

static void *thread_begin(void *context)
{
    struct python_thread *python = mem_alloc(sizeof(*python), NULL);
    if (python == NULL)
        abort(); /* at start-up, before anything was promised to anybody */
    python->crash_stack = crash_stack_begin();
    python->state = PyGILState_Ensure();
    python->thread = PyEval_SaveThread();
    return python;
}

static void thread_end(void *context, void *thread)
{
    struct python_thread *python = thread;
    PyEval_RestoreThread(python->thread);
    PyGILState_Release(python->state);
    crash_stack_end(python->crash_stack);
    free(python);
}

static void gil_enter(void *context, void *thread)
{
    PyEval_RestoreThread(((struct python_thread *)thread)->thread);
    loop_hold_wakeups();
}

static void gil_leave(void *context, void *thread)
{
    loop_release_wakeups();
    (void)PyEval_SaveThread();
}

static struct serve_request *request_of(struct work *work)
{
    return (struct serve_request *)((char *)work - offsetof(struct serve_request, work));
}

static bool run_work(void *context, struct work *work)
{
    struct serve *serve = context;
    if (work == &serve->sweep) {
        (void)__atomic_exchange_n(&serve->sweeping, false, __ATOMIC_ACQ_REL);
        lend_drop_returned(serve);
        return false;
    }
    struct serve_request *request = request_of(work);
    /* A client that resets what it has sent must not keep the threads busy (CVE-2023-44487). */
    if (!http_is_gone(request->exchange)) {
        if (!http_may_begin(request->exchange, request))
            return false; /* on_writable queues it again, or on_aborted drops it */
        run_request(serve, request);
    }
    serve_request_drop(request);
    lend_drop_returned(serve);
    if (workers_queued(serve->workers) < REST_UNTIL) {
        loop_release_wakeups();
        loop_hold_wakeups();
    }
    return true;
}

/* CPython 3.11 keeps the thread that has the GIL in one place, which may be read at any time.
 * Later versions have one per thread: there the answer is always yes, and a contender waits for
 * the GIL itself. */
static bool gil_is_free(void *context)
{
#if PY_VERSION_HEX < 0x030c0000
    return _PyThreadState_UncheckedGet() == NULL;
#else
    return true;
#endif
}

static const struct work_ops ops = {
    .thread_begin = thread_begin,
    .thread_end = thread_end,
    .enter = gil_enter,
    .leave = gil_leave,
    .run = run_work,
    .is_free = gil_is_free,
};

/* As many as there are threads, and as may wait in the queue. */
static bool take_place(struct serve *serve, size_t *places)
{
    if (__atomic_add_fetch(places, 1, __ATOMIC_RELAXED) <= serve->limit)
        return true;
    (void)__atomic_sub_fetch(places, 1, __ATOMIC_RELAXED);
    return false;
}

/* A thread that waits for a client is one less for the others: the app is called when all of a
 * body is there, or as much as a client does not send a byte at a time. Who waits for "100
 * Continue" sends nothing before the app reads. */
static bool may_be_called(struct http_exchange *exchange)
{
    const struct http_request *head = http_request(exchange);
    bool complete;
    if (!head->has_body || http_request_header(head, "expect") != NULL)
        return true;
    size_t waiting = http_body_waiting(exchange, &complete);
    return complete || waiting >= BODY_ENOUGH;
}

/* False: a stop has begun. */
static bool queue_work(struct serve *serve, struct work *work)
{
    return serve->rounds ? workers_submit_quietly(serve->workers, work)
                         : workers_submit(serve->workers, work);
}

static void submit(struct serve *serve, struct http_exchange *exchange,
                   struct serve_request *request)
{
    request->under_way = take_place(serve, &serve->under_way);
    if (request->under_way && queue_work(serve, &request->work))
        return;
    serve_request_answered(request);
    free(request);
    refuse_busy(serve, exchange);
}

static void on_request(void *context, struct http_exchange *exchange)
{
    struct serve *serve = context;
    if (http_request(exchange)->protocol.len > 0) {
        refuse_connect(exchange);
        return;
    }
    bool ready = may_be_called(exchange);
    struct serve_request *request = serve_request_new(serve, exchange);
    if (request == NULL || (!ready && !take_place(serve, &serve->held))) {
        free(request);
        refuse_busy(serve, exchange);
    } else if (ready) {
        submit(serve, exchange, request);
    } else {
        request->waits_for_body = true;
        http_set_data(exchange, request);
    }
}

/* The request of this exchange, if it waits for its body or to be let begin; it does not any more.
 */
static struct serve_request *take_held(struct serve *serve, struct http_exchange *exchange)
{
    struct serve_request *request = http_data(exchange);
    if (request == NULL)
        return NULL;
    http_set_data(exchange, NULL);
    if (request->waits_for_body)
        (void)__atomic_sub_fetch(&serve->held, 1, __ATOMIC_RELAXED);
    request->waits_for_body = false;
    return request;
}

static void on_body(void *context, struct http_exchange *exchange)
{
    struct serve *serve = context;
    const struct serve_request *request = http_data(exchange);
    if (request == NULL || !request->waits_for_body || !may_be_called(exchange))
        return;
    submit(serve, exchange, take_held(serve, exchange));
}

/* It was not let begin, and may ask again. */
static void on_writable(void *context, struct http_exchange *exchange)
{
    struct serve *serve = context;
    struct serve_request *request = http_data(exchange);
    if (request == NULL || request->waits_for_body)
        return;
    http_set_data(exchange, NULL);
    if (queue_work(serve, &request->work))
        return;
    free(request);
    refuse_busy(serve, exchange);
}

static void on_aborted(void *context, struct http_exchange *exchange)
{
    struct serve_request *request = take_held(context, exchange);
    if (request != NULL)
        serve_request_drop(request);
}

static const struct http_handler handler = {
    .request = on_request,
    .body = on_body,
    .writable = on_writable,
    .aborted = on_aborted,
};

/* A thread that waits for a client waits neither for the app nor for Python: what waits behind it
 * is nobody's fault but that client's. */
static void wsgi_watch(struct serve *serve, struct serve_watch *ret)
{
    struct workers_stats stats;
    workers_stats(serve->workers, &stats);
    bool with_client = __atomic_load_n(&serve->with_client, __ATOMIC_RELAXED) > 0;
    ret->waiting = stats.queued > 0 && !with_client;
    ret->progress =
        stats.begun + stats.served + __atomic_load_n(&serve->progress, __ATOMIC_RELAXED);
}

static unsigned wsgi_expire(struct serve *serve, int64_t before_us, unsigned *ret_hanging)
{
    unsigned late = 0;
    bool swept = false;
    struct work *work = workers_take_older(serve->workers, before_us);
    while (work != NULL) {
        if (work == &serve->sweep) {
            swept = true;
        } else {
            struct serve_request *request = request_of(work);
            serve_request_answered(request);
            refuse_late(request->exchange);
            free(request);
            late++;
        }
        work = workers_take_older(serve->workers, before_us);
    }
    if (swept && !workers_submit(serve->workers, &serve->sweep))
        __atomic_store_n(&serve->sweeping, false, __ATOMIC_RELEASE);
    *ret_hanging = workers_count_older(serve->workers, before_us);
    return late;
}

static int wsgi_start(struct serve *serve, const struct serve_config *config, struct err *err)
{
    if (start_response_start(err) < 0 || input_start(err) < 0 ||
        environ_start(serve, config, err) < 0)
        return -1;
    unsigned threads = config->threads == 0 ? SERVE_DEFAULT_THREADS : config->threads;
    size_t queue = config->queue == 0 ? SERVE_DEFAULT_QUEUE : config->queue;
    serve->limit = threads + queue;
    serve->workers = workers_new(threads, &ops, serve, err);
    if (serve->workers == NULL)
        return -1;
    if (serve->timeout_ms > 0)
        workers_note_times(serve->workers);
    return 0;
}

static int wsgi_drain(struct serve *serve, int64_t timeout_ms, struct err *err)
{
    if (workers_stop(serve->workers, timeout_ms, err) < 0)
        return -1;
    serve->stopped = true;
    return 0;
}

/* Where a stop has begun, those who run what is in it see to what came back,
 * or the end does. */
static void wsgi_returned(struct serve *serve)
{
    if (__atomic_exchange_n(&serve->sweeping, true, __ATOMIC_ACQ_REL))
        return;
    if (!queue_work(serve, &serve->sweep))
        __atomic_store_n(&serve->sweeping, false, __ATOMIC_RELEASE);
}

static void wsgi_round_end(struct serve *serve)
{
    workers_wake(serve->workers);
}

static int64_t wsgi_rest_us(struct serve *serve)
{
    return workers_queued(serve->workers) < REST_QUEUE ? 0 : REST_US;
}

static void wsgi_finish(struct serve *serve)
{
    environ_finish();
    input_finish();
}

static void wsgi_free(struct serve *serve)
{
    workers_free(STEAL(serve->workers));
}

static void wsgi_stats(struct serve *serve, struct serve_stats *ret)
{
    struct workers_stats stats;
    workers_stats(serve->workers, &stats);
    ret->served = stats.served;
    ret->takeover = stats.takeover;
    ret->queued = stats.queued;
    ret->running = stats.running;
}

const struct app_protocol wsgi_protocol = {
    .name = "WSGI",
    .protocol = SERVE_WSGI,
    .handler = &handler,
    .start = wsgi_start,
    .drain = wsgi_drain,
    .round_end = wsgi_round_end,
    .returned = wsgi_returned,
    .rest_us = wsgi_rest_us,
    .watch = wsgi_watch,
    .expire = wsgi_expire,
    .finish = wsgi_finish,
    .free = wsgi_free,
    .stats = wsgi_stats,
};
