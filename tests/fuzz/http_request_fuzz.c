// SPDX-License-Identifier: Apache-2.0
/*
 * Heads of HTTP/1.1 requests: found in whatever pieces they come, taken apart, and what is accepted
 * is held against what must be true of it.
 */
#include "base/lock.h"
#include "http/http1_head.h"
#include "http/syntax.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void must_be_inside(struct slice part, const struct http_exchange *exchange, size_t len)
{
    must(part.len <= len);
    if (part.len > 0)
        must(part.data >= exchange->head && part.data + part.len <= exchange->head + len);
}

static void check(const struct http_exchange *exchange, size_t len,
                  const struct http_limits *limits)
{
    const struct http_request *request = &exchange->request;
    must(request->header_count <= limits->header_count);
    must(request->method.len > 0 && request->target.len > 0 && request->path.len > 0);
    must_be_inside(request->method, exchange, len);
    must_be_inside(request->target, exchange, len);
    must_be_inside(request->query, exchange, len);
    must(request->version_minor == 0 || http_request_header(request, "host") != NULL);
    bool length = http_request_header(request, "content-length") != NULL;
    bool coding = http_request_header(request, "transfer-encoding") != NULL;
    must(!(length && coding));
    must(request->has_body == (request->content_length != 0));
    must(coding == (request->content_length < 0));
    for (size_t i = 0; i < request->header_count; i++) {
        must_be_inside(request->headers[i].name, exchange, len);
        must_be_inside(request->headers[i].value, exchange, len);
        must(http_is_token(request->headers[i].name));
        must(http_is_field_value(request->headers[i].value));
    }
}

static void parse(struct slice head, const struct http_limits *limits)
{
    struct err err = ERR_INIT;
    struct http_exchange *exchange = mem_alloc(sizeof(*exchange), &err);
    must(exchange != NULL);
    exchange->head = exchange->head_inline;
    exchange->headers = exchange->headers_inline;
    exchange->header_capacity = HEADERS_INLINE;
    lock_init(&exchange->lock, LOCK_EXCHANGE);
    (void)pthread_cond_init(&exchange->changed, NULL);
    struct http1_refusal refusal = {0};
    if (http1_parse_head(exchange, head, limits, &refusal) == 0)
        check(exchange, head.len, limits);
    else
        must(refusal.status >= 400 && refusal.text != NULL);
    exchange_free(exchange);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_limits limits = {.header_bytes = 4096, .target_bytes = 512, .header_count = 40};
    http_limits_complete(&limits);
    struct http1_scan whole = {0};
    struct http1_scan pieces = {0};
    struct http1_refusal refusal = {0};
    size_t len = 0;
    size_t len_of_pieces = 0;
    int result = http1_find_head(&whole, data, size, &limits, &len, &refusal);
    int result_of_pieces = 0;
    for (size_t end = 1; end <= size && result_of_pieces == 0 && len_of_pieces == 0; end++)
        result_of_pieces = http1_find_head(&pieces, data, end, &limits, &len_of_pieces, &refusal);
    must(result == result_of_pieces && len == len_of_pieces);
    if (result == 0 && len > 0)
        parse(slice_of(data, len), &limits);
    return 0;
}
