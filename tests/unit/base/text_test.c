// SPDX-License-Identifier: Apache-2.0
/*
 * Text encodings against the vectors of RFC 4648 and the Unicode standard, and what is refused.
 */
#include "base/text.h"

#include "testing.h"

#include <stdio.h>

static const uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0xab, 0xcd, 0xef, 0xff};

static void test_hex_encode(void **state)
{
    char text[2 * sizeof(bytes) + 1];
    hex_encode(slice_of(bytes, sizeof(bytes)), text);
    assert_string_equal(text, "00017f80abcdefff");
    hex_encode(slice_of(NULL, 0), text);
    assert_string_equal(text, "");
    AUTO_FREE char *made = hex_encode_new(slice_of(bytes, 4), &err);
    assert_string_equal(made, "00017f80");
    AUTO_BUF struct buf out = BUF_INIT(11);
    OK(buf_str(&out, "0x", &err));
    OK(hex_append(&out, slice_of(bytes, 4), &err));
    FAILS(ERR_TOO_LARGE, "11 bytes", hex_append(&out, slice_of(bytes, 1), &err));
    FAILS(ERR_TOO_LARGE, "11 bytes", hex_append(&out, slice_of(bytes, SIZE_MAX), &err));
    assert_string_equal(buf_text(&out), "0x00017f80");
}

static void test_hex_decode(void **state)
{
    uint8_t decoded[sizeof(bytes)];
    OK(hex_decode("00017f80abcdefff", "key", decoded, sizeof(decoded), &err));
    assert_memory_equal(decoded, bytes, sizeof(bytes));
    OK(hex_decode("00017F80AbcDEFfF", "key", decoded, sizeof(decoded), &err));
    assert_memory_equal(decoded, bytes, sizeof(bytes));
    memset(decoded, 7, sizeof(decoded));
    FAILS(ERR_INVALID, "key: 14 characters, expected 16",
          hex_decode("00017f80abcdef", "key", decoded, 8, &err));
    FAILS(ERR_INVALID, "key: 17 characters",
          hex_decode("00017f80abcdefff0", "key", decoded, 8, &err));
    FAILS(ERR_INVALID, "key: character 3", hex_decode("00g17f80abcdefff", "key", decoded, 8, &err));
    FAILS(ERR_INVALID, "key: character 1", hex_decode(" 0017f80abcdefff", "key", decoded, 8, &err));
    assert_int_equal(decoded[0], 7);
    OK(hex_decode("", "nothing", decoded, 0, &err));
}

static void test_hex_decode_append(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(5);
    OK(hex_decode_append(&out, slice_str("0001"), "key", &err));
    OK(hex_decode_append(&out, slice_str(""), "key", &err));
    OK(hex_decode_append(&out, slice_str("7F80"), "key", &err));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, bytes, 4);
    FAILS(ERR_INVALID, "key: an odd number", hex_decode_append(&out, slice_str("0"), "key", &err));
    FAILS(ERR_INVALID, "character 2", hex_decode_append(&out, slice_str("0/"), "key", &err));
    FAILS(ERR_TOO_LARGE, "key: ", hex_decode_append(&out, slice_str("0000"), "key", &err));
    assert_int_equal(out.len, 4);
}

static void test_base64(void **state)
{
    static const struct {
        const char *plain;
        const char *encoded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        AUTO_BUF struct buf encoded = BUF_INIT(100);
        AUTO_BUF struct buf plain = BUF_INIT(100);
        OK(base64_append(&encoded, slice_str(vectors[i].plain), &err));
        assert_string_equal(buf_text(&encoded), vectors[i].encoded);
        OK(base64_decode_append(&plain, buf_slice(&encoded), "text", &err));
        assert_string_equal(buf_text(&plain), vectors[i].plain);
    }
}

