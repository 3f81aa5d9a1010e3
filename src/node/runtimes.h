// SPDX-License-Identifier: Apache-2.0
/*
 * The runtimes of a node: each mse-enclave that a release of an app names in its manifest, under
 * its digest. A release runs with its own, whatever was installed since (docs/releases.md).
 *
 *     runtimes/SHA-256    the program, mode 0755
 */
#pragma once

#include "crypto/crypto.h"
#include "node/environments.h"
#include "node/folders.h"
#include "store/store.h"

enum { RUNTIME_DIGEST_SIZE = 2 * SHA256_SIZE + 1 }; /* hexadecimal, with its end */

/* Copies the installed program into the folder, where it is not there yet, and names its digest. On
 * disk when it returns. */
int runtimes_take_in(const char *folder, const char *program, char ret[static RUNTIME_DIGEST_SIZE],
                     struct err *err) MUST_USE;
/* Path of the runtime of that digest; the caller frees. NOT_FOUND: says where it belongs. */
char *runtimes_find(const char *folder, const char *digest, struct err *err) MUST_USE;

/* What tells who needs which. */
struct runtimes_view {
    const struct folders *folders;
    const struct environments *environments;
    struct store *store;
};

/* That release of the app names that runtime. Called without a lock; -1 ends the listing. */
typedef int (*runtimes_use_fn)(void *context, const struct store_app *app, int64_t release,
                               const char *digest, struct err *err);
/* Every release that the node keeps, of every app that is not stopped. Not those of images, which
 * have their runtime inside. -1 also where one's manifest cannot be read. */
int runtimes_each_use(const struct runtimes_view *view, runtimes_use_fn fn, void *context,
                      struct err *err) MUST_USE;
/* Removes those that no release names, but for `installed`. Removes none where that is not known of
 * every release. */
int runtimes_remove_unused(const struct runtimes_view *view, const char *installed,
                           struct err *err) MUST_USE;
