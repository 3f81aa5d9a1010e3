// SPDX-License-Identifier: Apache-2.0
/*
 * PROXY protocol version 2: read by the enclave's server, written by the node's gateway. The header
 * comes from the untrusted node: it decides what address the app sees and nothing else.
 */
#include "net/proxy.h"

#include "base/reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

enum {
    SIGNATURE_SIZE = 12,
    VERSION_LOCAL = 0x20,
    VERSION_PROXY = 0x21,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
};

static const uint8_t signature[SIGNATURE_SIZE] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                  0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

struct header {
    uint8_t command;
    uint8_t family;
    uint16_t size; /* of what follows */
};

static int read_fixed(struct reader *in, struct header *ret, struct err *err)
{
    struct slice magic;
    if (reader_slice(in, "signature", SIGNATURE_SIZE, &magic, err) < 0)
        return -1;
    if (!slice_equal(magic, slice_of(signature, sizeof(signature))))
        return FAIL(err, ERR_INVALID, "expected a PROXY protocol v2 header, found something else");
    if (reader_u8(in, "command", &ret->command, err) < 0 ||
        reader_u8(in, "family", &ret->family, err) < 0 ||
        reader_u16be(in, "length", &ret->size, err) < 0)
        return -1;
    if (ret->command != VERSION_LOCAL && ret->command != VERSION_PROXY)
        return FAIL(err, ERR_INVALID,
                    "PROXY header: expected version 2 and LOCAL or PROXY, found "
                    "0x%02x",
                    ret->command);
    return 0;
}

int proxy_header_size(struct slice fixed, size_t *ret, struct err *err)
{
    struct reader in = reader_of(fixed, "PROXY header");
    struct header header;
    if (read_fixed(&in, &header, err) < 0)
        return -1;
    if (header.size > PROXY_MAX_SIZE - PROXY_FIXED_SIZE)
        return FAIL(err, ERR_TOO_LARGE, "PROXY header of %u bytes, at most %d are taken",
                    header.size, PROXY_MAX_SIZE - PROXY_FIXED_SIZE);
    *ret = PROXY_FIXED_SIZE + (size_t)header.size;
    return 0;
}

static int read_peer(struct reader *in, int family, struct proxy_peer *ret, struct err *err)
{
    size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    struct slice source;
    uint16_t port;
    if (reader_slice(in, "source address", size, &source, err) < 0 ||
        reader_skip(in, "destination address", size, err) < 0 ||
        reader_u16be(in, "source port", &port, err) < 0 ||
        reader_skip(in, "destination port", sizeof(port), err) < 0)
        return -1;
    if (inet_ntop(family, source.data, ret->address, sizeof(ret->address)) == NULL)
        return FAIL_ERRNO(err, ERR_INTERNAL, "PROXY header: address");
    ret->port = port;
    ret->known = true;
    return 0;
}

int proxy_header_parse(struct slice bytes, struct proxy_peer *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "PROXY header");
    struct header header;
    if (read_fixed(&in, &header, err) < 0)
        return -1;
    if (header.size != reader_left(&in))
        return FAIL(err, ERR_INVALID, "PROXY header: says %u bytes follow, found %zu", header.size,
                    reader_left(&in));
    struct proxy_peer peer = {0};
    int family = header.family == FAMILY_TCP4   ? AF_INET
                 : header.family == FAMILY_TCP6 ? AF_INET6
                                                : AF_UNSPEC;
    if (header.command == VERSION_PROXY && family != AF_UNSPEC &&
        read_peer(&in, family, &peer, err) < 0)
        return -1;
    *ret = peer;
    return 0;
}

/* address and port of the two ends, in the header's order */
static int write_addresses(const struct sockaddr *source, const struct sockaddr *destination,
                           struct buf *out, struct err *err)
{
    const void *addresses[2];
    uint16_t ports[2]; /* in network order */
    size_t size;
    if (source->sa_family == AF_INET) {
        const struct sockaddr_in *from = (const void *)source;
        const struct sockaddr_in *to = (const void *)destination;
        addresses[0] = &from->sin_addr;
        addresses[1] = &to->sin_addr;
        ports[0] = from->sin_port;
        ports[1] = to->sin_port;
        size = sizeof(from->sin_addr);
    } else {
        const struct sockaddr_in6 *from = (const void *)source;
        const struct sockaddr_in6 *to = (const void *)destination;
        addresses[0] = &from->sin6_addr;
        addresses[1] = &to->sin6_addr;
        ports[0] = from->sin6_port;
        ports[1] = to->sin6_port;
        size = sizeof(from->sin6_addr);
    }
    if (buf_u16be(out, (uint16_t)(2 * size + sizeof(ports)), err) < 0 ||
        buf_bytes(out, slice_of(addresses[0], size), err) < 0 ||
        buf_bytes(out, slice_of(addresses[1], size), err) < 0)
        return -1;
    return buf_bytes(out, slice_of(ports, sizeof(ports)), err);
}

int proxy_header_write(const struct sockaddr *source, const struct sockaddr *destination,
                       struct buf *out, struct err *err)
{
    bool known = source != NULL && destination != NULL &&
                 source->sa_family == destination->sa_family &&
                 (source->sa_family == AF_INET || source->sa_family == AF_INET6);
    if (buf_bytes(out, slice_of(signature, sizeof(signature)), err) < 0 ||
        buf_u8(out, known ? VERSION_PROXY : VERSION_LOCAL, err) < 0)
        return -1;
    if (!known)
        return buf_u8(out, 0, err) < 0 ? -1 : buf_u16be(out, 0, err);
    if (buf_u8(out, source->sa_family == AF_INET ? FAMILY_TCP4 : FAMILY_TCP6, err) < 0)
        return -1;
    return write_addresses(source, destination, out, err);
}
