// SPDX-License-Identifier: Apache-2.0
/*
 * Asks libc's resolver, with a state of its own for each question, so that threads do not share
 * one. Runs in msed, on the thread of the request that wants to know.
 */
#include "net/dns.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>

enum { ANSWER_MAX = 64 * 1024, TRY_S = 2, TRIES = 2, ADDRESS_SIZE = 16 };

static int parse_resolver(const char *text, struct sockaddr_in *ret, struct err *err)
{
    char address[ADDRESS_SIZE];
    uint64_t port = 0;
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    *ret = (struct sockaddr_in){.sin_family = AF_INET};
    if (len == 0 || len >= sizeof(address))
        return FAIL(err, ERR_INVALID,
                    "expected an IPv4 address and a port such as "
                    "\"127.0.0.1:53\", found '%.80s'",
                    text);
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET, address, &ret->sin_addr) != 1)
        return FAIL(err, ERR_INVALID, "expected an IPv4 address, found '%s'", address);
    if (parse_u64(colon + 1, "the port", 1, UINT16_MAX, &port, err) < 0)
        return -1;
    ret->sin_port = htons((uint16_t)port);
    return 0;
}

int dns_check_resolver(const char *text, struct err *err)
{
    struct sockaddr_in ignored;
    return parse_resolver(text, &ignored, err);
}

/* *ret_len 0: there is no such name, or it has no such record. */
static int ask(struct __res_state *state, const char *name, uint8_t *answer, size_t *ret_len,
               struct err *err)
{
    int len = res_nquery(state, name, ns_c_in, ns_t_txt, answer, ANSWER_MAX);
    *ret_len = 0;
    if (len > ANSWER_MAX)
        return FAIL(err, ERR_INVALID, "DNS: an answer of %d bytes", len);
    if (len >= 0) {
        *ret_len = (size_t)len;
        return 0;
    }
    int reason = state->res_h_errno;
    if (reason == HOST_NOT_FOUND || reason == NO_DATA)
        return 0;
    return FAIL(err, ERR_UNREACHABLE, "DNS: no answer about '%s': %s", name, hstrerror(reason));
}

static void free_state(struct __res_state *state)
{
    res_nclose(state);
}

int dns_has_txt(const char *name, const char *text, const char *resolver, bool *ret_found,
                struct err *err)
{
    AUTO(free_state) struct __res_state state = {0};
    AUTO_FREE uint8_t *answer = mem_alloc(ANSWER_MAX, err);
    size_t len = 0;
    if (answer == NULL)
        return -1;
    if (res_ninit(&state) != 0)
        return FAIL(err, ERR_UNREACHABLE, "DNS: the system's resolver cannot be set up");
    state.retrans = TRY_S;
    state.retry = TRIES;
    state.options |= RES_USE_EDNS0; /* so that few answers need TCP */
    if (resolver != NULL) {
        if (parse_resolver(resolver, &state.nsaddr_list[0], err) < 0)
            return -1;
        state.nscount = 1;
    }
    if (ask(&state, name, answer, &len, err) < 0)
        return -1;
    if (len == 0) {
        *ret_found = false;
        return 0;
    }
    return dns_answer_has_txt(slice_of(answer, len), name, text, ret_found, err);
}