/* Every byte value at every place of a group comes back. */
static void test_base64_round_trip(void **state)
{
    for (unsigned value = 0; value < 256; value++) {
        for (size_t len = 1; len <= 4; len++) {
            uint8_t plain[4] = {(uint8_t)value, (uint8_t)(value + 85), (uint8_t)(255 - value),
                                (uint8_t)value};
            AUTO_BUF struct buf encoded = BUF_INIT(100);
            AUTO_BUF struct buf back = BUF_INIT(100);
            OK(base64_append(&encoded, slice_of(plain, len), &err));
            OK(base64_decode_append(&back, buf_slice(&encoded), "text", &err));
            assert_true(slice_equal(buf_slice(&back), slice_of(plain, len)));
        }
    }
}

static void test_base64_refuses(void **state)
{
    static const char *const bad[] = {"Z",     "Zg",           "Zg=",  "Zg==Zg==", "Zh==",
                                      "Zm9=",  "====",         "Z===", "=AAA",     "Zg==\n",
                                      "Zm 9v", "Zm9v\n\n\n\n", "Zm9-", "Zm9_",     "AA=A"};
    AUTO_BUF struct buf out = BUF_INIT(100);
    OK(buf_str(&out, "ab", &err));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        FAILS(ERR_INVALID,
              "evidence: ", base64_decode_append(&out, slice_str(bad[i]), "evidence", &err));
        assert_string_equal(buf_text(&out), "ab");
    }
    AUTO_BUF struct buf small = BUF_INIT(2);
    FAILS(ERR_TOO_LARGE,
          "evidence: ", base64_decode_append(&small, slice_str("Zm9v"), "evidence", &err));
    FAILS(ERR_TOO_LARGE, "2 bytes", base64_append(&small, slice_str("x"), &err));
    OK(base64_decode_append(&small, slice_str("Zm8="), "evidence", &err));
}

static void test_u64(void **state)
{
    uint64_t value = 0;
    OK(parse_u64("18446744073709551615", "n", 0, UINT64_MAX, &value, &err));
    assert_true(value == UINT64_MAX);
    OK(parse_u64("0", "n", 0, 5, &value, &err));
    OK(parse_u64("5", "n", 0, 5, &value, &err));
    assert_int_equal(value, 5);
    static const char *const bad[] = {"",
                                      "6",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "1.0",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        FAILS(ERR_INVALID, "port: '", parse_u64(bad[i], "port", 0, 5, &value, &err));
    FAILS(ERR_INVALID, "between 1 and 5", parse_u64("0", "port", 1, 5, &value, &err));
    assert_int_equal(value, 5);
}

static void test_size(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"1B", 1},
        {"2K", 2048},
        {"2 KiB", 2048},
        {"512M", 512ull << 20},
        {"512MB", 512ull << 20},
        {"10G", 10ull << 30},
        {"1 GiB", 1ull << 30},
        {"3T", 3ull << 40},
        {"18446744073709551615", UINT64_MAX},
        {"16777215T", 16777215ull << 40},
    };
    uint64_t value = 0;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        OK(parse_size(good[i].text, "memory", &value, &err));
        assert_true(value == good[i].bytes);
    }
    static const char *const bad[] = {"",
                                      "M",
                                      "-1M",
                                      "1.5G",
                                      "1 ",
                                      "1  G",
                                      " 1",
                                      "1X",
                                      "1Gib",
                                      "1 G B",
                                      "16777216T",
                                      "1KM",
                                      "18446744073709551616"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        FAILS(ERR_INVALID, "memory: '", parse_size(bad[i], "memory", &value, &err));
    assert_true(value == 16777215ull << 40);
}

static bool utf8(const char *text)
{
    return utf8_valid(slice_str(text));
}

