// SPDX-License-Identifier: Apache-2.0
/*
 * The seccomp filter of an app: of the system calls known here everything is allowed but what
 * stands in these tables; calls of later kernels, families of sockets and protocols are allowed
 * only by name. Three kinds of no:
 *
 *   - announced: the call for a new process. The kernel stops the thread and asks a listener
 *     (seccomp_unotify(2)), which refuses the call (guard.c) or ends the app (confine.c); not with
 *     SIGSYS: glibc's fork() and posix_spawn() and Python's subprocess block all signals around the
 *     call, and a blocked SIGSYS kills without a word about the call.
 *   - denied: fails with EPERM. Programs probe some of these and go on without.
 *   - absent: fails with ENOSYS, as on an older kernel. clone3, because its flags lie in memory
 * that a filter cannot read (glibc then uses clone, whose flags are visible), and every call that
 * is younger than this table.
 *
 * Other ABIs (i386, x32) number calls differently: any call through them kills the process.
 * Runs inside the enclave.
 */
#include "confine/filter.h"

#include "base/fd.h"
#include "base/mem.h"

#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/in.h>

DEFINE_CLEANUP(filter_context_cleanup, scmp_filter_ctx, seccomp_release)
#define AUTO_FILTER __attribute__((cleanup(filter_context_cleanup)))

enum {
    SOCK_KIND_MASK = 0xf,
    /* mseal, of Linux 6.10: what comes after it has not been looked at. Those of the ABI x32, which
     * is closed, begin at 512 (Linux, arch/x86/entry/syscalls/syscall_64.tbl). */
    LAST_KNOWN_CALL = 462,
    LAST_POSSIBLE_CALL = 511,
};

struct announced_call {
    int number;
    const char *name;
    bool unless_thread; /* only without CLONE_THREAD */
};

static const struct announced_call announced_calls[] = {
    {SCMP_SYS(fork), "fork", false},         {SCMP_SYS(vfork), "vfork", false},
    {SCMP_SYS(clone), "clone", true},        {SCMP_SYS(execve), "execve", false},
    {SCMP_SYS(execveat), "execveat", false},
};

/* Each fails with EPERM whatever its arguments are. */
static const int denied_calls[] = {
    /* other processes' memory, registers, descriptors */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(process_mrelease),
    SCMP_SYS(move_pages),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* signals to them: by a descriptor, or by a thread's number alone */
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(tkill),
    /* the file system's shape */
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(fanotify_init),
    457, /* statmount */
    458, /* listmount */
    /* namespaces */
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    /* the kernel itself */
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(syslog),
    SCMP_SYS(acct),
    SCMP_SYS(vhangup),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(personality),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(seccomp),
    /* keyrings */
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    /* the machine's clock and name */
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
};

/* Of these the first argument is a process, and must be this one: EPERM otherwise. */
static const int own_process_calls[] = {
    SCMP_SYS(kill),
    SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
};

/* The kernel takes these arguments as int, so only their low half is compared. */
struct denied_argument {
    int number;
    unsigned argument;
    uint32_t mask;
    uint32_t value;
};

static const struct denied_argument denied_arguments[] = {
    {SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCSTI},
    {SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCLINUX},
    /* whom a descriptor sends its signal (F_SETSIG), SIGKILL too: it may be any of the user's */
    {SCMP_SYS(ioctl), 1, UINT32_MAX, FIOSETOWN},
    {SCMP_SYS(ioctl), 1, UINT32_MAX, SIOCSPGRP},
    {SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETOWN_EX},
    {SCMP_SYS(prctl), 0, UINT32_MAX, 22 /* PR_SET_SECCOMP */},
};

/* Nobody answers the listener's question for us: an answer could be "let the call through". All but
 * receiving it is denied, by number and type alone: of some requests the kernel ignores size and
 * direction (Linux, kernel/seccomp.c, EA_IOCTL). */
enum {
    LISTENER_IOCTL_MASK = 0xffff,
    LISTENER_IOCTL_FIRST = SECCOMP_IOCTL_NOTIF_SEND & LISTENER_IOCTL_MASK,
    LISTENER_IOCTL_LAST = LISTENER_IOCTL_FIRST + 0x1e, /* ioctl-number.rst: '!' 00-1F */
};

/* Names an interface, or the way a packet takes, in place of the routes (launch/network.c). What
 * travels beside a message (IP_PKTINFO) cannot be seen here. */
struct denied_option {
    int level;
    int name;
};

static const struct denied_option denied_options[] = {
    {SOL_SOCKET, SO_BINDTODEVICE},
    {SOL_SOCKET, 62 /* SO_BINDTOIFINDEX */},
    {IPPROTO_IP, IP_UNICAST_IF},
    {IPPROTO_IP, IP_OPTIONS},
    {IPPROTO_IPV6, 76 /* IPV6_UNICAST_IF */},
    {IPPROTO_IPV6, IPV6_RTHDR},
};

