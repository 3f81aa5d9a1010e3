// SPDX-License-Identifier: Apache-2.0
/*
 * A node in a temporary folder whose enclaves only pretend: for tests of the keeper and of the API.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "model/manifest.h"
#include "node/keeper.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char id_a[] = "11111111-1111-4111-8111-111111111111";
static const char id_b[] = "22222222-2222-4222-8222-222222222222";

/* --- the runner: news is a byte in a pipe: i(nitializing), r(unning), s(tats), e(nded) --- */

struct pretended {
    struct runner runner;
    pthread_mutex_t mutex;
    char folder[160]; /* of the one enclave that runs, "" none */
    char next[8];     /* news that a new enclave starts with */
    int pipe[2];
    _Atomic bool stuck; /* its supervisor does not end */
    _Atomic bool held;  /* who reads news or puts aside waits; `waits`: somebody does */
    _Atomic bool waits;
    atomic_int starts;
    atomic_int stops;
    atomic_int destroys;
    bool full;           /* the disk */
    atomic_int refusals; /* so many starts fail */
    bool stays;          /* what is stored cannot be put aside */
    atomic_int aside;    /* what lies aside */
    atomic_int backs;    /* how often it came back */
    _Atomic bool sticks; /* what lies aside cannot be removed */
};
enum { PRETEND_NONE, PRETEND_COPIED, PRETEND_MOVED };

static inline struct pretended *of(struct runner *runner)
{
    return (struct pretended *)runner;
}

static inline void say(struct pretended *self, const char *news)
{
    struct err err = ERR_INIT;
    (void)pthread_mutex_lock(&self->mutex);
    int result = fd_write_all(self->pipe[1], slice_str(news), &err);
    (void)pthread_mutex_unlock(&self->mutex);
    assert_int_equal(result, 0);
}

/* Gives up after 20 s, as a test that fails. */
static inline void hold(struct pretended *self)
{
    for (int i = 0; i < 20000 && self->held; i++) {
        self->waits = true;
        clock_sleep_ms(1);
    }
    self->waits = false;
}

static inline int pretend_start(struct runner *runner, const struct runner_spec *spec,
                                struct err *err)
{
    struct pretended *self = of(runner);
    if (self->refusals > 0) {
        self->refusals--;
        return FAIL(err, ERR_NOT_FOUND, "no such program");
    }
    (void)pthread_mutex_lock(&self->mutex);
    (void)snprintf(self->folder, sizeof(self->folder), "%s", spec->folder);
    self->starts++;
    int result = fd_pipe(self->pipe, err);
    if (result == 0)
        result = fd_write_all(self->pipe[1], slice_str(self->next), err);
    (void)pthread_mutex_unlock(&self->mutex);
    return result;
}

static inline int pretend_attach(struct runner *runner, const char *folder, int *ret_fd,
                                 struct err *err)
{
    struct pretended *self = of(runner);
    (void)pthread_mutex_lock(&self->mutex);
    int result = 0;
    if (strcmp(self->folder, folder) != 0)
        result = FAIL(err, ERR_NOT_FOUND, "no supervisor");
    else
        *ret_fd = fcntl(self->pipe[0], F_DUPFD_CLOEXEC, 0);
    (void)pthread_mutex_unlock(&self->mutex);
    return result;
}

static inline int pretend_news(struct runner *runner, const char *folder, int fd,
                               struct runner_event *ret, bool *ret_any, struct err *err)
{
    char byte = 0;
    if (read(fd, &byte, 1) != 1)
        return FAIL(err, ERR_IO, "the supervisor is gone");
    hold(of(runner));
    *ret_any = true;
    ret->news = byte == 'i'   ? RUNNER_INITIALIZING
                : byte == 'r' ? RUNNER_RUNNING
                : byte == 's' ? RUNNER_STATS
                              : RUNNER_ENDED;
    ret->stats = (struct app_stats){.requests = 7, .latency = {[10] = 7}, .latency_us = 5000};
    (void)snprintf(ret->reason, sizeof(ret->reason), "signal 11");
    return 0;
}

static inline int pretend_stop(struct runner *runner, const char *folder, struct err *err)
{
    struct pretended *self = of(runner);
    (void)pthread_mutex_lock(&self->mutex);
    self->stops++;
    if (self->stuck && strcmp(self->folder, folder) == 0) {
        (void)pthread_mutex_unlock(&self->mutex);
        return FAIL(err, ERR_TIMEOUT, "the supervisor does not end");
    }
    if (strcmp(self->folder, folder) == 0) {
        fd_close(self->pipe[0]);
        fd_close(self->pipe[1]);
        self->folder[0] = '\0';
    }
    (void)pthread_mutex_unlock(&self->mutex);
    return 0;
}

