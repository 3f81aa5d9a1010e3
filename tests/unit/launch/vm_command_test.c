// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU's command lines, word for word, and that a real QEMU understands them: it ends at the
 * hardware that is not there, and not before. Without a QEMU that part is skipped, aloud.
 */
#include "testing.h"

#include "base/process.h"
#include "launch/vm_command.h"
#include "model/guest.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct vm_launch some_launch(const char *qemu)
{
    struct vm_launch launch = {
        .qemu = qemu,
        .vcpus = 1,
        .memory_bytes = 256 << 20,
        .kernel = "/vm/kernel",
        .initrd = "/vm/initrd",
        .cmdline = "acpi=off console=mse mse.root=a:1:0",
        .root = "/vm/root",
        .package = "/vm/package",
        .environment = "/vm/environment",
        .status_fd = 3,
        .log_fd = 4,
        .control_fd = 5,
        .tee_fd = 6,
        .forward_port = 8443,
        .cpu = "EPYC-v4",
        .cbitpos = 51,
    };
    memset(launch.host_data, 0x11, sizeof(launch.host_data));
    memset(launch.id_block, 0x22, sizeof(launch.id_block));
    memset(launch.mrconfigid, 0x44, sizeof(launch.mrconfigid));
    return launch;
}

#define VIRTIO ",disable-legacy=on,iommu_platform=on,romfile=\n"
#define BEGINNING                                                                                  \
    "qemu-system-x86_64\n-nodefaults\n-no-user-config\n-no-reboot\n-display\nnone\n-sandbox\n"     \
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny\n-smp\n1\n-m\n256M\n"
#define BOOT                                                                                       \
    "-kernel\n/vm/kernel\n-initrd\n/vm/initrd\n-append\nacpi=off console=mse mse.root=a:1:0\n"
#define PORTS                                                                                      \
    "-device\nvirtio-serial-pci" VIRTIO "-add-fd\nfd=3,set=1\n-chardev\n"                          \
    "file,id=mse.status,path=/dev/fdset/1,append=on\n-device\n"                                    \
    "virtserialport,chardev=mse.status,name=mse.status\n-add-fd\nfd=4,set=2\n-chardev\n"           \
    "file,id=mse.log,path=/dev/fdset/2,append=on\n-device\n"                                       \
    "virtserialport,chardev=mse.log,name=mse.log\n-chardev\nsocket,id=mse.control,fd=5\n"          \
    "-device\nvirtserialport,chardev=mse.control,name=mse.control\n"
#define TEE_PORT                                                                                   \
    "-chardev\nsocket,id=mse.tee,fd=6\n-device\nvirtserialport,chardev=mse.tee,name=mse.tee\n"
#define DISK(serial, file, readonly)                                                               \
    "-drive\nif=none,id=" serial ",format=raw,readonly=" readonly ",file=" file                    \
    "\n-device\nvirtio-blk-pci,drive=" serial ",serial=" serial VIRTIO
#define DISKS                                                                                      \
    DISK("mse-root", "/vm/root", "on")                                                             \
    DISK("mse-package", "/vm/package", "on") DISK("mse-environment", "/vm/environment", "on")
#define NETWORK                                                                                    \
    "-netdev\nuser,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:8443-10.0.2.15:443\n-device\n"            \
    "virtio-net-pci,netdev=net" VIRTIO

static void join(const struct argv *argv, struct buf *out)
{
    for (size_t i = 0; i < argv->count; i++)
        OK(buf_printf(out, &err, "%s\n", argv->items[i]));
}

static void assert_command(const struct vm_tee *tee, const struct vm_launch *launch,
                           const char *expected)
{
    AUTO_ARGV struct argv argv = ARGV_INIT;
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    OK(vm_command(tee, launch, &argv, &err));
    assert_null(argv.items[argv.count]);
    join(&argv, &text);
    if (strcmp(buf_text(&text), expected) != 0)
        fail_msg("found:\n%s\nexpected:\n%s", buf_text(&text), expected);
}

