// SPDX-License-Identifier: Apache-2.0
/*
 * The launcher `vm`: QEMU with an image's kernel, initrd and root, in the sandbox and the network
 * of the launcher `process`, as the app's own user. So a guest that breaks out of QEMU is where an
 * app of that launcher is. What the hardware will measure is computed first, and on SEV-SNP the
 * chip is told to refuse anything else. Runs in the supervisor.
 */
#include "base/file.h"
#include "base/process.h"
#include "launch/sandbox.h"
#include "launch/vm_command.h"
#include "launch/vm_disks.h"
#include "launch/vm_runner.h"
#include "measure/id_block.h"
#include "measure/image.h"
#include "model/guest.h"
#include "model/sandbox_layout.h"

#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define QEMU "qemu-system-x86_64"
#define QEMU_PACKAGE "qemu-system-x86"

enum {
    MIB = 1 << 20,
    /* What QEMU needs beside the guest: its own memory, under TCG the code that it translates. */
    OVERHEAD_KVM = 96 * MIB,
    OVERHEAD_TCG = 512 * MIB,
    CPUID_AMD_MEMORY = (int)0x8000001f,
    FILES_MAX = 128 * MIB,
};

struct vm_kind;

/* All that a start holds. */
struct start {
    const struct vm_kind *kind;
    struct buf description; /* image.json */
    struct image image;
    struct vm_launch launch;
    struct argv argv;
};

static void start_done(struct start *start)
{
    buf_done(&start->description);
    argv_done(&start->argv);
}

static int read_file(const struct launch_spec *spec, const char *name, struct buf *out,
                     struct err *err)
{
    AUTO_FREE char *path = path_join(spec->image, name, err);
    return path == NULL ? -1 : file_read(path, out, err);
}

/* A wrong file would not boot, or measure otherwise; here it is named. */
static int check_files(const struct start *start, const struct launch_spec *spec, struct err *err)
{
    const struct {
        const char *name;
        const uint8_t *sha256;
    } files[] = {
        {IMAGE_FILE_KERNEL, start->image.kernel.sha256},
        {IMAGE_FILE_INITRD, start->image.initrd},
        {IMAGE_FILE_ROOT, start->image.root},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        uint8_t found[SHA256_SIZE];
        AUTO_FREE char *path = path_join(spec->image, files[i].name, err);
        if (path == NULL || sha256_file(path, found, err) < 0)
            return -1;
        if (!crypto_equal(found, files[i].sha256, sizeof(found)))
            return FAIL(err, ERR_INVALID, "image: '%s' is not the one that %s names", path,
                        IMAGE_FILE_DESCRIPTION);
    }
    return 0;
}

static int read_image(struct start *start, const struct launch_spec *spec, struct err *err)
{
    if (spec->image == NULL)
        return FAIL(err, ERR_INVALID, "no image for a VM");
    start->description = BUF_INIT(IMAGE_MAX);
    if (read_file(spec, IMAGE_FILE_DESCRIPTION, &start->description, err) < 0 ||
        image_decode(buf_slice(&start->description), &start->image, err) < 0)
        return FAIL_CONTEXT(err, "image");
    if (spec->memory_bytes < start->image.memory_min)
        return FAIL(err, ERR_INVALID,
                    "image '%s' needs %" PRIu64 " MiB of memory, the profile has %" PRIu64,
                    start->image.name, start->image.memory_min / MIB, spec->memory_bytes / MIB);
    return check_files(start, spec, err);
}

/* A file of the image that must be the one of its description. */
static int read_checked(const struct launch_spec *spec, const char *name,
                        const uint8_t expected[static SHA256_SIZE], struct buf *out,
                        struct err *err)
{
    uint8_t found[SHA256_SIZE];
    if (read_file(spec, name, out, err) < 0 || sha256(buf_slice(out), found, err) < 0)
        return -1;
    if (!crypto_equal(found, expected, sizeof(found)))
        return FAIL(err, ERR_INVALID, "'%s' is not the image's", name);
    return 0;
}

/* The digest that the chip will make, so that it can be told to accept no other. */
static int predict_snp(const struct start *start, const struct launch_spec *spec,
                       uint8_t ret[static SNP_DIGEST_SIZE], struct err *err)
{
    AUTO_BUF struct buf file = BUF_INIT(FILES_MAX);
    struct firmware firmware;
    struct snp_firmware measured;
    struct kernel_hashes hashes;
    struct snp_launch launch = {
        .kernel = &hashes, .vcpus = GUEST_VCPUS, .features = GUEST_SEV_FEATURES};
    if (read_checked(spec, IMAGE_FILE_FIRMWARE_SNP, start->image.firmware_snp.sha256, &file, err) <
            0 ||
        firmware_parse(buf_slice(&file), &firmware, err) < 0 ||
        snp_firmware_measure(&firmware, &measured, err) < 0 ||
        snp_cpu_signature(GUEST_SNP_CPU, &launch.cpu_signature, err) < 0)
        return -1;
    memcpy(hashes.kernel, start->image.kernel.sha256, SHA256_SIZE);
    memcpy(hashes.initrd, start->image.initrd, SHA256_SIZE);
    if (kernel_hashes_cmdline(start->image.cmdline, hashes.cmdline, err) < 0)
        return -1;
    return snp_launch_digest(&measured, &launch, ret, err);
}