static inline int pretend_reserve(struct runner *runner, const char *folder,
                                  const struct store_app *app, struct err *err)
{
    struct pretended *self = of(runner);
    return self->full ? FAIL(err, ERR_NO_ROOM, "the disk is full") : 0;
}

static inline int64_t pretend_used(struct runner *runner, const char *folder)
{
    return 0;
}

static inline int pretend_destroy(struct runner *runner, const char *folder, struct err *err)
{
    of(runner)->destroys++;
    return 0;
}

static inline int pretend_put_aside(struct runner *runner, const char *folder, bool leave_copy,
                                    struct err *err)
{
    struct pretended *self = of(runner);
    hold(self);
    if (self->stays || self->aside != PRETEND_NONE)
        return FAIL(err, ERR_IO, "it cannot be put aside");
    self->aside = leave_copy ? PRETEND_COPIED : PRETEND_MOVED;
    return 0;
}

static inline int pretend_put_back(struct runner *runner, const char *folder, struct err *err)
{
    struct pretended *self = of(runner);
    self->backs += self->aside != PRETEND_NONE;
    self->aside = PRETEND_NONE;
    return 0;
}

static inline int pretend_forget_aside(struct runner *runner, const char *folder, struct err *err)
{
    struct pretended *self = of(runner);
    if (self->sticks && self->aside != PRETEND_NONE)
        return FAIL(err, ERR_IO, "what lies aside cannot be removed");
    self->aside = PRETEND_NONE;
    return 0;
}

static inline void pretend_catch_up(struct runner *runner, const char *folder)
{
}

static const struct runner_class pretend_class = {.start = pretend_start,
                                                  .attach = pretend_attach,
                                                  .news = pretend_news,
                                                  .stop = pretend_stop,
                                                  .reserve = pretend_reserve,
                                                  .catch_up = pretend_catch_up,
                                                  .used = pretend_used,
                                                  .put_aside = pretend_put_aside,
                                                  .put_back = pretend_put_back,
                                                  .forget_aside = pretend_forget_aside,
                                                  .destroy = pretend_destroy};

/* --- a node around it --- */

struct fixture {
    char state[64];
    struct node_config config;
    struct folders folders;
    struct environments environments;
    struct store *store;
    struct layers *layers;
    struct gateway *gateway;
    struct keeper *keeper;
    struct pretended runner;
};

static const char *const loopback[] = {"127.0.0.1"};
#define OK(call)                                                                                   \
    do {                                                                                           \
        struct err failure = ERR_INIT;                                                             \
        (void)&failure;                                                                            \
        if ((call) < 0)                                                                            \
            fail_msg("%s", failure.message);                                                       \
    } while (0)

/* Added to the machine's wall clock. */
static _Atomic int64_t clock_shift_s;

static inline void read_shifted_clock(struct timeline_reading *ret)
{
    timeline_read(ret);
    ret->clock.wall += clock_shift_s;
}

static inline void open_keeper(struct fixture *fixture)
{
    const struct keeper_options options = {.config = &fixture->config,
                                           .folders = &fixture->folders,
                                           .environments = &fixture->environments,
                                           .store = fixture->store,
                                           .layers = fixture->layers,
                                           .gateway = fixture->gateway,
                                           .runner = &fixture->runner.runner,
                                           .addresses = loopback,
                                           .address_count = 1,
                                           .read_clock = read_shifted_clock};
    OK(keeper_new(&options, &fixture->keeper, &failure));
}

