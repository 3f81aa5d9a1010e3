// SPDX-License-Identifier: Apache-2.0
/*
 * Wheels, made here, into a layer: the same bytes in any order; what a wheel must not have is
 * refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "package/layer.h"
#include "package/wheel.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum { ROWS_MAX = 16, IMAGE_MAX = 16 << 20 };

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/mse-layer-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    return folder_remove_tree(folder, &err);
}

struct entry {
    const char *name;
    const char *text; /* NULL: a folder */
    const char *row;  /* what RECORD says; NULL: the truth; "": nothing */
    unsigned mode;    /* of the entry; 0: a plain file's */
};

static void add(zip_t *zip, const char *name, const void *data, size_t len, unsigned mode)
{
    void *copy = len == 0 ? NULL : mem_copy(data, len, NULL); /* libzip frees none of no bytes */
    zip_source_t *source = zip_source_buffer(zip, copy, len, 1);
    assert_non_null(source);
    zip_int64_t place = zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8);
    assert_true(place >= 0);
    assert_int_equal(zip_file_set_external_attributes(zip, (zip_uint64_t)place, 0, ZIP_OPSYS_UNIX,
                                                      (mode ? mode : S_IFREG | 0644) << 16),
                     0);
}

static void add_truth(const struct entry *entry, struct buf *record)
{
    struct err err = ERR_INIT;
    uint8_t digest[SHA256_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(64);
    assert_int_equal(sha256(slice_str(entry->text), digest, &err), 0);
    assert_int_equal(base64_append(&text, slice_of(digest, sizeof(digest)), &err), 0);
    char *hash = (char *)text.data;
    for (size_t i = 0; i < text.len; i++)
        hash[i] = hash[i] == '+' ? '-' : hash[i] == '/' ? '_' : hash[i];
    assert_int_equal(
        buf_printf(record, &err, "%s,sha256=%.43s,%zu\n", entry->name, hash, strlen(entry->text)),
        0);
}

static char *path_of(const char *name)
{
    return str_printf(NULL, "%s/%s.whl", folder, name);
}

/* A wheel NAME.whl with this and what each wheel has. */
static void make_wheel(const char *name, const struct entry *entries, size_t count)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = path_of(name);
    AUTO_BUF struct buf record = BUF_INIT(1 << 16);
    char place[64];
    char about[64];
    (void)snprintf(about, sizeof(about), "%s-1.dist-info/WHEEL", name);
    (void)snprintf(place, sizeof(place), "%s-1.dist-info/RECORD", name);
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(zip);
    const struct entry version = {.name = about, .text = "Wheel-Version: 1.0\n"};
    add(zip, about, version.text, strlen(version.text), 0);
    add_truth(&version, &record);
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &entries[i];
        add(zip, entry->name, entry->text == NULL ? "" : entry->text,
            entry->text == NULL ? 0 : strlen(entry->text), entry->mode);
        if (entry->text == NULL)
            continue;
        if (entry->row == NULL)
            add_truth(entry, &record);
        else
            assert_int_equal(buf_printf(&record, &err, "%s", entry->row), 0);
    }
    assert_int_equal(buf_printf(&record, &err, "%s,,\n", place), 0);
    add(zip, place, record.data, record.len, 0);
    assert_int_equal(zip_close(zip), 0);
}

static int make_layer(const char *const *names, size_t count, struct buf *out,
                      struct layer_made *made, struct err *err)
{
    AUTO_CLOSE int fd = memfd_create("layer", MFD_CLOEXEC);
    char *paths[4] = {NULL};
    for (size_t i = 0; i < count; i++)
        paths[i] = path_of(names[i]);
    int result = layer_write((const char *const *)paths, count, fd, made, err);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    if (result < 0)
        return -1;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd_read_all(fd, out, err);
}

static bool holds(const struct buf *image, const char *text)
{
    return memmem(image->data, image->len, text, strlen(text)) != NULL;
}

static void two_wheels_make_one_layer(void **state)
{
    (void)state;
    static const struct entry one[] = {
        {.name = "shared/"},
        {.name = "shared/__init__.py", .text = "# both bring this\n"},
        {.name = "shared/one.py", .text = "import one # of one\n"},
        {.name = "shared/__pycache__/one.cpython-311.pyc", .text = "byte code of one"},
        {.name = "one-1.data/purelib/pure_of_one.py", .text = "pure = 1\n"},
        {.name = "one-1.data/data/share/doc_of_one.txt", .text = "a document\n"},
        {.name = "one-1.data/scripts/program_of_one", .text = "#!python\nprogram\n"},
    };
    static const struct entry two[] = {
        {.name = "shared/__init__.py", .text = "# both bring this\n"},
        {.name = "shared/two.py", .text = "import two # of two\n"},
    };
    static const char *const forth[] = {"one", "two"};
    static const char *const back[] = {"two", "one"};
    struct err err = ERR_INIT;
    struct layer_made made;
    AUTO_BUF struct buf first = BUF_INIT(IMAGE_MAX);
    AUTO_BUF struct buf second = BUF_INIT(IMAGE_MAX);
    make_wheel("one", one, ARRAY_LEN(one));
    make_wheel("two", two, ARRAY_LEN(two));
    assert_int_equal(make_layer(forth, 2, &first, &made, &err), 0);
    assert_int_equal(make_layer(back, 2, &second, &made, &err), 0);
    assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
    assert_int_equal(made.files, 5 + 4);
    assert_int_equal(made.blocks * 4096, first.len);
    assert_true(holds(&first, "pure_of_one.py") && holds(&first, "of two") &&
                holds(&first, "doc_of_one.txt"));
    assert_false(holds(&first, "#!python") || holds(&first, "byte code of one"));
}

