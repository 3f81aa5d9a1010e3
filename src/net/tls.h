// SPDX-License-Identifier: Apache-2.0
/*
 * TLS contexts over OpenSSL 3, for the server and the client of net/. TLS 1.3; 1.2 only where it is
 * asked for. No compression, no renegotiation, no early data.
 */
#pragma once

#include "base/mem.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

enum { TLS_CHANNEL_BINDING_SIZE = 32 };

/* --- server --- */

struct tls_server;

struct tls_server_config {
    EVP_PKEY *key;      /* a reference is taken */
    X509 *certificate;  /* a reference is taken */
    struct slice chain; /* PEM of the certificates above it; empty: none. Read at once. */
    bool allow_tls12;   /* TLS 1.2 with ECDHE and AEAD besides 1.3 */
    bool http2;         /* offer "h2" before "http/1.1" by ALPN */
    bool require_pq;    /* no key exchange but the post-quantum one, and TLS 1.3 alone */
};

/* Session tickets: one for each handshake, under keys made here and replaced every hour.
 * Errors: CRYPTO (key and certificate do not match, ...), INVALID (chain), UNSUPPORTED (require_pq
 * with an OpenSSL that has none). */
int tls_server_new(const struct tls_server_config *config, struct tls_server **ret,
                   struct err *err) MUST_USE;
void tls_server_free(struct tls_server *server);
DEFINE_CLEANUP(tls_server_cleanup, struct tls_server *, tls_server_free)
#define AUTO_TLS_SERVER __attribute__((cleanup(tls_server_cleanup)))
/* [any thread] New connections get this certificate and new ticket keys, so that no session of the
 * old identity is resumed; those that are open keep theirs. On failure all stays as it was. */
int tls_server_replace(struct tls_server *server, const struct tls_server_config *config,
                       struct err *err) MUST_USE;
/* [any thread] The OCSP response (DER, copied) that goes with the certificate to clients that ask
 * for one, until `until` (unix seconds): then none does, a stale one being worse than none. Empty:
 * none from now on. tls_server_replace forgets it. What it says is the caller's business
 * (crypto/ocsp.h). Errors: MEMORY. */
int tls_server_staple(struct tls_server *server, struct slice response, int64_t until,
                      struct err *err) MUST_USE;
/* [any thread] A connection's state, not yet tied to a descriptor. The caller frees it. */
int tls_server_session(struct tls_server *server, SSL **ret, struct err *err) MUST_USE;

/* --- client --- */

/* Judges the certificate that the server shows, inside the handshake: nothing but the ClientHello
 * has been sent when it runs, and nothing is after it failed. `der` is the leaf. On refusal the
 * error that it sets is what the connection fails with. */
typedef int (*tls_verify)(void *context, struct slice der, struct err *err);

struct tls_client;

struct tls_client_config {
    const char *ca_file;  /* PEM; with ca_pem empty and verify NULL too: the system's CAs */
    struct slice ca_pem;  /* certificates to trust, besides those of ca_file */
    tls_verify verify;    /* replaces the check of chain and host name */
    void *verify_context; /* must live as long as the context */
    bool allow_tls12;
};

int tls_client_new(const struct tls_client_config *config, struct tls_client **ret,
                   struct err *err) MUST_USE;
void tls_client_free(struct tls_client *client);
DEFINE_CLEANUP(tls_client_cleanup, struct tls_client *, tls_client_free)
#define AUTO_TLS_CLIENT __attribute__((cleanup(tls_client_cleanup)))
/* A connection's state for this host (SNI, and the name that is checked unless there is a verify
 * callback). `failure` receives the callback's error and must outlive the handshake. */
int tls_client_session(struct tls_client *client, const char *host, struct err *failure, SSL **ret,
                       struct err *err) MUST_USE;

/* --- both --- */

/* X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): who records the handshake today cannot read it with
 * a quantum computer later. It comes first wherever OpenSSL has it, which is from 3.5 on: is this
 * one such? */
bool tls_has_pq(void);
/* After the handshake: the group of the key exchange ("X25519MLKEM768", "x25519"), "" where TLS 1.2
 * names none. Static. */
const char *tls_key_exchange(SSL *ssl);
bool tls_key_exchange_is_pq(const char *group);

/* Ties the session to a connected, non-blocking socket, which stays the caller's. Unlike
 * SSL_set_fd, a client that has gone is an error and no SIGPIPE. */
int tls_attach(SSL *ssl, int fd, struct err *err) MUST_USE;

/* For an attached session: do more writes follow at once? Then the kernel may keep what it was
 * given until they come, for a fifth of a second at most. */
void tls_set_more(SSL *ssl, bool more);

/* Where the records of one write are collected; one for each thread is enough. */
enum { TLS_BATCH_RECORDS = 8 };
struct tls_batch {
    size_t len;
    uint8_t data[(TLS_BATCH_RECORDS + 1) * SSL3_RT_MAX_PACKET_SIZE];
};
/* For an attached session with SSL_MODE_ENABLE_PARTIAL_WRITE: SSL_write of up to TLS_BATCH_RECORDS
 * records, which go to the socket together. 1: they did; 0: the session keeps what the socket did
 * not take, and nothing more may be written before tls_send_rest says 1; -1: broken. */
int tls_write_records(SSL *ssl, struct tls_batch *batch, struct slice bytes, size_t *ret_written);
/* Sends what was kept: 1: all of it, 0: the socket is full, -1: broken. Did it take any? */
int tls_send_rest(SSL *ssl, bool *ret_progress);

/* RFC 9266 tls-exporter: the same 32 bytes at both ends of one connection, and of no other. Only
 * after the handshake, on the thread that uses the SSL; TLS 1.2 needs the extended master secret.
 * Errors: CRYPTO. */
int tls_channel_binding(SSL *ssl, uint8_t ret[static TLS_CHANNEL_BINDING_SIZE],
                        struct err *err) MUST_USE;
/* Fails with the reason of a failed SSL_* call (`result` is what it returned) and clears OpenSSL's
 * queue. */
int tls_fail(SSL *ssl, int result, struct err *err, const char *what) MUST_USE;