static void a_simulated_guest(void **state)
{
    (void)state;
    struct vm_launch launch = some_launch("qemu-system-x86_64");
    assert_command(&vm_tee_simulation, &launch,
                   BEGINNING
                   "-accel\ntcg,thread=multi\n-cpu\nmax\n-machine\n"
                   "pc-q35-7.2,hpet=off,smm=off,vmport=off\n" BOOT PORTS TEE_PORT DISKS NETWORK);
    launch.kvm = true;
    launch.firmware = "/vm/firmware.fd";
    launch.storage = "/vm/storage";
    launch.layer = "/vm/layer";
    launch.console = true;
    assert_command(&vm_tee_simulation, &launch,
                   BEGINNING
                   "-accel\nkvm\n-cpu\nhost\n-machine\npc-q35-7.2,hpet=off,smm=off,vmport=off\n"
                   "-bios\n/vm/firmware.fd\n" BOOT PORTS TEE_PORT
                   "-chardev\nfile,id=console,path=/dev/fdset/2,append=on\n-serial\n"
                   "chardev:console\n" DISK("mse-root", "/vm/root", "on")
                       DISK("mse-layer", "/vm/layer", "on") DISK("mse-package", "/vm/package", "on")
                           DISK("mse-environment", "/vm/environment", "on")
                               DISK("mse-storage", "/vm/storage", "off") NETWORK);
}

#define MEMORY "-object\nmemory-backend-memfd,id=memory,size=256M,share=on,prealloc=off\n"

/* Base64 of 4096 zero bytes. */
static const char *zeros_4096(void)
{
    static char text[5465];
    memset(text, 'A', 5464);
    memcpy(text + 5462, "==", 2);
    return text;
}

static void an_snp_guest(void **state)
{
    (void)state;
    AUTO_BUF struct buf expected = BUF_INIT(64 * 1024);
    struct vm_launch launch = some_launch("qemu-system-x86_64");
    launch.firmware = "/vm/firmware.fd";
    OK(buf_printf(&expected, &err, "%s%s%s%s%s",
                  BEGINNING "-accel\nkvm\n-cpu\nEPYC-v4\n-machine\n"
                            "pc-q35-9.1,confidential-guest-support=tee,memory-backend=memory,"
                            "kernel-irqchip=split,hpet=off,smm=off,vmport=off\n" MEMORY
                            "-object\nsev-snp-guest,id=tee,policy=0x30000,kernel-hashes=on,"
                            "cbitpos=51,reduced-phys-bits=1,"
                            "host-data=ERERERERERERERERERERERERERERERERERERERERERE=,id-block="
                            "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi"
                            "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi"
                            ",id-auth=",
                  zeros_4096(), "\n-bios\n/vm/firmware.fd\n" BOOT PORTS DISKS, NETWORK, ""));
    assert_command(&vm_tee_snp, &launch, buf_text(&expected));
}

static void a_tdx_guest(void **state)
{
    (void)state;
    struct vm_launch launch = some_launch("qemu-system-x86_64");
    launch.firmware = "/vm/firmware.fd";
    assert_command(
        &vm_tee_tdx, &launch,
        BEGINNING "-accel\nkvm\n-cpu\nhost\n-machine\n"
                  "pc-q35-10.1,confidential-guest-support=tee,memory-backend=memory,"
                  "kernel-irqchip=split,hpet=off,smm=off,pic=off,vmport=off\n" MEMORY
                  "-object\n{\"qom-type\":\"tdx-guest\",\"id\":\"tee\",\"mrconfigid\":"
                  "\"RERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERE\","
                  "\"quote-generation-socket\":{\"type\":\"vsock\",\"cid\":\"2\",\"port\":\"4050\"}"
                  "}\n-bios\n/vm/firmware.fd\n" BOOT PORTS DISKS NETWORK);
}

