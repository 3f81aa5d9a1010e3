// SPDX-License-Identifier: Apache-2.0
/*
 * Header and trailer fields: those of a request that are looked up by name, those that a handler
 * gives for a response and what the server makes of them, and the value of Date.
 * Runs on every thread of node and enclave.
 */
#include "http/fields.h"

#include "http/syntax.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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
