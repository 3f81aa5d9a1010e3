// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as text and back: hexadecimal, base64, numbers, sizes, UTF-8, and the edit distance behind
 * "did you mean". The decoders are strict: no white space, no second spelling of base64. None of
 * them is constant-time; secrets travel as bytes. Owns nothing; runs in every process.
 */
#include "base/text.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

int hex_digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

void hex_encode(struct slice bytes, char *text)
{
    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = hex_digits[bytes.data[i] >> 4];
        text[2 * i + 1] = hex_digits[bytes.data[i] & 15];
    }
    text[2 * bytes.len] = '\0';
}

char *hex_encode_new(struct slice bytes, struct err *err)
{
    if (bytes.len > (SIZE_MAX - 1) / 2) {
        (void)FAIL(err, ERR_MEMORY, "%zu bytes are too many for a text", bytes.len);
        return NULL;
    }
    char *text = mem_alloc(2 * bytes.len + 1, err);
    if (text != NULL)
        hex_encode(bytes, text);
    return text;
}

int hex_append(struct buf *out, struct slice bytes, struct err *err)
{
    if (bytes.len > SIZE_MAX / 2)
        return FAIL(err, ERR_TOO_LARGE, "larger than the limit of %zu bytes", out->max);
    uint8_t *place = buf_reserve(out, 2 * bytes.len, err);
    if (place == NULL)
        return -1;
    hex_encode(bytes, (char *)place);
    out->len += 2 * bytes.len;
    return 0;
}

/* Offset of the first character that is no digit; digits.len where all are. */
static size_t first_non_digit(struct slice digits)
{
    size_t i = 0;
    while (i < digits.len && hex_digit_value((char)digits.data[i]) >= 0)
        i++;
    return i;
}

static int check_hex(struct slice digits, const char *what, struct err *err)
{
    size_t bad = first_non_digit(digits);
    if (bad < digits.len)
        return FAIL(err, ERR_INVALID, "%s: character %zu is no hexadecimal digit", what, bad + 1);
    if (digits.len % 2 != 0)
        return FAIL(err, ERR_INVALID, "%s: an odd number of hexadecimal digits (%zu)", what,
                    digits.len);
    return 0;
}

static void hex_to_bytes(struct slice digits, uint8_t *ret)
{
    for (size_t i = 0; i < digits.len / 2; i++) {
        int high = hex_digit_value((char)digits.data[2 * i]);
        int low = hex_digit_value((char)digits.data[2 * i + 1]);
        ret[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
}

int hex_decode(const char *text, const char *what, uint8_t *ret, size_t size, struct err *err)
{
    struct slice digits = slice_str(text);
    if (digits.len / 2 != size || digits.len % 2 != 0)
        return FAIL(err, ERR_INVALID, "%s: %zu characters, expected %zu hexadecimal digits", what,
                    digits.len, 2 * size);
    if (check_hex(digits, what, err) < 0)
        return -1;
    hex_to_bytes(digits, ret);
    return 0;
}

int hex_decode_append(struct buf *out, struct slice digits, const char *what, struct err *err)
{
    if (check_hex(digits, what, err) < 0)
        return -1;
    uint8_t *place = buf_reserve(out, digits.len / 2, err);
    if (place == NULL)
        return FAIL_CONTEXT(err, "%s", what);
    hex_to_bytes(digits, place);
    place[digits.len / 2] = '\0';
    out->len += digits.len / 2;
    return 0;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(uint8_t digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    return digit == '/' ? 63 : -1;
}

int base64_append(struct buf *out, struct slice bytes, struct err *err)
{
    if (bytes.len > SIZE_MAX / 4 * 3 - 3)
        return FAIL(err, ERR_TOO_LARGE, "larger than the limit of %zu bytes", out->max);
    size_t len = (bytes.len + 2) / 3 * 4;
    uint8_t *place = buf_reserve(out, len, err);
    if (place == NULL)
        return -1;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[i + 2] : 0;
        *place++ = (uint8_t)base64_digits[group >> 18];
        *place++ = (uint8_t)base64_digits[group >> 12 & 63];
        *place++ = left > 1 ? (uint8_t)base64_digits[group >> 6 & 63] : '=';
        *place++ = left > 2 ? (uint8_t)base64_digits[group & 63] : '=';
    }
    *place = '\0';
    out->len += len;
    return 0;
}

static size_t base64_padding(struct slice text)
{
    if (text.len < 4 || text.data[text.len - 1] != '=')
        return 0;
    return text.data[text.len - 2] == '=' ? 2 : 1;
}

/* One group of four digits, of which the last `padding` are "=". False where it is not canonical:
 * a character outside the alphabet, or bits set that no byte carries. */
static bool decode_group(const uint8_t *digits, size_t padding, uint8_t *ret)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? base64_value(digits[i]) : 0;
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
    }
    uint8_t bytes[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
    for (size_t i = 0; i < 3; i++) {
        if (i < 3 - padding)
            ret[i] = bytes[i];
        else if (bytes[i] != 0)
            return false;
    }
    return true;
}

int base64_decode_append(struct buf *out, struct slice text, const char *what, struct err *err)
{
    if (text.len % 4 != 0)
        return FAIL(err, ERR_INVALID, "%s: base64 of %zu characters is not a multiple of four",
                    what, text.len);
    size_t padding = base64_padding(text);
    size_t len = text.len / 4 * 3 - padding;
    uint8_t *place = buf_reserve(out, len, err);
    if (place == NULL)
        return FAIL_CONTEXT(err, "%s", what);
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        if (!decode_group(text.data + i, last ? padding : 0, place + i / 4 * 3)) {
            place[0] = '\0';
            return FAIL(err, ERR_INVALID, "%s: no canonical base64 at character %zu", what, i + 1);
        }
    }
    place[len] = '\0';
    out->len += len;
    return 0;
}

