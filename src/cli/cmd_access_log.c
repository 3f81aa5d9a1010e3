// SPDX-License-Identifier: Apache-2.0
/*
 * mse access-log: the access log that an enclave keeps in its sealed storage, for its owner. The
 * enclave is verified first, over a session that the signed request is bound to.
 */
#include "cli/command.h"
#include "cli/session.h"
#include "cli/ui.h"

#include "base/text.h"
#include "client/context_store.h"
#include "client/owner.h"

#include <stdio.h>

enum { TIMEOUT_S = 60, ANSWER_MAX = 20 << 20 };

static int fetch(struct attested *app, const struct provision_target *target, uint64_t last,
                 struct buf *out, struct err *err)
{
    AUTO_OWNER_KEY struct owner_key key = {0};
    AUTO_BUF struct buf request = BUF_INIT(OWNER_REQUEST_SIZE);
    int status;
    if (owner_key_load(&key, err) < 0 ||
        owner_ask(OWNER_READ_ACCESS_LOG, last, target, &key.secret, &request, err) < 0 ||
        attested_request(app, "POST", "/.well-known/mse/access-log", buf_slice(&request), &status,
                         out, err) < 0)
        return -1;
    return status == 200 ? 0 : attested_refused("access log", status, out, err);
}

static int access_log(const struct options *options, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    AUTO_ATTESTED struct attested *app = NULL;
    AUTO_BUF struct buf lines = BUF_INIT(ANSWER_MAX);
    struct provision_target target;
    uint64_t last = 0;
    const char *size = options_value(options, "last");
    if (size != NULL && parse_size(size, "--last", &last, err) < 0) {
        err->kind = ERR_USAGE;
        return -1;
    }
    if (context_store_find(ui_hooks(), options->arguments[0], &context, err) < 0 ||
        session_open(&context, options_value(options, "policy"), TIMEOUT_S, &target, &app, err) <
            0 ||
        fetch(app, &target, last, &lines, err) < 0)
        return -1;
    return ui_write_log(stdout, buf_slice(&lines), err); /* the app can write to that file too */
}

static const struct option_spec access_log_options[] = {
    {.name = "last", .value_name = "SIZE", .help = "at most so much of its end, in whole lines"},
    {.name = "policy", .value_name = "FILE", .help = "which evidence is accepted (TOML)"},
    OPTION_HELP,
};

const struct command command_access_log = {
    .name = "access-log",
    .arguments = "APP",
    .summary = "print the access log that a running app keeps sealed",
    .text = "With access_log in [server] of mse.toml an app notes its requests in its sealed "
            "storage, where the operator of the node cannot read them. This verifies the enclave "
            "as 'mse verify' does, asks it for the log over that very session with a request that "
            "the owner's key has signed, and prints it: up to 16 MiB, oldest line first. Where "
            "access_log_to is \"log\", 'mse logs' has the lines.",
    .example = "mse access-log shop --last 64K | tail -20",
    .options = access_log_options,
    .option_count = ARRAY_LEN(access_log_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = access_log,
};
