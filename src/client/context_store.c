// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts on the owner's disk. Names come from outside (command line), file names never do: a file
 * is found by reading the folder.
 */
#include "client/context_store.h"
#include "client/owner.h"

#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BEGINNING_MIN = 4, CONTEXTS_MAX = 10000 };

static int context_path(const char *id, const char *suffix, char **ret, struct err *err)
{
    if (!manifest_id_valid(id))
        return FAIL(err, ERR_INVALID, "'%s' is not a UUID", id);
    AUTO_FREE char *folder = NULL;
    if (owner_contexts_folder(&folder, err) < 0)
        return -1;
    *ret = str_printf(err, "%s/%s%s", folder, id, suffix);
    return *ret == NULL ? -1 : 0;
}

int context_store_certificate_path(const char *id, char **ret, struct err *err)
{
    return context_path(id, ".pem", ret, err);
}

static int save_as(const struct context *context, const char *suffix, struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
    if (context_path(context->id, suffix, &path, err) < 0 ||
        context_encode(context, &text, err) < 0)
        return FAIL_CONTEXT(err, "saving the context");
    return file_write_atomic(path, buf_slice(&text), 0600, err);
}

int context_store_save(const struct context *context, struct err *err)
{
    return save_as(context, ".json", err);
}

/* No ".json" at its end: it is no app of its own. */
static void release_suffix(int64_t release, char suffix[static 40])
{
    (void)snprintf(suffix, 40, ".release-%lld", (long long)release);
}

int context_store_save_release(const struct context *context, int64_t release, struct err *err)
{
    char suffix[40];
    release_suffix(release, suffix);
    return save_as(context, suffix, err);
}

static int read_context(const char *path, struct context *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
    if (file_read(path, &text, err) < 0 ||
        context_decode(buf_slice(&text), "context", ret, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", path);
    return 0;
}

int context_store_read_release(const char *id, int64_t release, struct context *ret,
                               struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_CONTEXT struct context context = {0};
    char suffix[40];
    release_suffix(release, suffix);
    if (context_path(id, suffix, &path, err) < 0 || read_context(path, &context, err) < 0)
        return -1;
    if (strcmp(context.id, id) != 0)
        return FAIL(err, ERR_INVALID, "'%s' is of another app", path);
    *ret = context;
    context = (struct context){0};
    return 0;
}

/* All contexts, oldest first. */
struct contexts {
    struct context *items;
    size_t count;
};

static void contexts_done(struct contexts *contexts)
{
    for (size_t i = 0; i < contexts->count; i++)
        context_done(&contexts->items[i]);
    free(contexts->items);
}

static int by_age(const void *a, const void *b)
{
    const struct context *first = a;
    const struct context *second = b;
    return (first->created > second->created) - (first->created < second->created);
}

static int add_file(const struct client_hooks *hooks, const char *folder, const char *name,
                    struct contexts *contexts, struct err *err)
{
    if (!str_ends_with(name, ".json"))
        return 0;
    if (contexts->count >= CONTEXTS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "more than %d contexts", CONTEXTS_MAX);
    AUTO_FREE char *path = path_join(folder, name, err);
    struct context *items =
        mem_resize_array(contexts->items, contexts->count + 1, sizeof(*items), err);
    if (items != NULL)
        contexts->items = items;
    if (path == NULL || items == NULL)
        return -1;
    struct err broken = ERR_INIT;
    if (read_context(path, &items[contexts->count], &broken) < 0)
        client_warn(hooks, "%s (passed over)", broken.message);
    else
        contexts->count++;
    return 0;
}

static int load_all(const struct client_hooks *hooks, struct contexts *ret, struct err *err)
{
    AUTO_FREE char *folder = NULL;
    if (owner_contexts_folder(&folder, err) < 0)
        return -1;
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot open '%s'", folder);
    int status = 0;
    for (struct dirent *entry = readdir(entries); entry != NULL && status == 0;
         entry = readdir(entries))
        status = add_file(hooks, folder, entry->d_name, ret, err);
    (void)closedir(entries);
    if (ret->count > 1)
        qsort(ret->items, ret->count, sizeof(*ret->items), by_age);
    return status;
}

int context_store_each(const struct client_hooks *hooks,
                       int (*each)(void *data, const struct context *context, struct err *err),
                       void *data, struct err *err)
{
    __attribute__((cleanup(contexts_done))) struct contexts all = {0};
    if (load_all(hooks, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.count; i++) {
        if (each(data, &all.items[i], err) < 0)
            return -1;
    }
    return 0;
}

bool context_is_named(const struct context *context, const char *name)
{
    return strcmp(context->id, name) == 0 || strcmp(context->name, name) == 0 ||
           (strlen(name) >= ID_BEGINNING_MIN && str_starts_with(context->id, name));
}

int context_store_find(const struct client_hooks *hooks, const char *name, struct context *ret,
                       struct err *err)
{
    __attribute__((cleanup(contexts_done))) struct contexts all = {0};
    if (load_all(hooks, &all, err) < 0)
        return -1;
    for (size_t i = all.count; i > 0; i--) {
        struct context *context = &all.items[i - 1];
        if (!context_is_named(context, name))
            continue;
        *ret = *context;
        *context = (struct context){0};
        return 0;
    }
    (void)FAIL(err, ERR_NOT_FOUND, "there is no context of an app '%s'", name);
    err_hint(err, "'mse context --list' shows those that there are");
    return -1;
}

int context_store_remove(const char *id, struct err *err)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *certificate = NULL;
    if (context_path(id, ".json", &path, err) < 0 ||
        context_path(id, ".pem", &certificate, err) < 0)
        return -1;
    if (!file_exists(path))
        return FAIL(err, ERR_NOT_FOUND, "there is no context '%s'", id);
    if (file_remove(certificate, err) < 0)
        return -1;
    return file_remove(path, err);
}
