// SPDX-License-Identifier: Apache-2.0
/*
 * The list of documents under way (include/mse/needs.h), filled by the verifier of the evidence.
 */
#pragma once

#include "format/arena.h"

#include "mse/needs.h"

enum { NEEDS_MAX = 24 };

struct needs {
    struct mse_needs seen; /* first: what the caller sees */
    struct mse_document documents[NEEDS_MAX];
    struct arena arena; /* of the texts */
};

/* The texts are static, or in the arena. */
void needs_add(struct needs *needs, const struct mse_document *document);