/* Digits up to the first other character; false where there is none or it does not fit. */
static bool take_number(const char **at, uint64_t *ret)
{
    const char *digit = *at;
    uint64_t value = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        unsigned next = (unsigned)(*digit - '0');
        if (value > (UINT64_MAX - next) / 10)
            return false;
        value = value * 10 + next;
    }
    bool any = digit > *at;
    *at = digit;
    *ret = value;
    return any;
}

int parse_u64(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
              struct err *err)
{
    const char *at = text;
    uint64_t value = 0;
    if (!take_number(&at, &value) || *at != '\0' || value < min || value > max)
        return FAIL(err, ERR_INVALID, "%s: '%.64s' is no whole number between %llu and %llu", what,
                    text, (unsigned long long)min, (unsigned long long)max);
    *ret = value;
    return 0;
}

static bool size_unit_shift(const char *unit, unsigned *ret)
{
    static const struct {
        const char *names[4];
        unsigned shift;
    } units[] = {
        {{"", "B", "", ""}, 0},        {{"K", "k", "KB", "KiB"}, 10}, {{"M", "m", "MB", "MiB"}, 20},
        {{"G", "g", "GB", "GiB"}, 30}, {{"T", "t", "TB", "TiB"}, 40},
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        for (size_t j = 0; j < ARRAY_LEN(units[i].names); j++) {
            if (strcmp(unit, units[i].names[j]) == 0) {
                *ret = units[i].shift;
                return true;
            }
        }
    }
    return false;
}

int parse_size(const char *text, const char *what, uint64_t *ret_bytes, struct err *err)
{
    const char *at = text;
    uint64_t value = 0;
    unsigned shift = 0;
    bool ok = take_number(&at, &value);
    if (ok && *at == ' ' && at[1] != '\0')
        at++;
    if (!ok || !size_unit_shift(at, &shift))
        return FAIL(err, ERR_INVALID, "%s: '%.64s' is no size like 512M, 10G or 4096", what, text);
    if (value > UINT64_MAX >> shift)
        return FAIL(err, ERR_INVALID, "%s: '%.64s' is larger than 2^64 bytes", what, text);
    *ret_bytes = value << shift;
    return 0;
}

/* Unicode 15, table 3-7: the range of a sequence's second byte depends on its first. */
struct utf8_form {
    uint8_t first_low, first_high, second_low, second_high;
    size_t len;
};

static const struct utf8_form *utf8_form_of(uint8_t first)
{
    static const struct utf8_form forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (first >= forms[i].first_low && first <= forms[i].first_high)
            return &forms[i];
    }
    return NULL;
}

/* The sequence at the start of text, which is not empty: its length, 0 where text ends within it;
 * false where it is ill-formed. */
static bool utf8_sequence(struct slice text, size_t *ret_len)
{
    const struct utf8_form *form = utf8_form_of(text.data[0]);
    if (form == NULL)
        return false;
    size_t there = text.len < form->len ? text.len : form->len;
    if (there > 1 && (text.data[1] < form->second_low || text.data[1] > form->second_high))
        return false;
    for (size_t i = 2; i < there; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return false;
    }
    *ret_len = there == form->len ? there : 0;
    return true;
}

/* How many bytes at the start of text are ASCII, in steps of eight. */
static size_t ascii_run(struct slice text)
{
    size_t run = 0;
    for (; text.len - run >= sizeof(uint64_t); run += sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, text.data + run, sizeof(eight));
        if ((eight & 0x8080808080808080) != 0)
            break;
    }
    return run;
}

