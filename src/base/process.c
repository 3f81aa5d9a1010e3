// SPDX-License-Identifier: Apache-2.0
/*
 * Starting other programs. Everything that allocates or looks something up happens before fork;
 * between fork and exec only async-signal-safe calls are made, so that a process with threads can
 * start others. A failing step is reported to the parent over a close-on-exec pipe. Owns nothing.
 */
#include "base/process.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXEC_FAILED = 127, FDS_MAX = 64, POLL_SLICE_MS = 20, DRAIN_PIECE = 4096, DRAIN_TURNS = 256 };

/* What the child does before exec; its index says which step failed. */
enum child_step { STEP_PREPARE, STEP_IDS, STEP_FDS, STEP_FOLDER, STEP_SESSION, STEP_EXEC };

struct child_report {
    enum child_step step;
    int errnum;
};

/* All that the child needs, made before fork. */
struct child_plan {
    const struct process_spec *spec;
    const char *program;
    const char *const *env;
    pid_t parent;
    int report_fd;
    int above; /* higher than every number the child shall have */
    int fd_limit;
    int moved[FDS_MAX]; /* where fds[i].from was put out of the way */
};

static _Noreturn void child_fail(const struct child_plan *plan, enum child_step step)
{
    struct child_report report = {.step = step, .errnum = errno};
    ssize_t ignored = write(plan->report_fd, &report, sizeof(report));
    (void)ignored;
    _exit(EXEC_FAILED);
}

static bool child_drop_ids(const struct process_spec *spec)
{
    if (!spec->set_ids)
        return true;
    /* Without privilege groups cannot be dropped; staying who one is, is no error then. */
    if (setgroups(0, NULL) < 0 &&
        !(errno == EPERM && spec->uid == geteuid() && spec->gid == getegid()))
        return false;
    return setresgid(spec->gid, spec->gid, spec->gid) == 0 &&
           setresuid(spec->uid, spec->uid, spec->uid) == 0;
}

static void child_mark_all_close_on_exec(int limit)
{
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    for (int fd = 3; fd < limit; fd++) { /* before Linux 5.11 */
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0)
            (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
}

static bool child_open_standard_fds(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return false;
    for (int fd = 0; fd <= 2; fd++) {
        if (null == fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0)
            return false;
    }
    return true;
}

/* First every source (and the report) is moved above all targets, then each goes to its place:
 * numbers may overlap in any way, {3 to 4, 4 to 3} included. */
static bool child_place_fds(struct child_plan *plan)
{
    const struct process_spec *spec = plan->spec;
    int report = fcntl(plan->report_fd, F_DUPFD_CLOEXEC, plan->above);
    if (report < 0)
        return false;
    plan->report_fd = report;
    for (size_t i = 0; i < spec->fd_count; i++) {
        plan->moved[i] = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, plan->above);
        if (plan->moved[i] < 0)
            return false;
    }
    if (!child_open_standard_fds())
        return false;
    child_mark_all_close_on_exec(plan->fd_limit);
    for (size_t i = 0; i < spec->fd_count; i++) {
        if (dup2(plan->moved[i], spec->fds[i].to) < 0)
            return false;
    }
    return true;
}

static bool child_follow_parent(const struct child_plan *plan)
{
    if (plan->spec->new_session && setsid() < 0)
        return false;
    if (!plan->spec->die_with_parent)
        return true;
    /* After the ids: the kernel forgets this setting when they change. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return false;
    pid_t parent = getppid();
    if (parent != plan->parent && parent != 0) /* it ended before the setting counted */
        _exit(EXEC_FAILED);
    return true;
}

static void child_reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_main(struct child_plan *plan)
{
    const struct process_spec *spec = plan->spec;
    child_reset_signals();
    if (!child_place_fds(plan))
        child_fail(plan, STEP_FDS);
    if (spec->prepare != NULL && spec->prepare(spec) < 0)
        child_fail(plan, STEP_PREPARE);
    if (!child_drop_ids(spec))
        child_fail(plan, STEP_IDS);
    if (!child_follow_parent(plan))
        child_fail(plan, STEP_SESSION);
    if (spec->folder != NULL && chdir(spec->folder) < 0)
        child_fail(plan, STEP_FOLDER);
    (void)execve(plan->program, (char *const *)(uintptr_t)spec->argv,
                 (char *const *)(uintptr_t)plan->env);
    child_fail(plan, STEP_EXEC);
}

