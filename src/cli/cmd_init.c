// SPDX-License-Identifier: Apache-2.0
/*
 * mse init: an mse.toml for code that is there. It is read, nothing of it runs.
 */
#include "base/file.h"
#include "cli/command.h"
#include "cli/detect_app.h"
#include "cli/project_template.h"
#include "cli/ui.h"
#include "format/names.h"
#include "model/manifest.h"

#include <string.h>

static const struct option_spec init_options[] = {
    {.name = "code",
     .value_name = "FOLDER",
     .help = "where the code is (default: ./code, ./src, or this folder)"},
    {.name = "application",
     .value_name = "MODULE:VARIABLE",
     .help = "the app, or its factory with () behind (default: what is found)"},
    {.name = "name", .value_name = "NAME", .help = "the app's name (default: the folder's)"},
    OPTION_HELP,
};

static const char *code_folder(const struct options *options, struct err *err)
{
    static const char *const usual[] = {"./code", "./src", "."};
    const char *code = options_value(options, "code");
    for (size_t i = 0; code == NULL && i < ARRAY_LEN(usual); i++)
        code = file_exists(usual[i]) ? usual[i] : NULL;
    if (code != NULL && file_exists(code))
        return code;
    (void)FAIL(err, ERR_NOT_FOUND, "there is no code folder '%s'", code == NULL ? "." : code);
    err_hint(err, "name it with --code");
    return NULL;
}

/* Several apps: which? */
static int choose(const struct detected_apps *apps, size_t *ret, struct err *err)
{
    AUTO_BUF struct buf list = BUF_INIT(8192);
    for (size_t i = 0; i < apps->count; i++) {
        if (buf_printf(&list, err, "%s%s", i > 0 ? ", " : "", apps->items[i].application) < 0)
            return -1;
    }
    if (!ui_can_ask()) {
        (void)FAIL(err, ERR_USAGE, "there are several apps: %s%s", buf_text(&list),
                   apps->more ? ", ..." : "");
        err_hint(err, "choose one: mse init --application %s", apps->items[0].application);
        return -1;
    }
    for (size_t i = 0; i < apps->count; i++)
        ui_info("  %zu  %s  (%s)", i + 1, apps->items[i].application, apps->items[i].framework);
    return ui_choose(apps->count, ret, err, "Which app is to be deployed?");
}

static int find_app(const char *code, const char *named, struct detected_app *ret, struct err *err)
{
    struct detected_apps apps;
    size_t chosen = 0;
    if (detect_apps(code, &apps, err) < 0)
        return -1;
    for (size_t i = 0; named != NULL && i < apps.count; i++) {
        if (strcmp(apps.items[i].application, named) == 0) {
            *ret = apps.items[i];
            return 0;
        }
    }
    *ret = (struct detected_app){.framework = ""};
    (void)snprintf(ret->application, sizeof(ret->application), "%s",
                   named != NULL ? named : "app:app");
    if (named != NULL)
        return 0;
    if (apps.count == 0) {
        ui_warning("no app was found in '%s': set python_application by hand", code);
        return 0;
    }
    if (apps.count > 1 && choose(&apps, &chosen, err) < 0)
        return -1;
    *ret = apps.items[chosen];
    ui_info("found %s, made by %s", ret->application, ret->framework);
    return 0;
}

/* Flask is part of the environment; anything else comes with requirements.txt. */
static void warn_of_requirements(const char *code, const struct detected_app *app)
{
    struct err ignored = ERR_INIT;
    AUTO_FREE char *path = path_join(code, "requirements.txt", &ignored);
    if (app->framework[0] == '\0' || strcmp(app->framework, "Flask") == 0 || path == NULL ||
        file_exists(path))
        return;
    ui_warning("%s needs its packages in '%s', one a line: the environment has Flask alone",
               app->framework, path);
}

static int init(const struct options *options, struct err *err)
{
    const char *named = options_value(options, "application");
    const char *code = code_folder(options, err);
    AUTO_FREE char *here = path_resolve(".", err);
    if (code == NULL || here == NULL)
        return -1;
    if (named != NULL && !manifest_application_valid(named))
        return FAIL(err, ERR_USAGE, "'%s' is no app: expected MODULE:VARIABLE or MODULE:FACTORY()",
                    named);
    const char *name = options_value(options, "name");
    if (name == NULL)
        name = path_base(here);
    struct detected_app app;
    if (project_name_check(name, err) < 0 || find_app(code, named, &app, err) < 0)
        return -1;
    const struct project_template values = {
        .name = name,
        .tests = file_exists("tests") ? "tests = \"./tests\"\n" : "",
        .location = code,
        .application = app.application,
        .health = app.health,
        .secrets = file_exists("secrets.json") ? "secrets = \"./secrets.json\"\n" : ""};
    AUTO_FREE char *toml = project_template_text(&values, err);
    if (toml == NULL || file_create_new("mse.toml", slice_str(toml), 0644, err) < 0) {
        if (err->kind == ERR_EXISTS)
            err_hint(err, "edit it, or remove it first");
        return -1;
    }
    ui_print(UI_PLAIN, "%s", toml);
    warn_of_requirements(code, &app);
    ui_info("wrote mse.toml; check it, then 'mse deploy --dry-run'");
    return 0;
}

const struct command command_init = {
    .name = "init",
    .arguments = "",
    .summary = "write an mse.toml for the project in this folder",
    .text =
        "Reads the code, without running any of it, for an app of Flask, FastAPI, Starlette, "
        "Quart, Litestar, Django, Bottle, Dash or Falcon, or a function that makes one, and for "
        "a path that tells its health, and writes mse.toml. Where there are several apps it "
        "asks. An mse.toml that exists is left alone.",
    .example = "mse init --code ./src --name shop",
    .options = init_options,
    .option_count = ARRAY_LEN(init_options),
    .run = init,
};
