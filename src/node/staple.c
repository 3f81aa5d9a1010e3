// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the app for evidence, the vendor for the collateral of that evidence, and gives it to the
 * app. What the app says is anything at all: it only decides which of the vendor's documents are
 * asked for.
 */
#include "node/staple.h"

#include "base/log.h"
#include "base/text.h"
#include "client/collateral_fetch.h"
#include "crypto/crypto.h"
#include "http/client.h"
#include "model/attestation_document.h"
#include "model/evidence.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 4096, PATH_SIZE = 128, REQUEST_MS = 20 * 1000 };

static const char *given(const char *argument)
{
    return strcmp(argument, "-") == 0 ? NULL : argument;
}

static struct collateral_services services_of(const char *const *arguments)
{
    struct collateral_services services = collateral_services_of_vendors();
    const char *pccs = given(arguments[STAPLE_PCCS]);
    const char *kds = given(arguments[STAPLE_KDS]);
    if (pccs != NULL) {
        services.pcs = pccs;
        services.root_crl = NULL;
    }
    if (kds != NULL)
        services.kds = kds;
    services.vlek = given(arguments[STAPLE_VLEK]);
    services.refresh = strcmp(arguments[STAPLE_HOW], STAPLE_REFRESH) == 0;
    return services;
}

/* Whose certificate it is does not matter: nothing secret is sent, nothing said is believed. */
static int accept_certificate(void *context, struct slice der, struct err *err)
{
    (void)context;
    (void)der;
    (void)err;
    return 0;
}

static int ask(struct http_client *client, struct attestation_document *ret, struct err *err)
{
    uint8_t nonce[ATTESTATION_NONCE_SIZE];
    char text[2 * ATTESTATION_NONCE_SIZE + 1];
    char path[PATH_SIZE];
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    response.body.max = ATTESTATION_DOCUMENT_MAX;
    if (random_bytes(nonce, sizeof(nonce), err) < 0)
        return -1;
    hex_encode(slice_of(nonce, sizeof(nonce)), text);
    (void)snprintf(path, sizeof(path), "/.well-known/mse/attestation?nonce=%s", text);
    const struct http_client_request request = {
        .method = "GET", .target = path, .deadline_ms = REQUEST_MS};
    if (http_client_request(client, &request, &response, err) < 0)
        return -1;
    if (response.status != 200)
        return FAIL(err, ERR_UNREACHABLE, "the enclave answered %d when asked for evidence",
                    response.status);
    return attestation_document_decode(buf_slice(&response.body), ret, err);
}

static int give(struct http_client *client, struct slice bundle, struct err *err)
{
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    response.body.max = ANSWER_MAX;
    const struct http_client_request request = {.method = "POST",
                                                .target = "/.well-known/mse/collateral",
                                                .body = bundle,
                                                .deadline_ms = REQUEST_MS};
    if (http_client_request(client, &request, &response, err) < 0)
        return -1;
    return response.status == 200
               ? 0
               : FAIL(err, ERR_UNREACHABLE, "the enclave answered %d when given collateral",
                      response.status);
}

static int staple(const char *const *arguments, struct err *err)
{
    const struct tls_client_config tls_config = {.verify = accept_certificate, .allow_tls12 = true};
    const struct collateral_services services = services_of(arguments);
    AUTO_TLS_CLIENT struct tls_client *tls = NULL;
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
    AUTO_BUF struct buf bundle = BUF_INIT(ATTESTATION_COLLATERAL_MAX);
    if (tls_client_new(&tls_config, &tls, err) < 0)
        return -1;
    const struct http_client_config config = {
        .use_fd = true, .fd = STAPLE_FD, .proxy_local = true, .tls = tls};
    if (http_client_connect(&config, &client, err) < 0 || ask(client, &document, err) < 0)
        return -1;
    if (evidence_recognise(buf_slice(&document.evidence)))
        return FAIL(err, ERR_UNSUPPORTED, "a simulated TEE has no collateral");
    if (collateral_fetch(&services, buf_slice(&document.evidence), &bundle, err) < 0)
        return FAIL_CONTEXT(err, "the vendor's collateral");
    return give(client, buf_slice(&bundle), err);
}

int staple_main(const char *const *arguments, int count)
{
    struct err err = ERR_INIT;
    if (count != STAPLE_ARGUMENTS)
        (void)FAIL(&err, ERR_USAGE, "staple: %d arguments expected, found %d", STAPLE_ARGUMENTS,
                   count);
    else if (staple(arguments, &err) == 0)
        return 0;
    (void)fprintf(stderr, "%s\n", err.message);
    return err_exit_status(err.kind);
}
