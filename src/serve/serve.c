// SPDX-License-Identifier: Apache-2.0
/*
 * The public face of serve/: starts the interpreter, picks the protocol that the app speaks from a
 * table, and ends both in order. Runs in the enclave's main thread (and in mse localtest).
 */
#include "serve/internal.h"

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

struct serve *serve_new(const struct serve_config *config, struct err *err)
{
    if (check_config(config, err) < 0)
        return NULL;
    AUTO_FREE struct serve *serve = mem_alloc(sizeof(*serve), err);
    if (serve == NULL)
        return NULL;
    if (interpreter_start(config, err) < 0)
        return NULL;
    if (start_app(serve, config, err) < 0) {
        end_interpreter(serve);
        return NULL;
    }
    serve->main_thread = PyEval_SaveThread();
    return STEAL(serve);
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
    PyEval_RestoreThread(serve->main_thread);
    end_interpreter(serve);
    free(serve);
}

void serve_stats(struct serve *serve, struct serve_stats *ret)
{
    *ret = (struct serve_stats){0};
    serve->protocol->stats(serve, ret);
    ret->refused = __atomic_load_n(&serve->refused, __ATOMIC_RELAXED);
    ret->failed = __atomic_load_n(&serve->failed, __ATOMIC_RELAXED);
}
