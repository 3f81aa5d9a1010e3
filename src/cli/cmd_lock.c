// SPDX-License-Identifier: Apache-2.0
/*
 * mse lock: requirements.txt resolved to wheels with hashes, on the owner's machine.
 */
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/app_config.h"
#include "cli/command.h"
#include "cli/project.h"
#include "cli/requested.h"
#include "cli/ui.h"
#include "cli/wheels.h"

static int read_lines(const struct app_config *config, struct buf *out, struct err *err)
{
    AUTO_FREE char *path = path_join(config->code, REQUIREMENTS_FILE, err);
    AUTO_BUF struct buf text = BUF_INIT(LOCK_MAX);
    if (path == NULL || file_read(path, &text, err) < 0 ||
        lock_requirements(buf_slice(&text), config->docker, out, err) < 0)
        return -1;
    if (out->len == 0)
        return FAIL(err, ERR_INVALID, "'%s' asks for nothing: there is nothing to lock", path);
    return 0;
}

/* Whatever would stop a deployment is said now. */
static int show_layer(const struct requirements_lock *lock, const char *path, struct err *err)
{
    struct layer_image layer = {.fd = -1};
    char root[2 * VERITY_ROOT_SIZE + 1];
    char size[UI_SIZE_TEXT];
    if (wheels_layer(lock, &layer, err) < 0)
        return -1;
    fd_close(layer.fd);
    hex_encode(slice_of(layer.verity.root, VERITY_ROOT_SIZE), root);
    ui_size_text(layer.made.bytes, size);
    if (ui_json())
        return ui_print_json(JSON_OF(JSON_TEXT("path", path), JSON_TEXT("python", lock->python),
                                     JSON_NUMBER("packages", lock->count),
                                     JSON_NUMBER("files", layer.made.files),
                                     JSON_TEXT("layer", root)),
                             err);
    ui_print(UI_PLAIN, "%s: %zu packages for Python %s; as a layer %llu files, %s, root %.16s…\n",
             path, lock->count, lock->python, (unsigned long long)layer.made.files, size, root);
    return 0;
}

/* What is there, as a deployment takes it. */
static int check(const struct app_config *config, const char *path, struct err *err)
{
    AUTO_REQUESTED struct requested requested = REQUESTED_INIT;
    if (requested_read(config->code, config->docker, &requested, err) < 0)
        return -1;
    if (!requested.is_locked) {
        (void)FAIL(err, ERR_NOT_FOUND, "there is no '%s'", path);
        err_hint(err, "'mse lock' without --check writes it");
        return -1;
    }
    return show_layer(&requested.lock, path, err);
}

static int make(const struct app_config *config, const char *python, const char *path,
                struct err *err)
{
    AUTO_BUF struct buf lines = BUF_INIT(LOCK_MAX);
    AUTO_BUF struct buf text = BUF_INIT(LOCK_MAX);
    AUTO_LOCK struct requirements_lock lock = {.count = 0};
    if (read_lines(config, &lines, err) < 0 ||
        wheels_resolve(python, buf_slice(&lines), &lock, err) < 0 ||
        sha256(buf_slice(&lines), lock.requirements, err) < 0 || lock_encode(&lock, &text, err) < 0)
        return -1;
    if (show_layer(&lock, path, err) < 0)
        return FAIL_CONTEXT(err, "nothing was written");
    return file_write_atomic(path, buf_slice(&text), 0644, err);
}

static int lock_with(const struct options *options, struct app_config *config, struct err *err)
{
    AUTO_FREE char *file = NULL;
    if (project_config_path(options_value(options, "path"), &file, err) < 0 ||
        app_config_read(file, config, err) < 0)
        return -1;
    AUTO_FREE char *path = path_join(config->code, LOCK_FILE, err);
    if (path == NULL)
        return -1;
    return options_has(options, "check")
               ? check(config, path, err)
               : make(config, options_value(options, "python"), path, err);
}

static int lock(const struct options *options, struct err *err)
{
    struct app_config config = {0};
    int result = lock_with(options, &config, err);
    app_config_done(&config);
    return result;
}

static const struct option_spec lock_options[] = {
    OPTION_PATH,
    {.name = "python",
     .value_name = "PROGRAM",
     .help = "the Python to resolve for, of the environment's version (default: "
             "/usr/bin/python3)"},
    {.name = "check",
     .help = "resolve nothing: is requirements.lock there, of this requirements.txt, can its "
             "wheels be had, and which layer do they make"},
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_lock = {
    .name = "lock",
    .arguments = "",
    .summary = "resolve requirements.txt to wheels with hashes, in requirements.lock",
    .text = "pip resolves requirements.txt on this machine and fetches wheels alone: nothing of a "
            "package runs. What they are, one a line with its SHA-256, goes to requirements.lock "
            "beside requirements.txt, and from then on a deployment takes these and nothing else. "
            "After "
            "a change of requirements.txt lock again.",
    .example = "mse lock\nmse lock --check --json\nmse lock --python /usr/bin/python3.11",
    .options = lock_options,
    .option_count = ARRAY_LEN(lock_options),
    .run = lock,
};
