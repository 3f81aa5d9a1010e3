// SPDX-License-Identifier: Apache-2.0
/*
 * The node's API, from the owner's side. Every answer is bounded and read strictly; an error of the
 * node is passed on in its own words, made printable.
 */
#include "client/home_node.h"
#include "client/local_node.h"
#include "client/node_client.h"
#include "client/owner.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "format/names.h"
#include "http/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADERS_MAX = 4, /* of a request */
    ANSWER_MAX = 8 << 20,
    PATH_SIZE = 512,
    ID_BEGINNING_MIN = 4,
    TOKEN_MAX = 512,
};

struct node_client {
    const struct client_hooks *hooks; /* NULL: none */
    char *address;
    bool is_socket;
    struct endpoint endpoint; /* not of a socket */
    struct tls_client *tls;
    char *authorization; /* "Bearer ..." for https */
    bool asked;          /* there was a connection */
    int64_t until_ms;    /* monotonic: how long its answers may take; 0: no limit */
    struct err stranger; /* why the first one that did not end at home did not */
};

/* --- where it is --- */

static int default_address(char **ret, struct err *err)
{
    static const char system_socket[] = "/run/mse/msed.sock";
    const char *variable = getenv("MSE_NODE");
    if (variable != NULL && variable[0] != '\0') {
        *ret = str_copy(variable, err);
        return *ret == NULL ? -1 : 0;
    }
    AUTO_FREE char *local = NULL;
    if (local_node_socket(&local, err) < 0)
        return -1;
    *ret = !file_exists(local) && file_exists(system_socket) ? str_copy(system_socket, err)
                                                             : str_copy(local, err);
    return *ret == NULL ? -1 : 0;
}

static int prepare_https(struct node_client *node, struct err *err)
{
    const char *token = getenv("MSE_NODE_TOKEN");
    const struct tls_client_config config = {.ca_file = getenv("MSE_NODE_CA")};
    if (endpoint_parse_url(node->address, &node->endpoint, NULL, err) < 0 ||
        tls_client_new(&config, &node->tls, err) < 0)
        return -1;
    if (token == NULL)
        return 0;
    if (strlen(token) > TOKEN_MAX)
        return FAIL(err, ERR_INVALID, "$MSE_NODE_TOKEN is longer than %d bytes", TOKEN_MAX);
    node->authorization = str_printf(err, "Bearer %s", token);
    return node->authorization == NULL ? -1 : 0;
}

int node_client_open(const struct client_hooks *hooks, const char *address,
                     struct node_client **ret, struct err *err)
{
    AUTO_NODE_CLIENT struct node_client *node = mem_alloc(sizeof(*node), err);
    if (node == NULL)
        return -1;
    node->hooks = hooks;
    if (address != NULL) {
        node->address = str_copy(address, err);
        if (node->address == NULL)
            return -1;
    } else if (default_address(&node->address, err) < 0) {
        return -1;
    }
    node->is_socket = strstr(node->address, "://") == NULL;
    if (!node->is_socket && prepare_https(node, err) < 0)
        return -1;
    *ret = STEAL(node);
    return 0;
}

void node_client_close(struct node_client *node)
{
    if (node == NULL)
        return;
    tls_client_free(node->tls);
    if (node->authorization != NULL)
        mem_wipe(node->authorization, strlen(node->authorization));
    free(node->authorization);
    free(node->address);
    free(node);
}

const char *node_client_address(const struct node_client *node)
{
    return node->address;
}

const char *node_client_not_at_home(const struct node_client *node)
{
    if (node->asked && node->stranger.kind == ERR_NONE)
        return NULL;
    return node->asked ? node->stranger.message : "it was not asked yet";
}

/* Each request has a connection of its own, and each of them may end elsewhere. */
static void check_peer(struct node_client *node, const struct http_client *client)
{
    AUTO_FREE char *program = NULL;
    node->asked = true;
    if (node->stranger.kind != ERR_NONE)
        return;
    if (!node->is_socket)
        (void)FAIL(&node->stranger, ERR_FORBIDDEN, "it is reached over the network");
    else if (program_find("msed", &program, &node->stranger) == 0)
        (void)!home_node_check(http_client_fd(client), program, &node->stranger);
}

/* --- requests --- */

