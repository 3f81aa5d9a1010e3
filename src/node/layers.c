// SPDX-License-Identifier: Apache-2.0
/*
 * The cache of layers: by content, each built once, never half visible (built beside, then
 * renamed). Owns the list of builds under way. Runs in msed, on the threads of the apps that wait.
 */
#include "node/layers.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/text_set.h"
#include "crypto/crypto.h"
#include "node/account.h"
#include "node/pip.h"
#include "model/requirements.h"
#include "node/room.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY_VERSION = 2, ACCOUNT_SHARE = 2 };

struct building {
    struct building *next;
    const char *key;
    const char *owner;
    int64_t most_bytes; /* that the layer may have; 0: nobody has said */
    bool runs;          /* pip does, for it */
};

struct layers {
    struct layers_options options;
    struct lock mutex;
    pthread_cond_t changed;
    struct building *building; /* on the stacks of their threads */
};

/* --- the key --- */

static bool is_bare(const struct environment_offer *environment, struct slice requirements)
{
    return environment->environment.requirement_count == 0 && requirements.len == 0;
}

static int requirements_of(const struct environment_offer *offer, struct slice requirements,
                           struct buf *out, struct err *err)
{
    const struct environment *environment = &offer->environment;
    bool complete = environment_requirements_hashed(requirements);
    for (const char *const *line = offer->base_requirements;
         line != NULL && *line != NULL && !complete; line++) {
        if (buf_printf(out, err, "%s\n", *line) < 0)
            return -1;
    }
    for (size_t i = 0; i < environment->requirement_count; i++) {
        if (buf_str(out, environment->requirements[i], err) < 0 || buf_u8(out, '\n', err) < 0)
            return -1;
    }
    return buf_bytes(out, requirements, err);
}

static int key_of(const struct environment_offer *environment, struct slice requirements,
                  char ret_key[static LAYER_KEY_SIZE], struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    /* one line of JSON, which holds the environment's requirements and Python, then the app's */
    AUTO_BUF struct buf text = BUF_INIT(ENVIRONMENT_DESCRIPTION_MAX + (2 << 20));
    if (buf_printf(&text, err, "layer %d\n%s\n", KEY_VERSION, environment->description) < 0 ||
        buf_bytes(&text, requirements, err) < 0 || sha256(buf_slice(&text), digest, err) < 0)
        return -1;
    hex_encode(slice_of(digest, sizeof(digest)), ret_key);
    return 0;
}

int layer_key(const struct environment_offer *environment, struct slice requirements,
              char ret_key[static LAYER_KEY_SIZE], bool *ret_needed, struct err *err)
{
    *ret_needed = !is_bare(environment, requirements);
    ret_key[0] = '\0';
    return *ret_needed ? key_of(environment, requirements, ret_key, err) : 0;
}

/* --- one build --- */

static int write_environment(const char *folder, const struct environment_offer *environment,
                             struct err *err)
{
    AUTO_FREE char *path = path_join(folder, "environment.json", err);
    if (path == NULL)
        return -1;
    return file_write_atomic(path, slice_str(environment->description), 0644, err);
}

/* Of what is free beside the reserve a build gets no more than its share, so that those under way
 * together leave the reserve as it is. */
static struct build_limits limits_now(const struct layers *layers, int64_t most_bytes)
{
    struct build_limits limits = layers->options.limits;
    struct room room;
    struct err err = ERR_INIT;
    if (most_bytes > 0 && (uint64_t)most_bytes < limits.disk_bytes)
        limits.disk_bytes = (uint64_t)most_bytes;
    if (layers->options.config == NULL)
        return limits;
    if (room_look(layers->options.config, layers->options.folder, &room, &err) < 0) {
        log_err(LOG_WARNING, &err);
        return limits;
    }
    limits.reserve_bytes = room.reserve_bytes;
    uint64_t spare =
        room.free_bytes > room.reserve_bytes ? room.free_bytes - room.reserve_bytes : 0;
    uint64_t share = spare / (layers->options.builds > 0 ? layers->options.builds : 1);
    if (share < limits.disk_bytes)
        limits.disk_bytes = share;
    return limits;
}

