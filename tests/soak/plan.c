// SPDX-License-Identifier: Apache-2.0
/*
 * What a connection does and what each of its requests asks for: drawn from the seed, so that a run
 * can be had again.
 */
#include "soak.h"

#include <stdio.h>

/* splitmix64: public domain, S. Vigna */
static uint64_t mix(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream)
{
    rng->state = seed;
    rng->state = mix(&rng->state) ^ stream;
}

uint32_t rng_next(struct rng *rng)
{
    return (uint32_t)(mix(&rng->state) >> 32);
}

uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return (uint32_t)(((uint64_t)rng_next(rng) * bound) >> 32);
}

bool rng_percent(struct rng *rng, uint32_t percent)
{
    return rng_below(rng, 100) < percent;
}

static enum ending draw_ending(const struct soak *soak, struct rng *rng)
{
    if (!rng_percent(rng, soak->options.cut_percent))
        return END_IDLE + rng_below(rng, CUT_CONNECT - END_IDLE);
    enum ending ending = CUT_CONNECT + rng_below(rng, ENDING_COUNT - CUT_CONNECT);
    bool of_tls = ending == CUT_HELLO || ending == CUT_HANDSHAKE;
    return of_tls && !soak->options.tls ? CUT_WAITING : ending;
}

static uint32_t draw_cut(enum ending ending, struct rng *rng)
{
    switch (ending) {
    case CUT_HELLO:
        return 1 + rng_below(rng, 200); /* a ClientHello has more */
    case CUT_HEAD:
        return 1 + rng_below(rng, 60);
    case CUT_BODY:
        return rng_below(rng, 5000);
    case CUT_RESPONSE:
        return 1 + rng_below(rng, rng_percent(rng, 50) ? 200 : 300000);
    default:
        return 0;
    }
}

void plan_connection(struct soak *soak, struct rng *rng, struct plan *ret)
{
    enum ending ending = draw_ending(soak, rng);
    *ret = (struct plan){
        .requests = 1 + rng_below(rng, 2 * soak->options.per_connection - 1),
        .depth = rng_percent(rng, 70) ? 1 : 2 + rng_below(rng, PIPELINE_MAX - 1),
        .ending = ending,
        .cut_at = draw_cut(ending, rng),
        .reset = rng_percent(rng, 50),
        .dawdle = rng_percent(rng, 3),
        .resume = rng_percent(rng, 50),
    };
}

static size_t draw_size(const struct soak *soak, struct rng *rng)
{
    static const struct {
        uint32_t per_mille;
        uint32_t bound;
    } classes[] = {{600, 200}, {360, 4000}, {37, 70000}, {3, UINT32_MAX}};
    uint32_t roll = rng_below(rng, 1000);
    size_t i = 0;
    while (roll >= classes[i].per_mille)
        roll -= classes[i++].per_mille;
    uint32_t bound = classes[i].bound;
    if (bound > soak->options.max_size)
        bound = soak->options.max_size;
    return rng_below(rng, bound + 1);
}

static enum kind draw_kind(struct rng *rng)
{
    static const uint8_t percent[KIND_COUNT] = {
        [KIND_TOKEN] = 42, [KIND_LIST] = 12,  [KIND_PARTS] = 12, [KIND_FILE] = 7,
        [KIND_ECHO] = 19,  [KIND_IGNORE] = 2, [KIND_EMPTY] = 5,  [KIND_SLEEP] = 1,
    };
    uint32_t roll = rng_below(rng, 100);
    enum kind kind = 0;
    while (roll >= percent[kind])
        roll -= percent[kind++];
    return kind;
}

enum { FILE_SIZE = 2 * 1024 * 1024 }; /* as the apps make it: lines of 8 bytes, "%07x\n" */

static uint8_t file_byte(size_t at)
{
    static const char digits[] = "0123456789abcdef";
    size_t in_line = at % 8;
    return in_line == 7 ? '\n' : (uint8_t)digits[(at / 8 >> (4 * (6 - in_line))) & 15];
}

