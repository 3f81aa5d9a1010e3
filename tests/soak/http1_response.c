// SPDX-License-Identifier: Apache-2.0
/*
 * Reads an HTTP/1.1 response as strictly as the server reads requests; what it says is judged in
 * response.c.
 */
#include "soak.h"

#include "base/text.h"

#include <strings.h>

void http1_response_begin(struct http1_response *in)
{
    *in = (struct http1_response){0};
    response_begin(&in->response);
}

static const char *take_status(struct http1_response *in, const struct request *request)
{
    const char *line = in->line;
    if (!str_starts_with(line, "HTTP/1.1 ") || in->line_len < 13 || line[12] != ' ')
        return "a status line that is none";
    int status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    return response_status(&in->response, request, status);
}

static const char *field_value(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || strncmp(line + len, ": ", 2) != 0)
        return NULL;
    return line + len + 2;
}

static const char *take_field(struct http1_response *in, const struct request *request)
{
    const char *value = field_value(in->line, "Content-Length");
    if (value != NULL)
        return response_length(&in->response, value);
    value = field_value(in->line, "Transfer-Encoding");
    if (value != NULL) {
        in->chunked = strcmp(value, "chunked") == 0;
        return in->chunked ? NULL : "an unknown Transfer-Encoding";
    }
    value = field_value(in->line, "Connection");
    if (value != NULL)
        in->close = strcasecmp(value, "close") == 0;
    value = field_value(in->line, "X-Token");
    return value == NULL ? NULL : response_token(&in->response, request, value);
}

static const char *end_body(struct http1_response *in, const struct request *request)
{
    in->state = RESPONSE_COMPLETE;
    return response_end(&in->response, request);
}

static const char *end_head(struct http1_response *in, const struct request *request)
{
    bool informational = in->response.status == 100;
    const char *wrong = response_head_end(&in->response, request);
    if (wrong != NULL)
        return wrong;
    if (informational) {
        in->state = RESPONSE_LINE;
        in->chunked = in->close = false;
        return NULL;
    }
    if (in->chunked && in->response.length >= 0)
        return "both Content-Length and chunked";
    if (in->response.bodiless || in->response.length == 0)
        return end_body(in, request);
    if (!in->chunked && in->response.length < 0)
        return "a body without an end";
    in->left = in->chunked ? 0 : (uint64_t)in->response.length;
    in->state = in->chunked ? RESPONSE_CHUNK_SIZE : RESPONSE_BODY;
    return NULL;
}

static const char *take_chunk_size(struct http1_response *in)
{
    uint64_t size = 0;
    if (in->line_len == 0 || in->line_len > 8)
        return "a chunk size that is none";
    for (size_t i = 0; i < in->line_len; i++) {
        int digit = hex_digit_value(in->line[i]);
        if (digit < 0)
            return "a chunk size that is none";
        size = size * 16 + (uint64_t)digit;
    }
    in->left = size;
    in->state = size == 0 ? RESPONSE_TRAILER : RESPONSE_CHUNK;
    return NULL;
}

static const char *take_line(struct http1_response *in, const struct request *request)
{
    const char *wrong = NULL;
    bool empty = in->line_len == 0;
    switch (in->state) {
    case RESPONSE_LINE:
        wrong = take_status(in, request);
        in->state = RESPONSE_FIELDS;
        break;
    case RESPONSE_FIELDS:
        if (!empty) {
            wrong = take_field(in, request);
            break;
        }
        wrong = end_head(in, request);
        break;
    case RESPONSE_CHUNK_SIZE:
        wrong = take_chunk_size(in);
        break;
    case RESPONSE_CHUNK_END:
        wrong = empty ? NULL : "a chunk that is longer than its size";
        in->state = RESPONSE_CHUNK_SIZE;
        break;
    default: /* RESPONSE_TRAILER */
        wrong = empty ? end_body(in, request) : "a trailer";
        break;
    }
    in->line_len = 0;
    return wrong;
}

/* Collects up to CR LF. */
static const char *take_text(struct http1_response *in, const struct request *request,
                             struct slice *bytes)
{
    while (bytes->len > 0) {
        uint8_t c = bytes->data[0];
        *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        if (c != '\n') {
            if (in->line_len == LINE_MAX_SIZE - 1)
                return "a line without an end";
            in->line[in->line_len++] = (char)c;
            continue;
        }
        if (in->line_len == 0 || in->line[in->line_len - 1] != '\r')
            return "a line that ends in LF alone";
        in->line[--in->line_len] = '\0';
        return take_line(in, request);
    }
    return NULL;
}

static const char *take_bytes(struct http1_response *in, const struct request *request,
                              struct slice *bytes)
{
    size_t len = in->left < bytes->len ? (size_t)in->left : bytes->len;
    const char *wrong = response_body(&in->response, request, slice_of(bytes->data, len));
    if (wrong != NULL)
        return wrong;
    in->left -= len;
    *bytes = slice_of(bytes->data + len, bytes->len - len);
    if (in->left > 0)
        return NULL;
    if (in->state == RESPONSE_BODY)
        return end_body(in, request);
    in->state = RESPONSE_CHUNK_END;
    return NULL;
}

size_t http1_response_feed(struct http1_response *in, const struct request *request,
                           struct slice bytes, const char **wrong)
{
    struct slice rest = bytes;
    *wrong = NULL;
    while (rest.len > 0 && in->state != RESPONSE_COMPLETE && *wrong == NULL) {
        if (in->state == RESPONSE_BODY || in->state == RESPONSE_CHUNK)
            *wrong = take_bytes(in, request, &rest);
        else
            *wrong = take_text(in, request, &rest);
    }
    return bytes.len - rest.len;
}
