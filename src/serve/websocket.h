// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket framing (RFC 6455), the server's side: a push parser for what a client sends, and the
 * heads of frames to send. Bytes in, bytes out; no sockets, no Python.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

/* RFC 6455 section 7.4.1. */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_NO_CODE = 1005,
    WEBSOCKET_GONE = 1006,
    WEBSOCKET_NOT_UTF8 = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
};

enum {
    WEBSOCKET_CONTROL_MAX = 125,
    WEBSOCKET_HEAD_MAX = 14,
    WEBSOCKET_ACCEPT_SIZE = 29,
    WEBSOCKET_KEEP = 64 * 1024,
};

struct websocket_parser {
    uint8_t head[WEBSOCKET_HEAD_MAX];
    size_t head_len;
    bool in_payload;
    uint64_t left; /* of the payload */
    uint8_t opcode;
    bool final;
    uint8_t mask[4];
    unsigned mask_at;
    uint8_t message_opcode; /* of the message that is being put together; 0: none */
    struct buf message;
    size_t message_checked; /* text: bytes of it that are whole characters */
    bool message_done;      /* `message` was handed out: emptied before the next byte */
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    size_t control_len;
};

/* A whole message or control frame; payload is valid until the next call for the parser. */
struct websocket_event {
    enum websocket_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
    struct slice payload;         /* CLOSE: the reason */
    int code;                     /* CLOSE: its code, WEBSOCKET_NO_CODE where there is none */
};

void websocket_parser_init(struct websocket_parser *parser, size_t max_message);
void websocket_parser_done(struct websocket_parser *parser);
/* Takes bytes from the front of *bytes until an event is complete (1) or they are used up (0).
 * Errors (-1): INVALID (protocol), TOO_LARGE (message); *ret_code is the code to close with. */
int websocket_parse(struct websocket_parser *parser, struct slice *bytes,
                    struct websocket_event *ret, int *ret_code, struct err *err) MUST_USE;

/* Is a frame or a message begun and not complete? */
bool websocket_is_amid(const struct websocket_parser *parser);

/* Gives back the memory of a message that was handed out and is done with, so that a quiet
 * connection does not keep more than WEBSOCKET_KEEP bytes of the longest it had. */
void websocket_forget_message(struct websocket_parser *parser);

/* The head of an unmasked, final frame; returns its length. */
size_t websocket_head(uint8_t to[static WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode,
                      uint64_t length);
/* May this code stand in a close frame (RFC 6455 section 7.4)? */
bool websocket_code_valid(int code);
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2). Errors: INVALID (not 16 bytes in
 * base64), CRYPTO. */
int websocket_accept_key(struct slice key, char ret[static WEBSOCKET_ACCEPT_SIZE],
                         struct err *err) MUST_USE;
