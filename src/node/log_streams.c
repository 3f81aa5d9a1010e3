// SPDX-License-Identifier: Apache-2.0
/*
 * See log_streams.h. The thread owns its list of streams alone; others leave new ones in `arriving`
 * under the lock, so nothing that may take time happens with it. Runs in msed.
 */
#include "node/log_streams.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/account.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a log that is followed is looked at; how much of one log is read in one turn, so that
 * the others get theirs. */
enum { LOOK_US = 150 * 1000, PIECE = 64 * 1024, TURN_MAX = 8 };

struct reader_of_log {
    struct reader_of_log *next;
    struct http_exchange *exchange;
    char app[STORE_ID_SIZE];
    char owner[ACCOUNT_OWNER_SIZE];
    char *path;
    int fd; /* -1: there is no log yet */
    int64_t offset;
    ino_t before; /* the file before this one, and how much of it was sent: it may come back */
    int64_t before_offset;
    bool follow;
};

struct log_streams {
    struct keeper *keeper;
    struct slots *slots;
    const atomic_bool *stopping;
    pthread_t thread;
    struct reader_of_log *list; /* the thread's alone */
    uint8_t *piece;             /* the thread's alone */
    struct lock lock;
    pthread_cond_t wake;
    struct reader_of_log *arriving; /* under the lock, as what follows */
    bool woken;
    bool stop;
};

/* --- one stream; on the thread --- */

enum turn { TURN_IDLE, TURN_MORE, TURN_END, TURN_BROKEN };

int log_open(const char *path, int *ret, struct err *err)
{
    struct err failure = ERR_INIT;
    if (fd_open(path, O_RDONLY | O_NOFOLLOW, 0, ret, &failure) == 0 ||
        failure.kind == ERR_NOT_FOUND || failure.errnum == ENOENT)
        return 0;
    *err = failure;
    return -1;
}

/* The file is replaced when it has grown to its limit, or with the release that wrote it: who has
 * sent all of the one goes on with the next, and where that is the one before it, which a failed
 * release gives back, from where it was left. True: there is one. */
static bool open_next(struct reader_of_log *one, struct err *err)
{
    struct stat named = {0};
    struct stat open_one = {0};
    AUTO_CLOSE int next = -1;
    if (log_open(one->path, &next, err) < 0 || next < 0 || fstat(next, &named) < 0)
        return false;
    bool is_open = one->fd >= 0 && fstat(one->fd, &open_one) == 0;
    if (is_open && named.st_ino == open_one.st_ino)
        return false;
    int64_t offset = one->before != 0 && named.st_ino == one->before ? one->before_offset : 0;
    one->before = is_open ? open_one.st_ino : 0;
    one->before_offset = one->offset;
    one->offset = offset;
    fd_close(one->fd);
    one->fd = fd_steal(&next);
    return true;
}

/* Sends what is there and fits the queue. A log that was cut starts over. */
static enum turn send_new(struct log_streams *streams, struct reader_of_log *one, struct err *err)
{
    size_t queued = 0;
    /* an empty write fails once the client has gone */
    if (http_respond_write(one->exchange, slice_of(NULL, 0), &queued, err) < 0)
        return TURN_BROKEN;
    struct stat info = {0};
    if (one->fd >= 0 && fstat(one->fd, &info) < 0)
        return TURN_BROKEN;
    if (info.st_size < one->offset)
        one->offset = 0;
    for (int i = 0; i < TURN_MAX && queued <= HTTP_WRITE_HIGH; i++) {
        if (one->offset >= info.st_size)
            return TURN_END;
        int64_t left = info.st_size - one->offset;
        ssize_t got =
            pread(one->fd, streams->piece, left < PIECE ? (size_t)left : PIECE, one->offset);
        if (got <= 0)
            return got == 0 ? TURN_END : TURN_BROKEN;
        if (http_respond_write(one->exchange, slice_of(streams->piece, (size_t)got), &queued, err) <
            0)
            return TURN_BROKEN;
        one->offset += got;
    }
    return queued > HTTP_WRITE_HIGH ? TURN_IDLE : TURN_MORE; /* the client's turn, or ours again */
}

static enum turn take_turn(struct log_streams *streams, struct reader_of_log *one, bool stopping,
                           struct err *err)
{
    /* asked before the last look, so that no line is missed */
    bool goes_on = one->follow && !stopping && keeper_has(streams->keeper, one->app);
    enum turn turn = send_new(streams, one, err);
    if (turn == TURN_END && open_next(one, err))
        turn = send_new(streams, one, err);
    if (err->kind != ERR_NONE)
        return TURN_BROKEN;
    if (turn == TURN_END && goes_on)
        return TURN_IDLE;
    return stopping && turn != TURN_END ? TURN_BROKEN : turn; /* a part must not look whole */
}

/* What was not ended becomes an error for the client when it is released. */
static void finish(struct log_streams *streams, struct reader_of_log *one, bool good)
{
    struct err err = ERR_INIT;
    if (good && http_respond_end(one->exchange, &err) < 0)
        log_debug("api: log of %s: %s", one->app, err.message);
    http_release(one->exchange);
    slots_give(streams->slots, SLOT_LOG, one->owner);
    fd_close(one->fd);
    free(one->path);
    free(one);
}

