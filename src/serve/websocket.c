// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket framing (RFC 6455). Everything here comes from a client: every length is checked before
 * it is believed, a message grows only with the bytes that have arrived. Pure; runs on the event
 * loop's thread in the enclave.
 */
#include "serve/websocket.h"

#include "base/text.h"
#include "crypto/crypto.h"

void websocket_parser_init(struct websocket_parser *parser, size_t max_message)
{
    *parser = (struct websocket_parser){.message = BUF_INIT(max_message)};
}

void websocket_parser_done(struct websocket_parser *parser)
{
    buf_done(&parser->message);
}

bool websocket_code_valid(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int protocol_error(int *ret_code, struct err *err, const char *what)
{
    *ret_code = WEBSOCKET_PROTOCOL_ERROR;
    return FAIL(err, ERR_INVALID, "WebSocket: %s", what);
}

/* How long the head is, as far as its first two bytes tell. */
static size_t head_need(const struct websocket_parser *parser)
{
    if (parser->head_len < 2)
        return 2;
    uint8_t length = parser->head[1] & 0x7f;
    size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    return 2 + extended + 4;
}

static uint64_t payload_length(const uint8_t *head, size_t *ret_extended)
{
    uint64_t length = head[1] & 0x7f;
    *ret_extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (*ret_extended == 0)
        return length;
    length = 0;
    for (size_t i = 0; i < *ret_extended; i++)
        length = length << 8 | head[2 + i];
    return length;
}

/* RFC 6455 section 5.2, on the first two bytes: what can be told before anything else arrives. */
static int check_start(const struct websocket_parser *parser, int *ret_code, struct err *err)
{
    uint8_t opcode = parser->head[0] & 0x0f;
    bool final = (parser->head[0] & 0x80) != 0;
    if ((parser->head[0] & 0x70) != 0)
        return protocol_error(ret_code, err, "a reserved bit is set");
    if ((parser->head[1] & 0x80) == 0)
        return protocol_error(ret_code, err, "a frame of the client is not masked");
    switch (opcode) {
    case WEBSOCKET_CONTINUATION:
        if (parser->message_opcode == 0)
            return protocol_error(ret_code, err, "a continuation of nothing");
        return 0;
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        if (parser->message_opcode != 0)
            return protocol_error(ret_code, err, "a message inside another");
        return 0;
    case WEBSOCKET_CLOSE:
    case WEBSOCKET_PING:
    case WEBSOCKET_PONG:
        if (!final || (parser->head[1] & 0x7f) > WEBSOCKET_CONTROL_MAX)
            return protocol_error(ret_code, err, "a control frame is long or fragmented");
        return 0;
    default:
        return protocol_error(ret_code, err, "an unknown opcode");
    }
}

static bool is_control(const struct websocket_parser *parser)
{
    return parser->opcode >= WEBSOCKET_CLOSE;
}

static int begin_payload(struct websocket_parser *parser, int *ret_code, struct err *err)
{
    size_t extended;
    uint64_t length = payload_length(parser->head, &extended);
    if ((extended == 2 && length < 126) || (extended == 8 && length < 65536))
        return protocol_error(ret_code, err, "a length is not written in its shortest form");
    parser->opcode = parser->head[0] & 0x0f;
    parser->final = (parser->head[0] & 0x80) != 0;
    memcpy(parser->mask, parser->head + 2 + extended, sizeof(parser->mask));
    parser->mask_at = 0;
    parser->left = length;
    parser->in_payload = true;
    parser->head_len = 0;
    parser->control_len = 0;
    if (is_control(parser))
        return 0;
    if (length > parser->message.max - parser->message.len) {
        *ret_code = WEBSOCKET_TOO_BIG;
        return FAIL(err, ERR_TOO_LARGE, "WebSocket: a message is longer than %zu bytes",
                    parser->message.max);
    }
    if (parser->opcode != WEBSOCKET_CONTINUATION)
        parser->message_opcode = parser->opcode;
    return 0;
}

static int take_head(struct websocket_parser *parser, struct slice *bytes, int *ret_code,
                     struct err *err)
{
    while (parser->head_len < head_need(parser) && bytes->len > 0) {
        parser->head[parser->head_len++] = bytes->data[0];
        *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        if (parser->head_len == 2 && check_start(parser, ret_code, err) < 0)
            return -1;
    }
    if (parser->head_len < 2 || parser->head_len < head_need(parser))
        return 0;
    return begin_payload(parser, ret_code, err);
}

static void unmask(struct websocket_parser *parser, const uint8_t *from, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] ^ parser->mask[(parser->mask_at + i) & 3];
    parser->mask_at = (unsigned)((parser->mask_at + len) & 3);
}

/* A text is refused at the first byte that cannot belong to it, not at its end (section 8.1). */
static int check_text(struct websocket_parser *parser, int *ret_code, struct err *err)
{
    struct slice all = buf_slice(&parser->message);
    struct slice rest =
        slice_of(all.data + parser->message_checked, all.len - parser->message_checked);
    size_t whole = 0;
    bool last = parser->final && parser->left == 0;
    if (utf8_valid_so_far(rest, &whole) && (!last || whole == rest.len)) {
        parser->message_checked += whole;
        return 0;
    }
    *ret_code = WEBSOCKET_NOT_UTF8;
    return FAIL(err, ERR_INVALID, "WebSocket: a text message is not UTF-8");
}

