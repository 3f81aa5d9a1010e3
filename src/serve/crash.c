// SPDX-License-Identifier: Apache-2.0
/*
 * Last words of a process that crashes: which signal, and the Python traceback of every thread, the
 * one that crashed first. Then the signal does what it would have done. Where the app enables
 * Python's faulthandler, that takes the place of this. Runs in the enclave, in a signal handler of
 * the thread that crashed.
 */
#include "serve/internal.h"

#include "serve/traceback.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_SIZE = 64 << 10,
    WAITS = 200, /* of a thread that crashes while another's last words are written */
    WAIT_NS = 10 * 1000 * 1000,
};

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};

static atomic_int crashing; /* the thread whose crash is being told */

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void tell(int number, pid_t self)
{
    say("mse: the app's process crashed with SIG");
    say(sigabbrev_np(number));
    say("\n");
    serve_print_tracebacks(self);
}

/* The same signal again, in here, ends the process at once: it is blocked. */
static void on_crash(int number)
{
    pid_t self = gettid();
    int nobody = 0;
    if (atomic_compare_exchange_strong(&crashing, &nobody, self)) {
        tell(number, self);
    } else if (nobody != self) {
        static const struct timespec wait = {.tv_nsec = WAIT_NS};
        for (int i = 0; i < WAITS; i++)
            (void)nanosleep(&wait, NULL); /* the process ends under us */
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void crash_handlers_install(void)
{
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++) {
        struct sigaction old;
        if (sigaction(crash_signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            (void)sigaction(crash_signals[i], &action, NULL);
    }
}

void *crash_stack_begin(void)
{
    void *memory =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    const stack_t stack = {.ss_sp = memory, .ss_size = STACK_SIZE};
    if (sigaltstack(&stack, NULL) == 0)
        return memory;
    (void)munmap(memory, STACK_SIZE);
    return NULL;
}

void crash_stack_end(void *stack)
{
    static const stack_t none = {.ss_flags = SS_DISABLE};
    if (stack == NULL)
        return;
    (void)sigaltstack(&none, NULL);
    (void)munmap(stack, STACK_SIZE);
}
