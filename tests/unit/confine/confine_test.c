// SPDX-License-Identifier: Apache-2.0
/*
 * Each test forks a child that confines itself and does one thing; the parent looks at how the
 * child ended and what it reported. The calls are raw system calls too, from the main thread,
 * another thread, a signal handler and other ABIs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct outcome run(child_function child)
{
    return run_in(CONFINE_END, child);
}

static void assert_forbidden(child_function child, const char *call)
{
    struct outcome outcome = run(child);
    char expected[128];
    (void)snprintf(expected, sizeof(expected),
                   "{\"event\":\"forbidden\",\"call\":\"%s\",\"thread\":", call);
    if (!str_starts_with(outcome.report, expected))
        fail_msg("expected %s, found '%s', status %#x", expected, outcome.report,
                 (unsigned)outcome.status);
    assert_non_null(strstr(outcome.report, "\nhook "));
    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), CONFINE_EXIT_STATUS);
}

static void assert_works(child_function child)
{
    static const enum confine_new_processes modes[] = {CONFINE_REFUSE, CONFINE_END};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct outcome outcome = run_in(modes[i], child);
        if (!WIFEXITED(outcome.status) || WEXITSTATUS(outcome.status) != CHILD_OK)
            fail_msg("status %#x: %s", (unsigned)outcome.status, outcome.report);
    }
}

static void assert_killed(child_function child)
{
    assert_true(WIFSIGNALED(run_in(CONFINE_REFUSE, child).status));
    assert_true(WIFSIGNALED(run_in(CONFINE_END, child).status));
}

/* --- calls that end the app --- */

static int raw_fork(void)
{
    return (int)syscall(SYS_fork) == -1 ? CHILD_WRONG : CHILD_OK;
}

static int raw_vfork(void)
{
    return (int)syscall(SYS_vfork) == -1 ? CHILD_WRONG : CHILD_OK;
}

static int raw_clone(void)
{
    return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) == -1 ? CHILD_WRONG : CHILD_OK;
}

static int libc_fork(void)
{
    return fork() == -1 ? CHILD_WRONG : CHILD_OK;
}

static int libc_posix_spawn(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    pid_t pid;
    return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL) == 0 ? CHILD_OK : CHILD_WRONG;
}

static int libc_popen(void)
{
    FILE *(*open_pipe)(const char *, const char *) = popen;
    return open_pipe("true", "r") == NULL ? CHILD_WRONG : CHILD_OK;
}

static int libc_execve(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    return execve("/bin/true", argv, NULL);
}

static int raw_execveat(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    return (int)syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0);
}

static void *fork_in_thread(void *argument)
{
    (void)syscall(SYS_fork);
    return argument;
}

static int thread_fork(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fork_in_thread, NULL) == 0)
        (void)pthread_join(thread, NULL);
    return CHILD_OK;
}

static void fork_in_handler(int number)
{
    (void)number;
    (void)syscall(SYS_fork);
}

static int handler_fork(void)
{
    struct sigaction action = {.sa_handler = fork_in_handler};
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)raise(SIGUSR1);
    return CHILD_OK;
}

static int blocked_signals_fork(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    return raw_fork();
}

static void return_from_handler(int number)
{
    (void)number;
}

static int handled_sigsys_fork(void)
{
    struct sigaction action = {.sa_handler = return_from_handler};
    (void)sigaction(SIGSYS, &action, NULL);
    return raw_fork();
}

static int self_answered_fork(void)
{
    (void)answer_in_our_place(NULL);
    return raw_fork();
}

