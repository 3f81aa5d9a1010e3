// SPDX-License-Identifier: Apache-2.0
/*
 * Routes and the way of a request: which route, who asks, may they, then the handler on a thread of
 * its own. Owns the HTTP server of the API. Runs in msed; everything in a request is from outside.
 */
#include "node/api.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "model/manifest.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKAGE_TYPE "application/vnd.mse.package"

const struct api_route api_routes[] = {
    {"GET", "/v1/node", API_ACCOUNT, "getNode", {NULL}, NULL, "Node", 200, api_get_node},
    {"GET",
     "/v1/environments",
     API_ACCOUNT,
     "listEnvironments",
     {NULL},
     NULL,
     "Environments",
     200,
     api_get_environments},
    {"GET",
     "/v1/hardware",
     API_ACCOUNT,
     "listHardware",
     {NULL},
     NULL,
     "HardwareProfiles",
     200,
     api_get_hardware},
    {"GET",
     "/v1/runtimes",
     API_ACCOUNT,
     "listRuntimes",
     {NULL},
     NULL,
     "Runtimes",
     200,
     api_get_runtimes},
    {"POST",
     "/v1/node/shutdown",
     API_OPERATOR,
     "shutDown",
     {"apps", NULL},
     NULL,
     NULL,
     202,
     api_post_shutdown},
    {"GET",
     "/v1/apps",
     API_ACCOUNT,
     "listApps",
     {"name", "project", NULL},
     NULL,
     "Apps",
     200,
     api_get_apps},
    {"POST",
     "/v1/apps",
     API_ACCOUNT,
     "createApp",
     {"project", "resource", "expires", "replace", "data", NULL},
     PACKAGE_TYPE,
     "App",
     201,
     api_post_apps},
    {"GET", "/v1/apps/{id}", API_APP, "getApp", {NULL}, NULL, "App", 200, api_get_app},
    {"DELETE",
     "/v1/apps/{id}",
     API_APP,
     "deleteApp",
     {"stopped", NULL},
     NULL,
     NULL,
     204,
     api_delete_app},
    {"GET",
     "/v1/apps/{id}/logs",
     API_APP,
     "getLogs",
     {"follow", "tail", "release", NULL},
     NULL,
     "text/plain",
     200,
     api_get_logs},
    {"GET",
     "/v1/apps/{id}/events",
     API_APP,
     "listEvents",
     {NULL},
     NULL,
     "Events",
     200,
     api_get_events},
    {"GET", "/v1/apps/{id}/stats", API_APP, "getStats", {NULL}, NULL, "Stats", 200, api_get_stats},
    {"GET",
     "/metrics",
     API_ACCOUNT,
     "getMetrics",
     {NULL},
     NULL,
     "text/plain",
     200,
     api_get_metrics},
    {"POST", "/v1/apps/{id}/stop", API_APP, "stopApp", {NULL}, NULL, "App", 200, api_post_stop},
    {"POST",
     "/v1/apps/{id}/restart",
     API_APP,
     "restartApp",
     {"expires", NULL},
     NULL,
     "App",
     202,
     api_post_restart},
    {"POST", "/v1/apps/{id}/pause", API_APP, "pauseApp", {NULL}, NULL, "App", 202, api_post_pause},
    {"GET",
     "/v1/apps/{id}/releases",
     API_APP,
     "listReleases",
     {NULL},
     NULL,
     "Releases",
     200,
     api_get_releases},
    {"POST",
     "/v1/apps/{id}/commit",
     API_APP,
     "commitRelease",
     {"release", NULL},
     NULL,
     "App",
     200,
     api_post_commit},
    {"POST",
     "/v1/apps/{id}/rollback",
     API_APP,
     "rollBack",
     {"release", NULL},
     NULL,
     "App",
     202,
     api_post_rollback},
};
const size_t api_route_count = ARRAY_LEN(api_routes);

/* --- answers --- */

