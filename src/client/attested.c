// SPDX-License-Identifier: Apache-2.0
/*
 * Verified connections to enclaves. The judgement is libmse's; this file brings it the certificate
 * or the fresh evidence of the very session that is used afterwards.
 */
#include "client/attested.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "format/json.h"
#include "http/client.h"
#include "model/attestation_document.h"
#include "model/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CERTIFICATE_MAX = 128 << 10, PATH_SIZE = 256, COLLATERAL_WAIT_MS = 30 * 1000, ASK_MS = 500 };

/* What the certificate callback needs, and what it found. */
struct judgement {
    const struct attested_expectation *expectation;
    const struct collateral_choice *collateral; /* NULL: none is there yet */
    struct mse_verdict *verdict;
};

struct attested {
    struct tls_client *tls;
    struct http_client *client;
    struct judgement judgement;
    struct buf certificate;
    uint8_t channel_binding[TLS_CHANNEL_BINDING_SIZE];
    char *manifest; /* of an attestation document */
    bool has_storage;
    struct storage_word storage; /* of one */
    int64_t until_ms;            /* monotonic: how long its answers may take; 0: no limit */
};

/* --- judging --- */

int attested_rejected(const struct mse_verdict *verdict, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(600);
    struct err ignored = ERR_INIT;
    const char *hint = "";
    for (size_t i = 0; i < verdict->check_count; i++) {
        const struct mse_check *check = &verdict->checks[i];
        if (check->result != MSE_FAIL)
            continue;
        (void)!buf_printf(&text, &ignored, "%s%s: found %.120s, expected %.120s",
                          text.len == 0 ? "" : "; ", check->name, check->found, check->expected);
        if (hint[0] == '\0')
            hint = check->hint;
    }
    (void)FAIL(err, ERR_REJECTED, "the evidence is rejected: %s", buf_text(&text));
    err_hint(err, "%s", hint);
    return -1;
}

static struct mse_verdict *judge(const struct attested_expectation *expectation,
                                 struct slice evidence, struct slice collateral,
                                 const uint8_t *report_data)
{
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {evidence.data, evidence.len},
        .collateral = {collateral.data, collateral.len},
        .policy = expectation->policy,
        .at = clock_unix(),
        .report_data = report_data,
        .fingerprint = expectation->fingerprint,
    };
    return mse_verify(&input);
}