static void test_forbidden(void **state)
{
    const struct {
        child_function child;
        const char *call;
    } cases[] = {
        {raw_fork, "fork"},           {raw_vfork, "vfork"},           {raw_clone, "fork"},
        {libc_fork, "fork"},          {libc_posix_spawn, "vfork"},    {libc_popen, "vfork"},
        {libc_execve, "execve"},      {raw_execveat, "execveat"},     {thread_fork, "fork"},
        {handler_fork, "fork"},       {blocked_signals_fork, "fork"}, {handled_sigsys_fork, "fork"},
        {self_answered_fork, "fork"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_forbidden(cases[i].child, cases[i].call);
}

/* --- other ABIs --- */

static int x32_fork(void)
{
    (void)syscall(0x40000000 | SYS_getpid);
    return CHILD_OK;
}

static int i386_getpid(void)
{
    long result = 20; /* getpid of i386 */
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return CHILD_OK;
}

static void test_other_abis(void **state)
{
    assert_killed(x32_fork);
    assert_killed(i386_getpid);
}

/* --- calls that fail --- */

static int denied_calls(void)
{
    static const int calls[] = {
        SYS_ptrace,
        SYS_mount,
        SYS_umount2,
        SYS_pivot_root,
        SYS_fsopen,
        SYS_fsmount,
        SYS_move_mount,
        SYS_open_tree,
        SYS_mount_setattr,
        SYS_bpf,
        SYS_kexec_load,
        SYS_kexec_file_load,
        SYS_keyctl,
        SYS_add_key,
        SYS_request_key,
        SYS_unshare,
        SYS_setns,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_process_vm_readv,
        SYS_init_module,
        SYS_finit_module,
        SYS_process_vm_writev,
        SYS_delete_module,
        SYS_io_uring_setup,
        SYS_pidfd_getfd,
        SYS_personality,
        SYS_swapon,
        SYS_reboot,
        SYS_quotactl,
        SYS_acct,
        SYS_settimeofday,
        SYS_clock_settime,
        SYS_seccomp,
        SYS_chroot,
        SYS_open_by_handle_at,
        SYS_move_pages,
        SYS_migrate_pages,
        SYS_process_madvise,
        448, /* process_mrelease */
        SYS_pidfd_send_signal,
        SYS_tkill,
        457, /* statmount */
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        errno = 0;
        if (syscall(calls[i], 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM) {
            (void)dprintf(status_fd, "call %d: errno %d", calls[i], errno);
            return CHILD_WRONG;
        }
    }
    return CHILD_OK;
}

/* Also every call of a kernel that is younger than the filter. */
static int some_calls_are_absent(void)
{
    static const int calls[] = {SYS_clone3, 463, 467 /* open_tree_attr */, 470 /* listns */, 511};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        errno = 0;
        if (syscall(calls[i], -1, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS) {
            (void)dprintf(status_fd, "call %d: errno %d", calls[i], errno);
            return CHILD_WRONG;
        }
    }
    return CHILD_OK;
}

static int denied_ioctls(void)
{
    char byte = 'x';
    if (ioctl(0, TIOCSTI, &byte) != -1 || errno != EPERM)
        return CHILD_WRONG;
    /* the kernel looks at the low half only, and so must the filter */
    if (syscall(SYS_ioctl, 0L, (1L << 32) | TIOCSTI, &byte) != -1 || errno != EPERM)
        return CHILD_WRONG;
    /* of ADDFD it looks at type and number: any size, any direction */
    static const unsigned long requests[] = {SECCOMP_IOCTL_NOTIF_SEND,
                                             SECCOMP_IOCTL_NOTIF_ADDFD,
                                             0x40202103,
                                             0x00182103,
                                             0xc0182103,
                                             0x2103,
                                             0x40082104 /* SET_FLAGS */,
                                             0x2101,
                                             0x2102};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        char request[64] = {0};
        errno = 0;
        if (syscall(SYS_ioctl, 0L, requests[i], request) != -1 || errno != EPERM) {
            (void)dprintf(status_fd, "ioctl %lx: errno %d", requests[i], errno);
            return CHILD_WRONG;
        }
    }
    return CHILD_OK;
}

static int sockets(void)
{
    static const struct {
        int family;
        int kind;
        int protocol;
        bool works;
    } cases[] = {
        {AF_UNIX, SOCK_STREAM, 0, true},
        {AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, true},
        {AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, true},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, true},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDP, true},
        {AF_INET6, SOCK_STREAM, 0, true},
        {AF_NETLINK, SOCK_RAW, 0, true},
        {AF_NETLINK, SOCK_RAW, 9, false},
        {AF_NETLINK, SOCK_RAW, 16, false},
        {AF_INET, SOCK_RAW, IPPROTO_ICMP, false},
        {AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP, false},
        {AF_INET6, SOCK_RAW, IPPROTO_RAW, false},
        {AF_INET, SOCK_DGRAM, IPPROTO_ICMP, false},
        {AF_INET, SOCK_STREAM, 132, false},
        {AF_INET, SOCK_STREAM, 262, false},
        {AF_INET, SOCK_STREAM, 256 /* SMC */, false},
        {AF_INET, SOCK_DGRAM, 115 /* L2TP */, false},
        {AF_INET6, SOCK_DGRAM, 115, false},
        {AF_INET6, SOCK_DGRAM, 2 /* IGMP */, false},
        {AF_INET, 11, IPPROTO_TCP, false},
        {AF_INET, SOCK_RDM, 0, false},
        {0, SOCK_STREAM, 0, false},
        {AF_TIPC, SOCK_STREAM, 0, false},
        {45 /* of the future */, SOCK_STREAM, 0, false},
        {AF_PACKET, SOCK_RAW, 0, false},
        {AF_VSOCK, SOCK_STREAM, 0, false},
        {AF_ALG, SOCK_SEQPACKET, 0, false},
        {AF_KEY, SOCK_RAW, 2, false},
        {AF_BLUETOOTH, SOCK_RAW, 0, false},
        {AF_X25, SOCK_SEQPACKET, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        errno = 0;
        int fd = socket(cases[i].family, cases[i].kind, cases[i].protocol);
        bool denied = fd < 0 && errno == EPERM;
        fd_close(fd);
        if (denied == cases[i].works) {
            (void)dprintf(status_fd, "socket %zu: errno %d", i, errno);
            return CHILD_WRONG;
        }
    }
    return CHILD_OK;
}

static int pairs(void)
{
    static const int families[] = {AF_INET, AF_INET6,     AF_NETLINK, AF_TIPC, AF_ALG,
                                   AF_RDS,  AF_PPPOX,     AF_KCM,     AF_CAN,  AF_VSOCK,
                                   0,       44 /* XDP */, 45};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return CHILD_WRONG;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        errno = 0;
        if (socketpair(families[i], SOCK_STREAM, 0, fds) != -1 || errno != EPERM) {
            (void)dprintf(status_fd, "family %d: errno %d", families[i], errno);
            return CHILD_WRONG;
        }
    }
    return CHILD_OK;
}

