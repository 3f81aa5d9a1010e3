// SPDX-License-Identifier: Apache-2.0
/*
 * What a client of mse-soak says and hears in HTTP/1.1: requests one behind the other, also several
 * at once, and their answers in the same order.
 */
#include "soak.h"

static struct pipelined *nth_under_way(struct client *client, unsigned n)
{
    return &client->http1.under_way[(client->http1.first + n) % PIPELINE_MAX];
}

static const struct pipelined *last_under_way(const struct client *client)
{
    const struct http1 *http1 = &client->http1;
    return &http1->under_way[(http1->first + client->count - 1) % PIPELINE_MAX];
}

static const struct request *suspect(const struct client *client)
{
    return client->count == 0 ? NULL : &client->http1.under_way[client->http1.first].request;
}

static int open_http1(struct client *client, struct err *err)
{
    (void)err;
    http1_response_begin(&client->http1.in);
    return 0;
}

static void close_http1(struct client *client)
{
    client->http1.first = client->http1.counted = 0;
    client->http1.ignored = false;
}

/* --- out --- */

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
    char target[TARGET_SIZE];
    size_t before = out->len;
    request_target(request, target);
    if (buf_printf(out, err, "%s %s HTTP/1.1\r\nHost: localhost\r\nX-Token: %s\r\n",
                   request_method(request), target, request->token) < 0)
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
    if (!request_has_body(request))
        return buf_str(out, "\r\n", err);
    if (buf_printf(out, err, "Content-Length: %zu\r\n\r\n", request->size) < 0)
        return -1;
    *ret_body_at = out->len - before;
    return append_body(request, 0, request->size, out, err);
}

static int speak(struct client *client, struct err *err)
{
    while (client_wants_request(client)) {
        struct pipelined *next = nth_under_way(client, client->count);
        bool last = client->made + 1 == client->plan.requests;
        /* A body that nobody reads may end the connection, and a wait for "100 Continue" would hold
         * up those behind: both only by themselves. */
        plan_request(client->soak, &client->rng, client->count == 0 && last, last, &client->plan,
                     &next->request);
        size_t before = client->out.len;
        next->begins_at = client->made_len;
        next->body_at = 0;
        if (append_request(&next->request, &client->rng, &client->out, &next->body_at, err) < 0)
            return -1;
        next->body_at += client->made_len;
        client->made_len += client->out.len - before;
        next->ends_at = client->made_len;
        client->made++;
        client->count++;
    }
    return 0;
}

static uint64_t send_limit(const struct client *client)
{
    uint64_t limit = client->made_len;
    bool last_made = client->made == client->plan.requests;
    if (client->count == 0)
        return limit;
    const struct pipelined *last = last_under_way(client);
    if (last->request.expect && !client->http1.in.response.continued)
        limit = last->body_at;
    if (client->plan.ending == CUT_HEAD && last_made)
        return last->begins_at + client->plan.cut_at;
    if (client->plan.ending == CUT_BODY && last_made)
        return last->body_at + client->plan.cut_at;
    return limit;
}

static void count_sent(struct client *client)
{
    struct http1 *http1 = &client->http1;
    while (http1->counted < client->count &&
           nth_under_way(client, http1->counted)->ends_at <= client->sent) {
        http1->counted++;
        client->soak->sent++;
    }
}

/* --- in --- */

static void take_answer(struct client *client)
{
    struct http1 *http1 = &client->http1;
    const struct request *request = &http1->under_way[http1->first].request;
    client->leaving |= http1->in.close;
    http1->ignored = request->kind == KIND_IGNORE;
    client_count_verified(client, request, http1->in.response.body, http1->counted > 0);
    http1->counted -= http1->counted > 0;
    client->count--;
    http1->first = (http1->first + 1) % PIPELINE_MAX;
    http1_response_begin(&http1->in);
}

/* Closing without having been asked is for bodies that are not read, and for a server's end. */
static bool may_close(const struct client *client, const struct request *request)
{
    return request->close || request->kind == KIND_IGNORE || client->shut ||
           client->soak->options.until_stopped;
}

static bool hear(struct client *client, struct slice bytes)
{
    struct http1 *http1 = &client->http1;
    while (bytes.len > 0) {
        if (client->count == 0) {
            client_fail(client, "bytes that nobody asked for");
            return false;
        }
        const char *wrong;
        const struct request *request = suspect(client);
        size_t used = http1_response_feed(&http1->in, request, bytes, &wrong);
        if (wrong == NULL && http1->in.close && !may_close(client, request))
            wrong = "'Connection: close' without need";
        if (wrong != NULL) {
            client_fail(client, wrong);
            return false;
        }
        bytes = slice_of(bytes.data + used, bytes.len - used);
        if (http1->in.state != RESPONSE_COMPLETE)
            continue;
        take_answer(client);
        if (client->leaving && client->count > 0 && !client->shut) {
            /* Those behind a "Connection: close" were not read: RFC 9112 section 9.6. */
            client->soak->unread += http1->counted;
            client->count = http1->counted = 0;
        }
    }
    return true;
}

/* --- the end --- */

static const char *ended(struct client *client)
{
    struct http1 *http1 = &client->http1;
    bool until_stopped = client->soak->options.until_stopped;
    bool begun = http1->in.state != RESPONSE_LINE || http1->in.line_len > 0;
    if (client->count == 0 && (client->leaving || http1->ignored || until_stopped))
        return NULL;
    if (!until_stopped || begun || http1->in.response.continued)
        return begun ? "the connection ended amid an answer"
                     : "the connection ended without an answer";
    client->soak->unread += http1->counted;
    client->count = http1->counted = 0;
    return NULL;
}

static void give_up(struct client *client, bool failed)
{
    struct http1 *http1 = &client->http1;
    bool one = failed && client->count > 0;
    unsigned counted = http1->counted - (one && http1->counted > 0);
    unsigned count = client->count - one;
    client->soak->cut += counted;
    client->soak->partial += count - counted;
}

const struct dialogue dialogue_http1 = {
    .open = open_http1,
    .speak = speak,
    .send_limit = send_limit,
    .sent = count_sent,
    .hear = hear,
    .ended = ended,
    .give_up = give_up,
    .suspect = suspect,
    .close = close_http1,
};
