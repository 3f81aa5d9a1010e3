// SPDX-License-Identifier: Apache-2.0
/*
 * requirements.lock: one spelling, and no byte of it can change unseen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/lock_file.h"

#define DIGITS "57cde5747e3dead6b0771476137476ff323e56d5c0838491c8ff48f309a4f277"

static const char good[] = "# mse lock 1\n# python 3.11\n# machine x86_64\n"
                           "# requirements sha256:" DIGITS "\n"
                           "greeting==1.0 --hash=sha256:" DIGITS "\n"
                           "wording==1.2+x --hash=sha256:" DIGITS "\n";

static void one_spelling(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_LOCK struct requirements_lock lock = {.count = 0};
    AUTO_BUF struct buf again = BUF_INIT(LOCK_MAX);
    assert_int_equal(lock_decode(slice_str(good), &lock, &err), 0);
    assert_int_equal(lock.count, 2);
    assert_string_equal(lock.python, "3.11");
    assert_string_equal(lock.wheels[1].version, "1.2+x");
    assert_int_equal(lock_encode(&lock, &again, &err), 0);
    assert_string_equal(buf_text(&again), good);
}

/* A byte is refused or is another value; what is accepted never reads as the same lock. */
static void every_byte(void **state)
{
    (void)state;
    char text[sizeof(good)];
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        struct err err = ERR_INIT;
        AUTO_LOCK struct requirements_lock lock = {.count = 0};
        AUTO_BUF struct buf again = BUF_INIT(LOCK_MAX);
        memcpy(text, good, sizeof(good));
        text[i] ^= 0x01;
        if (lock_decode(slice_str(text), &lock, &err) < 0) {
            assert_non_null(strstr(err.message, LOCK_FILE));
            continue;
        }
        assert_int_equal(lock_encode(&lock, &again, &err), 0);
        assert_string_not_equal(buf_text(&again), good);
    }
}

static void what_is_no_lock_is_refused(void **state)
{
    (void)state;
    static const char head[] = "# mse lock 1\n# python 3.11\n# machine x86_64\n"
                               "# requirements sha256:" DIGITS "\n";
    static const char cut[] = "a==1 --hash=sha256:" DIGITS; /* no end of line */
    static const char *const lines[] = {
        "greeting==1.0\n",
        "greeting>=1.0 --hash=sha256:" DIGITS "\n",
        "--index-url==x --hash=sha256:" DIGITS "\n",
        "a/b==1.0 --hash=sha256:" DIGITS "\n",
        "a==1.0 --hash=sha256:" DIGITS " --pre\n",
        "b==1 --hash=sha256:" DIGITS "\na==1 --hash=sha256:" DIGITS "\n",
        "a==1 --hash=sha256:" DIGITS "\na==1 --hash=sha256:" DIGITS "\n",
        cut,
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct err err = ERR_INIT;
        AUTO_LOCK struct requirements_lock lock = {.count = 0};
        AUTO_FREE char *text = str_printf(NULL, "%s%s", head, lines[i]);
        assert_int_equal(lock_decode(slice_str(text), &lock, &err), -1);
        assert_non_null(strstr(err.hint, "mse lock"));
    }
}

static void names_of_wheels(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "a.whl",          "a-1.whl",       "a-1-py3.tar.gz",
        "-1-p.whl", "../a-1-py3.whl", "a-1/2-py3.whl", "a--py3.whl"};
    struct err err = ERR_INIT;
    struct lock_wheel wheel;
    assert_int_equal(lock_wheel_name("flask_cors-3.0.10-py2.py3-none-any.whl", &wheel, &err), 0);
    assert_string_equal(wheel.name, "flask_cors");
    assert_string_equal(wheel.version, "3.0.10");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(lock_wheel_name(bad[i], &wheel, &err), -1);
}

static void what_is_resolved(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf flask = BUF_INIT(LOCK_MAX);
    AUTO_BUF struct buf other = BUF_INIT(LOCK_MAX);
    AUTO_BUF struct buf none = BUF_INIT(LOCK_MAX);
    const struct slice text = slice_str("# words\nitsdangerous # more\n");
    assert_int_equal(lock_requirements(text, NULL, &flask, &err), 0);
    assert_string_equal(buf_text(&flask), "Flask\nFlask-Cors\nitsdangerous\n");
    assert_int_equal(lock_requirements(text, "vm", &other, &err), 0);
    assert_string_equal(buf_text(&other), "itsdangerous\n");
    assert_int_equal(lock_requirements(slice_str("# words\n"), NULL, &none, &err), 0);
    assert_int_equal(none.len, 0);
    assert_int_equal(lock_requirements(slice_str("-e ./here\n"), NULL, &none, &err), -1);
    assert_int_equal(lock_requirements(slice_str("a @ file:///x\n"), NULL, &none, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_spelling),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(what_is_no_lock_is_refused),
        cmocka_unit_test(names_of_wheels),
        cmocka_unit_test(what_is_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
