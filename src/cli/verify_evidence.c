// SPDX-License-Identifier: Apache-2.0
/*
 * Evidence from a file, judged on this machine without any connection.
 */
#include "cli/ui.h"
#include "cli/verify_evidence.h"

#include "attest/receipt.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "client/attested.h"

#include <ctype.h>
#include <stdlib.h>

enum { EVIDENCE_MAX = 1 << 20, COLLATERAL_MAX = 8 << 20, POLICY_MAX = 1 << 20 };

bool verify_evidence_wanted(const struct options *options)
{
    return options_has(options, "evidence") || options_has(options, "check-receipt");
}

static int parse_time(const char *text, int64_t *ret, struct err *err)
{
    uint64_t seconds;
    struct err ignored = ERR_INIT;
    *ret = clock_unix();
    if (text == NULL)
        return 0;
    if (parse_u64(text, "--at", 0, INT64_MAX, &seconds, &ignored) == 0) {
        *ret = (int64_t)seconds;
        return 0;
    }
    if (rfc3339_parse(text, ret, err) < 0) {
        (void)FAIL(err, ERR_USAGE, "--at: expected unix seconds or RFC 3339, found '%s'", text);
        return -1;
    }
    return 0;
}

static int read_optional(const char *path, struct buf *out, struct err *err)
{
    return path == NULL ? 0 : file_read(path, out, err);
}

static int print_verdict(const struct mse_verdict *verdict, struct err *err)
{
    AUTO_FREE char *text = ui_json() ? mse_verdict_json(verdict) : mse_verdict_text(verdict);
    if (text == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    ui_print(UI_PLAIN, "%s", text);
    return verdict->accepted ? 0 : attested_rejected(verdict, err);
}

int verify_evidence(const struct options *options, struct err *err)
{
    AUTO_BUF struct buf evidence = BUF_INIT(EVIDENCE_MAX);
    AUTO_BUF struct buf collateral = BUF_INIT(COLLATERAL_MAX);
    AUTO_BUF struct buf policy_text = BUF_INIT(POLICY_MAX);
    int64_t at;
    if (options->argument_count != 0)
        return FAIL(err, ERR_USAGE, "--evidence judges a file: no URL or app beside it");
    if (options_has(options, "check-receipt"))
        return verify_receipt_check(options, err);
    if (parse_time(options_value(options, "at"), &at, err) < 0 ||
        file_read(options_value(options, "evidence"), &evidence, err) < 0 ||
        read_optional(options_value(options, "collateral"), &collateral, err) < 0 ||
        read_optional(options_value(options, "policy"), &policy_text, err) < 0)
        return -1;
    if (options_has(options, "fetch") && collateral.len == 0) {
        const struct collateral_services services = collateral_services_from(options);
        if (collateral_fetch(&services, buf_slice(&evidence), &collateral, err) < 0)
            return -1;
    }
    struct mse_policy *policy = NULL;
    char message[MSE_ERROR_SIZE];
    if (options_has(options, "policy") &&
        mse_policy_parse(buf_text(&policy_text), policy_text.len, &policy, message) < 0)
        return FAIL(err, ERR_INVALID, "%s: %s", options_value(options, "policy"), message);
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {evidence.data, evidence.len},
        .collateral = {collateral.data, collateral.len},
        .policy = policy,
        .at = at,
    };
    struct mse_verdict *verdict = mse_verify(&input);
    mse_policy_free(policy);
    if (verdict == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    const struct receipt_input record = {
        .evidence = buf_slice(&evidence),
        .collateral = buf_slice(&collateral),
        .policy = buf_slice(&policy_text),
        .at = at,
        .made_at = clock_unix(),
        .verdict = verdict,
    };
    const char *receipt = options_value(options, "receipt");
    int status = receipt == NULL ? 0 : verify_receipt_write(receipt, &record, err);
    if (status == 0)
        status = print_verdict(verdict, err);
    mse_verdict_free(verdict);
    return status;
}
