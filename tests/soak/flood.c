// SPDX-License-Identifier: Apache-2.0
/*
 * mse-flood: takes many connections to the same stage, says "ready", and holds them until its
 * standard input ends. Not installed; driven by tests/serve/test_abuse.py.
 *
 *     mse-flood --port PORT --stage STAGE [--tls] [--connections N] [--path PATH]
 */
#include "base/fd.h"
#include "base/options.h"
#include "base/text.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct option_spec specs[] = {
    {.name = "port", .value_name = "PORT", .help = "of the server, on 127.0.0.1"},
    {.name = "tls", .help = "HTTPS; the certificate is not looked at"},
    {.name = "connections", .value_name = "N", .help = "to hold (1000)"},
    {.name = "path", .value_name = "PATH", .help = "to ask for (/)"},
    {.name = "stage",
     .value_name = "STAGE",
     .help = "silent, hello, handshake, idle, head, body or reader"},
};

enum stage {
    STAGE_SILENT,    /* connected */
    STAGE_HELLO,     /* TLS: a part of the ClientHello is sent */
    STAGE_HANDSHAKE, /* TLS: all of it, and what comes back is not read */
    STAGE_IDLE,      /* one request was answered */
    STAGE_HEAD,      /* a part of a head is sent */
    STAGE_BODY,      /* a head and a part of its body */
    STAGE_READER,    /* a request, whose answer is not read */
    STAGE_COUNT,
};
static const char *const stage_names[STAGE_COUNT] = {"silent", "hello", "handshake", "idle",
                                                     "head",   "body",  "reader"};

struct flood {
    enum stage stage;
    struct sockaddr_in address;
    uint64_t connections;
    const char *path;
    SSL_CTX *tls; /* NULL: plain */
};

static int send_hello(const struct flood *flood, int fd, struct err *err)
{
    uint8_t hello[4096];
    SSL *ssl = SSL_new(flood->tls);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL)
        return FAIL(err, ERR_CRYPTO, "cannot make a TLS session");
    SSL_set_bio(ssl, in, out);
    (void)SSL_connect(ssl); /* wants an answer that it does not get */
    int len = BIO_read(out, hello, sizeof(hello));
    SSL_free(ssl);
    if (len < 64)
        return FAIL(err, ERR_CRYPTO, "no ClientHello");
    size_t part = flood->stage == STAGE_HELLO ? 60 : (size_t)len;
    return fd_write_all(fd, slice_of(hello, part), err);
}

static int say(SSL *ssl, int fd, const char *text, struct err *err)
{
    if (ssl == NULL)
        return fd_write_all(fd, slice_str(text), err);
    if (SSL_write(ssl, text, (int)strlen(text)) <= 0)
        return FAIL(err, ERR_IO, "the server has closed");
    return 0;
}

static int hear(SSL *ssl, int fd, struct err *err)
{
    char answer[4096];
    ssize_t got = ssl == NULL ? recv(fd, answer, sizeof(answer) - 1, 0)
                              : SSL_read(ssl, answer, sizeof(answer) - 1);
    if (got <= 0)
        return FAIL(err, ERR_IO, "no answer");
    answer[got] = '\0';
    if (!str_starts_with(answer, "HTTP/1.1 200 "))
        return FAIL(err, ERR_IO, "another answer: %.40s", answer);
    return 0;
}

static int ask(const struct flood *flood, SSL *ssl, int fd, struct err *err)
{
    char text[512];
    const char *method = flood->stage == STAGE_BODY ? "POST" : "GET";
    const char *rest = "\r\n";
    if (flood->stage == STAGE_HEAD)
        rest = "X-A: ";
    else if (flood->stage == STAGE_BODY)
        rest = "Content-Length: 1000\r\n\r\npart";
    (void)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method,
                   flood->path, rest);
    if (say(ssl, fd, text, err) < 0)
        return -1;
    return flood->stage == STAGE_IDLE ? hear(ssl, fd, err) : 0;
}

/* The session is dropped and the connection kept: what is held is the server's share. */
static int shake_hands_and_ask(const struct flood *flood, int fd, struct err *err)
{
    if (flood->tls == NULL)
        return ask(flood, NULL, fd, err);
    SSL *ssl = SSL_new(flood->tls);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        SSL_free(ssl);
        return FAIL(err, ERR_CRYPTO, "the TLS handshake failed");
    }
    int result = ask(flood, ssl, fd, err);
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_free(ssl);
    return result;
}

static int open_one(const struct flood *flood, struct err *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket");
    int small = 4096;
    if (flood->stage == STAGE_READER)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    if (connect(fd, (const struct sockaddr *)&flood->address, sizeof(flood->address)) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot connect");
    switch (flood->stage) {
    case STAGE_SILENT:
        return 0;
    case STAGE_HELLO:
    case STAGE_HANDSHAKE:
        return send_hello(flood, fd, err);
    default:
        return shake_hands_and_ask(flood, fd, err);
    }
}

static int read_options(const struct options *options, struct flood *ret, struct err *err)
{
    uint64_t port;
    const char *text = options_value(options, "port");
    const char *stage = options_value(options, "stage");
    const char *count = options_value(options, "connections");
    const char *path = options_value(options, "path");
    if (text == NULL || stage == NULL)
        return FAIL(err, ERR_USAGE, "expected --port and --stage");
    if (parse_u64(text, "port", 1, 65535, &port, err) < 0 ||
        parse_u64(count == NULL ? "1000" : count, "connections", 1, 1000000, &ret->connections,
                  err) < 0)
        return -1;
    while (ret->stage < STAGE_COUNT && strcmp(stage, stage_names[ret->stage]) != 0)
        ret->stage++;
    bool of_tls = ret->stage == STAGE_HELLO || ret->stage == STAGE_HANDSHAKE;
    if (ret->stage == STAGE_COUNT || (of_tls && !options_has(options, "tls")))
        return FAIL(err, ERR_USAGE, "there is no stage '%s' here", stage);
    ret->path = path == NULL ? "/" : path;
    ret->address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!options_has(options, "tls"))
        return 0;
    ret->tls = SSL_CTX_new(TLS_client_method());
    return ret->tls == NULL ? FAIL(err, ERR_CRYPTO, "cannot make a TLS context") : 0;
}

static int run(const struct options *options, struct err *err)
{
    struct flood flood = {0};
    if (read_options(options, &flood, err) < 0)
        return -1;
    for (uint64_t i = 0; i < flood.connections; i++) {
        if (open_one(&flood, err) < 0)
            return FAIL_CONTEXT(err, "connection %llu", (unsigned long long)i + 1);
    }
    (void)puts("ready");
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    SSL_CTX_free(flood.tls);
    return 0; /* the connections end with the process, all at once */
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    if (options_parse(specs, ARRAY_LEN(specs), argc - 1, (const char *const *)argv + 1, &options,
                      &err) == 0 &&
        run(&options, &err) == 0)
        return 0;
    (void)fprintf(stderr, "mse-flood: %s\n", err.message);
    return err_exit_status(err.kind);
}
