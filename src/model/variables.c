// SPDX-License-Identifier: Apache-2.0
/*
 * See variables.h. Runs on the owner's machine and in the enclave; the manifest comes from
 * strangers, the secrets from the owner.
 */
#include "model/variables.h"

#include "base/text.h"
#include "format/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECRETS_MAX = 1 << 20 };

/* --- names --- */

static const char *const set_by_mse[] = {
    "HOME", "LANG", "MODULE_PATH", "PATH", "PWD", "SECRETS_PATH", "TMPDIR", "TMP_PATH",
};

/* Read by what the enclave itself is made of: the linker, the C library, Python, OpenSSL. "*"
 * at the end stands for all names that begin so. */
static const struct {
    const char *name;
    const char *whose;
} foreign[] = {
    {"LD_*", "is read by the linker that starts the enclave"},
    {"GLIBC_*", "changes the C library under the enclave"},
    {"MALLOC_*", "changes the C library under the enclave"},
    {"GCONV_PATH", "makes the C library load code"},
    {"GETCONF_DIR", "changes the C library under the enclave"},
    {"HOSTALIASES", "changes how the enclave finds hosts"},
    {"LOCALDOMAIN", "changes how the enclave finds hosts"},
    {"LOCPATH", "changes the C library under the enclave"},
    {"NLSPATH", "changes the C library under the enclave"},
    {"RES_OPTIONS", "changes how the enclave finds hosts"},
    {"TZDIR", "changes the C library under the enclave"},
    {"OPENSSL_*", "changes the TLS library of the enclave"},
    {"SSLKEYLOGFILE", "would write down the keys of TLS connections"},
    {"PYTHON*", "is for the start of Python, which the enclave does by itself"},
    {"MSE_*", "belongs to mse"},
};

static bool is_meant(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);
    if (pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *text, size_t len)
{
    if (len == 0 || len >= VARIABLE_NAME_SIZE || !is_letter(text[0]))
        return false;
    for (size_t i = 1; i < len; i++) {
        if (!is_letter(text[i]) && (text[i] < '0' || text[i] > '9'))
            return false;
    }
    return true;
}

const char *variable_refusal(const char *name)
{
    if (!is_name(name, strlen(name)))
        return "is no name of a variable: 1 to 64 letters, digits and '_', no digit first";
    for (size_t i = 0; i < ARRAY_LEN(set_by_mse); i++) {
        if (strcmp(set_by_mse[i], name) == 0)
            return "is set by mse itself";
    }
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        if (is_meant(foreign[i].name, name))
            return foreign[i].whose;
    }
    return NULL;
}

bool variable_value_valid(const char *value)
{
    size_t len = 0;
    for (; value[len] != '\0'; len++) {
        if (value[len] < 0x20 || value[len] > 0x7e)
            return false;
    }
    return len < VARIABLE_VALUE_SIZE;
}

/* --- lines --- */

/* The line at the front of the text; NULL: it is none. */
static const char *read_line(const char *text, struct variable *ret)
{
    const char *end = strchr(text, '\n');
    const char *equals = end == NULL ? NULL : memchr(text, '=', (size_t)(end - text));
    if (equals == NULL || !is_name(text, (size_t)(equals - text)) ||
        (size_t)(end - equals) > sizeof(ret->value))
        return NULL;
    (void)snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(equals - text), text);
    (void)snprintf(ret->value, sizeof(ret->value), "%.*s", (int)(end - equals - 1), equals + 1);
    return end + 1;
}

bool variables_valid(const char *text)
{
    char before[VARIABLE_NAME_SIZE] = "";
    size_t count = 0;
    if (strlen(text) >= VARIABLES_SIZE)
        return false;
    while (*text != '\0') {
        struct variable variable;
        text = read_line(text, &variable);
        if (text == NULL || ++count > VARIABLES_MAX || strcmp(before, variable.name) >= 0 ||
            variable_refusal(variable.name) != NULL || !variable_value_valid(variable.value))
            return false;
        memcpy(before, variable.name, sizeof(before));
    }
    return true;
}

