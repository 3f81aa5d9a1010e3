// SPDX-License-Identifier: Apache-2.0
/*
 * Puts the daemon together: configuration, state folder, simulation root, store, environments,
 * layers, gateway, keeper, API, in that order, and takes it apart in the other. Runs in msed.
 */
#include "node/node.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "launch/simulation_device.h"
#include "node/api.h"
#include "node/room.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    GATEWAY_WAITING = 1024,
    GATEWAY_HELD_MAX = 64 << 20,
    GATEWAY_HALF_CLOSED_MS = 60 * 1000,
    GATEWAY_CONNECT_MS = 10 * 1000,
    GATEWAY_SPARE_MS = 1000,
    PIP_TIMEOUT_MS = 900000,
    BUILD_CPU_MILLIS = 2000,
    BUILD_PROCESSES = 512,
    UPLOAD_GRACE_MS = 10 * 1000,
    TICK_MS = 5 * 1000,
};

bool node_is_localhost(const struct node *node)
{
    return strcmp(node->config.domain, "localhost") == 0;
}

char *node_app_url(const struct node *node, const struct store_app *app, struct err *err)
{
    if (app->port != 0)
        return str_printf(err, "https://localhost:%lld", (long long)app->port);
    return str_printf(err, "https://%s", app->host_name);
}

/* --- steps of opening --- */

static int open_config(struct node *node, const char *path, struct err *err)
{
    if (path != NULL)
        return node_config_read(path, &node->config, err);
    return node_config_defaults("/", &node->config, err);
}

static int check_quota(struct node *node, struct err *err)
{
    if (node->config.quota != NODE_QUOTA_LOOP || geteuid() == 0)
        return 0;
    err_set(err, ERR_FORBIDDEN, 0, "the storage quota needs root (quota = \"loop\")");
    err_hint(err, "run msed as root, or write quota = \"none\" in msed.toml");
    return -1;
}

/* Beside msed in a build folder, in libexec once installed. */
static char *default_enclave(struct err *err)
{
    static const char *const places[] = {"mse-enclave", "../libexec/mse/mse-enclave"};
    AUTO_FREE char *self = path_resolve("/proc/self/exe", err);
    AUTO_FREE char *folder = self != NULL ? path_folder(self, err) : NULL;
    if (folder == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        AUTO_FREE char *path = path_join(folder, places[i], err);
        if (path == NULL || file_exists(path))
            return path != NULL ? path_resolve(path, err) : NULL;
    }
    (void)FAIL(err, ERR_NOT_FOUND, "no mse-enclave beside '%s' or in ../libexec/mse", self);
    return NULL;
}

static int find_enclave(struct node *node, struct err *err)
{
    if (node->config.enclave != NULL)
        node->enclave = path_resolve(node->config.enclave, err);
    else
        node->enclave = default_enclave(err);
    if (node->enclave != NULL)
        return 0;
    err_hint(err, "install mse-enclave, or set 'enclave' in msed.toml");
    return FAIL_CONTEXT(err, "the enclave's program");
}

static int open_folders(struct node *node, struct err *err)
{
    return folders_open(node->config.state, &node->folders, err);
}

static int open_runtimes(struct node *node, struct err *err)
{
    if (runtimes_take_in(node->folders.runtimes, node->enclave, node->runtime_digest, err) < 0)
        return FAIL_CONTEXT(err, "the enclave's program");
    return 0;
}

/* Made at the first start; evidence of this node's enclaves is signed with it from then on. */
static int open_root(struct node *node, struct err *err)
{
    const char *path = node->folders.simulation;
    AUTO_SECRET struct secret root = SECRET_INIT;
    uint8_t public_key[EVIDENCE_PUBLIC_KEY_SIZE];
    if (!file_exists(path)) {
        if (simulation_root_create(path, err) < 0)
            return FAIL_CONTEXT(err, "root of the simulated TEE");
        log_info("made the root of the simulated TEE");
    }
    if (simulation_root_load(path, &root, err) < 0 ||
        simulation_root_public_key(&root, public_key, err) < 0)
        return FAIL_CONTEXT(err, "root of the simulated TEE");
    hex_encode(slice_of(public_key, sizeof(public_key)), node->simulation_root);
    return 0;
}

