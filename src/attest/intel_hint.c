// SPDX-License-Identifier: Apache-2.0
/*
 * What to do about an Intel platform's TCB, said with the numbers: which component is at what, what
 * it needs for which status since when, and who must do what.
 */
#include "attest/intel.h"
#include "attest/policy_apply.h"

enum { HINT_COMPONENTS = 4, HINT_ADVISORIES = 6 };

const char *say_date(struct verification *v, int64_t unix_time)
{
    return say(v, "%.10s", say_time(v, unix_time));
}

/* The level to strive for: the best that the policy accepts, else the best there is. */
static const struct tcb_level *target_level(const struct intel_case *c)
{
    for (size_t i = 0; i < c->tcb.level_count; i++) {
        if (policy_accepts_status(c->v->policy, tcb_status_word(c->tcb.levels[i].status)))
            return &c->tcb.levels[i];
    }
    return &c->tcb.levels[0];
}

/* " (OS/VMM, SEAMLDR ACM)" where the document names the component. */
static const char *component_name(struct verification *v, const struct doc_node *components,
                                  size_t index)
{
    const struct doc_node *node = components == NULL ? NULL : components->child;
    for (size_t i = 0; i < index && node != NULL; i++)
        node = node->next;
    const struct doc_node *category = doc_get(node, "category");
    const struct doc_node *type = doc_get(node, "type");
    const char *first = category == NULL ? "" : arena_printable(v->arena, category->text, 32);
    const char *second = type == NULL ? "" : arena_printable(v->arena, type->text, 48);
    if (first[0] == '\0' && second[0] == '\0')
        return "";
    return say(v, " (%s%s%s)", first, first[0] != '\0' && second[0] != '\0' ? ", " : "", second);
}

struct lack {
    const char *text;
    size_t count;
};

static void add_lack(struct verification *v, struct lack *lack, const char *text)
{
    lack->count++;
    if (lack->count <= HINT_COMPONENTS)
        lack->text = say(v, "%s%s%s", lack->text, lack->count == 1 ? "" : "; ", text);
}

static void compare_components(struct verification *v, struct lack *lack, const char *kind,
                               const uint8_t *found, const uint8_t *needed, size_t from,
                               const struct doc_node *names)
{
    for (size_t i = from; i < TCB_COMPONENTS; i++) {
        if (found[i] >= needed[i])
            continue;
        add_lack(v, lack,
                 say(v, "%s component %zu%s is at %u, at least %u is needed", kind, i + 1,
                     component_name(v, names, i), found[i], needed[i]));
    }
}

static const char *say_advisories(struct verification *v, const struct doc_node *array)
{
    if (array == NULL || array->count == 0)
        return "";
    const char *text = "";
    size_t i = 0;
    for (const struct doc_node *each = array->child; each != NULL && i < HINT_ADVISORIES;
         each = each->next)
        text =
            say(v, "%s%s%s", text, i++ == 0 ? "" : ", ", arena_printable(v->arena, each->text, 64));
    return say(v, " (advisories %s)", text);
}

static const char *platform_lack(const struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    const struct tcb_level *target = target_level(c);
    struct lack lack = {.text = ""};
    compare_components(v, &lack, "platform microcode", c->pck.components, target->sgx, 0,
                       target->sgx_components);
    if (c->pck.pce_svn < target->pce_svn)
        add_lack(v, &lack,
                 say(v, "PCESVN is %u, at least %u is needed", c->pck.pce_svn, target->pce_svn));
    if (c->tcb.is_tdx && c->quote.body != QUOTE_BODY_SGX)
        compare_components(v, &lack, "TDX", c->quote.td.tee_tcb_svn.data, target->tdx,
                           tdx_first_component(&c->quote.td), target->tdx_components);
    if (lack.count == 0)
        return "";
    const char *advisories =
        result->level == NULL ? "" : say_advisories(v, result->level->advisories);
    return say(v, "%s for %s since %s%s: the operator must update BIOS or microcode", lack.text,
               tcb_status_word(target->status), say_date(v, target->date), advisories);
}

static const char *module_lack(const struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    if (!result->module_rated || result->module == NULL || result->module->levels.count == 0)
        return "";
    const struct svn_level *best = &result->module->levels.levels[0];
    uint8_t svn = c->quote.td.tee_tcb_svn.data[0];
    if (svn >= best->isv_svn)
        return "";
    const char *advisories =
        result->module_level == NULL ? "" : say_advisories(v, result->module_level->advisories);
    return say(v,
               "the TDX module %s is at SVN %u, at least %u is needed for %s since %s%s: the "
               "operator must load a newer TDX module, and the TD must be started anew",
               arena_printable(v->arena, result->module->id, 16), svn, best->isv_svn,
               tcb_status_word(best->status), say_date(v, best->date), advisories);
}

static const char *qe_lack(const struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    if (!c->has_qe || c->qe.levels.count == 0)
        return "";
    const struct svn_level *best = &c->qe.levels.levels[0];
    uint16_t svn = c->quote.qe_report.isv_svn;
    if (svn >= best->isv_svn)
        return "";
    const char *advisories =
        result->qe_level == NULL ? "" : say_advisories(v, result->qe_level->advisories);
    return say(v,
               "the quoting enclave is at ISVSVN %u, at least %u is needed for %s since %s%s: the "
               "operator must update Intel's DCAP software",
               svn, best->isv_svn, tcb_status_word(best->status), say_date(v, best->date),
               advisories);
}

static const char *status_advice(const struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    if (!result->matched)
        return "fetch newer collateral; the platform is older than every level that Intel lists";
    const char *advisories = say_advisories(v, result->level->advisories);
    switch (result->status) {
    case TCB_SW_HARDENING_NEEDED:
        return say(v,
                   "the app's own software must be hardened%s; if it is, the policy may say "
                   "tcb.accept = [\"UpToDate\", \"SWHardeningNeeded\"]",
                   advisories);
    case TCB_CONFIGURATION_NEEDED:
    case TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return say(v, "the operator must change the platform's configuration in the BIOS%s",
                   advisories);
    case TCB_TD_RELAUNCH_ADVISED:
    case TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
        return "the TDX module was updated under the running TD: stop the TD and start it anew";
    case TCB_REVOKED:
        return "Intel withdrew its trust in this platform's TCB: do not use it";
    default:
        return say(v, "the operator must update the platform%s", advisories);
    }
}

const char *intel_tcb_hint(const struct intel_case *c, const struct tcb_evaluation *result)
{
    struct verification *v = c->v;
    if (c->tcb.level_count == 0)
        return "the TCB info has no level: fetch it again";
    if (result->matched && result->status == TCB_REVOKED)
        return status_advice(c, result);
    const char *parts[] = {platform_lack(c, result), module_lack(c, result), qe_lack(c, result)};
    const char *text = "";
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i][0] != '\0')
            text = say(v, "%s%s%s", text, text[0] == '\0' ? "" : "; ", parts[i]);
    }
    return text[0] == '\0' ? status_advice(c, result) : text;
}
