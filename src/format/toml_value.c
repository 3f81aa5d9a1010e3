// SPDX-License-Identifier: Apache-2.0
/*
 * TOML 1.0 scalars: strings of four kinds, numbers, booleans, dates and times. Works on the
 * parser's cursor; texts end up in the document's memory.
 */
#include "format/toml_internal.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int append_utf8(struct buf *out, uint32_t code, struct err *err)
{
    uint8_t bytes[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    bytes[0] = (uint8_t)(lead[len] | code);
    return buf_bytes(out, slice_of(bytes, len), err);
}

/* \uXXXX and \UXXXXXXXX: exactly `digits` digits of a Unicode scalar value. */
static int parse_unicode_escape(struct toml_parser *in, size_t digits, struct buf *out)
{
    uint32_t code = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_value(toml_peek_at(in, 2 + i));
        if (digit < 0)
            return PARSE_FAIL(in, "expected %zu hexadecimal digits in the escape", digits);
        code = code << 4 | (uint32_t)digit;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return PARSE_FAIL(in, "U+%04X in the escape is no Unicode scalar value", code);
    toml_advance(in, 2 + digits);
    return append_utf8(out, code, in->err);
}

static int parse_escape(struct toml_parser *in, struct buf *out)
{
    static const char from[] = "btnfr\"\\";
    static const char to[] = "\b\t\n\f\r\"\\";
    int c = toml_peek_at(in, 1);
    if (c == 'u')
        return parse_unicode_escape(in, 4, out);
    if (c == 'U')
        return parse_unicode_escape(in, 8, out);
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (found == NULL) {
        toml_advance(in, 1);
        return toml_unexpected(in, "one of b t n f r \" \\ u U after the backslash");
    }
    toml_advance(in, 2);
    return buf_u8(out, (uint8_t)to[found - from], in->err);
}

/* A backslash that ends its line swallows white space and line ends up to the next text. */
static bool take_line_continuation(struct toml_parser *in)
{
    size_t blanks = 1;
    while (toml_peek_at(in, blanks) == ' ' || toml_peek_at(in, blanks) == '\t')
        blanks++;
    int c = toml_peek_at(in, blanks);
    if (c != '\n' && !(c == '\r' && toml_peek_at(in, blanks + 1) == '\n'))
        return false;
    toml_advance(in, blanks);
    while (toml_peek(in) == ' ' || toml_peek(in) == '\t' || toml_at_newline(in))
        toml_advance(in, toml_peek(in) == '\r' ? 2 : 1);
    return true;
}

static int copy_byte(struct toml_parser *in, bool multiline, struct buf *out)
{
    int c = toml_peek(in);
    if (toml_at_newline(in)) {
        if (!multiline)
            return PARSE_FAIL(in, "the string does not end in its line");
        if (c == '\r' && buf_u8(out, '\r', in->err) < 0)
            return -1;
        toml_advance(in, c == '\r' ? 2 : 1);
        return buf_u8(out, '\n', in->err);
    }
    if (c == TOML_END)
        return PARSE_FAIL(in, "the string does not end");
    if ((c < 0x20 && c != '\t') || c == 0x7f)
        return PARSE_FAIL(in, "the control character U+%04X must be written as an escape",
                          (unsigned)c);
    toml_advance(in, 1);
    return buf_u8(out, (uint8_t)c, in->err);
}

/* Up to two quotes may stand before the three that end a multi-line string. */
static int end_multiline(struct toml_parser *in, uint8_t quote, struct buf *out)
{
    for (int extra = 0; extra < 2 && toml_peek_at(in, 3) == quote; extra++) {
        if (buf_u8(out, quote, in->err) < 0)
            return -1;
        toml_advance(in, 1);
    }
    toml_advance(in, 3);
    return 0;
}

static int parse_string_body(struct toml_parser *in, uint8_t quote, bool multiline, struct buf *out)
{
    for (;;) {
        int c = toml_peek(in);
        if (c == quote && !multiline) {
            toml_advance(in, 1);
            return 0;
        }
        if (c == quote && toml_peek_at(in, 1) == quote && toml_peek_at(in, 2) == quote)
            return end_multiline(in, quote, out);
        if (c == '\\' && quote == '"') {
            if (multiline && take_line_continuation(in))
                continue;
            if (parse_escape(in, out) < 0)
                return -1;
        } else if (copy_byte(in, multiline, out) < 0) {
            return -1;
        }
    }
}

int toml_parse_string(struct toml_parser *in, bool multiline, struct slice *ret)
{
    uint8_t quote = (uint8_t)toml_peek(in);
    bool triple = toml_peek_at(in, 1) == quote && toml_peek_at(in, 2) == quote;
    if (triple && !multiline)
        return PARSE_FAIL(in, "a key cannot be a multi-line string");
    toml_advance(in, triple ? 3 : 1);
    if (triple && toml_at_newline(in)) /* the first line end does not belong to the text */
        toml_advance(in, toml_peek(in) == '\r' ? 2 : 1);
    AUTO_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
    if (parse_string_body(in, quote, triple, &text) < 0)
        return -1;
    char *copy = toml_alloc(in->toml, text.len + 1, in->err);
    if (copy == NULL)
        return -1;
    memcpy(copy, buf_text(&text), text.len + 1);
    *ret = slice_of(copy, text.len);
    return 0;
}

/* The run of bytes that a number, a boolean or a mistyped word is made of. */
static size_t word_length(const struct toml_parser *in)
{
    size_t len = 0;
    for (;; len++) {
        int c = toml_peek_at(in, len);
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !is_digit(c) && (c <= 0 || strchr("_+-.", c) == NULL))
            return len;
    }
}

