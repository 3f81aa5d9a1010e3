// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 as the server speaks it: the input is what a client sends, and the path of each request
 * says how it is answered (http2_answers.c). Whatever comes, the server sends frames that belong
 * together, and gives every exchange back. One thread plays all: rounds of the I/O loop take turns
 * with the client and with the handler's other threads. The first byte says how the client behaves.
 */
#include "base/fd.h"
#include "base/reader.h"
#include "http/connection.h"

#include "http2_answers.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PIECE_MASK = 0x07,  /* how much the client sends at a time: piece_sizes */
    OWN_PREFACE = 0x08, /* the input brings the preface, or something else in its place */
    STOP_AMID = 0x10,   /* the server is stopped when half of it is sent */
    READ_LATE = 0x20,   /* the client reads only when all of it is sent */
};

enum {
    SETTLING = 12,          /* rounds after the last byte */
    ENDING = 500,           /* rounds after the client has gone, at most */
    RECEIVED_MAX = 1 << 20, /* then the client reads no more */
    STREAMS_WATCHED = 1 << 14,
    MAX_FRAME_SIZE = 16384,
};

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* --- the server --- */

static struct http_server server = {
    .limits = {.header_bytes = 4096, .target_bytes = 512, .header_count = 40, .body_bytes = 100000},
    .handler = &answers_handler,
    .extended_connect = true,
};
static const struct listener listener = {.fd = -1, .proxy = true};
static struct io_thread io;
static struct loop_task round_over;

static void end_round(struct loop_task *task)
{
    (void)task;
    loop_stop(io.loop);
}

static void bury(struct loop_task *task)
{
    (void)task;
    while (io.graveyard != NULL) {
        struct connection *connection = io.graveyard;
        io.graveyard = connection->next;
        free(connection);
    }
}

static void prepare(void)
{
    if (io.loop != NULL)
        return;
    http_limits_complete(&server.limits);
    io.server = &server;
    io.bury = (struct loop_task){.run = bury};
    round_over = (struct loop_task){.run = end_round};
    must(loop_new(&io.loop, NULL) == 0);
}

static void run_round(void)
{
    loop_post(io.loop, &round_over);
    must(loop_run(io.loop, NULL) == 0);
    answers_proceed();
}

/* Begins with HTTP/2 at once, where others find out in the TLS handshake. */
static void accept_http2(int fd)
{
    const struct accepted accepted = {.fd = fd, .address = slice_str("")};
    connection_accept(&io, &listener, &accepted);
    struct connection *connection = io.connections;
    must(connection != NULL);
    connection->phase = PHASE_HTTP;
    connection->protocol = &protocol_http2;
    connection->protocol->open(connection);
}

static void stop_connection(void)
{
    if (io.connections != NULL && io.connections->phase == PHASE_HTTP)
        io.connections->protocol->stop(io.connections);
}

/* Nothing is left, nothing is counted twice or not at all. */
static void check_end(void)
{
    must(io.connections == NULL && io.exchange_count == 0 && !answers_pending());
    uint64_t ended = io.stats.aborted;
    for (size_t i = 0; i < ARRAY_LEN(io.stats.responses); i++)
        ended += io.stats.responses[i];
    must(ended >= io.stats.requests && ended <= io.stats.requests + io.stats.rejected);
    io.stats = (struct http_server_stats){0};
    while (io.spare != NULL) { /* the next input must not find memory of this one */
        struct http_exchange *exchange = io.spare;
        io.spare = exchange->next;
        exchange_free(exchange);
    }
    io.spare_count = io.kept_bytes = 0;
    crowd_done(&io.crowd);
    io.crowd = (struct crowd){0};
}

/* --- the client --- */

struct frame {
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
};

/* False: no more that is whole; the client has left amid it. */
static bool next_frame(struct reader *in, struct frame *ret)
{
    return reader_u24be(in, "length", &ret->length, NULL) == 0 &&
           reader_u8(in, "type", &ret->type, NULL) == 0 &&
           reader_u8(in, "flags", &ret->flags, NULL) == 0 &&
           reader_u32be(in, "stream", &ret->stream, NULL) == 0 &&
           reader_skip(in, "payload", ret->length, NULL) == 0;
}

/* RFC 9113: sections 3.4 and 4.2, and nothing of a message behind its end (section 5.1). */
static void check_frames(struct slice received)
{
    static bool ended[STREAMS_WATCHED];
    memset(ended, 0, sizeof(ended));
    struct reader in = reader_of(received, "frames");
    struct frame frame;
    for (bool first = true; next_frame(&in, &frame); first = false) {
        must(frame.length <= MAX_FRAME_SIZE && frame.type <= NGHTTP2_CONTINUATION &&
             frame.type != NGHTTP2_PUSH_PROMISE);
        must(!first || (frame.type == NGHTTP2_SETTINGS && frame.flags == 0));
        must(frame.stream == 0 || frame.stream % 2 == 1);
        if (frame.type != NGHTTP2_DATA && frame.type != NGHTTP2_HEADERS)
            continue;
        must(frame.stream != 0);
        if (frame.stream / 2 >= STREAMS_WATCHED)
            continue;
        must(!ended[frame.stream / 2]);
        ended[frame.stream / 2] = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
}

struct client {
    int fd;
    struct buf received;
};

static void receive(struct client *client)
{
    uint8_t piece[16384];
    ssize_t got = 1;
    while (got > 0 && client->received.len < RECEIVED_MAX) {
        got = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (got > 0)
            must(buf_bytes(&client->received, slice_of(piece, (size_t)got), NULL) == 0);
    }
}

/* False: the server takes no more. */
static bool send_piece(const struct client *client, struct slice piece)
{
    while (piece.len > 0) {
        ssize_t sent = send(client->fd, piece.data, piece.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        run_round();
        if (sent <= 0)
            return false;
        piece = slice_of(piece.data + sent, piece.len - (size_t)sent);
    }
    return true;
}

static void converse(struct client *client, uint8_t way, struct slice bytes)
{
    static const size_t piece_sizes[] = {16384, 1024, 300, 100, 40, 9, 5, 2};
    size_t step = piece_sizes[way & PIECE_MASK];
    bool stopped = (way & STOP_AMID) == 0;
    bool open = true;
    if ((way & OWN_PREFACE) == 0)
        open = send_piece(client, slice_str(NGHTTP2_CLIENT_MAGIC));
    for (size_t at = 0; open && at < bytes.len; at += step) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        open = send_piece(client, slice_of(bytes.data + at, len));
        if ((way & READ_LATE) == 0)
            receive(client);
        if (!stopped && at + len >= bytes.len / 2) {
            stop_connection();
            stopped = true;
        }
    }
    for (int i = 0; i < SETTLING; i++) {
        receive(client);
        run_round();
    }
    receive(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (size < 1)
        return 0;
    prepare();
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    struct client client = {.fd = fds[0], .received = BUF_INIT(2 * RECEIVED_MAX)};
    accept_http2(fds[1]);
    converse(&client, data[0], slice_of(data + 1, size - 1));
    fd_close(client.fd);
    for (int i = 0; i < ENDING && (io.connections != NULL || io.exchange_count > 0); i++)
        run_round();
    run_round();
    check_end();
    check_frames(buf_slice(&client.received));
    buf_done(&client.received);
    return 0;
}
