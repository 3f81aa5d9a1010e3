// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes on their way, and the small text functions of HTTP: tokens, field values, dates, reasons.
 * Pure; runs on every thread of node and enclave.
 */
#include "http/output.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Never by realloc where secrets are in it, which may leave a copy behind. */
static uint8_t *grow(struct output *output, size_t cap, struct err *err)
{
    if (!output->secret)
        return mem_resize_array(output->data, cap, 1, err);
    uint8_t *data = mem_resize_array(NULL, cap, 1, err);
    if (data == NULL || output->data == NULL)
        return data;
    memcpy(data, output->data, output->len);
    mem_wipe(output->data, output->cap);
    free(output->data);
    return data;
}

uint8_t *output_reserve(struct output *output, size_t more, struct err *err)
{
    if (output->pos == output->len)
        output->pos = output->len = 0;
    if (more <= output->cap - output->len)
        return output->data + output->len;
    size_t left = output->len - output->pos;
    if (output->pos > 0) {
        memmove(output->data, output->data + output->pos, left);
        output->pos = 0;
        output->len = left;
        if (more <= output->cap - left)
            return output->data + left;
    }
    if (more > SIZE_MAX / 4 || left > SIZE_MAX / 4) {
        (void)FAIL(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    size_t cap = output->cap < 512 ? 512 : output->cap * 2;
    if (cap < left + more)
        cap = left + more;
    uint8_t *data = grow(output, cap, err);
    if (data == NULL)
        return NULL;
    output->data = data;
    output->cap = cap;
    return data + left;
}

int output_bytes(struct output *output, const void *data, size_t len, struct err *err)
{
    uint8_t *place = output_reserve(output, len, err);
    if (place == NULL)
        return -1;
    if (len > 0)
        memcpy(place, data, len);
    output->len += len;
    return 0;
}

void output_consume(struct output *output, size_t count)
{
    output->pos += count;
    if (output->pos >= output->len)
        output->pos = output->len = 0;
}

void output_reset(struct output *output, size_t keep)
{
    output->pos = output->len = 0;
    if (output->secret && output->data != NULL)
        mem_wipe(output->data, output->cap);
    output->secret = false;
    if (output->cap <= keep)
        return;
    free(output->data);
    *output = (struct output){0};
}

/* --- text --- */

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

const char *http_date_now(void)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static _Thread_local char text[HTTP_DATE_SIZE + 32];
    static _Thread_local time_t made;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == made && text[0] != '\0')
        return text;
    struct tm parts;
    (void)gmtime_r(&now.tv_sec, &parts);
    /* RFC 9110 section 5.6.7; strftime would use the locale's names */
    (void)snprintf(text, sizeof(text), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                   days + 3 * parts.tm_wday, parts.tm_mday, months + 3 * parts.tm_mon,
                   parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    text[HTTP_DATE_SIZE - 1] = '\0';
    made = now.tv_sec;
    return text;
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

const struct http_header *http_request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_is_nocase(request->headers[i].name, name))
            return &request->headers[i];
    }
    return NULL;
}

bool http_request_takes_trailers(const struct http_request *request)
{
    if (request->version_major >= 2)
        return true;
    const struct http_header *te = http_request_header(request, "te");
    return request->version_minor >= 1 && te != NULL && http_has_token(te->value, "trailers");
}

/* --- responses --- */

enum response_field response_field(struct slice name)
{
    static const struct {
        const char *name;
        enum response_field field;
    } fields[] = {
        {"date", FIELD_DATE},
        {"connection", FIELD_CONNECTION},
        {"content-length", FIELD_CONTENT_LENGTH},
        {"transfer-encoding", FIELD_HOP},
        {"keep-alive", FIELD_HOP},
        {"proxy-connection", FIELD_HOP},
        {"upgrade", FIELD_UPGRADE},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (slice_is_nocase(name, fields[i].name))
            return fields[i].field;
    }
    return FIELD_OTHER;
}

static int fields_check(const struct http_header *headers, size_t count, const char *what,
                        struct err *err)
{
    size_t bytes = 0;
    if (count > HTTP_RESPONSE_FIELDS_MAX)
        return FAIL(err, ERR_INVALID, "%zu response %ss, at most %d", count, what,
                    HTTP_RESPONSE_FIELDS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct http_header *header = &headers[i];
        bytes += header->name.len + header->value.len;
        if (!http_is_token(header->name))
            return FAIL(err, ERR_INVALID, "the name of response %s %zu is not a token", what,
                        i + 1);
        if (!http_is_field_value(header->value))
            return FAIL(err, ERR_INVALID, "control character in the value of response %s '%.*s'",
                        what, (int)header->name.len, (const char *)header->name.data);
    }
    if (bytes > HTTP_RESPONSE_HEAD_MAX)
        return FAIL(err, ERR_INVALID, "%zu bytes of response %ss, at most %d", bytes, what,
                    HTTP_RESPONSE_HEAD_MAX);
    return 0;
}

int response_check(const struct response_head *head, struct err *err)
{
    /* RFC 9112 section 4: three digits. What is over 599 has no meaning (RFC 9110 section 15), but
     * apps send it and peers let it pass. */
    if ((head->status < 200 || head->status > 999) && head->status != 101)
        return FAIL(err, ERR_INVALID, "response status %d, expected 200 to 999", head->status);
    if (head->reason != NULL && !http_is_field_value(slice_str(head->reason)))
        return FAIL(err, ERR_INVALID, "control character in the reason of a response");
    if (head->reason != NULL && strlen(head->reason) > HTTP_RESPONSE_HEAD_MAX)
        return FAIL(err, ERR_INVALID, "the reason of a response is longer than %d bytes",
                    HTTP_RESPONSE_HEAD_MAX);
    return fields_check(head->headers, head->header_count, "header", err);
}

int http_response_check(int status, const char *reason, const struct http_header *headers,
                        size_t header_count, struct err *err)
{
    const struct response_head head = {
        .status = status, .reason = reason, .headers = headers, .header_count = header_count};
    return response_check(&head, err);
}

static bool may_trail(struct slice name)
{
    /* RFC 9110 sections 6.5.1 and 7.6.1, with the lists of RFC 7230 section 4.1.2 */
    static const char *const others[] = {
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "expires",
        "host",
        "location",
        "proxy-authenticate",
        "proxy-authorization",
        "retry-after",
        "set-cookie",
        "te",
        "trailer",
        "vary",
        "www-authenticate",
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (slice_is_nocase(name, others[i]))
            return false;
    }
    return response_field(name) == FIELD_OTHER;
}

int trailers_check(const struct http_header *trailers, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!may_trail(trailers[i].name))
            return FAIL(err, ERR_INVALID, "'%.*s' cannot be a trailer field (RFC 9110)",
                        (int)trailers[i].name.len, (const char *)trailers[i].name.data);
    }
    return fields_check(trailers, count, "trailer", err);
}