static int check_spec(const struct process_spec *spec, struct err *err)
{
    if (spec->argv == NULL || spec->argv[0] == NULL)
        return FAIL(err, ERR_INTERNAL, "no program to start");
    if (spec->fd_count > FDS_MAX)
        return FAIL(err, ERR_INTERNAL, "more than %d descriptors for '%s'", FDS_MAX, spec->argv[0]);
    for (size_t i = 0; i < spec->fd_count; i++) {
        if (spec->fds[i].to < 0 || fcntl(spec->fds[i].from, F_GETFD) < 0)
            return FAIL(err, ERR_INTERNAL, "descriptor %d for '%s' is not open", spec->fds[i].from,
                        spec->argv[0]);
    }
    return 0;
}

/* A relative path is meant from here, not from the child's working folder. */
static int find_program(const struct process_spec *spec, char **ret, struct err *err)
{
    AUTO_FREE char *found = NULL;
    if (process_find(spec->argv[0], NULL, &found, err) < 0)
        return -1;
    if (found[0] == '/' || spec->folder == NULL) {
        *ret = STEAL(found);
        return 0;
    }
    AUTO_FREE char *here = getcwd(NULL, 0);
    if (here == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot tell the working folder");
    char *path = path_join(here, found, err);
    if (path == NULL)
        return -1;
    *ret = path;
    return 0;
}

static struct child_plan plan_child(const struct process_spec *spec, const char *program,
                                    int report_fd)
{
    static const char *const no_env[] = {NULL};
    long limit = sysconf(_SC_OPEN_MAX);
    struct child_plan plan = {
        .spec = spec,
        .program = program,
        .env = spec->env == NULL ? no_env : spec->env,
        .parent = getpid(),
        .report_fd = report_fd,
        .above = 3,
        .fd_limit = limit > 0 && limit < INT32_MAX ? (int)limit : 1024,
    };
    for (size_t i = 0; i < spec->fd_count; i++) {
        if (spec->fds[i].to >= plan.above)
            plan.above = spec->fds[i].to + 1;
    }
    return plan;
}

static int fail_child(const struct process_spec *spec, const struct child_report *report,
                      struct err *err)
{
    errno = report->errnum;
    switch (report->step) {
    case STEP_IDS:
        return FAIL_ERRNO(err, ERR_FORBIDDEN, "cannot start '%s' as user %u, group %u",
                          spec->argv[0], (unsigned)spec->uid, (unsigned)spec->gid);
    case STEP_FDS:
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' its descriptors", spec->argv[0]);
    case STEP_PREPARE:
        return FAIL_ERRNO(err, ERR_IO, "cannot prepare '%s'", spec->argv[0]);
    case STEP_FOLDER:
        return FAIL_ERRNO(err, ERR_NOT_FOUND, "cannot start '%s' in folder '%s'", spec->argv[0],
                          spec->folder);
    case STEP_SESSION:
        return FAIL_ERRNO(err, ERR_IO, "cannot start '%s' in a session of its own", spec->argv[0]);
    case STEP_EXEC:
        break;
    }
    return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot start '%s'",
                      spec->argv[0]);
}

/* Forks with all signals blocked, so that none of our handlers runs in the child. */
static pid_t fork_quietly(struct child_plan *plan)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0)
        child_main(plan);
    int saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return pid;
}