static inline int set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture), NULL);
    assert_non_null(fixture);
    clock_shift_s = 0;
    log_init("test", LOG_ERROR);
    (void)snprintf(fixture->state, sizeof(fixture->state), "/tmp/mse-keeper-XXXXXX");
    assert_non_null(mkdtemp(fixture->state));
    fixture->folders = FOLDERS_INIT;
    fixture->runner.runner.class = &pretend_class;
    (void)pthread_mutex_init(&fixture->runner.mutex, NULL);
    (void)snprintf(fixture->runner.next, sizeof(fixture->runner.next), "ir");
    OK(node_config_defaults(fixture->state, &fixture->config, &failure));
    /* below the ports that the system gives out, apart from those of a test beside this one */
    fixture->config.ports.first = 22000 + getpid() % 90 * 100;
    fixture->config.ports.last = fixture->config.ports.first + 99;
    OK(folders_open(fixture->state, &fixture->folders, &failure));
    OK(environments_fill(&fixture->config, "3.11", true, &fixture->environments, &failure));
    const struct store_sqlite_options store = {.path = fixture->folders.database};
    OK(store_sqlite_open(&store, &fixture->store, &failure));
    const struct layers_options layers = {.folder = fixture->folders.layers,
                                          .store = fixture->store,
                                          .timeout_ms = 1000,
                                          .builds = 2};
    OK(layers_new(&layers, &fixture->layers, &failure));
    const struct gateway_options gateway = {.addresses = loopback,
                                            .address_count = 1,
                                            .connections_per_app = 4,
                                            .waiting = 64,
                                            .idle_ms = 1000};
    OK(gateway_new(&gateway, &fixture->gateway, &failure));
    open_keeper(fixture);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    keeper_free(fixture->keeper);
    OK(pretend_stop(&fixture->runner.runner, fixture->runner.folder, &failure));
    gateway_free(fixture->gateway);
    layers_free(fixture->layers);
    store_close(fixture->store);
    environments_done(&fixture->environments);
    folders_close(&fixture->folders);
    node_config_done(&fixture->config);
    assert_int_equal(folder_remove_tree(fixture->state, &err), 0);
    free(fixture);
    return 0;
}

static inline void write_manifest(const char *folder, const char *id)
{
    struct manifest manifest = {.tls_mode = MANIFEST_TLS_RA,
                                .tls_not_after = 2000000000,
                                .memory_bytes = 1 << 28,
                                .cpu_millis = 1000,
                                .quota_bytes = 1 << 30,
                                .key_epoch = 1};
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    char path[256];
    (void)snprintf(manifest.id, sizeof(manifest.id), "%s", id);
    (void)snprintf(manifest.name, sizeof(manifest.name), "hello");
    (void)snprintf(manifest.python_application, sizeof(manifest.python_application), "app:app");
    (void)snprintf(manifest.environment_name, sizeof(manifest.environment_name), "mse-flask");
    (void)snprintf(manifest.tls_host_name, sizeof(manifest.tls_host_name), "localhost");
    uint8_t *const digests[] = {manifest.code_commitment, manifest.requirements_digest,
                                manifest.runtime_digest, manifest.environment_digest,
                                manifest.owner_key};
    for (size_t i = 0; i < ARRAY_LEN(digests); i++)
        memset(digests[i], 0x11, MANIFEST_DIGEST_SIZE);
    OK(manifest_encode(&manifest, &text, &failure));
    (void)snprintf(path, sizeof(path), "%s/manifest.json", folder);
    OK(file_write_atomic(path, buf_slice(&text), 0644, &failure));
}

/* Until the keeper has (or has no more) counters of the app. */
static inline struct keeper_stats wait_stats(struct keeper *keeper, const char *id, bool wanted)
{
    struct keeper_stats stats = {0};
    for (int i = 0; i < 20000; i++) {
        keeper_stats(keeper, id, &stats);
        if ((stats.reported != 0) == wanted)
            return stats;
        clock_sleep_ms(1);
    }
    fail_msg("counters %s", wanted ? "do not come" : "do not go");
    return stats;
}

/* What differs between two apps. */
struct named {
    const char *id;
    const char *owner;
    const char *name;
    const char *host_name;
    const char *replaces;
};

static inline int create_named(struct fixture *fixture, const struct named *named,
                               struct store_app *ret, struct err *err)
{
    char package[160];
    (void)snprintf(package, sizeof(package), "%s/new", fixture->folders.uploads);
    OK(folder_create(package, 0755, &failure));
    write_manifest(package, named->id);
    struct store_app app = {.created = 100, .updated = 100};
    (void)snprintf(app.id, sizeof(app.id), "%s", named->id);
    (void)snprintf(app.name, sizeof(app.name), "%s", named->name);
    (void)snprintf(app.project, sizeof(app.project), "default");
    (void)snprintf(app.owner, sizeof(app.owner), "%s", named->owner);
    (void)snprintf(app.environment, sizeof(app.environment), "mse-flask");
    (void)snprintf(app.host_name, sizeof(app.host_name), "%s", named->host_name);
    int result = keeper_create(fixture->keeper, &app, package, named->replaces, ret, err);
    struct err ignored = ERR_INIT;
    (void)!folder_remove_tree(package, &ignored);
    return result;
}

static inline int create(struct fixture *fixture, const char *id, const char *replaces,
                         struct store_app *ret, struct err *err)
{
    const struct named named = {id, "uid:1", "hello", "localhost", replaces};
    return create_named(fixture, &named, ret, err);
}

static inline bool has_folder(const struct fixture *fixture, const char *id)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folders.apps, id);
    return file_exists(path);
}
