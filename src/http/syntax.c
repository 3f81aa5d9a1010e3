// SPDX-License-Identifier: Apache-2.0
/*
 * The small text functions of HTTP: tokens, field values, hosts, targets, numbers, reasons.
 * Pure; runs on every thread of node and enclave.
 */
#include "http/syntax.h"

#include "base/text.h"

#include <string.h>

/* RFC 9110 section 5.6.2: tchar, one bit for each of the first 128 characters */
static const uint32_t token_chars[8] = {0x00000000, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};

bool http_is_token(struct slice text)
{
    uint32_t all = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        all &= token_chars[text.data[i] / 32] >> (text.data[i] % 32);
    return (all & 1) != 0;
}

bool http_is_field_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool slice_is_nocase(struct slice a, const char *text)
{
    for (size_t i = 0; i < a.len; i++) {
        if (text[i] == '\0' || lower(a.data[i]) != lower((uint8_t)text[i]))
            return false;
    }
    return text[a.len] == '\0';
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = slice_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool http_has_token(struct slice value, const char *token)
{
    while (value.len > 0) {
        const uint8_t *comma = memchr(value.data, ',', value.len);
        size_t len = comma == NULL ? value.len : (size_t)(comma - value.data);
        if (slice_is_nocase(trim(slice_of(value.data, len)), token))
            return true;
        size_t skip = comma == NULL ? len : len + 1;
        value = slice_of(value.data + skip, value.len - skip);
    }
    return false;
}

static bool is_one_of(uint8_t c, const char *others)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || (c != '\0' && strchr(others, c) != NULL);
}

/* RFC 3986 section 3.2.2, of its unreserved and sub-delims. Lists are refused: a comma is what
 * several Host lines would be joined by. */
static size_t reg_name_len(struct slice host)
{
    size_t len = 0;
    while (len < host.len) {
        bool escape = host.data[len] == '%' && host.len - len > 2 &&
                      hex_digit_value((char)host.data[len + 1]) >= 0 &&
                      hex_digit_value((char)host.data[len + 2]) >= 0;
        if (!escape && !is_one_of(host.data[len], "-._~!$&'()*+;="))
            break;
        len += escape ? 3 : 1;
    }
    return len;
}

/* "[2001:db8::1]"; what stands in the brackets is not looked at closely. */
static size_t ip_literal_len(struct slice host)
{
    size_t len = 1;
    while (len < host.len && is_one_of(host.data[len], "-._~!$&'()*+;=:"))
        len++;
    return len > 1 && len < host.len && host.data[len] == ']' ? len + 1 : 0;
}

/* uri-host [ ":" port ], RFC 9112 section 3.2 */
bool http_host_is_valid(struct slice host)
{
    enum { NAME_MAX_LEN = 255, PORT_MAX_LEN = 5 };
    bool literal = host.len > 0 && host.data[0] == '[';
    size_t len = literal ? ip_literal_len(host) : reg_name_len(host);
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    if (len == host.len)
        return true;
    if (host.data[len] != ':' || host.len - len - 1 > PORT_MAX_LEN)
        return false;
    for (size_t i = len + 1; i < host.len; i++) {
        if (host.data[i] < '0' || host.data[i] > '9')
            return false;
    }
    return true;
}

void http_split_target(struct http_request *request, struct slice rest)
{
    const uint8_t *mark = rest.len == 0 ? NULL : memchr(rest.data, '?', rest.len);
    size_t path_len = mark == NULL ? rest.len : (size_t)(mark - rest.data);
    request->path = slice_of(rest.data, path_len);
    if (path_len == 0)
        request->path = slice_str("/"); /* RFC 9110 section 4.2.3 */
    request->query = mark == NULL ? slice_of(rest.data + rest.len, 0)
                                  : slice_of(mark + 1, rest.len - path_len - 1);
}

size_t decimal_format(uint64_t value, char *to)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

bool decimal_parse(struct slice text, int64_t *ret)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c < '0' || c > '9' || value > (INT64_MAX - (c - '0')) / 10)
            return false;
        value = value * 10 + (c - '0');
    }
    if (text.len == 0)
        return false;
    *ret = value;
    return true;
}

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a Teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}
