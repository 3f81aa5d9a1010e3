// SPDX-License-Identifier: Apache-2.0
/*
 * mse image show, measure: what an image is, and what the hardware will say of a guest that starts
 * from it. Nobody's word is taken for the files: each is compared with image.json first.
 */
#include "cli/command.h"
#include "cli/image_measured.h"
#include "cli/ui.h"

#include "base/text.h"
#include "format/json.h"
#include "model/guest.h"

#include <stdio.h>
#include <string.h>

static int measure_snp(const struct options *options, struct image_measured *measured,
                       struct err *err)
{
    struct image_guest guest = IMAGE_GUEST_OF_LAUNCHER;
    uint64_t vcpus = guest.vcpus;
    const char *vcpus_text = options_value(options, "vcpus");
    const char *features = options_value(options, "features");
    const char *cpu = options_value(options, "cpu");
    if (cpu != NULL)
        guest.cpu = cpu;
    if (vcpus_text != NULL && parse_u64(vcpus_text, "--vcpus", 1, 512, &vcpus, err) < 0)
        return -1;
    if (features != NULL &&
        parse_u64(features, "--features", 1, UINT32_MAX, &guest.sev_features, err) < 0)
        return -1;
    guest.vcpus = (uint32_t)vcpus;
    return image_measure_snp(measured, &guest, err);
}

static int measure_tdx(const struct options *options, struct image_measured *measured,
                       struct err *err)
{
    struct image_guest guest = IMAGE_GUEST_OF_LAUNCHER;
    guest.mrtd_add_first = options_has(options, "mrtd-add-first");
    return image_measure_tdx(measured, &guest, err);
}

static const struct tee_measurer {
    const char *name;
    int (*measure)(const struct options *options, struct image_measured *measured, struct err *err);
    const char *const *options; /* that mean something with it, NULL behind the last */
} measurers[] = {
    {"snp", measure_snp, (const char *const[]){"cpu", "vcpus", "features", NULL}},
    {"tdx", measure_tdx, (const char *const[]){"mrtd-add-first", NULL}},
};

static bool has_option(const struct tee_measurer *measurer, const char *name)
{
    for (const char *const *option = measurer->options; *option != NULL; option++) {
        if (strcmp(*option, name) == 0)
            return true;
    }
    return false;
}

/* An option of another TEE that is passed over in silence would measure something unasked. */
static int check_options(const struct options *options, const struct tee_measurer *measurer,
                         struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(measurers); i++) {
        for (const char *const *option = measurers[i].options; *option != NULL; option++) {
            if (options_has(options, *option) && !has_option(measurer, *option))
                return FAIL(err, ERR_USAGE, "--%s is for --tee %s, not for %s", *option,
                            measurers[i].name, measurer->name);
        }
    }
    return 0;
}

static int find_measurer(const struct options *options, const struct tee_measurer **ret,
                         struct err *err)
{
    const char *name = options_value(options, "tee");
    if (name == NULL)
        return FAIL(err, ERR_USAGE, "no --tee, expected \"snp\" or \"tdx\"");
    for (size_t i = 0; i < ARRAY_LEN(measurers); i++) {
        if (strcmp(name, measurers[i].name) == 0) {
            *ret = &measurers[i];
            return check_options(options, *ret, err);
        }
    }
    return FAIL(err, ERR_USAGE, "--tee '%s', expected \"snp\" or \"tdx\"", name);
}

static int put_weaknesses(json_t *document, const struct image *image, struct err *err)
{
    json_t *list = json_array();
    const char *weakness = image_weakness(image, 0);
    for (size_t i = 0; list != NULL && weakness != NULL; weakness = image_weakness(image, ++i)) {
        if (json_array_append_new(list, json_string(weakness)) < 0)
            return FAIL(err, ERR_MEMORY, "out of memory");
    }
    return json_put(document, "weaknesses", list, err);
}

static int print_measured_json(const struct image_measured *measured, const char *tee,
                               struct err *err)
{
    AUTO_JSON json_t *document = json_new_object(err);
    if (document == NULL ||
        json_put_hex(document, "image", slice_of(measured->folder.digest, SHA256_SIZE), err) < 0 ||
        json_put_text(document, "tee", tee, err) < 0)
        return -1;
    for (size_t i = 0; i < measured->result_count; i++) {
        const struct image_result *result = &measured->results[i];
        if (json_put_hex(document, result->name, slice_of(result->digest, MSE_SHA384_SIZE), err) <
            0)
            return -1;
    }
    if (put_weaknesses(document, &measured->folder.image, err) < 0)
        return -1;
    return ui_print_json(json_incref(document), err);
}

static void print_weaknesses(const struct image *image)
{
    for (size_t i = 0; image_weakness(image, i) != NULL; i++)
        ui_warning("%s", image_weakness(image, i));
}

/* A policy (docs/attestation.md) that accepts guests of this image alone. */
static void print_policy(const struct image_measured *measured, const char *tee)
{
    const char *table = "";
    char value[2 * MSE_SHA384_SIZE + 1];
    ui_print(UI_PLAIN, "tee = \"%s\"\n", tee);
    for (size_t i = 0; i < measured->result_count; i++) {
        if (strcmp(measured->results[i].table, table) != 0)
            ui_print(UI_PLAIN, "[%s]\n", measured->results[i].table);
        table = measured->results[i].table;
        hex_encode(slice_of(measured->results[i].digest, MSE_SHA384_SIZE), value);
        ui_print(UI_PLAIN, "%s = \"%s\"\n", measured->results[i].name, value);
    }
}

