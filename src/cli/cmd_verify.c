// SPDX-License-Identifier: Apache-2.0
/*
 * mse verify: is the app behind this address what its owner says it is, inside a genuine TEE? Fresh
 * evidence over a random nonce and the session's TLS key is asked for and judged here; with the
 * owner's context and the code, the fingerprint is recomputed from the source.
 */
#include "cli/code_folder.h"
#include "cli/command.h"
#include "cli/image_measured.h"
#include "cli/manifest_facts.h"
#include "cli/storage_check.h"
#include "cli/requested.h"
#include "cli/ui.h"
#include "cli/verify_evidence.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "base/text.h"
#include "client/attested.h"
#include "client/context_store.h"
#include "client/policy.h"
#include "net/tls.h"
#include "package/package.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 30, MAX_AGE_DAYS = 3650 };

struct verification {
    const struct options *options;
    const char *url;
    struct context context; /* has_context */
    bool has_context;
    struct manifest manifest; /* of the context */
    bool has_fingerprint;
    uint8_t fingerprint[SHA256_SIZE];
    struct mse_policy *policy; /* from --policy, owned */
    struct mse_policy fallback;
    struct image_measured image; /* .folder.path NULL: not given */
    struct collateral_services services;
    struct collateral_wish wish;
    struct storage_check storage; /* has_context */
};

/* --- what is expected --- */

