// SPDX-License-Identifier: Apache-2.0
/*
 * mse-local: the enclave's server without the enclave, for `mse localtest`. It serves plain HTTP on
 * loopback under the same confinement, so that an app which forks or wants a privilege fails here
 * as it would inside. A program of its own, so that nothing of it is in mse-enclave.
 *
 *     mse-local PORT MODULE:VARIABLE THREADS QUEUE refuse|end SECRETS-ENV RELEASE [SITE]
 *
 * SECRETS-ENV: which secrets become variables, as in the manifest; "-": none. Plain variables it
 * has already. RELEASE: the release command; "-": none.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "confine/confine.h"
#include "crypto/crypto.h"
#include "format/json.h"
#include "http/server.h"
#include "model/manifest.h"
#include "model/sandbox_layout.h"
#include "serve/serve.h"
#include "serve/traceback.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STOP_MS = 5000, SECRETS_MAX = 1 << 20 };

struct arguments {
    int port;
    const char *application;
    unsigned threads;
    unsigned queue;
    enum confine_new_processes new_processes;
    const char *secrets_env;     /* NULL: none */
    const char *release_command; /* NULL: none */
    const char *site;
};

static int parse(int argc, char **argv, struct arguments *ret, struct err *err)
{
    uint64_t port;
    uint64_t threads;
    uint64_t queue;
    if (argc < 8 || argc > 9 || !manifest_new_processes_valid(argv[5]) ||
        (strcmp(argv[6], "-") != 0 && !variable_names_valid(argv[6])))
        return FAIL(err, ERR_USAGE,
                    "usage: mse-local PORT MODULE:VARIABLE THREADS QUEUE refuse|end SECRETS-ENV "
                    "RELEASE [SITE]");
    if (parse_u64(argv[1], "PORT", 1, 65535, &port, err) < 0 ||
        parse_u64(argv[3], "THREADS", 0, SERVE_MAX_THREADS, &threads, err) < 0 ||
        parse_u64(argv[4], "QUEUE", 0, SERVE_MAX_QUEUE, &queue, err) < 0)
        return -1;
    *ret = (struct arguments){
        .port = (int)port,
        .application = argv[2],
        .threads = (unsigned)threads,
        .queue = (unsigned)queue,
        .new_processes = strcmp(argv[5], "end") == 0 ? CONFINE_END : CONFINE_REFUSE,
        .secrets_env = strcmp(argv[6], "-") == 0 ? NULL : argv[6],
        .release_command = strcmp(argv[7], "-") == 0 ? NULL : argv[7],
        .site = argc == 9 ? argv[8] : NULL,
    };
    return 0;
}

static int set_variable(void *context, const char *name, const char *value, struct err *err)
{
    (void)context;
    if (setenv(name, value, 0) < 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot set the app's variable '%s'", name);
    return 0;
}

/* From the file, not by argument: other processes read arguments. */
static int set_secrets(const struct arguments *arguments, struct err *err)
{
    static const struct variable_taker taker = {.take = set_variable};
    AUTO_BUF struct buf secrets = BUF_INIT(SECRETS_MAX);
    if (arguments->secrets_env == NULL)
        return 0;
    if (file_read(SANDBOX_SECRETS, &secrets, err) < 0)
        return -1;
    return variables_of_secrets(buf_slice(&secrets), arguments->secrets_env, &taker, err);
}

/* The folders are new each time. */
static int ignore_release(void *context, struct err *err)
{
    (void)context;
    (void)err;
    return 0;
}

static int run(const struct arguments *arguments, const sigset_t *signals, struct err *err)
{
    const struct confine_options confinement = {.new_processes = arguments->new_processes,
                                                .status_fd = -1,
                                                .on_forbidden = serve_print_traceback,
                                                .on_refused = serve_report_refused};
    const struct serve_config config = {
        .module_path = "/mse-app",
        .python_application = arguments->application,
        .release_command = arguments->release_command,
        .released = ignore_release,
        .site_folders = &arguments->site,
        .site_folder_count = arguments->site != NULL ? 1 : 0,
        .threads = arguments->threads,
        .queue = arguments->queue,
    };
    if (arguments->new_processes == CONFINE_REFUSE && confine_start_guard(err) < 0)
        return -1;
    if (confine_self(&confinement, err) < 0 || set_secrets(arguments, err) < 0)
        return -1;
    struct serve *serve = serve_new(&config, err);
    if (serve == NULL)
        return -1;
    const struct http_listener listener = {.host = "127.0.0.1", .port = arguments->port};
    const struct http_server_config server_config = {
        .listeners = &listener,
        .listener_count = 1,
        .handler = serve_handler(serve),
        .context = serve_handler_context(serve),
    };
    struct http_server *server = NULL;
    if (http_server_start(&server_config, &server, err) < 0)
        return -1;
    int received;
    (void)sigwait(signals, &received);
    if (!serve_stop(serve, server, STOP_MS))
        _exit(0);
    http_server_free(server);
    serve_free(serve);
    return 0;
}

int main(int argc, char **argv)
{
    mem_share_arena();
    log_init("local", LOG_WARNING);
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    struct err err = ERR_INIT;
    struct arguments arguments;
    if (crypto_init(&err) < 0 || parse(argc, argv, &arguments, &err) < 0 ||
        run(&arguments, &signals, &err) < 0) {
        log_err(LOG_ERROR, &err);
        _exit(err_exit_status(err.kind));
    }
    return 0;
}
