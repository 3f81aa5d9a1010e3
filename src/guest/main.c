// SPDX-License-Identifier: Apache-2.0
/*
 * mse-init: pid 1 of a confidential VM, from the kernel's hand-over to the end. The boot steps are
 * a table; a step that fails is reported and ends the VM. Static, linked with libc alone; believes
 * the measured command line and its own bytes, and nothing else. docs/vm.md.
 */
#include "guest/guest.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { LAST_WORDS_MS = 200 };

static const struct step {
    const char *name;
    int (*run)(struct guest *guest, struct err *err);
} steps[] = {
    {"TEE", step_tee},         {"kernel", step_kernel},     {"ports", step_ports},
    {"initrd", step_initrd},   {"memory", step_memory},     {"modules", step_modules},
    {"root", step_root},       {"folders", step_folders},   {"network", step_network},
    {"package", step_package}, {"identity", step_identity}, {"broker", step_broker},
    {"world", step_world},
};

/* Whatever is opened first must not become standard output: without a console the kernel gives pid
 * 1 no descriptors at all. */
static void take_descriptors(void)
{
    (void)mkdir("/dev", 0755);
    (void)mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3));
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        (void)close(fd);
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (open("/dev/null", O_RDWR) != fd)
            _exit(1); /* the kernel panics: there is nothing to go on with */
    }
}

static int boot(struct guest *guest, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int64_t start = clock_monotonic_us();
        if (steps[i].run(guest, err) < 0)
            return FAIL_CONTEXT(err, "%s", steps[i].name);
        guest_say(guest, "%s: %.1f ms", steps[i].name,
                  (double)(clock_monotonic_us() - start) / 1000.0);
    }
    return 0;
}

int main(void)
{
    if (getpid() != 1)
        return 1;
    take_descriptors();
    sigset_t signals;
    (void)sigfillset(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)umask(022);
    struct err err = ERR_INIT;
    static struct guest guest = {.status_port = -1,
                                 .log_port = -1,
                                 .control_port = -1,
                                 .app_socket = -1,
                                 .broker_socket = -1};
    if (boot(&guest, &err) < 0) {
        guest_say(&guest, "%s", err.message);
        guest_report_failure(&guest, &err);
    } else {
        guest_watch(&guest);
    }
    clock_sleep_ms(LAST_WORDS_MS);
    sync();
    (void)umount2(GUEST_PLAIN, MNT_DETACH);
    sync();
    (void)reboot(RB_AUTOBOOT); /* without ACPI nothing can be switched off; QEMU has -no-reboot */
    return 1;
}