/* An interface is not to be named: the routes decide. */
static int socket_options(void)
{
    static const struct {
        int level;
        int name;
        bool works;
    } cases[] = {
        {SOL_SOCKET, SO_REUSEADDR, true},        {SOL_SOCKET, SO_BINDTODEVICE, false},
        {SOL_SOCKET, 62 /* IFINDEX */, false},   {IPPROTO_IP, IP_TTL, true},
        {IPPROTO_IP, IP_UNICAST_IF, false},      {IPPROTO_IP, IP_OPTIONS, false},
        {IPPROTO_IPV6, 76 /* UNICAST */, false}, {IPPROTO_IPV6, IPV6_RTHDR, false},
    };
    char value[16] = {1};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        errno = 0;
        /* the kernel looks at the low halves only */
        long result = syscall(SYS_setsockopt, fd, (1L << 32) | cases[i].level,
                              (1L << 32) | cases[i].name, value, 4L);
        if ((result == 0) != cases[i].works || (result != 0 && errno != EPERM)) {
            (void)dprintf(status_fd, "option %zu: errno %d", i, errno);
            return CHILD_WRONG;
        }
    }
    return CHILD_OK;
}

/* The test's own process is everybody else's here, and has the same user. */
static int signals_to_others(void)
{
    const siginfo_t info = {.si_code = SI_QUEUE};
    const pid_t others[] = {getppid(), 1, 0, -1, -getpid()};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        errno = 0;
        if (kill(others[i], 0) != -1 || errno != EPERM)
            return CHILD_WRONG;
        errno = 0;
        if (syscall(SYS_rt_sigqueueinfo, others[i], 0, &info) != -1 || errno != EPERM)
            return CHILD_WRONG;
    }
    errno = 0;
    if (syscall(SYS_tgkill, getppid(), getppid(), 0) != -1 || errno != EPERM)
        return CHILD_WRONG;
    return kill(getpid(), 0) == 0 && pthread_kill(pthread_self(), 0) == 0 ? CHILD_OK : CHILD_WRONG;
}

