// SPDX-License-Identifier: Apache-2.0
/*
 * The API's handlers about the node itself. Own nothing; run in msed.
 */
#include "node/api.h"

#include "base/clock.h"
#include "base/text.h"
#include "launch/cgroup.h"
#include "node/room.h"

/* What there is to give, and whether anything expires at present. */
static int put_means(const struct node *node, json_t *body, struct err *err)
{
    struct room room;
    if (room_look(&node->config, node->folders.state, &room, err) < 0)
        return -1;
    json_t *disk =
        json_pack("{s:I, s:I, s:I}", "size_bytes", (json_int_t)room.size_bytes, "free_bytes",
                  (json_int_t)room.free_bytes, "reserve_bytes", (json_int_t)room.reserve_bytes);
    if (json_put(body, "disk", disk, err) < 0 ||
        json_put_text(body, "enforcement", cgroup_prospect(node->folders.apps), err) < 0)
        return -1;
    return json_put_bool(body, "clock_believed", keeper_clock_believed(node->keeper), err);
}

/* The names that some profile has, each once. */
static json_t *names_in_use(const struct node_config *config, const char *const *names, bool tees)
{
    json_t *list = json_array();
    for (int i = 0; names[i] != NULL; i++) {
        bool used = false;
        for (size_t k = 0; k < config->hardware_count; k++)
            used |= (tees ? config->hardware[k].tee : config->hardware[k].launcher) == i;
        if (used)
            (void)json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

int api_get_node(struct api_call *call, struct err *err)
{
    struct node *node = call->node;
    const struct gateway_counts counts = gateway_count(node->gateway);
    char started[RFC3339_SIZE];
    rfc3339_format(node->started, started);
    AUTO_JSON json_t *body = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:{s:I, s:I}, s:{s:I, "
        "s:I, s:I, s:I, s:I}}",
        "version", MSE_VERSION, "domain", node->config.domain, "started", started, "launchers",
        names_in_use(&node->config, node_launchers, false), "tees",
        names_in_use(&node->config, node_tees, true), "tee",
        node_tees[node->config.hardware[0].tee], "simulation_root", node->simulation_root,
        "runtime_digest", node->runtime_digest, "default_environment", node->environments.fallback,
        "quota", node->config.quota == NODE_QUOTA_LOOP ? "loop" : "none", "limits", "apps",
        (json_int_t)node->config.limits.apps, "package_bytes",
        (json_int_t)node->config.limits.package_bytes, "connections", "open",
        (json_int_t)counts.open, "waiting", (json_int_t)counts.waiting, "accepted",
        (json_int_t)counts.accepted, "refused", (json_int_t)counts.refused, "crowded_out",
        (json_int_t)counts.crowded_out);
    if (body == NULL)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    if (put_means(node, body, err) < 0)
        return -1;
    return api_answer(call, 200, json_incref(body), err);
}

static int answer_list(struct api_call *call, const char *key, json_t *list, struct err *err)
{
    json_t *body = json_pack("{s:o}", key, list);
    if (body == NULL)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    return api_answer(call, 200, body, err);
}

static json_t *environment_json(const struct environment_offer *offer, bool is_default)
{
    json_t *requirements = json_array();
    for (size_t i = 0; i < offer->environment.requirement_count; i++)
        (void)json_array_append_new(requirements, json_string(offer->environment.requirements[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "name", offer->environment.name, "digest",
                     offer->digest, "description", offer->description, "python",
                     offer->environment.python, "default", is_default, "requirements",
                     requirements);
}

int api_get_environments(struct api_call *call, struct err *err)
{
    const struct environments *environments = &call->node->environments;
    json_t *list = json_array();
    for (size_t i = 0; i < environments->count; i++) {
        const struct environment_offer *offer = &environments->offers[i];
        bool is_default = strcmp(offer->environment.name, environments->fallback) == 0;
        (void)json_array_append_new(list, environment_json(offer, is_default));
    }
    return answer_list(call, "environments", list, err);
}

int api_get_hardware(struct api_call *call, struct err *err)
{
    const struct node_config *config = &call->node->config;
    json_t *list = json_array();
    for (size_t i = 0; i < config->hardware_count; i++) {
        const struct node_hardware *profile = &config->hardware[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "name", profile->name, "launcher",
                      node_launchers[profile->launcher], "tee", node_tees[profile->tee],
                      "memory_bytes", (json_int_t)profile->memory_bytes, "cpu_millis",
                      (json_int_t)profile->cpu_millis, "storage_bytes",
                      (json_int_t)profile->storage_bytes, "io_bytes",
                      (json_int_t)profile->io_bytes));
    }
    return answer_list(call, "hardware", list, err);
}

/* --- runtimes --- */

struct runtime_list {
    const struct api_call *call;
    json_t *list;
};

/* NULL: no memory. */
static json_t *runtime_row(const struct runtime_list *self, const char *digest)
{
    const struct node *node = self->call->node;
    struct err absent = ERR_INIT;
    uint8_t bytes[SHA256_SIZE];
    size_t index;
    json_t *row;
    json_array_foreach(self->list, index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "digest")), digest) == 0)
            return row;
    }
    AUTO_FREE char *path = NULL;
    if (hex_decode(digest, "runtime", bytes, sizeof(bytes), &absent) == 0)
        path = runtimes_find(node->folders.runtimes, bytes, &absent);
    row = json_pack("{s:s, s:b, s:b, s:i, s:[]}", "digest", digest, "installed",
                    strcmp(digest, node->runtime_digest) == 0, "present", path != NULL,
                    "release_count", 0, "releases");
    return row != NULL && json_array_append_new(self->list, row) == 0 ? row : NULL;
}

/* Who may not see the app sees that there is one. */
static int add_use(void *context, const struct store_app *app, int64_t release, const char *digest,
                   struct err *err)
{
    const struct runtime_list *self = context;
    json_t *row = runtime_row(self, digest);
    if (row == NULL)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    json_t *count = json_object_get(row, "release_count");
    (void)json_integer_set(count, json_integer_value(count) + 1);
    if (!account_may(&self->call->account, app->owner))
        return 0;
    json_t *use = json_pack("{s:s, s:s, s:s, s:I}", "app", app->id, "name", app->name, "project",
                            app->project, "number", (json_int_t)release);
    if (json_array_append_new(json_object_get(row, "releases"), use) < 0)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    return 0;
}

int api_get_runtimes(struct api_call *call, struct err *err)
{
    struct node *node = call->node;
    const struct runtimes_view view = {&node->folders, &node->environments, node->store};
    AUTO_JSON json_t *list = json_array();
    struct runtime_list self = {call, list};
    if (runtime_row(&self, node->runtime_digest) == NULL)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    if (runtimes_each_use(&view, add_use, &self, err) < 0)
        return -1;
    return answer_list(call, "runtimes", json_incref(list), err);
}

int api_post_shutdown(struct api_call *call, struct err *err)
{
    const char *apps = query_value(&call->query, "apps");
    bool stop = strcmp(apps, "stop") == 0;
    if (!stop && apps[0] != '\0' && strcmp(apps, "keep") != 0)
        return FAIL(err, ERR_INVALID, "apps: 'keep' or 'stop' expected, found '%s'", apps);
    json_t *body = json_pack("{s:s}", "apps", stop ? "stop" : "keep");
    if (body == NULL || api_answer(call, 202, body, err) < 0)
        return -1;
    node_stop(call->node, stop);
    return 0;
}