static int prepare_snp(struct start *start, const struct launch_spec *spec, struct err *err)
{
    uint8_t digest[SNP_DIGEST_SIZE];
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (predict_snp(start, spec, digest, err) < 0)
        return FAIL_CONTEXT(err, "measurement");
    if (__get_cpuid((unsigned)CPUID_AMD_MEMORY, &a, &b, &c, &d) == 0 || (a & 1u << 4) == 0)
        return FAIL(err, ERR_UNSUPPORTED, "this processor has no SEV-SNP");
    struct id_block block = id_block_of(digest, spec->fingerprint, VM_SNP_POLICY);
    id_block_encode(&block, start->launch.id_block);
    memcpy(start->launch.host_data, spec->fingerprint, VM_HOST_DATA_SIZE);
    start->launch.cpu = GUEST_SNP_CPU;
    start->launch.cbitpos = b & 0x3f;
    start->launch.firmware = VM_IMAGE "/" IMAGE_FILE_FIRMWARE_SNP;
    return id_auth_make(start->launch.id_block, start->launch.id_auth, err);
}

static int prepare_tdx(struct start *start, const struct launch_spec *spec, struct err *err)
{
    (void)err;
    memcpy(start->launch.mrconfigid, spec->fingerprint, sizeof(spec->fingerprint));
    start->launch.firmware = VM_IMAGE "/" IMAGE_FILE_FIRMWARE_TDX;
    return 0;
}

static int prepare_simulation(struct start *start, const struct launch_spec *spec, struct err *err)
{
    (void)start;
    (void)spec;
    (void)err;
    return 0;
}

/* What each TEE needs of this machine and of a launch. */
static const struct vm_kind {
    const struct vm_tee *tee;
    int (*prepare)(struct start *start, const struct launch_spec *spec, struct err *err);
    const char *const *devices; /* NULL behind the last */
    const char *switched_on;    /* file of the kernel that says Y; NULL: none */
    const char *hint;
} kinds[] = {
    {&vm_tee_simulation, prepare_simulation, (const char *const[]){NULL}, NULL, ""},
    {&vm_tee_snp, prepare_snp, (const char *const[]){"/dev/kvm", "/dev/sev", NULL},
     "/sys/module/kvm_amd/parameters/sev_snp",
     "SEV-SNP needs an EPYC of the third generation or later, SNP switched on in the BIOS, and "
     "Linux 6.11 or later with KVM_AMD_SEV (Debian 13, or Debian 12 with backports)"},
    {&vm_tee_tdx, prepare_tdx, (const char *const[]){"/dev/kvm", NULL},
     "/sys/module/kvm_intel/parameters/tdx",
     "TDX needs Linux 6.16 or later with KVM_INTEL_TDX, which Debian's kernels do not have yet, "
     "and "
     "QEMU 10.1 or later"},
};

static bool says_yes(const char *path)
{
    AUTO_BUF struct buf text = BUF_INIT(64);
    return file_read(path, &text, NULL) == 0 && text.len > 0 &&
           (text.data[0] == 'Y' || text.data[0] == '1');
}

static int check_machine(const struct vm_kind *kind, struct err *err)
{
    const char *missing = NULL;
    for (const char *const *device = kind->devices; *device != NULL; device++) {
        if (missing == NULL && access(*device, F_OK) < 0)
            missing = *device;
    }
    if (missing == NULL && kind->switched_on != NULL && !says_yes(kind->switched_on))
        missing = kind->switched_on;
    if (missing == NULL)
        return 0;
    (void)FAIL(err, ERR_UNSUPPORTED, "this machine cannot start %s guests: '%s' is missing or off",
               kind->tee->name, missing);
    err_hint(err, "%s", kind->hint);
    return -1;
}

static int find_kind(const char *tee, const struct vm_kind **ret, struct err *err)
{
    const struct vm_tee *found = NULL;
    if (vm_tee_by_name(tee, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].tee == found) {
            *ret = &kinds[i];
            return check_machine(&kinds[i], err);
        }
    }
    return FAIL(err, ERR_INTERNAL, "TEE '%s' has no kind of VM", tee);
}

