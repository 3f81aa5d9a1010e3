// SPDX-License-Identifier: Apache-2.0
/*
 * Starts, watches and ends enclaves through their supervisors. Owns no state of an app: all of it
 * lies in the app's folder, where the next msed finds it. Runs in msed; `runner_launch_storage` in
 * `msed supervise` too.
 */
#include "node/runner_launch.h"

#include "base/file.h"
#include "base/text.h"
#include "model/launch_spec.h"
#include "model/manifest.h"
#include "node/runtimes.h"
#include "storage/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIDS_MAX = 512, TMP_SHARE = 4 };

static struct runner_launch *from_runner(struct runner *runner)
{
    return (struct runner_launch *)runner;
}

/* --- storage --- */

static int mount_storage(const struct launch_spec *spec, const char *folder, struct err *err)
{
    const struct storage_backing backing = {.path = spec->storage,
                                            .quota_bytes = spec->quota_bytes,
                                            .uid = spec->uid,
                                            .gid = spec->gid};
    if (storage_backing_create(&backing, err) < 0)
        return FAIL_CONTEXT(err, "storage");
    return storage_backing_mount(&backing, folder, err);
}

const struct launch_storage runner_launch_storage = {mount_storage, storage_backing_cleanup};

static char *storage_path(const char *folder, struct err *err)
{
    return path_join(folder, LAUNCH_STORAGE, err);
}

/* --- start --- */

static bool in_vm(const struct runner_launch *self, const struct store_app *app)
{
    const struct node_hardware *profile = node_config_hardware(self->config, app->resource);
    return profile != NULL && node_hardware_wants_image(profile);
}

/* An image has its own runtime inside. */
static int fill_paths(const struct runner_launch *self, const struct runner_spec *from,
                      struct launch_spec *spec, struct err *err)
{
    spec->package = str_copy(from->package, err);
    spec->enclave = in_vm(self, from->app)
                        ? str_copy(self->enclave, err)
                        : runtimes_find(self->folders->runtimes, from->runtime, err);
    spec->storage = storage_path(from->folder, err);
    spec->simulation_root = str_copy(self->folders->simulation, err);
    if (spec->package == NULL || spec->enclave == NULL || spec->storage == NULL ||
        spec->simulation_root == NULL)
        return -1;
    if (from->layer == NULL)
        return 0;
    spec->environment = str_copy(from->layer, err);
    return spec->environment != NULL ? 0 : -1;
}

/* A VM's storage is a disk of that size in any case. */
static uint64_t quota_of(const struct runner_launch *self, const struct store_app *app)
{
    bool limited = self->config->quota == NODE_QUOTA_LOOP || in_vm(self, app);
    return limited ? (uint64_t)app->quota_bytes : 0;
}

/* Launcher, TEE and image, as the app's profile and environment say today. */
static int fill_launcher(const struct runner_launch *self, const struct store_app *app,
                         struct launch_spec *spec, struct err *err)
{
    const struct node_hardware *profile = node_config_hardware(self->config, app->resource);
    const struct node_environment *environment =
        node_config_environment(self->config, app->environment);
    if (profile == NULL)
        return FAIL(err, ERR_NOT_FOUND, "the node's configuration has no profile '%s' any more",
                    app->resource);
    spec->io_bytes = (uint64_t)profile->io_bytes;
    (void)snprintf(spec->launcher, sizeof(spec->launcher), "%s", node_launchers[profile->launcher]);
    (void)snprintf(spec->tee, sizeof(spec->tee), "%s", node_tees[profile->tee]);
    if (!node_hardware_wants_image(profile))
        return 0;
    if (environment == NULL || environment->image == NULL)
        return FAIL(err, ERR_NOT_FOUND, "environment '%s' of the node has no image any more",
                    app->environment);
    spec->image = str_copy(environment->image, err);
    return spec->image != NULL ? 0 : -1;
}

static int fill_spec(const struct runner_launch *self, const struct runner_spec *from,
                     struct launch_spec *spec, struct err *err)
{
    const struct store_app *app = from->app;
    bool own_user = app->run_uid != 0;
    (void)snprintf(spec->id, sizeof(spec->id), "%s", app->id);
    spec->quota_bytes = quota_of(self, app);
    spec->memory_bytes = from->memory_bytes;
    spec->tmp_bytes = from->memory_bytes / TMP_SHARE;
    spec->log_bytes = (uint64_t)self->config->limits.log_bytes;
    spec->cpu_millis = (uint32_t)from->cpu_millis;
    spec->pids_max = PIDS_MAX;
    spec->hold = from->app->hold != 0;
    spec->key_epoch = (uint32_t)from->key_epoch;
    spec->uid = own_user ? (uid_t)app->run_uid : geteuid();
    spec->gid = own_user ? (gid_t)app->run_uid : getegid();
    if (hex_decode(app->fingerprint, "fingerprint", spec->fingerprint, sizeof(spec->fingerprint),
                   err) < 0)
        return -1;
    return fill_launcher(self, app, spec, err) < 0 ? -1 : fill_paths(self, from, spec, err);
}