static int open_store(struct node *node, struct err *err)
{
    const struct store_sqlite_options options = {.path = node->folders.database};
    return store_sqlite_open(&options, &node->store, err);
}

static int check_apps(struct node *node, struct err *err)
{
    return keeper_check_folders(&node->folders, node->store, err);
}

static int open_environments(struct node *node, struct err *err)
{
    return environments_init(&node->config, &node->environments, err);
}

static int open_layers(struct node *node, struct err *err)
{
    const struct node_limits *limits = &node->config.limits;
    const struct layers_options options = {
        .folder = node->folders.layers,
        .store = node->store,
        .timeout_ms = PIP_TIMEOUT_MS,
        .builds = (unsigned)limits->builds,
        .limits = {.memory_bytes = (uint64_t)limits->build_memory_bytes,
                   .disk_bytes = (uint64_t)limits->build_disk_bytes,
                   .tmp_bytes = (uint64_t)limits->build_memory_bytes / 2,
                   .cpu_millis = BUILD_CPU_MILLIS,
                   .processes = BUILD_PROCESSES},
        .config = &node->config,
        .host_network = node->config.pip_network == NODE_PIP_HOST,
    };
    return layers_new(&options, &node->layers, err);
}

/* A connection takes two descriptors. What the limits allow together must be there: who finds none
 * left could not even be told from others. */
static void set_connections(const struct node *node, struct gateway_options *options)
{
    const struct node_limits *limits = &node->config.limits;
    struct rlimit descriptors = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &descriptors);
    rlim_t left = descriptors.rlim_cur - descriptors.rlim_cur / 4; /* a quarter: all else */
    if (left / 8 < GATEWAY_WAITING)
        options->waiting = (unsigned)left / 8;
    options->connections = (unsigned)limits->connections;
    if ((left - left / 8) / 2 < options->connections) {
        options->connections = (unsigned)(left - left / 8) / 2;
        log_warning("limits.connections: %lld need more descriptors than the %llu of this process; "
                    "%u are used",
                    (long long)limits->connections, (unsigned long long)descriptors.rlim_cur,
                    options->connections);
    }
    options->connections_per_app = (unsigned)limits->connections_per_app;
    if (options->connections_per_app == 0)
        options->connections_per_app = options->connections > 4 ? options->connections / 4 : 1;
}

/* "localhost" is ::1 to a browser as soon as the machine has IPv6: both loopbacks then. */
static int open_gateway(struct node *node, struct err *err)
{
    bool local = node_is_localhost(node);
    const char *shared[] = {node->config.gateway};
    node->addresses[node->address_count++] = node->config.app_address;
    if (strcmp(node->config.app_address, "127.0.0.1") == 0)
        node->addresses[node->address_count++] = "::1";
    struct gateway_options options = {
        .addresses = node->addresses,
        .address_count = node->address_count,
        .shared = shared,
        .shared_count = local ? 0 : 1,
        .waiting = GATEWAY_WAITING,
        .held_max = GATEWAY_HELD_MAX,
        .idle_ms = node->config.limits.idle_timeout_s * 1000,
        .half_closed_ms = GATEWAY_HALF_CLOSED_MS,
        .connect_ms = GATEWAY_CONNECT_MS,
        .spare_ms = GATEWAY_SPARE_MS,
    };
    set_connections(node, &options);
    return gateway_new(&options, &node->gateway, err);
}

static int open_runner(struct node *node, struct err *err)
{
    return runner_launch_init(&node->runner, &node->config, &node->folders, node->enclave, err);
}

static int open_stapler(struct node *node, struct err *err)
{
    node->self = path_resolve("/proc/self/exe", err);
    if (node->self == NULL)
        return -1;
    const struct stapler_options options = {.config = &node->config,
                                            .folders = &node->folders,
                                            .store = node->store,
                                            .program = node->self};
    return stapler_new(&options, &node->stapler, err);
}

