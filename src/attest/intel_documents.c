// SPDX-License-Identifier: Apache-2.0
/*
 * Reads Intel's signed JSON documents into structs. Every word and number that a verdict depends on
 * must be there and known: an unknown status, id, version or TCB type is refused by name.
 */
#include "attest/intel_documents.h"

#include "base/clock.h"

#include <stdio.h>

static const char *const status_words[TCB_STATUS_COUNT] = {
    [TCB_UP_TO_DATE] = "UpToDate",
    [TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [TCB_OUT_OF_DATE] = "OutOfDate",
    [TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [TCB_REVOKED] = "Revoked",
    [TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
};

const char *tcb_status_word(enum tcb_status status)
{
    return (unsigned)status < TCB_STATUS_COUNT ? status_words[status] : "unknown";
}

int tcb_status_of(struct slice word)
{
    for (int i = 0; i < TCB_STATUS_COUNT; i++) {
        if (slice_is_str(word, status_words[i]))
            return i;
    }
    return -1;
}

static int get_time(const struct doc_node *object, const char *name, int64_t *ret, struct err *err)
{
    const struct doc_node *node = doc_get(object, name);
    char text[40];
    if (node == NULL || node->type != DOC_STRING || node->text.len >= sizeof(text))
        return FAIL(err, ERR_INVALID, "'%s' is missing or no time", name);
    memcpy(text, node->text.data, node->text.len);
    text[node->text.len] = '\0';
    if (rfc3339_parse(text, ret, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", name);
    return 0;
}

/* `last`: the last of the words that this kind of level may have. */
static int get_status(const struct doc_node *level, bool platform, enum tcb_status *ret,
                      struct err *err)
{
    const struct doc_node *node = doc_get(level, "tcbStatus");
    int status = node == NULL || node->type != DOC_STRING ? -1 : tcb_status_of(node->text);
    bool known =
        platform ? status >= 0 && status <= TCB_REVOKED
                 : status == TCB_UP_TO_DATE || status == TCB_OUT_OF_DATE || status == TCB_REVOKED;
    if (!known)
        return FAIL(err, ERR_INVALID, "'tcbStatus' is missing or a word that is not known");
    *ret = (enum tcb_status)status;
    return 0;
}

static int get_advisories(const struct doc_node *level, const struct doc_node **ret,
                          struct err *err)
{
    const struct doc_node *node = doc_get(level, "advisoryIDs");
    if (node == NULL || node->type == DOC_NULL)
        return 0;
    if (doc_get_array(level, "advisoryIDs", ADVISORIES_MAX, &node, err) < 0)
        return -1;
    for (const struct doc_node *each = node->child; each != NULL; each = each->next) {
        if (each->type != DOC_STRING || each->text.len == 0 || each->text.len > 64)
            return FAIL(err, ERR_INVALID, "'advisoryIDs' has an element that is no advisory");
    }
    *ret = node;
    return 0;
}

static int get_u16(const struct doc_node *object, const char *name, uint16_t *ret, struct err *err)
{
    uint64_t number;
    if (doc_get_number(object, name, UINT16_MAX, &number, err) < 0)
        return -1;
    *ret = (uint16_t)number;
    return 0;
}

/* Version 3: an array of 16 objects with at least an svn. */
static int get_components(const struct doc_node *tcb, const char *name,
                          uint8_t ret[static TCB_COMPONENTS], const struct doc_node **ret_array,
                          struct err *err)
{
    const struct doc_node *array;
    if (doc_get_array(tcb, name, TCB_COMPONENTS, &array, err) < 0)
        return -1;
    if (array->count != TCB_COMPONENTS)
        return FAIL(err, ERR_INVALID, "'%s' has %zu elements, not %d", name, array->count,
                    TCB_COMPONENTS);
    size_t i = 0;
    for (const struct doc_node *each = array->child; each != NULL; each = each->next) {
        uint64_t svn;
        if (doc_get_number(each, "svn", UINT8_MAX, &svn, err) < 0)
            return FAIL_CONTEXT(err, "'%s'", name);
        ret[i++] = (uint8_t)svn;
    }
    *ret_array = array;
    return 0;
}

/* Version 2: sgxtcbcomp01svn to sgxtcbcomp16svn. */
static int get_components_v2(const struct doc_node *tcb, uint8_t ret[static TCB_COMPONENTS],
                             struct err *err)
{
    for (int i = 0; i < TCB_COMPONENTS; i++) {
        char name[sizeof("sgxtcbcomp01svn") + 8];
        uint64_t svn;
        (void)snprintf(name, sizeof(name), "sgxtcbcomp%02dsvn", i + 1);
        if (doc_get_number(tcb, name, UINT8_MAX, &svn, err) < 0)
            return -1;
        ret[i] = (uint8_t)svn;
    }
    return 0;
}

static int parse_level(const struct tcb_info *info, const struct doc_node *node,
                       struct tcb_level *ret, struct err *err)
{
    const struct doc_node *tcb;
    if (doc_get_object(node, "tcb", &tcb, err) < 0 ||
        get_u16(tcb, "pcesvn", &ret->pce_svn, err) < 0 ||
        get_time(node, "tcbDate", &ret->date, err) < 0 ||
        get_status(node, true, &ret->status, err) < 0 ||
        get_advisories(node, &ret->advisories, err) < 0)
        return -1;
    if (info->version == 2)
        return get_components_v2(tcb, ret->sgx, err);
    if (get_components(tcb, "sgxtcbcomponents", ret->sgx, &ret->sgx_components, err) < 0)
        return -1;
    return info->is_tdx
               ? get_components(tcb, "tdxtcbcomponents", ret->tdx, &ret->tdx_components, err)
               : 0;
}

static int parse_levels(struct arena *arena, const struct doc_node *root, struct tcb_info *info,
                        struct err *err)
{
    const struct doc_node *array;
    if (doc_get_array(root, "tcbLevels", TCB_LEVELS_MAX, &array, err) < 0)
        return -1;
    info->levels = arena_array(arena, array->count, sizeof(*info->levels));
    if (info->levels == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    for (const struct doc_node *each = array->child; each != NULL; each = each->next) {
        if (parse_level(info, each, &info->levels[info->level_count], err) < 0)
            return FAIL_CONTEXT(err, "TCB level %zu", info->level_count + 1);
        info->level_count++;
    }
    return 0;
}

static int parse_svn_levels(struct arena *arena, const struct doc_node *object,
                            struct svn_levels *ret, struct err *err)
{
    const struct doc_node *array;
    if (doc_get_array(object, "tcbLevels", SVN_LEVELS_MAX, &array, err) < 0)
        return -1;
    ret->levels = arena_array(arena, array->count, sizeof(*ret->levels));
    if (ret->levels == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    for (const struct doc_node *each = array->child; each != NULL; each = each->next) {
        struct svn_level *level = &ret->levels[ret->count++];
        const struct doc_node *tcb;
        if (doc_get_object(each, "tcb", &tcb, err) < 0 ||
            get_u16(tcb, "isvsvn", &level->isv_svn, err) < 0 ||
            get_time(each, "tcbDate", &level->date, err) < 0 ||
            get_status(each, false, &level->status, err) < 0 ||
            get_advisories(each, &level->advisories, err) < 0)
            return FAIL_CONTEXT(err, "level %zu", ret->count);
    }
    return 0;
}

static int parse_module(const struct doc_node *node, struct tdx_module *ret, struct err *err)
{
    if (doc_get_hex(node, "mrsigner", ret->mrsigner, sizeof(ret->mrsigner), err) < 0 ||
        doc_get_hex(node, "attributes", ret->attributes, sizeof(ret->attributes), err) < 0)
        return -1;
    return doc_get_hex(node, "attributesMask", ret->attributes_mask, sizeof(ret->attributes_mask),
                       err);
}

static int parse_module_identities(struct arena *arena, const struct doc_node *root,
                                   struct tcb_info *info, struct err *err)
{
    const struct doc_node *array = doc_get(root, "tdxModuleIdentities");
    if (array == NULL)
        return 0;
    if (doc_get_array(root, "tdxModuleIdentities", TDX_MODULES_MAX, &array, err) < 0)
        return -1;
    info->modules = arena_array(arena, array->count, sizeof(*info->modules));
    if (info->modules == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    for (const struct doc_node *each = array->child; each != NULL; each = each->next) {
        struct tdx_module *module = &info->modules[info->module_count++];
        if (doc_get_string(arena, each, "id", &module->id, err) < 0 ||
            parse_module(each, module, err) < 0 ||
            parse_svn_levels(arena, each, &module->levels, err) < 0)
            return FAIL_CONTEXT(err, "TDX module identity %zu", info->module_count);
    }
    return 0;
}

static int parse_modules(struct arena *arena, const struct doc_node *root, struct tcb_info *info,
                         struct err *err)
{
    const struct doc_node *module;
    if (!info->is_tdx)
        return 0;
    if (doc_get_object(root, "tdxModule", &module, err) < 0)
        return -1;
    if (parse_module(module, &info->module, err) < 0)
        return FAIL_CONTEXT(err, "'tdxModule'");
    info->has_module = true;
    return parse_module_identities(arena, root, info, err);
}

/* Version 2 has no id: it is SGX's. */
static int parse_kind(struct arena *arena, const struct doc_node *root, struct tcb_info *info,
                      struct err *err)
{
    uint64_t version;
    uint64_t type;
    struct slice id = slice_str("SGX");
    if (doc_get_number(root, "version", UINT8_MAX, &version, err) < 0)
        return -1;
    if (version != 2 && version != 3)
        return FAIL(err, ERR_INVALID, "'version' is %u, known are 2 and 3", (unsigned)version);
    if (version == 3 && doc_get_string(arena, root, "id", &id, err) < 0)
        return -1;
    if (!slice_is_str(id, "SGX") && !slice_is_str(id, "TDX"))
        return FAIL(err, ERR_INVALID, "'id' is neither SGX nor TDX");
    /* tcbType 0: levels are compared component by component; no other is defined */
    if (doc_get_number(root, "tcbType", 0, &type, err) < 0)
        return -1;
    info->version = (uint8_t)version;
    info->is_tdx = slice_is_str(id, "TDX");
    return 0;
}

static int parse_root(struct arena *arena, struct slice text, const char *what,
                      const struct doc_node **ret, struct err *err)
{
    if (doc_parse(arena, text, what, ret, err) < 0)
        return -1;
    return (*ret)->type == DOC_OBJECT ? 0 : FAIL(err, ERR_INVALID, "%s is no object", what);
}

int tcb_info_parse(struct arena *arena, struct slice text, struct tcb_info *ret, struct err *err)
{
    struct tcb_info info = {0};
    const struct doc_node *root;
    if (parse_root(arena, text, "the TCB info", &root, err) < 0 ||
        parse_kind(arena, root, &info, err) < 0 ||
        get_time(root, "issueDate", &info.issued, err) < 0 ||
        get_time(root, "nextUpdate", &info.next_update, err) < 0 ||
        doc_get_hex(root, "fmspc", info.fmspc, sizeof(info.fmspc), err) < 0 ||
        doc_get_hex(root, "pceId", info.pce_id, sizeof(info.pce_id), err) < 0 ||
        doc_get_number(root, "tcbEvaluationDataNumber", UINT32_MAX, &info.evaluation_number, err) <
            0 ||
        parse_modules(arena, root, &info, err) < 0 || parse_levels(arena, root, &info, err) < 0)
        return -1;
    *ret = info;
    return 0;
}

static int parse_qe_kind(struct arena *arena, const struct doc_node *root, struct qe_identity *ret,
                         struct err *err)
{
    uint64_t version;
    struct slice id;
    if (doc_get_string(arena, root, "id", &id, err) < 0 ||
        doc_get_number(root, "version", UINT8_MAX, &version, err) < 0)
        return -1;
    if (!slice_is_str(id, "QE") && !slice_is_str(id, "TD_QE"))
        return FAIL(err, ERR_INVALID, "'id' is neither QE nor TD_QE");
    if (version != 2)
        return FAIL(err, ERR_INVALID, "'version' is %u, known is 2", (unsigned)version);
    ret->is_tdx = slice_is_str(id, "TD_QE");
    return 0;
}

static int parse_qe_fields(const struct doc_node *root, struct qe_identity *ret, struct err *err)
{
    const struct {
        const char *name;
        uint8_t *to;
        size_t size;
    } fields[] = {
        {"miscselect", ret->misc_select, sizeof(ret->misc_select)},
        {"miscselectMask", ret->misc_select_mask, sizeof(ret->misc_select_mask)},
        {"attributes", ret->attributes, sizeof(ret->attributes)},
        {"attributesMask", ret->attributes_mask, sizeof(ret->attributes_mask)},
        {"mrsigner", ret->mrsigner, sizeof(ret->mrsigner)},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (doc_get_hex(root, fields[i].name, fields[i].to, fields[i].size, err) < 0)
            return -1;
    }
    return get_u16(root, "isvprodid", &ret->isv_prod_id, err);
}

int qe_identity_parse(struct arena *arena, struct slice text, struct qe_identity *ret,
                      struct err *err)
{
    struct qe_identity identity = {0};
    const struct doc_node *root;
    if (parse_root(arena, text, "the QE identity", &root, err) < 0 ||
        parse_qe_kind(arena, root, &identity, err) < 0 ||
        get_time(root, "issueDate", &identity.issued, err) < 0 ||
        get_time(root, "nextUpdate", &identity.next_update, err) < 0 ||
        doc_get_number(root, "tcbEvaluationDataNumber", UINT32_MAX, &identity.evaluation_number,
                       err) < 0 ||
        parse_qe_fields(root, &identity, err) < 0 ||
        parse_svn_levels(arena, root, &identity.levels, err) < 0)
        return -1;
    *ret = identity;
    return 0;
}
