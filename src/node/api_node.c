// SPDX-License-Identifier: Apache-2.0
/*
 * The API's handlers about the node itself. Own nothing; run in msed.
 */
#include "node/api.h"

#include "base/clock.h"
#include "launch/cgroup.h"
#include "node/room.h"

/* What there is to give, and whether anything expires at present. */
static int put_means(const struct node *node, json_t *body, struct err *err)
{
    struct room room;
    if (room_look(&node->config, node->folders.state, &room, err) < 0)
        return -1;
    json_t *disk = JSON_OF(JSON_NUMBER("size_bytes", room.size_bytes),
                           JSON_NUMBER("free_bytes", room.free_bytes),
                           JSON_NUMBER("reserve_bytes", room.reserve_bytes));
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

static json_t *limits_json(const struct node_config *config)
{
    return JSON_OF(JSON_NUMBER("apps", config->limits.apps),
                   JSON_NUMBER("package_bytes", config->limits.package_bytes));
}

static json_t *connections_json(struct gateway *gateway)
{
    const struct gateway_counts counts = gateway_count(gateway);
    return JSON_OF(JSON_NUMBER("open", counts.open), JSON_NUMBER("waiting", counts.waiting),
                   JSON_NUMBER("accepted", counts.accepted), JSON_NUMBER("refused", counts.refused),
                   JSON_NUMBER("crowded_out", counts.crowded_out));
}

int api_get_node(struct api_call *call, struct err *err)
{
    struct node *node = call->node;
    const struct node_config *config = &node->config;
    char started[RFC3339_SIZE];
    rfc3339_format(node->started, started);
    AUTO_JSON json_t *body =
        JSON_OF(JSON_TEXT("version", MSE_VERSION), JSON_TEXT("domain", config->domain),
                JSON_TEXT("started", started),
                JSON_VALUE("launchers", names_in_use(config, node_launchers, false)),
                JSON_VALUE("tees", names_in_use(config, node_tees, true)),
                JSON_TEXT("tee", node_tees[config->hardware[0].tee]),
                JSON_TEXT("simulation_root", node->simulation_root),
                JSON_TEXT("runtime_digest", node->runtime_digest),
                JSON_TEXT("default_environment", node->environments.fallback),
                JSON_TEXT("quota", config->quota == NODE_QUOTA_LOOP ? "loop" : "none"),
                JSON_VALUE("limits", limits_json(config)),
                JSON_VALUE("connections", connections_json(node->gateway)));
    if (body == NULL)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    if (put_means(node, body, err) < 0)
        return -1;
    return api_answer(call, 200, json_incref(body), err);
}

static int answer_list(struct api_call *call, const char *key, json_t *list, struct err *err)
{
    return api_answer(call, 200, JSON_OF(JSON_VALUE(key, list)), err);
}

static json_t *environment_json(const struct environment_offer *offer, bool is_default)
{
    json_t *requirements = json_array();
    for (size_t i = 0; i < offer->environment.requirement_count; i++)
        (void)json_array_append_new(requirements, json_string(offer->environment.requirements[i]));
    return JSON_OF(JSON_TEXT("name", offer->environment.name), JSON_TEXT("digest", offer->digest),
                   JSON_TEXT("description", offer->description),
                   JSON_TEXT("python", offer->environment.python), JSON_BOOL("default", is_default),
                   JSON_VALUE("requirements", requirements));
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
            list, JSON_OF(JSON_TEXT("name", profile->name),
                          JSON_TEXT("launcher", node_launchers[profile->launcher]),
                          JSON_TEXT("tee", node_tees[profile->tee]),
                          JSON_NUMBER("memory_bytes", profile->memory_bytes),
                          JSON_NUMBER("cpu_millis", profile->cpu_millis),
                          JSON_NUMBER("storage_bytes", profile->storage_bytes),
                          JSON_NUMBER("io_bytes", profile->io_bytes)));
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
    for (size_t i = 0; i < json_array_size(self->list); i++) {
        json_t *row = json_array_get(self->list, i);
        if (strcmp(json_string_value(json_object_get(row, "digest")), digest) == 0)
            return row;
    }
    AUTO_FREE char *path = runtimes_find(node->folders.runtimes, digest, &absent);
    json_t *row = JSON_OF(JSON_TEXT("digest", digest),
                          JSON_BOOL("installed", strcmp(digest, node->runtime_digest) == 0),
                          JSON_BOOL("present", path != NULL), JSON_NUMBER("release_count", 0),
                          JSON_VALUE("releases", json_array()));
    return json_array_append_new(self->list, row) == 0 ? row : NULL;
}

/* Who may not see the app sees that there is one. */
static int add_use(void *context, const struct store_app *app, int64_t release, const char *digest,
                   struct err *err)
{
    const struct runtime_list *self = context;
    json_t *row = runtime_row(self, digest);
    if (row == NULL)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    int64_t count = json_integer_value(json_object_get(row, "release_count"));
    (void)json_object_set_new(row, "release_count", json_integer(count + 1));
    if (!account_may(&self->call->account, app->owner))
        return 0;
    json_t *use = JSON_OF(JSON_TEXT("app", app->id), JSON_TEXT("name", app->name),
                          JSON_TEXT("project", app->project), JSON_NUMBER("number", release));
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
    json_t *body = JSON_OF(JSON_TEXT("apps", stop ? "stop" : "keep"));
    if (api_answer(call, 202, body, err) < 0)
        return -1;
    node_stop(call->node, stop);
    return 0;
}
