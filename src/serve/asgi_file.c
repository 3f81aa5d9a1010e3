// SPDX-License-Identifier: Apache-2.0
/*
 * A file as the body of an ASGI response (http.response.pathsend). Sending it blocks on the disk
 * and on the client, so each has a thread of its own for as long as it takes; the loop is told by
 * an event. Whichever ends later, the thread or the request, releases the exchange. The thread is
 * there before the response's head is: where none is to be had, the app hears of it while it can
 * still answer something else.
 */
#include "serve/asgi.h"

#include "base/fd.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

enum { STACK_SIZE = 256 * 1024 };

struct file_send {
    struct asgi_request *request;
    struct http_exchange *exchange;
    int fd;
    int64_t length;
    sem_t decided; /* whether the thread is to send */
    bool dropped;
};

static void free_send(struct file_send *send)
{
    fd_close(send->fd);
    (void)sem_destroy(&send->decided);
    free(send);
}

static void send_file(struct file_send *send)
{
    struct err err = ERR_INIT;
    int status = http_respond_file_wait(send->exchange, send->fd, 0, send->length, &err);
    asgi_request_answered(send->request);
    if (status == 0)
        status = http_respond_end(send->exchange, &err);
    if (status < 0)
        http_abort(send->exchange);
    fd_close(send->fd);
    send->fd = -1;
    asgi_file_ended(send->request, status == 0 ? ERR_NONE : err.kind);
}

static void *file_main(void *argument)
{
    struct file_send *send = argument;
    (void)pthread_setname_np(pthread_self(), "mse-file");
    while (sem_wait(&send->decided) < 0)
        continue; /* EINTR */
    if (!send->dropped)
        send_file(send);
    free_send(send);
    return NULL;
}

/* The errno of pthread_create. Signals are for other threads. */
static int start_thread(struct file_send *send)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    pthread_t thread;
    (void)sigfillset(&all);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&thread, &attributes, file_main, send);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return errnum;
}

struct file_send *asgi_file_prepare(struct asgi_request *request, int fd, int64_t length)
{
    struct file_send *send = mem_alloc(sizeof(*send), NULL);
    if (send == NULL) {
        (void)close(fd);
        (void)PyErr_NoMemory();
        return NULL;
    }
    *send = (struct file_send){
        .request = request, .exchange = request->exchange, .fd = fd, .length = length};
    (void)sem_init(&send->decided, 0, 0);
    errno = start_thread(send);
    if (errno == 0)
        return send;
    (void)PyErr_SetFromErrno(PyExc_OSError);
    free_send(send);
    return NULL;
}

void asgi_file_begin(struct file_send *send)
{
    asgi_file_began(send->request);
    (void)sem_post(&send->decided);
}

void asgi_file_drop(struct file_send *send)
{
    send->dropped = true;
    (void)sem_post(&send->decided);
}