/* Copies digits of `base`, dropping underscores, which must have a digit on both sides. Moves
 * *text behind them; false where there is no digit or an underscore stands wrong. */
static bool copy_digits(const char **text, unsigned base, char **out)
{
    const char *c = *text;
    bool digit_before = false;
    for (;; c++) {
        int value = hex_value(*c);
        if (value >= 0 && (unsigned)value < base) {
            *(*out)++ = *c;
            digit_before = true;
        } else if (*c == '_' && digit_before) {
            digit_before = false;
        } else {
            break;
        }
    }
    *text = c;
    return digit_before;
}

static bool read_integer(const char *digits, int base, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(digits, &end, base);
    *ret = value;
    return errno == 0 && *end == '\0';
}

static unsigned prefix_base(const char *word)
{
    if (word[0] != '0')
        return 10;
    return word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : word[1] == 'b' ? 2 : 10;
}

enum number { NUMBER_NONE, NUMBER_INTEGER, NUMBER_RANGE, NUMBER_FLOAT };

/* Checks the grammar of integer and float; `plain` gets the number without underscores. */
static enum number scan_decimal(const char *word, char *plain)
{
    char *out = plain;
    if (*word == '+' || *word == '-')
        *out++ = *word++;
    const char *integer = word;
    if (!copy_digits(&word, 10, &out) || (*integer == '0' && word != integer + 1))
        return NUMBER_NONE;
    enum number kind = NUMBER_INTEGER;
    if (*word == '.') {
        kind = NUMBER_FLOAT;
        *out++ = *word++;
        if (!copy_digits(&word, 10, &out))
            return NUMBER_NONE;
    }
    if (*word == 'e' || *word == 'E') {
        kind = NUMBER_FLOAT;
        *out++ = *word++;
        if (*word == '+' || *word == '-')
            *out++ = *word++;
        if (!copy_digits(&word, 10, &out))
            return NUMBER_NONE;
    }
    *out = '\0';
    return *word == '\0' ? kind : NUMBER_NONE;
}

/* strtod whatever the locale of the process says about decimal points. */
static double read_float(const char *text)
{
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        return strtod(text, NULL);
    double value = strtod_l(text, NULL, c_locale);
    freelocale(c_locale);
    return value;
}

static enum number scan_number(const char *word, char *plain, struct toml_value *value)
{
    unsigned base = prefix_base(word);
    if (base != 10) {
        const char *digits = word + 2;
        char *out = plain;
        if (!copy_digits(&digits, base, &out) || *digits != '\0')
            return NUMBER_NONE;
        *out = '\0';
        return read_integer(plain, (int)base, &value->integer) ? NUMBER_INTEGER : NUMBER_RANGE;
    }
    enum number kind = scan_decimal(word, plain);
    if (kind == NUMBER_FLOAT)
        value->real = read_float(plain);
    else if (kind == NUMBER_INTEGER && !read_integer(plain, 10, &value->integer))
        return NUMBER_RANGE;
    return kind;
}

