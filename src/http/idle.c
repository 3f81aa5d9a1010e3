// SPDX-License-Identifier: Apache-2.0
/*
 * The connections of an I/O thread that have no request under way, the longest idle first, and
 * making room for new ones among them: where the limit of connections is reached, who waits for
 * nothing goes before who has something to say, and then who has most before who has less: nobody
 * takes all with halves of heads and handshakes.
 */
#include "http/connection.h"

/* So many are looked at for one new connection: a client that holds back the rest of a head or of a
 * handshake is in the list and is not idle. Its own time-out ends it. */
enum { LOOK_AT_MOST = 16 };

void idle_enter(struct connection *connection)
{
    struct io_thread *io = connection->io;
    if (connection->idle || connection->phase == PHASE_LINGER || connection->phase == PHASE_CLOSED)
        return;
    connection->idle = true;
    connection->idle_next = NULL;
    connection->idle_previous = io->idle_last;
    if (io->idle_last == NULL)
        io->idle_first = connection;
    else
        io->idle_last->idle_next = connection;
    io->idle_last = connection;
}

void idle_leave(struct connection *connection)
{
    struct io_thread *io = connection->io;
    if (!connection->idle)
        return;
    connection->idle = false;
    if (connection->idle_previous == NULL)
        io->idle_first = connection->idle_next;
    else
        connection->idle_previous->idle_next = connection->idle_next;
    if (connection->idle_next == NULL)
        io->idle_last = connection->idle_previous;
    else
        connection->idle_next->idle_previous = connection->idle_previous;
}

/* Has nothing of a request, a handshake or a PROXY header come? */
static bool is_silent(const struct connection *connection)
{
    switch (connection->phase) {
    case PHASE_PROXY:
        return connection->in_len == 0;
    case PHASE_HANDSHAKE:
        return connection->ssl == NULL || SSL_in_before(connection->ssl) == 1;
    case PHASE_HTTP:
        return connection->in_len == 0 && !connection->http1.in_head;
    default:
        return false;
    }
}

/* The oldest without a request of a peer that has more than its share. */
static bool make_room_in_crowd(struct io_thread *io, const uint8_t newcomer[CROWD_KEY_SIZE])
{
    const struct crowd_peer *greedy = crowd_greediest(&io->crowd, newcomer);
    const struct crowd_member *member = greedy != NULL ? greedy->first : NULL;
    for (; member != NULL; member = member->next) {
        struct connection *connection = member->owner;
        if (connection->linked_count > 0)
            continue;
        count(&io->stats.evicted, 1);
        connection_close(connection);
        return true;
    }
    return false;
}

bool connection_make_room(struct io_thread *io, const uint8_t newcomer[CROWD_KEY_SIZE])
{
    for (int looked = 0; looked < LOOK_AT_MOST && io->idle_first != NULL; looked++) {
        struct connection *connection = io->idle_first;
        if (is_silent(connection)) {
            count(&io->stats.evicted, 1);
            if (connection->phase == PHASE_HTTP)
                connection->protocol->stop(connection); /* says goodbye where the protocol can */
            connection_close(connection);
            return true;
        }
        idle_leave(connection);
        idle_enter(connection);
    }
    return make_room_in_crowd(io, newcomer);
}
