// SPDX-License-Identifier: Apache-2.0
/*
 * The handler of http2_fuzz.c: answers in every way that a handler can, and never breaks the rules
 * of http/http.h itself.
 */
#include "http2_answers.h"

#include <stdlib.h>

enum { GREAT_PARTS = 5, LENT_SIZE = 100 * 1024 };

struct answer {
    struct answer *next;
    struct http_exchange *exchange;
    /* Called when the request comes, when some of its body does, and in each round; true: done. */
    bool (*step)(struct answer *answer);
    unsigned steps; /* so far */
    bool gone;
    struct buf body;
};

static struct answer *answers;

static void must(bool truth)
{
    if (!truth)
        abort();
}

static bool at_once(struct answer *answer)
{
    const struct http_header headers[] = {{slice_str("X-Way"), slice_str("at once")},
                                          {slice_str("Connection"), slice_str("close")}};
    (void)!http_respond(answer->exchange, 200, headers, 2, slice_str("all of it"), NULL);
    return true;
}

static bool empty(struct answer *answer)
{
    (void)!http_respond(answer->exchange, 204, NULL, 0, slice_of(NULL, 0), NULL);
    return true;
}

static bool in_parts(struct answer *answer)
{
    if (answer->steps == 1)
        (void)!http_respond_start(answer->exchange, 200, NULL, NULL, 0, -1, NULL);
    else if (answer->steps < 5)
        (void)!http_respond_write(answer->exchange, slice_str("part"), NULL, NULL);
    else
        (void)!http_respond_end(answer->exchange, NULL);
    return answer->steps >= 5;
}

/* Says less than it has announced. */
static bool too_short(struct answer *answer)
{
    (void)!http_respond_start(answer->exchange, 200, NULL, NULL, 0, 10, NULL);
    (void)!http_respond_write(answer->exchange, slice_str("part"), NULL, NULL);
    return answer->steps == 3;
}

static bool with_trailers(struct answer *answer)
{
    const struct http_header trailer = {slice_str("X-Sum"), slice_str("12")};
    (void)!http_respond_start(answer->exchange, 200, NULL, NULL, 0, 4, NULL);
    (void)!http_respond_write(answer->exchange, slice_str("body"), NULL, NULL);
    (void)!http_respond_end_trailers(answer->exchange, &trailer, 1, NULL);
    return answer->steps == 2; /* complete before it is released */
}

static bool in_great_parts(struct answer *answer)
{
    static const uint8_t part[HTTP_WRITE_LOW];
    if (answer->steps == 1)
        (void)!http_respond_start(answer->exchange, 200, NULL, NULL, 0, -1, NULL);
    else if (answer->steps < 2 + GREAT_PARTS)
        (void)!http_respond_write(answer->exchange, slice_of(part, sizeof(part)), NULL, NULL);
    else
        (void)!http_respond_end(answer->exchange, NULL);
    return answer->steps >= 2 + GREAT_PARTS;
}

/* Freed at the end of the loan, so that a use behind it shows. */
struct loan {
    struct http_loan loan;
    uint8_t bytes[LENT_SIZE];
};

static unsigned loans;

static void end_loan(struct http_loan *loan)
{
    free(loan); /* the first member of its struct loan */
    loans--;
}

static bool lend(struct answer *answer)
{
    struct loan *loan = mem_alloc(sizeof(*loan), NULL);
    must(loan != NULL);
    loan->loan = (struct http_loan){slice_of(loan->bytes, sizeof(loan->bytes)), end_loan};
    loans++;
    (void)!http_respond_lent(answer->exchange, 200, NULL, 0, &loan->loan, NULL);
    return true;
}

static bool refuse(struct answer *answer)
{
    if (answer->steps < 2)
        return false;
    http_abort(answer->exchange);
    return true;
}

static bool say_nothing(struct answer *answer)
{
    (void)answer;
    return true;
}

static bool hold(struct answer *answer)
{
    return answer->gone;
}

/* Reads up to `size` bytes; 1: there may be more now, 0: later, -1: no more. */
static int read_body(struct answer *answer, size_t size)
{
    uint8_t piece[4096];
    size_t len;
    bool end;
    if (http_body_read(answer->exchange, piece, size, &len, &end, NULL) < 0)
        return -1;
    must(buf_bytes(&answer->body, slice_of(piece, len), NULL) == 0);
    return end ? -1 : len > 0;
}

static bool echo(struct answer *answer)
{
    int more = 1;
    while (more > 0)
        more = read_body(answer, 4096);
    if (more == 0)
        return false;
    (void)!http_respond(answer->exchange, 200, NULL, 0, buf_slice(&answer->body), NULL);
    return true;
}

static bool read_slowly(struct answer *answer)
{
    if (read_body(answer, 7) >= 0)
        return false;
    (void)!http_respond(answer->exchange, 200, NULL, 0, slice_of(NULL, 0), NULL);
    return true;
}

/* Another protocol on the stream (RFC 8441), where what comes goes back at once. */
static bool tunnel(struct answer *answer)
{
    if (answer->steps == 1)
        (void)!http_respond_start(answer->exchange, 200, NULL, NULL, 0, -1, NULL);
    answer->body.len = 0;
    int more = read_body(answer, 4096);
    (void)!http_respond_write(answer->exchange, buf_slice(&answer->body), NULL, NULL);
    if (more < 0)
        (void)!http_respond_end(answer->exchange, NULL);
    return more < 0;
}

static const struct {
    char name; /* of the path, behind the slash */
    bool (*step)(struct answer *answer);
} ways[] = {
    {'a', at_once},     {'b', echo},           {'c', tunnel}, {'d', read_slowly},   {'e', empty},
    {'f', too_short},   {'g', in_parts},       {'h', hold},   {'i', with_trailers}, {'j', refuse},
    {'k', say_nothing}, {'l', in_great_parts}, {'m', lend},
};

static void proceed(struct answer *answer)
{
    answer->steps++;
    if (!answer->step(answer) && !answer->gone)
        return;
    struct answer **at = &answers;
    while (*at != answer)
        at = &(*at)->next;
    *at = answer->next;
    http_release(answer->exchange);
    buf_done(&answer->body);
    free(answer);
}

static void on_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    const struct http_request *request = http_request(exchange);
    must(request->method.len > 0 && request->target.len > 0);
    for (size_t i = 0; i < request->header_count; i++)
        must(request->headers[i].name.len > 0 && request->headers[i].name.data[0] != ':');
    struct answer *answer = mem_alloc(sizeof(*answer), NULL);
    must(answer != NULL);
    *answer = (struct answer){
        .next = answers, .exchange = exchange, .step = at_once, .body = BUF_INIT(1 << 20)};
    answers = answer;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        if (request->path.len > 1 && request->path.data[1] == (uint8_t)ways[i].name)
            answer->step = ways[i].step;
    }
    http_set_data(exchange, answer);
    http_begin(exchange);
    proceed(answer);
}

static void on_body(void *context, struct http_exchange *exchange)
{
    (void)context;
    proceed(http_data(exchange));
}

/* Those that hold let go at once, the others in a later round. */
static void on_aborted(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct answer *answer = http_data(exchange);
    answer->gone = true;
    if (answer->step == hold)
        proceed(answer);
}

const struct http_handler answers_handler = {
    .request = on_request, .body = on_body, .aborted = on_aborted};

void answers_proceed(void)
{
    for (struct answer *at = answers; at != NULL;) {
        struct answer *next = at->next;
        proceed(at);
        at = next;
    }
}

bool answers_pending(void)
{
    return answers != NULL || loans > 0;
}
