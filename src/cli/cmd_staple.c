// SPDX-License-Identifier: Apache-2.0
/*
 * mse staple: gives a running app a fresh OCSP response of its owner's certificate. Nothing of it
 * is secret, and the enclave checks it for itself, so it needs neither the node nor the owner's
 * key.
 */
#include "cli/command.h"
#include "cli/staple.h"
#include "cli/ui.h"

#include "base/clock.h"
#include "base/file.h"
#include "client/context_store.h"
#include "crypto/ocsp.h"
#include "format/json.h"
#include "model/manifest.h"

enum { ANSWER_MAX = 8192, TIMEOUT_S = 30, PEM_MAX = 64 << 10 };

int staple_send(struct attested *app, struct slice response, struct err *err)
{
    AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
    int status;
    if (attested_request(app, "POST", "/.well-known/mse/ocsp", response, &status, &answer, err) < 0)
        return -1;
    return status == 200 ? 0 : attested_refused("stapling", status, &answer, err);
}

/* What the enclave will check, checked here first: the error is the same and comes without an app.
 */
static int check_here(const struct context *context, struct slice response,
                      struct ocsp_validity *ret, struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_BUF struct buf pem = BUF_INIT(PEM_MAX);
    AUTO_X509 X509 *certificate = NULL;
    if (context_store_certificate_path(context->id, &path, err) < 0 ||
        file_read(path, &pem, err) < 0 ||
        certificate_from_pem(buf_slice(&pem), &certificate, err) < 0)
        return FAIL_CONTEXT(err, "the certificate of '%s'", context->name);
    return ocsp_check(response, certificate, buf_slice(&pem), clock_unix(), ret, err);
}

static int send_to(const struct context *context, const char *host, struct slice response,
                   struct err *err)
{
    const struct attested_expectation expectation = {.host = host, .hooks = ui_hooks()};
    AUTO_ATTESTED struct attested *app = NULL;
    if (attested_open_unverified(context->url, &expectation, TIMEOUT_S, &app, err) < 0)
        return -1;
    return staple_send(app, response, err);
}

static int staple(const struct options *options, struct err *err)
{
    AUTO_CONTEXT struct context context = {0};
    AUTO_BUF struct buf response = BUF_INIT(OCSP_RESPONSE_MAX);
    const char *file = options->arguments[1];
    struct manifest manifest;
    struct ocsp_validity validity;
    if (context_store_find(ui_hooks(), options->arguments[0], &context, err) < 0 ||
        manifest_decode(slice_str(context.manifest), &manifest, err) < 0)
        return -1;
    if (manifest.tls_mode != MANIFEST_TLS_OWNER)
        return FAIL(err, ERR_INVALID,
                    "'%s' shows a certificate that was made in the enclave: there is no responder "
                    "to ask about it",
                    context.name);
    if (file_read(file, &response, err) < 0)
        return -1;
    if (check_here(&context, buf_slice(&response), &validity, err) < 0)
        return FAIL_CONTEXT(err, "%s", file);
    if (send_to(&context, manifest.tls_host_name, buf_slice(&response), err) < 0)
        return -1;
    char until[RFC3339_SIZE];
    rfc3339_format(validity.next_update, until);
    if (ui_json())
        return ui_print_json(JSON_OF(JSON_TEXT("id", context.id), JSON_TEXT("until", until)), err);
    ui_info("%s staples it until %s", context.name, until);
    return 0;
}

static const struct option_spec staple_options[] = {OPTION_JSON, OPTION_HELP};

const struct command command_staple = {
    .name = "staple",
    .arguments = "APP FILE",
    .summary = "give a running app a fresh OCSP response of its owner's certificate",
    .text =
        "FILE is the DER answer of the certificate authority's responder, as 'openssl ocsp' "
        "writes it with -respout. The app shows it with its certificate until it ends, and keeps "
        "it over restarts; the first one can come with the deployment (ssl.ocsp_response in "
        "mse.toml). Refused: one of another certificate, one that has expired or is older than "
        "the one that is shown, and one that says that the certificate is revoked.",
    .example =
        "openssl ocsp -issuer ca.pem -cert cert.pem -url http://ocsp.example -respout new.der\n"
        "mse staple shop new.der",
    .options = staple_options,
    .option_count = ARRAY_LEN(staple_options),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = staple,
};
