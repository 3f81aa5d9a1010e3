// SPDX-License-Identifier: Apache-2.0
/*
 * What a response may have queued beyond HTTP_WRITE_HIGH, so that the thread that makes it need not
 * wait for a slow client: it is kept in memory, up to a limit for each connection and one for all.
 * Beyond those the thread waits. And what all responses of an HTTP/2 connection have queued and
 * lent: where the client reads none of it, no more are begun. Runs in node and enclave, on any
 * thread, under the exchange's lock where nothing else is said.
 */
#include "http/connection.h"

static bool is_full(const struct http_exchange *exchange)
{
    return exchange->stream_id != 0 && atomic_load(&exchange->connection->unread) > UNREAD_HIGH;
}

/* What a response may have in any case. */
static size_t free_share(const struct http_exchange *exchange)
{
    return is_full(exchange) ? UNREAD_SHARE : HTTP_WRITE_HIGH;
}

static void count_queued(struct http_exchange *exchange, size_t queued)
{
    if (exchange->stream_id == 0 || queued == exchange->counted)
        return;
    (void)atomic_fetch_add(&exchange->connection->unread, queued - exchange->counted);
    exchange->counted = queued;
}

bool exchange_is_crowded(struct http_exchange *exchange, size_t queued)
{
    count_queued(exchange, queued);
    return queued > UNREAD_SHARE && is_full(exchange);
}

void exchange_count_lent(struct http_exchange *exchange, size_t more, size_t less)
{
    if (exchange->stream_id != 0)
        (void)atomic_fetch_add(&exchange->connection->unread, more - less);
}

static bool take(atomic_size_t *used, size_t more, size_t limit)
{
    if (atomic_fetch_add(used, more) + more <= limit)
        return true;
    (void)atomic_fetch_sub(used, more);
    return false;
}

bool exchange_spool(struct http_exchange *exchange)
{
    struct http_server *server = exchange->io->server;
    struct connection *connection = exchange->connection;
    size_t queued = exchange->sending_left + output_left(&exchange->out);
    size_t share = free_share(exchange);
    size_t wanted = queued > share ? queued - share : 0;
    if (wanted <= exchange->spooled)
        return true;
    size_t more = wanted - exchange->spooled;
    if (!take(&connection->spooled, more, server->limits.spool_bytes))
        return false;
    if (!take(&server->spooled, more, server->limits.spool_total_bytes)) {
        (void)atomic_fetch_sub(&connection->spooled, more);
        return false;
    }
    exchange->spooled = wanted;
    return true;
}

void exchange_unspool(struct http_exchange *exchange, size_t queued)
{
    count_queued(exchange, queued);
    size_t share = exchange->spooled == 0 ? queued : free_share(exchange);
    size_t wanted = queued > share ? queued - share : 0;
    if (wanted >= exchange->spooled)
        return;
    size_t less = exchange->spooled - wanted;
    exchange->spooled = wanted;
    (void)atomic_fetch_sub(&exchange->connection->spooled, less);
    (void)atomic_fetch_sub(&exchange->io->server->spooled, less);
}

size_t exchange_low_mark(const struct http_exchange *exchange)
{
    return HTTP_WRITE_LOW + exchange->spooled / 2;
}

/* --- requests that are not let begin --- */

bool http_may_begin(struct http_exchange *exchange, void *data)
{
    if (!is_full(exchange))
        return true;
    lock_acquire(&exchange->lock);
    bool park = !exchange->gone && is_full(exchange);
    if (park) {
        http_set_data(exchange, data);
        exchange->parked = true;
        atomic_store(&exchange->connection->parked, true);
    }
    lock_release(&exchange->lock);
    if (park)
        exchange_post(exchange); /* its client may have read meanwhile */
    return !park;
}

static void unpark(struct http_exchange *exchange)
{
    const struct http_server *server = exchange->io->server;
    lock_acquire(&exchange->lock);
    bool tell = exchange->parked && !exchange->gone;
    exchange->parked = false;
    lock_release(&exchange->lock);
    if (!tell || server->handler->writable == NULL)
        return;
    exchange->io->called_handler = true;
    lock_expect_none("the handler of room to write");
    server->handler->writable(server->context, exchange);
}

void connection_unpark(struct connection *connection)
{
    if (!atomic_load(&connection->parked) || atomic_load(&connection->unread) > UNREAD_LOW)
        return;
    atomic_store(&connection->parked, false);
    for (struct http_exchange *at = connection->first; at != NULL; at = at->next)
        unpark(at);
}
