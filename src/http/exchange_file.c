// SPDX-License-Identifier: Apache-2.0
/*
 * A part of a file as the rest of a response: the handler gives it to the I/O thread, which has the
 * kernel copy it to the socket (sendfile(2)), so that nobody waits for the client. Only for
 * HTTP/1.1 without TLS; everywhere else, and where too many are on their way, the handler's thread
 * reads the file. The disk does hold up the I/O thread, for FILE_TURN bytes at a time. Runs in node
 * and enclave.
 */
#include "base/fd.h"
#include "base/lock.h"
#include "http/exchange_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILES_MAX = 256,        /* of a server: each is a descriptor more */
    FILE_TURN = 512 * 1024, /* of one connection, before others have theirs */
    FILE_LEAST = 32 * 1024, /* less is read and copied with less ado */
    PIECE = 64 * 1024,
};

struct http_file {
    struct http_server *server;
    int fd;
    int64_t offset; /* of what comes next */
    int64_t left;
};

struct http_file *http_file_new(struct http_exchange *exchange, int fd, int64_t offset,
                                int64_t length)
{
    struct http_server *server = exchange->io->server;
    if (exchange->request.tls || exchange->stream_id != 0 || length <= 0)
        return NULL;
    if (atomic_fetch_add(&server->files, 1) >= FILES_MAX)
        goto none;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        goto none;
    struct http_file *file = mem_alloc(sizeof(*file), NULL);
    if (file == NULL) {
        fd_close(own);
        goto none;
    }
    *file = (struct http_file){.server = server, .fd = own, .offset = offset, .left = length};
    return file;
none:
    (void)atomic_fetch_sub(&server->files, 1);
    return NULL;
}

void http_file_free(struct http_file *file)
{
    if (file == NULL)
        return;
    (void)atomic_fetch_sub(&file->server->files, 1);
    fd_close(file->fd);
    free(file);
}

/* Under the lock. */
static bool give(struct http_exchange *exchange, struct http_file *file)
{
    bool is_rest = exchange->stage == RESPONSE_STARTED && !exchange->gone && !exchange->no_body &&
                   !exchange->chunked && exchange->left == file->left;
    if (!is_rest)
        return false;
    exchange->left = 0;
    exchange->body_sent += (uint64_t)file->left;
    exchange->file = file;
    return true;
}

bool http_respond_file(struct http_exchange *exchange, struct http_file *file)
{
    lock_acquire(&exchange->lock);
    bool given = give(exchange, file);
    lock_release(&exchange->lock);
    if (given)
        exchange_post(exchange);
    else
        http_file_free(file);
    return given;
}

int http_respond_file_wait(struct http_exchange *exchange, int fd, int64_t offset, int64_t length,
                           struct err *err)
{
    struct http_file *file =
        length < FILE_LEAST ? NULL : http_file_new(exchange, fd, offset, length);
    if (file != NULL && http_respond_file(exchange, file))
        return 0;
    AUTO_FREE uint8_t *piece = mem_resize_array(NULL, PIECE, 1, err);
    if (piece == NULL)
        return -1;
    while (length != 0) {
        size_t want = length < 0 || length > PIECE ? PIECE : (size_t)length;
        ssize_t got = pread(fd, piece, want, offset);
        if (got < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot read a file that is being sent");
        if (got == 0 && length > 0)
            return FAIL(err, ERR_IO, "a file that is being sent ends %lld bytes too early",
                        (long long)length);
        if (got == 0)
            break;
        if (http_respond_write_wait(exchange, slice_of(piece, (size_t)got), err) < 0)
            return -1;
        offset += got;
        length -= length < 0 ? 0 : got;
    }
    return 0;
}

/* --- on the I/O thread --- */

enum file_state exchange_send_file(struct connection *connection, struct http_exchange *exchange)
{
    struct http_file *file = exchange->sent_file;
    int64_t turn = file->left < FILE_TURN ? file->left : FILE_TURN;
    while (turn > 0) {
        ssize_t sent = connection_send_file(connection, file->fd, file->offset, (size_t)turn);
        if (sent < 0)
            return FILE_CLOSED; /* so the file is, too */
        if (connection->write_blocked)
            return FILE_WAITS;
        file->offset += sent;
        file->left -= sent;
        turn -= sent;
    }
    if (file->left > 0) {
        exchange_post(exchange);
        return FILE_WAITS;
    }
    http_file_free(STEAL(exchange->sent_file));
    return FILE_SENT;
}

void exchange_end_file(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    struct http_file *file = STEAL(exchange->file);
    lock_release(&exchange->lock);
    http_file_free(file);
    http_file_free(STEAL(exchange->sent_file));
}
