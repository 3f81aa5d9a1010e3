// SPDX-License-Identifier: Apache-2.0
/*
 * Which lines of requirements.txt pass, what is handed on to pip, and what is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/requirements.h"

static void passes(const char *text, size_t expected_count, const char *expected_text)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(1 << 16);
    size_t count = 99;
    if (requirements_check(slice_str(text), &out, &count, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(count, expected_count);
    assert_string_equal(buf_text(&out), expected_text);
}

static void refused(const char *text, const char *words)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(1 << 16);
    size_t count = 0;
    if (requirements_check(slice_str(text), &out, &count, &err) == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.kind, ERR_INVALID);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void good_test(void **state)
{
    passes("", 0, "");
    passes("# nothing\n\n   \r\n", 0, "");
    passes("flask", 1, "flask\n");
    passes("flask==2.2.2 # the web\r\nnumpy >= 1, < 2\n", 2, "flask==2.2.2\nnumpy >= 1, < 2\n");
    passes("uvicorn[standard]~=0.2; python_version >= \"3.8\"\n", 1,
           "uvicorn[standard]~=0.2; python_version >= \"3.8\"\n");
    passes("zope.interface\nruamel_yaml\n", 2, "zope.interface\nruamel_yaml\n");
    passes("requests (>=2)\n", 1, "requests (>=2)\n");
}

static void joined_test(void **state)
{
    passes("flask==2.2.2 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\nx\n", 2,
           "flask==2.2.2   --hash=sha256:aa   --hash=sha256:bb\nx\n");
    /* a comment is not continued: the option below it is a line of its own */
    refused("# comment \\\n--index-url https://x\n", "line 2");
    refused("flask \\\n-e .\n", "line 1");
}

static void refused_test(void **state)
{
    refused("-e .\n", "line 1");
    refused("flask\n-r other.txt\n", "line 2");
    refused("--index-url https://evil.example/simple\n", "options");
    refused("--extra-index-url=x\n", "options");
    refused("--find-links /etc\n", "options");
    refused("flask --global-option=x\n", "option");
    refused("flask --hash\n", "option");
    refused("./local\n", "package name");
    refused("/root/x.whl\n", "package name");
    refused("folder/x.whl\n", "paths");
    refused("x.whl/../y\n", "paths");
    refused("flask==1/../../etc\n", "paths");
    refused("https://x.example/y.whl\n", "addresses");
    refused("git+ssh://x.example/y\n", "addresses");
    refused("flask @ file:/etc/passwd\n", "references");
    refused("flask @ ./x\n", "references");
    refused("flask==${HOME}\n", "variables");
    refused("fl\x01"
            "ask\n",
            "printable");
    refused("fl\xc3\xa4sk\n", "printable");
    refused("[extra]\n", "package name");
    refused("flask, numpy\n", "paths and unknown");
}

static void long_test(void **state)
{
    char text[REQUIREMENTS_LINE_MAX + 8];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    refused(text, "longer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_test),
        cmocka_unit_test(joined_test),
        cmocka_unit_test(refused_test),
        cmocka_unit_test(long_test),
    };
    return cmocka_run_group_tests_name("requirements", tests, NULL, NULL);
}
