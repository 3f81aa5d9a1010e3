// SPDX-License-Identifier: Apache-2.0
/*
 * The union of code and data as a file system: mounting it, and its server, a process of its own
 * that is forked from the (measured) enclave while no secret is in memory but the key that binds
 * data to its place. It speaks FUSE with the kernel directly (linux/fuse.h): what is needed of it
 * is small, the kernel's overlay file system would let data hide code, and the unions that there
 * are give who can write to them a way to change what they show. The server keeps no capability but
 * one that makes it harder to trace, and ends with the enclave.
 */
#include "storage/storage.h"
#include "storage/union.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PROTOCOL_MINOR = 31, /* Linux 5.4: what is written below, whatever the headers know */
    THREADS = 3,
    STACK_SIZE = 128 * 1024,
    IN_SIZE = UNION_IO_MAX + 4096, /* the kernel asks for room for a whole write and its heads */
    OUT_SIZE = UNION_IO_MAX + (int)sizeof(struct fuse_out_header),
};

/* --- the protocol --- */

static const struct {
    size_t body_min;
    union_operation *run;
} operations[] = {
    [FUSE_LOOKUP] = {2, union_lookup},
    [FUSE_GETATTR] = {sizeof(struct fuse_getattr_in), union_getattr},
    [FUSE_SETATTR] = {sizeof(struct fuse_setattr_in), union_setattr},
    [FUSE_READLINK] = {0, union_readlink},
    [FUSE_SYMLINK] = {4, union_symlink},
    [FUSE_MKNOD] = {sizeof(struct fuse_mknod_in), union_mknod},
    [FUSE_MKDIR] = {sizeof(struct fuse_mkdir_in), union_mkdir},
    [FUSE_UNLINK] = {2, union_unlink},
    [FUSE_RMDIR] = {2, union_rmdir},
    [FUSE_RENAME] = {sizeof(struct fuse_rename_in), union_rename},
    [FUSE_RENAME2] = {sizeof(struct fuse_rename2_in), union_rename2},
    [FUSE_LINK] = {sizeof(struct fuse_link_in), union_link},
    [FUSE_OPEN] = {sizeof(struct fuse_open_in), union_open},
    [FUSE_CREATE] = {sizeof(struct fuse_create_in), union_create},
    [FUSE_READ] = {sizeof(struct fuse_read_in), union_read},
    [FUSE_WRITE] = {sizeof(struct fuse_write_in), union_write},
    [FUSE_FLUSH] = {sizeof(struct fuse_flush_in), union_flush},
    [FUSE_FSYNC] = {sizeof(struct fuse_fsync_in), union_fsync},
    [FUSE_FSYNCDIR] = {sizeof(struct fuse_fsync_in), union_fsync},
    [FUSE_RELEASE] = {sizeof(struct fuse_release_in), union_release},
    [FUSE_RELEASEDIR] = {sizeof(struct fuse_release_in), union_release},
    [FUSE_OPENDIR] = {sizeof(struct fuse_open_in), union_opendir},
    [FUSE_READDIR] = {sizeof(struct fuse_read_in), union_readdir},
    [FUSE_STATFS] = {0, union_statfs},
    [FUSE_FALLOCATE] = {sizeof(struct fuse_fallocate_in), union_fallocate},
};

/* Locks stay the kernel's own, which is right where one mount is all there is of a file. */
static int greet(struct request *request)
{
    struct fuse_init_in in = {0};
    size_t len = request->body_len < sizeof(in) ? request->body_len : sizeof(in);
    memcpy(&in, request->body, len);
    const struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = PROTOCOL_MINOR,
        .max_readahead = in.max_readahead,
        .flags = in.flags & (FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES),
        .max_background = 16,
        .congestion_threshold = 12,
        .max_write = UNION_IO_MAX,
        .time_gran = 1,
    };
    if (in.major != FUSE_KERNEL_VERSION)
        return -EPROTO;
    memcpy(request->out, &out, sizeof(out));
    request->out_len = sizeof(out);
    return 0;
}

static void forget(struct union_fs *fs, const struct request *request)
{
    struct fuse_forget_in in;
    if (request->body_len < sizeof(in))
        return;
    memcpy(&in, request->body, sizeof(in));
    node_forget(fs, node_of(fs, request->in->nodeid), in.nlookup);
}

static void forget_many(struct union_fs *fs, const struct request *request)
{
    struct fuse_batch_forget_in head;
    if (request->body_len < sizeof(head))
        return;
    memcpy(&head, request->body, sizeof(head));
    for (size_t i = 0; i < head.count; i++) {
        struct fuse_forget_one one;
        size_t at = sizeof(head) + i * sizeof(one);
        if (at + sizeof(one) > request->body_len)
            return;
        memcpy(&one, request->body + at, sizeof(one));
        node_forget(fs, node_of(fs, one.nodeid), one.nlookup);
    }
}

static int run(struct union_fs *fs, struct request *request)
{
    uint32_t opcode = request->in->opcode;
    if (opcode == FUSE_INIT)
        return greet(request);
    if (opcode >= ARRAY_LEN(operations) || operations[opcode].run == NULL)
        return -ENOSYS;
    if (request->body_len < operations[opcode].body_min)
        return -EINVAL;
    return operations[opcode].run(fs, request);
}

