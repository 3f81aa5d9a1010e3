// SPDX-License-Identifier: Apache-2.0
/*
 * TLS contexts: handshakes in memory, both ends in one thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "crypto/x509.h"
#include "net/tls.h"

#include <openssl/err.h>

static struct err err;

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    struct buf pem;
};

static struct identity first;
static struct identity second;
static struct identity ed25519;

/* The monotonic clock, as net/tls.c sees it, runs ahead by this (linked with --wrap). */
static int64_t ahead_ms;

int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);

int64_t __wrap_clock_monotonic_ms(void)
{
    return __real_clock_monotonic_ms() + ahead_ms;
}

static void make_identity(struct identity *ret, const char *name, const char *type)
{
    const char *names[] = {name, "127.0.0.1"};
    struct certificate_spec spec = {.common_name = name,
                                    .dns_names = names,
                                    .dns_name_count = 2,
                                    .not_before = clock_unix() - 60,
                                    .not_after = clock_unix() + 3600};
    if (strcmp(type, "ED25519") == 0)
        ret->key = EVP_PKEY_Q_keygen(NULL, NULL, type);
    else
        assert_int_equal(p256_key_new(&ret->key, &err), 0);
    assert_non_null(ret->key);
    assert_int_equal(certificate_new(ret->key, &spec, NULL, NULL, &ret->certificate, &err), 0);
    ret->pem = BUF_INIT(65536);
    assert_int_equal(certificate_to_pem(ret->certificate, &ret->pem, &err), 0);
}

static void free_identity(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    buf_done(&identity->pem);
}

static int setup(void **state)
{
    (void)state;
    make_identity(&first, "first.example", "P-256");
    make_identity(&second, "second.example", "P-256");
    make_identity(&ed25519, "first.example", "ED25519");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_identity(&first);
    free_identity(&second);
    free_identity(&ed25519);
    return 0;
}

struct pair {
    SSL *client;
    SSL *server;
    struct err failure;
    size_t client_sent; /* bytes */
};

static void pump(struct pair *pair)
{
    for (int round = 0; round < 10; round++) {
        (void)SSL_do_handshake(pair->client);
        (void)SSL_do_handshake(pair->server);
    }
}

/* Returns whether both ends have finished. */
static bool shake(struct pair *pair, struct tls_client *client, struct tls_server *server,
                  const char *host)
{
    *pair = (struct pair){0};
    assert_int_equal(tls_client_session(client, host, &pair->failure, &pair->client, &err), 0);
    assert_int_equal(tls_server_session(server, &pair->server, &err), 0);
    BIO *ends[2];
    assert_int_equal(BIO_new_bio_pair(&ends[0], 65536, &ends[1], 65536), 1);
    SSL_set_bio(pair->client, ends[0], ends[0]);
    SSL_set_bio(pair->server, ends[1], ends[1]);
    pump(pair);
    pair->client_sent = (size_t)BIO_number_written(SSL_get_wbio(pair->client));
    return SSL_is_init_finished(pair->client) == 1 && SSL_is_init_finished(pair->server) == 1;
}

static void end_pair(struct pair *pair)
{
    /* As if both had said goodbye: OpenSSL does not resume the session of a cut connection. */
    SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(pair->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(pair->client);
    SSL_free(pair->server);
}

static struct tls_server *server_of(const struct identity *identity, bool allow_tls12)
{
    struct tls_server_config config = {
        .key = identity->key, .certificate = identity->certificate, .allow_tls12 = allow_tls12};
    struct tls_server *server;
    assert_int_equal(tls_server_new(&config, &server, &err), 0);
    return server;
}

static struct tls_client *client_of(const struct tls_client_config *config)
{
    struct tls_client *client;
    assert_int_equal(tls_client_new(config, &client, &err), 0);
    return client;
}

static void both_ends_have_the_same_channel_binding_and_no_other_connection_has(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, true);
    uint8_t last[TLS_CHANNEL_BINDING_SIZE] = {0};
    for (int allow_tls12 = 0; allow_tls12 < 2; allow_tls12++) {
        struct tls_client_config config = {.ca_pem = buf_slice(&first.pem),
                                           .allow_tls12 = allow_tls12};
        AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
        struct pair pair;
        assert_true(shake(&pair, client, server, "first.example"));
        uint8_t there[TLS_CHANNEL_BINDING_SIZE];
        uint8_t here[TLS_CHANNEL_BINDING_SIZE];
        assert_int_equal(tls_channel_binding(pair.client, here, &err), 0);
        assert_int_equal(tls_channel_binding(pair.server, there, &err), 0);
        assert_memory_equal(here, there, sizeof(here));
        assert_memory_not_equal(here, last, sizeof(here));
        memcpy(last, here, sizeof(last));
        end_pair(&pair);
    }
}

