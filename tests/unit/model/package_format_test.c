// SPDX-License-Identifier: Apache-2.0
/*
 * The upload container, fed whole, byte by byte, truncated and tampered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/package_format.h"

enum { MAX_ARCHIVE = 1000 };

/* Writes down what the reader says: "<manifest:3>abc</manifest>". */
static int note_begin(void *context, enum package_section section, uint64_t length, struct err *err)
{
    return buf_printf(context, err, "<%s:%llu>", package_section_name(section),
                      (unsigned long long)length);
}

static int note_data(void *context, enum package_section section, struct slice bytes,
                     struct err *err)
{
    (void)section;
    return buf_bytes(context, bytes, err);
}

static int note_end(void *context, enum package_section section, struct err *err)
{
    return buf_printf(context, err, "</%s>", package_section_name(section));
}

static const struct package_handler notes = {note_begin, note_data, note_end};

static void add(struct buf *out, enum package_section section, const char *text)
{
    struct err err = ERR_INIT;
    assert_int_equal(package_section_append(out, section, strlen(text), &err), 0);
    assert_int_equal(buf_str(out, text, &err), 0);
}

static void header(struct buf *out)
{
    struct err err = ERR_INIT;
    assert_int_equal(package_header_append(out, &err), 0);
    assert_int_equal(out->len, PACKAGE_HEADER_SIZE);
}

static void full(struct buf *out)
{
    header(out);
    add(out, PACKAGE_MANIFEST, "{}");
    add(out, PACKAGE_REQUIREMENTS, "flask");
    add(out, PACKAGE_CERTIFICATE, "chain");
    add(out, PACKAGE_ARCHIVE, "secret");
}

static int run(struct slice bytes, size_t piece, struct buf *said, struct err *err)
{
    struct package_reader reader;
    package_reader_init(&reader, &notes, said, MAX_ARCHIVE);
    for (size_t at = 0; at < bytes.len; at += piece) {
        size_t len = bytes.len - at < piece ? bytes.len - at : piece;
        if (package_reader_feed(&reader, slice_of(bytes.data + at, len), err) < 0)
            return -1;
    }
    return package_reader_end(&reader, err);
}

static void test_any_pieces(void **state)
{
    (void)state;
    AUTO_BUF struct buf package = BUF_INIT(4096);
    full(&package);
    for (size_t piece = 1; piece <= package.len; piece++) {
        AUTO_BUF struct buf said = BUF_INIT(4096);
        struct err err = ERR_INIT;
        assert_int_equal(run(buf_slice(&package), piece, &said, &err), 0);
        /* Pieces do not show in what is said. */
        assert_string_equal(buf_text(&said),
                            "<manifest:2>{}</manifest><requirements:5>flask</requirements>"
                            "<certificate:5>chain</certificate><archive:6>secret</archive>");
    }
}

static void expect_error(const struct buf *package, const char *part)
{
    AUTO_BUF struct buf said = BUF_INIT(4096);
    struct err err = ERR_INIT;
    assert_int_equal(run(buf_slice(package), 7, &said, &err), -1);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", err.message, part);
}

static void test_order(void **state)
{
    (void)state;
    AUTO_BUF struct buf twice = BUF_INIT(4096);
    header(&twice);
    add(&twice, PACKAGE_MANIFEST, "{}");
    add(&twice, PACKAGE_MANIFEST, "{}");
    expect_error(&twice, "'manifest' appears twice");
    AUTO_BUF struct buf swapped = BUF_INIT(4096);
    header(&swapped);
    add(&swapped, PACKAGE_REQUIREMENTS, "x");
    add(&swapped, PACKAGE_MANIFEST, "{}");
    expect_error(&swapped, "'manifest' stands behind section 'requirements'");
    AUTO_BUF struct buf lacking = BUF_INIT(4096);
    header(&lacking);
    add(&lacking, PACKAGE_ARCHIVE, "x");
    expect_error(&lacking, "'manifest' is missing");
    AUTO_BUF struct buf half = BUF_INIT(4096);
    header(&half);
    add(&half, PACKAGE_MANIFEST, "{}");
    expect_error(&half, "'archive' is missing");
    AUTO_BUF struct buf more = BUF_INIT(4096);
    full(&more);
    add(&more, PACKAGE_ARCHIVE, "x");
    expect_error(&more, "behind the archive");
    AUTO_BUF struct buf unknown = BUF_INIT(4096);
    header(&unknown);
    add(&unknown, (enum package_section)5, "x");
    expect_error(&unknown, "unknown section type 5");
    AUTO_BUF struct buf empty = BUF_INIT(4096);
    header(&empty);
    add(&empty, PACKAGE_MANIFEST, "");
    expect_error(&empty, "'manifest' is empty");
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf large = BUF_INIT(4096);
    header(&large);
    add(&large, PACKAGE_MANIFEST, "{}");
    assert_int_equal(package_section_append(&large, PACKAGE_ARCHIVE, MAX_ARCHIVE + 1, &err), 0);
    expect_error(&large, "the limit is 1000");
    AUTO_BUF struct buf huge = BUF_INIT(4096);
    header(&huge);
    assert_int_equal(package_section_append(&huge, PACKAGE_MANIFEST, UINT64_MAX, &err), 0);
    expect_error(&huge, "'manifest' has 18446744073709551615 bytes");
}

static void test_truncated(void **state)
{
    (void)state;
    AUTO_BUF struct buf package = BUF_INIT(4096);
    full(&package);
    for (size_t len = 0; len < package.len; len++) {
        AUTO_BUF struct buf said = BUF_INIT(4096);
        struct err err = ERR_INIT;
        assert_int_equal(run(slice_of(package.data, len), 5, &said, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void test_header_bytes(void **state)
{
    (void)state;
    AUTO_BUF struct buf package = BUF_INIT(4096);
    full(&package);
    for (size_t i = 0; i < PACKAGE_HEADER_SIZE + PACKAGE_SECTION_HEADER_SIZE; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            AUTO_BUF struct buf said = BUF_INIT(4096);
            struct err err = ERR_INIT;
            package.data[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(run(buf_slice(&package), 4096, &said, &err), -1);
            assert_true(err.message[0] != '\0');
            package.data[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void test_stays_failed(void **state)
{
    (void)state;
    AUTO_BUF struct buf said = BUF_INIT(4096);
    struct err err = ERR_INIT;
    struct package_reader reader;
    package_reader_init(&reader, &notes, &said, MAX_ARCHIVE);
    assert_int_equal(package_reader_feed(&reader, slice_str("GET / HTTP/1.1\r\n"), &err), -1);
    assert_non_null(strstr(err.message, "not an mse package"));
    assert_int_equal(package_reader_feed(&reader, slice_str("x"), &err), -1);
    assert_int_equal(package_reader_end(&reader, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pieces),   cmocka_unit_test(test_order),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_header_bytes), cmocka_unit_test(test_stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