static void test_utf8(void **state)
{
    assert_true(utf8(""));
    assert_true(utf8("plain"));
    assert_true(utf8("\xc2\x80\xdf\xbf"));
    assert_true(utf8("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
    assert_true(utf8("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_true(utf8_valid(slice_of("a\0b", 3)));
    static const char *const bad[] = {
        "\x80",             /* a second byte alone */
        "\xc0\x80",         /* overlong */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xed\xbf\xbf",     /* surrogate */
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80", /* past U+10FFFF */
        "\xff",
        "\xc2",             /* cut off */
        "\xe2\x82",         /* cut off */
        "\xf0\x9f\x98",     /* cut off */
        "\xe2\x28\xa1",     /* second byte wrong */
        "\xe2\x82\x28",     /* third byte wrong */
        "\xf0\x9f\x98\x28", /* fourth byte wrong */
        "fine\xc3(",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8(bad[i]));
}

/* Whether and how far a text is well-formed must not depend on what stands before it in a step of
 * eight bytes, nor on where it is cut. */
/* Length that is cut off at the end, of every beginning of whole characters. */
static void test_utf8_cut_tail(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9";
    static const size_t cut[] = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0};
    for (size_t len = 0; len < ARRAY_LEN(cut); len++)
        assert_int_equal(utf8_cut_tail(slice_of(text, len)), cut[len]);
    assert_int_equal(utf8_cut_tail(slice_of("\x80\x80\x80\x80", 4)), 0); /* no beginning at all */
    assert_int_equal(utf8_cut_tail(slice_of("\xff", 1)), 0);
    assert_int_equal(utf8_cut_tail(slice_of("\xe0\x80", 2)), 0); /* can become nothing */
}

static void assert_printable(const char *text, const char *kept, const char *expected)
{
    char copy[64];
    (void)snprintf(copy, sizeof(copy), "%s", text);
    text_make_printable(copy, kept);
    assert_string_equal(copy, expected);
    assert_true(utf8_valid(slice_str(copy)));
}

static void test_make_printable(void **state)
{
    assert_printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xa9", "",
                     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xa9");
    assert_printable("\x1b]0;title\x07\x1b[2K", "", "?]0;title??[2K");
    assert_printable("a\nb\tc\rd\x7f", "\n\t", "a\nb\tc?d?");
    assert_printable("a\nb\tc", "", "a?b?c");
    assert_printable("\xc2\x80\xc2\x9b"
                     "31m\xc2\x9f\xc2\xa0",
                     "", "??31m?\xc2\xa0"); /* C1 */
    assert_printable("\x9b"
                     "31m",
                     "", "?31m"); /* C1 as one byte: no UTF-8 */
    assert_printable("a\xe2\x80\xae"
                     "b\xe2\x81\xa6"
                     "c\xd8\x9c"
                     "d\xe2\x80\x8f",
                     "", "a?b?c?d?");
    assert_printable("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7\xe2\x81\xa5\xe2\x81\xaa", "",
                     "??\xe2\x80\xa7\xe2\x81\xa5\xe2\x81\xaa"); /* the neighbours stay */
    assert_printable("\xc0\x9b\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82", "", "???????????");
    char with_zero[] = {'a', '\0', 'b'};
    assert_int_equal(bytes_make_printable(with_zero, 3, "\n"), 3);
    assert_memory_equal(with_zero, "a?b", 3);
}

static void test_copy_printable(void **state)
{
    char to[6];
    text_copy_printable(to, sizeof(to), slice_of(NULL, 0), "");
    assert_string_equal(to, "");
    text_copy_printable(to, sizeof(to), slice_str("abcd\xc3\xa9"), "");
    assert_string_equal(to, "abcd");
    text_copy_printable(to, sizeof(to), slice_str("abc\xc3\xa9"), "");
    assert_string_equal(to, "abc\xc3\xa9");
    text_copy_printable(to, sizeof(to), slice_str("ab\xc3"),
                        ""); /* all of it: what is broken shows */
    assert_string_equal(to, "ab?");
}

static void test_shell_quote(void **state)
{
    static const struct {
        const char *text;
        const char *quoted;
    } cases[] = {
        {"https://localhost:4711/whoami", "https://localhost:4711/whoami"},
        {"", "''"},
        {"a b", "'a b'"},
        {"/?a=1&b=2", "'/?a=1&b=2'"},
        {"$(id)`id`\"", "'$(id)`id`\"'"},
        {"it's", "'it'\\''s'"},
        {"~", "'~'"},
        {"\xc3\xa9", "'\xc3\xa9'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT(100);
        OK(shell_quote_append(&out, cases[i].text, &err));
        assert_string_equal(buf_text(&out), cases[i].quoted);
    }
}

static void test_utf8_goes_on(void **state)
{
    static const struct {
        const char *text;
        int ill_at; /* the first byte that cannot be mended by what follows; -1: none */
        size_t whole;
    } cases[] = {
        {"", -1, 0},
        {"a", -1, 1},
        {"\xc3", -1, 0},
        {"\xce\xba\xe1\xbd", -1, 2},
        {"\xf0\x9f\x98", -1, 0},
        {"\xf0\x9f\x98\x80", -1, 4},
        {"\xf4\x90", 1, 0}, /* past U+10FFFF */
        {"\xed\xa0", 1, 0}, /* surrogate */
        {"\xe0\x9f", 1, 0}, /* overlong */
        {"\xc0", 0, 0},
        {"\xe2\x82\x28", 2, 0},
        {"\xff", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t before = 0; before < 20; before++) {
            char text[32];
            memset(text, 'x', before);
            size_t len = strlen(cases[i].text);
            memcpy(text + before, cases[i].text, len);
            size_t whole = SIZE_MAX;
            size_t good = cases[i].ill_at < 0 ? len : (size_t)cases[i].ill_at;
            assert_true(utf8_valid_so_far(slice_of(text, before + good), &whole));
            assert_int_equal(utf8_valid_so_far(slice_of(text, before + len), &whole),
                             cases[i].ill_at < 0);
            if (cases[i].ill_at < 0)
                assert_int_equal(whole, before + cases[i].whole);
        }
    }
}

static void test_distance(void **state)
{
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("abc", "abc"), 0);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("path", "ptah"), 1);
    assert_int_equal(text_distance("ca", "ac"), 1);
    char longest[66] = "";
    memset(longest, 'x', 65);
    assert_true(text_distance(longest, "x") == SIZE_MAX);
    assert_true(text_distance("x", longest) == SIZE_MAX);
    assert_int_equal(text_distance(longest + 1, ""), 64);
    assert_int_equal(text_distance(longest + 1, longest + 1), 0);
}

static void test_nearest(void **state)
{
    static const char *const commands[] = {"deploy", "list", "logs", "stop", "verify"};
    assert_string_equal(text_nearest("delpoy", commands, 5), "deploy");
    assert_string_equal(text_nearest("verifi", commands, 5), "verify");
    assert_string_equal(text_nearest("list", commands, 5), "list");
    assert_string_equal(text_nearest("log", commands, 5), "logs");
    assert_null(text_nearest("xyzzyx", commands, 5));
    assert_null(text_nearest("", commands, 5));
    assert_null(text_nearest("deploy", commands, 0));
}

static void test_starts_and_ends(void **state)
{
    assert_true(str_starts_with("prefix", "pre"));
    assert_true(str_starts_with("pre", ""));
    assert_false(str_starts_with("pr", "pre"));
    assert_true(str_ends_with("file.py", ".py"));
    assert_true(str_ends_with("x", ""));
    assert_false(str_ends_with("y", ".py"));
    assert_false(str_ends_with("file.pyc", ".py"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex_encode),
        cmocka_unit_test(test_hex_decode),
        cmocka_unit_test(test_hex_decode_append),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base64_refuses),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_cut_tail),
        cmocka_unit_test(test_make_printable),
        cmocka_unit_test(test_copy_printable),
        cmocka_unit_test(test_shell_quote),
        cmocka_unit_test(test_utf8_goes_on),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_starts_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