static bool take_special(const char *word, struct toml_value *value)
{
    static const struct {
        const char *word;
        enum toml_type type;
        bool boolean;
    } specials[] = {
        {"true", TOML_BOOLEAN, true}, {"false", TOML_BOOLEAN, false}, {"inf", TOML_FLOAT, false},
        {"+inf", TOML_FLOAT, false},  {"-inf", TOML_FLOAT, false},    {"nan", TOML_FLOAT, false},
        {"+nan", TOML_FLOAT, false},  {"-nan", TOML_FLOAT, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        if (strcmp(word, specials[i].word) != 0)
            continue;
        value->type = specials[i].type;
        if (specials[i].type == TOML_BOOLEAN)
            value->boolean = specials[i].boolean;
        else
            value->real = strtod(word, NULL);
        return true;
    }
    return false;
}

static int parse_word(struct toml_parser *in, const char *word, struct toml_value *value)
{
    if (take_special(word, value))
        return 0;
    AUTO_FREE char *plain = mem_alloc(strlen(word) + 1, in->err);
    if (plain == NULL)
        return -1;
    switch (scan_number(word, plain, value)) {
    case NUMBER_INTEGER:
        value->type = TOML_INTEGER;
        return 0;
    case NUMBER_FLOAT:
        value->type = TOML_FLOAT;
        return 0;
    case NUMBER_RANGE:
        return PARSE_FAIL(in, "the integer does not fit 64 bits");
    default:
        break;
    }
    bool number = is_digit(word[0]) || word[0] == '+' || word[0] == '-';
    if (number)
        return PARSE_FAIL(in, "'%.40s' is not a number", word);
    return PARSE_FAIL(in, "'%.40s' is not a value: a text needs quotes", word);
}

int toml_parse_scalar(struct toml_parser *in, struct toml_value *value)
{
    if (toml_at_time(in))
        return toml_parse_time(in, value);
    size_t len = word_length(in);
    if (len == 0)
        return toml_unexpected(in, "a value");
    AUTO_FREE char *word = mem_copy(in->text.data + in->pos, len, in->err);
    if (word == NULL || parse_word(in, word, value) < 0)
        return -1;
    toml_advance(in, len);
    return 0;
}

static size_t count_digits(const struct toml_parser *in, size_t ahead)
{
    size_t count = 0;
    while (is_digit(toml_peek_at(in, ahead + count)))
        count++;
    return count;
}

bool toml_at_time(const struct toml_parser *in)
{
    size_t digits = count_digits(in, 0);
    int next = toml_peek_at(in, digits);
    return (digits == 4 && next == '-') || (digits == 2 && next == ':');
}

/* Exactly `digits` digits between min and max. */
static int parse_field(struct toml_parser *in, const char *what, size_t digits, const int range[2],
                       int *ret)
{
    if (count_digits(in, 0) != digits)
        return PARSE_FAIL(in, "expected %zu digits for the %s", digits, what);
    int value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (toml_peek_at(in, i) - '0');
    if (value < range[0] || value > range[1])
        return PARSE_FAIL(in, "the %s %d is not between %d and %d", what, value, range[0],
                          range[1]);
    toml_advance(in, digits);
    *ret = value;
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static int parse_separator(struct toml_parser *in, const char *text, const char *what)
{
    return toml_take(in, text) ? 0 : toml_unexpected(in, what);
}

static int parse_date(struct toml_parser *in, struct toml_time *time)
{
    if (parse_field(in, "year", 4, (const int[2]){0, 9999}, &time->year) < 0 ||
        parse_separator(in, "-", "'-' after the year") < 0 ||
        parse_field(in, "month", 2, (const int[2]){1, 12}, &time->month) < 0 ||
        parse_separator(in, "-", "'-' after the month") < 0)
        return -1;
    const int days[2] = {1, days_in_month(time->year, time->month)};
    return parse_field(in, "day", 2, days, &time->day);
}

static int parse_fraction(struct toml_parser *in, struct toml_time *time)
{
    if (!toml_take(in, "."))
        return 0;
    size_t digits = count_digits(in, 0);
    if (digits == 0)
        return toml_unexpected(in, "digits after the point");
    int nanosecond = 0;
    for (size_t i = 0; i < 9; i++)
        nanosecond = nanosecond * 10 + (i < digits ? toml_peek_at(in, i) - '0' : 0);
    time->nanosecond = nanosecond;
    toml_advance(in, digits);
    return 0;
}

/* RFC 3339 section 5.6; a leap second is let through */
static int parse_clock(struct toml_parser *in, struct toml_time *time)
{
    if (parse_field(in, "hour", 2, (const int[2]){0, 23}, &time->hour) < 0 ||
        parse_separator(in, ":", "':' after the hour") < 0 ||
        parse_field(in, "minute", 2, (const int[2]){0, 59}, &time->minute) < 0 ||
        parse_separator(in, ":", "':' after the minute") < 0 ||
        parse_field(in, "second", 2, (const int[2]){0, 60}, &time->second) < 0)
        return -1;
    return parse_fraction(in, time);
}

static int parse_offset(struct toml_parser *in, struct toml_value *value)
{
    value->type = TOML_DATETIME;
    if (toml_take(in, "Z") || toml_take(in, "z"))
        return 0;
    int sign = toml_peek(in) == '-' ? -1 : 1;
    if (!toml_take(in, "+") && !toml_take(in, "-")) {
        value->type = TOML_LOCAL_DATETIME;
        return 0;
    }
    int hours, minutes;
    if (parse_field(in, "hour of the offset", 2, (const int[2]){0, 23}, &hours) < 0 ||
        parse_separator(in, ":", "':' in the offset") < 0 ||
        parse_field(in, "minute of the offset", 2, (const int[2]){0, 59}, &minutes) < 0)
        return -1;
    value->time.offset_minutes = sign * (hours * 60 + minutes);
    return 0;
}

int toml_parse_time(struct toml_parser *in, struct toml_value *value)
{
    value->time = (struct toml_time){0};
    if (toml_peek_at(in, 2) == ':') {
        value->type = TOML_LOCAL_TIME;
        return parse_clock(in, &value->time);
    }
    value->type = TOML_LOCAL_DATE;
    if (parse_date(in, &value->time) < 0)
        return -1;
    bool spaced = toml_peek(in) == ' ' && is_digit(toml_peek_at(in, 1));
    if (!spaced && toml_peek(in) != 'T' && toml_peek(in) != 't')
        return 0;
    toml_advance(in, 1);
    return parse_clock(in, &value->time) < 0 ? -1 : parse_offset(in, value);
}
