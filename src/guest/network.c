// SPDX-License-Identifier: Apache-2.0
/*
 * The network: loopback, and one card with a static address (model/guest.h). No DHCP: nothing of
 * the host's is parsed. What comes over it is the app's affair, as in any sandbox.
 */
#include "guest/guest.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "model/guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CARD "eth0"
#define RESOLV_CONF "/run/mse/resolv.conf"
enum { CARD_WAIT_MS = 5000, POLL_MS = 10 };

static void set_address(struct sockaddr *to, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    (void)inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(to, &address, sizeof(address));
}

static int configure(int fd, const char *card, const char *address, const char *mask,
                     struct err *err)
{
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", card);
    set_address(&request.ifr_addr, address);
    if (ioctl(fd, SIOCSIFADDR, &request) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the address of '%s'", card);
    set_address(&request.ifr_netmask, mask);
    if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the network mask of '%s'", card);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot switch '%s' on", card);
    return 0;
}

static int add_gateway(int fd, struct err *err)
{
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    set_address(&route.rt_dst, "0.0.0.0");
    set_address(&route.rt_genmask, "0.0.0.0");
    set_address(&route.rt_gateway, GUEST_GATEWAY);
    if (ioctl(fd, SIOCADDRT, &route) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot set the gateway");
    return 0;
}

static int wait_for_card(struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + CARD_WAIT_MS;
    while (if_nametoindex(CARD) == 0) {
        if (clock_monotonic_ms() >= deadline)
            return FAIL(err, ERR_NOT_FOUND, "the guest has no network card");
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

/* Held here, as outside of a VM by the node: mse-enclave gets it open. */
static int listen_for_app(int *ret, struct err *err)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(GUEST_APP_PORT)};
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot listen on port %d", GUEST_APP_PORT);
    *ret = fd_steal(&fd);
    return 0;
}

int step_network(struct guest *guest, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a socket");
    if (wait_for_card(err) < 0 || configure(fd, "lo", "127.0.0.1", "255.0.0.0", err) < 0 ||
        configure(fd, CARD, GUEST_ADDRESS, GUEST_NETMASK, err) < 0 || add_gateway(fd, err) < 0)
        return -1;
    if (listen_for_app(&guest->app_socket, err) < 0)
        return -1;
    return file_write_atomic(RESOLV_CONF, slice_str("nameserver " GUEST_DNS "\n"), 0644, err);
}
