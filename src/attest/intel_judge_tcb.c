// SPDX-License-Identifier: Apache-2.0
/*
 * The platform's TCB status against the policy: level found, status accepted (or in its grace after
 * a TCB recovery), advisories tolerated by name.
 */
#include "attest/intel.h"
#include "attest/policy_apply.h"

static void add_advisories(struct verification *v, const char **list, const struct doc_node *array)
{
    struct mse_verdict *verdict = v->verdict;
    for (const struct doc_node *each = array == NULL ? NULL : array->child; each != NULL;
         each = each->next) {
        const char *name = arena_printable(v->arena, each->text, 64);
        bool known = false;
        for (size_t i = 0; i < verdict->advisory_count; i++)
            known = known || strcmp(list[i], name) == 0;
        if (!known)
            list[verdict->advisory_count++] = name;
    }
}

static void record_advisories(struct verification *v, const struct tcb_evaluation *result)
{
    const char **list = arena_array(v->arena, (size_t)3 * ADVISORIES_MAX, sizeof(*list));
    if (list == NULL)
        return;
    add_advisories(v, list, result->level->advisories);
    if (result->module_level != NULL)
        add_advisories(v, list, result->module_level->advisories);
    add_advisories(v, list, result->qe_level->advisories);
    v->verdict->advisories = list;
}

static bool listed(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0)
            return true;
    }
    return false;
}

static void judge_advisories(struct verification *v)
{
    const struct mse_policy *policy = v->policy;
    const struct mse_verdict *verdict = v->verdict;
    const char *found = verdict->advisory_count == 0
                            ? "none"
                            : say_words(v, verdict->advisories, verdict->advisory_count);
    if (!policy->tcb_advisories_listed) {
        check_skip(v, "tcb.advisories", say(v, "%s; the policy lists none", found));
        return;
    }
    for (size_t i = 0; i < verdict->advisory_count; i++) {
        if (listed(policy->tcb_advisories, policy->tcb_advisory_count, verdict->advisories[i]))
            continue;
        check_fail(
            v, "tcb.advisories", verdict->advisories[i],
            say(v, "only %s", say_words(v, policy->tcb_advisories, policy->tcb_advisory_count)),
            "read the advisory; if the app is not affected, name it in tcb.advisories");
        return;
    }
    check_pass(v, "tcb.advisories", found, "only those that the policy names");
}

/* When a level was superseded: the earliest date after its own among its peers; 0: it is not. */
static void consider_date(int64_t date, int64_t own, int64_t *earliest)
{
    if (date > own && (*earliest == 0 || date < *earliest))
        *earliest = date;
}

static int64_t svn_superseded(const struct svn_levels *levels, const struct svn_level *own)
{
    int64_t earliest = 0;
    for (size_t i = 0; i < levels->count; i++)
        consider_date(levels->levels[i].date, own->date, &earliest);
    return earliest;
}

/* Since when the platform is out of date: the earliest recovery that one of its outdated parts has
 * missed. 0 where that cannot be told: no grace then. */
static int64_t out_of_date_since(const struct intel_case *c, const struct tcb_evaluation *result)
{
    int64_t since[3] = {0};
    bool outdated[3] = {
        tcb_status_is_out_of_date(result->level->status),
        result->module_level != NULL && result->module_level->status == TCB_OUT_OF_DATE,
        result->qe_level->status == TCB_OUT_OF_DATE,
    };
    for (size_t i = 0; i < c->tcb.level_count; i++)
        consider_date(c->tcb.levels[i].date, result->level->date, &since[0]);
    if (outdated[1])
        since[1] = svn_superseded(&result->module->levels, result->module_level);
    since[2] = svn_superseded(&c->qe.levels, result->qe_level);
    int64_t earliest = 0;
    for (size_t i = 0; i < ARRAY_LEN(since); i++) {
        if (outdated[i] && since[i] == 0)
            return 0;
        if (outdated[i] && (earliest == 0 || since[i] < earliest))
            earliest = since[i];
    }
    return earliest;
}

/* Out of date, but so shortly after the recovery that the policy still takes it for what it was. */
static bool in_grace(const struct intel_case *c, const struct tcb_evaluation *result)
{
    const struct mse_policy *policy = c->v->policy;
    if (policy->tcb_grace <= 0 || !tcb_status_is_out_of_date(result->status))
        return false;
    enum tcb_status before =
        result->status == TCB_OUT_OF_DATE ? TCB_UP_TO_DATE : TCB_CONFIGURATION_NEEDED;
    int64_t since = out_of_date_since(c, result);
    return policy_accepts_status(policy, tcb_status_word(before)) && since != 0 &&
           c->v->input->at - since <= policy->tcb_grace;
}

static void judge_status(struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    const struct mse_policy *policy = v->policy;
    const char *word = tcb_status_word(result->status);
    bool grace = in_grace(c, result);
    bool accepted = result->status != TCB_REVOKED && (policy_accepts_status(policy, word) || grace);
    const char *found =
        say(v, "%s (platform %s of %s", word, tcb_status_word(result->level->status),
            say_date(v, result->level->date));
    if (result->module_level != NULL)
        found = say(v, "%s, TDX module %s", found, tcb_status_word(result->module_level->status));
    found = say(v, "%s, QE %s)%s", found, tcb_status_word(result->qe_level->status),
                grace ? " in its grace" : "");
    check_that(v, accepted, "tcb.status", found,
               policy->tcb_accept_count == 0
                   ? "UpToDate"
                   : say_words(v, policy->tcb_accept, policy->tcb_accept_count),
               accepted ? "" : intel_tcb_hint(c, result));
}

static const char *unmatched_found(const struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    if (result->level == NULL)
        return say(v, "no level of %zu matches: platform TCB %s, PCESVN %u", c->tcb.level_count,
                   say_hex(v, slice_of(c->pck.components, TCB_COMPONENTS)), c->pck.pce_svn);
    if (result->module_rated && result->module_level == NULL)
        return "no level of the TDX module matches";
    return say(v, "no level of the QE matches ISVSVN %u", c->quote.qe_report.isv_svn);
}

static void claim_tcb(struct verification *v, const struct tcb_evaluation *result)
{
    v->verdict->tcb_date = result->level->date;
    claim_text(v, "tcb_status", v->verdict->tcb_status);
    claim_text(v, "tcb_date", say_time(v, result->level->date));
}

void intel_judge_tcb(struct intel_case *c)
{
    struct verification *v = c->v;
    bool tdx = c->quote.body != QUOTE_BODY_SGX;
    if (!c->has_tcb || !c->has_qe || !c->has_pck || c->tcb.is_tdx != tdx || c->qe.is_tdx != tdx) {
        check_skip(v, "tcb.level", "TCB info, QE identity or PCK extension is missing");
        return;
    }
    struct tcb_evaluation result = tcb_evaluate(&c->tcb, &c->pck, tdx ? &c->quote.td : NULL, &c->qe,
                                                c->quote.qe_report.isv_svn);
    if (!result.matched) {
        v->verdict->status = "no-matching-tcb-level";
        check_fail(v, "tcb.level", unmatched_found(c, &result), "a level of the TCB info",
                   intel_tcb_hint(c, &result));
        return;
    }
    check_pass(v, "tcb.level", say(v, "level of %s", say_date(v, result.level->date)),
               "a level of the TCB info");
    v->verdict->status = tcb_status_word(result.status);
    v->verdict->tcb_status = v->verdict->status;
    claim_tcb(v, &result);
    record_advisories(v, &result);
    judge_status(c, &result);
    judge_advisories(v);
}