/* Inside the handshake, before anything was sent but the ClientHello. */
static int judge_certificate(void *context, struct slice der, struct err *err)
{
    struct judgement *judgement = context;
    const struct collateral_choice *choice = judgement->collateral;
    mse_verdict_free(judgement->verdict);
    judgement->verdict =
        judge(judgement->expectation, der,
              choice == NULL ? slice_of(NULL, 0) : buf_slice(&choice->bundle), NULL);
    if (judgement->verdict == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    return judgement->verdict->accepted ? 0 : attested_rejected(judgement->verdict, err);
}

/* For the ways in that judge later, or on demand of the user not at all. */
static int accept_certificate(void *context, struct slice der, struct err *err)
{
    (void)context;
    (void)der;
    (void)err;
    return 0;
}

/* --- connecting --- */

static int connect_with(const char *url, const struct attested_expectation *expectation,
                        int timeout_s, tls_verify verify, struct attested *attested,
                        struct err *err)
{
    struct endpoint endpoint;
    const char *path; /* whatever the user pasted with the address: all of the host is one app */
    if (endpoint_parse_url(url, &endpoint, &path, err) < 0)
        return -1;
    const struct tls_client_config tls = {
        .verify = verify,
        .verify_context = &attested->judgement,
        /* An owner's certificate may be served over TLS 1.2; RA-TLS is 1.3 only. */
        .allow_tls12 = verify != judge_certificate,
    };
    attested->certificate.max = CERTIFICATE_MAX;
    attested->judgement.expectation = expectation;
    if (tls_client_new(&tls, &attested->tls, err) < 0)
        return -1;
    const struct http_client_config config = {
        .host = endpoint.host,
        .port = endpoint.port,
        .tls = attested->tls,
        .server_name = expectation->host != NULL ? expectation->host : endpoint.host,
        .connect_timeout_ms = timeout_s * 1000,
        .interrupted = client_interrupted(expectation->hooks),
    };
    if (http_client_connect(&config, &attested->client, err) < 0 ||
        http_client_channel_binding(attested->client, attested->channel_binding, err) < 0)
        return -1;
    return http_client_certificate(attested->client, &attested->certificate, err);
}

static struct mse_verdict *take_verdict(struct attested *attested)
{
    struct mse_verdict *verdict = attested->judgement.verdict;
    attested->judgement.verdict = NULL;
    return verdict;
}

static void give_verdict(struct attested *attested, struct mse_verdict **ret)
{
    struct mse_verdict *verdict = take_verdict(attested);
    if (ret != NULL)
        *ret = verdict;
    else
        mse_verdict_free(verdict);
}

int attested_open_unverified(const char *url, const struct attested_expectation *expectation,
                             int timeout_s, struct attested **ret, struct err *err)
{
    AUTO_ATTESTED struct attested *attested = mem_alloc(sizeof(*attested), err);
    if (attested == NULL)
        return -1;
    if (connect_with(url, expectation, timeout_s, accept_certificate, attested, err) < 0)
        return FAIL_CONTEXT(err, "%s", url);
    *ret = STEAL(attested);
    return 0;
}

/* --- on demand --- */

/* `opening` 0: nothing is asked about an earlier one. */
static int fetch_document(struct attested *attested, const uint8_t nonce[static 32],
                          uint64_t opening, struct attestation_document *document, struct err *err)
{
    char more[40] = "";
    char nonce_text[2 * ATTESTATION_NONCE_SIZE + 1];
    char path[PATH_SIZE];
    AUTO_BUF struct buf answer = BUF_INIT(ATTESTATION_DOCUMENT_MAX);
    int status;
    hex_encode(slice_of(nonce, ATTESTATION_NONCE_SIZE), nonce_text);
    if (opening > 0)
        (void)snprintf(more, sizeof(more), "&opening=%llu", (unsigned long long)opening);
    (void)snprintf(path, sizeof(path), "/.well-known/mse/attestation?nonce=%s%s", nonce_text, more);
    if (attested_request(attested, "GET", path, slice_of(NULL, 0), &status, &answer, err) < 0)
        return -1;
    if (status != 200)
        return FAIL(err, ERR_REJECTED,
                    "it does not answer as an enclave: GET /.well-known/mse/attestation gave %d",
                    status);
    if (attestation_document_decode(buf_slice(&answer), document, err) < 0) {
        err->kind = ERR_REJECTED;
        return -1;
    }
    return 0;
}

/* SHA-512(nonce || public key of this session || fingerprint || word of the storage). */
static int expected_report_data(struct attested *attested, const uint8_t nonce[static 32],
                                const uint8_t fingerprint[static SHA256_SIZE],
                                const struct attestation_document *document,
                                uint8_t ret[static SHA512_SIZE], struct err *err)
{
    AUTO_BUF struct buf word = BUF_INIT(STORAGE_WORD_SIZE);
    AUTO_X509 X509 *certificate = NULL;
    AUTO_BUF struct buf key = BUF_INIT(4096);
    if (certificate_from_der(buf_slice(&attested->certificate), &certificate, err) < 0 ||
        public_key_der(X509_get0_pubkey(certificate), &key, err) < 0 ||
        (document->has_storage && storage_word_message(&document->storage, &word, err) < 0))
        return -1;
    const struct slice parts[] = {slice_of(nonce, ATTESTATION_NONCE_SIZE), buf_slice(&key),
                                  slice_of(fingerprint, SHA256_SIZE), buf_slice(&word)};
    return sha512_parts(parts, ARRAY_LEN(parts), ret, err);
}

/* --- collateral --- */

static int choose_collateral(const struct attested_expectation *expectation,
                             const struct attestation_document *document,
                             struct collateral_choice *ret, struct err *err)
{
    char text[256];
    int64_t now = clock_unix();
    struct slice evidence = buf_slice(&document->evidence);
    const char *stapled = document->collateral == NULL ? "" : document->collateral;
    if (evidence_recognise(evidence)) /* the simulation has none */
        return 0;
    if (collateral_choose(&expectation->collateral, evidence, slice_str(stapled), now,
                          expectation->hooks, ret, err) < 0)
        return FAIL_CONTEXT(err, "the collateral");
    collateral_describe(ret, now, text, sizeof(text));
    client_info(expectation->hooks, "collateral: %s", text);
    return 0;
}

static void remember(const struct attested_expectation *expectation,
                     const struct collateral_choice *choice)
{
    if (choice->bundle.len > 0)
        collateral_remember(choice, expectation->hooks);
}

/* A node staples within seconds of the enclave's start, which may be just now. */
static int wait_for_collateral(const char *url, const struct attested_expectation *expectation,
                               int64_t deadline_ms, struct collateral_choice *ret, struct err *err)
{
    uint8_t nonce[ATTESTATION_NONCE_SIZE];
    const volatile sig_atomic_t *interrupted = client_interrupted(expectation->hooks);
    for (;;) {
        AUTO_ATTESTED struct attested *stranger = NULL;
        AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        if (random_bytes(nonce, sizeof(nonce), err) < 0 ||
            attested_open_unverified(url, expectation, left_ms < 1000 ? 1 : (int)(left_ms / 1000),
                                     &stranger, err) < 0 ||
            fetch_document(stranger, nonce, 0, &document, err) < 0)
            return -1;
        bool asks = expectation->collateral.services != NULL;
        if (asks || document.collateral != NULL || left_ms < ASK_MS)
            return choose_collateral(expectation, &document, ret, err);
        if (interrupted != NULL && *interrupted != 0)
            return FAIL(err, ERR_INTERRUPTED, "interrupted");
        clock_sleep_ms(ASK_MS);
    }
}

/* --- by the certificate --- */

static bool lacks_collateral(const struct attested *attested)
{
    const struct mse_verdict *verdict = attested->judgement.verdict;
    return verdict != NULL && !verdict->accepted && verdict->status != NULL &&
           strcmp(verdict->status, "no-collateral") == 0;
}

static void connect_again(struct attested *attested)
{
    http_client_free(attested->client);
    tls_client_free(attested->tls);
    attested->client = NULL;
    attested->tls = NULL;
    buf_clear(&attested->certificate);
}

static int open_judged(const char *url, const struct attested_expectation *expectation,
                       int timeout_s, struct attested *attested, struct err *err)
{
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    int patience_ms = timeout_s * 1000 < COLLATERAL_WAIT_MS ? timeout_s * 1000 : COLLATERAL_WAIT_MS;
    int64_t deadline_ms = clock_monotonic_ms() + patience_ms;
    int status = connect_with(url, expectation, timeout_s, judge_certificate, attested, err);
    if (status == 0 || !lacks_collateral(attested))
        return status;
    err_clear(err);
    connect_again(attested);
    if (wait_for_collateral(url, expectation, deadline_ms, &choice, err) < 0)
        return -1;
    attested->judgement.collateral = &choice;
    status = connect_with(url, expectation, timeout_s, judge_certificate, attested, err);
    attested->judgement.collateral = NULL;
    if (status == 0)
        remember(expectation, &choice);
    return status;
}

int attested_open(const char *url, const struct attested_expectation *expectation, int timeout_s,
                  struct attested **ret, struct mse_verdict **ret_verdict, struct err *err)
{
    AUTO_ATTESTED struct attested *attested = mem_alloc(sizeof(*attested), err);
    if (attested == NULL)
        return -1;
    int status = open_judged(url, expectation, timeout_s, attested, err);
    give_verdict(attested, ret_verdict);
    if (status < 0)
        return FAIL_CONTEXT(err, "%s", url);
    *ret = STEAL(attested);
    return 0;
}

/* --- by fresh evidence --- */

static void take_storage(struct attested *attested, const struct attestation_document *document)
{
    attested->has_storage = document->has_storage;
    attested->storage = document->storage;
}

/* The manifest that it claims decides which fingerprint its report data must hold; whether that is
 * the wanted one is a check of its own. */
static int judge_document(struct attested *attested, const uint8_t nonce[static 32],
                          const struct attestation_document *document, struct err *err)
{
    uint8_t fingerprint[SHA256_SIZE];
    uint8_t report_data[SHA512_SIZE];
    if (sha256(slice_str(document->manifest), fingerprint, err) < 0 ||
        expected_report_data(attested, nonce, fingerprint, document, report_data, err) < 0)
        return -1;
    struct attested_expectation expectation = *attested->judgement.expectation;
    if (expectation.fingerprint == NULL)
        expectation.fingerprint = fingerprint;
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    if (choose_collateral(&expectation, document, &choice, err) < 0)
        return -1;
    attested->judgement.verdict =
        judge(&expectation, buf_slice(&document->evidence), buf_slice(&choice.bundle), report_data);
    if (attested->judgement.verdict == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    if (!attested->judgement.verdict->accepted)
        return attested_rejected(attested->judgement.verdict, err);
    remember(&expectation, &choice);
    take_storage(attested, document);
    attested->manifest = str_copy(document->manifest, err);
    return attested->manifest == NULL ? -1 : 0;
}

static int open_on_demand(const char *url, int timeout_s,
                          const struct attested_expectation *expectation, struct attested *attested,
                          struct err *err)
{
    uint8_t nonce[ATTESTATION_NONCE_SIZE];
    AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
    if (random_bytes(nonce, sizeof(nonce), err) < 0 ||
        connect_with(url, expectation, timeout_s, accept_certificate, attested, err) < 0 ||
        fetch_document(attested, nonce, expectation->opening, &document, err) < 0)
        return -1;
    return judge_document(attested, nonce, &document, err);
}

int attested_open_on_demand(const char *url, const struct attested_expectation *expectation,
                            int timeout_s, struct attested **ret, struct mse_verdict **ret_verdict,
                            struct err *err)
{
    AUTO_ATTESTED struct attested *attested = mem_alloc(sizeof(*attested), err);
    if (attested == NULL)
        return -1;
    int status = open_on_demand(url, timeout_s, expectation, attested, err);
    give_verdict(attested, ret_verdict);
    if (status < 0)
        return FAIL_CONTEXT(err, "%s", url);
    *ret = STEAL(attested);
    return 0;
}

/* --- using it --- */

void attested_close(struct attested *attested)
{
    if (attested == NULL)
        return;
    http_client_free(attested->client);
    tls_client_free(attested->tls);
    mse_verdict_free(attested->judgement.verdict);
    buf_done(&attested->certificate);
    free(attested->manifest);
    free(attested);
}

void attested_channel_binding(const struct attested *attested, uint8_t ret[static 32])
{
    memcpy(ret, attested->channel_binding, TLS_CHANNEL_BINDING_SIZE);
}

const char *attested_key_exchange(const struct attested *attested)
{
    return http_client_key_exchange(attested->client);
}

int attested_certificate_pem(const struct attested *attested, struct buf *out, struct err *err)
{
    AUTO_X509 X509 *certificate = NULL;
    if (certificate_from_der(buf_slice(&attested->certificate), &certificate, err) < 0)
        return -1;
    return certificate_to_pem(certificate, out, err);
}

const char *attested_manifest(const struct attested *attested)
{
    return attested->manifest == NULL ? "" : attested->manifest;
}

const struct storage_word *attested_storage(const struct attested *attested)
{
    return attested->has_storage ? &attested->storage : NULL;
}

/* The connection is the enclave's own, so its word needs no other evidence. */
int attested_ask_storage(struct attested *attested, uint64_t opening, struct err *err)
{
    uint8_t nonce[ATTESTATION_NONCE_SIZE];
    AUTO_ATTESTATION_DOCUMENT struct attestation_document document = {0};
    if (random_bytes(nonce, sizeof(nonce), err) < 0 ||
        fetch_document(attested, nonce, opening, &document, err) < 0)
        return FAIL_CONTEXT(err, "the history of the storage");
    take_storage(attested, &document);
    return 0;
}

void attested_set_until(struct attested *attested, int64_t until_ms)
{
    attested->until_ms = until_ms;
}

int attested_request(struct attested *attested, const char *method, const char *path,
                     struct slice body, int *ret_status, struct buf *out, struct err *err)
{
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    response.body.max = out->max;
    struct http_client_request request = {.method = method, .target = path, .body = body};
    if (attested->until_ms != 0)
        request.deadline_ms = clock_left_ms(attested->until_ms);
    if (http_client_request(attested->client, &request, &response, err) < 0)
        return FAIL_CONTEXT(err, "%s %s", method, path);
    *ret_status = response.status;
    return buf_bytes(out, buf_slice(&response.body), err);
}

int attested_refused(const char *what, int status, const struct buf *answer, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct err unreadable = ERR_INIT; /* then there is no message in it */
    if (json_parse(buf_slice(answer), "the answer", answer->len, &root, &unreadable) < 0)
        root = NULL;
    const json_t *error = json_object_get(root, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *hint = json_string_value(json_object_get(error, "hint"));
    err_set(err, ERR_REJECTED, 0, "%s: the enclave answered %d: %s", what, status,
            message == NULL ? "" : message);
    if (hint != NULL && hint[0] != '\0')
        err_hint(err, "%s", hint);
    return -1;
}
