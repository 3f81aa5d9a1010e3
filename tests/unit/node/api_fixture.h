// SPDX-License-Identifier: Apache-2.0
/*
 * The API over its sockets, before a pretended node.
 */
#pragma once

#include "pretended_node.h"

#include "base/text.h"
#include "crypto/x509.h"
#include "http/client.h"
#include "model/package_format.h"
#include "node/api.h"

struct api_fixture {
    struct fixture *below;
    struct node node;
    struct tls_client *tls;
    char socket[96];
};

static inline int api_set_up(void **state)
{
    struct err err = ERR_INIT;
    struct api_fixture *fixture = mem_alloc(sizeof(*fixture), NULL);
    assert_non_null(fixture);
    void *below = NULL;
    assert_int_equal(set_up(&below), 0);
    fixture->below = below;
    struct node *node = &fixture->node;
    node->config = fixture->below->config;
    node->folders = fixture->below->folders;
    node->environments = fixture->below->environments;
    node->store = fixture->below->store;
    node->gateway = fixture->below->gateway;
    node->keeper = fixture->below->keeper;
    memset(node->runtime_digest, '1', 64); /* as write_manifest has it */
    memset(node->simulation_root, 'a', 64);
    (void)snprintf(fixture->socket, sizeof(fixture->socket), "%s/msed.sock", fixture->below->state);
    node->config.socket = fixture->socket;
    node->upload_grace_ms = 10 * 1000;
    int killed = -1; /* what a killed msed leaves is no hindrance */
    assert_int_equal(unix_listen(fixture->socket, 0600, &killed, &err), 0);
    fd_close(killed);
    node->config.listen = (char *)(uintptr_t) "127.0.0.1:0";
    if (api_start(node, &node->api, &err) < 0)
        fail_msg("%s", err.message);
    const struct tls_client_config tls = {.ca_file = node->folders.certificate};
    OK(tls_client_new(&tls, &fixture->tls, &failure));
    *state = fixture;
    return 0;
}

static inline int api_tear_down(void **state)
{
    struct api_fixture *fixture = *state;
    atomic_store(&fixture->node.stopping, true);
    api_stop(fixture->node.api);
    tls_client_free(fixture->tls);
    void *below = fixture->below;
    free(fixture);
    return tear_down(&below);
}

struct answer {
    int status;
    json_t *json;
    struct buf text;
};

static inline void answer_done(struct answer *answer)
{
    json_decref(answer->json);
    buf_done(&answer->text);
}
#define AUTO_ANSWER __attribute__((cleanup(answer_done)))

/* The operator's way. */
static inline struct http_client_config over_socket(const struct api_fixture *fixture)
{
    return (struct http_client_config){.unix_path = fixture->socket, .host = "localhost"};
}

/* The way of everybody else, with a token. */
static inline struct http_client_config over_tcp(const struct api_fixture *fixture)
{
    return (struct http_client_config){.host = "localhost",
                                       .port = http_server_port(fixture->node.api->remote, 0),
                                       .tls = fixture->tls};
}

/* What authorizes as `name`, whose token is made. The caller frees. */
static inline char *new_token(struct api_fixture *fixture, const char *name)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf token = BUF_INIT(256);
    OK(token_add(fixture->node.folders.tokens, name, &token, &failure));
    char *header = str_printf(&err, "Bearer %s", buf_text(&token));
    assert_non_null(header);
    return header;
}

static inline void ask_over(const struct http_client_config *config,
                            const struct http_client_request *request, struct answer *ret)
{
    struct err err = ERR_INIT;
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    if (http_client_connect(config, &client, &err) < 0 ||
        http_client_request(client, request, &response, &err) < 0)
        fail_msg("%s", err.message);
    ret->status = response.status;
    ret->text = BUF_INIT(1 << 20);
    assert_int_equal(buf_bytes(&ret->text, buf_slice(&response.body), &err), 0);
    const char *type = http_client_response_header(&response, "content-type");
    if (type != NULL && strcmp(type, "application/json") == 0 &&
        json_parse(buf_slice(&ret->text), "answer", 1 << 20, &ret->json, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void ask(struct api_fixture *fixture, const struct http_client_request *request,
                       struct answer *ret)
{
    const struct http_client_config config = over_socket(fixture);
    ask_over(&config, request, ret);
}

static inline void get(struct api_fixture *fixture, const char *method, const char *target,
                       struct answer *ret)
{
    const struct http_client_request request = {.method = method, .target = target};
    ask(fixture, &request, ret);
}

static inline void add_section(struct buf *out, enum package_section section, struct slice bytes)
{
    struct err err = ERR_INIT;
    assert_int_equal(package_section_append(out, section, bytes.len, &err), 0);
    assert_int_equal(buf_bytes(out, bytes, &err), 0);
}

/* A package whose manifest fits this node. */
static inline void make_package(struct api_fixture *fixture, const char *id, const char *name,
                                struct buf *out)
{
    struct err err = ERR_INIT;
    struct manifest manifest = {.tls_mode = MANIFEST_TLS_RA,
                                .tls_not_after = 4000000000,
                                .memory_bytes = 1 << 28,
                                .cpu_millis = 100,
                                .quota_bytes = 1 << 26,
                                .key_epoch = 1};
    const struct environment_offer *offer = NULL;
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    (void)snprintf(manifest.id, sizeof(manifest.id), "%s", id);
    (void)snprintf(manifest.name, sizeof(manifest.name), "%s", name);
    (void)snprintf(manifest.python_application, sizeof(manifest.python_application), "app:app");
    (void)snprintf(manifest.environment_name, sizeof(manifest.environment_name), "mse-flask");
    (void)snprintf(manifest.tls_host_name, sizeof(manifest.tls_host_name), "localhost");
    memset(manifest.code_commitment, 0x11, SHA256_SIZE);
    memset(manifest.runtime_digest, 0x11, SHA256_SIZE);
    memset(manifest.owner_key, 0x11, SHA256_SIZE);
    OK(environments_find(&fixture->node.environments, "", &offer, &failure));
    OK(hex_decode(offer->digest, "digest", manifest.environment_digest, SHA256_SIZE, &failure));
    OK(sha256(slice_of(NULL, 0), manifest.requirements_digest, &failure));
    OK(manifest_encode(&manifest, &text, &failure));
    assert_int_equal(package_header_append(out, &err), 0);
    add_section(out, PACKAGE_MANIFEST, buf_slice(&text));
    add_section(out, PACKAGE_ARCHIVE, slice_str("encrypted"));
}

static inline void upload(struct api_fixture *fixture, const char *target,
                          const struct buf *package, struct answer *ret)
{
    const struct http_header header = {slice_str("Content-Type"),
                                       slice_str("application/vnd.mse.package")};
    const struct http_client_request request = {.method = "POST",
                                                .target = target,
                                                .headers = &header,
                                                .header_count = 1,
                                                .body = buf_slice(package)};
    ask(fixture, &request, ret);
}
