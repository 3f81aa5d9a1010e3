// SPDX-License-Identifier: Apache-2.0
/*
 * The head of an HTTP/1.1 request. llhttp takes it apart, strictly; the rules that decide where a
 * message ends, and so what could be smuggled, are checked here again. Section numbers are RFC
 * 9112's where nothing else is said. Every byte comes from a client.
 */
#include "http/http1_head.h"

#include "base/text.h"
#include "http/syntax.h"

#include <llhttp.h>

static int refuse(struct http1_refusal *refusal, int status, const char *text)
{
    *refusal = (struct http1_refusal){.status = status, .text = text};
    return -1;
}

/* --- where it ends --- */

static int check_line(const struct http1_scan *scan, const uint8_t *data, size_t line_end,
                      const struct http_limits *limits, struct http1_refusal *refusal)
{
    size_t line_len = line_end - 1 - scan->line_start;
    if (scan->lines == 0 && line_len > limits->target_bytes)
        return refuse(refusal, 414, "the request line is too long");
    if (scan->lines > limits->header_count && line_len > 0)
        return refuse(refusal, 431, "too many header fields");
    uint8_t first = data[scan->line_start];
    if (scan->lines == 0 && first == '\r')                              /* llhttp would skip it */
        return refuse(refusal, 400, "bare CR before the request line"); /* section 2.2 */
    if (scan->lines > 0 && (first == ' ' || first == '\t'))
        return refuse(refusal, 400, "folded header line"); /* section 5.2 */
    return 0;
}

int http1_find_head(struct http1_scan *scan, const uint8_t *data, size_t len,
                    const struct http_limits *limits, size_t *ret_len,
                    struct http1_refusal *ret_refusal)
{
    size_t end = len < limits->header_bytes ? len : limits->header_bytes;
    while (scan->scanned < end) {
        const uint8_t *newline = memchr(data + scan->scanned, '\n', end - scan->scanned);
        if (newline == NULL) {
            scan->scanned = end;
            break;
        }
        size_t at = (size_t)(newline - data);
        if (at == scan->line_start || data[at - 1] != '\r')
            return refuse(ret_refusal, 400, "line that ends in LF alone"); /* section 2.2 */
        if (check_line(scan, data, at, limits, ret_refusal) < 0)
            return -1;
        bool empty = at - 1 == scan->line_start;
        scan->scanned = scan->line_start = at + 1;
        scan->lines++;
        if (empty) {
            *ret_len = at + 1;
            return 0;
        }
    }
    if (scan->lines == 0 && end > limits->target_bytes + 1) /* one may be the CR */
        return refuse(ret_refusal, 414, "the request line is too long");
    if (len >= limits->header_bytes)
        return refuse(ret_refusal, 431, "the header fields are too large");
    return 0;
}

/* --- what it says --- */

struct parse {
    struct http_exchange *exchange;
    const struct http_limits *limits;
    struct http1_refusal *refusal;
    bool value_seen;
    bool complete;
    bool own_method; /* the request's method is known: what llhttp sees stands in for it */
};

static int on_method(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    if (!parse->own_method)
        parse->exchange->request.method = slice_of(at, len);
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    parse->exchange->request.target = slice_of(at, len);
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    struct http_header *header = exchange_add_header(parse->exchange, NULL);
    if (header == NULL)
        return refuse(parse->refusal, 503, "out of memory");
    header->name = slice_of(at, len);
    header->value = slice_of(at + len, 0);
    parse->value_seen = false;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    struct http_request *request = &parse->exchange->request;
    if (parse->value_seen || request->header_count == 0)
        return refuse(parse->refusal, 400, "folded header line");
    parse->value_seen = true;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    parse->exchange->headers[request->header_count - 1].value = slice_of(at, len);
    return 0;
}

struct framing {
    struct http_header *host;
    const struct http_header *length;
    const struct http_header *coding;
    bool close;        /* a connection option */
    bool expects;      /* 100-continue */
    bool expects_more; /* something else */
};

