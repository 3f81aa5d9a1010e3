// SPDX-License-Identifier: Apache-2.0
/*
 * TLS contexts. The server's can be replaced while connections are open (the enclave starts with
 * its RA-TLS certificate and continues with its owner's): sessions are made from the newest SSL_CTX
 * under a lock, the older ones live on by reference. Private keys are OpenSSL's and never leave it.
 */
#include "net/tls.h"

#include "base/clock.h"
#include "base/lock.h"
#include "crypto/x509.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <errno.h>
#include <stdlib.h>

enum {
    TICKET_NAME_SIZE = 16, /* RFC 5077 section 4 */
    TICKET_KEY_SIZE = 32,
    TICKET_KEY_SECONDS = 3600,
    SESSION_SECONDS = 2 * TICKET_KEY_SECONDS,
    MAX_CHAIN = 8,
};

static const char TLS13_SUITES[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char TLS12_SUITES[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
/* What is sent to begin with is marked by a star, so that no peer costs a second round trip; a
 * server asks whoever knows the first group for it (SSL_CTX_set1_groups_list(3) of OpenSSL 3.5). */
static const char GROUPS[] = "*X25519MLKEM768/*X25519:P-256:P-384";
static const char CLASSIC_GROUPS[] = "X25519:P-256:P-384"; /* before 3.5 */
static const char PQ_GROUP[] = "X25519MLKEM768";

struct ticket_key {
    uint8_t name[TICKET_NAME_SIZE];
    uint8_t cipher[TICKET_KEY_SIZE];
    uint8_t mac[TICKET_KEY_SIZE];
    int64_t born; /* 0: there is none */
};

/* What belongs to one SSL_CTX and is freed with it. */
struct server_state {
    struct lock lock;
    struct ticket_key keys[2]; /* [0] issues, both are accepted */
    uint8_t *ocsp;             /* under the lock, as the keys */
    size_t ocsp_len;
    int64_t ocsp_until;
    bool http2;
};

struct tls_server {
    struct lock lock;
    SSL_CTX *context;
};

struct tls_client {
    SSL_CTX *context;
    tls_verify verify;
    void *verify_context;
};

static int state_index = -1;
static int failure_index = -1;
static bool has_pq;
static pthread_once_t indexes_once = PTHREAD_ONCE_INIT;

static void free_state(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long argl,
                       void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    struct server_state *state = pointer;
    if (state == NULL)
        return;
    lock_done(&state->lock);
    mem_wipe(state->keys, sizeof(state->keys));
    free(state->ocsp);
    free(state);
}

static void make_indexes(void)
{
    state_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_state);
    failure_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    SSL_CTX *probe = SSL_CTX_new(TLS_method());
    has_pq = probe != NULL && SSL_CTX_set1_groups_list(probe, GROUPS) == 1;
    SSL_CTX_free(probe);
    ERR_clear_error(); /* an older OpenSSL does not know the group */
}

bool tls_has_pq(void)
{
    (void)pthread_once(&indexes_once, make_indexes);
    return has_pq;
}

static const char *groups_for(bool require_pq)
{
    if (require_pq)
        return PQ_GROUP;
    return has_pq ? GROUPS : CLASSIC_GROUPS;
}

static int context_new(const SSL_METHOD *method, bool allow_tls12, bool require_pq, SSL_CTX **ret,
                       struct err *err)
{
    if (!tls_has_pq() && require_pq)
        return FAIL(
            err, ERR_UNSUPPORTED,
            "the post-quantum key exchange %s is required, and %s here has none (from 3.5 on)",
            PQ_GROUP, OpenSSL_version(OPENSSL_VERSION_STRING));
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        return FAIL_OPENSSL(err, "cannot make a TLS context");
    int oldest = allow_tls12 && !require_pq ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (SSL_CTX_set_min_proto_version(context, oldest) != 1 ||
        SSL_CTX_set_ciphersuites(context, TLS13_SUITES) != 1 ||
        SSL_CTX_set_cipher_list(context, TLS12_SUITES) != 1 ||
        SSL_CTX_set1_groups_list(context, groups_for(require_pq)) != 1) {
        SSL_CTX_free(context);
        return FAIL_OPENSSL(err, "cannot configure a TLS context");
    }
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    *ret = context;
    return 0;
}

/* --- session tickets --- */

/* The key that issues, made or replaced when it is due; NULL without random bytes. */
static struct ticket_key *current_key(struct server_state *state)
{
    struct ticket_key *key = &state->keys[0];
    int64_t now = clock_monotonic_ms() / 1000 + 1;
    if (key->born != 0 && now - key->born < TICKET_KEY_SECONDS)
        return key;
    struct ticket_key fresh = {.born = now};
    if (random_bytes(fresh.name, sizeof(fresh.name), NULL) < 0 ||
        random_bytes(fresh.cipher, sizeof(fresh.cipher), NULL) < 0 ||
        random_bytes(fresh.mac, sizeof(fresh.mac), NULL) < 0)
        return NULL;
    state->keys[1] = *key;
    *key = fresh;
    mem_wipe(&fresh, sizeof(fresh));
    return key;
}

static const struct ticket_key *find_key(const struct server_state *state, const uint8_t *name)
{
    for (size_t i = 0; i < ARRAY_LEN(state->keys); i++) {
        const struct ticket_key *key = &state->keys[i];
        if (key->born != 0 && CRYPTO_memcmp(key->name, name, TICKET_NAME_SIZE) == 0)
            return key;
    }
    return NULL;
}

static int set_mac_key(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(mac, key->mac, sizeof(key->mac), parameters);
}

/* Returns 1 done, 2 done and renew, 0 no such key, -1 failure: SSL_CTX_set_tlsext_ticket_key_cb(3).
 */
static int crypt_ticket(struct server_state *state, uint8_t *name, uint8_t *iv,
                        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    const struct ticket_key *issuer = current_key(state);
    if (issuer == NULL)
        return -1;
    const struct ticket_key *key = encrypt ? issuer : find_key(state, name);
    if (key == NULL)
        return 0;
    if (encrypt) {
        memcpy(name, key->name, TICKET_NAME_SIZE);
        if (random_bytes(iv, 16, NULL) < 0)
            return -1;
    }
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypt) != 1 ||
        set_mac_key(mac, key) != 1)
        return -1;
    return !encrypt && key != issuer ? 2 : 1;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    struct server_state *state = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), state_index);
    lock_acquire(&state->lock);
    int result = crypt_ticket(state, name, iv, cipher, mac, encrypt);
    lock_release(&state->lock);
    /* Clients use a TLS 1.3 ticket once (RFC 8446 appendix C.4): each resumption brings the next.
     */
    if (!encrypt && result == 1 && SSL_version(ssl) == TLS1_3_VERSION)
        return 2;
    return result;
}