static int measure(const struct options *options, struct err *err)
{
    AUTO_IMAGE_MEASURED struct image_measured measured = {.result_count = 0};
    const struct tee_measurer *measurer;
    if (find_measurer(options, &measurer, err) < 0 ||
        image_folder_open(options->arguments[0], &measured.folder, err) < 0 ||
        measurer->measure(options, &measured, err) < 0)
        return -1;
    print_weaknesses(&measured.folder.image);
    if (ui_json())
        return print_measured_json(&measured, measurer->name, err);
    print_policy(&measured, measurer->name);
    return 0;
}

static const struct option_spec measure_options[] = {
    {.name = "tee", .value_name = "TEE", .help = "\"snp\" or \"tdx\""},
    {.name = "cpu",
     .value_name = "MODEL",
     .help = "snp: QEMU's model of the processor (default: EPYC-v4)"},
    {.name = "vcpus", .value_name = "N", .help = "snp: how many processors (default: 1)"},
    {.name = "features",
     .value_name = "N",
     .help = "snp: SEV features, decimal (default: 1, SNP alone; 33: with debug swap)"},
    {.name = "mrtd-add-first",
     .help = "tdx: a host before Linux 6.16, which adds a section's pages before it measures any"},
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_image_measure = {
    .name = "image measure",
    .arguments = "DIR",
    .summary = "compute what the hardware will measure of an image",
    .text = "Compares every file of the folder with image.json and computes, from these files "
            "alone, what a chip will sign of a guest that starts from them: MEASUREMENT of an "
            "SEV-SNP report (with the digest of the published ID key), or MRTD, RTMR1 and RTMR2 of "
            "a TDX quote. What is printed is a policy for `mse verify --policy`; docs/measure.md "
            "says how sure each "
            "of these is.",
    .example = "mse image measure mse-flask --tee snp --cpu EPYC-v4 --vcpus 1\n"
               "mse image measure mse-flask --tee tdx > policy.toml",
    .options = measure_options,
    .option_count = ARRAY_LEN(measure_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = measure,
};

/* --- show --- */

static void print_file(const char *what, const uint8_t sha256[static SHA256_SIZE],
                       const char *package)
{
    char text[2 * SHA256_SIZE + 1];
    if (slice_is_zero(slice_of(sha256, SHA256_SIZE)))
        return;
    hex_encode(slice_of(sha256, SHA256_SIZE), text);
    ui_print(UI_PLAIN, "  %-14s %s%s%s\n", what, text, package[0] == '\0' ? "" : "  ", package);
}

static void print_image(const struct image_folder *folder)
{
    const struct image *image = &folder->image;
    char digest[2 * SHA256_SIZE + 1];
    char verity[VERITY_TEXT_SIZE];
    char memory[UI_SIZE_TEXT];
    hex_encode(slice_of(folder->digest, SHA256_SIZE), digest);
    verity_text(&image->verity, verity);
    ui_size_text(image->memory_min, memory);
    ui_print(UI_BOLD, "%s  sha256:%s\n", image->name, digest);
    ui_print(UI_PLAIN, "  %-14s %s\n", "python", image->python);
    print_file("kernel", image->kernel.sha256, image->kernel.package);
    print_file("initrd", image->initrd, "");
    print_file("root", image->root, "");
    ui_print(UI_PLAIN, "  %-14s %s\n", "verity", verity);
    print_file("firmware snp", image->firmware_snp.sha256, image->firmware_snp.package);
    print_file("firmware tdx", image->firmware_tdx.sha256, image->firmware_tdx.package);
    print_file("runtime", image->runtime, "");
    print_file("lock", image->lock, "");
    ui_print(UI_PLAIN, "  %-14s %s at least\n", "memory", memory);
    ui_print(UI_PLAIN, "  %-14s %s\n", "command line", image->cmdline);
}

static int print_image_json(const struct image_folder *folder, struct err *err)
{
    AUTO_JSON json_t *document = NULL;
    if (json_parse(buf_slice(&folder->description), "image", IMAGE_MAX, &document, err) < 0 ||
        json_put_hex(document, "digest", slice_of(folder->digest, SHA256_SIZE), err) < 0 ||
        put_weaknesses(document, &folder->image, err) < 0)
        return -1;
    return ui_print_json(json_incref(document), err);
}

static int show(const struct options *options, struct err *err)
{
    AUTO_IMAGE_FOLDER struct image_folder folder = {0};
    if (image_folder_open(options->arguments[0], &folder, err) < 0)
        return -1;
    print_weaknesses(&folder.image);
    if (ui_json())
        return print_image_json(&folder, err);
    print_image(&folder);
    return 0;
}

static const struct option_spec show_options[] = {OPTION_JSON, OPTION_HELP};

const struct command command_image_show = {
    .name = "image show",
    .arguments = "DIR",
    .summary = "print what an image is made of",
    .text = "Shows the fields of image.json, its SHA-256 (the name of the image, and the "
            "environment's digest in manifests), and what makes it weaker than it could be. The "
            "files beside it are not looked at: `mse image measure` compares them, `mse image "
            "verify` proves them.",
    .example = "mse image show mse-flask",
    .options = show_options,
    .option_count = ARRAY_LEN(show_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = show,
};
