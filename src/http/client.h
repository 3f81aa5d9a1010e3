// SPDX-License-Identifier: Apache-2.0
/*
 * A blocking HTTP/1.1 client over one connection that the caller sees: connect (and verify), look
 * at the channel, then send requests over that very connection. Every wait has an end; memory is
 * bounded.
 */
#pragma once

#include "http/http.h"
#include "net/tls.h"

#include <signal.h>

struct http_client;

struct http_client_config {
    const char *unix_path; /* or host and port */
    bool use_fd;           /* or a connected socket, which the client takes over */
    int fd;
    bool proxy_local; /* say first, as the gateway would, that this is the node's own affair */
    const char *host; /* a name or an address */
    int port;
    struct tls_client *tls;  /* NULL: plain. Must outlive the client. */
    const char *server_name; /* for SNI, the certificate's check and Host; NULL: host */
    int connect_timeout_ms;  /* 10 s; with the TLS handshake */
    int silence_timeout_ms;  /* 60 s without a byte either way, while a request is under way */
    /* Looked at during every wait (also when a signal interrupts it); NULL: cannot be interrupted.
     */
    const volatile sig_atomic_t *interrupted;
};

/* Errors: UNREACHABLE (names host and port, or the path), TIMEOUT, INTERRUPTED, REJECTED (from the
 * check of the certificate; a verify callback's error comes back as it set it). */
int http_client_connect(const struct http_client_config *config, struct http_client **ret,
                        struct err *err) MUST_USE;
void http_client_free(struct http_client *client);
DEFINE_CLEANUP(http_client_cleanup, struct http_client *, http_client_free)
#define AUTO_HTTP_CLIENT __attribute__((cleanup(http_client_cleanup)))

/* The connection itself, to ask the kernel who is at its other end. The client keeps it. */
int http_client_fd(const struct http_client *client);

/* tls_key_exchange (net/tls.h); "" on a connection without TLS. Static. */
const char *http_client_key_exchange(const struct http_client *client);
/* RFC 9266, net/tls.h. Errors: CRYPTO (not TLS). */
int http_client_channel_binding(struct http_client *client,
                                uint8_t ret[static TLS_CHANNEL_BINDING_SIZE],
                                struct err *err) MUST_USE;
/* DER of the certificate that the server has shown, appended. Errors: CRYPTO (not TLS). */
int http_client_certificate(struct http_client *client, struct buf *out, struct err *err) MUST_USE;

struct http_client_request {
    const char *method; /* "GET" */
    const char *target; /* "/path?query" */
    const struct http_header *headers;
    size_t header_count; /* besides Host, Content-Length and Transfer-Encoding, which are ours */
    /* The body: bytes, or a descriptor that is read from where it stands (use_fd), or a callback
     * that puts up to `size` bytes at `to` and ends with *ret_len 0. */
    struct slice body;
    bool use_fd;
    int body_fd;
    int (*body_read)(void *context, void *to, size_t size, size_t *ret_len, struct err *err);
    /* Of descriptor and callback; -1: chunked. */
    int64_t body_length;
    /* Told now and then how many bytes of the body are sent. May be NULL. */
    void (*progress)(void *context, int64_t sent);
    /* Takes the response's body in pieces instead of response->body; -1 stops. May be NULL; it is
     * not called for a status of 300 and above, whose body goes to response->body. */
    int (*body_write)(void *context, struct slice bytes, struct err *err);
    void *context;
    int deadline_ms; /* for the whole request; 0: none but the silence timeout */
};

struct http_client_response {
    int status;
    struct buf head; /* names and values, each ended by a zero byte */
    struct buf body; /* set its max before; 0: 1 MiB. Past it: TOO_LARGE. */
    bool keep_alive; /* the connection can carry another request */
    size_t header_count;
};

#define HTTP_CLIENT_RESPONSE_INIT ((struct http_client_response){0})
#define AUTO_HTTP_RESPONSE __attribute__((cleanup(http_client_response_done)))
void http_client_response_done(struct http_client_response *response);
/* The first header of that name (case-insensitive) as text, or NULL. */
const char *http_client_response_header(const struct http_client_response *response,
                                        const char *name);

/* Sends a request and waits for its response; a status of any kind is success. A server that
 * answers before the body is sent (413, say) is listened to. `response` must be initialised; it is
 * emptied first. Errors: IO (the connection broke), TIMEOUT, INTERRUPTED, INVALID (no HTTP),
 * TOO_LARGE, what the callbacks set. After an error the connection is of no more use. */
int http_client_request(struct http_client *client, const struct http_client_request *request,
                        struct http_client_response *response, struct err *err) MUST_USE;
