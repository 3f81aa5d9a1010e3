// SPDX-License-Identifier: Apache-2.0
/*
 * Responses, as the client reads them: in one piece and byte by byte must come to the same.
 */
#include "http/client_response.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum client_parse read_response(const uint8_t *data, size_t size, size_t piece,
                                       struct http_client_response *response)
{
    struct http_client_request request = {.method = "GET", .target = "/"};
    response->head = BUF_INIT(4096);
    response->body = BUF_INIT(4096);
    struct client_response parsing;
    struct err err = ERR_INIT;
    client_response_init(&parsing, &request, response);
    enum client_parse result = CLIENT_PARSE_MORE;
    for (size_t at = 0; at < size && result == CLIENT_PARSE_MORE; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        result = client_response_feed(&parsing, slice_of(data + at, len), false, &err);
    }
    if (result == CLIENT_PARSE_MORE)
        result = client_response_feed(&parsing, slice_of(NULL, 0), true, &err);
    if (result == CLIENT_PARSE_FAILED && err.kind == ERR_NONE)
        abort();
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_HTTP_RESPONSE struct http_client_response whole = HTTP_CLIENT_RESPONSE_INIT;
    AUTO_HTTP_RESPONSE struct http_client_response pieces = HTTP_CLIENT_RESPONSE_INIT;
    enum client_parse result = read_response(data, size, size > 0 ? size : 1, &whole);
    if (result != read_response(data, size, 1, &pieces))
        abort();
    if (result != CLIENT_PARSE_COMPLETE)
        return 0;
    if (whole.status != pieces.status || whole.header_count != pieces.header_count ||
        !slice_equal(buf_slice(&whole.body), buf_slice(&pieces.body)))
        abort();
    if (http_client_response_header(&whole, "x-none") != NULL &&
        http_client_response_header(&pieces, "x-none") == NULL)
        abort();
    return 0;
}