/* A handshake with a client that knows these groups (NULL: its own). Was it made, and with which?
 */
static bool agree(struct tls_server *server, const char *groups, char group[static 32])
{
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem), .allow_tls12 = true};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    struct pair pair = {0};
    assert_int_equal(tls_client_session(client, "first.example", &pair.failure, &pair.client, &err),
                     0);
    assert_int_equal(tls_server_session(server, &pair.server, &err), 0);
    if (groups != NULL)
        assert_int_equal(SSL_set1_groups_list(pair.client, groups), 1);
    BIO *ends[2];
    assert_int_equal(BIO_new_bio_pair(&ends[0], 65536, &ends[1], 65536), 1);
    SSL_set_bio(pair.client, ends[0], ends[0]);
    SSL_set_bio(pair.server, ends[1], ends[1]);
    pump(&pair);
    bool made = SSL_is_init_finished(pair.client) == 1 && SSL_is_init_finished(pair.server) == 1;
    if (made) {
        assert_string_equal(tls_key_exchange(pair.client), tls_key_exchange(pair.server));
        (void)snprintf(group, 32, "%s", tls_key_exchange(pair.server));
    }
    end_pair(&pair);
    ERR_clear_error();
    return made;
}

static void the_post_quantum_group_comes_first_where_there_is_one(void **state)
{
    (void)state;
    char group[32] = "";
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    assert_true(agree(server, NULL, group));
    assert_int_equal(tls_key_exchange_is_pq(group), tls_has_pq());
    assert_int_equal(tls_has_pq(), OpenSSL_version_num() >= 0x30500000L);
    if (!tls_has_pq())
        assert_string_equal(group, "x25519");
    /* who cannot is served all the same, and who sends the other share first is asked for it */
    assert_true(agree(server, "X25519", group));
    assert_string_equal(group, "x25519");
    if (tls_has_pq()) {
        assert_true(agree(server, "*X25519:X25519MLKEM768", group));
        assert_true(tls_key_exchange_is_pq(group));
    }
}

static void where_it_is_required_nothing_else_is_agreed(void **state)
{
    (void)state;
    struct tls_server_config config = {.key = first.key,
                                       .certificate = first.certificate,
                                       .allow_tls12 = true,
                                       .require_pq = true};
    AUTO_TLS_SERVER struct tls_server *server = NULL;
    char group[32] = "";
    err = ERR_INIT;
    if (!tls_has_pq()) {
        assert_int_equal(tls_server_new(&config, &server, &err), -1);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, "X25519MLKEM768"));
        return;
    }
    assert_int_equal(tls_server_new(&config, &server, &err), 0);
    assert_true(agree(server, NULL, group));
    assert_true(tls_key_exchange_is_pq(group));
    assert_false(agree(server, "X25519:P-256", group));
}

static void there_is_no_channel_binding_before_the_handshake(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    SSL *ssl;
    assert_int_equal(tls_server_session(server, &ssl, &err), 0);
    uint8_t binding[TLS_CHANNEL_BINDING_SIZE];
    assert_int_equal(tls_channel_binding(ssl, binding, &err), -1);
    assert_int_equal(err.kind, ERR_CRYPTO);
    SSL_free(ssl);
}

static void a_client_that_trusts_the_certificate_checks_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool good;
    } cases[] = {{"first.example", true},
                 {"127.0.0.1", true},
                 {"other.example", false},
                 {"127.0.0.2", false}};
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pair pair;
        assert_int_equal(shake(&pair, client, server, cases[i].host), cases[i].good);
        end_pair(&pair);
    }
}

static void a_foreign_certificate_is_rejected_by_name_of_the_reason(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&second, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    struct pair pair = {0};
    assert_int_equal(
        tls_client_session(client, "second.example", &pair.failure, &pair.client, &err), 0);
    assert_int_equal(tls_server_session(server, &pair.server, &err), 0);
    BIO *ends[2];
    assert_int_equal(BIO_new_bio_pair(&ends[0], 65536, &ends[1], 65536), 1);
    SSL_set_bio(pair.client, ends[0], ends[0]);
    SSL_set_bio(pair.server, ends[1], ends[1]);
    (void)SSL_do_handshake(pair.client);
    (void)SSL_do_handshake(pair.server);
    int result = SSL_do_handshake(pair.client);
    err = ERR_INIT;
    assert_int_equal(tls_fail(pair.client, result, &err, "handshake"), -1);
    assert_int_equal(err.kind, ERR_REJECTED);
    end_pair(&pair);
}