const char *variables_next(const char *text, struct variable *ret)
{
    return *text == '\0' ? NULL : read_line(text, ret);
}

bool variables_have(const char *text, const char *name)
{
    struct variable variable;
    while ((text = variables_next(text, &variable)) != NULL) {
        if (strcmp(variable.name, name) == 0)
            return true;
    }
    return false;
}

/* --- secrets --- */

/* The first name of a list into *ret, and where the others begin; NULL: it is none. */
static const char *read_name(const char *names, char ret[static VARIABLE_NAME_SIZE])
{
    size_t len = strcspn(names, VARIABLE_NAMES_SEPARATOR);
    if (!is_name(names, len))
        return NULL;
    (void)snprintf(ret, VARIABLE_NAME_SIZE, "%.*s", (int)len, names);
    return names + len;
}

bool variable_names_valid(const char *text)
{
    char before[VARIABLE_NAME_SIZE] = "";
    char name[VARIABLE_NAME_SIZE];
    if (strcmp(text, VARIABLE_NAMES_ALL) == 0)
        return true;
    if (strlen(text) >= VARIABLE_NAMES_SIZE)
        return false;
    for (;;) {
        text = read_name(text, name);
        if (text == NULL || strcmp(before, name) >= 0 || variable_refusal(name) != NULL)
            return false;
        if (*text == '\0')
            return true;
        memcpy(before, name, sizeof(before));
        text++;
    }
}

/* What is said of a secret must not come from it: only a name that could be a variable's is said.
 */
static const char *said(const char *name)
{
    return is_name(name, strlen(name)) ? name : "(not the name of a variable)";
}

static int take_secret(const char *name, const json_t *value, const struct variable_taker *taker,
                       struct err *err)
{
    char number[32];
    const char *refusal = variable_refusal(name);
    if (refusal != NULL)
        return FAIL(err, ERR_INVALID, "the secret '%s' cannot be a variable: its name %s",
                    said(name), refusal);
    if (json_is_string(value)) {
        size_t len = json_string_length(value);
        if (len > VARIABLE_SECRET_MAX || strlen(json_string_value(value)) != len)
            return FAIL(err, ERR_INVALID,
                        "the secret '%s' cannot be a variable: it has a zero byte or more than %d "
                        "bytes",
                        name, VARIABLE_SECRET_MAX);
        return taker->take(taker->context, name, json_string_value(value), err);
    }
    if (json_is_boolean(value))
        return taker->take(taker->context, name, json_is_true(value) ? "true" : "false", err);
    if (!json_is_integer(value))
        return FAIL(err, ERR_INVALID,
                    "the secret '%s' cannot be a variable: it is no text, whole number or boolean",
                    name);
    (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    return taker->take(taker->context, name, number, err);
}

static int take_named(json_t *secrets, const char *names, const struct variable_taker *taker,
                      struct err *err)
{
    char name[VARIABLE_NAME_SIZE];
    while (*names != '\0') {
        names = read_name(names, name);
        if (names == NULL)
            return FAIL(err, ERR_INTERNAL, "a list of variables that was not checked");
        const json_t *value = json_object_get(secrets, name);
        if (value == NULL)
            return FAIL(err, ERR_INVALID, "there is no secret '%s' to become a variable", name);
        if (take_secret(name, value, taker, err) < 0)
            return -1;
        names += *names == '\0' ? 0 : 1;
    }
    return 0;
}

int variables_of_secrets(struct slice secrets, const char *names,
                         const struct variable_taker *taker, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct err unsaid = ERR_INIT; /* what the parser found may quote a secret */
    if (json_parse(secrets, "secrets", SECRETS_MAX, &root, &unsaid) < 0 || !json_is_object(root))
        return FAIL(err, ERR_INVALID, "the secrets are not one JSON object");
    if (strcmp(names, VARIABLE_NAMES_ALL) != 0)
        return take_named(root, names, taker, err);
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        if (take_secret(name, value, taker, err) < 0)
            return -1;
    }
    return 0;
}
