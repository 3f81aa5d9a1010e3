// SPDX-License-Identifier: Apache-2.0
/*
 * mse diff: what is different between two deployments, from their manifests or their evidence, and
 * which input made it so.
 */
#include "cli/command.h"
#include "cli/ui.h"

#include "base/file.h"
#include "model/context.h"
#include "model/manifest.h"

#include "mse/explain.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 8 << 20 };

/* A manifest, or a context that holds one. */
static bool read_manifest(struct slice text, struct manifest *ret)
{
    struct context context = {0};
    struct err ignored = ERR_INIT;
    if (manifest_decode(text, ret, &ignored) == 0)
        return true;
    if (context_decode(text, "context", &context, &ignored) < 0)
        return false;
    bool found = manifest_decode(slice_str(context.manifest), ret, &ignored) == 0;
    context_done(&context);
    return found;
}

static json_t *difference_json(const struct manifest_difference *difference)
{
    return JSON_OF(JSON_TEXT("field", difference->field), JSON_TEXT("a", difference->a),
                   JSON_TEXT("b", difference->b), JSON_TEXT("meaning", difference->meaning));
}

enum { DIFFERENT_STATUS = 1 };

/* As struct command's run. */
static int print_manifests(const struct manifest *a, const struct manifest *b, struct err *err)
{
    AUTO_FREE struct manifest_difference *differences =
        mem_alloc_array(MANIFEST_DIFFERENCES_MAX, sizeof(*differences), err);
    if (differences == NULL)
        return -1;
    size_t count = manifest_diff(a, b, differences);
    if (ui_json()) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            (void)json_array_append_new(list, difference_json(&differences[i]));
        if (ui_print_json(list, err) < 0)
            return -1;
        return count == 0 ? 0 : DIFFERENT_STATUS;
    }
    for (size_t i = 0; i < count; i++) {
        ui_print(UI_BOLD, "%s\n", differences[i].field);
        ui_print(UI_PLAIN, "  a: %s\n  b: %s\n  means: %s\n", differences[i].a, differences[i].b,
                 differences[i].meaning);
    }
    if (count == 0)
        ui_print(UI_PLAIN, "no difference\n");
    return count == 0 ? 0 : DIFFERENT_STATUS;
}

static int print_evidence(const struct buf *a, const struct buf *b, struct err *err)
{
    char message[MSE_ERROR_SIZE];
    bool same = false;
    AUTO_FREE char *text =
        mse_diff((struct mse_bytes){a->data, a->len}, (struct mse_bytes){b->data, b->len},
                 ui_json() ? MSE_JSON : MSE_TEXT, &same, message);
    if (text == NULL)
        return FAIL(err, ERR_INVALID, "%s", message);
    ui_print(UI_PLAIN, "%s", text);
    return same ? 0 : DIFFERENT_STATUS;
}

static int diff(const struct options *options, struct err *err)
{
    AUTO_BUF struct buf a = BUF_INIT(FILE_MAX);
    AUTO_BUF struct buf b = BUF_INIT(FILE_MAX);
    struct manifest first;
    struct manifest second;
    if (file_read(options->arguments[0], &a, err) < 0 ||
        file_read(options->arguments[1], &b, err) < 0)
        return -1;
    if (read_manifest(buf_slice(&a), &first) && read_manifest(buf_slice(&b), &second))
        return print_manifests(&first, &second, err);
    return print_evidence(&a, &b, err);
}

static const struct option_spec diff_options[] = {OPTION_JSON, OPTION_HELP};

const struct command command_diff = {
    .name = "diff",
    .arguments = "A B",
    .summary = "say what differs between two manifests or two pieces of evidence",
    .text =
        "Takes two manifests or exported contexts, and says which of code, requirements, "
        "runtime, environment and options is different; or two pieces of evidence, "
        "certificates or collateral bundles, and compares them field by field. Exit status 1 where "
        "they differ, 0 where they do not.",
    .example = "mse diff old.context new.context\nmse diff cert-1.pem cert-2.pem --json",
    .options = diff_options,
    .option_count = ARRAY_LEN(diff_options),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = diff,
};
