// SPDX-License-Identifier: Apache-2.0
/*
 * The public face of serve/: starts the interpreter, picks the protocol that the app speaks from a
 * table, and ends both in order. Python has a thread of its own here, which is Python's main
 * thread: an ASGI app's event loop runs in it, as apps expect it (signal handlers can be set
 * nowhere else). The functions of serve.h are called by the enclave's main thread, and that of mse
 * localtest.
 */
#include "serve/internal.h"

#include "base/clock.h"

#include <errno.h>

static const struct app_protocol *const protocols[] = {
    &wsgi_protocol,
    &asgi_protocol,
};

static const struct app_protocol *protocol_of(enum serve_protocol protocol)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (protocols[i]->protocol == protocol)
            return protocols[i];
    }
    return NULL;
}

static int check_config(const struct serve_config *config, struct err *err)
{
    if (config->module_path == NULL)
        return FAIL(err, ERR_INVALID, "the app's folder is not given");
    if (config->threads > SERVE_MAX_THREADS)
        return FAIL(err, ERR_INVALID, "threads %u: expected 1 to %d", config->threads,
                    SERVE_MAX_THREADS);
    if (config->queue > SERVE_MAX_QUEUE)
        return FAIL(err, ERR_INVALID, "queue %u: expected 1 to %d", config->queue, SERVE_MAX_QUEUE);
    return 0;
}

/* With the GIL held. */
static int start_app(struct serve *serve, const struct serve_config *config, struct err *err)
{
    enum serve_protocol protocol;
    if (config->release_command != NULL && (interpreter_release(config, err) < 0 ||
                                            config->released(config->release_context, err) < 0))
        return -1;
    if (interpreter_import(config, &serve->app, err) < 0 ||
        app_detect(serve->app, config->python_application, &protocol, err) < 0)
        return -1;
    serve->protocol = protocol_of(protocol);
    serve->rounds = config->rounds;
    return serve->protocol->start(serve, config, err);
}

/* Ends the interpreter; the GIL is held, all threads of ours are gone. */
static void end_interpreter(struct serve *serve)
{
    if (serve->protocol != NULL)
        serve->protocol->finish(serve);
    lend_drop_returned(serve);
    Py_CLEAR(serve->app);
    (void)Py_FinalizeEx(); /* what it reports it has printed */
    if (serve->protocol != NULL)
        serve->protocol->free(serve);
}

/* --- Python's main thread --- */

static void set_phase(struct serve *serve, enum serve_phase phase)
{
    lock_acquire(&serve->lock);
    serve->phase = phase;
    (void)pthread_cond_broadcast(&serve->changed);
    lock_release(&serve->lock);
}

void serve_started(struct serve *serve)
{
    set_phase(serve, SERVE_STARTED);
}

static void wait_for_finish(struct serve *serve)
{
    PyThreadState *state = PyEval_SaveThread();
    lock_acquire(&serve->lock);
    while (!serve->finish)
        lock_wait(&serve->lock, &serve->changed);
    lock_release(&serve->lock);
    PyEval_RestoreThread(state);
}

static int run_app(struct serve *serve, const struct serve_config *config, struct err *err)
{
    if (start_app(serve, config, err) < 0)
        return -1;
    if (serve->protocol->run != NULL)
        return serve->protocol->run(serve, err);
    serve_started(serve);
    return 0;
}

struct python_start {
    struct serve *serve;
    const struct serve_config *config; /* until the app has started, or has failed to */
};

static void *python_main(void *argument)
{
    const struct python_start *start = argument;
    struct serve *serve = start->serve;
    struct err err = ERR_INIT;
    (void)pthread_setname_np(pthread_self(), "mse-app");
    void *crash_stack = crash_stack_begin();
    int result = interpreter_start(start->config, &err);
    if (result == 0) {
        result = run_app(serve, start->config, &err);
        if (result == 0)
            wait_for_finish(serve);
        end_interpreter(serve);
    }
    if (result < 0) {
        serve->start_err = err;
        set_phase(serve, SERVE_FAILED);
    }
    crash_stack_end(crash_stack);
    return NULL;
}

static int start_python(struct serve *serve, const struct serve_config *config, struct err *err)
{
    struct python_start start = {serve, config};
    errno = pthread_create(&serve->python, NULL, python_main, &start);
    if (errno != 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot start Python's thread");
    lock_acquire(&serve->lock);
    while (serve->phase == SERVE_STARTING)
        lock_wait(&serve->lock, &serve->changed);
    bool started = serve->phase == SERVE_STARTED;
    lock_release(&serve->lock);
    if (started)
        return 0;
    (void)pthread_join(serve->python, NULL);
    if (err != NULL)
        *err = serve->start_err;
    return -1;
}

static void free_serve(struct serve *serve)
{
    (void)pthread_cond_destroy(&serve->changed);
    lock_done(&serve->lock);
    free(serve);
}

struct serve *serve_new(const struct serve_config *config, struct err *err)
{
    if (check_config(config, err) < 0)
        return NULL;
    struct serve *serve = mem_alloc(sizeof(*serve), err);
    if (serve == NULL)
        return NULL;
    lock_init(&serve->lock, LOCK_SERVE);
    clock_cond_init(&serve->changed);
    serve->watchdog_ms = config->watchdog_ms;
    serve->timeout_ms = config->timeout_ms;
    serve->stuck = config->stuck;
    crash_handlers_install();
    if (start_python(serve, config, err) < 0) {
        free_serve(serve);
        return NULL;
    }
    if (watchdog_start(serve, &serve->watchdog, err) == 0)
        return serve;
    if (serve_drain(serve, 0, NULL) == 0)
        serve_free(serve);
    return NULL;
}

enum serve_protocol serve_protocol(const struct serve *serve)
{
    return serve->protocol->protocol;
}

const struct http_handler *serve_handler(const struct serve *serve)
{
    return serve->protocol->handler;
}

void *serve_handler_context(struct serve *serve)
{
    return serve;
}

void serve_round_end(void *context)
{
    struct serve *serve = context;
    if (serve->rounds)
        serve->protocol->round_end(serve);
}

int64_t serve_rest_us(void *context)
{
    struct serve *serve = context;
    return serve->protocol->rest_us == NULL ? 0 : serve->protocol->rest_us(serve);
}

int serve_drain(struct serve *serve, int64_t timeout_ms, struct err *err)
{
    if (serve->stopped)
        return 0;
    watchdog_stop(STEAL(serve->watchdog)); /* from here on there is a time for everything */
    return serve->protocol->drain(serve, timeout_ms, err);
}

bool serve_stopped(const struct serve *serve)
{
    return serve->stopped;
}

void serve_free(struct serve *serve)
{
    if (serve == NULL || !serve->stopped)
        return;
    lock_acquire(&serve->lock);
    serve->finish = true;
    (void)pthread_cond_broadcast(&serve->changed);
    lock_release(&serve->lock);
    (void)pthread_join(serve->python, NULL);
    free_serve(serve);
}

void serve_stats(struct serve *serve, struct serve_stats *ret)
{
    *ret = (struct serve_stats){0};
    serve->protocol->stats(serve, ret);
    ret->refused = __atomic_load_n(&serve->refused, __ATOMIC_RELAXED);
    ret->failed = __atomic_load_n(&serve->failed, __ATOMIC_RELAXED);
    ret->late = __atomic_load_n(&serve->late, __ATOMIC_RELAXED);
    ret->hanging = __atomic_load_n(&serve->hanging, __ATOMIC_RELAXED);
}
