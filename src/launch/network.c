// SPDX-License-Identifier: Apache-2.0
/*
 * slirp4netns gives the sandbox an interface whose connections are made by a process outside, as
 * the app's own user, who has no rights on the host. It would reach what that user reaches: the
 * host's loopback, of which slirp4netns refuses no more than its own name for it, multicast
 * services, and every other address of the host, where the node and its neighbours listen. Those
 * are closed inside, before the enclave starts; the app has no capability to open them. Addresses
 * that the host gets later are not covered. Runs in the supervisor.
 *
 * Each network is closed twice. A route says no to whoever asks the routes. But a socket that names
 * its interface (SO_BINDTODEVICE, IP_UNICAST_IF, IP_PKTINFO) asks otherwise: the sandbox's own
 * loopback is not on that interface, so it would be the host's that is meant, and where no route
 * leads the address is taken for a neighbour's (Linux, net/ipv4/route.c,
 * ip_route_output_key_hash_rcu); local multicast asks no route at all. An IPsec policy holds for
 * all that leaves by an interface other than `lo`.
 */
#include "launch/network.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Rarely used elsewhere; the gateway is .2, the name server .3 (NETWORK_NAME_SERVER). */
#define TUN "/dev/net/tun"
#define SLIRP_CIDR "--cidr=10.213.0.0/24"

enum { TUN_MAJOR = 10, TUN_MINOR = 200 };

enum { START_TIMEOUT_MS = 10000, ROUTES_MAX = 64 * 1024 };

static const char *const always_blocked[] = {
    "127.0.0.0/8",        /* the host's: the sandbox's own is reached through `lo` */
    "0.0.0.0/8",          /* on some systems another name for it */
    "224.0.0.0/4",        /* name and service discovery of the host and its network */
    "255.255.255.255/32", /* slirp4netns takes it for the host */
    /* where clouds serve credentials of the machine, and the rest of link-local */
    "169.254.0.0/16",
    "100.100.100.200/32",
    "192.0.0.192/32",
};

static int block(struct buf *commands, const char *network, struct err *err)
{
    return buf_printf(commands, err,
                      "route replace prohibit %s\n"
                      "xfrm policy update dst %s dir out action block\n",
                      network, network);
}

static int block_host_addresses(struct buf *commands, struct err *err)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot list the host's addresses");
    int result = 0;
    for (struct ifaddrs *one = all; one != NULL && result == 0; one = one->ifa_next) {
        char text[INET_ADDRSTRLEN + sizeof("/32")];
        const void *bytes = one->ifa_addr;
        struct sockaddr_in address;
        if (bytes == NULL || one->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&address, bytes, sizeof(address));
        if ((ntohl(address.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET)
            continue; /* always blocked */
        if (inet_ntop(AF_INET, &address.sin_addr, text, INET_ADDRSTRLEN) == NULL)
            continue;
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "/32");
        result = block(commands, text, err);
    }
    freeifaddrs(all);
    return result;
}

static int block_all(struct buf *commands, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(always_blocked); i++) {
        if (block(commands, always_blocked[i], err) < 0)
            return -1;
    }
    return block_host_addresses(commands, err);
}

/* bubblewrap tells of its child before the child has mapped its user: until then whoever enters
 * that user namespace loses all rights in it with exec. */
static int wait_for_user_map(pid_t init, struct err *err)
{
    char path[64];
    int64_t deadline = clock_monotonic_ms() + START_TIMEOUT_MS;
    (void)snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)init); /* written last */
    for (;;) {
        AUTO_BUF struct buf map = BUF_INIT(4096);
        if (file_read(path, &map, err) < 0)
            return -1;
        if (map.len > 0)
            return 0;
        if (clock_monotonic_ms() > deadline)
            return FAIL(err, ERR_TIMEOUT, "the sandbox has mapped no user");
        clock_sleep_ms(1);
    }
}

static int fail_close(const char *words, struct err *err)
{
    (void)FAIL(err, ERR_IO, "cannot close the host's networks to the sandbox: %s", words);
    err_hint(err, "%s", NETWORK_NEEDS);
    return -1;
}