static bool is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

/* A descriptor's owner gets its signal, which may be SIGKILL: another way to send one. */
static int descriptors_signal_no_others(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        fcntl(pair[0], F_SETSIG, SIGKILL) < 0)
        return CHILD_WRONG;
    const pid_t others[] = {getppid(), 1, -1, -getpid()};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = others[i]};
        pid_t other = others[i];
        if (!is_refused(fcntl(pair[0], F_SETOWN, other)) ||
            !is_refused(fcntl(pair[0], F_SETOWN_EX, &owner)) ||
            !is_refused(ioctl(pair[0], FIOSETOWN, &other)) ||
            !is_refused(ioctl(pair[0], SIOCSPGRP, &other)))
            return CHILD_WRONG;
    }
    /* the kernel looks at the low half of the number only */
    if (!is_refused(syscall(SYS_fcntl, (long)pair[0], (1L << 32) | F_SETOWN, (long)getppid())) ||
        !is_refused(syscall(SYS_fcntl, (long)pair[0], (long)F_SETOWN, (1L << 32) | getppid())))
        return CHILD_WRONG;
    return fcntl(pair[0], F_SETOWN, getpid()) == 0 && fcntl(pair[0], F_GETOWN) == getpid()
               ? CHILD_OK
               : CHILD_WRONG;
}

static int limits_of_others(void)
{
    const pid_t others[] = {getppid(), 1};
    const struct rlimit none = {0};
    struct rlimit own;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (!is_refused(prlimit(others[i], RLIMIT_CPU, &none, NULL)) ||
            !is_refused(prlimit(others[i], RLIMIT_CORE, NULL, &own)))
            return CHILD_WRONG;
    }
    return getrlimit(RLIMIT_NOFILE, &own) == 0 && setrlimit(RLIMIT_NOFILE, &own) == 0 ? CHILD_OK
                                                                                      : CHILD_WRONG;
}

static int nothing_comes_back(void)
{
    struct rlimit core;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || getrlimit(RLIMIT_CORE, &core) < 0 ||
        core.rlim_max > 1)
        return CHILD_WRONG;
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int empty = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strcmp(line, "CapInh:\t0000000000000000\n") == 0 ||
            strcmp(line, "CapPrm:\t0000000000000000\n") == 0 ||
            strcmp(line, "CapEff:\t0000000000000000\n") == 0 ||
            strcmp(line, "CapAmb:\t0000000000000000\n") == 0)
            empty++;
    }
    if (file != NULL)
        (void)fclose(file);
    return empty == 4 ? CHILD_OK : CHILD_WRONG;
}

static void test_denied(void **state)
{
    assert_works(denied_calls);
    assert_works(some_calls_are_absent);
    assert_works(denied_ioctls);
    assert_works(sockets);
    assert_works(pairs);
    assert_works(socket_options);
    assert_works(signals_to_others);
    assert_works(descriptors_signal_no_others);
    assert_works(limits_of_others);
    assert_works(nothing_comes_back);
}

/* --- what an app needs --- */

