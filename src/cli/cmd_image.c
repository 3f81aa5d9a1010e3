// SPDX-License-Identifier: Apache-2.0
/*
 * mse image build, verify, lock: images of confidential VMs from Debian packages. The work is done
 * by mse-image (tools/image), which takes this program's place; mse finds it, and the two programs
 * that are part of an image, beside itself.
 */
#include "cli/command.h"

#include "base/mem.h"
#include "client/owner.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ARGV_MAX = 24 };

struct tool_argv {
    const char *items[ARGV_MAX];
    size_t count;
};

static void add(struct tool_argv *argv, const char *name, const char *value)
{
    if (name != NULL && value == NULL)
        return;
    if (name != NULL)
        argv->items[argv->count++] = name;
    argv->items[argv->count++] = value;
}

/* Does not return where all is well. */
static int become_tool(const char *verb, const struct options *options, struct err *err)
{
    AUTO_FREE char *tool = NULL;
    AUTO_FREE char *enclave = NULL;
    AUTO_FREE char *init = NULL;
    struct tool_argv argv = {.count = 0};
    if (program_find("mse-image", &tool, err) < 0 ||
        program_find("mse-enclave", &enclave, err) < 0 || program_find("mse-init", &init, err) < 0)
        return FAIL_CONTEXT(err, "image");
    add(&argv, NULL, tool);
    add(&argv, NULL, verb);
    add(&argv, "--enclave", enclave);
    add(&argv, "--init", init);
    if (strcmp(verb, "build") == 0) {
        add(&argv, "--output", options_value(options, "output"));
        add(&argv, "--inputs", options_value(options, "inputs"));
        if (options_has(options, "debug"))
            add(&argv, NULL, "--debug");
    }
    if (strcmp(verb, "verify") != 0)
        add(&argv, "--images", options_value(options, "images"));
    add(&argv, NULL, "--");
    add(&argv, NULL, options->arguments[0]);
    (void)execv(tool, (char *const *)argv.items);
    return FAIL_ERRNO(err, ERR_IO, "cannot run '%s'", tool);
}

/* --- build --- */

static int build(const struct options *options, struct err *err)
{
    return become_tool("build", options, err);
}

#define OPTION_IMAGES                                                                              \
    {                                                                                              \
        .name = "images", .value_name = "DIR",                                                     \
        .help = "where recipes and lock files are (default: those that came with mse)"             \
    }

static const struct option_spec build_options[] = {
    {.name = "output",
     .letter = 'o',
     .value_name = "DIR",
     .help = "the image's folder (default: NAME, here)"},
    {.name = "inputs",
     .value_name = "DIR",
     .help = "take packages and signed lists from the inputs of an image, not from a mirror"},
    {.name = "debug",
     .help = "with a console that the host reads: another measurement, for development only"},
    OPTION_IMAGES,
    OPTION_HELP,
};

const struct command command_image_build = {
    .name = "image build",
    .arguments = "NAME",
    .summary = "build the image of a confidential VM from its lock file",
    .text = "Fetches the Debian packages that the lock file names, proves each from Debian's "
            "signed lists, and makes kernel, initrd, root file system with its verity tree, "
            "firmware and image.json: the same bytes on every machine. What it was made from lies "
            "beside it, in inputs/. None of the packages' scripts runs, and nothing needs root.",
    .example = "mse image build mse-flask\nmse image build mse-flask --inputs theirs/inputs",
    .options = build_options,
    .option_count = ARRAY_LEN(build_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = build,
};

/* --- verify --- */

static int verify(const struct options *options, struct err *err)
{
    return become_tool("verify", options, err);
}

static const struct option_spec verify_options[] = {OPTION_HELP};

const struct command command_image_verify = {
    .name = "image verify",
    .arguments = "DIR",
    .summary = "prove an image from Debian's signatures and rebuild it",
    .text = "Checks the signatures of the lists in the image's inputs with Debian's keyring, that "
            "they lead to the hash of every package, and that these packages, built once more "
            "here, are this image to the last byte. Needs no network.",
    .example = "mse image verify mse-flask",
    .options = verify_options,
    .option_count = ARRAY_LEN(verify_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = verify,
};

/* --- lock --- */

static int lock(const struct options *options, struct err *err)
{
    return become_tool("lock", options, err);
}

static const struct option_spec lock_options[] = {OPTION_IMAGES, OPTION_HELP};

const struct command command_image_lock = {
    .name = "image lock",
    .arguments = "NAME",
    .summary = "make a new lock file from today's signed lists",
    .text =
        "Resolves the recipe NAME.toml against Debian's lists of today, writes NAME.lock beside "
        "it and prints what changed. A new lock is a new image with other measurements.",
    .example = "mse image lock mse-flask",
    .options = lock_options,
    .option_count = ARRAY_LEN(lock_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = lock,
};
