// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies that came and that nobody has read: each has a limit (BODY_HIGH), and so have all of a
 * server, or a client with many streams and connections would fill the memory of a handler that
 * takes its time. At that limit whoever holds most gives way. Heads cost the client next to nothing
 * over HTTP/2 (HPACK), so those of requests under way have a limit too. Runs in node and enclave.
 */
#include "http/connection.h"

enum {
    FIELD_WEIGHT = 128,        /* of a header field, besides its bytes */
    HEAD_UNCOUNTED = 2 * 1024, /* most are smaller */
    HEAD_SMALL = 16 * 1024,    /* is let in where its connection has no other */
    HEADS_OF_CONNECTION = 1 << 20,
    HEADS_SHARE = 2, /* of the limit of bodies: a head is there again in the handler's objects */
};

/* Under the lock. */
void exchange_count_held(struct http_exchange *exchange)
{
    size_t held = output_left(&exchange->in);
    size_t before = atomic_load(&exchange->body_held);
    if (held == before)
        return;
    (void)atomic_fetch_add(&exchange->io->server->held, held - before);
    atomic_store(&exchange->body_held, held);
}

static void drop_held(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    if (exchange->body_state != BODY_COMPLETE)
        output_reset(&exchange->in, KEEP_BUFFER);
    exchange_count_held(exchange);
    lock_release(&exchange->lock);
}

/* Its handlers hear that the client is gone, and may take their time with that. */
static void drop_all_held(struct connection *connection)
{
    for (struct http_exchange *at = connection->first; at != NULL; at = at->next)
        drop_held(at);
}

static size_t held_by(const struct connection *connection)
{
    size_t held = 0;
    for (const struct http_exchange *at = connection->first; at != NULL; at = at->next)
        held += atomic_load(&at->body_held);
    return held;
}

static struct connection *greediest(const struct io_thread *io)
{
    struct connection *most = NULL;
    size_t held_by_most = 0;
    for (struct connection *at = io->connections; at != NULL; at = at->next) {
        size_t held = held_by(at);
        if (held > held_by_most) {
            most = at;
            held_by_most = held;
        }
    }
    return most;
}

int exchange_make_room(struct http_exchange *exchange, struct err *err)
{
    struct io_thread *io = exchange->io;
    const struct http_server *server = io->server;
    if (atomic_load(&server->held) <= server->limits.held_bytes)
        return 0;
    struct connection *most = greediest(io);
    count(&io->stats.evicted, 1);
    if (most != NULL)
        drop_all_held(most);
    if (most == NULL || most == exchange->connection)
        return FAIL(err, ERR_BUSY, "more of bodies waits than the server holds");
    connection_close(most);
    return 0;
}

/* --- heads --- */

static size_t weigh_head(const struct http_request *request)
{
    size_t weight = request->target.len + request->header_count * FIELD_WEIGHT;
    for (size_t i = 0; i < request->header_count; i++)
        weight += request->headers[i].name.len + request->headers[i].value.len;
    return weight;
}

bool exchange_take_head(struct http_exchange *exchange)
{
    struct connection *connection = exchange->connection;
    struct http_server *server = exchange->io->server;
    size_t weight = weigh_head(&exchange->request);
    if (weight <= HEAD_UNCOUNTED)
        return true;
    exchange->head_held = weight;
    connection->heads += weight;
    size_t all = atomic_fetch_add(&server->heads, weight) + weight;
    bool alone = connection->heads == weight;
    if (alone && weight <= HEAD_SMALL)
        return true;
    return (alone || connection->heads <= HEADS_OF_CONNECTION) &&
           all <= server->limits.held_bytes / HEADS_SHARE;
}

void exchange_give_head(struct http_exchange *exchange)
{
    exchange->connection->heads -= exchange->head_held;
    (void)atomic_fetch_sub(&exchange->io->server->heads, exchange->head_held);
}
