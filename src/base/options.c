// SPDX-License-Identifier: Apache-2.0
/*
 * Command line options: long ("--path FILE", "--path=FILE"), short ("-p FILE", "-pFILE", "-vy"),
 * found in a table. Everything kept points into argv. Owns nothing; runs in the programs.
 */
#include "base/options.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct parser {
    const struct option_spec *specs;
    size_t spec_count;
    int argc;
    const char *const *argv;
    int next; /* index of the first argument not yet looked at */
    struct options result;
};

static const struct option_spec *find_long(const struct parser *parser, const char *name,
                                           size_t len)
{
    for (size_t i = 0; i < parser->spec_count; i++) {
        const char *known = parser->specs[i].name;
        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return &parser->specs[i];
    }
    return NULL;
}

static const struct option_spec *find_short(const struct parser *parser, char letter)
{
    for (size_t i = 0; i < parser->spec_count; i++) {
        if (parser->specs[i].letter == letter && letter != '\0')
            return &parser->specs[i];
    }
    return NULL;
}

static int fail_unknown(const struct parser *parser, const char *name, size_t len, struct err *err)
{
    const char *names[OPTIONS_MAX];
    size_t count = parser->spec_count < ARRAY_LEN(names) ? parser->spec_count : ARRAY_LEN(names);
    for (size_t i = 0; i < count; i++)
        names[i] = parser->specs[i].name;
    char wanted[64];
    if (len >= sizeof(wanted))
        len = sizeof(wanted) - 1;
    memcpy(wanted, name, len);
    wanted[len] = '\0';
    (void)FAIL(err, ERR_USAGE, "unknown option '--%s'", wanted);
    const char *nearest = text_nearest(wanted, names, count);
    if (nearest != NULL)
        err_hint(err, "did you mean '--%s'?", nearest);
    return -1;
}

static int add_value(struct parser *parser, const struct option_spec *spec, const char *value,
                     struct err *err)
{
    struct options *result = &parser->result;
    if (!spec->repeats && options_has(result, spec->name))
        return FAIL(err, ERR_USAGE, "option '--%s' is given more than once", spec->name);
    if (result->count == OPTIONS_MAX)
        return FAIL(err, ERR_USAGE, "more than %d options", OPTIONS_MAX);
    result->values[result->count++] = (struct option_value){.spec = spec, .value = value};
    return 0;
}

/* `attached` is what stood in the same argument ("=value", "-pvalue"), NULL where nothing did. */
static int take_value(struct parser *parser, const struct option_spec *spec, const char *attached,
                      struct err *err)
{
    if (spec->value_name == NULL && attached != NULL)
        return FAIL(err, ERR_USAGE, "option '--%s' takes no value", spec->name);
    if (spec->value_name == NULL || spec->value_optional || attached != NULL)
        return add_value(parser, spec, attached, err);
    if (parser->next >= parser->argc)
        return FAIL(err, ERR_USAGE, "option '--%s' needs a value: --%s %s", spec->name, spec->name,
                    spec->value_name);
    return add_value(parser, spec, parser->argv[parser->next++], err);
}

static int parse_long(struct parser *parser, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct option_spec *spec = find_long(parser, text, len);
    if (spec == NULL)
        return fail_unknown(parser, text, len, err);
    return take_value(parser, spec, equals == NULL ? NULL : equals + 1, err);
}

/* "-v", "-vy" (two options without value), "-pFILE", "-p FILE". */
static int parse_short(struct parser *parser, const char *letters, struct err *err)
{
    for (const char *at = letters; *at != '\0'; at++) {
        const struct option_spec *spec = find_short(parser, *at);
        if (spec == NULL)
            return FAIL(err, ERR_USAGE, "unknown option '-%c'", *at);
        if (spec->value_name != NULL)
            return take_value(parser, spec, at[1] == '\0' ? NULL : at + 1, err);
        if (take_value(parser, spec, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int add_argument(struct parser *parser, const char *text, struct err *err)
{
    struct options *result = &parser->result;
    if (result->argument_count == OPTIONS_MAX)
        return FAIL(err, ERR_USAGE, "more than %d arguments", OPTIONS_MAX);
    result->arguments[result->argument_count++] = text;
    return 0;
}

static int parse_one(struct parser *parser, const char *text, struct err *err)
{
    if (text[0] != '-' || text[1] == '\0') /* "-" alone: an argument, usually standard input */
        return add_argument(parser, text, err);
    if (text[1] == '-')
        return parse_long(parser, text + 2, err);
    return parse_short(parser, text + 1, err);
}

int options_parse(const struct option_spec *specs, size_t spec_count, int argc,
                  const char *const *argv, struct options *ret, struct err *err)
{
    struct parser parser = {.specs = specs, .spec_count = spec_count, .argc = argc, .argv = argv};
    bool options_ended = false;
    while (parser.next < argc) {
        const char *text = argv[parser.next++];
        if (!options_ended && strcmp(text, "--") == 0) {
            options_ended = true;
            continue;
        }
        int result =
            options_ended ? add_argument(&parser, text, err) : parse_one(&parser, text, err);
        if (result < 0)
            return -1;
    }
    *ret = parser.result;
    return 0;
}

bool options_has(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->values[i].spec->name, name) == 0)
            return true;
    }
    return false;
}

const char *options_value(const struct options *options, const char *name)
{
    for (size_t i = options->count; i > 0; i--) {
        if (strcmp(options->values[i - 1].spec->name, name) == 0)
            return options->values[i - 1].value;
    }
    return NULL;
}

int options_number(const struct options *options, const char *name, uint64_t max, uint64_t *ret,
                   struct err *err)
{
    char option[32];
    const char *text = options_value(options, name);
    (void)snprintf(option, sizeof(option), "--%s", name);
    if (text == NULL || parse_u64(text, option, 1, max, ret, err) == 0)
        return 0;
    err->kind = ERR_USAGE;
    return -1;
}