/* Every socket that an app may have. Ascending. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
static const int internet_families[] = {AF_INET, AF_INET6};
static const int internet_kinds[] = {SOCK_STREAM, SOCK_DGRAM};
static const int internet_protocols[] = {0 /* the kind's own */, IPPROTO_TCP, IPPROTO_UDP};

static int rule(scmp_filter_ctx filter, uint32_t action, int number,
                const struct scmp_arg_cmp *arguments, unsigned count, struct err *err)
{
    int result = seccomp_rule_add_array(filter, action, number, count, arguments);
    if (result >= 0)
        return 0;
    errno = -result;
    return FAIL_ERRNO(err, ERR_INTERNAL, "seccomp filter: cannot add a rule for call number %d",
                      number);
}

static int add_announced(scmp_filter_ctx filter, uint32_t action, struct err *err)
{
    const struct scmp_arg_cmp not_a_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
    for (size_t i = 0; i < ARRAY_LEN(announced_calls); i++) {
        const struct announced_call *call = &announced_calls[i];
        if (rule(filter, action, call->number, &not_a_thread, call->unless_thread ? 1 : 0, err) < 0)
            return -1;
    }
    return rule(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), NULL, 0, err);
}

static int deny(scmp_filter_ctx filter, int number, const struct scmp_arg_cmp *arguments,
                unsigned count, struct err *err)
{
    return rule(filter, SCMP_ACT_ERRNO(EPERM), number, arguments, count, err);
}

static int add_unknown(scmp_filter_ctx filter, struct err *err)
{
    for (int number = LAST_KNOWN_CALL + 1; number <= LAST_POSSIBLE_CALL; number++) {
        if (rule(filter, SCMP_ACT_ERRNO(ENOSYS), number, NULL, 0, err) < 0)
            return -1;
    }
    return 0;
}

static int add_denied(scmp_filter_ctx filter, struct err *err)
{
    const struct scmp_arg_cmp another[] = {SCMP_A0(SCMP_CMP_NE, (uint64_t)getpid(), 0)};
    const struct scmp_arg_cmp for_another[] = {SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETOWN),
                                               SCMP_A2(SCMP_CMP_NE, (uint64_t)getpid(), 0)};
    const struct scmp_arg_cmp by_number[] = {SCMP_A0(SCMP_CMP_NE, 0, 0)};
    for (size_t i = 0; i < ARRAY_LEN(denied_calls); i++) {
        if (deny(filter, denied_calls[i], NULL, 0, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(own_process_calls); i++) {
        if (deny(filter, own_process_calls[i], another, 1, err) < 0)
            return -1;
    }
    /* Limits of another: RLIMIT_CPU ends it, RLIMIT_CORE lets its memory be dumped. 0 is oneself,
     * and a rule can compare an argument with one number only. */
    if (deny(filter, SCMP_SYS(prlimit64), by_number, 1, err) < 0)
        return -1;
    return deny(filter, SCMP_SYS(fcntl), for_another, 2, err);
}

static int add_denied_arguments(scmp_filter_ctx filter, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(denied_arguments); i++) {
        const struct denied_argument *denied = &denied_arguments[i];
        const struct scmp_arg_cmp match[] = {
            SCMP_CMP(denied->argument, SCMP_CMP_MASKED_EQ, denied->mask, denied->value)};
        if (deny(filter, denied->number, match, 1, err) < 0)
            return -1;
    }
    for (uint64_t request = LISTENER_IOCTL_FIRST; request <= LISTENER_IOCTL_LAST; request++) {
        const struct scmp_arg_cmp match[] = {
            SCMP_A1(SCMP_CMP_MASKED_EQ, LISTENER_IOCTL_MASK, request)};
        if (deny(filter, SCMP_SYS(ioctl), match, 1, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(denied_options); i++) {
        const struct scmp_arg_cmp match[] = {
            SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)denied_options[i].level),
            SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)denied_options[i].name)};
        if (deny(filter, SCMP_SYS(setsockopt), match, 2, err) < 0)
            return -1;
    }
    return 0;
}

static bool is_among(const int *list, size_t count, int value)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == value)
            return true;
    }
    return false;
}

static int add_socket_families(scmp_filter_ctx filter, struct err *err)
{
    const int last = families[ARRAY_LEN(families) - 1];
    const struct scmp_arg_cmp above[] = {SCMP_A0(SCMP_CMP_GT, (uint64_t)last, 0)};
    /* NETLINK_ROUTE is how getaddrinfo and if_nameindex look at the interfaces. */
    const struct scmp_arg_cmp netlink[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                                           SCMP_A2(SCMP_CMP_NE, 0, 0)};
    const struct scmp_arg_cmp not_unix[] = {SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0)};
    for (int family = 0; family < last; family++) {
        const struct scmp_arg_cmp match[] = {SCMP_A0(SCMP_CMP_EQ, (uint64_t)family, 0)};
        if (!is_among(families, ARRAY_LEN(families), family) &&
            deny(filter, SCMP_SYS(socket), match, 1, err) < 0)
            return -1;
    }
    if (deny(filter, SCMP_SYS(socket), above, 1, err) < 0 ||
        deny(filter, SCMP_SYS(socket), netlink, 2, err) < 0)
        return -1;
    return deny(filter, SCMP_SYS(socketpair), not_unix, 1, err);
}

