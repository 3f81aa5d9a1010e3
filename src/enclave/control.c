// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's own paths (the table `routes`), and the wait for provisioning. Requests come from
 * anybody: the owner's signature for this session makes a difference, and for collateral that it is
 * the node who comes.
 */
#include "base/lock.h"
#include "enclave/enclave.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rotating_file.h"
#include "base/text.h"
#include "model/attestation_document.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS_KEPT = 512 };

/* Of strangers: the log has a limit, behind which are the app's own lines. */
static struct log_spare refusals;

/* For whom a message of the owner must have been made, to be for us. */
struct provision_target enclave_target(const struct enclave *enclave,
                                       const struct front_request *request)
{
    struct provision_target target;
    memcpy(target.fingerprint, enclave->fingerprint, sizeof(target.fingerprint));
    memcpy(target.channel_binding, request->channel_binding, sizeof(target.channel_binding));
    return target;
}

/* --- GET attestation?nonce=HEX[&opening=N] --- */

static int parse_opening(struct slice rest, uint64_t *ret, struct err *err)
{
    static const char key[] = "&opening=";
    char text[24];
    size_t prefix = sizeof(key) - 1;
    if (rest.len <= prefix || rest.len - prefix >= sizeof(text) ||
        memcmp(rest.data, key, prefix) != 0)
        return FAIL(err, ERR_INVALID, "expected nothing or &opening=NUMBER behind the nonce");
    memcpy(text, rest.data + prefix, rest.len - prefix);
    text[rest.len - prefix] = '\0';
    return parse_u64(text, "opening", 1, STORAGE_OPENINGS_MAX, ret, err);
}

static int parse_question(struct slice query, uint8_t nonce[static 32], uint64_t *ret_opening,
                          struct err *err)
{
    static const char key[] = "nonce=";
    char text[2 * 32 + 1];
    size_t prefix = sizeof(key) - 1;
    size_t size = prefix + 2 * 32;
    if (query.len < size || memcmp(query.data, key, prefix) != 0)
        return FAIL(err, ERR_INVALID, "expected ?nonce= and 64 hexadecimal digits");
    memcpy(text, query.data + prefix, 2 * 32);
    text[2 * 32] = '\0';
    *ret_opening = 0;
    if (query.len > size &&
        parse_opening(slice_of(query.data + size, query.len - size), ret_opening, err) < 0)
        return -1;
    return hex_decode(text, "nonce", nonce, 32, err);
}

int enclave_answer_attestation(void *context, const struct front_request *request, struct buf *out,
                               struct err *err)
{
    uint8_t nonce[32];
    uint64_t asked;
    if (parse_question(request->http->query, nonce, &asked, err) < 0)
        return -1;
    return identity_attest(context, nonce, asked, out, err);
}

/* --- GET status --- */

int enclave_answer_status(void *context, const struct front_request *request, struct buf *out,
                          struct err *err)
{
    (void)request;
    struct enclave *enclave = context;
    lock_acquire(&enclave->provision_lock);
    const char *state = enclave->state_name;
    lock_release(&enclave->provision_lock);
    return buf_printf(out, err, "{\"state\":\"%s\"}\n", state);
}

/* --- POST provision --- */

static int accept_provisioning(struct enclave *enclave, const struct front_request *request,
                               struct err *err)
{
    const struct provision_target target = enclave_target(enclave, request);
    AUTO_PROVISIONED struct provisioned received = {0};
    if (provision_open(request->body, enclave->manifest.owner_key, &target, &received, err) < 0)
        return -1;
    bool needs_key = enclave->manifest.tls_mode == MANIFEST_TLS_OWNER;
    if (needs_key != (received.tls_private_key.len > 0))
        return FAIL(err, ERR_INVALID, "the manifest asks for %s TLS key, the message has %s",
                    needs_key ? "the owner's" : "no", needs_key ? "none" : "one");
    /* The message, not what was in it: a restart checks the owner's signature again. */
    if (state_write(enclave, STATE_PROVISIONED, request->body, err) < 0)
        return FAIL_CONTEXT(err, "sealing what was provisioned");
    enclave->provisioned = received;
    received = (struct provisioned){0};
    return 0;
}

static int answer_provision(void *context, const struct front_request *request, struct buf *out,
                            struct err *err)
{
    struct enclave *enclave = context;
    lock_acquire(&enclave->provision_lock);
    int status = 0;
    if (enclave->is_provisioned)
        status = FAIL(err, ERR_CONFLICT, "this enclave has been provisioned already");
    else
        status = accept_provisioning(enclave, request, err);
    if (status == 0) {
        enclave->is_provisioned = true;
        enclave->state_name = "opening";
        (void)kill(getpid(), ENCLAVE_WAKE_SIGNAL);
    }
    lock_release(&enclave->provision_lock);
    if (status < 0) {
        log_sparingly(&refusals, LOG_WARNING, "provisioning refused: %s", err->message);
        return -1;
    }
    return buf_str(out, "{\"provisioned\":true}\n", err);
}

/* --- POST ocsp --- */