bool utf8_valid_so_far(struct slice text, size_t *ret_whole)
{
    size_t at = 0;
    size_t len = 1;
    while (at < text.len && len > 0) {
        at += ascii_run(slice_of(text.data + at, text.len - at));
        if (at == text.len)
            break;
        if (!utf8_sequence(slice_of(text.data + at, text.len - at), &len))
            return false;
        at += len;
    }
    *ret_whole = at;
    return true;
}

bool utf8_valid(struct slice text)
{
    size_t whole = 0;
    return utf8_valid_so_far(text, &whole) && whole == text.len;
}

size_t utf8_cut_tail(struct slice text)
{
    size_t longest = text.len < 3 ? text.len : 3;
    for (size_t tail = 1; tail <= longest; tail++) {
        uint8_t first = text.data[text.len - tail];
        size_t len = 1;
        if ((first & 0xc0) == 0x80)
            continue;
        bool begins = utf8_sequence(slice_of(text.data + text.len - tail, tail), &len);
        return begins && len == 0 ? tail : 0;
    }
    return 0;
}

/* Unicode 15: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 (UAX 9, section 2), and
 * U+2028, U+2029 (the line and paragraph separators). */
static bool is_invisible_turn(const uint8_t *at, size_t len)
{
    if (len == 2)
        return at[0] == 0xd8 && at[1] == 0x9c;
    if (len != 3 || at[0] != 0xe2)
        return false;
    if (at[1] == 0x80)
        return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae);
    return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
}

static bool is_harmless(const uint8_t *at, size_t len, const char *kept)
{
    if (len == 1 && (at[0] < 0x20 || at[0] == 0x7f))
        return at[0] != '\0' && strchr(kept, at[0]) != NULL;
    if (len == 2 && at[0] == 0xc2 && at[1] < 0xa0) /* C1: U+0080 to U+009F */
        return false;
    return !is_invisible_turn(at, len);
}

size_t bytes_make_printable(char *text, size_t len, const char *kept)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t used = 0;
    for (size_t at = 0; at < len;) {
        size_t count = 0;
        bool whole = utf8_sequence(slice_of(bytes + at, len - at), &count) && count > 0;
        if (!whole)
            count = 1;
        if (whole && is_harmless(bytes + at, count, kept)) {
            memmove(text + used, text + at, count);
            used += count;
        } else {
            text[used++] = '?';
        }
        at += count;
    }
    return used;
}

void text_make_printable(char *text, const char *kept)
{
    text[bytes_make_printable(text, strlen(text), kept)] = '\0';
}

void text_copy_printable(char *to, size_t size, struct slice text, const char *kept)
{
    size_t len = text.len < size ? text.len : size - 1;
    if (len > 0)
        memcpy(to, text.data, len);
    if (len < text.len)
        len -= utf8_cut_tail(slice_of(to, len));
    to[bytes_make_printable(to, len, kept)] = '\0';
}

int shell_quote_append(struct buf *out, const char *text, struct err *err)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@%+=,-";
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0')
        return buf_str(out, text, err);
    if (buf_str(out, "'", err) < 0)
        return -1;
    for (const char *at = text; *at != '\0';) {
        size_t len = strcspn(at, "'");
        if (buf_bytes(out, slice_of(at, len), err) < 0 ||
            (at[len] == '\'' && buf_str(out, "'\\''", err) < 0))
            return -1;
        at += len + (at[len] == '\'' ? 1 : 0);
    }
    return buf_str(out, "'", err);
}

enum { DISTANCE_MAX_LEN = 64 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, or swap two neighbours, each costs one. */
size_t text_distance(const char *a, const char *b)
{
    size_t len_a = strnlen(a, DISTANCE_MAX_LEN + 1);
    size_t len_b = strnlen(b, DISTANCE_MAX_LEN + 1);
    if (len_a > DISTANCE_MAX_LEN || len_b > DISTANCE_MAX_LEN)
        return SIZE_MAX;
    size_t rows[3][DISTANCE_MAX_LEN + 1]; /* row i of the table lies in rows[i % 3] */
    for (size_t i = 0; i <= len_a; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        for (size_t j = 0; j <= len_b; j++) {
            if (i == 0 || j == 0) {
                row[j] = i + j;
                continue;
            }
            size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = min_size(replaced, min_size(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_size(row[j], rows[(i + 1) % 3][j - 2] + 1);
        }
    }
    return rows[len_a % 3][len_b];
}

const char *text_nearest(const char *text, const char *const *candidates, size_t count)
{
    /* A third of the letters wrong, and at most three, still looks like a typing error. */
    size_t limit = min_size(strlen(text) / 3 + 1, 3);
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = text_distance(text, candidates[i]);
        if (distance <= limit && distance < strlen(candidates[i])) {
            nearest = candidates[i];
            if (distance == 0)
                break;
            limit = distance - 1;
        }
    }
    return nearest;
}

bool str_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}