static int add_internet_kinds(scmp_filter_ctx filter, uint64_t family, struct err *err)
{
    for (int kind = 0; kind <= SOCK_KIND_MASK; kind++) {
        const struct scmp_arg_cmp match[] = {
            SCMP_A0(SCMP_CMP_EQ, family, 0),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_KIND_MASK, (uint64_t)kind)};
        if (!is_among(internet_kinds, ARRAY_LEN(internet_kinds), kind) &&
            deny(filter, SCMP_SYS(socket), match, 2, err) < 0)
            return -1;
    }
    return 0;
}

static int add_internet_protocols(scmp_filter_ctx filter, uint64_t family, struct err *err)
{
    const struct scmp_arg_cmp above[] = {SCMP_A0(SCMP_CMP_EQ, family, 0),
                                         SCMP_A2(SCMP_CMP_GT, IPPROTO_UDP, 0)};
    for (int protocol = 0; protocol < IPPROTO_UDP; protocol++) {
        const struct scmp_arg_cmp match[] = {SCMP_A0(SCMP_CMP_EQ, family, 0),
                                             SCMP_A2(SCMP_CMP_EQ, (uint64_t)protocol, 0)};
        if (!is_among(internet_protocols, ARRAY_LEN(internet_protocols), protocol) &&
            deny(filter, SCMP_SYS(socket), match, 2, err) < 0)
            return -1;
    }
    return deny(filter, SCMP_SYS(socket), above, 2, err);
}

static int add_all(scmp_filter_ctx filter, uint32_t action, struct err *err)
{
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (result < 0) {
        errno = -result;
        return FAIL_ERRNO(err, ERR_INTERNAL, "seccomp filter: cannot close the other ABIs");
    }
    if (add_announced(filter, action, err) < 0 || add_unknown(filter, err) < 0 ||
        add_denied(filter, err) < 0 || add_denied_arguments(filter, err) < 0 ||
        add_socket_families(filter, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(internet_families); i++) {
        uint64_t family = (uint64_t)internet_families[i];
        if (add_internet_kinds(filter, family, err) < 0 ||
            add_internet_protocols(filter, family, err) < 0)
            return -1;
    }
    return 0;
}

/* *ret_busy: the kernel allows one listener in a line of filters, and there is one already. */
static int load(uint32_t action, int *ret_listener, bool *ret_busy, struct err *err)
{
    AUTO_FILTER scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory for the seccomp filter");
    if (add_all(filter, action, err) < 0)
        return -1;
    int result = seccomp_load(filter);
    if (result < 0) {
        *ret_busy = result == -EBUSY || result == -ECANCELED;
        errno = -result;
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "cannot load the seccomp filter");
    }
    *ret_listener = action == SCMP_ACT_NOTIFY ? seccomp_notify_fd(filter) : -1;
    return 0;
}

int filter_load(bool refuse, int *ret_listener, struct err *err)
{
    bool busy = false;
    if (load(SCMP_ACT_NOTIFY, ret_listener, &busy, err) == 0)
        return 0;
    if (!busy)
        return -1;
    err_clear(err);
    return load(refuse ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS, ret_listener, &busy, err);
}

int filter_load_guard(struct err *err)
{
    static const int calls[] = {
        SCMP_SYS(read),         SCMP_SYS(write),           SCMP_SYS(recvmsg),
        SCMP_SYS(poll),         SCMP_SYS(ioctl),           SCMP_SYS(rt_tgsigqueueinfo),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid),          SCMP_SYS(getuid),
        SCMP_SYS(exit_group),   SCMP_SYS(restart_syscall),
    };
    AUTO_FILTER scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory for the seccomp filter");
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (rule(filter, SCMP_ACT_ALLOW, calls[i], NULL, 0, err) < 0)
            return -1;
    }
    int result = seccomp_load(filter);
    if (result < 0) {
        errno = -result;
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "cannot load the guard's seccomp filter");
    }
    return 0;
}

static const char *const call_names[] = {"unknown", "fork", "vfork", "clone", "execve", "execveat"};

int filter_call_key(int number, uint64_t first_argument)
{
    const char *name = call_names[0];
    for (size_t i = 0; i < ARRAY_LEN(announced_calls); i++) {
        if (announced_calls[i].number == number)
            name = announced_calls[i].name;
    }
    if (number == SCMP_SYS(clone) && (first_argument & CLONE_VFORK) != 0)
        name = "vfork"; /* posix_spawn */
    else if (number == SCMP_SYS(clone) && (first_argument & CLONE_VM) == 0)
        name = "fork"; /* what glibc makes of fork() */
    for (int key = 1; key < (int)ARRAY_LEN(call_names); key++) {
        if (strcmp(call_names[key], name) == 0)
            return key;
    }
    return 0;
}

const char *filter_call_name(int key)
{
    return key > 0 && key < (int)ARRAY_LEN(call_names) ? call_names[key] : call_names[0];
}
