// SPDX-License-Identifier: Apache-2.0
/*
 * The TLS handshakes under way on an I/O thread, the oldest first. Each holds some 45 KiB of
 * OpenSSL's, three times as much as a connection that is through, so that a client could fill the
 * memory by not going on. One too many ends the oldest: who means it is through in two round trips.
 */
#include "http/connection.h"

void handshake_begin(struct connection *connection)
{
    struct io_thread *io = connection->io;
    connection->in_handshake = true;
    connection->handshake_next = NULL;
    connection->handshake_previous = io->handshake_last;
    if (io->handshake_last == NULL)
        io->handshake_first = connection;
    else
        io->handshake_last->handshake_next = connection;
    io->handshake_last = connection;
    if (++io->handshake_count <= HANDSHAKES_MAX)
        return;
    count(&io->stats.evicted, 1);
    connection_close(io->handshake_first);
}

void handshake_end(struct connection *connection)
{
    struct io_thread *io = connection->io;
    if (!connection->in_handshake)
        return;
    connection->in_handshake = false;
    io->handshake_count--;
    if (connection->handshake_previous == NULL)
        io->handshake_first = connection->handshake_next;
    else
        connection->handshake_previous->handshake_next = connection->handshake_next;
    if (connection->handshake_next == NULL)
        io->handshake_last = connection->handshake_previous;
    else
        connection->handshake_next->handshake_previous = connection->handshake_previous;
}
