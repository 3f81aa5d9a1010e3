// SPDX-License-Identifier: Apache-2.0
/*
 * The arguments of QEMU. Pure; what it gets was made by the launcher, and is refused all the same
 * where QEMU would read something else into it: a comma begins another option there.
 */
#include "launch/vm_command.h"

#include "base/buf.h"
#include "base/text.h"
#include "model/guest.h"

#include <inttypes.h>
#include <string.h>

enum { MIB = 1 << 20, FIRST_FREE_FD = 3, ADDRESS_BITS_MAX = 63 };

/* Devices speak virtio 1.0 alone, by addresses that the guest allows, and bring no option ROM. */
#define VIRTIO ",disable-legacy=on,iommu_platform=on"
#define NO_ROM ",romfile="

static void add_option(struct argv *argv, const char *name, const char *value)
{
    argv_add(argv, name);
    argv_add(argv, value);
}

/* --- the three kinds of machine --- */

static void add_private_memory(const struct vm_launch *launch, struct argv *argv)
{
    argv_add(argv, "-object");
    argv_addf(argv, "memory-backend-memfd,id=memory,size=%" PRIu64 "M,share=on,prealloc=off",
              launch->memory_bytes / MIB);
}

static int add_simulation(const struct vm_launch *launch, struct argv *argv, struct err *err)
{
    (void)err;
    add_option(argv, "-accel", launch->kvm ? "kvm" : "tcg,thread=multi");
    add_option(argv, "-cpu", launch->kvm ? "host" : "max");
    /* Nothing is measured here: the newest that Debian 12's own QEMU has. */
    add_option(argv, "-machine", "pc-q35-7.2,hpet=off,smm=off,vmport=off");
    return 0;
}

static int add_snp(const struct vm_launch *launch, struct argv *argv, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(4 * VM_ID_AUTH_SIZE);
    if (launch->cbitpos == 0 || launch->cbitpos > ADDRESS_BITS_MAX)
        return FAIL(err, ERR_INVALID, "bit %u cannot mark private memory", launch->cbitpos);
    add_option(argv, "-accel", "kvm");
    add_option(argv, "-cpu", launch->cpu);
    add_option(argv, "-machine",
               "pc-q35-9.1,confidential-guest-support=tee,memory-backend=memory,"
               "kernel-irqchip=split,hpet=off,smm=off,vmport=off");
    add_private_memory(launch, argv);
    if (buf_printf(&text, err,
                   "sev-snp-guest,id=tee,policy=%#" PRIx64
                   ",kernel-hashes=on,cbitpos=%u,reduced-phys-bits=1,host-data=",
                   VM_SNP_POLICY, launch->cbitpos) < 0 ||
        base64_append(&text, slice_of(launch->host_data, VM_HOST_DATA_SIZE), err) < 0 ||
        buf_str(&text, ",id-block=", err) < 0 ||
        base64_append(&text, slice_of(launch->id_block, VM_ID_BLOCK_SIZE), err) < 0)
        return -1;
    if (buf_str(&text, ",id-auth=", err) < 0 ||
        base64_append(&text, slice_of(launch->id_auth, VM_ID_AUTH_SIZE), err) < 0)
        return -1;
    add_option(argv, "-object", buf_text(&text));
    return 0;
}

static int add_tdx(const struct vm_launch *launch, struct argv *argv, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(1024);
    if (base64_append(&text, slice_of(launch->mrconfigid, VM_DIGEST_SIZE), err) < 0)
        return -1;
    add_option(argv, "-accel", "kvm");
    add_option(argv, "-cpu", "host");
    add_option(argv, "-machine",
               "pc-q35-10.1,confidential-guest-support=tee,memory-backend=memory,"
               "kernel-irqchip=split,hpet=off,smm=off,pic=off,vmport=off");
    add_private_memory(launch, argv);
    argv_add(argv, "-object");
    argv_addf(argv,
              "{\"qom-type\":\"tdx-guest\",\"id\":\"tee\",\"mrconfigid\":\"%s\","
              "\"quote-generation-socket\":{\"type\":\"vsock\",\"cid\":\"2\",\"port\":\"%d\"}}",
              buf_text(&text), VM_TDX_QUOTE_PORT);
    return 0;
}

const struct vm_tee vm_tee_simulation = {
    .name = "simulation", .simulated = true, .add = add_simulation};
const struct vm_tee vm_tee_snp = {.name = "snp", .add = add_snp};
const struct vm_tee vm_tee_tdx = {.name = "tdx", .add = add_tdx};

static const struct vm_tee *const tees[] = {&vm_tee_simulation, &vm_tee_snp, &vm_tee_tdx};

int vm_tee_by_name(const char *name, const struct vm_tee **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tees); i++) {
        if (strcmp(tees[i]->name, name) == 0) {
            *ret = tees[i];
            return 0;
        }
    }
    return FAIL(err, ERR_NOT_FOUND,
                "launcher 'vm' knows no TEE '%s', expected: simulation, snp, tdx", name);
}

/* --- devices, in one order --- */

static void add_disk(struct argv *argv, const char *serial, const char *path, bool writable)
{
    if (path == NULL)
        return;
    argv_add(argv, "-drive");
    argv_addf(argv, "if=none,id=%s,format=raw,readonly=%s,file=%s", serial, writable ? "off" : "on",
              path);
    argv_add(argv, "-device");
    argv_addf(argv, "virtio-blk-pci,drive=%s,serial=%s" VIRTIO NO_ROM, serial, serial);
}

