// SPDX-License-Identifier: Apache-2.0
/*
 * Gathers what a sandbox is made of. As root the state folder is closed to the app's user, so its
 * pieces are bound below STAGE, a tmpfs that exists in the supervisor's mount namespace only, next
 * to device nodes that belong to that user (FUSE, TUN: 0600 root on some machines). Without root
 * there is one user anyway, and the paths are used as they are. Runs in the supervisor.
 */
#include "launch/stage.h"

#include "base/fd.h"
#include "base/file.h"
#include "launch/network.h"
#include "model/sandbox_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define STAGE "/mnt" /* in the Filesystem Hierarchy Standard, so it is there to be covered */
#define NODE_FOLDER "node"
#define CIPHER_FOLDER "cipher"
#define ETC_FOLDER "etc"

enum { FUSE_MAJOR = 10, FUSE_MINOR = 229, TUN_MAJOR = 10, TUN_MINOR = 200 };

struct etc_file {
    const char *name;
    const char *text;
};

static const struct etc_file etc_texts[] = {
    {"passwd", "root:x:0:0:the app:/root:/usr/sbin/nologin\n"
               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    {"group", "root:x:0:\nnogroup:x:65534:\n"},
    {"hosts", "127.0.0.1 localhost mse\n::1 localhost\n"},
    {"resolv.conf", "nameserver " NETWORK_NAME_SERVER "\n"},
    {"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n"
                      "protocols: files\n"},
    {"hostname", "mse\n"},
};

const char *const stage_etc_files[] = {"passwd",      "group",         "hosts",
                                       "resolv.conf", "nsswitch.conf", "hostname"};
const size_t stage_etc_file_count = ARRAY_LEN(stage_etc_files);

static int write_etc(const char *folder, struct err *err)
{
    if (folder_create(folder, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(etc_texts); i++) {
        AUTO_FREE char *path = path_join(folder, etc_texts[i].name, err);
        if (path == NULL || file_write_atomic(path, slice_str(etc_texts[i].text), 0644, err) < 0)
            return -1;
    }
    return 0;
}

static int give_to(const char *path, const struct launch_spec *spec, struct err *err)
{
    if (geteuid() == 0 && lchown(path, spec->uid, spec->gid) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot give '%s' to the app's user", path);
    return 0;
}

/* What the enclave reaches of the node's: it may enter, and connect to what we put there, but not
 * write. Also read-only in the sandbox, where without root it belongs to the same user. */
static int make_node_folder(const struct launch_spec *spec, struct err *err)
{
    static const char hold[] = NODE_FOLDER "/" SANDBOX_HOLD_NAME;
    if (folder_create(NODE_FOLDER, 0711, err) < 0)
        return -1;
    if (chmod(NODE_FOLDER, 0711) < 0) /* whatever the umask is */
        return FAIL_ERRNO(err, ERR_IO, "cannot open the folder '%s' to the app", NODE_FOLDER);
    if (spec->hold == 0)
        return file_remove(hold, err);
    return file_write_atomic(hold, slice_of(NULL, 0), 0444, err);
}

/* --- without root --- */

static int copy_path(char to[static LAUNCH_PATH_MAX], const char *from, struct err *err)
{
    int len = snprintf(to, LAUNCH_PATH_MAX, "%s", from);
    if (len < 0 || len >= LAUNCH_PATH_MAX)
        return FAIL(err, ERR_INVALID, "the path '%.64s...' is too long", from);
    return 0;
}

static int copy_resolved(char to[static LAUNCH_PATH_MAX], const char *from, struct err *err)
{
    AUTO_FREE char *full = path_resolve(from, err);
    return full == NULL ? -1 : copy_path(to, full, err);
}

static int use_paths(struct stage *stage, const struct launch_spec *spec, struct err *err)
{
    if (spec->quota_bytes != 0) {
        (void)FAIL(err, ERR_FORBIDDEN, "a storage quota needs root");
        err_hint(err, "configure quota = \"none\", or run the node as root");
        return -1;
    }
    if (folder_create(spec->storage, 0700, err) < 0 || write_etc(ETC_FOLDER, err) < 0)
        return -1;
    if (copy_resolved(stage->etc, ETC_FOLDER, err) < 0 ||
        copy_resolved(stage->node, NODE_FOLDER, err) < 0 ||
        copy_resolved(stage->cipher, spec->storage, err) < 0 ||
        copy_resolved(stage->package, spec->package, err) < 0 ||
        copy_resolved(stage->enclave, spec->enclave, err) < 0)
        return -1;
    if (spec->environment != NULL && copy_resolved(stage->environment, spec->environment, err) < 0)
        return -1;
    return copy_path(stage->fuse, "/dev/fuse", err);
}

/* --- as root --- */

static int enter_own_namespace(struct stage *stage, struct err *err)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a mount namespace");
    stage->own_mounts = true;
    return 0;
}

static int mount_storage(const struct launch_spec *spec, const struct launch_storage *storage,
                         struct err *err)
{
    AUTO_FREE char *folder = NULL;
    if (folder_create(CIPHER_FOLDER, 0700, err) < 0)
        return -1;
    folder = path_resolve(CIPHER_FOLDER, err);
    if (folder == NULL || storage->mount(spec, folder, err) < 0)
        return -1;
    return give_to(CIPHER_FOLDER, spec, err);
}

struct piece {
    const char *source;
    const char *name;
    char *path; /* of the stage, filled in */
    bool is_file;
    int fd;
};

static int open_pieces(struct piece *pieces, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].source != NULL &&
            fd_open(pieces[i].source, O_PATH, 0, &pieces[i].fd, err) < 0)
            return -1;
    }
    return 0;
}