/* --- server --- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned int in_len, void *arg)
{
    (void)arg;
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    const struct server_state *state = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), state_index);
    size_t skip = state->http2 ? 0 : 3;
    unsigned char *selected;
    int result = SSL_select_next_proto(&selected, out_len, both + skip,
                                       (unsigned)(sizeof(both) - 1 - skip), in, in_len);
    if (result != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 section 3.2: no_application_protocol */
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

static int on_status_request(SSL *ssl, void *arg)
{
    (void)arg;
    struct server_state *state = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), state_index);
    unsigned char *copy = NULL; /* OpenSSL frees it */
    lock_acquire(&state->lock);
    long len = (long)state->ocsp_len;
    if (len > 0 && clock_unix() < state->ocsp_until)
        copy = OPENSSL_memdup(state->ocsp, state->ocsp_len);
    lock_release(&state->lock);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, len);
    return SSL_TLSEXT_ERR_OK;
}

static int attach_state(SSL_CTX *context, const struct tls_server_config *config, struct err *err)
{
    struct server_state *state = mem_alloc(sizeof(*state), err);
    if (state == NULL)
        return -1;
    lock_init(&state->lock, LOCK_TLS_STATE);
    state->http2 = config->http2;
    if (SSL_CTX_set_ex_data(context, state_index, state) != 1) {
        free_state(NULL, state, NULL, 0, 0, NULL);
        return FAIL_OPENSSL(err, "cannot configure a TLS context");
    }
    return 0;
}

static int no_password(char *to, int size, int writing, void *data)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