uint8_t request_byte(const struct request *request, size_t at)
{
    if (request->kind == KIND_FILE)
        return file_byte(request->offset + at);
    return (uint8_t)request->token[at % TOKEN_LEN];
}

static bool has_body(enum kind kind)
{
    return kind == KIND_ECHO || kind == KIND_IGNORE;
}

static int append_body(const struct request *request, size_t from, size_t len, struct buf *out,
                       struct err *err)
{
    uint8_t *to = buf_reserve(out, len, err);
    if (to == NULL)
        return -1;
    for (size_t i = 0; i < len; i++)
        to[i] = request_byte(request, from + i);
    out->len += len;
    return 0;
}

static int append_chunks(const struct request *request, struct rng *rng, struct buf *out,
                         struct err *err)
{
    for (size_t at = 0; at < request->size;) {
        size_t len = 1 + rng_below(rng, rng_percent(rng, 80) ? 20000 : 20);
        if (len > request->size - at)
            len = request->size - at;
        if (buf_printf(out, err, "%zx\r\n", len) < 0 ||
            append_body(request, at, len, out, err) < 0 || buf_str(out, "\r\n", err) < 0)
            return -1;
        at += len;
    }
    return buf_str(out, "0\r\n\r\n", err);
}

static int append_request(const struct request *request, struct rng *rng, struct buf *out,
                          uint64_t *ret_body_at, struct err *err)
{
    static const char *const names[KIND_COUNT] = {"token", "list",   "parts", "file",
                                                  "echo",  "ignore", "empty", "sleep"};
    const char *method = has_body(request->kind) ? "POST" : (request->head ? "HEAD" : "GET");
    size_t before = out->len;
    if (buf_printf(out, err, "%s /%s/%s/%zu/%zu HTTP/1.1\r\nHost: localhost\r\nX-Token: %s\r\n",
                   method, names[request->kind], request->token, request->size, request->offset,
                   request->token) < 0)
        return -1;
    if (request->close && buf_str(out, "Connection: close\r\n", err) < 0)
        return -1;
    if (request->expect && buf_str(out, "Expect: 100-continue\r\n", err) < 0)
        return -1;
    if (request->chunked) {
        if (buf_str(out, "Transfer-Encoding: chunked\r\n\r\n", err) < 0)
            return -1;
        *ret_body_at = out->len - before;
        return append_chunks(request, rng, out, err);
    }
    if (!has_body(request->kind))
        return buf_str(out, "\r\n", err);
    if (buf_printf(out, err, "Content-Length: %zu\r\n\r\n", request->size) < 0)
        return -1;
    *ret_body_at = out->len - before;
    return append_body(request, 0, request->size, out, err);
}

int plan_request(struct soak *soak, struct rng *rng, bool alone, bool last, const struct plan *plan,
                 struct request *ret, struct buf *out, struct err *err)
{
    struct request request = {.kind = draw_kind(rng), .size = draw_size(soak, rng)};
    /* A body that nobody reads may end the connection, and a wait for "100 Continue" would hold up
     * those behind: both only by themselves. */
    if (request.kind == KIND_IGNORE && (!alone || !last))
        request.kind = KIND_TOKEN;
    if (last && plan->ending == CUT_BODY) {
        request.kind = KIND_ECHO;
        request.size += plan->cut_at + 1;
    }
    request.head = !has_body(request.kind) && rng_percent(rng, 6);
    request.chunked = has_body(request.kind) && rng_percent(rng, 40);
    request.expect = request.kind == KIND_ECHO && request.size > 0 && alone && last &&
                     plan->ending != CUT_BODY && rng_percent(rng, 30);
    request.close = last && plan->ending == END_ASKED;
    if (request.kind == KIND_FILE)
        request.offset = rng_below(rng, FILE_SIZE - (uint32_t)request.size);
    (void)snprintf(request.token, sizeof(request.token), "%08x%016llx",
                   (unsigned)soak->options.seed, (unsigned long long)soak->tokens++);
    uint64_t before = out->len;
    if (append_request(&request, rng, out, &request.body_at, err) < 0)
        return -1;
    request.ends_at = out->len - before; /* made absolute by the caller, as is body_at */
    *ret = request;
    return 0;
}