struct judge {
    struct slice expected;
    bool accept;
    int calls;
};

static int on_verify(void *context, struct slice der, struct err *failure)
{
    struct judge *judge = context;
    judge->calls++;
    assert_true(slice_equal(der, judge->expected));
    if (!judge->accept)
        return FAIL(failure, ERR_REJECTED, "not the enclave that was expected");
    return 0;
}

static void a_verify_callback_decides_and_nothing_is_sent_after_a_refusal(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&second, false);
    AUTO_BUF struct buf der = BUF_INIT(65536);
    assert_int_equal(certificate_to_der(second.certificate, &der, &err), 0);
    struct judge judge = {.expected = buf_slice(&der)};
    struct tls_client_config config = {.verify = on_verify, .verify_context = &judge};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    struct pair pair;
    judge.accept = true;
    assert_true(shake(&pair, client, server, "any.example"));
    size_t accepted_bytes = pair.client_sent;
    end_pair(&pair);
    judge.accept = false;
    assert_false(shake(&pair, client, server, "any.example"));
    assert_int_equal(pair.failure.kind, ERR_REJECTED);
    assert_string_equal(pair.failure.message, "not the enclave that was expected");
    /* ClientHello and an alert; no Finished */
    assert_true(pair.client_sent < accepted_bytes);
    assert_int_equal(SSL_write(pair.client, "secret", 6), -1);
    end_pair(&pair);
    assert_int_equal(judge.calls, 2);
}

static void tls12_only_where_it_is_allowed(void **state)
{
    (void)state;
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem), .allow_tls12 = true};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    for (int allow = 0; allow < 2; allow++) {
        AUTO_TLS_SERVER struct tls_server *server = server_of(&first, allow);
        struct pair pair = {0};
        assert_int_equal(
            tls_client_session(client, "first.example", &pair.failure, &pair.client, &err), 0);
        assert_int_equal(SSL_set_max_proto_version(pair.client, TLS1_2_VERSION), 1);
        assert_int_equal(tls_server_session(server, &pair.server, &err), 0);
        BIO *ends[2];
        assert_int_equal(BIO_new_bio_pair(&ends[0], 65536, &ends[1], 65536), 1);
        SSL_set_bio(pair.client, ends[0], ends[0]);
        SSL_set_bio(pair.server, ends[1], ends[1]);
        pump(&pair);
        assert_int_equal(SSL_is_init_finished(pair.server), allow);
        end_pair(&pair);
    }
}

static void both_kinds_of_owners_keys_serve(void **state)
{
    (void)state;
    const struct {
        const struct identity *identity;
        int type;
    } cases[] = {{&first, EVP_PKEY_EC}, {&ed25519, EVP_PKEY_ED25519}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_TLS_SERVER struct tls_server *server = server_of(cases[i].identity, false);
        struct tls_client_config config = {.ca_pem = buf_slice(&cases[i].identity->pem)};
        AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
        struct pair pair;
        assert_true(shake(&pair, client, server, "first.example"));
        assert_int_equal(SSL_version(pair.client), TLS1_3_VERSION);
        X509 *shown = SSL_get0_peer_certificate(pair.client);
        assert_int_equal(EVP_PKEY_base_id(X509_get0_pubkey(shown)), cases[i].type);
        end_pair(&pair);
    }
}

/* A pair whose ends have not met yet. */
static void begin_pair(struct pair *pair, struct tls_client *client, struct tls_server *server)
{
    *pair = (struct pair){0};
    assert_int_equal(
        tls_client_session(client, "first.example", &pair->failure, &pair->client, &err), 0);
    assert_int_equal(tls_server_session(server, &pair->server, &err), 0);
    BIO *ends[2];
    assert_int_equal(BIO_new_bio_pair(&ends[0], 65536, &ends[1], 65536), 1);
    SSL_set_bio(pair->client, ends[0], ends[0]);
    SSL_set_bio(pair->server, ends[1], ends[1]);
}

/* --- stapling --- */