/* Calls `add` for each certificate of a PEM text; at most MAX_CHAIN unless `many`. */
static int each_certificate(struct slice pem, bool many, int (*add)(void *to, X509 *certificate),
                            void *to, struct err *err)
{
    if (pem.len > INT32_MAX)
        return FAIL(err, ERR_TOO_LARGE, "a PEM text of %zu bytes", pem.len);
    BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (in == NULL)
        return FAIL_OPENSSL(err, "cannot read certificates");
    int count = 0;
    bool good = true;
    while (good && (many || count < MAX_CHAIN)) {
        X509 *certificate = PEM_read_bio_X509(in, NULL, no_password, NULL);
        if (certificate == NULL)
            break;
        count++;
        good = add(to, certificate) == 1;
        X509_free(certificate);
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(in);
    if (!good)
        return FAIL_OPENSSL(err, "cannot add a certificate");
    ERR_clear_error();
    if (!ended || count == 0)
        return FAIL(err, ERR_INVALID,
                    "expected a PEM text of certificates, the one at place %d "
                    "is broken or too many",
                    count + 1);
    return 0;
}

static int add_to_chain(void *to, X509 *certificate)
{
    return (int)SSL_CTX_add1_chain_cert(to, certificate);
}

static int set_identity(SSL_CTX *context, const struct tls_server_config *config, struct err *err)
{
    if (SSL_CTX_use_certificate(context, config->certificate) != 1)
        return FAIL_OPENSSL(err, "cannot use the certificate");
    if (SSL_CTX_use_PrivateKey(context, config->key) != 1)
        return FAIL_OPENSSL(err, "cannot use the private key");
    if (SSL_CTX_check_private_key(context) != 1)
        return FAIL_OPENSSL(err, "the private key does not match the certificate");
    if (config->chain.len > 0 &&
        each_certificate(config->chain, false, add_to_chain, context, err) < 0)
        return FAIL_CONTEXT(err, "certificate chain");
    return 0;
}

static int server_context_new(const struct tls_server_config *config, SSL_CTX **ret,
                              struct err *err)
{
    SSL_CTX *context;
    if (context_new(TLS_server_method(), config->allow_tls12, config->require_pq, &context, err) <
        0)
        return -1;
    if (attach_state(context, config, err) < 0 || set_identity(context, config, err) < 0) {
        SSL_CTX_free(context);
        return -1;
    }
    /* what was decrypted stays in OpenSSL's buffer no longer than it takes to read it: it may be
     * secrets on their way in, and nobody knows before the head of the request is read */
    (void)SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(context, SESSION_SECONDS);
    (void)SSL_CTX_set_num_tickets(context, 1);
    (void)SSL_CTX_set_max_early_data(context, 0);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    (void)SSL_CTX_set_tlsext_status_cb(context, on_status_request);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    *ret = context;
    return 0;
}

int tls_server_new(const struct tls_server_config *config, struct tls_server **ret, struct err *err)
{
    SSL_CTX *context;
    if (server_context_new(config, &context, err) < 0)
        return -1;
    struct tls_server *server = mem_alloc(sizeof(*server), err);
    if (server == NULL) {
        SSL_CTX_free(context);
        return -1;
    }
    lock_init(&server->lock, LOCK_TLS_SERVER);
    server->context = context;
    *ret = server;
    return 0;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL)
        return;
    SSL_CTX_free(server->context);
    lock_done(&server->lock);
    free(server);
}

int tls_server_replace(struct tls_server *server, const struct tls_server_config *config,
                       struct err *err)
{
    SSL_CTX *context;
    if (server_context_new(config, &context, err) < 0)
        return -1;
    lock_acquire(&server->lock);
    SSL_CTX *old = server->context;
    server->context = context;
    lock_release(&server->lock);
    SSL_CTX_free(old);
    return 0;
}

int tls_server_staple(struct tls_server *server, struct slice response, int64_t until,
                      struct err *err)
{
    uint8_t *copy = NULL;
    if (response.len > 0) {
        copy = mem_copy(response.data, response.len, err);
        if (copy == NULL)
            return -1;
    }
    lock_acquire(&server->lock);
    struct server_state *state = SSL_CTX_get_ex_data(server->context, state_index);
    lock_acquire(&state->lock);
    uint8_t *old = state->ocsp;
    state->ocsp = copy;
    state->ocsp_len = response.len;
    state->ocsp_until = until;
    lock_release(&state->lock);
    lock_release(&server->lock);
    free(old);
    return 0;
}

int tls_server_session(struct tls_server *server, SSL **ret, struct err *err)
{
    lock_acquire(&server->lock);
    SSL *ssl = SSL_new(server->context);
    lock_release(&server->lock);
    if (ssl == NULL)
        return FAIL_OPENSSL(err, "cannot make a TLS session");
    SSL_set_accept_state(ssl);
    *ret = ssl;
    return 0;
}

/* --- client --- */

static int judge(const struct tls_client *client, X509 *leaf, struct err *failure)
{
    if (leaf == NULL)
        return FAIL(failure, ERR_REJECTED, "the server showed no certificate");
    AUTO_BUF struct buf der = BUF_INIT(1024 * 1024);
    if (certificate_to_der(leaf, &der, failure) < 0)
        return -1;
    return client->verify(client->verify_context, buf_slice(&der), failure);
}

/* Replaces X509_verify_cert: SSL_CTX_set_cert_verify_callback(3). */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
    const struct tls_client *client = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct err *failure = SSL_get_ex_data(ssl, failure_index);
    if (judge(client, X509_STORE_CTX_get0_cert(store), failure) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (failure->kind == ERR_NONE)
        (void)FAIL(failure, ERR_REJECTED, "the server's certificate was refused");
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int add_to_store(void *to, X509 *certificate)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(to), certificate);
}