/* A bare layer holds the environment's description alone. */
static int build_in(const struct layers *layers, const char *folder, int64_t most_bytes,
                    const struct environment_offer *environment, struct slice requirements,
                    struct err *err)
{
    if (is_bare(environment, requirements)) {
        if (folder_create(folder, 0755, err) < 0)
            return -1;
        return write_environment(folder, environment, err);
    }
    AUTO_FREE char *file = str_printf(err, "%s.txt", folder);
    AUTO_FREE char *site = str_printf(err, "%s/site-packages", folder);
    AUTO_BUF struct buf text = BUF_INIT(ENVIRONMENT_DESCRIPTION_MAX + (2 << 20));
    if (file == NULL || site == NULL ||
        requirements_of(environment, requirements, &text, err) < 0 ||
        folder_create(folder, 0755, err) < 0 || folder_create(site, 0755, err) < 0 ||
        file_write_atomic(file, buf_slice(&text), 0644, err) < 0)
        return -1;
    const struct pip_run run = {.output = site,
                                .requirements = file,
                                .host_network = layers->options.host_network,
                                .limits = limits_now(layers, most_bytes),
                                .timeout_ms = layers->options.timeout_ms};
    int result = pip_install(&run, err);
    struct err ignored = ERR_INIT;
    if (file_remove(file, &ignored) < 0)
        log_err(LOG_WARNING, &ignored);
    if (result < 0)
        return -1;
    return write_environment(folder, environment, err);
}

static int build(const struct layers *layers, const char *path, const struct building *building,
                 const struct environment_offer *environment, struct slice requirements,
                 struct err *err)
{
    const char *key = building->key;
    AUTO_FREE char *folder = str_printf(err, "%s/.build-%s", layers->options.folder, key);
    if (folder == NULL)
        return -1;
    int64_t start = clock_monotonic_ms();
    int result = build_in(layers, folder, building->most_bytes, environment, requirements, err);
    if (result == 0 && rename(folder, path) < 0)
        result = FAIL_ERRNO(err, ERR_IO, "cannot rename '%s'", folder);
    if (result < 0) {
        struct err ignored = ERR_INIT;
        if (folder_remove_tree(folder, &ignored) < 0)
            log_err(LOG_WARNING, &ignored);
        return -1;
    }
    log_info("layer %.12s built in %lld ms", key, (long long)(clock_monotonic_ms() - start));
    return 0;
}

static int remember(const struct layers *layers, const char *path, const char *environment,
                    struct err *err)
{
    const char *key = path_base(path);
    struct store_layer layer = {0};
    struct err missing = ERR_INIT;
    if (store_layer_get(layers->options.store, key, &layer, &missing) < 0) {
        (void)snprintf(layer.key, sizeof(layer.key), "%s", key);
        (void)snprintf(layer.environment, sizeof(layer.environment), "%s", environment);
        layer.created = clock_unix();
    }
    if (layer.size_bytes == 0) /* nothing is written to it any more */
        layer.size_bytes = folder_bytes(path);
    layer.state = STORE_LAYER_READY;
    layer.last_used = clock_unix();
    return store_layer_save(layers->options.store, &layer, err);
}

/* --- each key once --- */

/* With the mutex. */
static bool is_claimed(const struct layers *layers, const char *key)
{
    for (const struct building *one = layers->building; one != NULL; one = one->next) {
        if (strcmp(one->key, key) == 0)
            return true;
    }
    return false;
}

/* With the mutex: may one more build of this account run? */
static bool is_turn(const struct layers *layers, const char *owner)
{
    unsigned all = 0;
    unsigned own = 0;
    for (const struct building *one = layers->building; one != NULL; one = one->next) {
        all += one->runs;
        own += one->runs && strcmp(one->owner, owner) == 0;
    }
    return all < layers->options.builds && own < (layers->options.builds + 1) / 2;
}

/* Waits until nobody builds this key and marks it as ours. */
static void claim(struct layers *layers, struct building *wanted)
{
    lock_acquire(&layers->mutex);
    while (is_claimed(layers, wanted->key))
        lock_wait(&layers->mutex, &layers->changed);
    wanted->next = layers->building;
    layers->building = wanted;
    lock_release(&layers->mutex);
}

/* Waits until one more build may run. For pip alone: who finds its layer waits for nobody. */
static void wait_for_turn(struct layers *layers, struct building *claimed)
{
    lock_acquire(&layers->mutex);
    while (!is_turn(layers, claimed->owner))
        lock_wait(&layers->mutex, &layers->changed);
    claimed->runs = true;
    lock_release(&layers->mutex);
}

static void release(struct layers *layers, const struct building *done)
{
    lock_acquire(&layers->mutex);
    for (struct building **place = &layers->building; *place != NULL; place = &(*place)->next) {
        if (*place != done)
            continue;
        *place = done->next;
        break;
    }
    (void)pthread_cond_broadcast(&layers->changed);
    lock_release(&layers->mutex);
}