static int launch_runner_start(struct runner *runner, const struct runner_spec *from,
                               struct err *err)
{
    const struct runner_launch *self = from_runner(runner);
    AUTO_LAUNCH_SPEC struct launch_spec spec = {0};
    AUTO_BUF struct buf text = BUF_INIT(LAUNCH_SPEC_MAX);
    AUTO_FREE char *path = path_join(from->folder, LAUNCH_SPEC_FILE, err);
    AUTO_FREE char *status = path_join(from->folder, "status.json", err);
    if (path == NULL || status == NULL || file_remove(status, err) < 0 ||
        fill_spec(self, from, &spec, err) < 0 || launch_spec_encode(&spec, &text, err) < 0 ||
        file_write_atomic(path, buf_slice(&text), 0600, err) < 0)
        return FAIL_CONTEXT(err, "launch");
    return launch_start(self->self, from->folder, from->app_fd, err);
}

/* --- news --- */

static void describe_end(const struct launch_status *status, struct runner_event *ret)
{
    const char *reason = status->reason[0] != '\0' ? status->reason : "the enclave ended";
    bool unnamed = status->call[0] != '\0' && strstr(reason, status->call) == NULL;
    size_t room = sizeof(ret->reason) - LAUNCH_REASON_SIZE - sizeof(status->call) - 32;
    /* the end of the detail says most: a traceback's last line is the error */
    size_t detail_len = strlen(status->detail);
    const char *detail = status->detail + (detail_len > room ? detail_len - room : 0);
    ret->news = RUNNER_ENDED;
    (void)snprintf(ret->reason, sizeof(ret->reason), "%s%s%s%s%s", reason,
                   unnamed ? ": forbidden call " : "", unnamed ? status->call : "",
                   detail[0] != '\0' ? "\n" : "", detail);
    text_make_printable(ret->reason, "\n\t"); /* a character may be cut off at either end */
}

static bool describe(const struct launch_status *status, struct runner_event *ret)
{
    switch (status->state) {
    case LAUNCH_SPAWNING:
        return false;
    case LAUNCH_LOCKED:
        ret->news = RUNNER_LOCKED;
        return true;
    case LAUNCH_INITIALIZING:
        ret->news = RUNNER_INITIALIZING;
        return true;
    case LAUNCH_RUNNING:
        ret->news = RUNNER_RUNNING;
        return true;
    case LAUNCH_STOPPED:
    case LAUNCH_FAILED:
        describe_end(status, ret);
        return true;
    }
    return false;
}

/* What a supervisor left on disk, where it had the time to write it. */
static int describe_left(const char *folder, struct runner_event *ret, bool *ret_any,
                         struct err *err)
{
    struct launch_status *status = mem_alloc(sizeof(*status), err);
    struct err missing = ERR_INIT;
    if (status == NULL)
        return -1;
    *ret_any = launch_status_read(folder, status, &missing) == 0 && status->state >= LAUNCH_STOPPED;
    if (*ret_any)
        describe_end(status, ret);
    free(status);
    return 0;
}

static int describe_closed(const char *folder, struct runner_event *ret, bool *ret_any,
                           struct err *err)
{
    if (describe_left(folder, ret, ret_any, err) < 0)
        return -1;
    if (!*ret_any) {
        ret->news = RUNNER_ENDED;
        (void)snprintf(ret->reason, sizeof(ret->reason), "its supervisor was killed");
    }
    *ret_any = true;
    return 0;
}

