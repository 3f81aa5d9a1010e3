// SPDX-License-Identifier: Apache-2.0
/*
 * Confinement of the enclave's own process, step by step, and what becomes of a call for a new
 * process: it is refused (guard.c), or a listener thread reports it and ends the app. Runs inside
 * the enclave, once, before any line of the app. Neither the listener thread nor the handler that
 * reports a refusal allocates or locks: the thread that they report about stands still with
 * whatever it holds (glibc takes malloc's lock around fork).
 */
#include "confine/confine.h"

#include "base/fd.h"

#include "base/mem.h"
#include "confine/filter.h"
#include "confine/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LISTENER_STACK_SIZE = 512 * 1024,
    LINE_SIZE = 256,
    CAPABILITIES_MAX = 64,
};

struct listener {
    struct confine_options options;
    int fd;
    struct seccomp_notif *request;
};

static struct listener listener = {.fd = -1};

/* --- neighbours --- */

/* hidepid=ptraceable by its number, the only spelling that Linux 5.8 and later share. Whom we may
 * not trace has no place in /proc then, nor has any thread of its: enter_domain sees to whom. */
int confine_hide_neighbours(struct err *err)
{
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=4") < 0)
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "cannot mount a '/proc' without neighbours");
    return 0;
}

/* --- the steps of confine_self --- */

static int check_single_thread(struct err *err)
{
    DIR *folder = opendir("/proc/self/task");
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot count threads in '/proc/self/task'");
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.' ? 1 : 0;
    (void)closedir(folder);
    if (count != 1)
        return FAIL(err, ERR_CONFLICT, "confinement must come before threads: found %zu", count);
    return 0;
}

/* 1, not 0: a core_pattern that pipes to a program ignores 0, and 1 is what makes it do nothing
 * (core(5)). Not PR_SET_DUMPABLE: it would take /proc/self/fd, and so /dev/stdout, from the app. */
static int disable_core_dumps(struct err *err)
{
    const struct rlimit none = {.rlim_cur = 1, .rlim_max = 1};
    const struct rlimit zero = {0};
    if (setrlimit(RLIMIT_CORE, &none) == 0 || setrlimit(RLIMIT_CORE, &zero) == 0)
        return 0;
    return FAIL_ERRNO(err, ERR_IO, "cannot switch core dumps off");
}

static int drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    /* Needs CAP_SETPCAP, which the sandbox need not give: without it the bounding set stays, and
     * means nothing to a process that can neither exec nor gain privileges. */
    for (unsigned long capability = 0; capability < CAPABILITIES_MAX; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot drop the capabilities");
    struct __user_cap_data_struct left[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, left) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the capabilities back");
    if (memcmp(left, none, sizeof(none)) != 0)
        return FAIL(err, ERR_INTERNAL, "capabilities are left after dropping all");
    return 0;
}

int confine_drop_privileges(struct err *err)
{
    if (drop_capabilities(err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "cannot set no_new_privs");
    return 0;
}

static void write_text(int fd, const char *text)
{
    ssize_t ignored = fd >= 0 ? write(fd, text, strlen(text)) : 0;
    (void)ignored;
}

static void report(const struct seccomp_notif *request)
{
    char line[LINE_SIZE];
    const char *call = filter_call_name(filter_call_key(request->data.nr, request->data.args[0]));
    (void)snprintf(line, sizeof(line), "{\"event\":\"forbidden\",\"call\":\"%s\",\"thread\":%u}\n",
                   call, request->pid);
    write_text(listener.options.status_fd, line);
    (void)snprintf(line, sizeof(line),
                   "mse: the app called %s; an enclave starts no processes, so it ends here\n",
                   call);
    write_text(STDERR_FILENO, line);
    if (listener.options.on_forbidden != NULL)
        listener.options.on_forbidden((pid_t)request->pid);
}

/* On the thread whose call is refused, inside that call or right behind it. */
static void on_guard_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    int saved = errno;
    if (info->si_code == SI_QUEUE)
        listener.options.on_refused(filter_call_name(info->si_value.sival_int));
    errno = saved;
}

