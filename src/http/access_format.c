// SPDX-License-Identifier: Apache-2.0
/*
 * Lines of the access log: Apache's directives over one finished request. Nearly every byte that is
 * written here was chosen by a client.
 */
#include "http/access_format.h"

#include "http/syntax.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char common[] = "%h %l %u %t \"%r\" %>s %b";
static const char combined[] = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"";
static const char json[] =
    "{\"time\":\"%{iso}t\",\"client\":\"%h\",\"method\":\"%m\",\"path\":\"%U\","
    "\"query\":\"%q\",\"protocol\":\"%H\",\"status\":%s,\"bytes\":%B,"
    "\"duration_us\":%D,\"queue_us\":%{queue}x,\"aborted\":%X,"
    "\"referer\":\"%{Referer}i\",\"user_agent\":\"%{User-Agent}i\"}";

/* The line that is being made; it never gets longer than its room, less the line's end. */
struct line {
    const struct access_record *record;
    struct slice argument; /* of the directive: in braces */
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

/* --- directives --- */

static void put_client(struct line *line)
{
    put_value(line, slice_str(line->record->client));
}

static void put_dash(struct line *line)
{
    put(line, "-", 1);
}

static void put_percent(struct line *line)
{
    put(line, "%", 1);
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
    struct slice query = line->record->request->query;
    if (query.len > 0 && !line->json)
        put(line, "?", 1);
    put_escaped(line, query);
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

static void put_bytes_or_dash(struct line *line)
{
    if (line->record->body_bytes == 0)
        put(line, "-", 1);
    else
        put_bytes(line);
}

static void put_us(struct line *line)
{
    put_number(line, (uint64_t)line->record->duration_us);
}

static void put_ms(struct line *line)
{
    put_number(line, (uint64_t)line->record->duration_us / 1000);
}

static void put_seconds(struct line *line)
{
    put_number(line, (uint64_t)line->record->duration_us / 1000000);
}

static void put_queue(struct line *line)
{
    if (line->record->queue_us >= 0)
        put_number(line, (uint64_t)line->record->queue_us);
    else
        put(line, line->json ? "null" : "-", line->json ? 4 : 1);
}

static void put_aborted(struct line *line)
{
    bool aborted = line->record->aborted;
    if (line->json)
        put(line, aborted ? "true" : "false", aborted ? 4 : 5);
    else
        put(line, aborted ? "X" : "+", 1);
}

static void put_header(struct line *line)
{
    char name[ACCESS_FORMAT_MAX];
    (void)snprintf(name, sizeof(name), "%.*s", (int)line->argument.len,
                   (const char *)line->argument.data);
    const struct http_header *header = http_request_header(line->record->request, name);
    put_value(line, header == NULL ? slice_of(NULL, 0) : header->value);
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

/* `argument` NULL: none may stand in braces; "": any name must. */
static const struct access_directive {
    char letter;
    const char *argument;
    void (*put)(struct line *line);
} directives[] = {
    {'%', NULL, put_percent},
    {'h', NULL, put_client},
    {'l', NULL, put_dash},
    {'u', NULL, put_dash},
    {'t', NULL, put_time},
    {'t', "iso", put_iso_time},
    {'r', NULL, put_request_line},
    {'m', NULL, put_method},
    {'U', NULL, put_path},
    {'q', NULL, put_query},
    {'H', NULL, put_protocol},
    {'s', NULL, put_status},
    {'b', NULL, put_bytes_or_dash},
    {'B', NULL, put_bytes},
    {'D', NULL, put_us},
    {'T', NULL, put_seconds},
    {'T', "s", put_seconds},
    {'T', "ms", put_ms},
    {'T', "us", put_us},
    {'x', "queue", put_queue},
    {'X', NULL, put_aborted},
    {'i', "", put_header},
};

/* --- taking a format apart --- */

static const struct access_directive *find_directive(char letter, bool braces,
                                                     struct slice argument)
{
    for (size_t i = 0; i < ARRAY_LEN(directives); i++) {
        const struct access_directive *directive = &directives[i];
        if (directive->letter != letter || (directive->argument != NULL) != braces)
            continue;
        if (!braces || slice_is_str(argument, directive->argument) ||
            (directive->argument[0] == '\0' && http_is_token(argument)))
            return directive;
    }
    return NULL;
}

static int fail_directive(const char *at, struct err *err)
{
    (void)FAIL(err, ERR_INVALID, "the access log's format has no directive '%.*s'",
               (int)strcspn(at, " \""), at);
    err_hint(err,
             "%%h %%t %%r %%m %%U %%q %%H %%s %%b %%B %%D %%T %%X %%l %%u %%%% %%{iso}t %%{ms}T "
             "%%{us}T %%{queue}x %%{Header-Name}i");
    return -1;
}

static int add_part(struct access_format *format, const struct access_directive *directive,
                    struct slice text, struct err *err)
{
    if (format->count == ACCESS_PARTS_MAX)
        return FAIL(err, ERR_INVALID, "the access log's format has more than %d parts",
                    ACCESS_PARTS_MAX);
    format->parts[format->count++] = (struct access_part){directive, text};
    return 0;
}

/* At a percent sign; *ret_end is behind the directive. */
static int parse_directive(struct access_format *format, const char *at, const char **ret_end,
                           struct err *err)
{
    const char *letter = at + 1;
    struct slice argument = slice_of(NULL, 0);
    bool braces = *letter == '{';
    if (braces) {
        const char *close = strchr(letter, '}');
        if (close == NULL)
            return fail_directive(at, err);
        argument = slice_of(letter + 1, (size_t)(close - letter - 1));
        letter = close + 1;
    } else if (*letter == '>') {
        letter++; /* "%>s": after redirections inside, which there are none of */
        if (*letter != 's')
            return fail_directive(at, err);
    }
    const struct access_directive *directive = find_directive(*letter, braces, argument);
    if (directive == NULL)
        return fail_directive(at, err);
    *ret_end = letter + 1;
    return add_part(format, directive, argument, err);
}

static int parse_parts(struct access_format *format, struct err *err)
{
    const char *at = format->text;
    while (*at != '\0') {
        size_t text = strcspn(at, "%");
        if (text > 0 && add_part(format, NULL, slice_of(at, text), err) < 0)
            return -1;
        at += text;
        if (*at == '%' && parse_directive(format, at, &at, err) < 0)
            return -1;
    }
    return 0;
}

static const char *named(const char *format)
{
    static const struct {
        const char *name;
        const char *format;
    } names[] = {{"common", common}, {"combined", combined}, {"json", json}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(format, names[i].name) == 0)
            return names[i].format;
    }
    return NULL;
}

static int check_own(const char *format, struct err *err)
{
    size_t len = strlen(format);
    if (strchr(format, '%') == NULL)
        return FAIL(
            err, ERR_INVALID,
            "'%.80s' is no format of an access log; expected common, combined, json or a text "
            "with directives such as %%h",
            format);
    if (len > ACCESS_FORMAT_MAX)
        return FAIL(err, ERR_INVALID, "the access log's format has %zu bytes, at most %d are taken",
                    len, ACCESS_FORMAT_MAX);
    for (size_t i = 0; i < len; i++) {
        if (format[i] < 0x20 || format[i] == 0x7f)
            return FAIL(err, ERR_INVALID,
                        "the access log's format has a control character or one "
                        "that is not ASCII");
    }
    return 0;
}

int access_format_parse(const char *format, struct access_format *ret, struct err *err)
{
    const char *own = named(format);
    if (own == NULL && check_own(format, err) < 0)
        return -1;
    ret->count = 0;
    ret->json = own == json;
    (void)snprintf(ret->text, sizeof(ret->text), "%s", own == NULL ? format : own);
    return parse_parts(ret, err);
}

int access_log_check(const char *format, struct err *err)
{
    struct access_format parsed;
    return access_format_parse(format, &parsed, err);
}

size_t access_format_line(const struct access_format *format, const struct access_record *record,
                          char to[static ACCESS_LINE_MAX])
{
    struct line line = {.record = record, .json = format->json, .to = to};
    for (size_t i = 0; i < format->count; i++) {
        const struct access_part *part = &format->parts[i];
        if (part->directive == NULL) {
            put(&line, (const char *)part->text.data, part->text.len);
            continue;
        }
        line.argument = part->text;
        part->directive->put(&line);
    }
    to[line.len] = '\n';
    return line.len + 1;
}
