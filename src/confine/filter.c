// SPDX-License-Identifier: Apache-2.0
/*
 * The seccomp filter of an app: everything is allowed but what stands in these tables. Three kinds
 * of no:
 *
 *   - fatal: ends the app. The kernel stops the thread and announces the call to a listener
 *     (seccomp_unotify(2)), not with SIGSYS: glibc's fork() and posix_spawn() and Python's
 * subprocess block all signals around the call, and a blocked SIGSYS kills without a word about the
 * call.
 *   - denied: fails with EPERM. Programs probe some of these and go on without.
 *   - absent: clone3 fails with ENOSYS, because its flags lie in memory that a filter cannot read;
 *     glibc then uses clone, whose flags are visible.
 *
 * Other ABIs (i386, x32) number calls differently: any call through them kills the process.
 * Runs inside the enclave.
 */
#include "confine/filter.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <netinet/in.h>

DEFINE_CLEANUP(filter_context_cleanup, scmp_filter_ctx, seccomp_release)
#define AUTO_FILTER __attribute__((cleanup(filter_context_cleanup)))

enum { SOCK_KIND_MASK = 0xf, PROTOCOL_SCTP = 132, PROTOCOL_UDPLITE = 136, PROTOCOL_MPTCP = 262 };

struct fatal_call {
    int number;
    const char *name;
    bool unless_thread; /* only without CLONE_THREAD */
};

static const struct fatal_call fatal_calls[] = {
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
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
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

struct denied_argument {
    int number;
    unsigned argument;
    uint64_t value; /* compared with the low 32 bits, as the kernel does */
};

static const struct denied_argument denied_arguments[] = {
    {SCMP_SYS(ioctl), 1, TIOCSTI},
    {SCMP_SYS(ioctl), 1, TIOCLINUX},
    /* Nobody answers for us: an answer could be "let the call through". */
    {SCMP_SYS(ioctl), 1, SECCOMP_IOCTL_NOTIF_SEND},
    {SCMP_SYS(ioctl), 1, SECCOMP_IOCTL_NOTIF_ADDFD},
    {SCMP_SYS(prctl), 0, 22 /* PR_SET_SECCOMP */},
};

/* Families below AF_NETLINK that are not AF_UNIX, AF_INET, AF_INET6; those above are one rule. */
static const int denied_families[] = {0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15};
static const int internet_families[] = {AF_INET, AF_INET6};
static const int denied_internet_kinds[] = {SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP,
                                            SOCK_PACKET};
static const int denied_internet_protocols[] = {IPPROTO_ICMP,  IPPROTO_ICMPV6,   IPPROTO_DCCP,
                                                PROTOCOL_SCTP, PROTOCOL_UDPLITE, PROTOCOL_MPTCP,
                                                IPPROTO_RAW};

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

static int add_fatal(scmp_filter_ctx filter, uint32_t action, struct err *err)
{
    const struct scmp_arg_cmp not_a_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
    for (size_t i = 0; i < ARRAY_LEN(fatal_calls); i++) {
        const struct fatal_call *call = &fatal_calls[i];
        if (rule(filter, action, call->number, &not_a_thread, call->unless_thread ? 1 : 0, err) < 0)
            return -1;
    }
    return rule(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), NULL, 0, err);
}

static int add_denied(scmp_filter_ctx filter, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(denied_calls); i++) {
        if (rule(filter, SCMP_ACT_ERRNO(EPERM), denied_calls[i], NULL, 0, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(denied_arguments); i++) {
        const struct denied_argument *denied = &denied_arguments[i];
        const struct scmp_arg_cmp match =
            SCMP_CMP(denied->argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, denied->value);
        if (rule(filter, SCMP_ACT_ERRNO(EPERM), denied->number, &match, 1, err) < 0)
            return -1;
    }
    return 0;
}

static int deny_socket(scmp_filter_ctx filter, const struct scmp_arg_cmp *arguments, unsigned count,
                       struct err *err)
{
    return rule(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), arguments, count, err);
}

static int add_socket_families(scmp_filter_ctx filter, struct err *err)
{
    const struct scmp_arg_cmp above[] = {SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0)};
    /* NETLINK_ROUTE is how getaddrinfo and if_nameindex look at the interfaces. */
    const struct scmp_arg_cmp netlink[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                                           SCMP_A2(SCMP_CMP_NE, 0, 0)};
    for (size_t i = 0; i < ARRAY_LEN(denied_families); i++) {
        const struct scmp_arg_cmp family[] = {
            SCMP_A0(SCMP_CMP_EQ, (uint64_t)denied_families[i], 0)};
        if (deny_socket(filter, family, 1, err) < 0)
            return -1;
    }
    if (deny_socket(filter, above, 1, err) < 0)
        return -1;
    return deny_socket(filter, netlink, 2, err);
}

static int add_internet_sockets(scmp_filter_ctx filter, uint64_t family, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(denied_internet_kinds); i++) {
        const struct scmp_arg_cmp kind[] = {
            SCMP_A0(SCMP_CMP_EQ, family, 0),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_KIND_MASK, (uint64_t)denied_internet_kinds[i])};
        if (deny_socket(filter, kind, 2, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(denied_internet_protocols); i++) {
        const struct scmp_arg_cmp protocol[] = {
            SCMP_A0(SCMP_CMP_EQ, family, 0),
            SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)denied_internet_protocols[i])};
        if (deny_socket(filter, protocol, 2, err) < 0)
            return -1;
    }
    return 0;
}

static int add_all(scmp_filter_ctx filter, uint32_t fatal_action, struct err *err)
{
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (result < 0) {
        errno = -result;
        return FAIL_ERRNO(err, ERR_INTERNAL, "seccomp filter: cannot close the other ABIs");
    }
    if (add_fatal(filter, fatal_action, err) < 0 || add_denied(filter, err) < 0 ||
        add_socket_families(filter, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(internet_families); i++) {
        if (add_internet_sockets(filter, (uint64_t)internet_families[i], err) < 0)
            return -1;
    }
    return 0;
}

/* *ret_busy: the kernel allows one listener in a line of filters, and there is one already. */
static int load(uint32_t fatal_action, int *ret_listener, bool *ret_busy, struct err *err)
{
    AUTO_FILTER scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory for the seccomp filter");
    if (add_all(filter, fatal_action, err) < 0)
        return -1;
    int result = seccomp_load(filter);
    if (result < 0) {
        *ret_busy = result == -EBUSY || result == -ECANCELED;
        errno = -result;
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "cannot load the seccomp filter");
    }
    *ret_listener = fatal_action == SCMP_ACT_NOTIFY ? seccomp_notify_fd(filter) : -1;
    return 0;
}

int filter_load(int *ret_listener, struct err *err)
{
    bool busy = false;
    if (load(SCMP_ACT_NOTIFY, ret_listener, &busy, err) == 0)
        return 0;
    if (!busy)
        return -1;
    err_clear(err);
    return load(SCMP_ACT_KILL_PROCESS, ret_listener, &busy, err);
}

const char *filter_call_name(int number, uint64_t first_argument)
{
    if (number == SCMP_SYS(clone) && (first_argument & CLONE_VFORK) != 0)
        return "vfork"; /* posix_spawn */
    if (number == SCMP_SYS(clone) && (first_argument & CLONE_VM) == 0)
        return "fork"; /* what glibc makes of fork() */
    for (size_t i = 0; i < ARRAY_LEN(fatal_calls); i++) {
        if (fatal_calls[i].number == number)
            return fatal_calls[i].name;
    }
    return "unknown";
}
