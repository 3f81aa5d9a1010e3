// SPDX-License-Identifier: Apache-2.0
/*
 * TCB levels: matching and convergence. The order of levels is the signed document's own, best
 * first; the first that the platform reaches is its level.
 */
#include "attest/intel_tcb.h"

#include <stdio.h>

static bool all_reach(const uint8_t *found, const uint8_t *needed, size_t from)
{
    for (size_t i = from; i < TCB_COMPONENTS; i++) {
        if (found[i] < needed[i])
            return false;
    }
    return true;
}

/* A TDX 1.5 module (version in TEE_TCB_SVN[1] not 0) is rated by its own identity: bytes 0 and 1
 * then hold its SVN and version and are no components. */
size_t tdx_first_component(const struct td_report *td)
{
    return td->tee_tcb_svn.data[1] > 0 ? 2 : 0;
}

static void match_platform(const struct tcb_info *info, const struct intel_pck *pck,
                           const struct td_report *td, struct tcb_evaluation *result)
{
    for (size_t i = 0; i < info->level_count; i++) {
        const struct tcb_level *level = &info->levels[i];
        if (!all_reach(pck->components, level->sgx, 0) || pck->pce_svn < level->pce_svn)
            continue;
        if (result->sgx_level == NULL)
            result->sgx_level = level;
        if (td != NULL && !all_reach(td->tee_tcb_svn.data, level->tdx, tdx_first_component(td)))
            continue;
        result->level = level;
        return;
    }
}

const struct svn_level *svn_level_find(const struct svn_levels *levels, uint16_t isv_svn)
{
    for (size_t i = 0; i < levels->count; i++) {
        if (isv_svn >= levels->levels[i].isv_svn)
            return &levels->levels[i];
    }
    return NULL;
}

/* "TDX_" and the version as two hexadecimal digits of either case. */
static const struct tdx_module *find_module(const struct tcb_info *info, uint8_t version)
{
    char upper[sizeof("TDX_00")];
    char lower[sizeof("TDX_00")];
    (void)snprintf(upper, sizeof(upper), "TDX_%02X", version);
    (void)snprintf(lower, sizeof(lower), "TDX_%02x", version);
    for (size_t i = 0; i < info->module_count; i++) {
        if (slice_is_str(info->modules[i].id, upper) || slice_is_str(info->modules[i].id, lower))
            return &info->modules[i];
    }
    return NULL;
}

static void match_module(const struct tcb_info *info, const struct td_report *td,
                         struct tcb_evaluation *result)
{
    uint8_t svn = td->tee_tcb_svn.data[0];
    uint8_t version = td->tee_tcb_svn.data[1];
    if (version == 0) {
        result->module = info->has_module ? &info->module : NULL;
        return;
    }
    result->module_rated = true;
    result->module = find_module(info, version);
    if (result->module != NULL)
        result->module_level = svn_level_find(&result->module->levels, svn);
}

bool tcb_status_is_out_of_date(enum tcb_status status)
{
    return status == TCB_OUT_OF_DATE || status == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

static bool needs_configuration(enum tcb_status status)
{
    return status == TCB_CONFIGURATION_NEEDED ||
           status == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           status == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED ||
           status == TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
}

/* A part (module or QE) that is out of date or revoked makes the whole so. */
static enum tcb_status converge(enum tcb_status whole, enum tcb_status part)
{
    if (part == TCB_REVOKED || whole == TCB_REVOKED)
        return TCB_REVOKED;
    if (part != TCB_OUT_OF_DATE)
        return whole;
    if (whole == TCB_UP_TO_DATE || whole == TCB_SW_HARDENING_NEEDED ||
        whole == TCB_TD_RELAUNCH_ADVISED)
        return TCB_OUT_OF_DATE;
    return needs_configuration(whole) ? TCB_OUT_OF_DATE_CONFIGURATION_NEEDED : whole;
}

/* The newest module that a running TD may have been moved to: does TEE_TCB_SVN_2 reach it? */
static bool runs_latest(const struct tcb_info *info, const struct td_report *td)
{
    const uint8_t *now = td->tee_tcb_svn2.data;
    const struct tcb_level *latest = &info->levels[0];
    if (now[2] < latest->tdx[2])
        return false;
    if (now[1] == 0)
        return now[0] >= latest->tdx[0];
    const struct tdx_module *module = find_module(info, now[1]);
    return module != NULL && module->levels.count > 0 && now[0] >= module->levels.levels[0].isv_svn;
}

/* TD-preserving update (4.1.2.4.17.4.3): the TD was launched on an out-of-date module and runs on a
 * current one now; only launching it again changes what its report says. */
static enum tcb_status consider_relaunch(const struct tcb_info *info, const struct td_report *td,
                                         const struct tcb_evaluation *result,
                                         enum tcb_status status)
{
    enum tcb_status sgx = result->sgx_level->status;
    bool sgx_current = sgx <= TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
    bool module_old =
        result->module_level != NULL && result->module_level->status == TCB_OUT_OF_DATE;
    if (td->tee_tcb_svn2.len != TCB_COMPONENTS || !sgx_current || !module_old ||
        !tcb_status_is_out_of_date(status) || result->qe_level->status != TCB_UP_TO_DATE ||
        !runs_latest(info, td))
        return status;
    return needs_configuration(sgx) || needs_configuration(status)
               ? TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
               : TCB_TD_RELAUNCH_ADVISED;
}

struct tcb_evaluation tcb_evaluate(const struct tcb_info *info, const struct intel_pck *pck,
                                   const struct td_report *td, const struct qe_identity *qe,
                                   uint16_t qe_isv_svn)
{
    struct tcb_evaluation result = {0};
    match_platform(info, pck, td, &result);
    if (td != NULL)
        match_module(info, td, &result);
    result.qe_level = svn_level_find(&qe->levels, qe_isv_svn);
    result.matched = result.level != NULL && result.qe_level != NULL &&
                     (!result.module_rated || result.module_level != NULL);
    if (!result.matched)
        return result;
    enum tcb_status status = result.level->status;
    if (result.sgx_level->status == TCB_REVOKED)
        status = TCB_REVOKED;
    if (result.module_level != NULL)
        status = converge(status, result.module_level->status);
    if (td != NULL)
        status = consider_relaunch(info, td, &result, status);
    result.status = converge(status, result.qe_level->status);
    return result;
}
