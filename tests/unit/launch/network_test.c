// SPDX-License-Identifier: Apache-2.0
/*
 * What of the host an app can reach through the sandbox's network: nothing. Listeners on the host
 * tell, since an app that is told nothing may have been heard all the same. The stand-in for the
 * enclave has no filter of system calls, so that the network alone is looked at.
 */
#include "app_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* All of them on one line. */
static void read_host_addresses(struct buf *out)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf errors = BUF_INIT(4096);
    int status = 0;
    const char *const argv[] = {"hostname", "-I", NULL};
    const struct process_spec spec = {.argv = argv};
    assert_int_equal(process_run(&spec, slice_str(""), out, &errors, 20000, &status, &err), 0);
    char *end = out->len > 0 ? memchr(out->data, '\n', out->len) : NULL;
    assert_non_null(end);
    *end = '\0';
}

/* A listener on every kind of address that the host has, and none of them can be reached. */
static void test_host_is_out_of_reach(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof(address);
    AUTO_BUF struct buf addresses = BUF_INIT(4096);
    if (!can_launch)
        skip();
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    read_host_addresses(&addresses);
    AUTO_FREE char *python = str_printf(
        &err,
        "for host in ['127.0.0.1', '10.213.0.2', '10.213.0.3', '169.254.169.254'] + "
        "'%s'.split():\n"
        "    if ':' in host: continue\n"
        "    try: socket.create_connection((host, %d), 2); assert False, host\n"
        "    except OSError as e: print(host, e)\n"
        "assert open('/etc/resolv.conf').read().split()[0] == 'nameserver'\n"
        "assert [n for _, n in socket.if_nameindex()] == ['lo', 'tap0'], socket.if_nameindex()\n"
        "say(state='running'); wait()\n",
        buf_text(&addresses), ntohs(address.sin_port));
    assert_script_runs(app, python);
}

/* What listens on the host: on its loopback, its addresses and in two multicast groups; over IPv6
 * too where the host has it. */
struct host_service {
    int udp[2];
    int tcp[2];
    uint16_t port;
};

static void join(int fd, const char *group)
{
    struct ip_mreqn request = {0};
    assert_int_equal(inet_pton(AF_INET, group, &request.imr_multiaddr), 1);
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) < 0)
        (void)printf("SKIP: no interface for multicast: %s\n", strerror(errno));
}

/* -1: the port is taken, or there is no IPv6 here. */
static int bind_any(int family, int kind, uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const int on = 1;
    AUTO_CLOSE int fd = socket(family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
    int result = family == AF_INET6 ? bind(fd, (const void *)&address6, sizeof(address6))
                                    : bind(fd, (const void *)&address, sizeof(address));
    return result == 0 ? fd_steal(&fd) : -1;
}

static struct host_service serve_on_host(void)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);
    struct host_service service = {.udp = {-1, -1}, .tcp = {-1, -1}};
    while (service.udp[0] < 0) { /* until a port is free for both */
        fd_close(service.tcp[0]);
        service.tcp[0] = bind_any(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(getsockname(service.tcp[0], (struct sockaddr *)&address, &size), 0);
        service.port = ntohs(address.sin_port);
        service.udp[0] = bind_any(AF_INET, SOCK_DGRAM, service.port);
    }
    service.tcp[1] = bind_any(AF_INET6, SOCK_STREAM, service.port);
    service.udp[1] = bind_any(AF_INET6, SOCK_DGRAM, service.port);
    for (size_t i = 0; i < 2 && service.tcp[i] >= 0; i++)
        assert_int_equal(listen(service.tcp[i], 64), 0);
    join(service.udp[0], "224.0.0.199");
    join(service.udp[0], "239.1.2.3");
    return service;
}

/* Takes what has come; false where there was nothing. */
static bool was_reached(const struct host_service *service, char *what, size_t size)
{
    for (size_t i = 0; i < 2; i++) {
        ssize_t len = recv(service->udp[i], what, size - 1, MSG_DONTWAIT);
        if (len >= 0) {
            what[len] = '\0';
            return true;
        }
        AUTO_CLOSE int fd = accept(service->tcp[i], NULL, NULL);
        if (fd >= 0) {
            (void)snprintf(what, size, "a TCP connection");
            return true;
        }
    }
    return false;
}

static void stop_serving(const struct host_service *service)
{
    for (size_t i = 0; i < 2; i++) {
        fd_close(service->udp[i]);
        fd_close(service->tcp[i]);
    }
}