/* What a client that asks for a status (RFC 6066 section 8) is told. */
static void expect_staple(struct tls_client *client, struct tls_server *server,
                          const char *expected)
{
    struct pair pair;
    begin_pair(&pair, client, server);
    assert_int_equal(SSL_set_tlsext_status_type(pair.client, TLSEXT_STATUSTYPE_ocsp), 1);
    pump(&pair);
    assert_int_equal(SSL_is_init_finished(pair.client), 1);
    const uint8_t *staple = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(pair.client, &staple);
    if (expected == NULL)
        assert_int_equal(len, -1);
    else
        assert_true(slice_is_str(slice_of(staple, (size_t)len), expected));
    end_pair(&pair);
}

static void a_response_is_stapled_while_it_holds(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    expect_staple(client, server, NULL);
    int64_t later = clock_unix() + 3600;
    assert_int_equal(tls_server_staple(server, slice_str("one"), later, &err), 0);
    expect_staple(client, server, "one");
    assert_int_equal(tls_server_staple(server, slice_str("other"), later, &err), 0);
    expect_staple(client, server, "other");
    struct pair pair;
    assert_true(shake(&pair, client, server, "first.example")); /* and who does not ask */
    const uint8_t *staple = NULL;
    assert_int_equal(SSL_get_tlsext_status_ocsp_resp(pair.client, &staple), -1);
    end_pair(&pair);
    assert_int_equal(tls_server_staple(server, slice_str("stale"), clock_unix(), &err), 0);
    expect_staple(client, server, NULL);
    assert_int_equal(tls_server_staple(server, slice_str("again"), later, &err), 0);
    assert_int_equal(tls_server_staple(server, slice_of(NULL, 0), later, &err), 0);
    expect_staple(client, server, NULL);
}

static void a_staple_goes_with_its_certificate(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    assert_int_equal(tls_server_staple(server, slice_str("one"), INT64_MAX, &err), 0);
    struct tls_server_config same = {.key = first.key, .certificate = first.certificate};
    assert_int_equal(tls_server_replace(server, &same, &err), 0);
    expect_staple(client, server, NULL);
}

/* --- resumption --- */

/* A second handshake with the ticket of a first one. */
static bool resumes(struct tls_client *client, struct tls_server *server, SSL_SESSION *ticket)
{
    struct pair pair;
    begin_pair(&pair, client, server);
    assert_int_equal(SSL_set_session(pair.client, ticket), 1);
    pump(&pair);
    assert_int_equal(SSL_is_init_finished(pair.server), 1);
    bool resumed = SSL_session_reused(pair.server) == 1;
    end_pair(&pair);
    return resumed;
}

static SSL_SESSION *get_ticket(struct tls_client *client, struct tls_server *server)
{
    struct pair pair;
    assert_true(shake(&pair, client, server, "first.example"));
    char byte;
    (void)SSL_read(pair.client, &byte, 1); /* takes the ticket */
    SSL_SESSION *ticket = SSL_get1_session(pair.client);
    assert_int_equal(SSL_SESSION_has_ticket(ticket), 1);
    end_pair(&pair);
    return ticket;
}

static void a_resumed_session_brings_the_next_ticket(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    SSL_SESSION *ticket = get_ticket(client, server);
    for (int i = 0; i < 3; i++) { /* each ticket once */
        struct pair pair;
        begin_pair(&pair, client, server);
        assert_int_equal(SSL_set_session(pair.client, ticket), 1);
        pump(&pair);
        assert_int_equal(SSL_session_reused(pair.server), 1);
        char byte;
        (void)SSL_read(pair.client, &byte, 1);
        SSL_SESSION *next = SSL_get1_session(pair.client);
        assert_ptr_not_equal(next, ticket);
        assert_int_equal(SSL_SESSION_has_ticket(next), 1);
        SSL_SESSION_free(ticket);
        ticket = next;
        end_pair(&pair);
    }
    SSL_SESSION_free(ticket);
}

