// SPDX-License-Identifier: Apache-2.0
/*
 * The health check that goes on: every health_interval the enclave asks its own server for the
 * app's health check endpoint, as a client would, over TLS. The connection never leaves the
 * enclave: the server has a second listener for it, whose name the kernel made up. What came of it
 * is reported with the counters. Three failures in a row behind a success end the app, which starts
 * anew, where its owner has said so. On a thread of its own.
 */
#include "enclave/enclave.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "http/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_MS = 10 * 1000, /* that one check may take */
    ANSWER_MAX = 1 << 20,
    FAILURES_MAX = 3, /* in a row, before restart_unhealthy restarts */
    UNHEALTHY_STATUS = 88,
    PASSES_BELOW = 400,
    REASON_SIZE = 1100,
};

static struct {
    struct sockaddr_un address;
    socklen_t address_size;
    struct tls_client *tls;
    atomic_uint_fast64_t checks;
    atomic_uint_fast64_t failures;
    atomic_uint_fast64_t failing; /* in a row */
    atomic_uint_fast64_t status;  /* of the last answer; 0: none came */
} health;

/* Bound to no name of ours: the kernel picks an abstract one that nobody else has. */
int health_listen(int *ret_fd, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_un none = {.sun_family = AF_UNIX};
    health.address_size = sizeof(health.address);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&none, sizeof(none.sun_family)) < 0 ||
        listen(fd, 4) < 0 ||
        getsockname(fd, (struct sockaddr *)&health.address, &health.address_size) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot listen for the health check");
    *ret_fd = fd_steal(&fd);
    return 0;
}

/* The server that is connected to is this process: there is nobody else to be told apart from. */
static int accept_ourselves(void *context, struct slice der, struct err *err)
{
    (void)context;
    (void)der;
    (void)err;
    return 0;
}

static int connect_to_ourselves(struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&health.address, health.address_size) < 0)
        return FAIL_ERRNO(err, ERR_UNREACHABLE, "cannot connect to the server");
    return fd_steal(&fd);
}

/* *ret_status: what it answered. */
static int ask(const struct manifest *manifest, int *ret_status, struct err *err)
{
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    const struct http_header headers[] = {{slice_str("User-Agent"), slice_str("mse-health-check")}};
    const struct http_client_request request = {.method = "GET",
                                                .target = manifest->healthcheck_endpoint,
                                                .headers = headers,
                                                .header_count = ARRAY_LEN(headers),
                                                .deadline_ms = ANSWER_MS};
    struct http_client_config config = {.use_fd = true,
                                        .tls = health.tls,
                                        .host = manifest->tls_host_name,
                                        .server_name = manifest->tls_host_name,
                                        .connect_timeout_ms = ANSWER_MS,
                                        .silence_timeout_ms = ANSWER_MS};
    config.fd = connect_to_ourselves(err);
    response.body.max = ANSWER_MAX;
    if (config.fd < 0 || http_client_connect(&config, &client, err) < 0 ||
        http_client_request(client, &request, &response, err) < 0)
        return -1;
    *ret_status = response.status;
    return 0;
}

static void end_unhealthy(const char *why)
{
    char reason[REASON_SIZE + 100];
    (void)snprintf(reason, sizeof(reason), "its health check failed %d times in a row: %s",
                   FAILURES_MAX, why);
    log_error("%s", reason);
    report_state("failed", reason);
    _exit(UNHEALTHY_STATUS);
}

static void check(const struct manifest *manifest)
{
    struct err err = ERR_INIT;
    char why[REASON_SIZE] = "";
    int status = 0;
    if (ask(manifest, &status, &err) < 0)
        (void)snprintf(why, sizeof(why), "GET %s: %s", manifest->healthcheck_endpoint, err.message);
    else if (status >= PASSES_BELOW)
        (void)snprintf(why, sizeof(why), "GET %s answered %d", manifest->healthcheck_endpoint,
                       status);
    bool passed = why[0] == '\0';
    bool has_passed = atomic_load(&health.checks) > atomic_load(&health.failures);
    uint64_t failing = passed ? 0 : atomic_load(&health.failing) + 1;
    if (failing == 1)
        log_warning("health check: %s", why); /* once, until it passes again */
    atomic_store(&health.status, (uint64_t)status);
    atomic_store(&health.failing, failing);
    (void)atomic_fetch_add(&health.failures, passed ? 0 : 1);
    (void)atomic_fetch_add(&health.checks, 1);
    if (manifest->server.restart_unhealthy != 0 && has_passed && failing >= FAILURES_MAX)
        end_unhealthy(why);
}

static void *health_main(void *argument)
{
    const struct manifest *manifest = argument;
    (void)pthread_setname_np(pthread_self(), "mse-health");
    for (;;) {
        clock_sleep_ms((int)manifest->server.health_interval_ms);
        check(manifest);
    }
    return NULL;
}

int health_start(struct enclave *enclave, struct err *err)
{
    const struct tls_client_config tls = {.verify = accept_ourselves};
    pthread_t thread;
    sigset_t all;
    sigset_t old;
    if (!health_wanted(&enclave->manifest))
        return 0;
    if (tls_client_new(&tls, &health.tls, err) < 0)
        return FAIL_CONTEXT(err, "health check");
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    errno = pthread_create(&thread, NULL, health_main, &enclave->manifest);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (errno != 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot start the thread of the health check");
    (void)pthread_detach(thread);
    return 0;
}

bool health_wanted(const struct manifest *manifest)
{
    return manifest->healthcheck_endpoint[0] != '\0' && manifest->server.health_interval_ms != 0;
}

void health_report(struct app_stats *ret)
{
    ret->health_checks = atomic_load(&health.checks);
    ret->health_failures = atomic_load(&health.failures);
    ret->health_failing = atomic_load(&health.failing);
    ret->health_status = atomic_load(&health.status);
}
