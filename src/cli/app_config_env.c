// SPDX-License-Identifier: Apache-2.0
/*
 * The variables of an app's environment, as mse.toml names them and as the manifest has them: in
 * order, each once. Runs on the owner's machine.
 */
#include "cli/app_config.h"

#include <stdio.h>
#include <stdlib.h>

/* "NAME=value"; the name has no '=' (format/config_value.c). */
int app_config_check_variable(const char *text, struct err *err)
{
    char name[VARIABLE_NAME_SIZE];
    const char *value = strchr(text, '=');
    if (value == NULL || (size_t)(value - text) >= sizeof(name))
        return FAIL(err, ERR_INVALID, "the name of a variable has 1 to %d characters",
                    VARIABLE_NAME_SIZE - 1);
    (void)snprintf(name, sizeof(name), "%.*s", (int)(value - text), text);
    const char *refusal = variable_refusal(name);
    if (refusal != NULL)
        return FAIL(err, ERR_INVALID, "an app may not set '%s': it %s", name, refusal);
    if (variable_value_valid(value + 1))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected at most %d printable ASCII characters; what is longer, or has others, "
                "can be a secret (code.secrets_env)",
                VARIABLE_VALUE_SIZE - 1);
}

int app_config_check_variable_name(const char *text, struct err *err)
{
    const char *refusal = variable_refusal(text);
    if (refusal == NULL)
        return 0;
    return FAIL(err, ERR_INVALID, "no secret may become the variable '%.80s': it %s", text,
                refusal);
}

/* Of "NAME=value" the order is that of the names, as the manifest's: '=' is no part of one. */
static int compare_names(const void *a, const void *b)
{
    const char *left = *(char *const *)a;
    const char *right = *(char *const *)b;
    size_t left_len = strcspn(left, "=");
    size_t right_len = strcspn(right, "=");
    int order = memcmp(left, right, left_len < right_len ? left_len : right_len);
    return order != 0 ? order : (left_len > right_len) - (left_len < right_len);
}

/* `first` between two, `last` behind each. */
static int join(const struct config_strings *strings, const char *first, const char *last,
                struct buf *out, struct err *err)
{
    AUTO_FREE char **sorted = mem_alloc_array(strings->count + 1, sizeof(*sorted), err);
    if (sorted == NULL)
        return -1;
    for (size_t i = 0; i < strings->count; i++)
        sorted[i] = strings->items[i];
    qsort(sorted, strings->count, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < strings->count; i++) {
        if (buf_printf(out, err, "%s%s%s", i == 0 ? "" : first, sorted[i], last) < 0)
            return -1;
    }
    return 0;
}

int app_config_variables(const struct app_config *config, char ret[static VARIABLES_SIZE],
                         struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(VARIABLES_MAX * sizeof(struct variable) * 4);
    if (join(&config->env, "", "\n", &text, err) < 0)
        return -1;
    if (!variables_valid(buf_text(&text)))
        return APP_CONFIG_FAIL(config, env, err,
                               "more than %d variables, or more than %d bytes of them together",
                               VARIABLES_MAX, VARIABLES_SIZE - 1);
    (void)snprintf(ret, VARIABLES_SIZE, "%s", buf_text(&text));
    return 0;
}

int app_config_secrets_env(const struct app_config *config, char ret[static VARIABLE_NAMES_SIZE],
                           struct err *err)
{
    const struct config_strings *names = &config->secrets_env;
    AUTO_BUF struct buf text = BUF_INIT(CONFIG_STRINGS_MAX * VARIABLE_NAME_SIZE);
    ret[0] = '\0';
    if (names->count == 0)
        return 0;
    if (config->secrets == NULL)
        return APP_CONFIG_FAIL(config, secrets_env, err,
                               "there are no secrets to become variables: 'secrets' is missing");
    if (join(names, VARIABLE_NAMES_SEPARATOR, "", &text, err) < 0)
        return -1;
    if (!variable_names_valid(buf_text(&text)))
        return APP_CONFIG_FAIL(config, secrets_env, err,
                               "one is there twice, or they are more than %d bytes together; true "
                               "makes all secrets variables",
                               VARIABLE_NAMES_SIZE - 1);
    (void)snprintf(ret, VARIABLE_NAMES_SIZE, "%s", buf_text(&text));
    return 0;
}

/* --- are the secrets there? --- */

struct plain {
    const char *variables;
};

static int is_not_plain(void *context, const char *name, const char *value, struct err *err)
{
    const struct plain *plain = context;
    (void)value;
    if (!variables_have(plain->variables, name))
        return 0;
    return FAIL(err, ERR_INVALID, "'%s' is a secret and stands in [env], which everybody reads",
                name);
}

int app_config_check_secrets_env(const struct app_config *config, struct slice secrets,
                                 struct err *err)
{
    char variables[VARIABLES_SIZE];
    char names[VARIABLE_NAMES_SIZE];
    struct err reason = ERR_INIT;
    if (app_config_variables(config, variables, err) < 0 ||
        app_config_secrets_env(config, names, err) < 0)
        return -1;
    if (names[0] == '\0')
        return 0;
    struct plain plain = {.variables = variables};
    const struct variable_taker taker = {.take = is_not_plain, .context = &plain};
    if (variables_of_secrets(secrets, names, &taker, &reason) < 0) {
        (void)APP_CONFIG_FAIL(config, secrets_env, err, "%s", reason.message);
        if (strcmp(names, VARIABLE_NAMES_ALL) == 0)
            err_hint(err, "name those that should be variables: secrets_env = [\"DATABASE_URL\"]");
        return -1;
    }
    return 0;
}