static const char attacks[] =
    "import itertools, struct\n"
    "DGRAM, STREAM = socket.SOCK_DGRAM, socket.SOCK_STREAM\n"
    "tap = socket.if_nametoindex('tap0'); own = socket.inet_aton('10.213.0.100')\n"
    "def sockopt(*what): return lambda s, host: s.setsockopt(*what)\n"
    "def record(kind): return lambda s, host: s.setsockopt(0, 4, bytes([kind, 7, 4]) +\n"
    "    socket.inet_aton(host) + b'\\0')\n"
    "def source(s, host): s.bind(('10.213.0.100', 0))\n"
    "ways = {\n"
    "  'plain': lambda s, host: None, 'source': source,\n"
    "  'SO_BINDTODEVICE': sockopt(1, 25, b'tap0'), 'SO_BINDTOIFINDEX': sockopt(1, 62, tap),\n"
    "  'SO_DONTROUTE': sockopt(1, 5, 1),\n"
    "  'IP_UNICAST_IF': sockopt(0, 50, struct.pack('!I', tap)),\n"
    "  'IP_MULTICAST_IF': sockopt(0, 32, struct.pack('@4s4si', bytes(4), own, tap)),\n"
    "  'LSRR': record(131), 'SSRR': record(137),\n"
    "}\n"
    "pktinfo = [(0, 8, struct.pack('@i4s4s', tap, own, bytes(4)))]\n"
    "def send(way, host, port):\n"
    "    with socket.socket(socket.AF_INET, DGRAM) as s:\n"
    "        text = f'{way} to {host}'.encode()\n"
    "        s.setsockopt(1, 6, 1); s.setsockopt(0, 33, 64)\n" /* SO_BROADCAST, multicast TTL */
    "        if way == 'IP_PKTINFO': return s.sendmsg([text], pktinfo, 0, (host, port))\n"
    "        ways[way](s, host)\n"
    "        to = '10.213.0.2' if 'SRR' in way else host\n"
    "        s.sendto(text, (to, port))\n"
    "        s.connect((to, port)); s.send(text)\n"
    "def dial(way, host, port):\n"
    "    with socket.socket(socket.AF_INET, STREAM) as s:\n"
    "        ways[way](s, host); s.settimeout(0.05); s.connect((host, port))\n"
    "def attack6(port):\n"
    "    for host in ('::1', '::ffff:127.0.0.1', 'ff02::1', 'fd00::2', 'fe80::2'):\n"
    "        for kind, named in itertools.product((STREAM, DGRAM), (False, True)):\n"
    "            with socket.socket(socket.AF_INET6, kind) as s:\n"
    "                s.settimeout(0.05)\n"
    "                try:\n"
    "                    if named: s.setsockopt(1, 25, b'tap0')\n"
    "                    s.connect((host, port, 0, tap)); s.send(b'IPv6 to ' + host.encode())\n"
    "                except OSError: pass\n"
    "def attack(hosts, port):\n"
    "    attack6(port)\n"
    "    for host, way in itertools.product(hosts, [*ways, 'IP_PKTINFO']):\n"
    "        for act in (send, dial):\n"
    "            try: act(way, host, port)\n"
    "            except (OSError, KeyError): pass\n"
    /* slirp4netns takes frames in order: once this is refused it has seen all of the above */
    "    try: socket.create_connection(('10.213.0.2', port), 20); assert False\n"
    "    except TimeoutError: raise\n"
    "    except OSError: pass\n"
    "def own_loopback():\n"
    "    for address in ('127.0.0.1', '127.9.8.7', '10.213.0.100'):\n"
    "        with socket.create_server((address, 0)) as server:\n"
    "            with socket.create_connection(server.getsockname(), 9) as s: s.send(b'x')\n"
    "        with socket.socket(socket.AF_INET, DGRAM) as a, "
    "socket.socket(socket.AF_INET, DGRAM) as b:\n"
    "            a.bind((address, 0)); b.sendto(b'x', a.getsockname()); a.recv(9)\n"
    "    if not os.path.exists('/proc/net/if_inet6'): return\n"
    "    with socket.create_server(('::1', 0), family=socket.AF_INET6) as server:\n"
    "        socket.create_connection(server.getsockname()[:2], 9).close()\n";

/* Every way to name the interface instead of asking the routes, without the system call filter:
 * nothing of it arrives at the host, and the app's own loopback works. */
static void test_no_way_around_the_routes(void **state)
{
    struct app *app = *state;
    struct err err = ERR_INIT;
    struct host_service service = serve_on_host();
    const struct sockaddr_in here = {.sin_family = AF_INET,
                                     .sin_port = htons(service.port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char what[128];
    AUTO_BUF struct buf addresses = BUF_INIT(4096);
    if (!can_launch)
        skip();
    read_host_addresses(&addresses);
    AUTO_FREE char *python = str_printf(
        &err,
        "%sattack(['127.0.0.1', '127.0.0.53', '10.213.0.2', '0.0.0.0', '255.255.255.255',\n"
        "    '10.213.0.255', '224.0.0.1', '224.0.0.199', '239.1.2.3', '169.254.169.254'] +\n"
        "    [a for a in '%s'.split() if ':' not in a], %u)\n"
        "own_loopback()\nsay(state='running'); wait()\n",
        attacks, buf_text(&addresses), service.port);
    assert_script_runs(app, python);
    size_t reached = 0;
    while (was_reached(&service, what, sizeof(what))) {
        (void)fprintf(stderr, "the host was reached by: %s\n", what);
        reached++;
    }
    assert_int_equal(reached, 0);
    assert_int_equal(sendto(service.udp[0], "x", 1, 0, (const void *)&here, sizeof(here)), 1);
    assert_true(was_reached(&service, what, sizeof(what))); /* it does notice */
    stop_serving(&service);
}

int main(int argc, char **argv)
{
    if (is_supervisor(argc, argv))
        return supervise(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_host_is_out_of_reach, make_app, remove_app),
        cmocka_unit_test_setup_teardown(test_no_way_around_the_routes, make_app, remove_app),
    };
    program = argv[0];
    return cmocka_run_group_tests(tests, set_up, NULL);
}