static int make_command(struct start *start, const struct launch_spec *spec, struct err *err)
{
    AUTO_FREE char *qemu = NULL;
    struct vm_launch *launch = &start->launch;
    if (process_find(QEMU, QEMU_PACKAGE, &qemu, err) < 0)
        return -1;
    launch->qemu = qemu;
    launch->vcpus = GUEST_VCPUS;
    launch->memory_bytes = spec->memory_bytes / MIB * MIB;
    launch->kernel = VM_IMAGE "/" IMAGE_FILE_KERNEL;
    launch->initrd = VM_IMAGE "/" IMAGE_FILE_INITRD;
    launch->cmdline = start->image.cmdline;
    launch->root = VM_IMAGE "/" IMAGE_FILE_ROOT;
    launch->package = VM_DISKS "/" VM_DISK_PACKAGE;
    launch->environment = VM_DISKS "/" VM_DISK_ENVIRONMENT;
    launch->storage = VM_STORAGE;
    launch->status_fd = VM_STATUS_FD;
    launch->log_fd = VM_LOG_FD;
    launch->control_fd = VM_CONTROL_FD;
    launch->tee_fd = VM_TEE_FD;
    launch->forward_port = VM_FORWARD_PORT;
    argv_add(&start->argv, "vm"); /* msed's own command: vm_runner.c */
    int result = vm_command(start->kind->tee, launch, &start->argv, err);
    launch->qemu = NULL;
    return result;
}

/* What the manifest's environment digest is of: beside the layer, where there is one. */
static int make_files(const struct start *start, const struct launch_spec *spec, struct err *err)
{
    AUTO_BUF struct buf beside = BUF_INIT(GUEST_ENVIRONMENT_MAX);
    struct slice description = buf_slice(&start->description);
    if (spec->environment != NULL) {
        AUTO_FREE char *path = path_join(spec->environment, "environment.json", err);
        if (path == NULL || file_read(path, &beside, err) < 0)
            return -1;
        description = buf_slice(&beside);
    }
    if (folder_create(VM_DISKS_FOLDER, 0755, err) < 0 ||
        vm_disks_make(VM_DISKS_FOLDER, spec, description, err) < 0)
        return -1;
    return vm_storage_make(spec, err);
}

static int start_payload(struct sandbox *sandbox, const struct launch_spec *spec,
                         const struct start *start, struct err *err)
{
    const struct stage *stage = &sandbox->stage;
    const char *const *devices = start->kind->devices;
    struct bubblewrap_mount mounts[3 + STAGE_DEVICES_MAX] = {
        {.how = MOUNT_READ_ONLY, .at = VM_IMAGE, .from = stage->image},
        {.how = MOUNT_READ_ONLY, .at = VM_DISKS, .from = stage->disks},
        {.how = MOUNT_WRITABLE, .at = VM_STORAGE, .from = stage->storage},
    };
    size_t count = 3;
    for (size_t i = 0; devices[i] != NULL; i++)
        mounts[count++] = (struct bubblewrap_mount){
            .how = MOUNT_DEVICE, .at = devices[i], .from = stage->devices[i]};
    const struct sandbox_payload payload = {
        .mounts = mounts,
        .mount_count = count,
        .arguments = (const char *const *)start->argv.items,
        .argument_count = start->argv.count,
    };
    return sandbox_start(sandbox, spec, &payload, err);
}

/* The limit of memory is the guest's and what QEMU needs beside it; the program is msed itself. */
static struct launch_spec with_overhead(const struct launch_spec *spec, const char *program,
                                        bool simulated)
{
    struct launch_spec changed = *spec;
    changed.memory_bytes += simulated ? OVERHEAD_TCG : OVERHEAD_KVM;
    changed.enclave = (char *)(uintptr_t)program;
    return changed;
}

static int launch_vm(struct sandbox *sandbox, const struct launch_spec *spec, struct start *start,
                     struct err *err)
{
    AUTO_FREE char *program = path_resolve("/proc/self/exe", err);
    if (program == NULL || find_kind(spec->tee, &start->kind, err) < 0 ||
        read_image(start, spec, err) < 0 || start->kind->prepare(start, spec, err) < 0 ||
        make_command(start, spec, err) < 0 || make_files(start, spec, err) < 0)
        return -1;
    struct launch_spec changed = with_overhead(spec, program, start->kind->tee->simulated);
    char group[CGROUP_NAME_SIZE];
    if (cgroup_name(changed.id, ".", group, err) < 0 ||
        cgroup_open(&sandbox->cgroup, group, &changed, err) < 0 ||
        stage_make_vm(&sandbox->stage, &changed, start->kind->devices, err) < 0)
        return -1;
    cgroup_limit_io(&sandbox->cgroup, &changed, changed.storage);
    return start_payload(sandbox, &changed, start, err);
}

static int start_vm(struct sandbox *sandbox, const struct launch_spec *spec,
                    const struct launch_storage *storage, struct err *err)
{
    (void)storage; /* a VM's storage is a raw file: what is in it is the guest's affair */
    __attribute__((cleanup(start_done))) struct start start = {.argv = ARGV_INIT};
    if (launch_vm(sandbox, spec, &start, err) < 0)
        return FAIL_CONTEXT(err, "VM");
    return 0;
}

static int probe(bool with_quota, struct err *err)
{
    (void)with_quota;
    AUTO_FREE char *path = NULL;
    if (process_find(QEMU, QEMU_PACKAGE, &path, err) < 0)
        return -1;
    return sandbox_probe(err);
}

const struct launcher launcher_vm = {
    .name = "vm",
    .probe = probe,
    .start = start_vm,
    .terminate = sandbox_terminate,
    .kill = sandbox_kill,
    .remove = sandbox_remove,
};
