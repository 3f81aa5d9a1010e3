// SPDX-License-Identifier: Apache-2.0
/*
 * Fetches what a piece of evidence needs (mse_needs_of) from the vendors' services, and holds the
 * bundle against the evidence before anybody gets it.
 */
#include "client/collateral_fetch.h"

#include "client/collateral_bundle.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include "mse/mse.h"

/* What a 429 without Retry-After asks for. AMD's service gives about one VCEK in ten seconds. */
enum { WAIT_INTEL_S = 2, WAIT_AMD_S = 10 };

struct collateral_services collateral_services_of_vendors(void)
{
    return (struct collateral_services){
        .pcs = "https://api.trustedservices.intel.com",
        .root_crl = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        .kds = "https://kdsintf.amd.com",
    };
}

/* The checks that speak of collateral. Whether it is valid now is the verification's business. */
static int check_answers(const struct client_hooks *hooks, const struct mse_verdict *verdict,
                         struct err *err)
{
    static const char *const about[] = {"tcb-info", "qe-identity", "pck-crl",
                                        "root-crl", "root-ca",     "vcek",
                                        "vlek",     "amd-crl",     "collateral"};
    for (size_t i = 0; i < verdict->check_count; i++) {
        const struct mse_check *check = &verdict->checks[i];
        if (check->result != MSE_FAIL || str_ends_with(check->name, ".revocation"))
            continue;
        for (size_t j = 0; j < ARRAY_LEN(about); j++) {
            if (!str_starts_with(check->name, about[j]))
                continue;
            if (!str_ends_with(check->name, ".validity"))
                return FAIL(err, ERR_REJECTED,
                            "what the service answered is not good: %s: %s, expected %s",
                            check->name, check->found, check->expected);
            client_warn(hooks, "%s: %s", check->name, check->found);
        }
    }
    return 0;
}

static int check_bundle(const struct client_hooks *hooks, struct slice evidence,
                        const struct buf *bundle, struct err *err)
{
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {evidence.data, evidence.len},
        .collateral = {bundle->data, bundle->len},
        .at = clock_unix(),
    };
    struct mse_verdict *verdict = mse_verify(&input);
    if (verdict == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    int rc = check_answers(hooks, verdict, err);
    mse_verdict_free(verdict);
    return rc;
}

/* A VLEK's certificate is not published: the caller names a file. */
static int read_provided(const struct collateral_services *services, struct collateral_answer *ret,
                         struct err *err)
{
    *ret = (struct collateral_answer){.body = BUF_INIT(COLLATERAL_CHAIN_MAX)};
    if (services->vlek == NULL) {
        (void)FAIL(err, ERR_UNSUPPORTED,
                   "the report is signed by a VLEK, which AMD does not publish");
        err_hint(err, "the guest gets the certificate from its cloud provider: pass --vlek FILE");
        return -1;
    }
    return file_read(services->vlek, &ret->body, err);
}

static int get(const struct collateral_services *services, const struct mse_document *document,
               struct collateral_answer *ret, struct err *err)
{
    struct collateral_request request = {
        .base = services->pcs,
        .path = document->path,
        .wants_chain = document->issuer_chain,
        .keep = document->permanent ? COLLATERAL_FOREVER : COLLATERAL_UNTIL_NEXT_UPDATE,
        .wait_s = WAIT_INTEL_S,
        .no_cache = services->no_cache,
        .refresh = services->refresh,
        .hooks = services->hooks,
    };
    switch (document->service) {
    case MSE_SERVICE_INTEL_PCS:
        break;
    case MSE_SERVICE_INTEL_ROOT:
        if (services->root_crl != NULL) {
            request.base = services->root_crl;
            request.path = "";
        }
        break;
    case MSE_SERVICE_AMD_KDS:
        request.base = services->kds;
        request.wait_s = WAIT_AMD_S;
        break;
    case MSE_SERVICE_PROVIDER:
        return read_provided(services, ret, err);
    }
    return collateral_get(&request, ret, err);
}

/* *ret_absent: the service has no such document; not set where something else went wrong. */
static int fetch_one(const struct collateral_services *services,
                     const struct mse_document *document, struct collateral_bundle *bundle,
                     bool *ret_absent, struct err *err)
{
    AUTO_ANSWER struct collateral_answer answer = {0};
    *ret_absent = false;
    if (get(services, document, &answer, err) < 0) {
        *ret_absent = err->kind == ERR_NOT_FOUND || err->kind == ERR_INVALID;
        return -1;
    }
    if (bundle_add(bundle, document, &answer, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", document->path);
    return 0;
}

/* Does the alternative that this document belongs to have a successor? */
static bool has_next(const struct mse_needs *needs, unsigned alternative)
{
    return alternative != 0 && needs->documents[needs->count - 1].alternative > alternative;
}

static int fetch_all(const struct collateral_services *services, const struct mse_needs *needs,
                     struct collateral_bundle *bundle, struct err *err)
{
    unsigned passed = 0; /* alternatives up to this one are not the right ones */
    unsigned chosen = 0;
    for (size_t i = 0; i < needs->count; i++) {
        const struct mse_document *document = &needs->documents[i];
        unsigned alternative = document->alternative;
        bool absent;
        if (alternative != 0 && (alternative <= passed || (chosen != 0 && alternative != chosen)))
            continue;
        err_clear(err);
        if (fetch_one(services, document, bundle, &absent, err) == 0) {
            chosen = alternative;
            continue;
        }
        if (!absent || chosen != 0 || !has_next(needs, alternative))
            return -1;
        passed = alternative;
    }
    return 0;
}

static int fetch(const struct collateral_services *services, struct slice evidence,
                 struct collateral_bundle *bundle, struct err *err)
{
    struct mse_needs *needs = NULL;
    char message[MSE_ERROR_SIZE];
    if (mse_needs_of((struct mse_bytes){evidence.data, evidence.len}, &needs, message) < 0)
        return FAIL(err, ERR_INVALID, "%s", message);
    int rc = buf_str(bundle->out, "{", err);
    if (rc == 0)
        rc = fetch_all(services, needs, bundle, err);
    mse_needs_free(needs);
    return rc < 0 ? -1 : buf_str(bundle->out, "\n}\n", err);
}

int collateral_fetch(const struct collateral_services *services, struct slice evidence,
                     struct buf *out, struct err *err)
{
    struct collateral_bundle bundle = {.out = out};
    int rc = fetch(services, evidence, &bundle, err);
    if (rc == 0)
        rc = check_bundle(services->hooks, evidence, out, err);
    arena_done(&bundle.arena);
    return rc;
}