/* --- room --- */

struct layer_list {
    struct store_layer *items;
    size_t count;
    size_t room;
    int64_t bytes;
};

static int list_layer(void *context, const struct store_layer *layer, struct err *err)
{
    struct layer_list *list = context;
    if (list->count == list->room) {
        size_t room = list->room * 2 + 16;
        struct store_layer *items = mem_resize_array(list->items, room, sizeof(*items), err);
        if (items == NULL)
            return -1;
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = *layer;
    return 0;
}

/* Older versions did not write a layer's size to its record. */
static int add_sizes(const struct layers *layers, struct layer_list *list, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct store_layer *layer = &list->items[i];
        AUTO_FREE char *path = path_join(layers->options.folder, layer->key, err);
        if (path == NULL)
            return -1;
        if (layer->size_bytes == 0)
            layer->size_bytes = folder_bytes(path);
        list->bytes += layer->size_bytes;
    }
    return 0;
}

struct need {
    const char *key;
    bool found;
};

static int look_for_need(void *context, const struct store_app *app, struct err *err)
{
    struct need *need = context;
    need->found |= app->state != STORE_STOPPED && strcmp(app->layer, need->key) == 0;
    return 0;
}

/* What cannot be found out counts as needed. */
static bool is_needed(const struct layers *layers, const char *key)
{
    struct err err = ERR_INIT;
    struct need need = {key, false};
    if (store_app_each(layers->options.store, NULL, look_for_need, &need, &err) == 0)
        return need.found;
    log_err(LOG_WARNING, &err);
    return true;
}

/* Out of sight in one step, unless somebody needs or builds it: an app is on record before its
 * thread asks for its layer, so that it is either seen here or builds the layer anew. */
static bool take_away(struct layers *layers, const char *key, const char *path, const char *old)
{
    struct err err = ERR_INIT;
    lock_acquire(&layers->mutex);
    bool gone = !is_claimed(layers, key) && !is_needed(layers, key) && rename(path, old) == 0;
    if (gone && store_layer_delete(layers->options.store, key, &err) < 0)
        log_err(LOG_WARNING, &err);
    lock_release(&layers->mutex);
    return gone;
}

static bool remove_layer(struct layers *layers, const char *key, struct err *err)
{
    AUTO_FREE char *path = path_join(layers->options.folder, key, err);
    AUTO_FREE char *site = str_printf(err, "%s/%s/site-packages", layers->options.folder, key);
    AUTO_FREE char *old = str_printf(err, "%s/.build-old-%s", layers->options.folder, key);
    if (path == NULL || site == NULL || old == NULL)
        return false;
    if (!file_exists(path))
        return store_layer_delete(layers->options.store, key, err) == 0;
    if (!file_exists(site)) /* a bare one, which takes no room and may be in use without a record */
        return false;
    if (!take_away(layers, key, path, old))
        return false;
    log_info("layer %.12s removed: no app needs it", key);
    if (folder_remove_tree(old, err) < 0)
        log_err(LOG_WARNING, err); /* the next start removes it */
    return true;
}

/* *ret_left: the bytes of those that stay. */
static int trim(struct layers *layers, int64_t most, int64_t *ret_left, struct err *err)
{
    struct layer_list list = {0}; /* the one that was used longest ago comes first */
    int result = store_layer_each(layers->options.store, list_layer, &list, err);
    if (result == 0)
        result = add_sizes(layers, &list, err);
    for (size_t i = 0; result == 0 && i < list.count && list.bytes > most; i++) {
        if (remove_layer(layers, list.items[i].key, err))
            list.bytes -= list.items[i].size_bytes;
    }
    *ret_left = list.bytes;
    free(list.items);
    return result;
}

void layers_trim(struct layers *layers, int64_t most)
{
    struct err err = ERR_INIT;
    int64_t left = 0;
    if (trim(layers, most, &left, &err) < 0)
        log_err(LOG_WARNING, &err);
}

/* What the apps of one account need. */
struct holding {
    const struct layers *layers;
    const char *wanted; /* the key that is about to be built: not counted */
    struct text_set keys;
    int64_t bytes;
};

static int add_holding(void *context, const struct store_app *app, struct err *err)
{
    struct holding *holding = context;
    struct store_layer layer = {0};
    struct err missing = ERR_INIT;
    if (app->state == STORE_STOPPED || strcmp(app->layer, holding->wanted) == 0 ||
        text_set_has(&holding->keys, app->layer) ||
        store_layer_get(holding->layers->options.store, app->layer, &layer, &missing) < 0)
        return 0; /* it has none, or none yet */
    if (text_set_add(&holding->keys, app->layer, err) < 0)
        return -1;
    holding->bytes += layer.size_bytes;
    return 0;
}

