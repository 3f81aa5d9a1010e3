// SPDX-License-Identifier: Apache-2.0
/*
 * The environment variables of the app: what the manifest says in the open, and secrets that it
 * names. They are set in this process alone, after the storage's servers and the guard were forked
 * and before Python starts, which copies them into os.environ.
 */
#include "enclave/enclave.h"

#include "model/variables.h"

#include <errno.h>
#include <stdlib.h>

/* What is there already stays what it is: neither a launcher nor a secret decides otherwise. */
static int set_variable(void *context, const char *name, const char *value, struct err *err)
{
    (void)context;
    const char *refusal = variable_refusal(name);
    if (refusal == NULL && getenv(name) != NULL)
        refusal = "is set already";
    if (refusal != NULL)
        return FAIL(err, ERR_INVALID, "the app's variable '%s' %s", name, refusal);
    if (setenv(name, value, 0) < 0)
        return FAIL_ERRNO(err, ERR_MEMORY, "cannot set the app's variable '%s'", name);
    return 0;
}

static int set_plain(const char *lines, struct err *err)
{
    struct variable variable;
    while ((lines = variables_next(lines, &variable)) != NULL) {
        if (set_variable(NULL, variable.name, variable.value, err) < 0)
            return -1;
    }
    return 0;
}

int open_variables(struct enclave *enclave, struct err *err)
{
    static const struct variable_taker taker = {.take = set_variable};
    const struct provisioned *provisioned = &enclave->provisioned;
    if (set_plain(enclave->manifest.env, err) < 0)
        return -1;
    if (enclave->manifest.secrets_env[0] == '\0')
        return 0;
    if (!provisioned->has_secrets)
        return FAIL(err, ERR_INVALID, "there are no secrets to become variables");
    return variables_of_secrets(secret_slice(&provisioned->secrets), enclave->manifest.secrets_env,
                                &taker, err);
}