int api_answer(struct api_call *call, int status, json_t *body, struct err *err)
{
    static const struct http_header headers[] = {
        {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"application/json", 16}},
        {{(const uint8_t *)"cache-control", 13}, {(const uint8_t *)"no-store", 8}},
    };
    AUTO_BUF struct buf text = BUF_INIT(API_ANSWER_MAX);
    int written = json_write(body, JSON_COMPACT, &text, err);
    json_decref(body);
    if (written < 0)
        return FAIL_CONTEXT(err, "cannot write the answer");
    call->answered = true;
    return http_respond(call->exchange, status, headers, ARRAY_LEN(headers), buf_slice(&text), err);
}

void api_answer_error(struct api_call *call, const struct err *failure)
{
    struct err err = ERR_INIT;
    json_t *error =
        JSON_OF(JSON_TEXT("kind", err_kind_name(failure->kind)),
                JSON_TEXT("message", failure->message), JSON_TEXT("hint", failure->hint));
    json_t *body = JSON_OF(JSON_VALUE("error", error));
    if (api_answer(call, err_http_status(failure->kind), body, &err) < 0)
        log_debug("api: %s", err.message);
}

/* --- slots --- */

static int hold_slot(struct api_call *call, enum slot_kind kind, const char *owner,
                     bool is_operator, struct err *err)
{
    if (slots_take(call->node->api->slots, kind, owner, is_operator, err) < 0)
        return -1;
    call->slot = kind;
    (void)snprintf(call->slot_owner, sizeof(call->slot_owner), "%s", owner);
    return 0;
}

static void give_slot(struct api_call *call)
{
    if (call->slot != SLOT_KINDS)
        slots_give(call->node->api->slots, call->slot, call->slot_owner);
}

/* Whose the request is is known at once on the Unix socket. Over TCP it is a stranger's until its
 * token was looked at, and strangers have slots of their own. */
static int hold_first_slot(struct api_call *call, struct err *err)
{
    char owner[ACCOUNT_OWNER_SIZE];
    if (!call->request->peer_known)
        return hold_slot(call, SLOT_STRANGER, "", false, err);
    (void)snprintf(owner, sizeof(owner), "uid:%u", call->request->peer_uid);
    bool is_operator = call->request->peer_uid == 0 || call->request->peer_uid == geteuid();
    return hold_slot(call, SLOT_REQUEST, owner, is_operator, err);
}

static int hold_account_slot(struct api_call *call, struct err *err)
{
    if (call->slot != SLOT_STRANGER)
        return 0;
    slots_give(call->node->api->slots, SLOT_STRANGER, call->slot_owner);
    call->slot = SLOT_KINDS; /* none */
    return hold_slot(call, SLOT_REQUEST, call->account.owner, call->account.operator_of_node, err);
}

/* --- routes --- */

/* Does `path` fit `pattern`? "{id}" stands for one segment, which goes to call->id. */
static bool path_matches(const char *pattern, struct slice path, struct api_call *call)
{
    size_t at = 0;
    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (at >= path.len || (char)path.data[at] != *pattern)
                return false;
            at++;
            pattern++;
            continue;
        }
        size_t len = 0;
        while (at < path.len && path.data[at] != '/' && len + 1 < sizeof(call->id))
            call->id[len++] = (char)path.data[at++];
        call->id[len] = '\0';
        pattern = strchr(pattern, '}') + 1;
    }
    return at == path.len;
}

static int find_route(struct api_call *call, const struct api_route **ret, struct err *err)
{
    bool path_known = false;
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_routes[i];
        if (!path_matches(route->path, call->request->path, call))
            continue;
        path_known = true;
        if (slice_is_str(call->request->method, route->method)) {
            *ret = route;
            return 0;
        }
    }
    if (path_known)
        return FAIL(err, ERR_UNSUPPORTED, "this address does not know the method '%.*s'",
                    (int)call->request->method.len, (const char *)call->request->method.data);
    return FAIL(err, ERR_NOT_FOUND, "there is nothing at this address");
}

