// SPDX-License-Identifier: Apache-2.0
/*
 * Lines of the access log over one finished request: three forms, each a function. Nearly every
 * byte that is written here was chosen by a client.
 */
#include "http/access_format.h"

#include "http/syntax.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The line that is being made; it never gets longer than its room, less the line's end. */
struct line {
    const struct access_record *record;
    bool json;
    char *to;
    size_t len;
};

/* --- writing --- */

static void put(struct line *line, const char *bytes, size_t len)
{
    size_t room = ACCESS_LINE_MAX - 1 - line->len;
    if (len > room)
        len = room;
    memcpy(line->to + line->len, bytes, len);
    line->len += len;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_number(struct line *line, uint64_t number)
{
    char digits[20];
    size_t len = decimal_format(number, digits);
    put(line, digits, len);
}

/* One character as it may stand between quotation marks; returns how many bytes it takes. */
static size_t escape(uint8_t c, bool as_json, char to[static 8])
{
    if (c == '"' || c == '\\') {
        to[0] = '\\';
        to[1] = (char)c;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        to[0] = (char)c;
        return 1;
    }
    return (size_t)snprintf(to, 8, as_json ? "\\u%04x" : "\\x%02x", c);
}

static void put_escaped(struct line *line, struct slice value)
{
    size_t end = line->len + ACCESS_VALUE_MAX;
    for (size_t i = 0; i < value.len; i++) {
        char escaped[8];
        size_t len = escape(value.data[i], line->json, escaped);
        if (line->len + len > end) {
            put(line, "...", 3);
            return;
        }
        put(line, escaped, len);
    }
}

/* A dash for what there is not, as the common format has it; in JSON the empty text. */
static void put_value(struct line *line, struct slice value)
{
    if (value.len == 0 && !line->json)
        put(line, "-", 1);
    else
        put_escaped(line, value);
}

/* --- what a line tells --- */

static void put_client(struct line *line)
{
    put_value(line, slice_str(line->record->client));
}

static void put_method(struct line *line)
{
    put_value(line, line->record->request->method);
}

static void put_path(struct line *line)
{
    put_value(line, line->record->request->path);
}

static void put_query(struct line *line)
{
    put_value(line, line->record->request->query);
}

static void put_protocol(struct line *line)
{
    const struct http_request *request = line->record->request;
    char text[16];
    int len = request->version_major == 2
                  ? snprintf(text, sizeof(text), "HTTP/2")
                  : snprintf(text, sizeof(text), "HTTP/%d.%d", request->version_major % 10,
                             request->version_minor % 10);
    put_value(line, request->version_major == 0 ? slice_of(NULL, 0) : slice_of(text, (size_t)len));
}

static void put_request_line(struct line *line)
{
    const struct http_request *request = line->record->request;
    if (request->method.len == 0) {
        put_value(line, request->method);
        return;
    }
    put_value(line, request->method);
    put(line, " ", 1);
    put_value(line, request->target);
    put(line, " ", 1);
    put_protocol(line);
}

static void put_status(struct line *line)
{
    put_number(line, (uint64_t)line->record->status);
}

static void put_bytes(struct line *line)
{
    put_number(line, line->record->body_bytes);
}

/* As the common format has it. */
static void put_bytes_or_dash(struct line *line)
{
    if (line->record->body_bytes == 0)
        put_text(line, "-");
    else
        put_bytes(line);
}

static void put_duration(struct line *line)
{
    put_number(line, (uint64_t)line->record->duration_us);
}

static void put_queue(struct line *line)
{
    if (line->record->queue_us >= 0)
        put_number(line, (uint64_t)line->record->queue_us);
    else
        put_text(line, "null");
}

static void put_aborted(struct line *line)
{
    put_text(line, line->record->aborted ? "true" : "false");
}

static void put_header(struct line *line, const char *name)
{
    const struct http_header *header = http_request_header(line->record->request, name);
    put_value(line, header == NULL ? slice_of(NULL, 0) : header->value);
}

static void put_referer(struct line *line)
{
    put_header(line, "Referer");
}

static void put_user_agent(struct line *line)
{
    put_header(line, "User-Agent");
}

/* When the request came. */
static struct timespec began(const struct access_record *record)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - record->duration_us;
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* The names of months are not the locale's. */
static void put_time(struct line *line)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct timespec time = began(line->record);
    struct tm parts;
    char text[64];
    (void)gmtime_r(&time.tv_sec, &parts);
    int len = snprintf(text, sizeof(text), "[%02d/%.3s/%04d:%02d:%02d:%02d +0000]", parts.tm_mday,
                       months + 3 * parts.tm_mon, parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                       parts.tm_sec);
    put(line, text, (size_t)len);
}

static void put_iso_time(struct line *line)
{
    struct timespec time = began(line->record);
    struct tm parts;
    char text[64];
    (void)gmtime_r(&time.tv_sec, &parts);
    int len = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ",
                       parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                       parts.tm_min, parts.tm_sec, time.tv_nsec / 1000000);
    put(line, text, (size_t)len);
}

/* --- the forms --- */

/* As Apache's: %h %l %u %t "%r" %>s %b */
static void put_common(struct line *line)
{
    put_client(line);
    put_text(line, " - - ");
    put_time(line);
    put_text(line, " \"");
    put_request_line(line);
    put_text(line, "\" ");
    put_status(line);
    put_text(line, " ");
    put_bytes_or_dash(line);
}

static void put_combined(struct line *line)
{
    put_common(line);
    put_text(line, " \"");
    put_referer(line);
    put_text(line, "\" \"");
    put_user_agent(line);
    put_text(line, "\"");
}

static void put_json(struct line *line)
{
    static const struct {
        const char *before;
        void (*put)(struct line *line);
    } members[] = {
        {"{\"time\":\"", put_iso_time},           {"\",\"client\":\"", put_client},
        {"\",\"method\":\"", put_method},         {"\",\"path\":\"", put_path},
        {"\",\"query\":\"", put_query},           {"\",\"protocol\":\"", put_protocol},
        {"\",\"status\":", put_status},           {",\"bytes\":", put_bytes},
        {",\"duration_us\":", put_duration},      {",\"queue_us\":", put_queue},
        {",\"aborted\":", put_aborted},           {",\"referer\":\"", put_referer},
        {"\",\"user_agent\":\"", put_user_agent},
    };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        put_text(line, members[i].before);
        members[i].put(line);
    }
    put_text(line, "\"}");
}

static const struct access_format {
    const char *name;
    bool json;
    void (*put)(struct line *line);
} formats[] = {
    {"common", false, put_common},
    {"combined", false, put_combined},
    {"json", true, put_json},
};

int access_format_by_name(const char *name, const struct access_format **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *ret = &formats[i];
            return 0;
        }
    }
    return FAIL(err, ERR_INVALID, "there is no format '%.32s', expected common, combined or json",
                name);
}

size_t access_format_line(const struct access_format *format, const struct access_record *record,
                          char to[static ACCESS_LINE_MAX])
{
    struct line line = {.record = record, .json = format->json, .to = to};
    format->put(&line);
    to[line.len] = '\n';
    return line.len + 1;
}