static int note_once(const struct http_header **place, const struct http_header *header,
                     struct http1_refusal *refusal, const char *text)
{
    if (*place != NULL)
        return refuse(refusal, 400, text);
    *place = header;
    return 0;
}

/* Finds the fields that decide about the message; each may be there once. */
static int find_framing(struct http_exchange *exchange, struct framing *framing,
                        struct http1_refusal *refusal)
{
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        struct http_header *header = &exchange->headers[i];
        if (!http_is_token(header->name) || !http_is_field_value(header->value))
            return refuse(refusal, 400, "malformed header field");
        switch (header->name.len) {
        case 4:
            if (!slice_is_nocase(header->name, "host"))
                break;
            if (framing->host != NULL)
                return refuse(refusal, 400, "more than one Host"); /* section 3.2 */
            framing->host = header;
            break;
        case 6:
            if (slice_is_nocase(header->name, "expect")) {
                bool known = slice_is_nocase(header->value, "100-continue");
                framing->expects = true;
                framing->expects_more |= !known;
            }
            break;
        case 10:
            if (slice_is_nocase(header->name, "connection"))
                framing->close |= http_has_token(header->value, "close");
            break;
        case 14:
            if (slice_is_nocase(header->name, "content-length") &&
                note_once(&framing->length, header, refusal, "more than one Content-Length") < 0)
                return -1; /* section 6.3 */
            break;
        case 17:
            if (slice_is_nocase(header->name, "transfer-encoding") &&
                note_once(&framing->coding, header, refusal, "more than one Transfer-Encoding") < 0)
                return -1;
            break;
        default:
            break;
        }
    }
    return 0;
}

/* "a, b, chunked": is the last coding chunked, and is there another one? */
static int check_coding(struct slice value, struct http1_refusal *refusal)
{
    if (slice_is_nocase(value, "chunked"))
        return 0;
    const uint8_t *comma = memrchr(value.data, ',', value.len);
    if (comma == NULL)
        return refuse(refusal, 400, "the last Transfer-Encoding is not chunked");
    struct slice last = slice_of(comma + 1, value.len - (size_t)(comma + 1 - value.data));
    if (!http_has_token(last, "chunked"))
        return refuse(refusal, 400, "the last Transfer-Encoding is not chunked"); /* section 6.3 */
    if (http_has_token(slice_of(value.data, (size_t)(comma - value.data)), "chunked"))
        return refuse(refusal, 400, "chunked more than once"); /* section 6.1 */
    return refuse(refusal, 501, "unknown Transfer-Encoding");  /* section 6.1 */
}

static int judge_body(struct parse *parse, const struct framing *framing)
{
    struct http_exchange *exchange = parse->exchange;
    struct http_request *request = &exchange->request;
    if (framing->coding != NULL) {
        /* Section 6.1: either alone is fine, both together are an attack or a fault. */
        if (framing->length != NULL)
            return refuse(parse->refusal, 400, "both Content-Length and Transfer-Encoding");
        if (exchange->http10)
            return refuse(parse->refusal, 400, "Transfer-Encoding in HTTP/1.0");
        if (check_coding(framing->coding->value, parse->refusal) < 0)
            return -1;
        request->content_length = -1;
        request->has_body = true;
    } else if (framing->length != NULL) {
        if (!decimal_parse(framing->length->value, &request->content_length))
            return refuse(parse->refusal, 400, "Content-Length is not a number");
        if (request->content_length > parse->limits->body_bytes)
            return refuse(parse->refusal, 413, "the body is too large");
        request->has_body = request->content_length > 0;
    }
    if (!framing->expects || exchange->http10)
        return 0;
    if (framing->expects_more) /* RFC 9110 section 10.1.1 */
        return refuse(parse->refusal, 417, "the only expectation that is met is 100-continue");
    exchange->expects_continue = request->has_body;
    return 0;
}