static int bind_piece(struct piece *piece, struct err *err)
{
    char source[32];
    (void)snprintf(piece->path, LAUNCH_PATH_MAX, STAGE "/%s", piece->name);
    (void)snprintf(source, sizeof(source), "/proc/self/fd/%d", piece->fd);
    if (piece->is_file ? file_write_atomic(piece->path, slice_str(""), 0755, err) < 0
                       : folder_create(piece->path, 0755, err) < 0)
        return -1;
    if (mount(source, piece->path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot bind '%s' for the sandbox", piece->source);
    return 0;
}

static int cover_stage(struct err *err)
{
    if (mount("mse-stage", STAGE, "tmpfs", MS_NOSUID, "size=1m,mode=0755") < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount a tmpfs on '%s'", STAGE);
    return 0;
}

static int bind_all(struct piece *pieces, size_t count, struct err *err)
{
    int result = open_pieces(pieces, count, err);
    if (result == 0)
        result = cover_stage(err);
    for (size_t i = 0; i < count; i++) {
        if (result == 0 && pieces[i].fd >= 0)
            result = bind_piece(&pieces[i], err);
        fd_close(pieces[i].fd);
    }
    return result;
}

static int bind_pieces(struct stage *stage, const struct launch_spec *spec, struct err *err)
{
    struct piece pieces[] = {
        {spec->package, "package", stage->package, false, -1},
        {spec->enclave, "enclave", stage->enclave, true, -1},
        {spec->environment, "environment", stage->environment, false, -1},
        {NODE_FOLDER, "node", stage->node, false, -1},
        {CIPHER_FOLDER, "cipher", stage->cipher, false, -1},
    };
    return bind_all(pieces, ARRAY_LEN(pieces), err);
}

static int make_device(const char *path, dev_t number, const struct launch_spec *spec,
                       struct err *err)
{
    if (mknod(path, S_IFCHR | 0600, number) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make the device node '%s'", path);
    return give_to(path, spec, err);
}

/* slirp4netns opens /dev/net/tun by that name, as the app's user, in our mount namespace. */
static int make_tun(const struct launch_spec *spec, struct err *err)
{
    if (make_device(STAGE "/tun", makedev(TUN_MAJOR, TUN_MINOR), spec, err) < 0)
        return -1;
    if (mount(STAGE "/tun", "/dev/net/tun", NULL, MS_BIND, NULL) < 0) {
        (void)FAIL_ERRNO(err, ERR_UNSUPPORTED, "no /dev/net/tun");
        err_hint(err, "load the kernel module: modprobe tun");
        return -1;
    }
    return 0;
}

static int make_devices(struct stage *stage, const struct launch_spec *spec, struct err *err)
{
    if (make_device(STAGE "/fuse", makedev(FUSE_MAJOR, FUSE_MINOR), spec, err) < 0 ||
        make_tun(spec, err) < 0)
        return -1;
    return copy_path(stage->fuse, STAGE "/fuse", err);
}

static int gather(struct stage *stage, const struct launch_spec *spec,
                  const struct launch_storage *storage, struct err *err)
{
    if (enter_own_namespace(stage, err) < 0 || mount_storage(spec, storage, err) < 0 ||
        bind_pieces(stage, spec, err) < 0 || make_devices(stage, spec, err) < 0 ||
        write_etc(STAGE "/" ETC_FOLDER, err) < 0)
        return -1;
    return copy_path(stage->etc, STAGE "/" ETC_FOLDER, err);
}

int stage_make(struct stage *stage, const struct launch_spec *spec,
               const struct launch_storage *storage, struct err *err)
{
    if (make_node_folder(spec, err) < 0)
        return -1;
    return geteuid() == 0 ? gather(stage, spec, storage, err) : use_paths(stage, spec, err);
}

/* --- for a VM --- */

/* The same device under the app's user alone. */
static int copy_device(const char *from, const char *name, const struct launch_spec *spec,
                       char ret[static LAUNCH_PATH_MAX], struct err *err)
{
    struct stat info;
    if (stat(from, &info) < 0)
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "no device '%s'", from);
    (void)snprintf(ret, LAUNCH_PATH_MAX, STAGE "/%s", name);
    return make_device(ret, info.st_rdev, spec, err);
}

static int copy_devices(struct stage *stage, const struct launch_spec *spec,
                        const char *const *devices, struct err *err)
{
    for (size_t i = 0; devices[i] != NULL; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "device-%zu", i);
        if (i == STAGE_DEVICES_MAX)
            return FAIL(err, ERR_INTERNAL, "more than %d devices", STAGE_DEVICES_MAX);
        if (copy_device(devices[i], name, spec, stage->devices[i], err) < 0)
            return -1;
    }
    return 0;
}

static int gather_vm(struct stage *stage, const struct launch_spec *spec,
                     const char *const *devices, struct err *err)
{
    struct piece pieces[] = {
        {spec->enclave, "program", stage->enclave, true, -1},
        {spec->image, "image", stage->image, false, -1},
        {VM_DISKS_FOLDER, "disks", stage->disks, false, -1},
        {spec->storage, "storage", stage->storage, true, -1},
        {NODE_FOLDER, "node", stage->node, false, -1},
    };
    if (enter_own_namespace(stage, err) < 0 || give_to(spec->storage, spec, err) < 0 ||
        bind_all(pieces, ARRAY_LEN(pieces), err) < 0 || make_tun(spec, err) < 0 ||
        copy_devices(stage, spec, devices, err) < 0 || write_etc(STAGE "/" ETC_FOLDER, err) < 0)
        return -1;
    return copy_path(stage->etc, STAGE "/" ETC_FOLDER, err);
}

static int use_vm_paths(struct stage *stage, const struct launch_spec *spec,
                        const char *const *devices, struct err *err)
{
    if (write_etc(ETC_FOLDER, err) < 0 || copy_resolved(stage->etc, ETC_FOLDER, err) < 0 ||
        copy_resolved(stage->node, NODE_FOLDER, err) < 0 ||
        copy_resolved(stage->enclave, spec->enclave, err) < 0 ||
        copy_resolved(stage->image, spec->image, err) < 0 ||
        copy_resolved(stage->disks, VM_DISKS_FOLDER, err) < 0 ||
        copy_resolved(stage->storage, spec->storage, err) < 0)
        return -1;
    for (size_t i = 0; i < STAGE_DEVICES_MAX && devices[i] != NULL; i++) {
        if (copy_resolved(stage->devices[i], devices[i], err) < 0)
            return -1;
    }
    return 0;
}

int stage_make_vm(struct stage *stage, const struct launch_spec *spec, const char *const *devices,
                  struct err *err)
{
    if (make_node_folder(spec, err) < 0)
        return -1;
    return geteuid() == 0 ? gather_vm(stage, spec, devices, err)
                          : use_vm_paths(stage, spec, devices, err);
}

void stage_remove(struct stage *stage)
{
    if (!stage->own_mounts)
        return;
    /* Both, and now: the lock is free before this process's namespace ends, and who starts the app
     * again must not find its storage mounted. With the last mount of it the kernel writes all. */
    (void)umount2(STAGE, MNT_DETACH | UMOUNT_NOFOLLOW);
    (void)umount2(CIPHER_FOLDER, MNT_DETACH | UMOUNT_NOFOLLOW);
}
