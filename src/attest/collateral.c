// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a collateral bundle by a table of its members.
 */
#include "attest/collateral.h"

static const struct {
    const char *name;
    size_t offset;
    bool hex;
} members[] = {
    {"pck_crl_issuer_chain", offsetof(struct collateral, pck_crl_issuer_chain), false},
    {"root_ca_crl", offsetof(struct collateral, root_ca_crl), true},
    {"pck_crl", offsetof(struct collateral, pck_crl), true},
    {"tcb_info_issuer_chain", offsetof(struct collateral, tcb_info_issuer_chain), false},
    {"tcb_info", offsetof(struct collateral, tcb_info), false},
    {"tcb_info_signature", offsetof(struct collateral, tcb_info_signature), true},
    {"qe_identity_issuer_chain", offsetof(struct collateral, qe_identity_issuer_chain), false},
    {"qe_identity", offsetof(struct collateral, qe_identity), false},
    {"qe_identity_signature", offsetof(struct collateral, qe_identity_signature), true},
    {"vcek", offsetof(struct collateral, vcek), false},
    {"vlek", offsetof(struct collateral, vlek), false},
    {"ask", offsetof(struct collateral, ask), false},
    {"ark", offsetof(struct collateral, ark), false},
    {"crl", offsetof(struct collateral, crl), true},
};

static int read_hex(struct arena *arena, const struct doc_node *root, const char *name,
                    struct slice *ret, struct err *err)
{
    struct slice digits;
    if (doc_get_string(arena, root, name, &digits, err) < 0)
        return -1;
    uint8_t *bytes = arena_alloc(arena, digits.len / 2);
    if (bytes == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    if (doc_get_hex(root, name, bytes, digits.len / 2, err) < 0)
        return -1;
    *ret = slice_of(bytes, digits.len / 2);
    return 0;
}

int collateral_parse(struct arena *arena, struct slice text, struct collateral *ret,
                     struct err *err)
{
    struct collateral found = {0};
    const struct doc_node *root;
    if (doc_parse(arena, text, "the collateral", &root, err) < 0)
        return -1;
    if (root->type != DOC_OBJECT)
        return FAIL(err, ERR_INVALID, "the collateral is not a JSON object");
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct doc_node *node = doc_get(root, members[i].name);
        if (node == NULL || node->type == DOC_NULL)
            continue;
        struct slice *place = (struct slice *)(void *)((char *)&found + members[i].offset);
        int rc = members[i].hex ? read_hex(arena, root, members[i].name, place, err)
                                : doc_get_string(arena, root, members[i].name, place, err);
        if (rc < 0)
            return FAIL_CONTEXT(err, "the collateral");
    }
    *ret = found;
    return 0;
}
