// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's front: decides between our reserved paths and the app, on I/O threads, and runs
 * reserved requests on a control thread. Trusted; every byte of a request is the adversary's.
 */
#include "enclave/front.h"
#include "base/lock.h"
#include "enclave/json_text.h"

#include "base/mem.h"
#include "http/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const char reserved_prefix[] = "/.well-known/mse/";

enum { RESERVED_PATH_MAX = 256 };

/* A reserved request on its way: collected on an I/O thread, answered on the control thread. */
struct job {
    struct http_exchange *exchange;
    const struct front_route *route;
    struct buf body;
    atomic_int *bodies; /* the front's count; NULL for a request without body */
    uint8_t channel_binding[TLS_CHANNEL_BINDING_SIZE];
    struct job *next;
};

struct front {
    const struct front_route *routes;
    size_t route_count;
    void *context;
    _Atomic(const struct front_app *) app; /* NULL until front_open */
    struct front_app app_storage;
    _Atomic(const char *) waiting_text;
    atomic_int bodies; /* of reserved requests, at most FRONT_BODIES_MAX */
    pthread_t thread;
    struct lock lock;
    pthread_cond_t wake;
    struct job *first;
    struct job **last;
    size_t queued;
    bool stopping;
};

static void job_free(struct job *job)
{
    if (job->bodies != NULL)
        atomic_fetch_sub(job->bodies, 1);
    buf_done(&job->body);
    free(job);
}

/* --- which paths are ours --- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes percent escapes as the app's side will (once); a broken escape stays as it is. Returns
 * the length, or 0 where it does not fit and so cannot be a path of ours. */
static size_t decode_path(struct slice path, char decoded[static RESERVED_PATH_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        if (len + 1 >= RESERVED_PATH_MAX)
            return len; /* long enough to compare the prefix */
        uint8_t c = path.data[i];
        if (c == '%' && i + 2 < path.len && hex_digit(path.data[i + 1]) >= 0 &&
            hex_digit(path.data[i + 2]) >= 0) {
            c = (uint8_t)(hex_digit(path.data[i + 1]) * 16 + hex_digit(path.data[i + 2]));
            i += 2;
        }
        decoded[len++] = (char)c;
    }
    decoded[len] = '\0';
    return len;
}

/* The part behind the prefix, or NULL for the app's paths. The first test keeps the hot path at
 * one byte: no escape and no dot behind the first slash means the app. */
static const char *reserved_name(struct slice path, char decoded[static RESERVED_PATH_MAX])
{
    if (path.len < 2 || (path.data[1] != '.' && path.data[1] != '%' && path.data[0] != '%'))
        return NULL;
    size_t len = decode_path(path, decoded);
    size_t prefix = sizeof(reserved_prefix) - 1;
    if (len < prefix || memcmp(decoded, reserved_prefix, prefix) != 0)
        return NULL;
    decoded[len] = '\0';
    return decoded + prefix;
}

/* --- answers --- */

static void respond(struct http_exchange *exchange, int status, const char *type, struct slice body)
{
    static const char no_store[] = "no-store";
    struct http_header headers[] = {
        {slice_str("Content-Type"), slice_str(type == NULL ? "application/json" : type)},
        {slice_str("Cache-Control"), slice_str(no_store)},
        {slice_str("Retry-After"), slice_str("1")},
    };
    struct err err = ERR_INIT;
    /* A client that is gone is nobody's error. */
    (void)!http_respond(exchange, status, headers, status == 503 ? 3 : 2, body, &err);
    http_release(exchange);
}

static void respond_error(struct http_exchange *exchange, const struct err *error)
{
    AUTO_BUF struct buf body = BUF_INIT(4096);
    struct err ignored = ERR_INIT;
    (void)!buf_printf(&body, &ignored, "{\"error\":{\"kind\":\"%s\",\"message\":\"",
                      err_kind_name(error->kind));
    json_text_append(&body, error->message);
    (void)!buf_str(&body, "\",\"hint\":\"", &ignored);
    json_text_append(&body, error->hint);
    (void)!buf_str(&body, "\"}}\n", &ignored);
    respond(exchange, err_http_status(error->kind), NULL, buf_slice(&body));
}