/* Section 3.2.2: the target's authority takes the place of Host. */
static int reduce_absolute(struct parse *parse, struct http_header *host, size_t scheme_len)
{
    struct http_request *request = &parse->exchange->request;
    struct slice rest =
        slice_of(request->target.data + scheme_len, request->target.len - scheme_len);
    size_t len = 0;
    while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?')
        len++;
    struct slice authority = slice_of(rest.data, len);
    if (!http_host_is_valid(authority))
        return refuse(parse->refusal, 400, "malformed request target");
    if (host != NULL)
        host->value = authority;
    http_split_target(request, slice_of(rest.data + len, rest.len - len));
    return 0;
}

static int judge_target(struct parse *parse, struct http_header *host)
{
    struct http_request *request = &parse->exchange->request;
    struct slice target = request->target;
    /* Section 3: single spaces; llhttp takes more. Behind the target comes at least a version. */
    if (target.data != request->method.data + request->method.len + 1 ||
        memcmp(target.data + target.len, " HTTP/1.", 8) != 0)
        return refuse(parse->refusal, 400, "malformed request line");
    if (target.len == 0 || memchr(target.data, '#', target.len) != NULL)
        return refuse(parse->refusal, 400, "malformed request target");
    if (slice_is_str(request->method, "CONNECT"))
        return refuse(parse->refusal, 501, "this is no proxy");
    if (target.data[0] == '/') {
        http_split_target(request, target);
        return 0;
    }
    if (slice_is_str(target, "*") && slice_is_str(request->method, "OPTIONS")) {
        http_split_target(request, target);
        return 0;
    }
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len > len && slice_is_nocase(slice_of(target.data, len), schemes[i]))
            return reduce_absolute(parse, host, len);
    }
    return refuse(parse->refusal, 400, "malformed request target");
}