static void tickets_resume_until_the_certificate_is_replaced(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    AUTO_BUF struct buf trusted = BUF_INIT(65536);
    assert_int_equal(buf_bytes(&trusted, buf_slice(&first.pem), &err), 0);
    assert_int_equal(buf_bytes(&trusted, buf_slice(&second.pem), &err), 0);
    struct tls_client_config config = {.ca_pem = buf_slice(&trusted)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    SSL_SESSION *ticket = get_ticket(client, server);
    assert_true(resumes(client, server, ticket));
    struct tls_server_config same = {.key = first.key, .certificate = first.certificate};
    assert_int_equal(tls_server_replace(server, &same, &err), 0);
    assert_false(resumes(client, server, ticket));
    SSL_SESSION_free(ticket);
}

/* A key issues for an hour and is accepted for another. */
static void ticket_keys_are_replaced_every_hour(void **state)
{
    (void)state;
    enum { HOUR_MS = 3600 * 1000 };
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    SSL_SESSION *ticket = get_ticket(client, server);
    ahead_ms = HOUR_MS + 2000;
    assert_true(resumes(client, server, ticket));
    SSL_SESSION *next = get_ticket(client, server);
    ahead_ms = 2 * HOUR_MS + 4000;
    assert_false(resumes(client, server, ticket));
    assert_true(resumes(client, server, next));
    ahead_ms = 0;
    SSL_SESSION_free(ticket);
    SSL_SESSION_free(next);
}

/* RFC 8446 section 2.3: what can be replayed is not wanted, however much a client insists. */
static void early_data_is_neither_offered_nor_taken(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&first.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    SSL_SESSION *ticket = get_ticket(client, server);
    assert_int_equal(SSL_SESSION_get_max_early_data(ticket), 0);
    assert_int_equal(SSL_SESSION_set_max_early_data(ticket, 1000), 1);
    struct pair pair;
    begin_pair(&pair, client, server);
    assert_int_equal(SSL_set_session(pair.client, ticket), 1);
    size_t written = 0;
    assert_int_equal(SSL_write_early_data(pair.client, "early", 5, &written), 1);
    assert_int_equal(written, 5);
    pump(&pair);
    assert_int_equal(SSL_is_init_finished(pair.server), 1);
    assert_int_equal(SSL_get_early_data_status(pair.client), SSL_EARLY_DATA_REJECTED);
    assert_int_equal(SSL_write(pair.client, "late", 4), 4);
    char got[16];
    assert_int_equal(SSL_read(pair.server, got, sizeof(got)), 4);
    assert_memory_equal(got, "late", 4);
    SSL_SESSION_free(ticket);
    end_pair(&pair);
}

static void a_replaced_certificate_is_shown_to_new_connections(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *server = server_of(&first, false);
    struct tls_client_config config = {.ca_pem = buf_slice(&second.pem)};
    AUTO_TLS_CLIENT struct tls_client *client = client_of(&config);
    struct pair pair;
    assert_false(shake(&pair, client, server, "second.example"));
    end_pair(&pair);
    struct tls_server_config wrong = {.key = first.key, .certificate = second.certificate};
    assert_int_equal(tls_server_replace(server, &wrong, &err), -1);
    assert_int_equal(err.kind, ERR_CRYPTO);
    assert_false(shake(&pair, client, server, "second.example"));
    end_pair(&pair);
    struct tls_server_config right = {.key = second.key, .certificate = second.certificate};
    assert_int_equal(tls_server_replace(server, &right, &err), 0);
    assert_true(shake(&pair, client, server, "second.example"));
    end_pair(&pair);
}

static void a_broken_chain_is_an_error(void **state)
{
    (void)state;
    struct tls_server_config config = {
        .key = first.key, .certificate = first.certificate, .chain = slice_str("no certificate")};
    struct tls_server *server = NULL;
    assert_int_equal(tls_server_new(&config, &server, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_null(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_have_the_same_channel_binding_and_no_other_connection_has),
        cmocka_unit_test(the_post_quantum_group_comes_first_where_there_is_one),
        cmocka_unit_test(where_it_is_required_nothing_else_is_agreed),
        cmocka_unit_test(there_is_no_channel_binding_before_the_handshake),
        cmocka_unit_test(a_client_that_trusts_the_certificate_checks_the_name),
        cmocka_unit_test(a_foreign_certificate_is_rejected_by_name_of_the_reason),
        cmocka_unit_test(a_verify_callback_decides_and_nothing_is_sent_after_a_refusal),
        cmocka_unit_test(tls12_only_where_it_is_allowed),
        cmocka_unit_test(both_kinds_of_owners_keys_serve),
        cmocka_unit_test(a_response_is_stapled_while_it_holds),
        cmocka_unit_test(a_staple_goes_with_its_certificate),
        cmocka_unit_test(a_resumed_session_brings_the_next_ticket),
        cmocka_unit_test(tickets_resume_until_the_certificate_is_replaced),
        cmocka_unit_test(ticket_keys_are_replaced_every_hour),
        cmocka_unit_test(early_data_is_neither_offered_nor_taken),
        cmocka_unit_test(a_replaced_certificate_is_shown_to_new_connections),
        cmocka_unit_test(a_broken_chain_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
