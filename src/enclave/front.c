// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's front: decides between our reserved paths and the app, on I/O threads, and runs
 * reserved requests on control threads. Trusted; every byte of a request is the adversary's.
 */
#include "enclave/front.h"
#include "enclave/bodies.h"
#include "base/clock.h"
#include "base/lock.h"
#include "enclave/json_text.h"

#include "base/mem.h"
#include "http/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const char reserved_prefix[] = "/.well-known/mse/";

enum { RESERVED_PATH_MAX = 256 };

/* A reserved request on its way: collected on an I/O thread, answered on its lane's thread. */
struct job {
    struct http_exchange *exchange;
    const struct front_route *route;
    struct buf body;
    uint8_t client[CROWD_KEY_SIZE];
    struct body_place place; /* while its body is waited for; under the front's lock */
    uint8_t channel_binding[TLS_CHANNEL_BINDING_SIZE];
    struct job *next;
};

/* Under the front's lock. */
struct lane {
    struct front *front;
    pthread_t thread;
    pthread_cond_t wake;
    struct job *first;
    struct job **last;
    size_t queued;
};

struct front {
    const struct front_route *routes;
    size_t route_count;
    void *context;
    _Atomic(const struct front_app *) app; /* NULL until front_open */
    struct front_app app_storage;
    _Atomic(const char *) waiting_text;
    struct lock lock;
    struct bodies bodies;
    struct lane lanes[FRONT_LANE_COUNT];
    bool stopping;
};