/* An app of somebody else is "not found", so that ids cannot be probed. */
static int check_app(struct api_call *call, struct err *err)
{
    struct store_app app = {0};
    if (!manifest_id_valid(call->id))
        return FAIL(err, ERR_INVALID, "'%s' is not an app id (a UUID in lower case)", call->id);
    if (keeper_get(call->node->keeper, call->id, &app, err) < 0)
        return -1;
    if (!account_may(&call->account, app.owner))
        return FAIL(err, ERR_NOT_FOUND, "no app with the id '%s'", call->id);
    return 0;
}

static int authorize(struct api_call *call, const struct api_route *route, struct err *err)
{
    if (account_of(call->node->folders.tokens, call->request, &call->account, err) < 0 ||
        hold_account_slot(call, err) < 0)
        return -1;
    switch (route->auth) {
    case API_ACCOUNT:
        return 0;
    case API_APP:
        return check_app(call, err);
    case API_OPERATOR:
        if (call->account.local && call->account.operator_of_node)
            return 0;
        return FAIL(err, ERR_FORBIDDEN, "only the operator may do this, on the node's own socket");
    }
    return FAIL(err, ERR_INTERNAL, "route without authorization");
}

static int handle(struct api_call *call, struct err *err)
{
    const struct api_route *route = NULL;
    if (find_route(call, &route, err) < 0 || authorize(call, route, err) < 0 ||
        query_parse(call->request->query, route->parameters, &call->query, err) < 0)
        return -1;
    return route->handle(call, err);
}

/* --- threads --- */

static int shown_len(struct slice text)
{
    enum { SHOWN_MAX = 120 };
    return text.len < SHOWN_MAX ? (int)text.len : SHOWN_MAX;
}

static void log_refusal(const struct api_call *call, const struct err *err)
{
    const struct http_request *request = call->request;
    const char *owner = call->account.owner;
    bool known = owner[0] != '\0';
    log_sparingly(&call->node->api->refusals[known], LOG_INFO, "api: %.*s %.*s by %s: %s",
                  shown_len(request->method), (const char *)request->method.data,
                  shown_len(request->path), (const char *)request->path.data,
                  known ? owner : "nobody", err->message);
}

static void *call_thread(void *argument)
{
    struct api_call *call = argument;
    struct api *api = call->node->api;
    struct err err = ERR_INIT;
    if (handle(call, &err) < 0) {
        log_refusal(call, &err);
        if (!call->answered)
            api_answer_error(call, &err);
    }
    give_slot(call);
    if (!call->given)
        http_release(call->exchange);
    free(call);
    (void)atomic_fetch_sub(&api->threads, 1);
    return NULL;
}

static int start_thread(struct api_call *call, struct err *err)
{
    struct api *api = call->node->api;
    (void)atomic_fetch_add(&api->threads, 1);
    pthread_attr_t attributes;
    pthread_t thread;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, 1 << 20);
    int failed = pthread_create(&thread, &attributes, call_thread, call);
    (void)pthread_attr_destroy(&attributes);
    if (failed == 0)
        return 0;
    (void)atomic_fetch_sub(&api->threads, 1);
    return FAIL(err, ERR_BUSY, "the node cannot start another thread");
}

static void request_came(void *context, struct http_exchange *exchange)
{
    struct err err = ERR_INIT;
    struct node *node = context;
    struct api_call *call = mem_alloc(sizeof(*call), &err);
    if (call == NULL) {
        http_release(exchange); /* becomes a 500 */
        return;
    }
    call->node = node;
    call->exchange = exchange;
    call->request = http_request(exchange);
    if (hold_first_slot(call, &err) == 0) {
        if (start_thread(call, &err) == 0)
            return;
        give_slot(call);
    }
    api_answer_error(call, &err);
    http_release(exchange);
    free(call);
}

static void log_can_go_on(void *context, struct http_exchange *exchange)
{
    const struct node *node = context;
    log_streams_wake(node->api->streams);
}

