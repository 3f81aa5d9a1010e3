// SPDX-License-Identifier: Apache-2.0
/*
 * A JSON document: evidence, collateral, policies in clients' hands. Of what is read each member is
 * found again under its name, and each string resolves to well-formed text.
 */
#include "base/text.h"
#include "format/document.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct arena *arena, const struct doc_node *node)
{
    struct err err = ERR_INIT;
    struct slice text;
    if (node->type == DOC_STRING && (doc_string(arena, node, &text, &err) < 0 || !utf8_valid(text)))
        abort();
    for (const struct doc_node *child = node->child; child != NULL; child = child->next) {
        if (node->type == DOC_OBJECT &&
            doc_get(node, arena_printf(arena, "%.*s", (int)child->name.len,
                                       (const char *)child->name.data)) != child)
            abort();
        walk(arena, child);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err err = ERR_INIT;
    const struct doc_source source = {.what = "input", .max_depth = 32, .max_names = 4096};
    const struct doc_node *root;
    if (doc_read(&arena, slice_of(data, size), &source, &root, &err) == 0)
        walk(&arena, root);
    arena_done(&arena);
    return 0;
}