static int take_payload(struct websocket_parser *parser, struct slice *bytes, int *ret_code,
                        struct err *err)
{
    size_t len = parser->left < bytes->len ? (size_t)parser->left : bytes->len;
    uint8_t *to = parser->control + parser->control_len;
    if (is_control(parser)) {
        parser->control_len += len; /* at most CONTROL_MAX: checked with the head */
    } else {
        to = buf_reserve(&parser->message, len, err);
        if (to == NULL) {
            *ret_code = WEBSOCKET_TOO_BIG;
            return -1;
        }
        parser->message.len += len;
    }
    unmask(parser, bytes->data, to, len);
    parser->left -= len;
    *bytes = slice_of(bytes->data + len, bytes->len - len);
    if (is_control(parser) || parser->message_opcode != WEBSOCKET_TEXT)
        return 0;
    return check_text(parser, ret_code, err);
}

static int close_event(struct websocket_parser *parser, struct websocket_event *ret, int *ret_code,
                       struct err *err)
{
    struct slice payload = slice_of(parser->control, parser->control_len);
    ret->code = WEBSOCKET_NO_CODE;
    ret->payload = slice_of(NULL, 0);
    if (payload.len == 0)
        return 1;
    int code = payload.len < 2 ? 0 : payload.data[0] << 8 | payload.data[1];
    if (!websocket_code_valid(code))
        return protocol_error(ret_code, err, "a close frame without a valid code");
    ret->code = code;
    ret->payload = slice_of(payload.data + 2, payload.len - 2);
    if (utf8_valid(ret->payload))
        return 1;
    *ret_code = WEBSOCKET_NOT_UTF8;
    return FAIL(err, ERR_INVALID, "WebSocket: the reason of a close frame is not UTF-8");
}

/* The payload of a frame is complete: an event, or a part of a message. */
static int end_payload(struct websocket_parser *parser, struct websocket_event *ret, int *ret_code,
                       struct err *err)
{
    parser->in_payload = false;
    *ret = (struct websocket_event){.opcode = parser->opcode,
                                    .payload = slice_of(parser->control, parser->control_len)};
    if (parser->opcode == WEBSOCKET_CLOSE)
        return close_event(parser, ret, ret_code, err);
    if (is_control(parser))
        return 1;
    if (!parser->final)
        return 0;
    ret->opcode = parser->message_opcode;
    ret->payload = buf_slice(&parser->message);
    parser->message_opcode = 0;
    parser->message_done = true;
    return 1;
}

bool websocket_is_amid(const struct websocket_parser *parser)
{
    return parser->head_len > 0 || parser->in_payload || parser->message_opcode != 0;
}

void websocket_forget_message(struct websocket_parser *parser)
{
    if (!parser->message_done)
        return;
    parser->message_done = false;
    parser->message_checked = 0;
    if (parser->message.cap > WEBSOCKET_KEEP)
        buf_done(&parser->message); /* clearing it for each short one that follows costs as much */
    else
        buf_clear(&parser->message);
}

int websocket_parse(struct websocket_parser *parser, struct slice *bytes,
                    struct websocket_event *ret, int *ret_code, struct err *err)
{
    websocket_forget_message(parser);
    for (;;) {
        if (!parser->in_payload && take_head(parser, bytes, ret_code, err) < 0)
            return -1;
        if (!parser->in_payload)
            return 0;
        if (take_payload(parser, bytes, ret_code, err) < 0)
            return -1;
        if (parser->left > 0)
            return 0;
        int result = end_payload(parser, ret, ret_code, err);
        if (result != 0)
            return result;
    }
}

size_t websocket_head(uint8_t to[static WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode,
                      uint64_t length)
{
    to[0] = (uint8_t)(0x80 | opcode);
    size_t extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
    to[1] = extended == 0 ? (uint8_t)length : extended == 2 ? 126 : 127;
    for (size_t i = 0; i < extended; i++)
        to[2 + i] = (uint8_t)(length >> 8 * (extended - 1 - i));
    return 2 + extended;
}

int websocket_accept_key(struct slice key, char ret[static WEBSOCKET_ACCEPT_SIZE], struct err *err)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* section 1.3 */
    AUTO_BUF struct buf joined = BUF_INIT(128);
    AUTO_BUF struct buf text = BUF_INIT(WEBSOCKET_ACCEPT_SIZE);
    AUTO_BUF struct buf nonce = BUF_INIT(64);
    if (key.len != 24 || base64_decode_append(&nonce, key, "Sec-WebSocket-Key", NULL) < 0 ||
        nonce.len != 16)
        return FAIL(err, ERR_INVALID, "Sec-WebSocket-Key is not 16 bytes in base64");
    uint8_t digest[SHA1_SIZE];
    if (buf_bytes(&joined, key, err) < 0 || buf_str(&joined, magic, err) < 0 ||
        sha1(buf_slice(&joined), digest, err) < 0)
        return -1;
    if (base64_append(&text, slice_of(digest, sizeof(digest)), err) < 0)
        return -1;
    memcpy(ret, buf_text(&text), WEBSOCKET_ACCEPT_SIZE);
    return 0;
}