static int judge(struct parse *parse, const llhttp_t *parser)
{
    struct http_exchange *exchange = parse->exchange;
    struct http_request *request = &exchange->request;
    request->version_major = parser->http_major;
    request->version_minor = parser->http_minor;
    if (parser->http_major != 1)
        return refuse(parse->refusal, 505, "expected HTTP/1.1");
    exchange->http10 = parser->http_minor == 0;
    struct framing framing = {0};
    if (find_framing(exchange, &framing, parse->refusal) < 0)
        return -1;
    if (framing.host == NULL && !exchange->http10)
        return refuse(parse->refusal, 400, "no Host"); /* section 3.2 */
    if (framing.host != NULL && !http_host_is_valid(framing.host->value))
        return refuse(parse->refusal, 400, "malformed Host");
    if (judge_body(parse, &framing) < 0 || judge_target(parse, framing.host) < 0)
        return -1;
    bool get = slice_is_str(request->method, "GET");
    exchange->head_only = slice_is_str(request->method, "HEAD");
    exchange->upgrade = parser->upgrade != 0 && !exchange->http10 && !request->has_body;
    exchange->safe = (get || exchange->head_only) && !request->has_body && !exchange->upgrade;
    /* Section 9.3: "close" wins over "keep-alive", in HTTP/1.0 too. */
    exchange->keep_alive = llhttp_should_keep_alive(parser) == 1 && !framing.close;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    parse->complete = true;
    if (judge(parse, parser) < 0)
        return -1;
    parser->upgrade = 0; /* whether there is one is the handler's decision */
    return parse->exchange->request.has_body ? 1 : 0; /* the body is the connection's business */
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

/* Nothing but the head has been given: were there a body in it, we and llhttp would disagree. */
static int on_no_body(llhttp_t *parser, const char *at, size_t len)
{
    (void)at;
    (void)len;
    struct parse *parse = parser->data;
    return refuse(parse->refusal, 400, "malformed request");
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_no_body,
    .on_chunk_extension_name = on_no_body,
    .on_message_complete = on_message_complete,
};

/* Bytes of UTF-8 in the target are not in RFC 3986, but browsers' users and curl send them: the
 * parser sees a letter in their place. Returns how long the request line is, 0 where there are
 * none. */
static int mask_utf8(uint8_t *head, size_t len, size_t *ret_masked, struct http1_refusal *refusal)
{
    const uint8_t *end = memchr(head, '\r', len);
    size_t line = end == NULL ? len : (size_t)(end - head);
    uint8_t high = 0;
    for (size_t i = 0; i < line; i++)
        high |= head[i];
    if (high < 0x80)
        return 0;
    if (!utf8_valid(slice_of(head, line)))
        return refuse(refusal, 400, "the request target is not UTF-8");
    for (size_t i = 0; i < line; i++)
        head[i] = head[i] >= 0x80 ? 'x' : head[i];
    *ret_masked = line;
    return 0;
}

/* llhttp knows a list of methods, and ends at any other; but which there are is the app's business
 * (RFC 9110 section 9.1). It is given GET instead, and the rest as it is. */
static enum llhttp_errno parse_other_method(llhttp_t *parser, const uint8_t *head, size_t len)
{
    struct parse *parse = parser->data;
    for (; len > 0 && (*head == '\r' || *head == '\n'); head++) /* section 2.2 */
        len--;
    const uint8_t *space = memchr(head, ' ', len);
    struct slice method = slice_of(head, space == NULL ? 0 : (size_t)(space - head));
    if (!http_is_token(method) || slice_is_str(method, "PRI") ||
        parse->exchange->request.header_count > 0)
        return HPE_INVALID_METHOD;
    parse->own_method = true;
    parse->exchange->request.method = method;
    llhttp_init(parser, HTTP_REQUEST, &settings);
    parser->data = parse;
    enum llhttp_errno error = llhttp_execute(parser, "GET", 3);
    return error != HPE_OK
               ? error
               : llhttp_execute(parser, (const char *)head + method.len, len - method.len);
}

static int explain(const llhttp_t *parser, enum llhttp_errno error, struct http1_refusal *refusal)
{
    if (refusal->status != 0)
        return -1;
    switch (error) {
    case HPE_INVALID_METHOD:
        return refuse(refusal, 400, "malformed request line");
    case HPE_INVALID_VERSION:
        if (parser->http_major == 1 && parser->http_minor <= 1)
            return refuse(refusal, 400, "malformed request line"); /* something behind it */
        return refuse(refusal, 505, "expected HTTP/1.1");
    case HPE_PAUSED_H2_UPGRADE:
        return refuse(refusal, 505, "expected HTTP/1.1");
    default:
        return refuse(refusal, 400, parser->reason == NULL ? "malformed request" : parser->reason);
    }
}

int http1_parse_head(struct http_exchange *exchange, struct slice head,
                     const struct http_limits *limits, struct http1_refusal *ret_refusal)
{
    size_t masked = 0;
    if (exchange_set_head(exchange, head.data, head.len, NULL) < 0)
        return refuse(ret_refusal, 503, "out of memory");
    if (mask_utf8(exchange->head, head.len, &masked, ret_refusal) < 0)
        return -1;
    struct parse parse = {.exchange = exchange, .limits = limits, .refusal = ret_refusal};
    const char *bytes = (const char *)exchange->head;
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &parse;
    enum llhttp_errno error = llhttp_execute(&parser, bytes, head.len);
    bool unknown = error == HPE_INVALID_METHOD || error == HPE_INVALID_CONSTANT;
    if (unknown && ret_refusal->status == 0)
        error = parse_other_method(&parser, exchange->head, head.len);
    bool good = parse.complete && ret_refusal->status == 0 && error == HPE_PAUSED &&
                llhttp_get_error_pos(&parser) == bytes + head.len;
    if (!good)
        return explain(&parser, error, ret_refusal);
    if (masked > 0)
        memcpy(exchange->head, head.data, masked);
    return 0;
}
