// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of mse-soak share: a load that knows every answer it must get. Each request
 * carries a token in its path and in a header, and mostly gets its body made of it, so that an
 * answer that was lost, cut or meant for somebody else shows. Connections end in every way that a
 * client can leave in.
 */
#pragma once

#include "base/buf.h"
#include "net/loop.h"

#include <netinet/in.h>
#include <openssl/ssl.h>

enum {
    TOKEN_LEN = 24,
    PIPELINE_MAX = 16,
    LINE_MAX_SIZE = 512, /* of a response's head */
    TARGET_SIZE = 128,
    OUT_MAX = 8 * 1024 * 1024,
};

/* --- plan.c: what is asked for, all from the seed --- */

struct rng {
    uint64_t state;
};

void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream);
uint32_t rng_next(struct rng *rng);
/* 0 to bound - 1; bound is at least 1. */
uint32_t rng_below(struct rng *rng, uint32_t bound);
bool rng_percent(struct rng *rng, uint32_t percent);

enum kind {
    KIND_TOKEN,  /* the body is the token */
    KIND_LIST,   /* the token again and again up to `size`, in one piece */
    KIND_PARTS,  /* the same in parts of unknown number */
    KIND_FILE,   /* a part of a file of numbered lines */
    KIND_ECHO,   /* what is sent comes back */
    KIND_IGNORE, /* what is sent is not read */
    KIND_EMPTY,  /* 204 */
    KIND_SLEEP,  /* the token, after some milliseconds */
    KIND_COUNT,
};

struct request {
    enum kind kind;
    bool head;    /* HEAD instead of GET */
    bool chunked; /* the request's body, whose length is not announced then */
    bool expect;  /* asks for "100 Continue" and waits */
    bool close;   /* the last: asks for the end of the connection */
    char token[TOKEN_LEN + 1];
    size_t size;   /* of the body that goes or comes */
    size_t offset; /* KIND_FILE: of the first byte */
};

/* How a connection ends. The CUT ones leave something unanswered. */
enum ending {
    END_IDLE,      /* we close when all is answered */
    END_ASKED,     /* "Connection: close" on the last request: the server closes */
    END_HALF,      /* we shut down our side behind the last request: the server answers, closes */
    CUT_CONNECT,   /* before the first byte */
    CUT_HELLO,     /* TLS: in the middle of the ClientHello */
    CUT_HANDSHAKE, /* TLS: behind the ClientHello */
    CUT_HEAD,
    CUT_BODY,
    CUT_WAITING,  /* all is sent, nothing was read */
    CUT_RESPONSE, /* in the middle of what comes back */
    ENDING_COUNT,
};

struct plan {
    unsigned requests;
    unsigned depth; /* requests under way at once */
    enum ending ending;
    uint32_t cut_at; /* bytes, of what `ending` says */
    bool reset;      /* leave with a reset instead of an end */
    bool dawdle;     /* read slowly */
    bool resume;     /* TLS: with the last session ticket */
};

struct soak;

void plan_connection(struct soak *soak, struct rng *rng, struct plan *ret);
/* `apart`: what the server does with the request's body delays no other request. */
void plan_request(struct soak *soak, struct rng *rng, bool apart, bool last,
                  const struct plan *plan, struct request *ret);
bool request_has_body(const struct request *request);
const char *request_method(const struct request *request);
void request_target(const struct request *request, char to[static TARGET_SIZE]);
/* Byte number `at` of the body that must come back. */
uint8_t request_byte(const struct request *request, size_t at);

/* --- response.c: is it what was asked for? --- */

struct response {
    int status;
    int64_t length; /* -1: not announced */
    bool token_seen;
    bool continued; /* a "100 Continue" came */
    bool headed;    /* its head is complete */
    bool bodiless;  /* HEAD or 204 */
    size_t body;    /* bytes so far */
};

void response_begin(struct response *response);
/* The parts of a response as they come; each returns what is wrong with it, or NULL. Behind the
 * head of a "100 Continue" the response begins anew. */
const char *response_status(struct response *response, const struct request *request, int status);
const char *response_length(struct response *response, const char *value);
const char *response_token(struct response *response, const struct request *request,
                           const char *value);
const char *response_head_end(struct response *response, const struct request *request);
const char *response_body(struct response *response, const struct request *request,
                          struct slice bytes);
const char *response_end(const struct response *response, const struct request *request);

/* --- http1_response.c --- */

enum response_state {
    RESPONSE_LINE,
    RESPONSE_FIELDS,
    RESPONSE_BODY,
    RESPONSE_CHUNK_SIZE,
    RESPONSE_CHUNK,
    RESPONSE_CHUNK_END,
    RESPONSE_TRAILER,
    RESPONSE_COMPLETE
};

struct http1_response {
    struct response response;
    enum response_state state;
    bool chunked;
    bool close;
    uint64_t left; /* of the body or the chunk */
    char line[LINE_MAX_SIZE];
    size_t line_len;
};

void http1_response_begin(struct http1_response *in);
/* Takes bytes up to the end of the response; returns how many. On a wrong one *wrong says what. */
size_t http1_response_feed(struct http1_response *in, const struct request *request,
                           struct slice bytes, const char **wrong);