static int open_keeper(struct node *node, struct err *err)
{
    const struct keeper_options options = {
        .config = &node->config,
        .folders = &node->folders,
        .environments = &node->environments,
        .store = node->store,
        .layers = node->layers,
        .gateway = node->gateway,
        .runner = &node->runner.runner,
        .addresses = node->addresses,
        .address_count = node->address_count,
        .state_changed = stapler_state,
        .state_context = node->stapler,
    };
    return keeper_new(&options, &node->keeper, err);
}

static int tidy_runtimes(struct node *node, struct err *err)
{
    const struct runtimes_view view = {&node->folders, &node->environments, node->store};
    struct err failure = ERR_INIT;
    (void)err;
    if (runtimes_remove_unused(&view, node->runtime_digest, &failure) < 0)
        log_err(LOG_WARNING, &failure); /* one too many harms nobody */
    return 0;
}

/* Thousands of connections take two descriptors each. */
static int raise_limits(struct node *node, struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot raise the limit of descriptors");
    return 0;
}

static int open_all(struct node *node, const char *config_path, struct err *err)
{
    static int (*const steps[])(struct node * node, struct err * err) = {
        check_quota,  find_enclave, raise_limits, open_folders,      open_runtimes,
        open_root,    open_store,   check_apps,   open_environments, open_layers,
        open_gateway, open_runner,  open_stapler, open_keeper,       tidy_runtimes,
    };
    node->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (node->stop_fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create an eventfd");
    if (open_config(node, config_path, err) < 0)
        return -1;
    log_init("msed", (enum log_level)node->config.log_level);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i](node, err) < 0)
            return -1;
    }
    return 0;
}

int node_open(const char *config_path, struct node **ret, struct err *err)
{
    AUTO_NODE struct node *node = mem_alloc(sizeof(*node), err);
    if (node == NULL)
        return -1;
    node->folders = FOLDERS_INIT;
    node->stop_fd = -1;
    node->started = clock_unix();
    node->upload_grace_ms = UPLOAD_GRACE_MS;
    if (open_all(node, config_path, err) < 0)
        return -1;
    *ret = STEAL(node);
    return 0;
}

/* --- running --- */

int node_run(struct node *node, struct err *err)
{
    if (keeper_adopt(node->keeper, err) < 0 || api_start(node, &node->api, err) < 0)
        return -1;
    log_info("ready: API on '%s'%s%s, domain '%s'", node->config.socket,
             node->config.listen[0] != '\0' ? " and " : "", node->config.listen,
             node->config.domain);
    struct pollfd waiting = {.fd = node->stop_fd, .events = POLLIN};
    for (int ready = 0; ready <= 0; ready = poll(&waiting, 1, TICK_MS)) {
        if (ready < 0 && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "cannot wait");
        room_tend_ballast(&node->config, node->folders.state);
        keeper_tick(node->keeper);
    }
    log_info("stopping; apps %s", node->stop_apps ? "are stopped too" : "run on");
    return 0;
}

void node_stop(struct node *node, bool stop_apps)
{
    const uint64_t one = 1;
    if (stop_apps)
        node->stop_apps = true;
    atomic_store(&node->stopping, true);
    ssize_t written = write(node->stop_fd, &one, sizeof(one));
    (void)written; /* fails only when it was written to already */
}

void node_close(struct node *node)
{
    if (node == NULL)
        return;
    atomic_store(&node->stopping, true);
    api_stop(node->api);
    if (node->stop_apps)
        keeper_stop_all(node->keeper);
    keeper_free(node->keeper);
    stapler_free(node->stapler);
    runner_launch_done(&node->runner);
    gateway_free(node->gateway);
    layers_free(node->layers);
    environments_done(&node->environments);
    store_close(node->store);
    folders_close(&node->folders);
    node_config_done(&node->config);
    fd_close(node->stop_fd);
    free(node->self);
    free(node->enclave);
    free(node);
}
