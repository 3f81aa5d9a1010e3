// SPDX-License-Identifier: Apache-2.0
/*
 * The contexts in the owner's config folder: one file a deployment (contexts/ID.json, mode 0600)
 * and beside it the verified certificate (contexts/ID.pem).
 */
#pragma once

#include "client/hooks.h"

#include "model/context.h"

/* Writes the context; replaces an older one of the same id. */
int context_store_save(const struct context *context, struct err *err) MUST_USE;
/* The same beside it, of one release: for a rollback. */
int context_store_save_release(const struct context *context, int64_t release,
                               struct err *err) MUST_USE;
/* NOT_FOUND. */
int context_store_read_release(const char *id, int64_t release, struct context *ret,
                               struct err *err) MUST_USE;
/* Is this the context of the app that `name` means: its id, a beginning of it, or its name? */
bool context_is_named(const struct context *context, const char *name);
/* By UUID, unique beginning or name (the newest of that name). NOT_FOUND. */
int context_store_find(const struct client_hooks *hooks, const char *name, struct context *ret,
                       struct err *err) MUST_USE;
/* Calls `each` for every context, oldest first. A file that cannot be read is a
 * warning (hooks may be NULL). */
int context_store_each(const struct client_hooks *hooks,
                       int (*each)(void *data, const struct context *context, struct err *err),
                       void *data, struct err *err) MUST_USE;
/* Removes the context and its certificate. NOT_FOUND. */
int context_store_remove(const char *id, struct err *err) MUST_USE;
/* contexts/ID.pem; the caller frees. */
int context_store_certificate_path(const char *id, char **ret, struct err *err) MUST_USE;
