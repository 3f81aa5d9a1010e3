// SPDX-License-Identifier: Apache-2.0
/*
 * The plain archive: names and targets, padding, and a reader that accepts one spelling only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "package/archive.h"

static bool name_ok(const char *name)
{
    return archive_name_valid(slice_str(name));
}

static void test_names(void **state)
{
    (void)state;
    assert_true(name_ok("a"));
    assert_true(name_ok("..."));
    assert_true(name_ok("\xc3\xa9 b"));
    assert_false(name_ok(""));
    assert_false(name_ok("."));
    assert_false(name_ok(".."));
    assert_false(name_ok("a/b"));
    assert_false(name_ok("a\nb"));
    assert_false(name_ok("a\x7f"));
    assert_false(name_ok("\xff"));
    assert_false(archive_name_valid(slice_of("a\0b", 3)));
    char longest[ARCHIVE_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    assert_true(archive_name_valid(slice_of(longest, ARCHIVE_NAME_MAX)));
    assert_false(archive_name_valid(slice_of(longest, ARCHIVE_NAME_MAX + 1)));
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        size_t depth;
        bool valid;
    } cases[] = {
        {"a", 0, true},         {"a/b/c", 0, true},   {"", 0, false},    {"/a", 3, false},
        {"..", 0, false},       {"../a", 0, false},   {"../a", 1, true}, {"../../a", 1, false},
        {"../../a", 2, true},   {"a/../b", 2, false}, {"./a", 0, true},  {"./../a", 0, false},
        {"..//../a", 1, false}, {"a\nb", 0, false},   {"..a", 0, true},  {"a/..", 1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (archive_target_valid(slice_str(cases[i].target), cases[i].depth) != cases[i].valid)
            fail_msg("target '%s' at depth %zu", cases[i].target, cases[i].depth);
    }
}

static void test_padding(void **state)
{
    (void)state;
    assert_int_equal(archive_padded_size(0), ARCHIVE_SIZE_MIN);
    assert_int_equal(archive_padded_size(4096), 4096);
    assert_int_equal(archive_padded_size(4097), 4352);
    assert_int_equal(archive_padded_size(1000000), 1015808);
    for (uint64_t size = 1; size < UINT64_C(1) << 41; size = size * 3 / 2 + 1) {
        uint64_t padded = archive_padded_size(size);
        assert_true(padded >= size);
        assert_int_equal(archive_padded_size(padded), padded);
        if (size > ARCHIVE_SIZE_MIN)
            assert_true(padded - size <= size / 8);
    }
}

/* --- reader ---------------------------------------------------------------------------------- */

static int note_folder(void *context, const char *name, struct err *err)
{
    return buf_printf(context, err, "%s{", name);
}

static int note_folder_end(void *context, struct err *err)
{
    return buf_str(context, "}", err);
}

static int note_file(void *context, const char *name, bool program, uint64_t size, struct err *err)
{
    return buf_printf(context, err, "%s%s(%llu:", name, program ? "*" : "",
                      (unsigned long long)size);
}

static int note_data(void *context, struct slice bytes, struct err *err)
{
    return buf_bytes(context, bytes, err);
}

static int note_file_end(void *context, struct err *err)
{
    return buf_str(context, ")", err);
}

static int note_link(void *context, const char *name, const char *target, struct err *err)
{
    return buf_printf(context, err, "%s->%s;", name, target);
}

static const struct archive_handler notes = {note_folder, note_folder_end, note_file,
                                             note_data,   note_file_end,   note_link};

static int run(const struct buf *archive, size_t piece, struct buf *said, struct err *err)
{
    AUTO_ARCHIVE_READER struct archive_reader *reader = NULL;
    struct archive_limits limits = {100000, 20};
    assert_int_equal(archive_reader_new(&notes, said, &limits, &reader, err), 0);
    for (size_t at = 0; at < archive->len; at += piece) {
        size_t len = archive->len - at < piece ? archive->len - at : piece;
        if (archive_reader_feed(reader, slice_of(archive->data + at, len), err) < 0)
            return -1;
    }
    return archive_reader_end(reader, err);
}

static void ok(int result)
{
    assert_int_equal(result, 0);
}

static void add_file(struct buf *out, const char *name, bool program, const char *text)
{
    ok(archive_file_append(out, name, program, strlen(text), NULL));
    ok(buf_str(out, text, NULL));
}

static void finish(struct buf *out)
{
    ok(archive_mark_append(out, ARCHIVE_END, NULL));
    while (out->len < archive_padded_size(out->len))
        ok(buf_u8(out, 0, NULL));
}

