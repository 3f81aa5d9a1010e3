// SPDX-License-Identifier: Apache-2.0
/*
 * Takes an answer apart, in wire form: labels may hold any byte, so names are compared as they are
 * (RFC 1035 section 3.1), case aside, and never made into text. A pointer leads backwards only, so
 * every name ends. Owns nothing; runs in msed on bytes that whoever owns the name decides.
 */
#include "net/dns.h"

#include "base/buf.h"
#include "base/reader.h"

#include <ctype.h>

enum {
    HEADER_QR = 0x8000,
    HEADER_OPCODE = 0x7800,
    HEADER_TC = 0x0200,
    HEADER_RCODE = 0x000f,
    RCODE_NO_SUCH_NAME = 3,
    TYPE_CNAME = 5,
    TYPE_TXT = 16,
    CLASS_IN = 1,
    WIRE_NAME_MAX = 255,
    LABEL_MAX = 63,
    POINTER = 0xc0,
    ANSWERS_MAX = 100,
    TEXT_MAX = 65535,
};

struct wire_name {
    uint8_t bytes[WIRE_NAME_MAX]; /* labels with their lengths, in lower case, up to the root */
    size_t len;
};

static bool names_equal(const struct wire_name *a, const struct wire_name *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static int add_label(struct wire_name *name, struct slice label, struct err *err)
{
    /* one byte stays for the root */
    if (label.len > LABEL_MAX || name->len + 1 + label.len + 1 > WIRE_NAME_MAX)
        return FAIL(err, ERR_INVALID, "DNS: a name of more than %d bytes", WIRE_NAME_MAX);
    name->bytes[name->len++] = (uint8_t)label.len;
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.data[i];
        name->bytes[name->len++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
    }
    return 0;
}

static int name_from_text(const char *text, struct wire_name *ret, struct err *err)
{
    *ret = (struct wire_name){0};
    for (const char *at = text; *at != '\0';) {
        size_t len = strcspn(at, ".");
        if (len == 0)
            return FAIL(err, ERR_INVALID, "DNS: '%.200s' has an empty label", text);
        if (add_label(ret, slice_of(at, len), err) < 0)
            return -1;
        at += len + (at[len] == '.' ? 1 : 0);
    }
    return ret->len > 0 ? 0 : FAIL(err, ERR_INVALID, "DNS: no name");
}

/* A name at the reader's place, which moves behind it. */
static int take_name(struct reader *in, struct wire_name *ret, struct err *err)
{
    struct reader at = *in;
    size_t lowest = at.pos; /* where the part that is read now begins */
    bool jumped = false;
    *ret = (struct wire_name){0};
    for (;;) {
        uint8_t length = 0;
        uint8_t low = 0;
        struct slice label = {0};
        if (reader_u8(&at, "label", &length, err) < 0)
            return -1;
        if ((length & POINTER) == POINTER) {
            if (reader_u8(&at, "pointer", &low, err) < 0)
                return -1;
            size_t target = (size_t)(length & ~POINTER) << 8 | low;
            if (!jumped)
                in->pos = at.pos;
            if (target >= lowest)
                return FAIL(err, ERR_INVALID, "DNS: a name that points forwards");
            jumped = true;
            at.pos = lowest = target;
            continue;
        }
        if (length > LABEL_MAX)
            return FAIL(err, ERR_INVALID, "DNS: label type 0x%02x", length & POINTER);
        if (length == 0)
            break;
        if (reader_slice(&at, "label", length, &label, err) < 0 || add_label(ret, label, err) < 0)
            return -1;
    }
    if (!jumped)
        in->pos = at.pos;
    return 0;
}

struct counts {
    uint16_t questions;
    uint16_t answers;
};

/* *ret_known false: there is no such name. */
static int take_header(struct reader *in, struct counts *ret, bool *ret_known, struct err *err)
{
    uint16_t flags = 0;
    if (reader_skip(in, "id", 2, err) < 0 || reader_u16be(in, "flags", &flags, err) < 0 ||
        reader_u16be(in, "questions", &ret->questions, err) < 0 ||
        reader_u16be(in, "answers", &ret->answers, err) < 0 ||
        reader_skip(in, "other counts", 4, err) < 0)
        return -1;
    if ((flags & HEADER_QR) == 0 || (flags & HEADER_OPCODE) != 0 || ret->questions != 1)
        return FAIL(err, ERR_INVALID, "DNS: not an answer to one question (flags 0x%04x)", flags);
    if ((flags & HEADER_TC) != 0)
        return FAIL(err, ERR_UNSUPPORTED, "DNS: the answer is cut short");
    unsigned code = flags & HEADER_RCODE;
    if (code != 0 && code != RCODE_NO_SUCH_NAME)
        return FAIL(err, ERR_UNREACHABLE, "DNS: the server fails with code %u", code);
    if (ret->answers > ANSWERS_MAX)
        return FAIL(err, ERR_INVALID, "DNS: %u answers, at most %d accepted", ret->answers,
                    ANSWERS_MAX);
    *ret_known = code == 0;
    return 0;
}

static int take_question(struct reader *in, const struct wire_name *wanted, struct err *err)
{
    struct wire_name asked;
    uint16_t type = 0;
    uint16_t class = 0;
    if (take_name(in, &asked, err) < 0 || reader_u16be(in, "type", &type, err) < 0 ||
        reader_u16be(in, "class", &class, err) < 0)
        return -1;
    if (!names_equal(&asked, wanted) || type != TYPE_TXT || class != CLASS_IN)
        return FAIL(err, ERR_INVALID, "DNS: an answer to another question");
    return 0;
}

/* One or more strings of up to 255 bytes, which are one text together (RFC 7208 section 3.3). */
static int text_equals(struct slice data, const char *text, bool *ret, struct err *err)
{
    AUTO_BUF struct buf whole = BUF_INIT(TEXT_MAX);
    struct reader in = reader_of(data, "TXT record");
    while (reader_left(&in) > 0) {
        uint8_t length = 0;
        struct slice part = {0};
        if (reader_u8(&in, "length", &length, err) < 0 ||
            reader_slice(&in, "string", length, &part, err) < 0 || buf_bytes(&whole, part, err) < 0)
            return -1;
    }
    *ret = slice_is_str(buf_slice(&whole), text);
    return 0;
}

/* One record. `current` is the name that counts: an alias of it becomes what it stands for. */
static int take_answer(struct reader *in, struct wire_name *current, const char *text,
                       bool *ret_equal, struct err *err)
{
    struct wire_name name;
    uint16_t type = 0;
    uint16_t class = 0;
    uint16_t length = 0;
    if (take_name(in, &name, err) < 0 || reader_u16be(in, "type", &type, err) < 0 ||
        reader_u16be(in, "class", &class, err) < 0 || reader_skip(in, "TTL", 4, err) < 0 ||
        reader_u16be(in, "length", &length, err) < 0)
        return -1;
    size_t end = in->pos + length;
    struct slice data = {0};
    struct reader inside = *in; /* with what is before it: names point there */
    if (reader_slice(in, "data", length, &data, err) < 0)
        return -1;
    *ret_equal = false;
    if (class != CLASS_IN || !names_equal(&name, current))
        return 0;
    if (type == TYPE_TXT)
        return text_equals(data, text, ret_equal, err);
    if (type != TYPE_CNAME)
        return 0;
    if (take_name(&inside, current, err) < 0)
        return -1;
    return inside.pos == end ? 0 : FAIL(err, ERR_INVALID, "DNS: an alias of another length");
}

int dns_answer_has_txt(struct slice answer, const char *name, const char *text, bool *ret_found,
                       struct err *err)
{
    struct reader in = reader_of(answer, "DNS answer");
    struct counts counts = {0};
    struct wire_name current;
    bool known = false;
    if (name_from_text(name, &current, err) < 0 || take_header(&in, &counts, &known, err) < 0 ||
        take_question(&in, &current, err) < 0)
        return -1;
    bool found = false;
    for (unsigned i = 0; known && i < counts.answers; i++) {
        bool equal = false;
        if (take_answer(&in, &current, text, &equal, err) < 0)
            return -1;
        found = found || equal;
    }
    *ret_found = found;
    return 0;
}