static void answer(struct union_fs *fs, const struct request *request, int result, uint8_t *out)
{
    const struct fuse_out_header head = {
        .len = (uint32_t)(sizeof(head) + (result < 0 ? 0 : request->out_len)),
        .error = result,
        .unique = request->in->unique,
    };
    memcpy(out, &head, sizeof(head));
    ssize_t ignored = write(fs->device, out, head.len); /* ENOENT: the asker has gone */
    (void)ignored;
}

void union_forget_attributes(const struct union_fs *fs, const struct node *node)
{
    struct {
        struct fuse_out_header head;
        struct fuse_notify_inval_inode_out what;
    } note = {
        .head = {.len = sizeof(note), .error = FUSE_NOTIFY_INVAL_INODE},
        .what = {.ino = (uint64_t)(uintptr_t)node, .off = -1}, /* attributes alone */
    };
    ssize_t ignored = write(fs->device, &note, sizeof(note)); /* ENOENT: it knows nothing */
    (void)ignored;
}

static void handle(struct union_fs *fs, const uint8_t *in, size_t len, uint8_t *out)
{
    struct fuse_in_header head;
    if (len < sizeof(head))
        return;
    memcpy(&head, in, sizeof(head));
    struct request request = {
        .in = &head,
        .body = in + sizeof(head),
        .body_len = len - sizeof(head),
        .out = out + sizeof(struct fuse_out_header),
    };
    if (head.opcode == FUSE_FORGET)
        forget(fs, &request);
    else if (head.opcode == FUSE_BATCH_FORGET)
        forget_many(fs, &request);
    else if (head.opcode != FUSE_INTERRUPT)
        answer(fs, &request, run(fs, &request), out);
}

static void *serve(void *argument)
{
    struct union_fs *fs = argument;
    uint8_t *in = mem_alloc(IN_SIZE, NULL);
    uint8_t *out = mem_alloc(OUT_SIZE, NULL);
    while (in != NULL && out != NULL) {
        ssize_t len = read(fs->device, in, IN_SIZE);
        if (len >= 0)
            handle(fs, in, (size_t)len, out);
        else if (errno != EINTR && errno != EAGAIN && errno != ENOENT)
            break; /* ENODEV: unmounted */
    }
    _exit(in != NULL && out != NULL ? 0 : 1);
}

/* --- the server's process --- */

/* All but one, which does nothing alone and which the app has not: who would trace a process needs
 * all of its capabilities (capabilities(7), ptrace(2)). */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        data[i].permitted &= i == 0 ? 1U << CAP_SETPCAP : 0;
        data[i].effective = data[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Only what the server uses stays open, at low numbers. */
static int keep_descriptors(struct union_fs *fs)
{
    int *const kept[] = {&fs->device, &fs->data, &fs->code_parent};
    size_t count = fs->code_parent < 0 ? 2 : 3;
    for (size_t i = 0; i < count; i++) {
        *kept[i] = fcntl(*kept[i], F_DUPFD_CLOEXEC, 100);
        if (*kept[i] < 0)
            return -1;
    }
    if (close_range(3, 99, 0) < 0 || close_range(100 + (unsigned)count, ~0U, 0) < 0)
        return -1;
    return 0;
}

static int start_threads(struct union_fs *fs)
{
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int result = 0;
    for (int i = 1; i < THREADS && result == 0; i++) {
        pthread_t thread;
        result = pthread_create(&thread, &attributes, serve, fs);
    }
    (void)pthread_attr_destroy(&attributes);
    return result == 0 ? 0 : -1;
}

static void server_main(struct union_fs *fs, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "mse-union");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(0);
    if (getppid() != parent || setsid() < 0 || chdir("/") < 0 || keep_descriptors(fs) < 0 ||
        drop_capabilities() < 0 || start_threads(fs) < 0)
        _exit(1);
    (void)serve(fs);
}

/* --- mounting --- */

static int mount_device(const char *point, int *ret, struct err *err)
{
    AUTO_CLOSE int device = -1;
    char options[128];
    if (fd_open("/dev/fuse", O_RDWR, 0, &device, err) < 0)
        return -1;
    (void)snprintf(options, sizeof(options),
                   "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions", device,
                   (unsigned)geteuid(), (unsigned)getegid());
    if (mount("mse-union", point, "fuse.mse-union", MS_NOSUID | MS_NODEV, options) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount the union of code and data on '%s'", point);
    *ret = fd_steal(&device);
    return 0;
}

int storage_union_mount(const struct storage_union *spec, struct err *err)
{
    static struct union_fs fs = {
        .code = -1,
        .names = LOCK_INIT(LOCK_UNION_NAMES),
        .table = LOCK_INIT(LOCK_UNION_TABLE),
        .room = LOCK_INIT(LOCK_UNION_ROOM),
    };
    AUTO_CLOSE int device = -1;
    if (mount_device(spec->point, &device, err) < 0)
        return -1;
    fs.device = device;
    fs.code_parent = spec->code_parent;
    fs.code_name = spec->code_name;
    fs.data = spec->data;
    fs.place = (struct head_place){spec->key, spec->purpose};
    fs.limit = spec->limit_bytes;
    fs.root.is_code = spec->code_parent >= 0;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        (void)FAIL_ERRNO(err, ERR_MEMORY, "cannot start the server of '%s'", spec->point);
        (void)umount2(spec->point, MNT_DETACH);
        return -1;
    }
    if (pid == 0)
        server_main(&fs, parent);
    return 0;
}
