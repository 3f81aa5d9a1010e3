// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket frames of a client, in one piece and cut where the first byte says: both ways must give
 * the same events.
 */
#include "serve/websocket.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int last; /* 0 used up, -1 refused */
    int code;
    size_t events;
    size_t bytes; /* of their payloads */
};

static int feed(struct websocket_parser *parser, struct slice bytes, struct outcome *outcome)
{
    struct websocket_event event;
    int result;
    do {
        result = websocket_parse(parser, &bytes, &event, &outcome->code, NULL);
        if (result == 1) {
            outcome->events++;
            outcome->bytes += event.payload.len;
            for (size_t i = 0; i < event.payload.len; i++)
                outcome->bytes += event.payload.data[i] == 'x';
        }
    } while (result == 1);
    outcome->last = result;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    size_t cut = bytes.len == 0 ? 0 : data[0] % bytes.len;
    struct outcome whole = {0};
    struct outcome parts = {0};
    struct websocket_parser parser;
    websocket_parser_init(&parser, 4096);
    (void)feed(&parser, bytes, &whole);
    websocket_parser_done(&parser);
    websocket_parser_init(&parser, 4096);
    if (feed(&parser, slice_of(bytes.data, cut), &parts) == 0)
        (void)feed(&parser, slice_of(bytes.data + cut, bytes.len - cut), &parts);
    websocket_parser_done(&parser);
    if (whole.last != parts.last || whole.events != parts.events || whole.bytes != parts.bytes ||
        (whole.last < 0 && whole.code != parts.code))
        abort();
    return 0;
}
