// SPDX-License-Identifier: Apache-2.0
/*
 * The part of the policy that is the same for every TEE. TCB status, advisories, CRLs and what only
 * one vendor has are judged by that vendor's verifier, with the helpers at the end.
 */
#include "attest/policy_apply.h"
#include "attest/policy_fields.h"
#include "base/text.h"

static const char advice_evidence[] =
    "this evidence comes from something else than you expect: do not send it any secret";

/* A policy that names a register of one TEE means that TEE: evidence of another one has no such
 * register, and would pass by not having it. */
static unsigned accepted_tees(const struct mse_policy *policy)
{
    if (policy->tees != 0)
        return policy->tees;
    unsigned named = policy_field_tees(policy);
    return named != 0
               ? named
               : MSE_TEE_BIT(MSE_TEE_SGX) | MSE_TEE_BIT(MSE_TEE_TDX) | MSE_TEE_BIT(MSE_TEE_SNP);
}

static void check_tee(struct verification *v)
{
    enum mse_tee tee = v->verdict->tee;
    unsigned tees = accepted_tees(v->policy);
    const char *expected = "";
    for (enum mse_tee each = MSE_TEE_SGX; each <= MSE_TEE_SIMULATION; each++) {
        if ((tees & MSE_TEE_BIT(each)) != 0)
            expected =
                say(v, "%s%s%s", expected, expected[0] == '\0' ? "" : ", ", mse_tee_name(each));
    }
    const char *hint = tee == MSE_TEE_SIMULATION
                           ? "the simulation protects nothing from the operator; a policy that "
                             "still wants it says tee = [\"simulation\"]"
                           : "name this TEE in the policy's `tee` if you trust it";
    check_that(v, tee != MSE_TEE_UNKNOWN && (tees & MSE_TEE_BIT(tee)) != 0, "policy.tee",
               mse_tee_name(tee), expected, hint);
}

static const char *say_bytes_list(struct verification *v, const struct mse_bytes *list,
                                  size_t count)
{
    if (count == 1)
        return say_hex(v, slice_from(list[0]));
    const char *text = say(v, "one of %zu:", count);
    for (size_t i = 0; i < count && i < 4; i++)
        text = say(v, "%s %s", text, say_hex(v, slice_from(list[i])));
    return count > 4 ? say(v, "%s ...", text) : text;
}

static void check_one_of(struct verification *v, const char *name, struct mse_bytes found,
                         const struct mse_bytes *list, size_t count)
{
    if (count == 0) {
        check_skip(v, name, "the policy names none");
        return;
    }
    bool ok = false;
    for (size_t i = 0; i < count; i++)
        ok = ok || (found.size > 0 && slice_equal(slice_from(found), slice_from(list[i])));
    check_that(v, ok, name,
               found.size == 0 ? "none in the evidence" : say_hex(v, slice_from(found)),
               say_bytes_list(v, list, count), advice_evidence);
}

/* The identity field holds the fingerprint, with zero bytes behind it where it is longer. An
 * all-zero fingerprint is never taken for "not set, fine". */
static bool identity_matches(struct mse_bytes identity, const uint8_t *fingerprint)
{
    struct slice expected = slice_of(fingerprint, MSE_FINGERPRINT_SIZE);
    if (identity.size < MSE_FINGERPRINT_SIZE || slice_is_zero(expected))
        return false;
    struct slice rest =
        slice_of(identity.data + MSE_FINGERPRINT_SIZE, identity.size - MSE_FINGERPRINT_SIZE);
    return slice_equal(slice_of(identity.data, MSE_FINGERPRINT_SIZE), expected) &&
           slice_is_zero(rest);
}

static void check_fingerprint(struct verification *v, const char *name, const uint8_t *fingerprint)
{
    if (fingerprint == NULL) {
        check_skip(v, name, "no fingerprint was expected");
        return;
    }
    const char *expected = say_hex(v, slice_of(fingerprint, MSE_FINGERPRINT_SIZE));
    struct mse_bytes identity = v->verdict->identity;
    if (v->verdict->tee == MSE_TEE_SGX && v->policy->measurement_count > 0 &&
        slice_is_zero(slice_from(identity))) {
        check_skip(v, name, "SGX binds it through MRENCLAVE, which the policy names");
        return;
    }
    const char *hint = v->verdict->tee == MSE_TEE_SGX
                           ? "SGX binds the fingerprint through MRENCLAVE: name the measurement of "
                             "this very app in the policy"
                           : "this is another app, or another version of it: compare manifests "
                             "with `mse diff`";
    check_that(v, identity_matches(identity, fingerprint), name,
               identity.size == 0 ? "no identity field" : say_hex(v, slice_from(identity)),
               expected, hint);
}