/* Of one account, or of all (NULL). */
static int held_bytes(const struct layers *layers, const char *owner, const char *wanted,
                      int64_t *ret, struct err *err)
{
    struct holding holding = {.layers = layers, .wanted = wanted};
    const struct store_filter filter = {.owner = owner};
    int result = store_app_each(layers->options.store, &filter, add_holding, &holding, err);
    text_set_done(&holding.keys);
    if (result == 0)
        *ret = holding.bytes;
    return result;
}

/* One account's layers leave room for those of others, the one that is about to be built too. */
static int limit_build(const struct layers *layers, struct building *building, int64_t most,
                       struct err *err)
{
    const bool is_operator = account_is_operators(building->owner);
    const int64_t share = is_operator ? most : most / ACCOUNT_SHARE;
    int64_t own = 0;
    int64_t all = 0;
    if (held_bytes(layers, building->owner, building->key, &own, err) < 0 ||
        held_bytes(layers, NULL, building->key, &all, err) < 0)
        return -1;
    building->most_bytes = share - own < most - all ? share - own : most - all;
    if (building->most_bytes > 0)
        return 0;
    err_set(err, ERR_NO_ROOM, 0,
            "the layers of packages that apps use take %lld MiB, your account's %lld MiB; the node "
            "keeps at most %lld MiB, and %lld MiB for one account",
            (long long)(all >> 20), (long long)(own >> 20), (long long)(most >> 20),
            (long long)(share >> 20));
    err_hint(err, "stop apps with requirements of their own, or use an environment that has "
                  "them; the operator sets 'limits.layers' in msed.toml");
    return -1;
}

/* For one more, and how large that may become. */
static int make_room(struct layers *layers, struct building *building, struct err *err)
{
    static const char what[] = "a layer of packages";
    const struct node_config *config = layers->options.config;
    struct err full = ERR_INIT;
    int64_t left = 0;
    if (config == NULL)
        return 0;
    if (trim(layers, config->limits.layers_bytes, &left, err) < 0 ||
        limit_build(layers, building, config->limits.layers_bytes, err) < 0)
        return -1;
    if (room_check(config, layers->options.folder, what, 0, &full) == 0)
        return 0;
    layers_trim(layers, 0);
    return room_check(config, layers->options.folder, what, 0, err);
}

/* --- asking for one --- */

int layers_get(struct layers *layers, const struct environment_offer *environment,
               struct slice requirements, const char *owner, char **ret, struct err *err)
{
    char key[LAYER_KEY_SIZE];
    if (key_of(environment, requirements, key, err) < 0)
        return -1;
    AUTO_FREE char *path = path_join(layers->options.folder, key, err);
    if (path == NULL)
        return -1;
    struct building building = {.key = key, .owner = owner};
    claim(layers, &building);
    int result = 0;
    if (!file_exists(path)) {
        if (!is_bare(environment, requirements)) {
            wait_for_turn(layers, &building);
            result = make_room(layers, &building, err);
        }
        if (result == 0)
            result = build(layers, path, &building, environment, requirements, err);
    }
    if (result == 0)
        result = remember(layers, path, environment->environment.name, err);
    release(layers, &building);
    if (result < 0)
        return -1;
    *ret = STEAL(path);
    return 0;
}

/* --- life --- */

static int remove_unfinished(void *context, const char *name, struct err *err)
{
    const struct layers_options *options = context;
    if (!str_starts_with(name, ".build-"))
        return 0;
    AUTO_FREE char *path = path_join(options->folder, name, err);
    log_info("removing the unfinished layer '%s'", name);
    return path == NULL ? -1 : folder_remove_tree(path, err);
}

int layers_new(const struct layers_options *options, struct layers **ret, struct err *err)
{
    struct layers_options taken = *options;
    if (folder_each(taken.folder, remove_unfinished, &taken, err) < 0)
        return -1;
    struct layers *layers = mem_alloc(sizeof(*layers), err);
    if (layers == NULL)
        return -1;
    layers->options = taken;
    lock_init(&layers->mutex, LOCK_LAYERS);
    (void)pthread_cond_init(&layers->changed, NULL);
    *ret = layers;
    return 0;
}

void layers_free(struct layers *layers)
{
    if (layers == NULL)
        return;
    (void)pthread_cond_destroy(&layers->changed);
    lock_done(&layers->mutex);
    free(layers);
}