/* What the guest writes goes into a descriptor that we were given. */
static void add_output_port(struct argv *argv, const char *name, int fd, int set)
{
    argv_add(argv, "-add-fd");
    argv_addf(argv, "fd=%d,set=%d", fd, set);
    argv_add(argv, "-chardev");
    argv_addf(argv, "file,id=%s,path=/dev/fdset/%d,append=on", name, set);
    argv_add(argv, "-device");
    argv_addf(argv, "virtserialport,chardev=%s,name=%s", name, name);
}

static void add_socket_port(struct argv *argv, const char *name, int fd)
{
    argv_add(argv, "-chardev");
    argv_addf(argv, "socket,id=%s,fd=%d", name, fd);
    argv_add(argv, "-device");
    argv_addf(argv, "virtserialport,chardev=%s,name=%s", name, name);
}

static void add_ports(const struct vm_tee *tee, const struct vm_launch *launch, struct argv *argv)
{
    add_option(argv, "-device", "virtio-serial-pci" VIRTIO NO_ROM);
    add_output_port(argv, GUEST_PORT_STATUS, launch->status_fd, 1);
    add_output_port(argv, GUEST_PORT_LOG, launch->log_fd, 2);
    add_socket_port(argv, GUEST_PORT_CONTROL, launch->control_fd);
    if (tee->simulated)
        add_socket_port(argv, GUEST_PORT_TEE, launch->tee_fd);
    if (!launch->console)
        return;
    add_option(argv, "-chardev", "file,id=console,path=/dev/fdset/2,append=on");
    add_option(argv, "-serial", "chardev:console");
}

static void add_network(const struct vm_launch *launch, struct argv *argv)
{
    argv_add(argv, "-netdev");
    argv_addf(argv, "user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:%u-" GUEST_ADDRESS ":%d",
              launch->forward_port, GUEST_APP_PORT);
    add_option(argv, "-device", "virtio-net-pci,netdev=net" VIRTIO NO_ROM);
}

/* --- the whole --- */

static int check_paths(const struct vm_launch *launch, struct err *err)
{
    const char *const paths[] = {launch->root, launch->layer, launch->package, launch->environment,
                                 launch->storage};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (paths[i] != NULL && strchr(paths[i], ',') != NULL)
            return FAIL(err, ERR_INVALID, "the path '%s' has a comma, which QEMU takes for its own",
                        paths[i]);
    }
    if (launch->cpu != NULL && strchr(launch->cpu, ',') != NULL)
        return FAIL(err, ERR_INVALID, "the processor model '%s' has a comma", launch->cpu);
    return 0;
}

static int check(const struct vm_tee *tee, const struct vm_launch *launch, struct err *err)
{
    if (launch->memory_bytes < VM_MEMORY_MIN || launch->memory_bytes % MIB != 0)
        return FAIL(err, ERR_INVALID,
                    "%" PRIu64 " bytes of memory, expected whole MiB, at least %d",
                    launch->memory_bytes, VM_MEMORY_MIN);
    if (launch->vcpus == 0 || launch->vcpus > VM_VCPUS_MAX)
        return FAIL(err, ERR_INVALID, "%u virtual processors, expected 1 to %d", launch->vcpus,
                    VM_VCPUS_MAX);
    if (launch->status_fd < FIRST_FREE_FD || launch->log_fd < FIRST_FREE_FD ||
        launch->control_fd < FIRST_FREE_FD || (tee->simulated && launch->tee_fd < FIRST_FREE_FD))
        return FAIL(err, ERR_INTERNAL, "QEMU takes no port from descriptors 0 to 2");
    if (launch->firmware == NULL && !tee->simulated)
        return FAIL(err, ERR_INVALID, "no firmware, which is what %s measures first", tee->name);
    return check_paths(launch, err);
}

int vm_command(const struct vm_tee *tee, const struct vm_launch *launch, struct argv *argv,
               struct err *err)
{
    if (check(tee, launch, err) < 0)
        return -1;
    argv_add(argv, launch->qemu);
    argv_add(argv, "-nodefaults");
    argv_add(argv, "-no-user-config");
    argv_add(argv, "-no-reboot");
    add_option(argv, "-display", "none");
    add_option(argv, "-sandbox",
               "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    argv_add(argv, "-smp");
    argv_addf(argv, "%u", launch->vcpus);
    argv_add(argv, "-m");
    argv_addf(argv, "%" PRIu64 "M", launch->memory_bytes / MIB);
    if (tee->add(launch, argv, err) < 0)
        return -1;
    if (launch->firmware != NULL)
        add_option(argv, "-bios", launch->firmware);
    add_option(argv, "-kernel", launch->kernel);
    add_option(argv, "-initrd", launch->initrd);
    add_option(argv, "-append", launch->cmdline);
    add_ports(tee, launch, argv);
    add_disk(argv, GUEST_DISK_ROOT, launch->root, false);
    add_disk(argv, GUEST_DISK_LAYER, launch->layer, false);
    add_disk(argv, GUEST_DISK_PACKAGE, launch->package, false);
    add_disk(argv, GUEST_DISK_ENVIRONMENT, launch->environment, false);
    add_disk(argv, GUEST_DISK_STORAGE, launch->storage, true);
    add_network(launch, argv);
    return argv_end(argv, err);
}