static const struct http_handler api_handler = {
    .request = request_came, .writable = log_can_go_on, .aborted = log_can_go_on};

/* --- certificate of the TCP listener --- */

static int make_certificate(const struct node *node, struct err *err)
{
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    AUTO_BUF struct buf key_pem = BUF_INIT(16 << 10);
    AUTO_BUF struct buf certificate_pem = BUF_INIT(64 << 10);
    const char *const names[] = {node->config.domain, "localhost", "127.0.0.1", "::1"};
    const int64_t now = clock_unix();
    const struct certificate_spec spec = {.common_name = "msed",
                                          .dns_names = node_is_localhost(node) ? names + 1 : names,
                                          .dns_name_count = node_is_localhost(node) ? 3 : 4,
                                          .not_before = now - 3600,
                                          .not_after = now + INT64_C(3650) * 86400};
    if (p256_key_new(&key, err) < 0 ||
        certificate_new(key, &spec, NULL, NULL, &certificate, err) < 0 ||
        private_key_to_pem(key, &key_pem, err) < 0 ||
        certificate_to_pem(certificate, &certificate_pem, err) < 0 ||
        file_write_atomic(node->folders.private_key, buf_slice(&key_pem), 0600, err) < 0)
        return -1;
    return file_write_atomic(node->folders.certificate, buf_slice(&certificate_pem), 0644, err);
}

static int open_tls(const struct node *node, struct tls_server **ret, struct err *err)
{
    const char *certificate_path = node->config.api_certificate;
    const char *key_path = node->config.api_private_key;
    if (certificate_path == NULL) {
        certificate_path = node->folders.certificate;
        key_path = node->folders.private_key;
        if (!(file_exists(certificate_path) && file_exists(key_path)) &&
            make_certificate(node, err) < 0)
            return FAIL_CONTEXT(err, "certificate of the API");
    }
    AUTO_BUF struct buf certificate_pem = BUF_INIT(256 << 10);
    AUTO_BUF struct buf key_pem = BUF_INIT(64 << 10);
    AUTO_PKEY EVP_PKEY *key = NULL;
    AUTO_X509 X509 *certificate = NULL;
    if (file_read(certificate_path, &certificate_pem, err) < 0 ||
        certificate_from_pem(buf_slice(&certificate_pem), &certificate, err) < 0 ||
        file_read(key_path, &key_pem, err) < 0 ||
        private_key_from_pem(buf_slice(&key_pem), &key, err) < 0)
        return FAIL_CONTEXT(err, "certificate of the API");
    const struct tls_server_config config = {.key = key, .certificate = certificate};
    return tls_server_new(&config, ret, err);
}

/* --- life --- */

/* Users of the group may connect where there is such a group; the operator always. */
static int open_socket_to_group(const char *path, struct err *err)
{
    char text[4096];
    struct group entry;
    struct group *group = NULL;
    if (geteuid() != 0 || getgrnam_r(ACCOUNT_GROUP, &entry, text, sizeof(text), &group) != 0 ||
        group == NULL)
        return 0;
    if (chown(path, 0, group->gr_gid) < 0 || chmod(path, 0660) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot open '%s' to the group '%s'", path, ACCOUNT_GROUP);
    return 0;
}

/* A killed msed leaves its socket behind. One that somebody listens on is not ours to take. */
static int remove_stale_socket(const char *path, struct err *err)
{
    struct stat info;
    struct err refused = ERR_INIT;
    AUTO_CLOSE int fd = -1;
    if (lstat(path, &info) < 0)
        return 0;
    if (!S_ISSOCK(info.st_mode))
        return FAIL(err, ERR_CONFLICT, "'%s' is in the way: it is not a socket", path);
    if (unix_connect(path, &fd, &refused) == 0)
        return FAIL(err, ERR_CONFLICT, "another program listens on '%s'", path);
    log_info("removing the socket that a killed msed left");
    return file_remove(path, err);
}

static int split_listen(const char *text, char *host, size_t size, int *ret_port, struct err *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len == 0 || len >= size)
        return FAIL(err, ERR_INVALID, "listen '%s': ADDRESS:PORT expected", text);
    if (parse_u64(colon + 1, "listen: port", 0, 65535, &port, err) < 0)
        return -1;
    bool bracketed = text[0] == '[' && text[len - 1] == ']';
    (void)snprintf(host, size, "%.*s", (int)(bracketed ? len - 2 : len),
                   bracketed ? text + 1 : text);
    *ret_port = (int)port;
    return 0;
}

