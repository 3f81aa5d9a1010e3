// SPDX-License-Identifier: Apache-2.0
/*
 * The API's handlers about apps. Own nothing but an upload under way; run in msed, each on the
 * thread of its request.
 */
#include "node/api.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/name_proof.h"
#include "node/room.h"
#include "node/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, EVENTS_SHOWN = 100 };

/* --- an app as JSON --- */

int api_put_time(json_t *object, const char *key, int64_t time, struct err *err)
{
    char text[RFC3339_SIZE];
    if (time == 0)
        return json_put(object, key, json_null(), err);
    rfc3339_format(time, text);
    return json_put_text(object, key, text, err);
}

/* About when an expired app's storage is removed. */
static int64_t removal_of(const struct node *node, const struct store_app *app)
{
    if (app->state != STORE_EXPIRED)
        return 0;
    return clock_unix() + keeper_kept_left(node->keeper, app);
}

static int fill_app(const struct node *node, const struct store_app *app, json_t *object,
                    struct err *err)
{
    const struct node_hardware *profile = node_config_hardware(&node->config, app->resource);
    const struct {
        const char *key;
        const char *value;
    } texts[] = {
        {"id", app->id},
        {"name", app->name},
        {"project", app->project},
        {"owner", app->owner},
        {"state", store_state_name(app->state)},
        {"reason", app->reason},
        {"resource", app->resource},
        {"environment", app->environment},
        {"fingerprint", app->fingerprint},
        {"host_name", app->host_name},
        {"trial", store_trial_name(app->trial)},
        {"tee", profile != NULL ? node_tees[profile->tee] : "unknown"},
    };
    const struct {
        const char *key;
        int64_t value;
    } times[] = {{"created", app->created},
                 {"updated", app->updated},
                 {"started", app->started},
                 {"expires", app->expires},
                 {"removal", removal_of(node, app)}},
      numbers[] = {{"restarts", app->restarts},
                   {"crashes", app->quick_crashes},
                   {"release", store_release_number(app)},
                   {"port", app->port},
                   {"quota_bytes", app->quota_bytes},
                   {"storage_used_bytes", keeper_storage_used(node->keeper, app)}};
    AUTO_FREE char *url = node_app_url(node, app, err);
    if (url == NULL || json_put_text(object, "url", url, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (json_put_text(object, texts[i].key, texts[i].value, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        if (api_put_time(object, times[i].key, times[i].value, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (json_put_i64(object, numbers[i].key, numbers[i].value, err) < 0)
            return -1;
    }
    return json_put_bool(object, "provisioned", app->provisioned != 0, err);
}

static json_t *app_json(const struct node *node, const struct store_app *app, struct err *err)
{
    AUTO_JSON json_t *object = json_new_object(err);
    if (object == NULL || fill_app(node, app, object, err) < 0)
        return NULL;
    return json_incref(object);
}

static int answer_app(struct api_call *call, int status, const struct store_app *app,
                      struct err *err)
{
    json_t *body = app_json(call->node, app, err);
    if (body == NULL)
        return -1;
    return api_answer(call, status, body, err);
}

int api_answer_app(struct api_call *call, int status, struct err *err)
{
    struct store_app app = {0};
    if (keeper_get(call->node->keeper, call->id, &app, err) < 0)
        return -1;
    return answer_app(call, status, &app, err);
}

/* --- listing --- */

static int answer_list(struct api_call *call, const char *key, json_t *list, struct err *err)
{
    return api_answer(call, 200, JSON_OF(JSON_VALUE(key, json_incref(list))), err);
}

struct listing {
    const struct node *node;
    json_t *list;
};

static int list_app(void *context, const struct store_app *app, struct err *err)
{
    const struct listing *listing = context;
    json_t *object = app_json(listing->node, app, err);
    if (object == NULL)
        return -1;
    if (json_array_append_new(listing->list, object) < 0)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    return 0;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

int api_get_apps(struct api_call *call, struct err *err)
{
    const struct store_filter filter = {
        .owner = call->account.operator_of_node ? NULL : call->account.owner,
        .name = or_null(query_value(&call->query, "name")),
        .project = or_null(query_value(&call->query, "project")),
    };
    AUTO_JSON json_t *list = json_array();
    struct listing listing = {call->node, list};
    if (store_app_each(call->node->store, &filter, list_app, &listing, err) < 0)
        return -1;
    return answer_list(call, "apps", list, err);
}

int api_get_app(struct api_call *call, struct err *err)
{
    return api_answer_app(call, 200, err);
}

static int list_event(void *context, const struct store_event *event, struct err *err)
{
    AUTO_JSON json_t *object = json_new_object(err);
    if (object == NULL || api_put_time(object, "time", event->time, err) < 0 ||
        json_put_text(object, "text", event->text, err) < 0)
        return -1;
    if (json_array_append(context, object) < 0)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    return 0;
}

int api_get_events(struct api_call *call, struct err *err)
{
    AUTO_JSON json_t *list = json_array();
    if (store_event_each(call->node->store, call->id, EVENTS_SHOWN, list_event, list, err) < 0)
        return -1;
    return answer_list(call, "events", list, err);
}

/* --- a new app --- */

struct deployment {
    char project[STORE_NAME_SIZE];
    const struct node_hardware *hardware;
    int64_t expires;
    const char *replaces;
    bool is_update; /* a new release of the app that the manifest names */
    bool discard;
};

/* What becomes of what the app stored; said, where it is there already. */
static int read_data(const char *text, struct deployment *ret, struct err *err)
{
    ret->is_update = text[0] != '\0';
    ret->discard = strcmp(text, "discard") == 0;
    if (!ret->is_update || ret->discard || strcmp(text, "keep") == 0)
        return 0;
    return FAIL(err, ERR_INVALID, "data: '%s', expected 'keep' or 'discard'", text);
}

static int read_expires(const char *text, int64_t *ret, struct err *err)
{
    if (text[0] == '\0')
        return 0;
    if (rfc3339_parse(text, ret, err) < 0)
        return FAIL_CONTEXT(err, "expires");
    if (*ret <= clock_unix())
        return FAIL(err, ERR_INVALID, "expires: '%s' lies in the past", text);
    return 0;
}

static int read_hardware(const struct node_config *config, const char *name,
                         const struct node_hardware **ret, struct err *err)
{
    *ret = node_config_hardware(config, name);
    if (*ret != NULL)
        return 0;
    AUTO_BUF struct buf list = BUF_INIT(400);
    for (size_t i = 0; i < config->hardware_count; i++) {
        if (buf_printf(&list, err, "%s%s", i > 0 ? ", " : "", config->hardware[i].name) < 0)
            break; /* a list that is cut short will do */
    }
    return FAIL(err, ERR_NOT_FOUND, "the node has no hardware profile '%s'; it offers: %s", name,
                buf_text(&list));
}

static int read_deployment(const struct api_call *call, struct deployment *ret, struct err *err)
{
    const char *project = query_value(&call->query, "project");
    const char *resource = query_value(&call->query, "resource");
    if (project[0] == '\0')
        project = "default";
    if (!name_valid(project))
        return FAIL(err, ERR_INVALID, "project: '%s' is not a name", project);
    (void)snprintf(ret->project, sizeof(ret->project), "%s", project);
    ret->replaces = or_null(query_value(&call->query, "replace"));
    if (ret->replaces != NULL && !manifest_id_valid(ret->replaces))
        return FAIL(err, ERR_INVALID, "replace: '%s' is not an app id", ret->replaces);
    if (read_expires(query_value(&call->query, "expires"), &ret->expires, err) < 0 ||
        read_data(query_value(&call->query, "data"), ret, err) < 0)
        return -1;
    if (ret->is_update && ret->replaces != NULL)
        return FAIL(err, ERR_INVALID, "replace: another app cannot be replaced by a new release");
    return read_hardware(&call->node->config, resource[0] != '\0' ? resource : "free",
                         &ret->hardware, err);
}

static int check_type(const struct http_request *request, struct err *err)
{
    static const char type[] = "application/vnd.mse.package";
    const struct http_header *header = http_request_header(request, "content-type");
    if (header == NULL || !slice_is_str(header->value, type))
        return FAIL(err, ERR_INVALID, "content-type '%s' expected", type);
    return 0;
}

/* Said before gigabytes are sent, where the length is known. */
static int check_room(const struct node *node, int64_t length, struct err *err)
{
    if (length > node->config.limits.package_bytes)
        return FAIL(err, ERR_TOO_LARGE, "the package has %lld bytes, this node takes up to %lld",
                    (long long)length, (long long)node->config.limits.package_bytes);
    return room_check(&node->config, node->folders.uploads, "the package",
                      length > 0 ? (uint64_t)length : 0, err);
}

/* How an upload gets on: `slept_ms` is what this node made it wait. */
struct pace {
    int64_t start_ms;
    int64_t slept_ms;
};

/* Sleeps so that the upload stays below the configured rate. */
static void keep_rate(const struct node *node, const struct upload *upload, struct pace *pace)
{
    int64_t rate = node->config.limits.upload_bytes_per_s;
    if (rate <= 0)
        return;
    int64_t due_ms = pace->start_ms + (int64_t)(upload->bytes * 1000 / (uint64_t)rate);
    int64_t ahead_ms = due_ms - clock_monotonic_ms();
    if (ahead_ms <= 0)
        return;
    clock_sleep_ms(ahead_ms);
    pace->slept_ms += ahead_ms;
}

/* One that trickles would keep its slot from others for as long as it likes. */
static int check_pace(const struct node *node, const struct upload *upload, const struct pace *pace,
                      struct err *err)
{
    int64_t least = node->config.limits.upload_least_bytes_per_s;
    int64_t used_ms =
        clock_monotonic_ms() - pace->start_ms - pace->slept_ms - node->upload_grace_ms;
    if (used_ms <= 0 || (int64_t)upload->bytes >= least * used_ms / 1000)
        return 0;
    err_set(err, ERR_TIMEOUT, 0, "the upload brings less than %lld bytes a second",
            (long long)least);
    err_hint(err, "try again over a faster connection, or have the node's operator lower "
                  "limits.upload_least_rate");
    return -1;
}

static int receive(struct api_call *call, struct upload *upload, struct err *err)
{
    AUTO_FREE uint8_t *chunk = mem_alloc(CHUNK, err);
    struct pace pace = {.start_ms = clock_monotonic_ms()};
    size_t len = 1;
    if (chunk == NULL)
        return -1;
    while (len > 0) {
        if (http_body_read_wait(call->exchange, chunk, CHUNK, 1, &len, err) < 0 ||
            upload_feed(upload, slice_of(chunk, len), err) < 0)
            return -1;
        keep_rate(call->node, upload, &pace);
        if (len > 0 && check_pace(call->node, upload, &pace, err) < 0)
            return -1;
    }
    return upload_finish(upload, err);
}

static void fill_new(const struct upload *upload, const struct deployment *deployment,
                     struct store_app *app)
{
    const struct manifest *manifest = &upload->manifest;
    app->state = STORE_SPAWNING;
    app->desired = STORE_DESIRED_RUN;
    app->quota_bytes = (int64_t)manifest->quota_bytes;
    app->memory_bytes = (int64_t)manifest->memory_bytes;
    app->created = app->updated = clock_unix();
    app->expires = deployment->expires;
    (void)snprintf(app->id, sizeof(app->id), "%s", manifest->id);
    (void)snprintf(app->name, sizeof(app->name), "%s", manifest->name);
    (void)snprintf(app->project, sizeof(app->project), "%s", deployment->project);
    (void)snprintf(app->resource, sizeof(app->resource), "%s", deployment->hardware->name);
    (void)snprintf(app->host_name, sizeof(app->host_name), "%s", manifest->tls_host_name);
    memcpy(app->fingerprint, upload->fingerprint, sizeof(app->fingerprint));
}

/* `Mse-Name-Proof`: what the owner's certificate signed for its host name, in hexadecimal. */
static int read_name_proof(const struct http_request *request, struct buf *out, struct err *err)
{
    const struct http_header *header = http_request_header(request, "mse-name-proof");
    if (header == NULL)
        return 0;
    return hex_decode_append(out, header->value, "mse-name-proof", err);
}

static int give_to_keeper(struct api_call *call, const struct upload *upload,
                          const struct deployment *deployment, const struct store_app *app,
                          struct store_app *ret, struct err *err)
{
    struct keeper *keeper = call->node->keeper;
    const struct keeper_update update = {app, upload->folder, deployment->discard};
    if (deployment->is_update)
        return keeper_update(keeper, &update, ret, err);
    return keeper_create(keeper, app, upload->folder, deployment->replaces, ret, err);
}

static int store_upload(struct api_call *call, struct upload *upload,
                        const struct deployment *deployment, struct err *err)
{
    struct node *node = call->node;
    AUTO_BUF struct buf proof = BUF_INIT(NAME_PROOF_SIGNATURE_MAX);
    if (read_name_proof(call->request, &proof, err) < 0)
        return -1;
    const struct upload_terms terms = {.environments = &node->environments,
                                       .runtime_digest = node->runtime_digest,
                                       .config = &node->config,
                                       .account = call->account.owner,
                                       .by_operator =
                                           call->account.local && call->account.operator_of_node,
                                       .signature = buf_slice(&proof),
                                       .now = clock_unix()};
    const struct environment_offer *environment = NULL;
    struct store_app app = {0};
    struct store_app created = {0};
    bool needs_layer = false;
    fill_new(upload, deployment, &app);
    if (upload_check(upload, &terms, &environment, err) < 0 ||
        layer_key(environment, buf_slice(&upload->requirements), app.layer, &needs_layer, err) < 0)
        return -1;
    (void)snprintf(app.owner, sizeof(app.owner), "%s", call->account.owner);
    (void)snprintf(app.environment, sizeof(app.environment), "%s", environment->environment.name);
    if (give_to_keeper(call, upload, deployment, &app, &created, err) < 0)
        return -1;
    free(upload->folder); /* it has moved */
    upload->folder = NULL;
    return answer_app(call, 201, &created, err);
}

static int take_upload(struct api_call *call, const struct deployment *deployment, struct err *err)
{
    AUTO_UPLOAD struct upload upload = {.fd = -1};
    if (upload_start(&upload, &call->node->config, deployment->hardware,
                     call->node->folders.uploads, err) < 0 ||
        receive(call, &upload, err) < 0)
        return -1;
    return store_upload(call, &upload, deployment, err);
}

int api_post_apps(struct api_call *call, struct err *err)
{
    struct slots *slots = call->node->api->slots;
    const struct account *account = &call->account;
    struct deployment deployment = {0};
    if (read_deployment(call, &deployment, err) < 0 || check_type(call->request, err) < 0 ||
        check_room(call->node, call->request->content_length, err) < 0 ||
        slots_take(slots, SLOT_UPLOAD, account->owner, account->operator_of_node, err) < 0)
        return -1;
    int result = take_upload(call, &deployment, err);
    slots_give(slots, SLOT_UPLOAD, account->owner);
    return result;
}

/* --- stopping and the like --- */

int api_post_stop(struct api_call *call, struct err *err)
{
    if (keeper_stop(call->node->keeper, call->id, err) < 0)
        return -1;
    return api_answer_app(call, 200, err);
}

int api_post_restart(struct api_call *call, struct err *err)
{
    int64_t expires = 0;
    if (read_expires(query_value(&call->query, "expires"), &expires, err) < 0 ||
        keeper_restart(call->node->keeper, call->id, expires, err) < 0)
        return -1;
    return api_answer_app(call, 202, err);
}

int api_post_pause(struct api_call *call, struct err *err)
{
    return keeper_pause(call->node->keeper, call->id, err) < 0 ? -1
                                                               : api_answer_app(call, 202, err);
}

/* Stops, and forgets the record as well; with stopped=1 only where it is stopped already. */
int api_delete_app(struct api_call *call, struct err *err)
{
    bool is_stopped = strcmp(query_value(&call->query, "stopped"), "1") == 0;
    if ((!is_stopped && keeper_stop(call->node->keeper, call->id, err) < 0) ||
        keeper_forget(call->node->keeper, call->id, err) < 0)
        return -1;
    call->answered = true;
    return http_respond(call->exchange, 204, NULL, 0, slice_of(NULL, 0), err);
}
