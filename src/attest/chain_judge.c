// SPDX-License-Identifier: Apache-2.0
/*
 * The rules for a chain and for a CRL, each recorded as a check of its own (RFC 5280 sections 4.2,
 * 5 and 6).
 */
#include "attest/chain.h"

static const char *named(struct verification *v, const struct chain_rules *rules, const char *what)
{
    return say(v, "%s.%s", rules->name, what);
}

/* RFC 5280 6.1.3 (a)(4): each is issued by the next, the last by itself. */
static bool is_sorted(const struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct certificate *issuer = chain->certificates[i + 1 < chain->count ? i + 1 : i];
        if (!slice_equal(chain->certificates[i]->issuer, issuer->subject))
            return false;
    }
    return true;
}

static bool judge_form(struct verification *v, const struct chain_rules *rules,
                       const struct chain *chain)
{
    bool counted = chain->count == rules->count;
    bool sorted = counted && is_sorted(chain);
    return check_that(
        v, sorted, named(v, rules, "form"),
        say(v, "%zu certificates%s", chain->count, counted && !sorted ? ", not in order" : ""),
        say(v, "%zu, leaf first, each issued by the next", rules->count), rules->hint);
}

static bool name_accepted(const struct chain_rules *rules, size_t place, const char *name)
{
    for (size_t i = 0; i < NAMES_MAX && rules->common_names[place][i] != NULL; i++) {
        if (strcmp(rules->common_names[place][i], name) == 0)
            return true;
    }
    return false;
}

static bool judge_names(struct verification *v, const struct chain_rules *rules,
                        const struct chain *chain)
{
    const char *check = named(v, rules, "names");
    for (size_t i = 0; i < chain->count; i++) {
        const char *name = certificate_common_name(v, chain->certificates[i]);
        if (name_accepted(rules, i, name))
            continue;
        check_fail(v, check, say(v, "'%s' in place %zu", name, i + 1),
                   say(v, "'%s'", rules->common_names[i][0]), rules->hint);
        return false;
    }
    check_pass(v, check, certificate_common_name(v, chain->certificates[0]), "");
    return true;
}

/* The anchor is a name and a key (RFC 5280 6.1.1 (d)): vendors have issued their root anew with
 * other dates. */
static bool judge_root(struct verification *v, const struct chain_rules *rules,
                       const struct chain *chain, struct certificate *anchor)
{
    const struct certificate *root = chain->certificates[chain->count - 1];
    bool same = root == anchor || (slice_equal(root->subject, anchor->subject) &&
                                   slice_equal(root->public_key, anchor->public_key));
    return check_that(v, same, named(v, rules, "root"),
                      same ? "the trusted root" : "another root or another key",
                      certificate_common_name(v, anchor), rules->hint);
}

/* The algorithm is fixed by the rules: none is negotiated. */
static bool signature_right(const struct chain_rules *rules, struct certificate *certificate,
                            struct certificate *issuer)
{
    int digest = 0;
    int key = 0;
    return certificate_signature_info(certificate, &digest, &key) && digest == rules->digest_nid &&
           key == rules->signature_nid && certificate_signed_by(certificate, issuer);
}

static bool judge_signatures(struct verification *v, const struct chain_rules *rules,
                             const struct chain *chain, struct certificate *anchor)
{
    const char *check = named(v, rules, "signatures");
    for (size_t i = 0; i < chain->count; i++) {
        struct certificate *certificate = chain->certificates[i];
        if (certificate == anchor) /* byte for byte what is built in */
            continue;
        struct certificate *issuer = i + 1 < chain->count ? chain->certificates[i + 1] : anchor;
        if (signature_right(rules, certificate, issuer))
            continue;
        check_fail(
            v, check,
            say(v, "the signature on '%s' is wrong", certificate_common_name(v, certificate)),
            "each signed by the next", "the chain was altered or put together from parts");
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
        return false;
    }
    check_pass(v, check, "good", "each signed by the next");
    return true;
}

/* RFC 5280 4.2.1.3 and 4.2.1.9. `below`: CA certificates between this one and the leaf. */
static const char *constraint_broken(const struct chain_rules *rules,
                                     const struct certificate *certificate, bool leaf, int below)
{
    if (certificate->has_unknown_critical)
        return "a critical extension that is unknown";
    if (leaf) {
        if (certificate->is_ca)
            return "a CA certificate in the leaf's place";
        if (rules->leaf_without_extensions && !certificate->has_usage)
            return NULL;
        return (certificate->usage & USAGE_DIGITAL_SIGNATURE) != 0
                   ? NULL
                   : "a leaf whose key may not sign";
    }
    if (!certificate->is_ca)
        return "an issuer that is no CA";
    if ((certificate->usage & USAGE_CERT_SIGN) == 0)
        return "an issuer whose key may not sign certificates";
    return certificate->path_length >= 0 && certificate->path_length < below
               ? "an issuer with too short a path length"
               : NULL;
}

static bool judge_constraints(struct verification *v, const struct chain_rules *rules,
                              const struct chain *chain)
{
    const char *check = named(v, rules, "constraints");
    for (size_t i = 0; i < chain->count; i++) {
        const char *broken = constraint_broken(rules, chain->certificates[i],
                                               i == 0 && !rules->leaf_is_ca, (int)i - 1);
        if (broken == NULL)
            continue;
        check_fail(v, check,
                   say(v, "%s: '%s'", broken, certificate_common_name(v, chain->certificates[i])),
                   "basic constraints and key usage of a leaf and its CAs", rules->hint);
        return false;
    }
    check_pass(v, check, "good", "");
    return true;
}

static bool judge_validity(struct verification *v, const struct chain_rules *rules,
                           const struct chain *chain)
{
    int64_t from = chain->certificates[0]->not_before;
    int64_t until = chain->certificates[0]->not_after;
    for (size_t i = 1; i < chain->count; i++) {
        const struct certificate *each = chain->certificates[i];
        from = each->not_before > from ? each->not_before : from;
        until = each->not_after < until ? each->not_after : until;
    }
    return check_window(v, named(v, rules, "validity"), from, until, true,
                        "fetch fresh collateral, or look at the clock of this machine");
}

bool chain_judge(struct verification *v, const struct chain_rules *rules, const struct chain *chain,
                 struct certificate *anchor)
{
    if (!judge_form(v, rules, chain)) {
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
        return false;
    }
    bool good = judge_names(v, rules, chain);
    good = judge_root(v, rules, chain, anchor) && good;
    good = judge_constraints(v, rules, chain) && good;
    if (!good)
        note_trouble(v, TROUBLE_BAD_SIGNATURE);
    (void)judge_signatures(v, rules, chain, anchor);
    (void)judge_validity(v, rules, chain);
    return true;
}

bool collateral_judge(struct verification *v, const char *hint, struct collateral *ret)
{
    struct slice text = slice_from(v->input->collateral);
    struct err err = ERR_INIT;
    if (text.len == 0) {
        check_fail(v, "collateral.form", "no collateral", "a collateral bundle", hint);
        note_trouble(v, TROUBLE_NO_COLLATERAL);
        return false;
    }
    bool readable = collateral_parse(v->arena, text, ret, &err) == 0;
    if (!readable)
        note_trouble(v, TROUBLE_NO_COLLATERAL);
    return check_that(v, readable, "collateral.form",
                      readable ? say(v, "%zu bytes", text.len) : say(v, "%s", err.message),
                      "a collateral bundle", hint);
}
