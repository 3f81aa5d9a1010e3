// SPDX-License-Identifier: Apache-2.0
/*
 * Responses, as the client takes them apart with llhttp. The bytes come from whoever was connected
 * to; sizes are bounded by the response's buffers.
 */
#include "http/client_response.h"

#include "http/syntax.h"

static int fail(struct client_response *parsing)
{
    parsing->failed = true;
    return -1;
}

static int append(struct client_response *parsing, struct buf *to, struct slice bytes)
{
    return buf_bytes(to, bytes, parsing->err) < 0 ? fail(parsing) : 0;
}

static bool is_interim(const llhttp_t *parser)
{
    return parser->status_code / 100 == 1 && parser->status_code != 101;
}

/* The zero byte that ends a name or value. */
static int end_text(struct client_response *parsing)
{
    return append(parsing, &parsing->response->head, slice_of("", 1));
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct client_response *parsing = parser->data;
    return append(parsing, &parsing->response->head, slice_of(at, len));
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct client_response *parsing = parser->data;
    if (memchr(at, '\0', len) != NULL) {
        (void)FAIL(parsing->err, ERR_INVALID, "control character in a response header");
        return fail(parsing);
    }
    return append(parsing, &parsing->response->head, slice_of(at, len));
}

static int on_name_end(llhttp_t *parser)
{
    return end_text(parser->data);
}

static int on_value_end(llhttp_t *parser)
{
    struct client_response *parsing = parser->data;
    struct buf *head = &parsing->response->head;
    while (head->len > 0 && (head->data[head->len - 1] == ' ' || head->data[head->len - 1] == '\t'))
        head->len--;
    parsing->response->header_count++;
    return end_text(parsing);
}

static int on_headers_complete(llhttp_t *parser)
{
    struct client_response *parsing = parser->data;
    struct http_client_response *response = parsing->response;
    if (is_interim(parser)) { /* RFC 9110 section 15.2: more than one may come first */
        buf_clear(&response->head);
        response->header_count = 0;
        return 0;
    }
    response->status = parser->status_code;
    response->keep_alive = llhttp_should_keep_alive(parser) == 1;
    parsing->head_complete = true;
    return strcmp(parsing->request->method, "HEAD") == 0 ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct client_response *parsing = parser->data;
    const struct http_client_request *request = parsing->request;
    struct slice bytes = slice_of(at, len);
    if (request->body_write == NULL || parsing->response->status >= 300)
        return append(parsing, &parsing->response->body, bytes);
    if (request->body_write(request->context, bytes, parsing->err) < 0)
        return fail(parsing);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct client_response *parsing = parser->data;
    if (!parsing->head_complete)
        return 0;
    parsing->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_field_complete = on_name_end,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_value_end,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void client_response_init(struct client_response *parsing,
                          const struct http_client_request *request,
                          struct http_client_response *response)
{
    *parsing = (struct client_response){.request = request, .response = response};
    llhttp_init(&parsing->parser, HTTP_RESPONSE, &settings);
    parsing->parser.data = parsing;
}

enum client_parse client_response_feed(struct client_response *parsing, struct slice bytes,
                                       bool end, struct err *err)
{
    parsing->err = err;
    parsing->parser.data = parsing;
    enum llhttp_errno result =
        end ? llhttp_finish(&parsing->parser)
            : llhttp_execute(&parsing->parser, (const char *)bytes.data, bytes.len);
    if (parsing->complete) {
        /* Bytes that nobody asked for: this connection is not to be trusted with more. */
        const char *rest = llhttp_get_error_pos(&parsing->parser);
        if (!end && rest != (const char *)bytes.data + bytes.len)
            parsing->response->keep_alive = false;
        return CLIENT_PARSE_COMPLETE;
    }
    if (parsing->failed)
        return CLIENT_PARSE_FAILED;
    if (result != HPE_OK && !end) {
        const char *reason = llhttp_get_error_reason(&parsing->parser);
        (void)FAIL(err, ERR_INVALID, "the answer is not HTTP (%s)",
                   reason == NULL ? llhttp_errno_name(result) : reason);
        return CLIENT_PARSE_FAILED;
    }
    return CLIENT_PARSE_MORE;
}

void http_client_response_done(struct http_client_response *response)
{
    buf_done(&response->head);
    buf_done(&response->body);
    *response = (struct http_client_response){.body.max = response->body.max};
}

const char *http_client_response_header(const struct http_client_response *response,
                                        const char *name)
{
    const char *at = buf_text(&response->head);
    for (size_t i = 0; i < response->header_count; i++) {
        const char *value = at + strlen(at) + 1;
        if (slice_is_nocase(slice_str(at), name))
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}