/* From anybody: it is the certificate authority's signature that counts. */
static int answer_ocsp(void *context, const struct front_request *request, struct buf *out,
                       struct err *err)
{
    struct ocsp_validity validity;
    char until[RFC3339_SIZE];
    if (identity_staple(context, request->body, &validity, err) < 0)
        return -1;
    rfc3339_format(validity.next_update, until);
    return buf_printf(out, err, "{\"stapled_until\":\"%s\"}\n", until);
}

/* --- POST collateral --- */

/* From the node alone, whose connections say nothing of a client: it is the only one without whom
 * nobody reaches this enclave anyway. Anybody else could take good collateral away. */
int enclave_answer_collateral(void *context, const struct front_request *request, struct buf *out,
                              struct err *err)
{
    if (request->http->client_address[0] != '\0')
        return FAIL(err, ERR_FORBIDDEN, "only the node staples collateral");
    if (identity_staple_collateral(context, request->body, err) < 0)
        return -1;
    return buf_str(out, "{\"stapled\":true}\n", err);
}

/* --- POST access-log --- */

static bool keeps_sealed_log(const struct manifest_server *server)
{
    return strcmp(server->access_log_to, "log") != 0;
}

/* To the owner alone: who used the app is the operator's affair as little as the app's answers. */
static int answer_access_log(void *context, const struct front_request *request, struct buf *out,
                             struct err *err)
{
    const struct enclave *enclave = context;
    const struct provision_target target = enclave_target(enclave, request);
    uint64_t last;
    if (owner_asks(request->body, OWNER_READ_ACCESS_LOG, enclave->manifest.owner_key, &target,
                   &last, err) < 0) {
        log_sparingly(&refusals, LOG_WARNING, "the access log was refused: %s", err->message);
        return -1;
    }
    const struct manifest_server *server = &enclave->manifest.server;
    if (server->access_log[0] == '\0') {
        err_set(err, ERR_NOT_FOUND, 0, "the app keeps no access log");
        err_hint(err, "set access_log in [server] of mse.toml and deploy again");
        return -1;
    }
    if (!keeps_sealed_log(server)) {
        err_set(err, ERR_NOT_FOUND, 0, "the access log goes to the app's log");
        err_hint(err, "`mse logs` shows it");
        return -1;
    }
    return rotating_file_read(ENCLAVE_ACCESS_LOG, last, out, err);
}

/* --- boot steps --- */

#define TEXT "text/plain; charset=utf-8"

static const struct front_route routes[] = {
    {"POST", "access-log", answer_access_log, TEXT, ENCLAVE_ACCESS_LOG_BYTES + FRONT_BODY_MAX,
     OWNER_REQUEST_SIZE, FRONT_LANE_MESSAGES},
    {"GET", "attestation", enclave_answer_attestation, NULL, 0, 0, FRONT_LANE_EVIDENCE},
    {"POST", "collateral", enclave_answer_collateral, NULL, 0, ATTESTATION_COLLATERAL_MAX,
     FRONT_LANE_MESSAGES},
    {"POST", "ocsp", answer_ocsp, NULL, 0, OCSP_RESPONSE_MAX, FRONT_LANE_MESSAGES},
    {"GET", "status", enclave_answer_status, NULL, 0, 0, FRONT_LANE_MESSAGES},
    {"POST", "provision", answer_provision, NULL, 0, FRONT_BODY_MAX, FRONT_LANE_MESSAGES},
};

/* A connection takes a descriptor, and so do the app's files. */
static void bound_by_descriptors(struct http_limits *limits)
{
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) < 0)
        return;
    descriptors.rlim_cur = descriptors.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &descriptors); /* to what is allowed anyway */
    rlim_t room = descriptors.rlim_max > 2 * DESCRIPTORS_KEPT
                      ? descriptors.rlim_max - DESCRIPTORS_KEPT
                      : descriptors.rlim_max / 2;
    if (limits->connections <= room)
        return;
    log_warning("%u connections are wanted, the limit of descriptors allows %llu",
                limits->connections, (unsigned long long)room);
    limits->connections = (unsigned)room;
}

static void set_limits(const struct manifest_server *from, uint64_t memory_bytes,
                       struct http_limits *limits)
{
    limits->connections = (unsigned)from->connections;
    limits->header_bytes = (size_t)from->header_bytes;
    limits->header_count = (unsigned)from->header_count;
    limits->target_bytes = (size_t)from->target_bytes;
    limits->body_bytes = (int64_t)from->body_bytes;
    limits->header_timeout_ms = (unsigned)from->header_timeout_ms;
    limits->body_timeout_ms = (unsigned)from->body_timeout_ms;
    limits->idle_timeout_ms = (unsigned)from->idle_timeout_ms;
    limits->write_timeout_ms = (unsigned)from->write_timeout_ms;
    limits->held_bytes = (size_t)memory_bytes / ENCLAVE_HELD_SHARE;
    http_limits_complete(limits);
    bound_by_descriptors(limits);
}

/* Paths and addresses are the users' own: they stay in sealed storage unless the owner has said, in
 * the manifest, that the operator may read them. */
