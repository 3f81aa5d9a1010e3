// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a response as strictly as the server reads requests, and holds every byte against what the
 * request asked for.
 */
#include "soak.h"

#include "base/text.h"

#include <strings.h>

void response_begin(struct response *response)
{
    *response = (struct response){.length = -1};
}

static int expected_status(const struct request *request)
{
    return request->kind == KIND_EMPTY ? 204 : 200;
}

static size_t expected_length(const struct request *request)
{
    switch (request->kind) {
    case KIND_TOKEN:
    case KIND_SLEEP:
    case KIND_IGNORE:
        return TOKEN_LEN;
    case KIND_EMPTY:
        return 0;
    default:
        return request->size;
    }
}

static const char *take_status(struct response *response, const struct request *request)
{
    const char *line = response->line;
    if (!str_starts_with(line, "HTTP/1.1 ") || response->line_len < 13 || line[12] != ' ')
        return "a status line that is none";
    response->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (response->status == 100)
        return request->expect && !response->continued ? NULL : "a 100 that nobody asked for";
    return response->status == expected_status(request) ? NULL : "another status";
}

static const char *field_value(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || strncmp(line + len, ": ", 2) != 0)
        return NULL;
    return line + len + 2;
}

static const char *take_field(struct response *response, const struct request *request)
{
    uint64_t length;
    const char *value = field_value(response->line, "Content-Length");
    if (value != NULL) {
        if (response->length >= 0 || parse_u64(value, "length", 0, INT64_MAX, &length, NULL) < 0)
            return "a Content-Length that is none, or the second";
        response->length = (int64_t)length;
        return NULL;
    }
    value = field_value(response->line, "Transfer-Encoding");
    if (value != NULL) {
        response->chunked = strcmp(value, "chunked") == 0;
        return response->chunked ? NULL : "an unknown Transfer-Encoding";
    }
    value = field_value(response->line, "Connection");
    if (value != NULL)
        response->close = strcasecmp(value, "close") == 0;
    value = field_value(response->line, "X-Token");
    if (value == NULL)
        return NULL;
    if (response->token_seen || strcmp(value, request->token) != 0)
        return "the token of another request in the head";
    response->token_seen = true;
    return NULL;
}

static const char *end_head(struct response *response, const struct request *request)
{
    if (response->status == 100) {
        response_begin(response);
        response->continued = true;
        return NULL;
    }
    if (!response->token_seen)
        return "no token in the head";
    if (response->chunked && response->length >= 0)
        return "both Content-Length and chunked";
    return NULL;
}

static const char *begin_body(struct response *response, const struct request *request)
{
    bool none = request->head || response->status == 204;
    if (none && response->length >= 0 && (size_t)response->length != expected_length(request))
        return "another length of a body that is not sent";
    if (none || response->length == 0) {
        response->state = RESPONSE_COMPLETE;
        return none || expected_length(request) == 0 ? NULL : "an empty body";
    }
    if (response->chunked) {
        response->state = RESPONSE_CHUNK_SIZE;
        return NULL;
    }
    if (response->length < 0)
        return "a body without an end";
    response->left = (uint64_t)response->length;
    response->state = RESPONSE_BODY;
    return NULL;
}

static const char *take_chunk_size(struct response *response)
{
    uint64_t size = 0;
    if (response->line_len == 0 || response->line_len > 8)
        return "a chunk size that is none";
    for (size_t i = 0; i < response->line_len; i++) {
        int digit = hex_digit_value(response->line[i]);
        if (digit < 0)
            return "a chunk size that is none";
        size = size * 16 + (uint64_t)digit;
    }
    response->left = size;
    response->state = size == 0 ? RESPONSE_TRAILER : RESPONSE_CHUNK;
    return NULL;
}

static const char *end_body(struct response *response, const struct request *request)
{
    response->state = RESPONSE_COMPLETE;
    return response->body == expected_length(request) ? NULL : "a body of another length";
}

static const char *take_line(struct response *response, const struct request *request)
{
    const char *wrong = NULL;
    bool empty = response->line_len == 0;
    switch (response->state) {
    case RESPONSE_LINE:
        wrong = take_status(response, request);
        response->state = RESPONSE_FIELDS;
        break;
    case RESPONSE_FIELDS:
        if (!empty) {
            wrong = take_field(response, request);
            break;
        }
        wrong = end_head(response, request);
        if (wrong == NULL && response->status != 0)
            wrong = begin_body(response, request);
        break;
    case RESPONSE_CHUNK_SIZE:
        wrong = take_chunk_size(response);
        break;
    case RESPONSE_CHUNK_END:
        wrong = empty ? NULL : "a chunk that is longer than its size";
        response->state = RESPONSE_CHUNK_SIZE;
        break;
    default: /* RESPONSE_TRAILER */
        wrong = empty ? end_body(response, request) : "a trailer";
        break;
    }
    response->line_len = 0;
    return wrong;
}

/* Collects up to CR LF. */
static const char *take_text(struct response *response, const struct request *request,
                             struct slice *bytes)
{
    while (bytes->len > 0) {
        uint8_t c = bytes->data[0];
        *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        if (c != '\n') {
            if (response->line_len == LINE_MAX_SIZE - 1)
                return "a line without an end";
            response->line[response->line_len++] = (char)c;
            continue;
        }
        if (response->line_len == 0 || response->line[response->line_len - 1] != '\r')
            return "a line that ends in LF alone";
        response->line[--response->line_len] = '\0';
        return take_line(response, request);
    }
    return NULL;
}

static const char *take_bytes(struct response *response, const struct request *request,
                              struct slice *bytes)
{
    size_t len = response->left < bytes->len ? (size_t)response->left : bytes->len;
    if (response->body + len > expected_length(request))
        return "a body that is too long";
    for (size_t i = 0; i < len; i++) {
        if (bytes->data[i] != request_byte(request, response->body + i))
            return "a byte of another body";
    }
    response->body += len;
    response->left -= len;
    *bytes = slice_of(bytes->data + len, bytes->len - len);
    if (response->left > 0)
        return NULL;
    if (response->state == RESPONSE_BODY)
        return end_body(response, request);
    response->state = RESPONSE_CHUNK_END;
    return NULL;
}

size_t response_feed(struct response *response, const struct request *request, struct slice bytes,
                     const char **wrong)
{
    struct slice rest = bytes;
    *wrong = NULL;
    while (rest.len > 0 && response->state != RESPONSE_COMPLETE && *wrong == NULL) {
        if (response->state == RESPONSE_BODY || response->state == RESPONSE_CHUNK)
            *wrong = take_bytes(response, request, &rest);
        else
            *wrong = take_text(response, request, &rest);
    }
    return bytes.len - rest.len;
}