/* --- client.c: one connection after the other --- */

struct client;

/* What differs between the versions of HTTP. */
struct dialogue {
    /* The connection stands. Errors are for soak_error. */
    int (*open)(struct client *client, struct err *err);
    /* Appends to `out` what can be said now. */
    int (*speak)(struct client *client, struct err *err);
    /* How far may be sent, in bytes of this connection: up to a cut, or to a body that has to be
     * asked for. */
    uint64_t (*send_limit)(const struct client *client);
    /* More was sent. */
    void (*sent)(struct client *client);
    /* Takes what came; false: the client has gone. */
    bool (*hear)(struct client *client, struct slice bytes);
    /* The server has closed: what is wrong with that, or NULL. Nothing is under way then. */
    const char *(*ended)(struct client *client);
    /* Nobody will answer what is under way: counts it, but for the request that an error was
     * counted for. */
    void (*give_up)(struct client *client, bool failed);
    /* The request that an error is about, or NULL. */
    const struct request *(*suspect)(const struct client *client);
    void (*close)(struct client *client);
    bool goes_on; /* has something to say while the server is about to close */
};

extern const struct dialogue dialogue_http1;
extern const struct dialogue dialogue_http2;

/* HTTP/1.1: answers come in the order of the requests. */
struct http1 {
    struct pipelined {
        struct request request;
        /* Places among the bytes that the connection sends. */
        uint64_t begins_at;
        uint64_t body_at;
        uint64_t ends_at;
    } under_way[PIPELINE_MAX];
    unsigned first;
    unsigned counted; /* of those under way: counted as sent */
    bool ignored;     /* the server may close behind the answer to a body that it did not read */
    struct http1_response in;
};

struct http2;

enum client_state { CLIENT_OFF, CLIENT_CONNECTING, CLIENT_HANDSHAKE, CLIENT_OPEN };

struct client {
    struct soak *soak;
    const struct dialogue *dialogue;
    struct loop_watch watch;
    struct loop_timer timer; /* while it rests */
    struct rng rng;
    struct plan plan;
    enum client_state state;
    SSL *ssl;
    struct buf out;
    uint64_t sent;     /* bytes of this connection, also those that left `out` */
    uint64_t made_len; /* bytes of this connection, sent or in `out` */
    uint64_t received;
    unsigned made;  /* requests */
    unsigned count; /* under way */
    struct http1 http1;
    struct http2 *http2; /* from its opening to its end */
    bool write_blocked;
    bool shut;    /* our side */
    bool leaving; /* the server will close now */
    bool resting;
    bool refused;
    int64_t progress_us;
};

int client_init(struct client *client, struct soak *soak, uint64_t number);
void client_done(struct client *client);
/* Looks for clients that wait for too long. */
void client_check(struct client *client);
/* Connects, unless all is done. */
void client_begin(struct client *client);

/* For the dialogues: */

bool client_is_cut(const struct client *client);
/* Is another request to be made? */
bool client_wants_request(struct client *client);
/* An answer is complete and right. `was_sent`: its request was counted as sent. */
void client_count_verified(struct client *client, const struct request *request, size_t body,
                           bool was_sent);
/* Counts an error and leaves. */
void client_fail(struct client *client, const char *what);

/* --- soak.c --- */

struct soak_options {
    struct sockaddr_in address;
    unsigned connections;
    uint64_t requests; /* 0: until the time is over */
    uint64_t seconds;
    uint64_t seed;
    uint32_t cut_percent;    /* connections that end in a CUT */
    uint32_t per_connection; /* mean number of requests */
    uint32_t max_size;
    int64_t patience_ms;
    bool tls;
    bool http2;
    bool until_stopped; /* the server is going to be stopped: then it may close idle connections */
};

struct soak {
    struct soak_options options;
    struct loop *loop;
    SSL_CTX *tls;
    SSL_SESSION *session;
    struct client *clients;
    struct loop_timer second;
    int64_t started_us;
    unsigned active;
    bool finishing;   /* enough was sent */
    bool server_gone; /* it does not accept any more (until_stopped) */
    uint64_t tokens;
    /* counters */
    uint64_t sent;        /* requests whose last byte was written */
    uint64_t verified;    /* answered, and every byte as it must be */
    uint64_t cut;         /* sent, then we left */
    uint64_t unread;      /* until_stopped: closed without a byte of an answer */
    uint64_t partial;     /* requests that we left in the middle of */
    uint64_t connections; /* made */
    uint64_t handshakes;
    uint64_t resumed;
    uint64_t errors;
    uint64_t endings[ENDING_COUNT];
    uint64_t kinds[KIND_COUNT]; /* verified ones */
    uint64_t body_bytes;        /* verified ones */
    int64_t looked_us;          /* when the clients were last looked at */
    int64_t longest_gap_us;     /* between two looks: how long this machine stood still */
};

/* Counts an error and says what it was (the first few). `client` may be NULL. */
void soak_error(struct soak *soak, const struct client *client, const char *what);