static void refuse(const struct vm_tee *tee, const struct vm_launch *launch, const char *part)
{
    AUTO_ARGV struct argv argv = ARGV_INIT;
    err = ERR_INIT;
    assert_int_equal(vm_command(tee, launch, &argv, &err), -1);
    if (strstr(err.message, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, err.message);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct vm_launch launch = some_launch("qemu");
    refuse(&vm_tee_snp, &launch, "no firmware");
    refuse(&vm_tee_tdx, &launch, "no firmware");
    launch.firmware = "/vm/firmware.fd";
    launch.cbitpos = 0;
    refuse(&vm_tee_snp, &launch, "cannot mark private memory");
    launch = some_launch("qemu");
    launch.memory_bytes += 4096;
    refuse(&vm_tee_simulation, &launch, "whole MiB");
    launch.memory_bytes = 63 << 20;
    refuse(&vm_tee_simulation, &launch, "whole MiB");
    launch = some_launch("qemu");
    launch.vcpus = 0;
    refuse(&vm_tee_simulation, &launch, "0 virtual processors");
    launch = some_launch("qemu");
    launch.log_fd = 2;
    refuse(&vm_tee_simulation, &launch, "descriptors 0 to 2");
    launch = some_launch("qemu");
    /* "/vm/root,snapshot=on" would be another drive than the one that was meant */
    launch.root = "/vm/root,snapshot=on";
    refuse(&vm_tee_simulation, &launch, "has a comma");
    launch = some_launch("qemu");
    launch.cpu = "EPYC-v4,+x";
    refuse(&vm_tee_simulation, &launch, "has a comma");
    const struct vm_tee *tee = NULL;
    FAILS(ERR_NOT_FOUND, "no TEE 'sgx'", vm_tee_by_name("sgx", &tee, &err));
    OK(vm_tee_by_name("snp", &tee, &err));
    assert_ptr_equal(tee, &vm_tee_snp);
}

/* --- a real QEMU --- */

static char *qemu_or_skip(void)
{
    char *path = NULL;
    if (process_find("qemu-system-x86_64", NULL, &path, NULL) < 0) {
        print_message("SKIPPED: no qemu-system-x86_64 (Debian package qemu-system-x86)\n");
        skip();
    }
    return path;
}

static void make_file(const struct temp_folder *folder, const char *name, size_t size,
                      char path[static 128])
{
    AUTO_BUF struct buf bytes = BUF_INIT(8 << 20);
    (void)snprintf(path, 128, "%s/%s", folder->path, name);
    assert_non_null(buf_reserve(&bytes, size, &err));
    OK(file_write_atomic(path, slice_of(bytes.data, size), 0600, &err));
}

/* Runs QEMU with descriptors 3 to 6 open; returns what it said. */
static void run_qemu(const struct vm_tee *tee, const struct vm_launch *launch, struct buf *said)
{
    AUTO_ARGV struct argv argv = ARGV_INIT;
    AUTO_BUF struct buf out = BUF_INIT(4096);
    int status_pipe[2];
    int log_pipe[2];
    int control[2];
    int status = 0;
    assert_int_equal(pipe(status_pipe), 0);
    assert_int_equal(pipe(log_pipe), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, control), 0);
    OK(vm_command(tee, launch, &argv, &err));
    const struct process_fd fds[] = {
        {status_pipe[1], 3}, {log_pipe[1], 4}, {control[1], 5}, {control[1], 6}};
    const struct process_spec spec = {
        .argv = (const char *const *)argv.items, .fds = fds, .fd_count = ARRAY_LEN(fds)};
    OK(process_run(&spec, slice_of(NULL, 0), &out, said, 20000, &status, &err));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    const int all[] = {status_pipe[0], status_pipe[1], log_pipe[0],
                       log_pipe[1],    control[0],     control[1]};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        (void)close(all[i]);
}

/* What QEMU says where all is understood and the hardware is not there. */
static bool ends_at_hardware(const char *said)
{
    static const char *const words[] = {"KVM required", "failed to initialize kvm",
                                        "Could not access KVM kernel module",
                                        "not supported by KVM", "vm-type"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strstr(said, words[i]) != NULL)
            return true;
    }
    return false;
}

/* False: this QEMU does not know such a TEE, or is older than the machine. */
static bool is_understood(const struct vm_tee *tee, const char *qemu, const char *unknown)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    AUTO_BUF struct buf said = BUF_INIT(64 * 1024);
    char paths[3][128];
    make_file(&folder, "firmware.fd", 4096, paths[0]);
    make_file(&folder, "kernel", 4096, paths[1]);
    make_file(&folder, "disk", 4096, paths[2]);
    struct vm_launch launch = some_launch(qemu);
    launch.firmware = paths[0];
    launch.kernel = launch.initrd = paths[1];
    launch.root = launch.package = launch.environment = paths[2];
    run_qemu(tee, &launch, &said);
    if (strstr(buf_text(&said), unknown) != NULL ||
        strstr(buf_text(&said), "unsupported machine type") != NULL)
        return false;
    if (!ends_at_hardware(buf_text(&said)))
        fail_msg("%s", buf_text(&said));
    return true;
}

static void a_real_qemu_understands(const struct vm_tee *tee, const char *unknown)
{
    char qemu[PATH_MAX];
    char *found = qemu_or_skip();
    (void)snprintf(qemu, sizeof(qemu), "%s", found);
    free(found);
    if (is_understood(tee, qemu, unknown))
        return;
    print_message("SKIP: this QEMU knows no %s, or not the machine for it\n", tee->name);
    skip(); /* which jumps: nothing may be held here */
}

static void a_real_qemu_understands_snp(void **state)
{
    (void)state;
    a_real_qemu_understands(&vm_tee_snp, "does not accept value 'sev-snp-guest'");
}

static void a_real_qemu_understands_tdx(void **state)
{
    (void)state;
    a_real_qemu_understands(&vm_tee_tdx, "does not accept value 'tdx-guest'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_simulated_guest),
        cmocka_unit_test(an_snp_guest),
        cmocka_unit_test(a_tdx_guest),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_real_qemu_understands_snp),
        cmocka_unit_test(a_real_qemu_understands_tdx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
