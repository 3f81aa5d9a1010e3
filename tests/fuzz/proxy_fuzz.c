// SPDX-License-Identifier: Apache-2.0
/*
 * PROXY protocol v2 headers: what is accepted is as long as it said, and names an address that is
 * one.
 */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check(const struct proxy_peer *peer)
{
    uint8_t address[16];
    must(memchr(peer->address, '\0', sizeof(peer->address)) != NULL);
    must(peer->port >= 0 && peer->port <= 65535);
    must(inet_pton(AF_INET, peer->address, address) == 1 ||
         inet_pton(AF_INET6, peer->address, address) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t announced = 0;
    if (size < PROXY_FIXED_SIZE ||
        proxy_header_size(slice_of(data, PROXY_FIXED_SIZE), &announced, NULL) < 0)
        return 0;
    must(announced >= PROXY_FIXED_SIZE && announced <= PROXY_MAX_SIZE);
    if (size < announced)
        return 0;
    struct proxy_peer peer = {0};
    if (proxy_header_parse(slice_of(data, announced), &peer, NULL) == 0 && peer.known)
        check(&peer);
    return 0;
}
