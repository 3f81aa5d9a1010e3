// SPDX-License-Identifier: Apache-2.0
/*
 * What a response may have queued beyond HTTP_WRITE_HIGH, so that the thread that makes it need not
 * wait for a slow client: it is kept in memory, up to a limit for each connection and one for all.
 * Beyond those the thread waits. Runs in node and enclave, on any thread, under the exchange's
 * lock where nothing else is said.
 */
#include "http/connection.h"

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
    size_t wanted = queued > HTTP_WRITE_HIGH ? queued - HTTP_WRITE_HIGH : 0;
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
    size_t wanted = queued > HTTP_WRITE_HIGH ? queued - HTTP_WRITE_HIGH : 0;
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