static void job_free(struct job *job)
{
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

/* --- the control threads --- */

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

static struct job *take_job(struct lane *lane)
{
    struct front *front = lane->front;
    lock_acquire(&front->lock);
    while (lane->first == NULL && !front->stopping)
        lock_wait(&front->lock, &lane->wake);
    struct job *job = lane->first;
    if (job != NULL) {
        lane->first = job->next;
        if (lane->first == NULL)
            lane->last = &lane->first;
        lane->queued--;
    }
    lock_release(&front->lock);
    return job;
}

static void *control_thread(void *argument)
{
    struct lane *lane = argument;
    for (struct job *job = take_job(lane); job != NULL; job = take_job(lane))
        run_job(lane->front, job);
    return NULL;
}

static size_t queued_of(const struct lane *lane, const uint8_t client[CROWD_KEY_SIZE])
{
    size_t count = 0;
    for (const struct job *at = lane->first; at != NULL; at = at->next)
        count += memcmp(at->client, client, CROWD_KEY_SIZE) == 0;
    return count;
}

static void enqueue(struct front *front, struct job *job)
{
    struct lane *lane = &front->lanes[job->route->lane];
    lock_acquire(&front->lock);
    bool full = lane->queued >= FRONT_QUEUE_MAX || front->stopping ||
                queued_of(lane, job->client) >= FRONT_QUEUE_OF_ADDRESS_MAX;
    if (!full) {
        *lane->last = job;
        lane->last = &job->next;
        lane->queued++;
        (void)pthread_cond_signal(&lane->wake);
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

/* The body is not all there: it is waited for, and somebody slower perhaps no longer. Whose place
 * is taken has its connection closed; its own thread frees the job when it hears of that. */
static int wait_for_body(struct front *front, struct job *job, struct err *err)
{
    int64_t now = clock_monotonic_ms();
    struct body_place *place = &job->place;
    struct body_place *victim = NULL;
    lock_acquire(&front->lock);
    place->received = job->body.len;
    if (place->owner == NULL) {
        place->owner = job;
        place->since_ms = now;
        victim = bodies_enter(&front->bodies, place, job->client, now);
    }
    if (victim != NULL) /* under the lock, without which its job may be freed */
        http_abort(((struct job *)victim->owner)->exchange);
    bool is_late = body_is_late(place, now);
    lock_release(&front->lock);
    return is_late ? FAIL(err, ERR_TIMEOUT, "the request's body comes too slowly") : 0;
}

/* Nobody closes its connection from now on. */
static void stop_waiting(struct front *front, struct job *job)
{
    lock_acquire(&front->lock);
    bodies_leave(&front->bodies, &job->place);
    lock_release(&front->lock);
}

static int read_part(struct job *job, size_t *ret_len, bool *ret_end, struct err *err)
{
    uint8_t part[16 * 1024];
    int status = http_body_read(job->exchange, part, sizeof(part), ret_len, ret_end, err);
    if (status == 0 && *ret_len > 0)
        status = buf_bytes(&job->body, slice_of(part, *ret_len), err);
    mem_wipe(part, sizeof(part));
    return status;
}

/* Reads what is there. */
static int read_body(struct job *job, bool *ret_end, struct err *err)
{
    size_t len = 1;
    *ret_end = false;
    while (len > 0 && !*ret_end) {
        if (read_part(job, &len, ret_end, err) < 0)
            return -1;
    }
    return 0;
}

/* Hands the job over at the end of the body; until then the body callback comes again. */
static void collect_body(struct front *front, struct job *job)
{
    bool end;
    struct err err = ERR_INIT;
    int status = read_body(job, &end, &err);
    if (status == 0 && !end)
        status = wait_for_body(front, job, &err);
    if (status == 0 && !end)
        return;
    stop_waiting(front, job);
    http_set_data(job->exchange, NULL);
    if (status == 0) {
        enqueue(front, job);
        return;
    }
    respond_error(job->exchange, &err);
    job_free(job);
}

static bool is_too_large(const struct http_request *request, const struct front_route *route)
{
    return request->has_body &&
           (route->body_max == 0 || request->content_length > (int64_t)route->body_max);
}

static void start_reserved(struct front *front, struct http_exchange *exchange, const char *name)
{
    const struct http_request *request = http_request(exchange);
    const struct front_route *route = find_route(front, request->method, name);
    struct err err = ERR_INIT;
    if (route == NULL) {
        refuse(exchange, ERR_NOT_FOUND, "the enclave has no such path under /.well-known/mse/");
        return;
    }
    if (is_too_large(request, route)) {
        err_set(&err, ERR_TOO_LARGE, 0,
                "the body is larger than this path takes, at most %zu bytes", route->body_max);
        respond_error(exchange, &err);
        return;
    }
    struct job *job = mem_alloc(sizeof(*job), &err);
    if (job == NULL) {
        respond_error(exchange, &err);
        return;
    }
    if (request->has_body)
        http_expect_secret(exchange); /* code key, secrets, the owner's TLS key */
    job->exchange = exchange;
    job->route = route;
    job->body = BUF_INIT(route->body_max);
    crowd_key_of_text(request->client_address, job->client);
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
        stop_waiting(front, job);
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

/* Each empties its queue first. */
static void stop_lanes(struct front *front, size_t count)
{
    lock_acquire(&front->lock);
    front->stopping = true;
    for (size_t i = 0; i < count; i++)
        (void)pthread_cond_signal(&front->lanes[i].wake);
    lock_release(&front->lock);
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(front->lanes[i].thread, NULL);
        (void)pthread_cond_destroy(&front->lanes[i].wake);
    }
    lock_done(&front->lock);
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
    atomic_store(&front->waiting_text, "the app is starting");
    lock_init(&front->lock, LOCK_FRONT);
    for (size_t i = 0; i < FRONT_LANE_COUNT; i++) {
        struct lane *lane = &front->lanes[i];
        *lane = (struct lane){.front = front, .last = &lane->first};
        (void)pthread_cond_init(&lane->wake, NULL);
        int status = pthread_create(&lane->thread, NULL, control_thread, lane);
        if (status != 0) {
            stop_lanes(front, i);
            free(front);
            return FAIL(err, ERR_INTERNAL, "cannot start a control thread: %s", strerror(status));
        }
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
    stop_lanes(front, FRONT_LANE_COUNT);
    free(front);
}