static int open_access_log(struct enclave *enclave, struct err *err)
{
    const struct manifest_server *server = &enclave->manifest.server;
    if (server->access_log[0] == '\0')
        return 0;
    bool sealed = keeps_sealed_log(server);
    const struct access_log_config config = {
        .format = server->access_log,
        .path = sealed ? ENCLAVE_ACCESS_LOG : NULL,
        .max_bytes = ENCLAVE_ACCESS_LOG_BYTES,
        .fd = STDOUT_FILENO,
    };
    if (sealed && folder_create_all(ENCLAVE_CACHE, 0700, err) < 0)
        return -1;
    return access_log_new(&config, &enclave->access_log, err);
}

/* The launcher made the socket outside and gave it to us: here no name could be trusted. */
int enclave_check_socket(const struct enclave *enclave, struct err *err)
{
    const int fd = SANDBOX_LISTEN_FD;
    const int expected = enclave->link->listen_family;
    int family = 0;
    int listens = 0;
    socklen_t size = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
        return FAIL_ERRNO(err, ERR_INVALID, "descriptor %d is no socket", fd);
    if (family != expected || listens == 0)
        return FAIL(err, ERR_INVALID, "descriptor %d is no listening %s socket", fd,
                    expected == AF_UNIX ? "Unix" : "TCP");
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot keep descriptor %d to ourselves", fd);
    return 0;
}

int boot_listen(struct enclave *enclave, struct err *err)
{
    if (enclave_check_socket(enclave, err) < 0)
        return -1;
    if (front_new(routes, ARRAY_LEN(routes), enclave, &enclave->front, err) < 0)
        return -1;
    if (open_access_log(enclave, err) < 0)
        return -1;
    bool checks = health_wanted(&enclave->manifest);
    int health_fd = -1;
    if (checks && health_listen(&health_fd, err) < 0)
        return -1;
    const struct http_listener listeners[] = {
        {.use_fd = true, .fd = SANDBOX_LISTEN_FD, .proxy = true, .tls = enclave->tls},
        {.use_fd = true, .fd = health_fd, .tls = enclave->tls},
    };
    struct http_server_config config = {
        .listeners = listeners,
        .listener_count = checks ? 2 : 1,
        .handler = front_handler(),
        .context = enclave->front,
        .extended_connect = true, /* for WebSocket; an app that has none answers 501 */
        .round_end = front_round_end,
        .rest_us = front_rest_us,
    };
    config.access_log = enclave->access_log;
    config.server_timing = enclave->manifest.server.server_timing != 0;
    set_limits(&enclave->manifest.server, enclave->manifest.memory_bytes, &config.limits);
    return http_server_start(&config, &enclave->server, err);
}

/* 0 also where nothing was provisioned yet. */
static int unseal(struct enclave *enclave, struct err *err)
{
    AUTO_BUF struct buf message = BUF_INIT(STATE_FILE_MAX);
    if (state_read(enclave, STATE_PROVISIONED, &message, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -1;
        err_clear(err);
        return 0;
    }
    if (provision_reopen(buf_slice(&message), enclave->manifest.owner_key, enclave->fingerprint,
                         &enclave->provisioned, err) < 0)
        return FAIL_CONTEXT(err, "sealed state");
    enclave->is_provisioned = true;
    enclave->state_name = "opening";
    return 0;
}

int enclave_wait_for(struct enclave *enclave, const bool *flag, const char *what, struct err *err)
{
    sigset_t signals;
    enclave_signals(&signals);
    for (;;) {
        lock_acquire(&enclave->provision_lock);
        bool done = *flag;
        lock_release(&enclave->provision_lock);
        if (done)
            return 0;
        int received = 0;
        (void)sigwait(&signals, &received);
        if (received != ENCLAVE_WAKE_SIGNAL)
            return FAIL(err, ERR_INTERRUPTED, "stopped before it was %s", what);
    }
}

/* The owner comes with new secrets. That the node says so costs no more than a node that does not
 * start the app at all: only the owner's signed message goes in the place of the sealed one. */
static bool is_held(void)
{
    return file_exists(SANDBOX_NODE "/" SANDBOX_HOLD_NAME);
}

int boot_secrets(struct enclave *enclave, struct err *err)
{
    lock_acquire(&enclave->provision_lock);
    int status = enclave->is_provisioned || is_held() ? 0 : unseal(enclave, err);
    if (status == 0 && !enclave->is_provisioned) {
        enclave->state_name = "initializing";
        front_set_waiting_text(enclave->front,
                               "the app waits for its owner to send code key and secrets");
        report_state("initializing", NULL);
    }
    lock_release(&enclave->provision_lock);
    if (status < 0 || enclave_wait_for(enclave, &enclave->is_provisioned, "provisioned", err) < 0)
        return -1;
    front_set_waiting_text(enclave->front, "the app is starting");
    return enclave->manifest.tls_mode == MANIFEST_TLS_OWNER
               ? identity_use_owner_certificate(enclave, err)
               : 0;
}