static int connect_node(struct node_client *node, struct http_client **ret, struct err *err)
{
    const struct http_client_config config = {
        .unix_path = node->is_socket ? node->address : NULL,
        .host = node->is_socket ? NULL : node->endpoint.host,
        .port = node->endpoint.port,
        .tls = node->tls,
        .server_name = node->is_socket ? "localhost" : node->endpoint.host,
        .interrupted = client_interrupted(node->hooks),
    };
    if (http_client_connect(&config, ret, err) == 0) {
        check_peer(node, *ret);
        return 0;
    }
    if (err->kind == ERR_UNREACHABLE && node->is_socket)
        err_hint(err, "'mse node start' starts a node on this machine; --node names another");
    return FAIL_CONTEXT(err, "the node");
}

static enum err_kind kind_of_name(const char *name)
{
    for (int kind = ERR_USAGE; kind <= ERR_INTERNAL; kind++) {
        if (strcmp(err_kind_name((enum err_kind)kind), name) == 0)
            return (enum err_kind)kind;
    }
    return ERR_INTERNAL;
}

static const char *text_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* {"error": {"kind", "message", "hint"}} */
static int node_error(const struct http_client_response *response, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct err ignored = ERR_INIT;
    if (json_parse(buf_slice(&response->body), "the node's answer", ANSWER_MAX, &root, &ignored) <
        0)
        return FAIL(err, ERR_INTERNAL, "the node answered %d and no reason", response->status);
    const json_t *error = json_object_get(root, "error");
    enum err_kind kind = kind_of_name(text_member(error, "kind"));
    (void)FAIL(err, kind == ERR_USAGE ? ERR_INVALID : kind, "the node says: %s",
               text_member(error, "message"));
    err_hint(err, "%s", text_member(error, "hint"));
    return -1;
}

void node_client_set_until(struct node_client *node, int64_t until_ms)
{
    node->until_ms = until_ms;
}

/* Sends on a connection of its own; a status of 300 and above is the node's error. */
static int exchange(struct node_client *node, const struct http_client_request *request,
                    struct http_client_response *response, struct err *err)
{
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    struct http_header headers[HEADERS_MAX];
    size_t count = 0;
    for (; count < request->header_count && count < HEADERS_MAX - 1; count++)
        headers[count] = request->headers[count];
    if (node->authorization != NULL)
        headers[count++] =
            (struct http_header){slice_str("Authorization"), slice_str(node->authorization)};
    response->body.max = ANSWER_MAX;
    struct http_client_request sent = *request;
    sent.headers = headers;
    sent.header_count = count;
    if (node->until_ms != 0)
        sent.deadline_ms = clock_left_ms(node->until_ms);
    if (connect_node(node, &client, err) < 0)
        return -1;
    if (http_client_request(client, &sent, response, err) < 0)
        return FAIL_CONTEXT(err, "%s %s", request->method, request->target);
    return response->status < 300 ? 0 : node_error(response, err);
}

static int parse_answer(const struct http_client_response *response, json_t **ret, struct err *err)
{
    if (ret == NULL)
        return 0;
    return json_parse(buf_slice(&response->body), "the node's answer", ANSWER_MAX, ret, err);
}

int node_client_request(struct node_client *node, const char *method, const char *path,
                        json_t **ret, struct err *err)
{
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {.method = method, .target = path};
    if (exchange(node, &request, &response, err) < 0)
        return -1;
    return parse_answer(&response, ret, err);
}

int node_client_list(struct node_client *node, const char *path, const char *key, json_t **ret,
                     struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    if (node_client_request(node, "GET", path, &root, err) < 0)
        return -1;
    json_t *list = json_object_get(root, key);
    if (!json_is_array(list))
        return FAIL(err, ERR_INVALID, "the node's answer to GET %s has no array '%s'", path, key);
    *ret = json_incref(list);
    return 0;
}

struct upload {
    const struct client_hooks *hooks;
    uint64_t size;
};

static void show_progress(void *context, int64_t sent)
{
    const struct upload *upload = context;
    client_progress(upload->hooks, (uint64_t)sent, upload->size);
}