/* --- the thread --- */

/* True: some have more to send at once. */
static bool serve_all(struct log_streams *streams, bool stopping)
{
    bool more = false;
    for (struct reader_of_log **place = &streams->list; *place != NULL;) {
        struct err err = ERR_INIT;
        struct reader_of_log *one = *place;
        enum turn turn = take_turn(streams, one, stopping, &err);
        more |= turn == TURN_MORE;
        if (turn == TURN_BROKEN)
            log_debug("api: log of %s: %s", one->app, err.message);
        if (turn == TURN_IDLE || turn == TURN_MORE) {
            place = &one->next;
            continue;
        }
        *place = one->next;
        finish(streams, one, turn == TURN_END);
    }
    return more;
}

static void take_arrivals(struct log_streams *streams)
{
    while (streams->arriving != NULL) {
        struct reader_of_log *one = streams->arriving;
        streams->arriving = one->next;
        one->next = streams->list;
        streams->list = one;
    }
}

/* Until there is something to do. False: the end. */
static bool wait_for_work(struct log_streams *streams, bool more)
{
    const struct timespec until = clock_deadline_us(LOOK_US);
    lock_acquire(&streams->lock);
    int waited = 0;
    while (!more && !streams->woken && !streams->stop && waited == 0) {
        if (streams->list == NULL)
            lock_wait(&streams->lock, &streams->wake);
        else
            waited = lock_wait_until(&streams->lock, &streams->wake, &until);
    }
    streams->woken = false;
    take_arrivals(streams);
    bool go_on = !streams->stop;
    lock_release(&streams->lock);
    return go_on;
}

static void *streams_main(void *argument)
{
    struct log_streams *streams = argument;
    bool more = false;
    while (wait_for_work(streams, more))
        more = serve_all(streams, atomic_load(streams->stopping));
    (void)serve_all(streams, true);
    return NULL;
}

/* --- from other threads --- */

void log_streams_wake(struct log_streams *streams)
{
    lock_acquire(&streams->lock);
    streams->woken = true;
    (void)pthread_cond_signal(&streams->wake);
    lock_release(&streams->lock);
}

int log_streams_add(struct log_streams *streams, const struct log_stream *stream, int *fd,
                    struct err *err)
{
    AUTO_FREE char *path = str_copy(stream->path, err);
    struct reader_of_log *one = path != NULL ? mem_alloc(sizeof(*one), err) : NULL;
    if (one == NULL)
        return -1;
    *one = (struct reader_of_log){.exchange = stream->exchange,
                                  .fd = *fd,
                                  .path = path,
                                  .offset = stream->offset,
                                  .follow = stream->follow};
    (void)snprintf(one->app, sizeof(one->app), "%s", stream->app);
    (void)snprintf(one->owner, sizeof(one->owner), "%s", stream->owner);
    lock_acquire(&streams->lock);
    bool stop = streams->stop;
    if (!stop) {
        one->next = streams->arriving;
        streams->arriving = one;
        streams->woken = true;
        (void)pthread_cond_signal(&streams->wake);
    }
    lock_release(&streams->lock);
    if (stop) {
        free(one);
        return FAIL(err, ERR_INTERRUPTED, "the node is stopping");
    }
    (void)STEAL(path);
    *fd = -1;
    return 0;
}

/* --- life --- */

int log_streams_new(struct keeper *keeper, struct slots *slots, const atomic_bool *stopping,
                    struct log_streams **ret, struct err *err)
{
    struct log_streams *streams = mem_alloc(sizeof(*streams), err);
    if (streams == NULL)
        return -1;
    streams->keeper = keeper;
    streams->slots = slots;
    streams->stopping = stopping;
    lock_init(&streams->lock, LOCK_LOG_STREAMS);
    clock_cond_init(&streams->wake);
    streams->piece = mem_alloc(PIECE, err);
    int failed = -1;
    if (streams->piece != NULL) {
        failed = pthread_create(&streams->thread, NULL, streams_main, streams);
        if (failed != 0)
            (void)FAIL(err, ERR_MEMORY, "cannot start the thread of the logs");
    }
    if (failed == 0) {
        *ret = streams;
        return 0;
    }
    streams->stop = true; /* there is no thread to join */
    log_streams_free(streams);
    return -1;
}

void log_streams_stop(struct log_streams *streams)
{
    if (streams == NULL)
        return;
    lock_acquire(&streams->lock);
    streams->stop = true;
    (void)pthread_cond_signal(&streams->wake);
    lock_release(&streams->lock);
    (void)pthread_join(streams->thread, NULL);
}

void log_streams_free(struct log_streams *streams)
{
    if (streams == NULL)
        return;
    (void)pthread_cond_destroy(&streams->wake);
    lock_done(&streams->lock);
    free(streams->piece);
    free(streams);
}
