// SPDX-License-Identifier: Apache-2.0
/*
 * mse_needs_of: finds the verifier of the evidence's format and lets it list what it will want to
 * see. Owns the list and its texts until mse_needs_free.
 */
#include "attest/needs.h"

#include "attest/verifiers.h"

#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>

void needs_add(struct needs *needs, const struct mse_document *document)
{
    if (needs->seen.count == NEEDS_MAX)
        abort(); /* the lists are ours: none is that long */
    needs->documents[needs->seen.count++] = *document;
}

static struct needs *make(struct slice evidence, struct err *err)
{
    struct needs *needs = mem_alloc(sizeof(*needs), err);
    if (needs == NULL)
        return NULL;
    needs->seen.size = sizeof(needs->seen);
    needs->seen.documents = needs->documents;
    (void)ERR_set_mark();
    int rc = verifier_needs(evidence, needs, err);
    (void)ERR_pop_to_mark();
    if (rc == 0 && !needs->arena.out_of_memory)
        return needs;
    if (rc == 0)
        (void)FAIL(err, ERR_MEMORY, "out of memory");
    mse_needs_free(&needs->seen);
    return NULL;
}

int mse_needs_of(struct mse_bytes evidence, struct mse_needs **ret, char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    struct needs *needs = make(slice_of(evidence.data, evidence.size), &err);
    if (needs != NULL) {
        *ret = &needs->seen;
        return 0;
    }
    if (error != NULL)
        (void)snprintf(error, MSE_ERROR_SIZE, "%s%s%s", err.message,
                       err.hint[0] == '\0' ? "" : "; ", err.hint);
    return -1;
}

void mse_needs_free(struct mse_needs *needs)
{
    struct needs *whole = (struct needs *)needs;
    if (whole == NULL)
        return;
    arena_done(&whole->arena);
    free(whole);
}