int node_client_upload(struct node_client *node, const char *path,
                       const struct node_package *package, json_t **ret, struct err *err)
{
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct upload upload = {node->hooks, package->size};
    const struct http_header headers[] = {
        {slice_str("Content-Type"), slice_str("application/vnd.mse.package")},
        {slice_str("Mse-Name-Proof"), slice_str(package->name_proof)},
    };
    struct http_client_request request = {
        .method = "POST",
        .target = path,
        .headers = headers,
        .header_count = package->name_proof[0] != '\0' ? 2 : 1,
        .use_fd = true,
        .body_fd = package->fd,
        .body_length = (int64_t)package->size,
        .progress = show_progress,
        .context = &upload,
    };
    if (lseek(package->fd, 0, SEEK_SET) < 0)
        return FAIL(err, ERR_IO, "cannot read the package again");
    if (exchange(node, &request, &response, err) < 0)
        return -1;
    return parse_answer(&response, ret, err);
}

int node_client_stream(struct node_client *node, const char *path,
                       int (*sink)(void *context, struct slice bytes, struct err *err),
                       void *context, struct err *err)
{
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {
        .method = "GET", .target = path, .body_write = sink, .context = context};
    return exchange(node, &request, &response, err);
}

/* --- apps --- */

void node_app_done(struct node_app *app)
{
    free(app->url);
    free(app->reason);
    *app = (struct node_app){0};
}

static int read_time(const struct json_at *at, const char *key, int64_t *ret, struct err *err)
{
    const char *text;
    *ret = 0;
    if (json_read_text_optional(at, key, 64, &text, err) < 0)
        return -1;
    return text == NULL ? 0 : rfc3339_parse(text, ret, err);
}

static int read_text(const struct json_at *at, const char *key, char **ret, struct err *err)
{
    const char *text;
    if (json_read_text(at, key, 16 << 10, &text, err) < 0)
        return -1;
    *ret = str_copy(text, err);
    return *ret == NULL ? -1 : 0;
}

static int read_size_optional(const struct json_at *at, const char *key, uint64_t *ret,
                              struct err *err)
{
    *ret = 0;
    const json_t *value = json_object_get(at->value, key);
    return value == NULL || json_is_null(value) ? 0
                                                : json_read_u64(at, key, 0, INT64_MAX, ret, err);
}