static const char *claim_of(const struct verification *v, const char *name)
{
    for (size_t i = 0; i < v->verdict->claim_count; i++) {
        if (strcmp(v->claims[i].name, name) == 0)
            return v->claims[i].value;
    }
    return "";
}

/* The fields that the policy names of this TEE. */
static void check_fields(struct verification *v)
{
    for (enum mse_field i = 0; i < MSE_FIELD_COUNT; i++) {
        const struct policy_field *field = &policy_fields[i];
        const struct mse_accepted *accepted = &v->policy->fields[i];
        if (accepted->count == 0 || field->tee != v->verdict->tee)
            continue;
        const char *found = claim_of(v, field->claim);
        bool ok = false;
        for (size_t k = 0; k < accepted->count; k++)
            ok = ok || policy_hex_equal(found, slice_from(accepted->values[k]));
        check_that(v, ok, field->check, found, say_bytes_list(v, accepted->values, accepted->count),
                   field->hint);
    }
}

/* The ID block of an SEV-SNP launch carries the fingerprint in two halves. The chip separates the
 * keys of two apps by them alone: HOST_DATA has no part in a key. */
static void check_ids(struct verification *v, const uint8_t *fingerprint)
{
    static const char name[] = "binding.ids";
    if (v->verdict->tee != MSE_TEE_SNP)
        return;
    const char *found = say(v, "%s%s", claim_of(v, "family_id"), claim_of(v, "image_id"));
    struct slice expected = slice_of(fingerprint, MSE_FINGERPRINT_SIZE);
    check_that(v, policy_hex_equal(found, expected) && !slice_is_zero(expected), name, found,
               say_hex(v, expected),
               "FAMILY_ID and IMAGE_ID must hold the fingerprint: else apps of one image share the "
               "chip's keys; the node launched this guest without mse's ID block");
}

/* What tells the runtime: MRTD is the firmware alone, kernel, initial RAM disk and command line are
 * in RTMR1 and RTMR2. */
static bool names_runtime(const struct mse_policy *policy, enum mse_tee tee)
{
    bool measurement = policy->measurement_count > 0;
    if (tee != MSE_TEE_TDX)
        return measurement;
    return (measurement || policy_names_field(policy, MSE_FIELD_TDX_MRTD)) &&
           policy_names_field(policy, MSE_FIELD_TDX_RTMR1) &&
           policy_names_field(policy, MSE_FIELD_TDX_RTMR2);
}

/* The host writes MRCONFIGID, HOST_DATA and CONFIGID when it starts a TEE: the field says what the
 * host wants. It is true inside a runtime that checks it, and the measurement says which runtime.
 */
static void check_measured(struct verification *v)
{
    static const char name[] = "binding.measurement";
    if (v->input->fingerprint == NULL && v->policy->fingerprint == NULL) {
        check_skip(v, name, "no fingerprint was expected");
        return;
    }
    if (v->verdict->tee == MSE_TEE_SIMULATION) {
        check_skip(v, name, "the simulation measures nothing");
        return;
    }
    check_ids(v, v->input->fingerprint != NULL ? v->input->fingerprint : v->policy->fingerprint);
    if (v->verdict->tee == MSE_TEE_TDX) {
        check_that(
            v, names_runtime(v->policy, MSE_TEE_TDX), name,
            say_hex(v, slice_from(v->verdict->measurement)),
            "MRTD, RTMR1 and RTMR2 that the policy names",
            "the host chooses what stands in the identity field, and MRTD is the firmware "
            "alone: name `tdx.mrtd`, `tdx.rtmr1` and `tdx.rtmr2` of the image that you trust "
            "in the policy (`mse image measure` computes them)");
        return;
    }
    check_that(v, names_runtime(v->policy, v->verdict->tee), name,
               say_hex(v, slice_from(v->verdict->measurement)), "one that the policy names",
               "the host chooses what stands in the identity field: name the `measurement` of the "
               "runtime that you trust in the policy");
}