/* Takes exactly one line off the stream, so that the next stays for the next call. */
static int read_line(int fd, uint8_t *line, size_t *ret_len, bool *ret_closed, struct err *err)
{
    *ret_len = 0;
    *ret_closed = false;
    ssize_t seen = recv(fd, line, LAUNCH_LINE_MAX, MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    *ret_closed = seen <= 0;
    if (*ret_closed)
        return 0;
    const uint8_t *newline = memchr(line, '\n', (size_t)seen);
    if (newline == NULL && seen == LAUNCH_LINE_MAX)
        return FAIL(err, ERR_INVALID, "the supervisor sent a line of more than %d bytes",
                    LAUNCH_LINE_MAX);
    if (newline == NULL)
        return 0;
    size_t len = (size_t)(newline - line);
    if (recv(fd, line, len + 1, MSG_DONTWAIT) != (ssize_t)len + 1)
        return FAIL_ERRNO(err, ERR_IO, "cannot read from the supervisor");
    *ret_len = len;
    return 0;
}

static int take_line(struct slice line, struct runner_event *ret, bool *ret_any, struct err *err)
{
    AUTO_FREE struct launch_line *taken = mem_alloc(sizeof(*taken), err);
    if (taken == NULL)
        return -1;
    if (launch_line_decode(line, taken, err) < 0) {
        if (!taken->is_stats)
            return -1;
        err_clear(err); /* counters of another version: no reason to end an app */
        return 0;
    }
    if (taken->is_stats) {
        ret->news = RUNNER_STATS;
        ret->stats = taken->stats;
        *ret_any = true;
    } else {
        *ret_any = describe(&taken->status, ret);
    }
    return 0;
}

static int launch_runner_news(struct runner *runner, const char *folder, int fd,
                              struct runner_event *ret, bool *ret_any, struct err *err)
{
    AUTO_FREE uint8_t *line = mem_alloc(LAUNCH_LINE_MAX, err);
    size_t len = 0;
    bool closed = false;
    *ret_any = false;
    if (fd < 0)
        return describe_left(folder, ret, ret_any, err);
    if (line == NULL || read_line(fd, line, &len, &closed, err) < 0)
        return -1;
    if (closed)
        return describe_closed(folder, ret, ret_any, err);
    return len > 0 ? take_line(slice_of(line, len), ret, ret_any, err) : 0;
}

/* --- ends --- */

static int launch_runner_attach(struct runner *runner, const char *folder, int *ret_fd,
                                struct err *err)
{
    return launch_attach(folder, ret_fd, err);
}

static int launch_runner_stop(struct runner *runner, const char *folder, struct err *err)
{
    if (launch_stop(folder, LAUNCH_GRACE_MS, err) < 0)
        return -1;
    return launch_cleanup(folder, &runner_launch_storage, err);
}

static int launch_runner_reserve(struct runner *runner, const char *folder,
                                 const struct store_app *app, struct err *err)
{
    const struct runner_launch *self = from_runner(runner);
    AUTO_FREE char *path = storage_path(folder, err);
    if (path == NULL)
        return -1;
    const struct storage_backing backing = {.path = path, .quota_bytes = quota_of(self, app)};
    return storage_backing_reserve(&backing, err);
}

static int64_t launch_runner_used(struct runner *runner, const char *folder)
{
    AUTO_FREE char *path = storage_path(folder, NULL);
    return path != NULL ? storage_backing_used(path) : 0;
}

static void launch_runner_catch_up(struct runner *runner, const char *folder)
{
    (void)runner;
    launch_catch_up(folder);
}

static int launch_runner_put_aside(struct runner *runner, const char *folder, bool leave_copy,
                                   struct err *err)
{
    (void)runner;
    AUTO_FREE char *path = storage_path(folder, err);
    return path == NULL ? -1 : storage_backing_put_aside(path, leave_copy, err);
}

static int launch_runner_put_back(struct runner *runner, const char *folder, struct err *err)
{
    (void)runner;
    AUTO_FREE char *path = storage_path(folder, err);
    return path == NULL ? -1 : storage_backing_put_back(path, err);
}

static int launch_runner_forget_aside(struct runner *runner, const char *folder, struct err *err)
{
    (void)runner;
    AUTO_FREE char *path = storage_path(folder, err);
    return path == NULL ? -1 : storage_backing_forget_aside(path, err);
}

static int launch_runner_destroy(struct runner *runner, const char *folder, struct err *err)
{
    AUTO_FREE char *path = storage_path(folder, err);
    if (path == NULL)
        return -1;
    return storage_backing_destroy(path, err);
}

static const struct runner_class launch_class = {
    .start = launch_runner_start,
    .attach = launch_runner_attach,
    .news = launch_runner_news,
    .stop = launch_runner_stop,
    .reserve = launch_runner_reserve,
    .catch_up = launch_runner_catch_up,
    .used = launch_runner_used,
    .put_aside = launch_runner_put_aside,
    .put_back = launch_runner_put_back,
    .forget_aside = launch_runner_forget_aside,
    .destroy = launch_runner_destroy,
};

int runner_launch_init(struct runner_launch *runner, const struct node_config *config,
                       const struct folders *folders, const char *enclave, struct err *err)
{
    *runner = (struct runner_launch){
        .runner = {&launch_class}, .config = config, .folders = folders, .enclave = enclave};
    for (size_t i = 0; i < config->hardware_count; i++) {
        const char *launcher = node_launchers[config->hardware[i].launcher];
        if (launch_probe(launcher, config->quota == NODE_QUOTA_LOOP, err) < 0)
            return FAIL_CONTEXT(err, "this machine cannot run enclaves");
    }
    runner->self = path_resolve("/proc/self/exe", err);
    return runner->self != NULL ? 0 : -1;
}

void runner_launch_done(struct runner_launch *runner)
{
    free(runner->self);
    runner->self = NULL;
}