static bool is_word(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

/* What the node says is shown, pasted and connected to: each field in its own form, or none. */
static int check_app(struct node_app *app, struct err *err)
{
    struct endpoint endpoint;
    uint8_t fingerprint[SHA256_SIZE];
    if (!manifest_id_valid(app->id))
        return FAIL(err, ERR_INVALID, "the node's app has no UUID");
    if (!name_valid(app->name) || !name_valid(app->project))
        return FAIL(err, ERR_INVALID, "the node's app %.8s has the name '%s' in the project '%s'",
                    app->id, app->name, app->project);
    if (!is_word(app->state))
        return FAIL(err, ERR_INVALID, "the node's app %.8s is in the state '%s'", app->id,
                    app->state);
    if (endpoint_parse_url(app->url, &endpoint, NULL, err) < 0 ||
        hex_decode(app->fingerprint, "fingerprint", fingerprint, sizeof(fingerprint), err) < 0) {
        err->kind = ERR_INVALID;
        return FAIL_CONTEXT(err, "the node's app %.8s", app->id);
    }
    text_make_printable(app->reason, "\n\t");
    return 0;
}

int node_app_from_json(const json_t *json, struct node_app *ret, struct err *err)
{
    AUTO_NODE_APP struct node_app app = {
        .release = 1, .trial = "none", .provisioned = true}; /* of an older node */
    struct json_at at;
    if (json_top(json, "the node's app", &at, err) < 0 ||
        json_read_text_into(&at, "id", app.id, sizeof(app.id), err) < 0 ||
        json_read_text_into(&at, "name", app.name, sizeof(app.name), err) < 0 ||
        json_read_text_into(&at, "project", app.project, sizeof(app.project), err) < 0 ||
        (json_has(&at, "owner") &&
         json_read_text_into(&at, "owner", app.owner, sizeof(app.owner), err) < 0) ||
        json_read_text_into(&at, "state", app.state, sizeof(app.state), err) < 0 ||
        json_read_text_into(&at, "fingerprint", app.fingerprint, sizeof(app.fingerprint), err) <
            0 ||
        read_text(&at, "url", &app.url, err) < 0 ||
        read_text(&at, "reason", &app.reason, err) < 0 ||
        read_time(&at, "created", &app.created, err) < 0 ||
        read_time(&at, "expires", &app.expires, err) < 0 ||
        read_time(&at, "removal", &app.removal, err) < 0 ||
        json_read_i64(&at, "restarts", 0, INT64_MAX, &app.restarts, err) < 0 ||
        (json_has(&at, "crashes") &&
         json_read_i64(&at, "crashes", 0, INT64_MAX, &app.crashes, err) < 0) ||
        (json_has(&at, "release") &&
         json_read_i64(&at, "release", 1, INT64_MAX, &app.release, err) < 0) ||
        (json_has(&at, "trial") &&
         json_read_text_into(&at, "trial", app.trial, sizeof(app.trial), err) < 0) ||
        (json_has(&at, "provisioned") &&
         json_read_bool(&at, "provisioned", &app.provisioned, err) < 0) ||
        read_size_optional(&at, "storage_used_bytes", &app.storage_used_bytes, err) < 0 ||
        read_size_optional(&at, "quota_bytes", &app.storage_quota_bytes, err) < 0 ||
        check_app(&app, err) < 0)
        return -1;
    *ret = app;
    app = (struct node_app){0};
    return 0;
}

int node_app_get(struct node_client *node, const char *id, struct node_app *ret, struct err *err)
{
    char path[PATH_SIZE];
    AUTO_JSON json_t *root = NULL;
    (void)snprintf(path, sizeof(path), "/v1/apps/%s", id);
    if (node_client_request(node, "GET", path, &root, err) < 0)
        return -1;
    return node_app_from_json(root, ret, err);
}

/* How well an app fits a name: by id best, then running ones by name, then others by name. */
static int match_rank(const struct node_app *app, const char *name)
{
    if (strcmp(app->id, name) == 0)
        return 4;
    if (strlen(name) >= ID_BEGINNING_MIN && str_starts_with(app->id, name))
        return 3;
    if (strcmp(app->name, name) == 0)
        return strcmp(app->state, "stopped") == 0 ? 1 : 2;
    return 0;
}

static int fail_ambiguous(const json_t *apps, const char *name, int rank, struct err *err)
{
    AUTO_BUF struct buf list = BUF_INIT(400);
    struct err ignored = ERR_INIT;
    for (size_t i = 0; i < json_array_size(apps); i++) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_from_json(json_array_get(apps, i), &app, &ignored) == 0 &&
            match_rank(&app, name) == rank)
            (void)!buf_printf(&list, &ignored, "%s%s (%s)", list.len == 0 ? "" : ", ", app.id,
                              app.project);
    }
    (void)FAIL(err, ERR_CONFLICT, "'%s' fits several apps: %s", name, buf_text(&list));
    err_hint(err, "name one by its id");
    return -1;
}

static int find_in(const json_t *apps, const char *name, struct node_app *ret, struct err *err)
{
    AUTO_NODE_APP struct node_app best = {0};
    int best_rank = 0;
    int fits = 0;
    for (size_t i = 0; i < json_array_size(apps); i++) {
        AUTO_NODE_APP struct node_app app = {0};
        if (node_app_from_json(json_array_get(apps, i), &app, err) < 0)
            return -1;
        int rank = match_rank(&app, name);
        if (rank == 0 || rank < best_rank)
            continue;
        fits = rank > best_rank ? 1 : fits + 1;
        best_rank = rank;
        node_app_done(&best);
        best = app;
        app = (struct node_app){0};
    }
    if (best_rank == 0) {
        (void)FAIL(err, ERR_NOT_FOUND, "the node has no app '%s' of yours", name);
        err_hint(err, "'mse list' shows those that there are");
        return -1;
    }
    if (fits > 1 && best_rank != 1) /* of several stopped ones of a name the newest will do */
        return fail_ambiguous(apps, name, best_rank, err);
    *ret = best;
    best = (struct node_app){0};
    return 0;
}

int node_app_find(struct node_client *node, const char *name, struct node_app *ret, struct err *err)
{
    AUTO_JSON json_t *apps = NULL;
    if (node_client_list(node, "/v1/apps", "apps", &apps, err) < 0)
        return -1;
    return find_in(apps, name, ret, err);
}