static int close_networks(pid_t init, uid_t uid, gid_t gid, struct err *err)
{
    AUTO_FREE char *nsenter = NULL;
    AUTO_FREE char *ip = NULL;
    AUTO_BUF struct buf commands = BUF_INIT(ROUTES_MAX);
    AUTO_BUF struct buf out = BUF_INIT(1024);
    AUTO_BUF struct buf errors = BUF_INIT(1024);
    char target[16];
    int status = 0;
    if (process_find("nsenter", "util-linux", &nsenter, err) < 0 ||
        process_find("ip", "iproute2", &ip, err) < 0 || block_all(&commands, err) < 0)
        return -1;
    (void)snprintf(target, sizeof(target), "%d", (int)init);
    const char *const argv[] = {nsenter,    "--preserve-credentials",
                                "--user",   "--net",
                                "--target", target,
                                "--",       ip,
                                "-batch",   "-",
                                NULL};
    const struct process_spec spec = {
        .argv = argv, .folder = "/", .set_ids = geteuid() == 0, .uid = uid, .gid = gid};
    if (process_run(&spec, buf_slice(&commands), &out, &errors, START_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (status != 0)
        return fail_close(buf_text(&errors), err);
    return 0;
}

/* slirp4netns writes one byte when the interface is there, or closes when it fails. */
static int wait_until_ready(int fd, struct err *err)
{
    char byte = 0;
    size_t len = 0;
    if (fd_wait_readable(fd, clock_monotonic_ms() + START_TIMEOUT_MS, err) < 0)
        return FAIL_CONTEXT(err, "slirp4netns was not ready within %d s", START_TIMEOUT_MS / 1000);
    if (fd_read_full(fd, &byte, 1, &len, err) == 0 && len == 1)
        return 0;
    (void)FAIL(err, ERR_IO,
               "slirp4netns could not make the network of the sandbox "
               "(its words are in supervisor.log)");
    err_hint(err, "it needs /dev/net/tun: modprobe tun");
    return -1;
}

/* Is the device open to this user? Debian's udev makes it so; the supervisor has one of its own. */
static bool tun_is_open_to(uid_t uid)
{
    struct stat info;
    return stat(TUN, &info) < 0 || (info.st_mode & 0006) == 0006 || info.st_uid == uid;
}

/* In the child: a device node of the user's own, in a mount namespace of the child's own. */
static int make_own_tun(const struct process_spec *spec)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/dev/net", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4k") < 0 ||
        mknod(TUN, S_IFCHR | 0600, makedev(TUN_MAJOR, TUN_MINOR)) < 0)
        return -1;
    return chown(TUN, spec->uid, spec->gid);
}

static int start_slirp(pid_t init, uid_t uid, gid_t gid, pid_t *ret, struct err *err)
{
    AUTO_FREE char *slirp = NULL;
    char target[16];
    int ready[2] = {-1, -1};
    if (process_find("slirp4netns", "slirp4netns", &slirp, err) < 0 || fd_pipe(ready, err) < 0)
        return -1;
    (void)snprintf(target, sizeof(target), "%d", (int)init);
    const char *const argv[] = {slirp,
                                "--configure",
                                "--mtu=65520",
                                SLIRP_CIDR,
                                "--disable-host-loopback",
                                "--enable-sandbox",
                                "--enable-seccomp",
                                "--ready-fd=3",
                                target,
                                "tap0",
                                NULL};
    const struct process_fd fds[] = {{STDERR_FILENO, STDERR_FILENO}, {ready[1], 3}};
    const struct process_spec spec = {
        .argv = argv,
        .fds = fds,
        .fd_count = ARRAY_LEN(fds),
        .folder = "/",
        .new_session = true,
        .die_with_parent = true,
        .set_ids = geteuid() == 0,
        .uid = uid,
        .gid = gid,
        .prepare = geteuid() == 0 && !tun_is_open_to(uid) ? make_own_tun : NULL,
    };
    int result = process_start(&spec, ret, err);
    fd_close(ready[1]);
    if (result == 0)
        result = wait_until_ready(ready[0], err);
    fd_close(ready[0]);
    return result;
}

int network_start(pid_t init, uid_t uid, gid_t gid, pid_t *ret, struct err *err)
{
    if (wait_for_user_map(init, err) < 0 || close_networks(init, uid, gid, err) < 0 ||
        start_slirp(init, uid, gid, ret, err) < 0)
        return FAIL_CONTEXT(err, "network");
    return 0;
}