int process_start(const struct process_spec *spec, pid_t *ret, struct err *err)
{
    AUTO_FREE char *program = NULL;
    if (check_spec(spec, err) < 0 || find_program(spec, &program, err) < 0)
        return -1;
    int ends[2];
    if (fd_pipe(ends, err) < 0)
        return -1;
    AUTO_CLOSE int report_read = ends[0];
    AUTO_CLOSE int report_write = ends[1];
    struct child_plan plan = plan_child(spec, program, report_write);
    pid_t pid = fork_quietly(&plan);
    if (pid < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot fork for '%s'", spec->argv[0]);
    fd_close(fd_steal(&report_write));
    struct child_report report;
    size_t len = 0;
    int result = fd_read_full(report_read, &report, sizeof(report), &len, err);
    if (result == 0 && len == 0) { /* exec closed the pipe: it runs */
        *ret = pid;
        return 0;
    }
    process_stop(pid, 0);
    if (result < 0)
        return -1;
    if (len != sizeof(report))
        return FAIL(err, ERR_INTERNAL, "'%s' ended before it was started", spec->argv[0]);
    return fail_child(spec, &report, err);
}

int process_wait(pid_t pid, int *ret_status, struct err *err)
{
    int status = 0;
    pid_t reaped;
    do
        reaped = waitpid(pid, &status, 0);
    while (reaped < 0 && errno == EINTR);
    if (reaped < 0)
        return FAIL_ERRNO(err, errno == ECHILD ? ERR_NOT_FOUND : ERR_IO,
                          "cannot wait for process %d", (int)pid);
    *ret_status = status;
    return 0;
}

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0U);
}

/* Reaps within the time given; false where it still runs then. Where the kernel has no pidfd
 * the process is looked at in slices. */
static bool reap_within(pid_t pid, int64_t wait_ms, int *ret_status)
{
    AUTO_CLOSE int pidfd = open_pidfd(pid);
    int64_t deadline = clock_monotonic_ms() + wait_ms;
    for (;;) {
        pid_t reaped = waitpid(pid, ret_status, WNOHANG);
        if (reaped == pid || (reaped < 0 && errno != EINTR))
            return true;
        int64_t left = deadline - clock_monotonic_ms();
        if (left <= 0)
            return false;
        if (pidfd < 0 && left > POLL_SLICE_MS)
            left = POLL_SLICE_MS;
        struct pollfd wait_for = {.fd = pidfd, .events = POLLIN};
        (void)poll(&wait_for, 1, left > INT32_MAX ? INT32_MAX : (int)left);
    }
}

void process_stop(pid_t pid, int grace_ms)
{
    if (pid <= 0) /* kill(0) and kill(-1) would hit others */
        return;
    int status = 0;
    if (grace_ms > 0) {
        (void)kill(pid, SIGTERM);
        if (reap_within(pid, grace_ms, &status))
            return;
    }
    (void)kill(pid, SIGKILL);
    if (process_wait(pid, &status, NULL) < 0)
        return; /* somebody else reaped it */
}

void process_status_text(int status, char *text, size_t size)
{
    if (WIFEXITED(status))
        (void)snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        (void)snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, size, "wait status 0x%x", (unsigned)status);
}