static void check_report_data(struct verification *v)
{
    if (v->input->report_data == NULL) {
        check_skip(v, "binding.report-data", "no report data was expected");
        return;
    }
    struct slice expected = slice_of(v->input->report_data, MSE_REPORT_DATA_SIZE);
    struct slice found = slice_from(v->verdict->report_data);
    check_that(v, slice_equal(found, expected), "binding.report-data", say_hex(v, found),
               say_hex(v, expected),
               "the evidence was made for another key, nonce or fingerprint: it may be replayed");
}

static void check_debug(struct verification *v)
{
    bool debug = v->verdict->debug;
    check_that(v, !debug || v->policy->allow_debug, "policy.debug", debug ? "debug" : "no debug",
               v->policy->allow_debug ? "any" : "no debug",
               "the operator can read a debug enclave's memory: launch it without debug");
}

const char *say_vmpls(struct verification *v, unsigned vmpls)
{
    const char *text = "";
    for (unsigned vmpl = 0; vmpl < 32; vmpl++) {
        if ((vmpls & 1u << vmpl) != 0)
            text = say(v, "%s%s%u", text, text[0] == '\0' ? "" : ", ", vmpl);
    }
    return text;
}

/* Every line of the policy that is less than strict, whether this evidence needed it or not. */
static void name_loosened(struct verification *v)
{
    const struct mse_policy *policy = v->policy;
    if ((policy->tees & MSE_TEE_BIT(MSE_TEE_SIMULATION)) != 0)
        check_loosened(v, "policy.loosened.tee",
                       "simulation, which protects nothing from the operator", "sgx, tdx, snp");
    if (policy->allow_debug)
        check_loosened(v, "policy.loosened.debug", "true", "false");
    if (policy->crl == MSE_CRL_IF_PRESENT)
        check_loosened(v, "policy.loosened.crl", "if-present", "required");
    for (size_t i = 0; i < policy->tcb_accept_count; i++) {
        if (strcmp(policy->tcb_accept[i], "UpToDate") != 0)
            check_loosened(v, "policy.loosened.tcb.accept",
                           arena_printable(v->arena, slice_str(policy->tcb_accept[i]), 64),
                           "UpToDate alone");
    }
    if ((policy->snp_vmpls & ~1u) != 0)
        check_loosened(v, "policy.loosened.snp.vmpl", say_vmpls(v, policy->snp_vmpls), "0");
    if (policy->tcb_grace > 0)
        check_loosened(v, "policy.loosened.tcb.grace",
                       say(v, "%lld seconds", (long long)policy->tcb_grace), "0");
}

void policy_apply(struct verification *v)
{
    name_loosened(v);
    check_tee(v);
    check_debug(v);
    check_one_of(v, "policy.measurement", v->verdict->measurement, v->policy->measurements,
                 v->policy->measurement_count);
    check_one_of(v, "policy.signer", v->verdict->signer, v->policy->signers,
                 v->policy->signer_count);
    check_fields(v);
    check_fingerprint(v, "policy.fingerprint", v->policy->fingerprint);
    check_fingerprint(v, "binding.fingerprint", v->input->fingerprint);
    check_measured(v);
    check_report_data(v);
}

bool policy_accepts_status(const struct mse_policy *policy, const char *status)
{
    if (policy->tcb_accept_count == 0)
        return strcmp(status, "UpToDate") == 0;
    for (size_t i = 0; i < policy->tcb_accept_count; i++) {
        if (strcmp(status, policy->tcb_accept[i]) == 0)
            return true;
    }
    return false;
}

bool policy_requires_crl(const struct mse_policy *policy)
{
    return policy->crl != MSE_CRL_IF_PRESENT;
}

bool policy_hex_equal(const char *text, struct slice bytes)
{
    if (strlen(text) != 2 * bytes.len)
        return false;
    for (size_t i = 0; i < bytes.len; i++) {
        if (hex_digit_value(text[2 * i]) != bytes.data[i] >> 4 ||
            hex_digit_value(text[2 * i + 1]) != (bytes.data[i] & 15))
            return false;
    }
    return true;
}

const char *say_words(struct verification *v, const char *const *words, size_t count)
{
    const char *text = "";
    for (size_t i = 0; i < count && i < 32; i++)
        text = say(v, "%s%s%s", text, i == 0 ? "" : ", ", words[i]);
    return text;
}