static int start_refusing(struct err *err)
{
    struct sigaction action = {.sa_sigaction = on_guard_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    (void)sigfillset(&action.sa_mask);
    if (listener.options.on_refused == NULL)
        action = (struct sigaction){.sa_handler = SIG_IGN};
    if (sigaction(GUARD_SIGNAL, &action, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot take the guard's signal");
    return guard_give(fd_steal(&listener.fd), err);
}

static void *listen_main(void *argument)
{
    (void)argument;
    for (;;) {
        memset(listener.request, 0, sizeof(*listener.request));
        int result = seccomp_notify_receive(listener.fd, listener.request);
        if (result == 0)
            break;
        /* The caller died before we looked, or a signal came: nothing to report. */
        if (errno == ENOENT || errno == EINTR)
            continue;
        write_text(STDERR_FILENO, "mse: the app closed the descriptor that guards it\n");
        _exit(CONFINE_EXIT_STATUS);
    }
    report(listener.request);
    _exit(CONFINE_EXIT_STATUS);
}

/* With every signal blocked, so that the app's handlers run on the app's threads. */
static int start_listener(struct err *err)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, LISTENER_STACK_SIZE);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&thread, &attributes, listen_main, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (result == 0)
        return 0;
    errno = result;
    return FAIL_ERRNO(err, ERR_MEMORY, "cannot start the thread that reports forbidden calls");
}

static int fail_landlock(struct err *err)
{
    (void)FAIL_ERRNO(err, ERR_UNSUPPORTED, "this kernel has no Landlock (version 2 is needed)");
    err_hint(err, "Debian's kernels have it; look at /sys/kernel/security/lsm");
    return -1;
}

/* A domain forbids moving files between folders unless a rule allows it: everywhere. */
static int allow_moves(int rules, struct err *err)
{
    AUTO_CLOSE int root = -1;
    if (fd_open("/", O_PATH | O_DIRECTORY, 0, &root, err) < 0)
        return -1;
    const struct landlock_path_beneath_attr beneath = {
        .allowed_access = LANDLOCK_ACCESS_FS_REFER,
        .parent_fd = root,
    };
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
        return fail_landlock(err);
    return 0;
}

/* A Landlock domain keeps the app's hands off the other processes of its sandbox, which run as the
 * same user: /proc/PID/mem and its like ask for the right to trace, and who is in a domain may
 * trace only what is in it (Linux, Documentation/userspace-api/landlock.rst, "Ptrace
 * restrictions"). The rules themselves deny no more than making device nodes, which needs a
 * capability that is gone. */
static int enter_domain(struct err *err)
{
    const struct landlock_ruleset_attr attributes = {
        .handled_access_fs =
            LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_REFER,
    };
    AUTO_CLOSE int rules =
        (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (rules < 0)
        return fail_landlock(err);
    if (allow_moves(rules, err) < 0)
        return -1;
    return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? fail_landlock(err) : 0;
}

int confine_start_guard(struct err *err)
{
    return check_single_thread(err) < 0 ? -1 : guard_start(err);
}

static int load_filter(struct err *err)
{
    bool refuse = listener.options.new_processes == CONFINE_REFUSE;
    if (refuse && !guard_started())
        return FAIL(err, ERR_CONFLICT, "the guard has not been started");
    if (filter_load(refuse, &listener.fd, err) < 0)
        return -1;
    if (refuse)
        return start_refusing(err);
    return listener.fd < 0 ? 0 : start_listener(err);
}

int confine_self(const struct confine_options *options, struct err *err)
{
    int (*const steps[])(struct err *) = {check_single_thread, disable_core_dumps,
                                          confine_drop_privileges, enter_domain};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i](err) < 0)
            return FAIL_CONTEXT(err, "confinement");
    }
    listener.options = *options;
    int result = seccomp_notify_alloc(&listener.request, NULL);
    if (result < 0) {
        errno = -result;
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "confinement: this kernel has no seccomp listener");
    }
    return load_filter(err) < 0 ? FAIL_CONTEXT(err, "confinement") : 0;
}