/* Standard input from memory: nobody has to keep writing while output is read, and no SIGPIPE. */
static int input_fd(struct slice input, int *ret, struct err *err)
{
    if (input.len == 0)
        return fd_open("/dev/null", O_RDONLY, 0, ret, err);
    AUTO_CLOSE int fd = memfd_create("mse-input", MFD_CLOEXEC);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a file in memory");
    if (fd_write_all(fd, input, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot rewind a file in memory");
    *ret = fd_steal(&fd);
    return 0;
}

/* One output stream of a running process. */
struct drain {
    int fd; /* -1 after the end */
    struct buf *out;
};

/* Takes what is there; what does not fit is dropped, so that the process is never stuck. It ends
 * after a megabyte, the most that a pipe holds, lest a flood keep us from looking at the time. */
static int drain_once(struct drain *drain, struct err *err)
{
    uint8_t piece[DRAIN_PIECE];
    for (int turn = 0; turn < DRAIN_TURNS; turn++) {
        ssize_t count = read(drain->fd, piece, sizeof(piece));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return 0;
        if (count <= 0) {
            fd_close(fd_steal(&drain->fd));
            return 0;
        }
        size_t room = drain->out->max - drain->out->len;
        size_t len = (size_t)count < room ? (size_t)count : room;
        int result = buf_bytes(drain->out, slice_of(piece, len), err);
        mem_wipe(piece, (size_t)count);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int drain_both(struct drain drains[static 2], struct err *err)
{
    for (size_t i = 0; i < 2; i++) {
        if (drains[i].fd >= 0 && drain_once(&drains[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Calls spec->watch where it is due; shortens *left to the next time. A watch that takes long gets
 * rarer, so that it never becomes most of the work. */
static int watch(const struct process_spec *spec, int64_t *next, int64_t *left, struct err *err)
{
    int64_t now = clock_monotonic_ms();
    if (spec->watch == NULL)
        return 0;
    if (now >= *next) {
        if (spec->watch(spec->context, err) < 0)
            return -1;
        int64_t took = clock_monotonic_ms() - now;
        *next = now + took + (took * 4 > spec->watch_ms ? took * 4 : spec->watch_ms);
    }
    if (*next - now < *left)
        *left = *next - now;
    return 0;
}

/* Reads until the process has ended (not until its output has: a daemon it left behind may hold
 * the pipes open). *pid is -1 once it is reaped: from then on the number may be another's. */
static int collect(const struct process_spec *spec, pid_t *pid, struct drain drains[static 2],
                   int timeout_ms, int *ret_status, struct err *err)
{
    AUTO_CLOSE int pidfd = open_pidfd(*pid);
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    int64_t next_watch = clock_monotonic_ms();
    for (;;) {
        int64_t left = deadline - clock_monotonic_ms();
        if (left <= 0)
            return FAIL(err, ERR_TIMEOUT, "not done after %d ms", timeout_ms);
        if (watch(spec, &next_watch, &left, err) < 0)
            return -1;
        if (pidfd < 0 && left > POLL_SLICE_MS)
            left = POLL_SLICE_MS;
        struct pollfd fds[3] = {{.fd = drains[0].fd, .events = POLLIN},
                                {.fd = drains[1].fd, .events = POLLIN},
                                {.fd = pidfd, .events = POLLIN}};
        if (poll(fds, 3, (int)left) < 0 && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "cannot wait");
        if (drain_both(drains, err) < 0)
            return -1;
        int status = 0;
        if (waitpid(*pid, &status, WNOHANG) == *pid) {
            *pid = -1;
            *ret_status = status;
            return drain_both(drains, err); /* what it wrote last */
        }
    }
}

static int make_output(struct drain *drain, struct buf *out, int *ret_write, struct err *err)
{
    int ends[2];
    if (fd_pipe(ends, err) < 0)
        return -1;
    drain->fd = ends[0];
    drain->out = out;
    *ret_write = ends[1];
    return fd_set_nonblocking(drain->fd, true, err);
}

static int start_for_run(const struct process_spec *spec, const int standard[static 3], pid_t *ret,
                         struct err *err)
{
    struct process_fd fds[FDS_MAX];
    if (spec->fd_count > FDS_MAX - 3)
        return FAIL(err, ERR_INTERNAL, "more than %d descriptors", FDS_MAX - 3);
    for (int i = 0; i < 3; i++)
        fds[i] = (struct process_fd){.from = standard[i], .to = i};
    if (spec->fd_count > 0)
        memcpy(fds + 3, spec->fds, spec->fd_count * sizeof(fds[0]));
    struct process_spec own = *spec;
    own.fds = fds;
    own.fd_count = spec->fd_count + 3;
    return process_start(&own, ret, err);
}

static void kill_run(const struct process_spec *spec, pid_t pid)
{
    if (spec->new_session && pid > 0) /* it leads a group: take its children too */
        (void)kill(-pid, SIGKILL);
    process_stop(pid, 0);
}

int process_run(const struct process_spec *spec, struct slice input, struct buf *out,
                struct buf *errors, int timeout_ms, int *ret_status, struct err *err)
{
    AUTO_CLOSE int in = -1;
    AUTO_CLOSE int out_write = -1;
    AUTO_CLOSE int errors_write = -1;
    struct drain drains[2] = {{.fd = -1}, {.fd = -1}};
    pid_t pid = -1;
    int result = -1;
    if (input_fd(input, &in, err) == 0 && make_output(&drains[0], out, &out_write, err) == 0 &&
        make_output(&drains[1], errors, &errors_write, err) == 0 &&
        start_for_run(spec, (const int[]){in, out_write, errors_write}, &pid, err) == 0) {
        fd_close(fd_steal(&out_write));
        fd_close(fd_steal(&errors_write));
        result = spec->started != NULL ? spec->started(spec->context, pid, err) : 0;
        if (result == 0)
            result = collect(spec, &pid, drains, timeout_ms, ret_status, err);
        if (result < 0) {
            kill_run(spec, pid);
            err_context(err, "'%s'", spec->argv[0]);
        }
    }
    fd_close(drains[0].fd);
    fd_close(drains[1].fd);
    return result;
}

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Looks through a list like PATH. *ret stays NULL where no folder has it. */
static int find_in(const char *folders, const char *program, char **ret, struct err *err)
{
    for (const char *at = folders; *at != '\0';) {
        size_t len = strcspn(at, ":");
        /* Relative entries (and empty ones, which mean ".") would let a folder decide. */
        if (at[0] == '/') {
            AUTO_FREE char *path = str_printf(err, "%.*s/%s", (int)len, at, program);
            if (path == NULL)
                return -1;
            if (is_program(path)) {
                *ret = STEAL(path);
                return 0;
            }
        }
        at += len + (at[len] == ':' ? 1 : 0);
    }
    return 0;
}

int process_find(const char *program, const char *package, char **ret, struct err *err)
{
    char *found = NULL;
    if (strchr(program, '/') != NULL) {
        found = str_copy(program, err);
        if (found == NULL)
            return -1;
        *ret = found;
        return 0;
    }
    const char *path = getenv("PATH");
    if (path != NULL && find_in(path, program, &found, err) < 0)
        return -1;
    if (found == NULL && find_in("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                 program, &found, err) < 0)
        return -1;
    if (found == NULL) {
        (void)FAIL(err, ERR_NOT_FOUND, "program '%s' is not installed", program);
        if (package != NULL)
            err_hint(err, "apt-get install %s", package);
        return -1;
    }
    *ret = found;
    return 0;
}

/* Field `number` (from 1) of /proc/PID/stat. The second, the program's name, is in parentheses
 * and may hold anything; so what is counted begins behind the last ")". */
static const char *stat_field(const char *text, int number)
{
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < number; field++) {
        at = strchr(at, ' ');
        if (at != NULL)
            at++;
    }
    return at;
}

static int read_stat(pid_t pid, int number, uint64_t *ret, struct err *err)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    AUTO_BUF struct buf text = BUF_INIT(4096);
    if (pid <= 0 || file_read(path, &text, NULL) < 0)
        return FAIL(err, ERR_NOT_FOUND, "there is no process %d", (int)pid);
    const char *field = stat_field(buf_text(&text), number);
    AUTO_FREE char *digits = field == NULL ? NULL : mem_copy(field, strcspn(field, " \n"), err);
    if (digits == NULL || parse_u64(digits, path, 0, UINT64_MAX, ret, err) < 0)
        return FAIL(err, ERR_IO, "cannot read field %d of '%s'", number, path);
    return 0;
}

int process_start_time(pid_t pid, unsigned long long *ret, struct err *err)
{
    uint64_t value = 0;
    if (read_stat(pid, 22, &value, err) < 0) /* proc(5): starttime */
        return -1;
    *ret = value;
    return 0;
}

int process_parent(pid_t pid, pid_t *ret, struct err *err)
{
    uint64_t value = 0;
    if (read_stat(pid, 4, &value, err) < 0) /* proc(5): ppid */
        return -1;
    *ret = (pid_t)value;
    return 0;
}
