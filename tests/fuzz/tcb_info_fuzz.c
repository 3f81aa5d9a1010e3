// SPDX-License-Identifier: Apache-2.0
/*
 * TCB info of strangers, and the evaluation of a platform against whatever was read from it.
 */
#include "attest/intel_tcb.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t svns[TCB_COMPONENTS] = {6, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5};
    static struct svn_level level = {.isv_svn = 1, .status = TCB_UP_TO_DATE};
    struct arena arena = {0};
    struct tcb_info info;
    struct err err = ERR_INIT;
    if (tcb_info_parse(&arena, slice_of(data, size), &info, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        arena_done(&arena);
        return 0;
    }
    struct intel_pck pck = {.pce_svn = 11};
    memcpy(pck.components, svns, sizeof(svns));
    const struct td_report td = {.tee_tcb_svn = slice_of(svns, sizeof(svns)),
                                 .tee_tcb_svn2 = slice_of(svns, sizeof(svns))};
    const struct qe_identity qe = {.levels = {.levels = &level, .count = 1}};
    struct tcb_evaluation result = tcb_evaluate(&info, &pck, info.is_tdx ? &td : NULL, &qe, 2);
    if (result.matched && (result.level == NULL || result.sgx_level == NULL ||
                           (unsigned)result.status >= TCB_STATUS_COUNT))
        abort();
    arena_done(&arena);
    return 0;
}