static int set_trust(SSL_CTX *context, const struct tls_client_config *config, struct err *err)
{
    if (config->ca_file != NULL && SSL_CTX_load_verify_file(context, config->ca_file) != 1) {
        (void)FAIL_OPENSSL(err, "cannot read certificates");
        return FAIL_CONTEXT(err, "'%s'", config->ca_file);
    }
    if (config->ca_pem.len > 0 &&
        each_certificate(config->ca_pem, true, add_to_store, context, err) < 0)
        return FAIL_CONTEXT(err, "trusted certificates");
    bool system = config->ca_file == NULL && config->ca_pem.len == 0;
    if (system && SSL_CTX_set_default_verify_paths(context) != 1)
        return FAIL_OPENSSL(err, "cannot use the system's trusted certificates");
    /* A certificate that is named as trusted is trusted, whether it signs itself or not. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    return 0;
}

int tls_client_new(const struct tls_client_config *config, struct tls_client **ret, struct err *err)
{
    struct tls_client *client = mem_alloc(sizeof(*client), err);
    if (client == NULL)
        return -1;
    client->verify = config->verify;
    client->verify_context = config->verify_context;
    if (context_new(TLS_client_method(), config->allow_tls12, false, &client->context, err) < 0 ||
        (config->verify == NULL && set_trust(client->context, config, err) < 0)) {
        tls_client_free(client);
        return -1;
    }
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    if (config->verify != NULL)
        SSL_CTX_set_cert_verify_callback(client->context, on_verify, client);
    /* A resumed session would skip the verification. */
    (void)SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
    *ret = client;
    return 0;
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    SSL_CTX_free(client->context);
    free(client);
}

/* RFC 6066 section 3: no literal addresses in SNI. */
static int set_host(SSL *ssl, const struct tls_client *client, const char *host)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    if (SSL_set_alpn_protos(ssl, protocols, sizeof(protocols) - 1) != 0)
        return 0;
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
    ASN1_OCTET_STRING_free(address);
    if (address == NULL && SSL_set_tlsext_host_name(ssl, host) != 1)
        return 0;
    if (client->verify != NULL)
        return 1;
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return address != NULL ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host)
                           : X509_VERIFY_PARAM_set1_host(parameters, host, 0);
}

int tls_client_session(struct tls_client *client, const char *host, struct err *failure, SSL **ret,
                       struct err *err)
{
    SSL *ssl = SSL_new(client->context);
    if (ssl == NULL)
        return FAIL_OPENSSL(err, "cannot make a TLS session");
    if (set_host(ssl, client, host) != 1 || SSL_set_ex_data(ssl, failure_index, failure) != 1) {
        SSL_free(ssl);
        return FAIL_OPENSSL(err, "cannot prepare a TLS session");
    }
    SSL_set_connect_state(ssl);
    *ret = ssl;
    return 0;
}

/* --- both --- */

const char *tls_key_exchange(SSL *ssl)
{
    const char *name = SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));
    return name == NULL ? "" : name;
}

bool tls_key_exchange_is_pq(const char *group)
{
    return strcmp(group, PQ_GROUP) == 0;
}

int tls_channel_binding(SSL *ssl, uint8_t ret[static TLS_CHANNEL_BINDING_SIZE], struct err *err)
{
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 section 2 */
    if (ssl == NULL || SSL_is_init_finished(ssl) != 1)
        return FAIL(err, ERR_CRYPTO, "no channel binding before the TLS handshake has ended");
    /* RFC 9266 section 4: without the extended master secret a 1.2 binding is not unique. */
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
        return FAIL(err, ERR_CRYPTO,
                    "no channel binding on a TLS 1.2 connection without the "
                    "extended master secret");
    uint8_t bytes[TLS_CHANNEL_BINDING_SIZE];
    if (SSL_export_keying_material(ssl, bytes, sizeof(bytes), label, sizeof(label) - 1, NULL, 0,
                                   0) != 1)
        return FAIL_OPENSSL(err, "cannot export the channel binding");
    memcpy(ret, bytes, sizeof(bytes));
    mem_wipe(bytes, sizeof(bytes));
    return 0;
}

int tls_fail(SSL *ssl, int result, struct err *err, const char *what)
{
    int errnum = errno;
    int kind = SSL_get_error(ssl, result);
    long verified = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_error();
    char text[256];
    ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    if (code != 0 && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return FAIL(err, ERR_REJECTED, "%s: %s", what, X509_verify_cert_error_string(verified));
    if (code != 0)
        return FAIL(err, ERR_IO, "%s: %s", what, text);
    if (kind == SSL_ERROR_SYSCALL && errnum != 0)
        return (err_set(err, ERR_IO, errnum, "%s", what), -1);
    return FAIL(err, ERR_IO, "%s: the other side has closed the connection", what);
}
