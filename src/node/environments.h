// SPDX-License-Identifier: Apache-2.0
/*
 * The environments that this node offers: those of its configuration, each with the description
 * and the digest that stand in manifests.
 */
#pragma once

#include "base/buf.h"
#include "model/environment.h"
#include "node/node_config.h"

enum { ENVIRONMENTS_DIGEST_SIZE = 65 };

struct environment_offer {
    struct environment environment; /* views into the configuration and into `python` below */
    char *description;              /* canonical JSON */
    char digest[ENVIRONMENTS_DIGEST_SIZE];
    bool
        is_image; /* of a VM: `description` is its image.json; Python and mse-enclave are its own */
    char python[16];
    char runtime_digest[ENVIRONMENTS_DIGEST_SIZE];
    /* What it has of the system's own packages, as pip's lines, NULL-terminated (NULL: nothing): a
     * layer, beside which the system's cannot be seen, gets them too. */
    const char *const *base_requirements;
};

struct environments {
    struct environment_offer *offers;
    size_t count;
    char python[16];
    const char *fallback; /* the default's name */
};

#define AUTO_ENVIRONMENTS __attribute__((cleanup(environments_done)))

/* Asks the system's Python for its version, and whether it has Flask: without it, "mse-flask" is
 * not offered unless its configuration installs it. `config` must outlive it. NOT_FOUND: no Python.
 */
int environments_init(const struct node_config *config, struct environments *ret,
                      struct err *err) MUST_USE;
/* The part of it that can be tested: with what was found. */
int environments_fill(const struct node_config *config, const char *python, bool has_flask,
                      struct environments *ret, struct err *err) MUST_USE;
void environments_done(struct environments *environments);

/* By name or image reference; "" means the default. NOT_FOUND lists what is offered. */
int environments_find(const struct environments *environments, const char *wanted,
                      const struct environment_offer **ret, struct err *err) MUST_USE;