static int start_server(const struct api *api, const struct http_listener *listener,
                        struct http_server **ret, struct err *err)
{
    enum { CONNECTIONS = 1024 };
    const struct http_server_config server = {
        .listeners = listener,
        .listener_count = 1,
        .limits = {.connections = CONNECTIONS,
                   .body_bytes = api->node->config.limits.package_bytes},
        .handler = &api_handler,
        .context = api->node,
    };
    return http_server_start(&server, ret, err);
}

static int start_local(struct api *api, struct err *err)
{
    const char *path = api->node->config.socket;
    const struct http_listener listener = {.unix_path = path, .unix_mode = 0600};
    if (remove_stale_socket(path, err) < 0 || start_server(api, &listener, &api->local, err) < 0)
        return FAIL_CONTEXT(err, "API");
    return open_socket_to_group(path, err);
}

static int start_remote(struct api *api, struct err *err)
{
    char host[64];
    int port = 0;
    if (api->node->config.listen[0] == '\0')
        return 0;
    if (split_listen(api->node->config.listen, host, sizeof(host), &port, err) < 0 ||
        open_tls(api->node, &api->tls, err) < 0)
        return -1;
    const struct http_listener listener = {.host = host, .port = port, .tls = api->tls};
    if (start_server(api, &listener, &api->remote, err) < 0)
        return FAIL_CONTEXT(err, "API");
    return 0;
}

/* No account takes all of anything, and a part is the operator's. */
static int open_slots(struct api *api, struct err *err)
{
    const unsigned uploads = (unsigned)api->node->config.limits.uploads;
    const struct slot_limits limits[SLOT_KINDS] = {
        [SLOT_STRANGER] = {"requests without a token", 32, 32, 0},
        [SLOT_REQUEST] = {"requests", 128, 24, 32},
        [SLOT_UPLOAD] = {"uploads", uploads + 2, (uploads + 1) / 2, 2},
        [SLOT_LOG] = {"logs being read", 160, 32, 32},
    };
    return slots_new(limits, &api->slots, err);
}

static int start_all(struct api *api, struct err *err)
{
    struct node *node = api->node;
    if (open_slots(api, err) < 0 ||
        log_streams_new(node->keeper, api->slots, &node->stopping, &api->streams, err) < 0 ||
        start_local(api, err) < 0)
        return -1;
    return start_remote(api, err);
}

int api_start(struct node *node, struct api **ret, struct err *err)
{
    struct api *api = mem_alloc(sizeof(*api), err);
    if (api == NULL)
        return -1;
    api->node = node;
    node->api = api;
    if (start_all(api, err) < 0) {
        api_stop(api);
        node->api = NULL;
        return -1;
    }
    *ret = api;
    return 0;
}

static void stop_server(struct http_server *server)
{
    enum { DEADLINE_MS = 2000 };
    if (server == NULL)
        return;
    (void)http_server_stop(server, DEADLINE_MS);
    http_server_free(server); /* waits until every thread has released its exchange */
}

void api_stop(struct api *api)
{
    if (api == NULL)
        return;
    log_streams_stop(api->streams);
    stop_server(api->remote);
    stop_server(api->local);
    while (atomic_load(&api->threads) > 0)
        clock_sleep_ms(1);
    log_streams_free(api->streams);
    slots_free(api->slots);
    tls_server_free(api->tls);
    free(api);
}