static int read_context(struct verification *v, const char *file, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
    if (file_read(file, &text, err) < 0 ||
        context_decode(buf_slice(&text), "context", &v->context, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", file);
    v->has_context = true;
    return 0;
}

/* Beside a context: nothing, or its app by name. Anything else is about something else, and a
 * verdict on the context's app would be taken for one on that. */
static int use_url_of_context(struct verification *v, const char *argument, const char *file,
                              struct err *err)
{
    v->url = v->context.url;
    if (argument == NULL) {
        ui_info("verifying %s, the address in %s", v->url, file);
        return 0;
    }
    if (context_is_named(&v->context, argument))
        return 0;
    (void)FAIL(err, ERR_USAGE, "'%s' is neither an https:// URL nor the app of '%s', which is '%s'",
               argument, file, v->context.name);
    err_hint(err, "give its https:// address, or leave it out: then it is %s", v->url);
    return -1;
}

/* Which address is asked, and which context judges the answer. `argument` NULL: none. */
static int load_target(struct verification *v, const char *argument, struct err *err)
{
    const char *file = options_value(v->options, "context");
    struct endpoint endpoint;
    const char *path;
    bool is_url = argument != NULL && strstr(argument, "://") != NULL;
    if (is_url && endpoint_parse_url(argument, &endpoint, &path, err) < 0)
        return -1;
    if (file != NULL && read_context(v, file, err) < 0)
        return -1;
    if (is_url) {
        v->url = argument;
        return 0;
    }
    if (file != NULL)
        return use_url_of_context(v, argument, file, err);
    if (argument == NULL)
        return FAIL(err, ERR_USAGE, "expected a URL, an app of yours, or --context FILE");
    if (context_store_find(ui_hooks(), argument, &v->context, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            err_hint(err,
                     "an app of somebody else is verified by its address, https://HOST[:PORT]; "
                     "'mse context --list' shows yours");
        return -1;
    }
    v->has_context = true;
    v->url = v->context.url;
    return 0;
}

/* What the context's owner saw counts until something was seen from here. */
static int begin_storage(struct verification *v, struct err *err)
{
    if (storage_check_begin(&v->storage, &v->manifest, v->fingerprint, err) < 0)
        return -1;
    if (v->storage.seen.opening == 0)
        v->storage.seen = v->context.storage;
    return 0;
}

static int load_context(struct verification *v, const char *argument, struct err *err)
{
    if (load_target(v, argument, err) < 0)
        return -1;
    if (!v->has_context)
        return 0;
    v->has_fingerprint = true;
    if (manifest_decode(slice_str(v->context.manifest), &v->manifest, err) < 0)
        return -1;
    if (sha256(slice_str(v->context.manifest), v->fingerprint, err) < 0)
        return -1;
    return begin_storage(v, err);
}

static int load_fingerprint(struct verification *v, struct err *err)
{
    const char *text = options_value(v->options, "fingerprint");
    uint8_t wanted[SHA256_SIZE];
    if (text == NULL)
        return 0;
    if (hex_decode(text, "--fingerprint", wanted, sizeof(wanted), err) < 0) {
        err->kind = ERR_USAGE;
        return -1;
    }
    if (v->has_context && !crypto_equal(wanted, v->fingerprint, SHA256_SIZE))
        return FAIL(err, ERR_REJECTED,
                    "--fingerprint is not the fingerprint of the context's manifest");
    memcpy(v->fingerprint, wanted, sizeof(wanted));
    v->has_fingerprint = true;
    return 0;
}

/* A policy file wins. */
static int load_policy(struct verification *v, struct err *err)
{
    const char *path = options_value(v->options, "policy");
    v->fallback = policy_of_context(v->has_context ? &v->context : NULL);
    if (options_has(v->options, "simulation")) {
        if (path != NULL)
            return FAIL(err, ERR_USAGE,
                        "--simulation: with --policy its own key 'tee' says which are accepted");
        v->fallback.tees |= MSE_TEE_BIT(MSE_TEE_SIMULATION);
    }
    return path == NULL ? 0 : policy_read(path, &v->policy, err);
}

/* The image in a folder must be the one that the manifest names; what the hardware makes of it is
 * computed as the owner does (docs/vm.md). */
static int load_image(struct verification *v, struct err *err)
{
    const char *path = options_value(v->options, "image");
    struct image_folder *folder = &v->image.folder;
    if (path == NULL)
        return 0;
    if (!v->has_context || v->policy != NULL)
        return FAIL(err, ERR_USAGE,
                    "--image needs the owner's context, and no --policy: the measurement in that "
                    "one is yours to write (mse image measure)");
    if (image_folder_open(path, folder, err) < 0)
        return FAIL_CONTEXT(err, "--image '%s'", path);
    for (size_t i = 0; image_weakness(&folder->image, i) != NULL; i++)
        ui_warning("image '%s': %s", folder->image.name, image_weakness(&folder->image, i));
    if (!crypto_equal(folder->digest, v->manifest.environment_digest, SHA256_SIZE)) {
        (void)FAIL(err, ERR_REJECTED, "the app does not run in the image in '%s'", path);
        err_hint(err, "'mse image show' prints an image's digest, 'mse image verify' proves one");
        return -1;
    }
    if (image_measure_for(&v->image, policy_tee_of_name(v->context.tee), err) < 0)
        return FAIL_CONTEXT(err, "--image '%s'", path);
    image_measured_policy(&v->image, &v->fallback);
    ui_info(v->image.result_count > 0 ? "the image is the manifest's, its measurement is computed"
                                      : "the image is the manifest's; this TEE measures none");
    return 0;
}

/* The vendor is asked only with --fetch; an age counts for either. */
static int load_wish(struct verification *v, struct err *err)
{
    uint64_t days = 0;
    if (options_number(v->options, "max-age", MAX_AGE_DAYS, &days, err) < 0)
        return -1;
    v->wish.max_age_s = (int64_t)days * 86400;
    if (options_has(v->options, "fetch")) {
        v->services = collateral_services_from(v->options);
        v->wish.services = &v->services;
    }
    return 0;
}

/* --- the source against the manifest --- */

static void print_check(bool passed, const char *name, const char *text)
{
    if (ui_json())
        return;
    ui_print(passed ? UI_GREEN : UI_RED, "%s", passed ? "pass" : "FAIL");
    ui_print(UI_PLAIN, "  %-24s %s\n", name, text);
}

static int check_commitment(struct verification *v, const char *folder, struct err *err)
{
    AUTO_TREE struct tree *tree = NULL;
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    if (code_folder_scan_published(folder, &tree, err) < 0 ||
        package_commit(tree, slice_of(v->context.salt, sizeof(v->context.salt)), commitment, err) <
            0)
        return FAIL_CONTEXT(err, "code folder '%s'", folder);
    bool same = crypto_equal(commitment, v->manifest.code_commitment, sizeof(commitment));
    print_check(same, "code.commitment",
                same ? "recomputed from the code folder" : "the code folder holds other code");
    if (same)
        return 0;
    (void)FAIL(err, ERR_REJECTED, "the code in '%s' is not the code that was deployed", folder);
    err_hint(err, "compare with the owner's published version; .mseignore decides what counts");
    return -1;
}

static int check_requirements(struct verification *v, const char *folder, struct err *err)
{
    AUTO_REQUESTED struct requested requested = REQUESTED_INIT;
    uint8_t digest[SHA256_SIZE];
    if (requested_read(folder, v->manifest.environment_name, &requested, err) < 0)
        return FAIL_CONTEXT(err, "code folder '%s'", folder);
    if (sha256(buf_slice(&requested.text), digest, err) < 0)
        return -1;
    const char *file = requested_file(&requested);
    bool same = crypto_equal(digest, v->manifest.requirements_digest, SHA256_SIZE);
    AUTO_FREE char *text = str_printf(err, "%s%s", same ? "recomputed from " : "not of ", file);
    if (text == NULL)
        return -1;
    print_check(same, "requirements.digest", text);
    if (!same)
        return FAIL(err, ERR_REJECTED, "'%s/%s' is not the %s that was deployed", folder, file,
                    file);
    return 0;
}

static int check_code(struct verification *v, struct err *err)
{
    const char *folder = options_value(v->options, "code");
    if (folder == NULL)
        return 0;
    if (!v->has_context)
        return FAIL(err, ERR_USAGE,
                    "--code needs the owner's context (--context FILE, or an app of yours)");
    if (check_commitment(v, folder, err) < 0)
        return -1;
    return check_requirements(v, folder, err);
}

/* --- the verdict --- */

static int print_verdict(const struct mse_verdict *verdict, struct err *err)
{
    AUTO_FREE char *text = ui_json() ? mse_verdict_json(verdict) : mse_verdict_text(verdict);
    if (text == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    ui_print(UI_PLAIN, "%s", text);
    return 0;
}

static int write_certificate(struct verification *v, const struct attested *attested,
                             struct err *err)
{
    const char *path = options_value(v->options, "output");
    if (path == NULL)
        return 0;
    AUTO_BUF struct buf pem = BUF_INIT(64 << 10);
    if (attested_certificate_pem(attested, &pem, err) < 0 ||
        file_write_atomic(path, buf_slice(&pem), 0644, err) < 0)
        return -1;
    ui_info("wrote the verified certificate to %s", path);
    return 0;
}

/* What the manifest behind the fingerprint says about the app. */
static int print_facts(const struct attested *attested, struct err *err)
{
    struct manifest manifest;
    const char *text = attested_manifest(attested);
    if (ui_json() || text[0] == '\0')
        return 0;
    if (manifest_decode(slice_str(text), &manifest, err) < 0)
        return FAIL_CONTEXT(err, "what the enclave answered");
    manifest_facts_print(&manifest, "       ");
    return 0;
}

/* How this connection's keys were agreed: what was recorded of it stays closed to a later quantum
 * computer, or does not. */
static void print_key_exchange(const struct attested *attested)
{
    const char *group = attested_key_exchange(attested);
    if (!ui_json())
        ui_print(UI_PLAIN, "       key exchange of this connection: %s%s\n",
                 group[0] == '\0' ? "not named (TLS 1.2)" : group,
                 tls_key_exchange_is_pq(group) ? ", post-quantum" : "");
}

/* Only with a context: without one nobody has said which app it is. */
static int judge_storage(struct verification *v, const struct attested *attested, struct err *err)
{
    const struct storage_word *said = attested_storage(attested);
    if (!v->has_context)
        return 0;
    if (options_has(v->options, "accept-storage"))
        return 0;
    if (storage_check_judge(&v->storage, said, err) == 0)
        return 0;
    print_check(false, "storage.history", err->message);
    return -1;
}

/* All else was good: what was seen now is what counts from now on. */
static void print_storage(const struct verification *v, const struct attested *attested)
{
    char text[160];
    const struct storage_word *said = attested_storage(attested);
    if (!v->has_context)
        return;
    if (options_has(v->options, "accept-storage") && said != NULL)
        (void)snprintf(text, sizeof(text), "opening %llu, as --accept-storage wants it",
                       (unsigned long long)said->now.opening);
    else
        storage_check_text(&v->storage, said, text, sizeof(text));
    if (!ui_json())
        ui_print(UI_PLAIN, "       storage      %s\n", text);
    storage_check_keep(&v->storage, said);
}

static int judge(struct verification *v, struct err *err)
{
    const struct attested_expectation expectation = {
        .hooks = ui_hooks(),
        .fingerprint = v->has_fingerprint ? v->fingerprint : NULL,
        .policy = v->policy != NULL ? v->policy : &v->fallback,
        .host = v->has_context ? v->manifest.tls_host_name : NULL,
        .collateral = v->wish,
        .opening = v->storage.seen.opening,
    };
    AUTO_ATTESTED struct attested *attested = NULL;
    struct mse_verdict *verdict = NULL;
    struct err ignored = ERR_INIT;
    int status = attested_open_on_demand(v->url, &expectation, TIMEOUT_S, &attested, &verdict, err);
    if (status == 0 && judge_storage(v, attested, err) < 0) {
        mse_verdict_free(verdict); /* no ACCEPTED above a failure */
        return -1;
    }
    if (verdict != NULL && print_verdict(verdict, status == 0 ? err : &ignored) < 0)
        status = -1;
    mse_verdict_free(verdict);
    if (status < 0 || print_facts(attested, err) < 0)
        return -1;
    print_storage(v, attested);
    print_key_exchange(attested);
    if (!v->has_fingerprint)
        ui_warning("no fingerprint was expected: the TEE is judged, which app runs is not. Pass "
                   "--fingerprint, or the owner's --context.");
    return write_certificate(v, attested, err);
}

static int verify_app(const struct options *options, struct err *err)
{
    const char *argument = options->argument_count > 0 ? options->arguments[0] : NULL;
    struct verification v = {.options = options};
    int status = -1;
    if (load_context(&v, argument, err) == 0 && load_fingerprint(&v, err) == 0 &&
        load_policy(&v, err) == 0 && load_image(&v, err) == 0 && load_wish(&v, err) == 0 &&
        check_code(&v, err) == 0)
        status = judge(&v, err);
    mse_policy_free(v.policy);
    image_measured_done(&v.image);
    context_done(&v.context);
    return status;
}

static int verify(const struct options *options, struct err *err)
{
    return verify_evidence_wanted(options) ? verify_evidence(options, err)
                                           : verify_app(options, err);
}

static const struct option_spec verify_options[] = {
    {.name = "fingerprint", .value_name = "HEX", .help = "the identity that the app must have"},
    {.name = "context", .value_name = "FILE", .help = "what the owner exported for verification"},
    {.name = "code", .value_name = "FOLDER", .help = "recompute the fingerprint from this code"},
    {.name = "image",
     .value_name = "DIR",
     .help = "the image that it must run in: compared, and its measurement computed"},
    {.name = "policy", .value_name = "FILE", .help = "which evidence is accepted (TOML)"},
    OPTION_SIMULATION,
    {.name = "accept-storage",
     .help = "its owner put older storage back: take it as it is now for the newest"},
    {.name = "output",
     .letter = 'o',
     .value_name = "FILE",
     .help = "write the verified certificate"},
    {.name = "max-age",
     .value_name = "DAYS",
     .help = "refuse collateral of an app that was issued longer ago (default: until it ends)"},
    VERIFY_EVIDENCE_OPTIONS,
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_verify = {
    .name = "verify",
    .arguments = "[URL|APP]",
    .summary = "verify a running app, or a file of evidence",
    .text =
        "Asks the app for fresh evidence over a random nonce and judges it: genuine TEE, TCB, "
        "no debug, the TLS key of this very session, the fingerprint. Without URL or APP the "
        "address is the one in --context. With --context and --code the fingerprint is "
        "recomputed from the source. With a context it is remembered here how often the app's "
        "storage was opened, and an older copy of it is rejected from then on. The vendor's "
        "collateral comes with the app's evidence, and "
        "how old it is is said; no vendor is asked but with --fetch. The simulated TEE is accepted "
        "only "
        "where the context, the policy or --simulation names it; it protects nothing from the "
        "operator. With "
        "--evidence a file is judged instead, without any connection. Exit status 3: rejected.",
    .example = "mse verify https://localhost:4711 --context hello.context --code ./code\n"
               "mse verify hello --output cert.pem\n"
               "mse verify --evidence quote.bin --collateral bundle.json --policy strict.toml",
    .options = verify_options,
    .option_count = ARRAY_LEN(verify_options),
    .max_arguments = 1,
    .run = verify,
};