#define OTHER_HASH "x.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,5\n"

static void what_a_wheel_must_not_have(void **state)
{
    (void)state;
    static const struct {
        struct entry entry;
        const char *part;
    } cases[] = {
        {{.name = "../x.py", .text = "x"}, "'../x.py' is no path below"},
        {{.name = "a/../../x.py", .text = "x"}, "is no path below"},
        {{.name = "/etc/x.py", .text = "x"}, "'/etc/x.py' is no path below"},
        {{.name = "a\\x.py", .text = "x"}, "is no path below"},
        {{.name = "a//x.py", .text = "x"}, "is no path below"},
        {{.name = "bad-1.data/elsewhere/x.py", .text = "x"}, "a place that is not known"},
        {{.name = "bad-1.data/x.py", .text = "x"}, "a place that is not known"},
        {{.name = "x.py", .text = "/etc/passwd", .mode = S_IFLNK | 0777}, "neither a file nor"},
        {{.name = "x.py", .text = "x", .row = ""}, "'x.py' is not in RECORD"},
        {{.name = "x.py", .text = "x", .row = "x.py,,\n"}, "'x.py' has no hash in RECORD"},
        {{.name = "x.py", .text = "x", .row = OTHER_HASH}, "'x.py' has 1 bytes, RECORD says 5"},
        {{.name = "x.py", .text = "other", .row = OTHER_HASH}, "not the file that RECORD names"},
        {{.name = "x.py", .text = "x", .row = "x.py,,\ny.py,,\n"}, "has no hash"},
        {{.name = "y-1.dist-info/METADATA", .text = "x"}, "more than one .dist-info"},
    };
    static const char *const names[] = {"bad"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct layer_made made;
        AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
        make_wheel("bad", &cases[i].entry, 1);
        assert_int_equal(make_layer(names, 1, &out, &made, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        if (strstr(err.message, cases[i].part) == NULL ||
            strstr(err.message, "wheel 'bad.whl'") == NULL)
            fail_msg("'%s' does not say '%s'", err.message, cases[i].part);
    }
}

static void what_recorded_is_missing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct wheel wheel = {0};
    AUTO_FREE char *path = path_of("bad");
    static const struct entry less = {
        .name = "x.py",
        .text = "",
        .row = "x.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
               "y.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"};
    make_wheel("bad", &less, 1);
    assert_int_equal(wheel_open(path, &wheel, &err), -1);
    assert_non_null(strstr(err.message, "'y.py' of RECORD is missing"));
}

static void what_two_wheels_must_not_bring(void **state)
{
    (void)state;
    static const struct entry one[] = {{.name = "same.py", .text = "1"}};
    static const struct entry two[] = {{.name = "same.py", .text = "2"}};
    static const struct entry three[] = {{.name = "same.py/inside.py", .text = "2"}};
    static const char *const files[] = {"one", "two"};
    static const char *const kinds[] = {"one", "three"};
    struct err err = ERR_INIT;
    struct layer_made made;
    AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
    make_wheel("one", one, 1);
    make_wheel("two", two, 1);
    make_wheel("three", three, 1);
    assert_int_equal(make_layer(files, 2, &out, &made, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.message, "'one.whl' and 'two.whl' bring different files 'same.py'"));
    assert_int_equal(make_layer(kinds, 2, &out, &made, &err), -1);
    assert_non_null(strstr(err.message, "a file and a folder, are called 'same.py'"));
}

/* Any byte of a wheel: either the change is refused with a name, or it touches nothing that comes
 * into the layer. */
static void a_changed_byte(void **state)
{
    (void)state;
    static const struct entry one[] = {{.name = "pkg/__init__.py", .text = "value = 1\n"}};
    static const char *const names[] = {"one"};
    struct err err = ERR_INIT;
    struct layer_made made;
    AUTO_FREE char *path = path_of("one");
    AUTO_BUF struct buf good = BUF_INIT(IMAGE_MAX);
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 16);
    make_wheel("one", one, 1);
    assert_int_equal(make_layer(names, 1, &good, &made, &err), 0);
    assert_int_equal(file_read(path, &bytes, &err), 0);
    for (size_t i = 0; i < bytes.len; i++) {
        AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
        err_clear(&err);
        bytes.data[i] ^= 0x20;
        assert_int_equal(file_write_atomic(path, buf_slice(&bytes), 0644, &err), 0);
        bytes.data[i] ^= 0x20;
        if (make_layer(names, 1, &out, &made, &err) < 0)
            assert_non_null(strstr(err.message, "wheel 'one.whl'"));
        else
            assert_true(slice_equal(buf_slice(&out), buf_slice(&good)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_wheels_make_one_layer),
        cmocka_unit_test(what_a_wheel_must_not_have),
        cmocka_unit_test(what_recorded_is_missing),
        cmocka_unit_test(what_two_wheels_must_not_bring),
        cmocka_unit_test(a_changed_byte),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
