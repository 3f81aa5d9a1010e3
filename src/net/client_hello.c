// SPDX-License-Identifier: Apache-2.0
/*
 * Takes a ClientHello apart as far as its server name and its application protocols. Records are
 * joined first: a handshake message may be cut anywhere (RFC 8446 section 5.1). Owns nothing; runs
 * in msed on bytes from the network, before anything is authenticated.
 */
#include "net/client_hello.h"

#include "base/buf.h"
#include "base/reader.h"

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER = 5,
    RECORD_MAX = 1 << 14,
    HANDSHAKE_CLIENT_HELLO = 1,
    HANDSHAKE_HEADER = 4,
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    NAME_TYPE_HOST = 0,
    RANDOM_SIZE = 32,
};

static const char acme_protocol[] = "acme-tls/1"; /* RFC 8737 section 6.2 */

/* Appends the payload of one record. *ret_whole false: its end has not arrived. */
static int take_record(struct reader *in, struct buf *message, bool *ret_whole, struct err *err)
{
    uint8_t type = 0;
    uint8_t major = 0;
    uint8_t minor = 0;
    uint16_t length = 0;
    if (reader_u8(in, "record type", &type, err) < 0)
        return -1;
    if (type != RECORD_HANDSHAKE)
        return FAIL(err, ERR_INVALID, "TLS: record type %u, %d expected", type, RECORD_HANDSHAKE);
    *ret_whole = false;
    if (reader_left(in) < RECORD_HEADER - 1)
        return 0;
    if (reader_u8(in, "version", &major, err) < 0 || reader_u8(in, "version", &minor, err) < 0 ||
        reader_u16be(in, "record length", &length, err) < 0)
        return -1;
    if (major != 3)
        return FAIL(err, ERR_INVALID, "TLS: record version %u.%u, 3.x expected", major, minor);
    if (length == 0 || length > RECORD_MAX)
        return FAIL(err, ERR_INVALID, "TLS: record of %u bytes, 1 to %d expected", length,
                    RECORD_MAX);
    *ret_whole = reader_left(in) >= length;
    struct slice payload = {0};
    size_t there = *ret_whole ? length : reader_left(in);
    if (reader_slice(in, "record", there, &payload, err) < 0)
        return -1;
    return buf_bytes(message, payload, err);
}

/* How long the whole message is, its header included; 0: not known yet. */
static int message_length(const struct buf *message, size_t *ret, struct err *err)
{
    struct reader in = reader_of(buf_slice(message), "ClientHello");
    uint8_t type = 0;
    uint32_t length = 0;
    *ret = 0;
    if (reader_left(&in) == 0)
        return 0;
    if (reader_u8(&in, "type", &type, err) < 0)
        return -1;
    if (type != HANDSHAKE_CLIENT_HELLO)
        return FAIL(err, ERR_INVALID, "TLS: handshake message %u, ClientHello expected", type);
    if (reader_left(&in) < HANDSHAKE_HEADER - 1)
        return 0;
    if (reader_u24be(&in, "length", &length, err) < 0)
        return -1;
    if (length > CLIENT_HELLO_MAX)
        return FAIL(err, ERR_TOO_LARGE, "TLS: ClientHello of %u bytes, at most %d accepted", length,
                    CLIENT_HELLO_MAX);
    *ret = HANDSHAKE_HEADER + length;
    return 0;
}

/* Joins records until the message is whole (*ret_whole) or the bytes end. What follows in records
 * of their own, early data, is not looked at. */
static int join_records(struct slice bytes, struct buf *message, bool *ret_whole, struct err *err)
{
    struct reader in = reader_of(bytes, "ClientHello");
    bool whole_record = true;
    size_t length = 0;
    *ret_whole = false;
    while (whole_record && reader_left(&in) > 0 && (length == 0 || message->len < length)) {
        if (take_record(&in, message, &whole_record, err) < 0 ||
            message_length(message, &length, err) < 0)
            return -1;
    }
    /* keys may change behind it, so it ends with its record (RFC 8446 section 5.1) */
    if (length != 0 && message->len > length)
        return FAIL(err, ERR_INVALID, "TLS: %zu bytes behind the ClientHello in its record",
                    message->len - length);
    *ret_whole = length != 0 && message->len == length && whole_record;
    return 0;
}

static int keep_name(struct slice name, struct client_hello *ret, struct err *err)
{
    if (name.len == 0 || name.len >= sizeof(ret->name))
        return FAIL(err, ERR_INVALID, "TLS: server name of %zu bytes, 1 to %zu expected", name.len,
                    sizeof(ret->name) - 1);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        bool allowed =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (!allowed)
            return FAIL(err, ERR_INVALID, "TLS: server name with byte 0x%02x", c);
        ret->name[i] = (char)c;
    }
    ret->name[name.len] = '\0';
    ret->state = CLIENT_HELLO_NAMED;
    return 0;
}

