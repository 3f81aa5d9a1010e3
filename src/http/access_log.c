// SPDX-License-Identifier: Apache-2.0
/*
 * The writer of the access log: two buffers, one that is filled and one that is written. A lock is
 * held to copy a line or to exchange them, never while anything is written. Runs in the enclave.
 */
#include "http/access_log.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/rotating_file.h"
#include "http/access_format.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum {
    BUFFER_SIZE = 256 * 1024,
    GATHER_MS = 50, /* between two writes, unless a buffer is half full */
};

struct buffer {
    char *bytes;
    size_t len;
    uint64_t lines;
};

struct access_log {
    const struct access_format *format;
    struct rotating_file file; /* or fd */
    bool use_file;
    int fd;
    pthread_t thread;
    struct lock lock;
    pthread_cond_t wake;
    struct buffer filling;
    struct buffer writing; /* the writer's alone */
    bool waiting;          /* the writer sleeps until there is anything */
    bool stopping;
    uint64_t dropped; /* atomic */
};

/* --- the writer --- */

static void gather_locked(struct access_log *log)
{
    const struct timespec until = clock_deadline_us(GATHER_MS * 1000);
    int waited = 0;
    while (waited == 0 && !log->stopping && log->filling.len < BUFFER_SIZE / 2)
        waited = lock_wait_until(&log->lock, &log->wake, &until);
}

/* False: there is nothing left and nothing will come. */
static bool take(struct access_log *log)
{
    lock_acquire(&log->lock);
    while (log->filling.len == 0 && !log->stopping) {
        log->waiting = true;
        lock_wait(&log->lock, &log->wake);
    }
    log->waiting = false;
    if (!log->stopping)
        gather_locked(log);
    struct buffer empty = log->writing;
    log->writing = log->filling;
    log->filling = empty;
    lock_release(&log->lock);
    return log->writing.len > 0;
}

static void *write_lines(void *argument)
{
    struct access_log *log = argument;
    struct err ignored = ERR_INIT; /* what is lost is counted: where would one complain? */
    while (take(log)) {
        struct slice lines = slice_of(log->writing.bytes, log->writing.len);
        int result = log->use_file ? rotating_file_write(&log->file, lines, &ignored)
                                   : fd_write_all(log->fd, lines, &ignored);
        if (result < 0)
            (void)__atomic_add_fetch(&log->dropped, log->writing.lines, __ATOMIC_RELAXED);
        log->writing.len = 0;
        log->writing.lines = 0;
    }
    return NULL;
}

/* --- life --- */

static void free_log(struct access_log *log)
{
    if (log->use_file)
        rotating_file_close(&log->file);
    (void)pthread_cond_destroy(&log->wake);
    lock_done(&log->lock);
    free(log->filling.bytes);
    free(log->writing.bytes);
    free(log);
}

static int start_writer(struct access_log *log, struct err *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int result = pthread_create(&log->thread, NULL, write_lines, log);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return (err_set(err, ERR_IO, result, "cannot start the access log's thread"), -1);
    (void)pthread_setname_np(log->thread, "mse-access-log");
    return 0;
}

static int prepare(struct access_log *log, const struct access_log_config *config, struct err *err)
{
    if (access_format_by_name(config->format, &log->format, err) < 0)
        return -1;
    log->filling.bytes = mem_resize_array(NULL, BUFFER_SIZE, 1, err);
    log->writing.bytes = mem_resize_array(NULL, BUFFER_SIZE, 1, err);
    if (log->filling.bytes == NULL || log->writing.bytes == NULL)
        return -1;
    log->fd = config->fd;
    if (config->path != NULL &&
        rotating_file_open(&log->file, config->path, config->max_bytes, err) < 0)
        return -1;
    log->use_file = config->path != NULL;
    return start_writer(log, err);
}

int access_log_new(const struct access_log_config *config, struct access_log **ret, struct err *err)
{
    struct access_log *log = mem_alloc(sizeof(*log), err);
    if (log == NULL)
        return -1;
    clock_cond_init(&log->wake);
    lock_init(&log->lock, LOCK_ACCESS_LOG);
    if (prepare(log, config, err) < 0) {
        free_log(log);
        return FAIL_CONTEXT(err, "access log");
    }
    *ret = log;
    return 0;
}

void access_log_free(struct access_log *log)
{
    if (log == NULL)
        return;
    lock_acquire(&log->lock);
    log->stopping = true;
    (void)pthread_cond_signal(&log->wake);
    lock_release(&log->lock);
    (void)pthread_join(log->thread, NULL);
    free_log(log);
}

/* --- any thread --- */

void access_log_append(struct access_log *log, const struct access_record *record)
{
    char line[ACCESS_LINE_MAX];
    size_t len = access_format_line(log->format, record, line);
    lock_acquire(&log->lock);
    struct buffer *to = &log->filling;
    bool fits = len <= BUFFER_SIZE - to->len;
    bool was_half_full = to->len >= BUFFER_SIZE / 2;
    if (fits) {
        memcpy(to->bytes + to->len, line, len);
        to->len += len;
        to->lines++;
    }
    bool wake = fits && (log->waiting || (!was_half_full && to->len >= BUFFER_SIZE / 2));
    log->waiting = log->waiting && !fits;
    lock_release(&log->lock);
    if (wake)
        (void)pthread_cond_signal(&log->wake);
    if (!fits)
        (void)__atomic_add_fetch(&log->dropped, 1, __ATOMIC_RELAXED);
}

uint64_t access_log_dropped(const struct access_log *log)
{
    return __atomic_load_n(&log->dropped, __ATOMIC_RELAXED);
}
