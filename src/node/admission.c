// SPDX-License-Identifier: Apache-2.0
/*
 * Limits on what apps are promised, as a table. Owns nothing; runs in msed.
 */
#include "node/admission.h"

#include <string.h>

enum { ACCOUNT_SHARE = 2 };

static void add(struct promises *sum, const struct store_app *app)
{
    sum->apps++;
    sum->storage_bytes += app->quota_bytes;
    sum->memory_bytes += app->memory_bytes; /* an expired app's too: a new expiry brings it back */
}

void admission_add(struct admission *admission, const struct store_app *app)
{
    if (app->state == STORE_STOPPED)
        return;
    if (admission->replaces != NULL && strcmp(app->id, admission->replaces) == 0)
        return;
    add(&admission->all, app);
    if (strcmp(app->owner, admission->wanted->owner) == 0)
        add(&admission->account, app);
}

struct limit {
    const char *key; /* of msed.toml */
    const char *what;
    int64_t given;
    int64_t asked;
    int64_t most; /* 0: not limited */
    bool is_size;
    bool of_account;
};

static int64_t or_share(int64_t limit, int64_t whole)
{
    return limit != 0 ? limit : whole / ACCOUNT_SHARE;
}

static int refuse(const struct limit *limit, struct err *err)
{
    int shift = limit->is_size ? 20 : 0;
    const char *unit = limit->is_size ? " MiB" : "";
    const char *whose = limit->of_account ? "your account's apps" : "the node's apps";
    err_set(err, ERR_BUSY, 0,
            "%s may have %lld%s of %s; %lld%s are given away and this app wants %lld%s", whose,
            (long long)(limit->most >> shift), unit, limit->what,
            (long long)(limit->given >> shift), unit, (long long)(limit->asked >> shift), unit);
    err_hint(err,
             "stop apps that are no longer needed, or take a smaller profile; the operator "
             "sets '%s' in msed.toml",
             limit->key);
    return -1;
}

int admission_check(const struct admission *admission, struct err *err)
{
    const struct node_limits *limits = &admission->config->limits;
    const struct node_limits_account *own = &admission->config->account;
    const struct store_app *wanted = admission->wanted;
    const struct promises *all = &admission->all;
    const struct promises *account = &admission->account;
    int64_t memory =
        limits->memory_bytes != 0 ? limits->memory_bytes : admission->machine.memory_bytes;
    const struct limit table[] = {
        {"limits.apps", "apps", all->apps, 1, limits->apps, false, false},
        {"limits.memory", "memory", all->memory_bytes, wanted->memory_bytes, memory, true, false},
        {"account.apps", "apps", account->apps, 1, own->apps, false, true},
        {"account.memory", "memory", account->memory_bytes, wanted->memory_bytes,
         or_share(own->memory_bytes, memory), true, true},
        {"account.storage", "storage", account->storage_bytes, wanted->quota_bytes,
         or_share(own->storage_bytes, admission->machine.storage_bytes), true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].of_account && admission->is_operator)
            continue;
        if (table[i].most != 0 && table[i].asked > table[i].most - table[i].given)
            return refuse(&table[i], err);
    }
    return 0;
}
