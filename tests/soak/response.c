// SPDX-License-Identifier: Apache-2.0
/*
 * Holds an answer, as its parts come, against what the request asked for.
 */
#include "soak.h"

#include "base/text.h"

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

const char *response_status(struct response *response, const struct request *request, int status)
{
    response->status = status;
    if (status == 100)
        return request->expect && !response->continued ? NULL : "a 100 that nobody asked for";
    return status == expected_status(request) ? NULL : "another status";
}

const char *response_length(struct response *response, const char *value)
{
    uint64_t length;
    if (response->length >= 0 || parse_u64(value, "length", 0, INT64_MAX, &length, NULL) < 0)
        return "a Content-Length that is none, or the second";
    response->length = (int64_t)length;
    return NULL;
}

const char *response_token(struct response *response, const struct request *request,
                           const char *value)
{
    if (response->token_seen || strcmp(value, request->token) != 0)
        return "the token of another request in the head";
    response->token_seen = true;
    return NULL;
}

const char *response_head_end(struct response *response, const struct request *request)
{
    if (response->status == 100) {
        response_begin(response);
        response->continued = true;
        return NULL;
    }
    if (!response->token_seen)
        return "no token in the head";
    response->headed = true;
    response->bodiless = request->head || response->status == 204;
    if (response->length >= 0 && (size_t)response->length != expected_length(request))
        return "another length than that of the body";
    return NULL;
}

const char *response_body(struct response *response, const struct request *request,
                          struct slice bytes)
{
    if (response->bodiless || response->body + bytes.len > expected_length(request))
        return "a body that is too long";
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != request_byte(request, response->body + i))
            return "a byte of another body";
    }
    response->body += bytes.len;
    return NULL;
}

const char *response_end(const struct response *response, const struct request *request)
{
    bool right = response->bodiless || response->body == expected_length(request);
    return right ? NULL : "a body of another length";
}
