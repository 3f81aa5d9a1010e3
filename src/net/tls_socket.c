// SPDX-License-Identifier: Apache-2.0
/*
 * What lies between a TLS session and its socket. OpenSSL makes one record at a time; those of a
 * large write are collected and given to the kernel together, which costs a third less than one
 * system call for each. What the socket does not take is kept, and goes out ahead of everything
 * else. Runs in node, enclave and CLI.
 */
#include "net/tls.h"

#include "crypto/x509.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A session's socket. */
struct socket_end {
    int fd;
    bool more;
    struct tls_batch *batch; /* NULL: what comes is sent at once */
    uint8_t *rest;           /* what was collected and the socket did not take; NULL: nothing */
    size_t rest_at;
    size_t rest_len;
};

static ssize_t send_some(const struct socket_end *end, const uint8_t *data, size_t len)
{
    return send(end->fd, data, len, MSG_NOSIGNAL | (end->more ? MSG_MORE : 0));
}

static bool is_full(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* 1: nothing is left, 0: some is, -1: broken */
static int send_rest(struct socket_end *end)
{
    while (end->rest != NULL) {
        ssize_t sent = send_some(end, end->rest + end->rest_at, end->rest_len - end->rest_at);
        if (sent < 0)
            return is_full() ? 0 : -1;
        end->rest_at += (size_t)sent;
        if (end->rest_at == end->rest_len)
            free(STEAL(end->rest));
    }
    return 1;
}

static int socket_write(BIO *bio, const char *data, size_t len, size_t *ret_written)
{
    BIO_clear_retry_flags(bio);
    struct socket_end *end = BIO_get_data(bio);
    struct tls_batch *batch = end->batch;
    *ret_written = 0;
    if (batch != NULL && len <= sizeof(batch->data) - batch->len) {
        memcpy(batch->data + batch->len, data, len);
        batch->len += len;
        *ret_written = len;
        return 1;
    }
    int free_way = batch != NULL ? 0 : send_rest(end);
    ssize_t sent = free_way == 1 ? send_some(end, (const uint8_t *)data, len) : -1;
    if (free_way == 0 || (free_way == 1 && sent < 0 && is_full()))
        BIO_set_retry_write(bio);
    if (sent > 0)
        *ret_written = (size_t)sent;
    return sent > 0;
}

static int socket_read(BIO *bio, char *to, size_t size, size_t *ret_read)
{
    BIO_clear_retry_flags(bio);
    const struct socket_end *end = BIO_get_data(bio);
    ssize_t got = recv(end->fd, to, size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    else if (got == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    *ret_read = got < 0 ? 0 : (size_t)got;
    return got > 0;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int socket_free(BIO *bio)
{
    struct socket_end *end = BIO_get_data(bio);
    free(end->rest);
    free(end);
    return 1;
}

static BIO_METHOD *socket_method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mse socket");
    if (method == NULL || BIO_meth_set_write_ex(method, socket_write) != 1 ||
        BIO_meth_set_read_ex(method, socket_read) != 1 ||
        BIO_meth_set_ctrl(method, socket_control) != 1 ||
        BIO_meth_set_destroy(method, socket_free) != 1)
        return;
    socket_method = method;
}

int tls_attach(SSL *ssl, int fd, struct err *err)
{
    (void)pthread_once(&method_once, make_method);
    struct socket_end *end = mem_alloc(sizeof(*end), err);
    if (end == NULL)
        return -1;
    BIO *bio = socket_method == NULL ? NULL : BIO_new(socket_method);
    if (bio == NULL) {
        free(end);
        return FAIL_OPENSSL(err, "cannot tie TLS to a socket");
    }
    end->fd = fd;
    BIO_set_data(bio, end);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return 0;
}

static struct socket_end *end_of(SSL *ssl)
{
    return BIO_get_data(SSL_get_wbio(ssl));
}

void tls_set_more(SSL *ssl, bool more)
{
    end_of(ssl)->more = more;
}

/* Sends what was collected, behind what was left before it; keeps what the socket does not take. */
static int send_batch(struct socket_end *end, const struct tls_batch *batch)
{
    size_t sent = 0;
    int free_way = send_rest(end);
    while (free_way == 1 && sent < batch->len) {
        ssize_t some = send_some(end, batch->data + sent, batch->len - sent);
        if (some < 0)
            free_way = is_full() ? 0 : -1;
        else
            sent += (size_t)some;
    }
    if (free_way != 0)
        return free_way;
    size_t before = end->rest == NULL ? 0 : end->rest_len - end->rest_at;
    uint8_t *rest = mem_resize_array(NULL, before + batch->len - sent, 1, NULL);
    if (rest == NULL)
        return -1;
    if (before > 0)
        memcpy(rest, end->rest + end->rest_at, before);
    memcpy(rest + before, batch->data + sent, batch->len - sent);
    free(end->rest);
    end->rest = rest;
    end->rest_at = 0;
    end->rest_len = before + batch->len - sent;
    return 0;
}

int tls_write_records(SSL *ssl, struct tls_batch *batch, struct slice bytes, size_t *ret_written)
{
    struct socket_end *end = end_of(ssl);
    size_t done = 0;
    int written = 1;
    batch->len = 0;
    end->batch = batch;
    for (int i = 0; i < TLS_BATCH_RECORDS && done < bytes.len && written == 1; i++) {
        size_t some = 0;
        written = SSL_write_ex(ssl, bytes.data + done, bytes.len - done, &some);
        done += some;
    }
    end->batch = NULL;
    *ret_written = done;
    if (written != 1)
        return -1;
    bool more = end->more;
    end->more = more || done < bytes.len;
    int sent = send_batch(end, batch);
    end->more = more;
    return sent;
}

int tls_send_rest(SSL *ssl, bool *ret_progress)
{
    struct socket_end *end = end_of(ssl);
    const uint8_t *before = end->rest;
    size_t at = end->rest_at;
    int result = send_rest(end);
    *ret_progress = before != end->rest || at != end->rest_at;
    return result;
}