static void *count_up(void *argument)
{
    __atomic_add_fetch((int *)argument, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static int threads_work(void)
{
    pthread_t threads[16];
    int count = 0;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        if (pthread_create(&threads[i], NULL, count_up, &count) != 0)
            return CHILD_WRONG;
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        (void)pthread_join(threads[i], NULL);
    return count == 16 ? CHILD_OK : CHILD_WRONG;
}

static int polling_works(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int events = eventfd(1, EFD_CLOEXEC);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, events, &event) < 0)
        return CHILD_WRONG;
    return epoll_wait(poll_fd, &event, 1, 5000) == 1 ? CHILD_OK : CHILD_WRONG;
}

/* What the server sends files with. */
static int sending_files_works(void)
{
    static const char text[] = "a file";
    char path[] = "/tmp/mse-confine-XXXXXX";
    char got[sizeof(text)] = "";
    int pair[2];
    int fd = mkstemp(path);
    (void)unlink(path);
    if (write(fd, text, sizeof(text)) != sizeof(text) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return CHILD_WRONG;
    off_t offset = 0;
    bool same = sendfile(pair[0], fd, &offset, sizeof(text)) == sizeof(text) &&
                recv(pair[1], got, sizeof(got), 0) == sizeof(text) && strcmp(got, text) == 0;
    fd_close(fd);
    fd_close(pair[0]);
    fd_close(pair[1]);
    return same ? CHILD_OK : CHILD_WRONG;
}

static int memory_works(void)
{
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ) < 0)
        return CHILD_WRONG;
    return munmap(memory, 1 << 20) == 0 ? CHILD_OK : CHILD_WRONG;
}

static int sqlite_works(void)
{
    char path[] = "/tmp/mse-confine-XXXXXX";
    int fd = mkstemp(path);
    sqlite3 *database = NULL;
    fd_close(fd);
    int result = sqlite3_open(path, &database);
    if (result == SQLITE_OK)
        result = sqlite3_exec(
            database, "pragma journal_mode=wal; create table t(x); insert into t values(1);", NULL,
            NULL, NULL);
    (void)sqlite3_close(database);
    (void)unlink(path);
    return result == SQLITE_OK ? CHILD_OK : CHILD_WRONG;
}

static int signals_work(void)
{
    struct sigaction action = {.sa_handler = return_from_handler};
    return sigaction(SIGTERM, &action, NULL) == 0 && kill(getpid(), SIGTERM) == 0 ? CHILD_OK
                                                                                  : CHILD_WRONG;
}

static void test_what_must_work(void **state)
{
    assert_works(threads_work);
    assert_works(polling_works);
    assert_works(sending_files_works);
    assert_works(memory_works);
    assert_works(sqlite_works);
    assert_works(signals_work);
}

/* --- misuse --- */

static void *wait_for_ever(void *argument)
{
    (void)pause();
    return argument;
}

static void test_refuses_with_threads(void **state)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    int status = 0;
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct confine_options options = {.status_fd = -1};
        struct err err = ERR_INIT;
        pthread_t thread;
        (void)pthread_create(&thread, NULL, wait_for_ever, NULL);
        _exit(confine_self(&options, &err) == -1 && err.kind == ERR_CONFLICT ? CHILD_OK
                                                                             : CHILD_WRONG);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int close_the_guard(void)
{
    for (int fd = 3; fd < 64; fd++) {
        if (fd != status_fd)
            (void)close(fd);
    }
    pid_t pid = (pid_t)syscall(SYS_fork);
    return pid == -1 ? CHILD_OK : CHILD_WRONG;
}

/* Closing the listener's descriptor wins nothing: no process, or the end. */
static void test_closed_guard(void **state)
{
    struct outcome outcome = run(close_the_guard);
    assert_true(WIFEXITED(outcome.status));
    assert_int_not_equal(WEXITSTATUS(outcome.status), CHILD_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_other_abis),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_what_must_work),
        cmocka_unit_test(test_refuses_with_threads),
        cmocka_unit_test(test_closed_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
