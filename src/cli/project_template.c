// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a new mse.toml.
 */
#include "cli/project_template.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { NAME_MAX_LEN = 64 };

char *project_template_text(const struct project_template *values, struct err *err)
{
    bool health = values->health[0] != '\0';
    return str_printf(
        err,
        "# What mse deploys. Nothing in it is secret: commit it. mse.toml(5) has every key.\n"
        "name = \"%s\"\n"
        "project = \"default\"\n"
        "resource = \"free\"\n"
        "%s"
        "\n"
        "[code]\n"
        "location = \"%s\"\n"
        "python_application = \"%s\"\n"
        "%s%s%s"
        "docker = \"mse-flask\"\n"
        "%s",
        values->name, values->tests, values->location, values->application,
        health ? "healthcheck_endpoint = \"" : "", values->health, health ? "\"\n" : "",
        values->secrets);
}

int project_name_check(const char *name, struct err *err)
{
    bool good = name[0] != '\0' && strlen(name) <= NAME_MAX_LEN && name[0] != '.';
    for (const char *c = name; *c != '\0'; c++)
        good = good && (isalnum((unsigned char)*c) || strchr("._-", *c) != NULL);
    if (!good)
        return FAIL(err, ERR_USAGE,
                    "'%s' cannot be an app's name: expected 1 to %d of A-Z a-z 0-9 . _ -", name,
                    NAME_MAX_LEN);
    return 0;
}