static int take_vector8(struct reader *in, const char *field, struct err *err)
{
    uint8_t length = 0;
    if (reader_u8(in, field, &length, err) < 0)
        return -1;
    return reader_skip(in, field, length, err);
}

static int take_vector16(struct reader *in, const char *field, struct slice *ret, struct err *err)
{
    uint16_t length = 0;
    if (reader_u16be(in, field, &length, err) < 0)
        return -1;
    return reader_slice(in, field, length, ret, err);
}

/* RFC 6066 section 3: a list, in which one entry is a host name. There is no other kind of entry,
 * and no second one: whom would it be for? */
static int take_server_name(struct slice extension, struct client_hello *ret, struct err *err)
{
    struct reader in = reader_of(extension, "server_name");
    struct slice list = {0};
    if (take_vector16(&in, "list", &list, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    struct reader names = reader_of(list, "server_name");
    uint8_t type = 0;
    struct slice name = {0};
    if (reader_u8(&names, "type", &type, err) < 0)
        return -1;
    if (type != NAME_TYPE_HOST)
        return FAIL(err, ERR_INVALID, "TLS: server name of type %u, %d expected", type,
                    NAME_TYPE_HOST);
    if (take_vector16(&names, "name", &name, err) < 0 || reader_end(&names, err) < 0)
        return -1;
    return keep_name(name, ret, err);
}

static int take_protocols(struct slice extension, struct client_hello *ret, struct err *err)
{
    struct reader in = reader_of(extension, "ALPN");
    struct slice list = {0};
    if (take_vector16(&in, "list", &list, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    struct reader protocols = reader_of(list, "ALPN");
    while (reader_left(&protocols) > 0) {
        uint8_t length = 0;
        struct slice protocol = {0};
        if (reader_u8(&protocols, "length", &length, err) < 0 ||
            reader_slice(&protocols, "protocol", length, &protocol, err) < 0)
            return -1;
        if (slice_is_str(protocol, acme_protocol))
            ret->offers_acme = true;
    }
    return 0;
}

static int once(bool *seen, uint16_t type, struct err *err)
{
    if (*seen)
        return FAIL(err, ERR_INVALID, "TLS: extension %u appears twice", type);
    *seen = true;
    return 0;
}

static int take_extensions(struct slice extensions, struct client_hello *ret, struct err *err)
{
    struct reader in = reader_of(extensions, "ClientHello extensions");
    bool named = false;
    bool listed = false;
    while (reader_left(&in) > 0) {
        uint16_t type = 0;
        struct slice extension = {0};
        if (reader_u16be(&in, "type", &type, err) < 0 ||
            take_vector16(&in, "extension", &extension, err) < 0)
            return -1;
        if (type == EXTENSION_SERVER_NAME &&
            (once(&named, type, err) < 0 || take_server_name(extension, ret, err) < 0))
            return -1;
        if (type == EXTENSION_ALPN &&
            (once(&listed, type, err) < 0 || take_protocols(extension, ret, err) < 0))
            return -1;
    }
    return 0;
}

static int take_body(struct slice body, struct client_hello *ret, struct err *err)
{
    struct reader in = reader_of(body, "ClientHello");
    struct slice ignored = {0};
    struct slice extensions = {0};
    if (reader_skip(&in, "version", 2, err) < 0 ||
        reader_skip(&in, "random", RANDOM_SIZE, err) < 0 ||
        take_vector8(&in, "session id", err) < 0 ||
        take_vector16(&in, "cipher suites", &ignored, err) < 0 ||
        take_vector8(&in, "compression methods", err) < 0)
        return -1;
    ret->state = CLIENT_HELLO_UNNAMED;
    if (reader_left(&in) == 0)
        return 0; /* before TLS 1.3 extensions were optional */
    if (take_vector16(&in, "extensions", &extensions, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    return take_extensions(extensions, ret, err);
}

static int more(struct slice bytes, struct client_hello *ret, struct err *err)
{
    if (bytes.len >= CLIENT_HELLO_MAX)
        return FAIL(err, ERR_TOO_LARGE, "TLS: ClientHello not complete within %d bytes",
                    CLIENT_HELLO_MAX);
    *ret = (struct client_hello){.state = CLIENT_HELLO_MORE};
    return 0;
}

int client_hello_parse(struct slice bytes, struct client_hello *ret, struct err *err)
{
    if (bytes.len > CLIENT_HELLO_MAX)
        bytes.len = CLIENT_HELLO_MAX;
    AUTO_BUF struct buf message = BUF_INIT(CLIENT_HELLO_MAX);
    bool whole = false;
    if (join_records(bytes, &message, &whole, err) < 0)
        return -1;
    if (!whole)
        return more(bytes, ret, err);
    struct client_hello hello = {0};
    const struct slice body =
        slice_of(message.data + HANDSHAKE_HEADER, message.len - HANDSHAKE_HEADER);
    if (take_body(body, &hello, err) < 0)
        return -1;
    *ret = hello;
    return 0;
}