static void sample(struct buf *out)
{
    ok(archive_header_append(out, NULL));
    add_file(out, "a.py", false, "print");
    ok(archive_folder_append(out, "b", NULL));
    add_file(out, "a.py", true, "");
    ok(archive_folder_append(out, "empty", NULL));
    ok(archive_mark_append(out, ARCHIVE_FOLDER_END, NULL));
    ok(archive_link_append(out, "up", "../a.py", NULL));
    ok(archive_mark_append(out, ARCHIVE_FOLDER_END, NULL));
    add_file(out, "c", false, "x");
    finish(out);
}

static void test_read(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 7, 64, 8192};
    AUTO_BUF struct buf archive = BUF_INIT(8192);
    sample(&archive);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        AUTO_BUF struct buf said = BUF_INIT(8192);
        struct err err = ERR_INIT;
        if (run(&archive, pieces[i], &said, &err) < 0)
            fail_msg("%s", err.message);
        assert_string_equal(buf_text(&said), "a.py(5:print)b{a.py*(0:)empty{}up->../a.py;}c(1:x)");
    }
}

static void expect_error(struct buf *archive, const char *part)
{
    AUTO_BUF struct buf said = BUF_INIT(8192);
    struct err err = ERR_INIT;
    assert_int_equal(run(archive, 8192, &said, &err), -1);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", err.message, part);
}

/* An archive whose records are given as raw bytes. */
static void expect_records(struct slice records, const char *part)
{
    AUTO_BUF struct buf archive = BUF_INIT(8192);
    ok(archive_header_append(&archive, NULL));
    ok(buf_bytes(&archive, records, NULL));
    finish(&archive);
    expect_error(&archive, part);
}

#define RAW(text) slice_of(text, sizeof(text) - 1)

static void test_refused(void **state)
{
    (void)state;
    expect_records(RAW("\x01\x01"
                       "a"),
                   "ends inside a folder");
    expect_records(RAW("\x05"), "never began");
    expect_records(RAW("\x06"), "unknown type of record 6");
    expect_records(RAW("\x01\x00\x05"), "not allowed");
    expect_records(RAW("\x01\x02..\x05"), "not allowed");
    expect_records(RAW("\x01\x03"
                       "a/b\x05"),
                   "not allowed");
    expect_records(RAW("\x01\x01"
                       "a\x05\x01\x01"
                       "a\x05"),
                   "'a' appears twice");
    expect_records(RAW("\x01\x01"
                       "b\x05\x04\x01"
                       "a\x00\x01"
                       "b"),
                   "'a' stands behind 'b'");
    expect_records(RAW("\x04\x01"
                       "a\x00\x05/etc/"),
                   "leaves the folder");
    expect_records(RAW("\x04\x01"
                       "a\x00\x02.."),
                   "leaves the folder");
    expect_records(RAW("\x04\x01"
                       "a\x00\x00"),
                   "leaves the folder");
    expect_records(RAW("\x04\x01"
                       "a\xff\xff"),
                   "link target");
    expect_records(RAW("\x02\x01"
                       "a\xff\xff\xff\xff\xff\xff\xff\xff"),
                   "more than 1099511627776 bytes");
    expect_records(RAW("\x02\x01"
                       "a\x00\x00\x00\x00\x00\x10\x00\x00"),
                   "need more than 100000 bytes");
    expect_records(RAW("\x02\x01"
                       "a\x00\x00\x00\x00\x00\x00\xff\xff"),
                   "truncated");
}

static void test_bombs(void **state)
{
    (void)state;
    AUTO_BUF struct buf deep = BUF_INIT(8192);
    ok(archive_header_append(&deep, NULL));
    for (size_t i = 0; i < 20; i++)
        ok(archive_folder_append(&deep, "a", NULL));
    expect_error(&deep, "truncated");
    ok(archive_folder_append(&deep, "a", NULL));
    expect_error(&deep, "more than 20 files and folders");
}

static void test_ends(void **state)
{
    (void)state;
    AUTO_BUF struct buf archive = BUF_INIT(8192);
    sample(&archive);
    size_t full = archive.len;
    for (archive.len = 0; archive.len < full; archive.len += archive.len < 100 ? 1 : 97) {
        AUTO_BUF struct buf said = BUF_INIT(8192);
        struct err err = ERR_INIT;
        assert_int_equal(run(&archive, 8192, &said, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
    archive.len = full;
    ok(buf_u8(&archive, 0, NULL));
    expect_error(&archive, "expected 4096 with its padding");
    archive.len = full;
    archive.data[full - 1] = 1;
    expect_error(&archive, "not zero");
}

static void test_header(void **state)
{
    (void)state;
    AUTO_BUF struct buf archive = BUF_INIT(8192);
    sample(&archive);
    archive.data[9] = 2;
    expect_error(&archive, "version 2, this program knows version 1");
    archive.data[0] = 'x';
    expect_error(&archive, "begins with other bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_targets),
        cmocka_unit_test(test_padding), cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_ends),    cmocka_unit_test(test_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
