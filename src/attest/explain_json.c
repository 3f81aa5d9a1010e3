// SPDX-License-Identifier: Apache-2.0
/*
 * Any JSON document as a flat list of paths. In a collateral bundle and in an attestation document
 * some strings hold more: documents, chains, CRLs, evidence. These are followed by name.
 */
#include "attest/explain.h"

#include "format/document.h"

#include "base/text.h"

enum { EVIDENCE_MAX = 64 << 10, DIGEST_DIGITS = 64 };

enum holds { HOLDS_JSON, HOLDS_CERTIFICATES, HOLDS_CRL, HOLDS_EVIDENCE };

static const struct {
    const char *name;
    enum holds holds;
} containers[] = {
    {"tcb_info", HOLDS_JSON},
    {"qe_identity", HOLDS_JSON},
    {"collateral", HOLDS_JSON},
    {"manifest", HOLDS_JSON},
    {"verdict", HOLDS_JSON},
    {"pck_crl_issuer_chain", HOLDS_CERTIFICATES},
    {"tcb_info_issuer_chain", HOLDS_CERTIFICATES},
    {"qe_identity_issuer_chain", HOLDS_CERTIFICATES},
    {"vcek", HOLDS_CERTIFICATES},
    {"vlek", HOLDS_CERTIFICATES},
    {"ask", HOLDS_CERTIFICATES},
    {"ark", HOLDS_CERTIFICATES},
    {"root_ca_crl", HOLDS_CRL},
    {"pck_crl", HOLDS_CRL},
    {"crl", HOLDS_CRL},
    {"evidence", HOLDS_EVIDENCE},
};

static void explain_node(struct explanation *e, const char *path, const struct doc_node *node,
                         unsigned depth);

static void follow_crl(struct explanation *e, const char *path, struct slice text)
{
    AUTO_BUF struct buf der = BUF_INIT(DOC_MAX_SIZE);
    struct err err = ERR_INIT;
    if (hex_decode_append(&der, text, "a CRL", &err) < 0)
        explain_printf(e, path, "error", "%s", err.message);
    else
        explain_crl(e, path, buf_slice(&der));
}

static int follow_evidence(struct explanation *e, const char *path, struct slice text,
                           unsigned depth)
{
    AUTO_BUF struct buf evidence = BUF_INIT(EVIDENCE_MAX);
    struct err err = ERR_INIT;
    if (base64_decode_append(&evidence, text, "evidence", &err) < 0)
        return -1;
    struct slice kept = arena_copy(&e->arena, buf_slice(&evidence));
    return explain_any(e, path, kept, depth + 1, &err);
}

/* False: the string is just a string. */
static bool follow(struct explanation *e, const char *path, struct slice name, struct slice text,
                   unsigned depth)
{
    const char *inner = arena_printf(&e->arena, "%s.", path);
    size_t i = 0;
    while (i < ARRAY_LEN(containers) && !slice_is_str(name, containers[i].name))
        i++;
    if (i == ARRAY_LEN(containers) || depth >= EXPLAIN_DEPTH_MAX || text.len <= DIGEST_DIGITS)
        return false; /* in a receipt these names have digests */
    switch (containers[i].holds) {
    case HOLDS_JSON:
        return explain_json(e, inner, text, depth + 1, NULL) == 0;
    case HOLDS_CERTIFICATES:
        explain_certificates(e, inner, text, depth + 1);
        return true;
    case HOLDS_CRL:
        follow_crl(e, inner, text);
        return true;
    case HOLDS_EVIDENCE:
        return follow_evidence(e, inner, text, depth) == 0;
    }
    return false;
}

static void explain_string(struct explanation *e, const char *path, const struct doc_node *node,
                           unsigned depth)
{
    struct slice text;
    struct err err = ERR_INIT;
    if (doc_string(&e->arena, node, &text, &err) < 0) {
        explain_put(e, path, "", err.message);
        return;
    }
    if (!follow(e, path, node->name, text, depth))
        explain_put(e, path, "", arena_printable(&e->arena, text, 4096));
}

static void explain_children(struct explanation *e, const char *path, const struct doc_node *node,
                             unsigned depth)
{
    size_t i = 0;
    for (const struct doc_node *child = node->child; child != NULL; child = child->next, i++) {
        const char *inner =
            node->type == DOC_ARRAY
                ? arena_printf(&e->arena, "%s[%zu]", path, i)
                : arena_printf(&e->arena, "%s%s%s", path, path[0] == '\0' ? "" : ".",
                               arena_printable(&e->arena, child->name, 64));
        explain_node(e, inner, child, depth);
    }
    if (node->child == NULL)
        explain_put(e, path, "", node->type == DOC_ARRAY ? "[]" : "{}");
}

static void explain_node(struct explanation *e, const char *path, const struct doc_node *node,
                         unsigned depth)
{
    switch (node->type) {
    case DOC_OBJECT:
    case DOC_ARRAY:
        explain_children(e, path, node, depth);
        return;
    case DOC_STRING:
        explain_string(e, path, node, depth);
        return;
    case DOC_NUMBER:
    case DOC_TRUE:
    case DOC_FALSE:
    case DOC_NULL:
        explain_put(e, path, "", arena_printable(&e->arena, node->text, 64));
        return;
    }
}

static const char *kind_of(const struct doc_node *root)
{
    static const struct {
        const char *member;
        const char *kind;
    } kinds[] = {
        {"receipt", "receipt of a verification"},
        {"code_commitment", "manifest"},
        {"tcb_info", "Intel collateral"},
        {"vcek", "AMD collateral"},
        {"vlek", "AMD collateral"},
        {"evidence", "attestation document"},
        {"tcbLevels", "TCB info or QE identity"},
        {"checks", "verdict"},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (doc_get(root, kinds[i].member) != NULL)
            return kinds[i].kind;
    }
    return "JSON document";
}

int explain_json(struct explanation *e, const char *prefix, struct slice text, unsigned depth,
                 struct err *err)
{
    const struct doc_node *root;
    if (doc_parse(&e->arena, text, "the document", &root, err) < 0)
        return -1;
    if (root->type != DOC_OBJECT)
        return FAIL(err, ERR_INVALID, "the document is not a JSON object");
    if (e->kind == NULL)
        e->kind = kind_of(root);
    size_t len = strlen(prefix);
    const char *path = len == 0 ? "" : arena_printf(&e->arena, "%.*s", (int)len - 1, prefix);
    explain_node(e, path, root, depth);
    return 0;
}
