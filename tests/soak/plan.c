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
    if (!rng_percent(rng, soak->options.cut_percent)) {
        enum ending ending = END_IDLE + rng_below(rng, CUT_CONNECT - END_IDLE);
        /* Half a connection is of no use in HTTP/2. */
        return soak->options.http2 && ending == END_HALF ? END_ASKED : ending;
    }
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
        .depth = rng_percent(rng, soak->options.http2 ? 20 : 70)
                     ? 1
                     : 2 + rng_below(rng, PIPELINE_MAX - 1),
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

bool request_has_body(const struct request *request)
{
    return request->kind == KIND_ECHO || request->kind == KIND_IGNORE;
}

void plan_request(struct soak *soak, struct rng *rng, bool apart, bool last,
                  const struct plan *plan, struct request *ret)
{
    struct request request = {.kind = draw_kind(rng), .size = draw_size(soak, rng)};
    if (request.kind == KIND_IGNORE && !apart)
        request.kind = KIND_TOKEN;
    if (last && plan->ending == CUT_BODY) {
        request.kind = KIND_ECHO;
        request.size += plan->cut_at + 1;
    }
    bool body = request_has_body(&request);
    request.head = !body && rng_percent(rng, 6);
    request.chunked = body && rng_percent(rng, 40);
    request.expect = request.kind == KIND_ECHO && request.size > 0 && apart &&
                     !(last && plan->ending == CUT_BODY) && rng_percent(rng, 30);
    request.close = last && plan->ending == END_ASKED;
    if (request.kind == KIND_FILE)
        request.offset = rng_below(rng, FILE_SIZE - (uint32_t)request.size);
    (void)snprintf(request.token, sizeof(request.token), "%08x%016llx",
                   (unsigned)soak->options.seed, (unsigned long long)soak->tokens++);
    *ret = request;
}

void request_target(const struct request *request, char to[static TARGET_SIZE])
{
    static const char *const names[KIND_COUNT] = {"token", "list",   "parts", "file",
                                                  "echo",  "ignore", "empty", "sleep"};
    (void)snprintf(to, TARGET_SIZE, "/%s/%s/%zu/%zu", names[request->kind], request->token,
                   request->size, request->offset);
}

const char *request_method(const struct request *request)
{
    return request_has_body(request) ? "POST" : (request->head ? "HEAD" : "GET");
}
