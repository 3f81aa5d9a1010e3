// SPDX-License-Identifier: Apache-2.0
/*
 * Which lines of requirements.txt pass, what is handed on to pip, and what is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/requirements.h"

#include <stdio.h>

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

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

/* Forms of PEP 508, as they stand in real files. */
static void grammar_test(void **state)
{
    static const char *const good[] = {
        "A",
        "name-of.it_2",
        "name[a,b-c , d.e]",
        "name[]",
        "name[a]>=3,<2",
        "name ( >= 1.0 , !=1.5.* )",
        "name===1.0+local.7",
        "name==1!2.0.post1.dev3",
        "name;os_name=='posix'",
        "name; python_version<'2.7' and (extra == 'x' or \"linux\" in sys_platform)",
        "name; sys_platform not in 'win32,cygwin'",
        "name>=1; platform_machine != 'armv7-x' and python_full_version ~= '3.11'",
        "name; ((((os_name == '' ))))",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char expected[160];
        (void)snprintf(expected, sizeof(expected), "%s\n", good[i]);
        passes(good[i], 1, expected);
    }
    refused("name-", "letter or a digit");
    refused("name[", "extras");
    refused("name[a", "extras");
    refused("name[a;b]", "extras");
    refused("name==", "versions");
    refused("name=1", "versions");
    refused("name (>=1", "versions");
    refused("name>=1,", "versions");
    refused("name;", "marker");
    refused("name; os == 'x'", "marker");
    refused("name; os_name", "marker");
    refused("name; os_name == 'x", "marker");
    refused("name; os_name == 'a b'", "marker");
    refused("name; os_name == 'x' and", "marker");
    refused("name; os_name not 'x'", "marker");
    refused("name; ((((((((( os_name == 'x' )))))))))", "marker");
    refused("name 1.0", "does not belong");
    refused("flask numpy", "does not belong");
    refused("name; os_name == 'x' or_name == 'y'", "does not belong");
}

/* pip takes every word that begins with '-' for an option, wherever it stands. */
static void option_test(void **state)
{
    refused("flask>=1 -i localindex -r other.txt", "option");
    refused("flask -C--build-option=x", "option");
    refused("flask\t-r other.txt", "option");
    refused("flask -", "option");
    refused("flask --config-settings=a=b", "option");
    refused("flask == -i", "versions");
    refused("flask[-e]", "extras");
    refused("flask ; os_name == 'x -i y'", "marker");
    refused("flask ; os_name == '-i'", "marker");
    refused("flask ; os_name == 'x' -i y", "option");
    refused("flask --hash=sha256:" DIGEST " -i y", "option");
    refused("flask --hash=sha256:" DIGEST " flask", "does not belong");
    refused("flask --hash=sha256:" DIGEST ",--hash=sha256:" DIGEST, "does not belong");
    refused("flask --hash=sha256:00", "option");
    refused("flask --hash=md5:" DIGEST, "option");
    refused("flask --hash sha256:" DIGEST, "option");
    refused("flask--hash=sha256:" DIGEST, "versions");
    refused("flask==1--hash=sha256:" DIGEST, "does not belong");
    passes("flask==1\t--hash=sha256:" DIGEST "  --hash=sha256:" DIGEST, 1,
           "flask==1\t--hash=sha256:" DIGEST "  --hash=sha256:" DIGEST "\n");
}

static void joined_test(void **state)
{
    passes("flask==2.2.2 \\\n  --hash=sha256:" DIGEST " \\\n  --hash=sha256:" DIGEST "\nx\n", 2,
           "flask==2.2.2   --hash=sha256:" DIGEST "   --hash=sha256:" DIGEST "\nx\n");
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
    refused("flask, numpy\n", "does not belong");
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
        cmocka_unit_test(good_test),    cmocka_unit_test(grammar_test),
        cmocka_unit_test(option_test),  cmocka_unit_test(joined_test),
        cmocka_unit_test(refused_test), cmocka_unit_test(long_test),
    };
    return cmocka_run_group_tests_name("requirements", tests, NULL, NULL);
}
