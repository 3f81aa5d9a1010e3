// SPDX-License-Identifier: Apache-2.0
/*
 * A runtime is a file with its digest as its name, written whole or not at all. Which are needed is
 * said by the manifests of the releases that the node keeps; nothing else is recorded. Runs in
 * msed.
 */
#include "node/runtimes.h"

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/text_set.h"
#include "node/app_folder.h"

enum { RUNTIME_MAX = 256 << 20 }; /* bytes of a program; today's has 11 MB */

int runtimes_take_in(const char *folder, const char *program, char ret[static RUNTIME_DIGEST_SIZE],
                     struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(RUNTIME_MAX);
    uint8_t digest[SHA256_SIZE];
    if (file_read(program, &bytes, err) < 0 || sha256(buf_slice(&bytes), digest, err) < 0)
        return -1;
    hex_encode(slice_of(digest, sizeof(digest)), ret);
    AUTO_FREE char *path = path_join(folder, ret, err);
    if (path == NULL)
        return -1;
    return file_exists(path) ? 0 : file_write_atomic(path, buf_slice(&bytes), 0755, err);
}

char *runtimes_find(const char *folder, const char *digest, struct err *err)
{
    AUTO_FREE char *path = path_join(folder, digest, err);
    if (path == NULL || file_exists(path))
        return STEAL(path);
    (void)FAIL(err, ERR_NOT_FOUND,
               "this release runs with the runtime %.16s…, which the node does not have", digest);
    err_hint(err,
             "copy the mse-enclave of that version to '%s', or deploy the app anew with today's",
             path);
    return NULL;
}

/* --- who needs which --- */

struct listing {
    const struct runtimes_view *view;
    const struct store_app *app;
    runtimes_use_fn fn;
    void *context;
};

static bool is_of_image(const struct runtimes_view *view, const char *environment)
{
    struct err gone = ERR_INIT; /* an environment that is not offered any more */
    const struct environment_offer *offer = NULL;
    return environments_find(view->environments, environment, &offer, &gone) == 0 &&
           offer->is_image;
}

static int list_one(const struct listing *listing, const char *environment, int64_t release,
                    struct err *err)
{
    struct manifest manifest;
    char digest[RUNTIME_DIGEST_SIZE];
    if (is_of_image(listing->view, environment))
        return 0;
    AUTO_FREE char *app = path_join(listing->view->folders->apps, listing->app->id, err);
    AUTO_FREE char *package = app == NULL ? NULL : app_folder_package(app, release, err);
    if (package == NULL || app_folder_manifest(package, &manifest, err) < 0)
        return -1;
    hex_encode(slice_of(manifest.runtime_digest, SHA256_SIZE), digest);
    return listing->fn(listing->context, listing->app, release, digest, err);
}

static int list_release(void *context, const struct store_release *release, struct err *err)
{
    const struct listing *listing = context;
    const struct store_app *app = listing->app;
    if (release->number == store_release_number(app) || release->state == STORE_RELEASE_FAILED)
        return 0;
    return list_one(listing, release->environment, release->number, err);
}

/* An app that was made before there were releases has no record of one. */
static int list_app(void *context, const struct store_app *app, struct err *err)
{
    struct listing listing = *(const struct listing *)context;
    listing.app = app;
    if (app->state == STORE_STOPPED)
        return 0;
    if (list_one(&listing, app->environment, store_release_number(app), err) < 0)
        return -1;
    return store_release_each(listing.view->store, app->id, list_release, &listing, err);
}

int runtimes_each_use(const struct runtimes_view *view, runtimes_use_fn fn, void *context,
                      struct err *err)
{
    struct listing listing = {.view = view, .fn = fn, .context = context};
    return store_app_each(view->store, NULL, list_app, &listing, err);
}

/* --- those that nobody needs --- */

struct needed {
    const char *folder; /* of the runtimes */
    struct text_set digests;
};

static int need(void *context, const struct store_app *app, int64_t release, const char *digest,
                struct err *err)
{
    struct needed *needed = context;
    (void)app, (void)release;
    return text_set_add(&needed->digests, digest, err);
}

static int remove_unneeded(void *context, const char *name, struct err *err)
{
    const struct needed *needed = context;
    if (text_set_has(&needed->digests, name))
        return 0;
    AUTO_FREE char *path = path_join(needed->folder, name, err);
    if (path == NULL || file_remove(path, err) < 0)
        return -1;
    log_info("runtime %.16s… is removed: no release needs it", name);
    return 0;
}

int runtimes_remove_unused(const struct runtimes_view *view, const char *installed, struct err *err)
{
    struct needed needed = {.folder = view->folders->runtimes};
    int result = text_set_add(&needed.digests, installed, err);
    if (result == 0)
        result = runtimes_each_use(view, need, &needed, err);
    if (result == 0)
        result = folder_each(needed.folder, remove_unneeded, &needed, err);
    text_set_done(&needed.digests);
    return result;
}
