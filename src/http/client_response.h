// SPDX-License-Identifier: Apache-2.0
/*
 * The client's half of a response: bytes in, status, headers and body out. Part of the client;
 * apart so that it can be fuzzed without a connection.
 */
#pragma once

#include "http/client.h"

#include <llhttp.h>

struct client_response {
    llhttp_t parser;
    const struct http_client_request *request;
    struct http_client_response *response;
    struct err *err;
    bool failed;        /* a callback has set err */
    bool in_value;      /* the last piece of a header was of its value */
    bool head_complete; /* of the final response (not 1xx) */
    bool complete;
};

enum client_parse { CLIENT_PARSE_MORE, CLIENT_PARSE_COMPLETE, CLIENT_PARSE_FAILED };

void client_response_init(struct client_response *parsing,
                          const struct http_client_request *request,
                          struct http_client_response *response);
/* `end`: the connection has ended behind these bytes. */
enum client_parse client_response_feed(struct client_response *parsing, struct slice bytes,
                                       bool end, struct err *err);
