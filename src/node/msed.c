// SPDX-License-Identifier: Apache-2.0
/*
 * msed, the node daemon: options and sub-commands. Runs on the host, untrusted by the enclaves.
 */
#include "base/log.h"
#include "base/options.h"
#include "crypto/crypto.h"
#include "node/folders.h"
#include "node/node.h"
#include "node/runner_launch.h"
#include "node/staple.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

static const struct option_spec options_table[] = {
    {.name = "config", .letter = 'c', .value_name = "FILE", .help = "the msed.toml to run by"},
    {.name = "check-config", .help = "read the configuration, say what is wrong, and end"},
    {.name = "help", .letter = 'h', .help = "print this text"},
    {.name = "version", .help = "print the version"},
};

static const char usage[] =
    "usage: msed [--config FILE] [--check-config]\n"
    "       msed [--config FILE] token add|remove NAME\n"
    "\n"
    "Runs the node daemon in the foreground. Without --config the built-in defaults hold.\n"
    "\n"
    "  -c, --config FILE   the msed.toml to run by\n"
    "      --check-config  read the configuration, say what is wrong, and end\n"
    "  -h, --help          print this text\n"
    "      --version       print the version\n"
    "\n"
    "  token add NAME      make a token for the API over TCP and print it, once\n"
    "  token remove NAME   make it worthless\n"
    "\n"
    "Example: msed --config /etc/mse/msed.toml\n";

static int report(const struct err *err)
{
    log_err(LOG_ERROR, err);
    return err_exit_status(err->kind);
}

static int read_config(const char *path, struct node_config *config, struct err *err)
{
    if (path != NULL)
        return node_config_read(path, config, err);
    return node_config_defaults("/", config, err);
}

static int check_config(const char *path)
{
    struct err err = ERR_INIT;
    AUTO_NODE_CONFIG struct node_config config = {0};
    if (read_config(path, &config, &err) < 0)
        return report(&err);
    (void)printf("%s: good\n", path != NULL ? path : "built-in defaults");
    return 0;
}

/* The folder may belong to a running msed: no lock, the file is replaced whole. */
static int change_token(const char *path, const char *verb, const char *name, struct err *err)
{
    AUTO_NODE_CONFIG struct node_config config = {0};
    AUTO_BUF struct buf token = BUF_INIT(256);
    if (read_config(path, &config, err) < 0)
        return -1;
    AUTO_FREE char *tokens = str_printf(err, "%s/tokens", config.state);
    if (tokens == NULL)
        return -1;
    if (strcmp(verb, "remove") == 0)
        return token_remove(tokens, name, err);
    if (strcmp(verb, "add") != 0)
        return FAIL(err, ERR_USAGE, "token: 'add' or 'remove' expected, found '%s'", verb);
    if (token_add(tokens, name, &token, err) < 0)
        return -1;
    (void)printf("%s\n", buf_text(&token));
    return 0;
}

/* A thread of its own takes the signals; every other thread has them blocked. */
static void *wait_for_signal(void *argument)
{
    struct node *node = argument;
    sigset_t set;
    int number = 0;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigwait(&set, &number) == 0)
        node_stop(node, false);
    return NULL;
}

static void block_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static int run_daemon(const char *path)
{
    struct err err = ERR_INIT;
    struct node *node = NULL;
    pthread_t thread;
    block_signals();
    if (node_open(path, &node, &err) < 0)
        return report(&err);
    int status = 0;
    if (pthread_create(&thread, NULL, wait_for_signal, node) != 0) {
        node_close(node);
        return err_exit_status(ERR_MEMORY);
    }
    if (node_run(node, &err) < 0)
        status = report(&err);
    (void)pthread_cancel(thread); /* sigwait is a cancellation point */
    (void)pthread_join(thread, NULL);
    node_close(node);
    return status;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct options options = {0};
    log_init("msed", LOG_INFO);
    if (crypto_init(&err) < 0)
        return report(&err);
    if (argc > 1 && strcmp(argv[1], "vm") == 0)
        return launch_vm_main((const char *const *)argv + 2);
    if (argc > 1 && strcmp(argv[1], "staple") == 0)
        return staple_main((const char *const *)argv + 2, argc - 2);
    if (argc == 3 && strcmp(argv[1], "supervise") == 0)
        return launch_supervise_main(argv[2], &runner_launch_storage);
    if (options_parse(options_table, ARRAY_LEN(options_table), argc - 1,
                      (const char *const *)argv + 1, &options, &err) < 0)
        return report(&err);
    if (options_has(&options, "help")) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (options_has(&options, "version")) {
        (void)puts("msed " MSE_VERSION);
        return 0;
    }
    const char *config = options_value(&options, "config");
    if (options.argument_count == 3 && strcmp(options.arguments[0], "token") == 0)
        return change_token(config, options.arguments[1], options.arguments[2], &err) < 0
                   ? report(&err)
                   : 0;
    if (options.argument_count > 0) {
        err_set(&err, ERR_USAGE, 0, "unknown argument '%s'", options.arguments[0]);
        err_hint(&err, "see msed --help");
        return report(&err);
    }
    if (options_has(&options, "check-config"))
        return check_config(config);
    return run_daemon(config);
}