static void refuse(struct http_exchange *exchange, enum err_kind kind, const char *text)
{
    struct err error = ERR_INIT;
    err_set(&error, kind, 0, "%s", text);
    respond_error(exchange, &error);
}

/* --- the control thread --- */

static void run_job(struct front *front, struct job *job)
{
    size_t max = job->route->answer_max;
    AUTO_BUF struct buf out = BUF_INIT(max == 0 ? FRONT_BODY_MAX : max);
    struct err err = ERR_INIT;
    struct front_request request = {.http = http_request(job->exchange),
                                    .body = buf_slice(&job->body)};
    memcpy(request.channel_binding, job->channel_binding, sizeof(request.channel_binding));
    if (job->route->answer(front->context, &request, &out, &err) < 0)
        respond_error(job->exchange, &err);
    else
        respond(job->exchange, 200, job->route->type, buf_slice(&out));
    job_free(job);
}

static struct job *take_job(struct front *front)
{
    lock_acquire(&front->lock);
    while (front->first == NULL && !front->stopping)
        lock_wait(&front->lock, &front->wake);
    struct job *job = front->first;
    if (job != NULL) {
        front->first = job->next;
        if (front->first == NULL)
            front->last = &front->first;
        front->queued--;
    }
    lock_release(&front->lock);
    return job;
}

static void *control_thread(void *argument)
{
    struct front *front = argument;
    for (struct job *job = take_job(front); job != NULL; job = take_job(front))
        run_job(front, job);
    return NULL;
}

static void enqueue(struct front *front, struct job *job)
{
    lock_acquire(&front->lock);
    bool full = front->queued >= FRONT_QUEUE_MAX || front->stopping;
    if (!full) {
        *front->last = job;
        front->last = &job->next;
        front->queued++;
        (void)pthread_cond_signal(&front->wake);
    }
    lock_release(&front->lock);
    if (full) {
        refuse(job->exchange, ERR_BUSY, "too many requests to the enclave itself are waiting");
        job_free(job);
    }
}

/* --- callbacks of the server, on I/O threads --- */

static const struct front_route *find_route(struct front *front, struct slice method,
                                            const char *name)
{
    for (size_t i = 0; i < front->route_count; i++) {
        if (strcmp(front->routes[i].path, name) == 0 &&
            slice_is_str(method, front->routes[i].method))
            return &front->routes[i];
    }
    return NULL;
}

/* Reads what is there; hands the job over at the end of the body. */
static void collect_body(struct front *front, struct job *job)
{
    for (;;) {
        uint8_t part[16 * 1024];
        size_t len;
        bool end;
        struct err err = ERR_INIT;
        int status = http_body_read(job->exchange, part, sizeof(part), &len, &end, &err);
        if (status == 0 && len > 0)
            status = buf_bytes(&job->body, slice_of(part, len), &err);
        mem_wipe(part, sizeof(part));
        if (status < 0) {
            respond_error(job->exchange, &err);
            job_free(job);
            return;
        }
        if (end) {
            http_set_data(job->exchange, NULL);
            enqueue(front, job);
            return;
        }
        if (len == 0)
            return; /* the body callback comes again */
    }
}

static void start_reserved(struct front *front, struct http_exchange *exchange, const char *name)
{
    const struct http_request *request = http_request(exchange);
    const struct front_route *route = find_route(front, request->method, name);
    if (route == NULL) {
        refuse(exchange, ERR_NOT_FOUND, "the enclave has no such path under /.well-known/mse/");
        return;
    }
    bool has_body = request->has_body;
    if (has_body && atomic_fetch_add(&front->bodies, 1) >= FRONT_BODIES_MAX) {
        atomic_fetch_sub(&front->bodies, 1);
        refuse(exchange, ERR_BUSY, "too many requests to the enclave itself are being received");
        return;
    }
    struct err err = ERR_INIT;
    struct job *job = mem_alloc(sizeof(*job), &err);
    if (job == NULL) {
        if (has_body)
            atomic_fetch_sub(&front->bodies, 1);
        respond_error(exchange, &err);
        return;
    }
    job->bodies = has_body ? &front->bodies : NULL;
    job->exchange = exchange;
    job->route = route;
    job->body = BUF_INIT(FRONT_BODY_MAX);
    if (http_channel_binding(exchange, job->channel_binding, &err) < 0) {
        respond_error(exchange, &err);
        job_free(job);
        return;
    }
    http_set_data(exchange, job);
    collect_body(front, job);
}

static void on_request(void *context, struct http_exchange *exchange)
{
    struct front *front = context;
    char decoded[RESERVED_PATH_MAX + 1];
    const char *name = reserved_name(http_request(exchange)->path, decoded);
    if (name != NULL) {
        start_reserved(front, exchange, name);
        return;
    }
    const struct front_app *app = atomic_load_explicit(&front->app, memory_order_acquire);
    if (app != NULL) {
        app->handler->request(app->context, exchange);
        return;
    }
    refuse(exchange, ERR_BUSY, atomic_load(&front->waiting_text));
}

static bool is_reserved(const struct http_exchange *exchange)
{
    char decoded[RESERVED_PATH_MAX + 1];
    return reserved_name(http_request(exchange)->path, decoded) != NULL;
}

static void on_body(void *context, struct http_exchange *exchange)
{
    struct front *front = context;
    if (is_reserved(exchange)) {
        struct job *job = http_data(exchange);
        if (job != NULL)
            collect_body(front, job);
        return;
    }
    const struct front_app *app = atomic_load_explicit(&front->app, memory_order_acquire);
    if (app != NULL && app->handler->body != NULL)
        app->handler->body(app->context, exchange);
}

static void on_writable(void *context, struct http_exchange *exchange)
{
    struct front *front = context;
    const struct front_app *app = atomic_load_explicit(&front->app, memory_order_acquire);
    if (app != NULL && app->handler->writable != NULL && !is_reserved(exchange))
        app->handler->writable(app->context, exchange);
}

static void on_aborted(void *context, struct http_exchange *exchange)
{
    struct front *front = context;
    if (is_reserved(exchange)) {
        struct job *job = http_data(exchange);
        if (job == NULL)
            return; /* queued: the control thread finds out when it answers */
        http_set_data(exchange, NULL);
        http_release(exchange);
        job_free(job);
        return;
    }
    const struct front_app *app = atomic_load_explicit(&front->app, memory_order_acquire);
    if (app != NULL && app->handler->aborted != NULL)
        app->handler->aborted(app->context, exchange);
}

void front_round_end(void *context)
{
    struct front *front = context;
    const struct front_app *app = atomic_load_explicit(&front->app, memory_order_acquire);
    if (app != NULL && app->round_end != NULL)
        app->round_end(app->context);
}

int64_t front_rest_us(void *context)
{
    struct front *front = context;
    const struct front_app *app = atomic_load_explicit(&front->app, memory_order_acquire);
    return app == NULL || app->rest_us == NULL ? 0 : app->rest_us(app->context);
}

const struct http_handler *front_handler(void)
{
    static const struct http_handler handler = {on_request, on_body, on_writable, on_aborted};
    return &handler;
}

int front_new(const struct front_route *routes, size_t route_count, void *context,
              struct front **ret, struct err *err)
{
    struct front *front = mem_alloc(sizeof(*front), err);
    if (front == NULL)
        return -1;
    front->routes = routes;
    front->route_count = route_count;
    front->context = context;
    front->last = &front->first;
    atomic_store(&front->waiting_text, "the app is starting");
    lock_init(&front->lock, LOCK_FRONT);
    (void)pthread_cond_init(&front->wake, NULL);
    int status = pthread_create(&front->thread, NULL, control_thread, front);
    if (status != 0) {
        free(front);
        return FAIL(err, ERR_INTERNAL, "cannot start the control thread: %s", strerror(status));
    }
    *ret = front;
    return 0;
}

void front_open(struct front *front, const struct front_app *app)
{
    front->app_storage = *app;
    atomic_store_explicit(&front->app, &front->app_storage, memory_order_release);
}

void front_set_waiting_text(struct front *front, const char *text)
{
    atomic_store(&front->waiting_text, text);
}

void front_free(struct front *front)
{
    if (front == NULL)
        return;
    lock_acquire(&front->lock);
    front->stopping = true;
    (void)pthread_cond_signal(&front->wake);
    lock_release(&front->lock);
    (void)pthread_join(front->thread, NULL); /* it empties the queue first */
    (void)pthread_cond_destroy(&front->wake);
    lock_done(&front->lock);
    free(front);
}
