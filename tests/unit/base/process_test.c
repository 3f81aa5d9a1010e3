// SPDX-License-Identifier: Apache-2.0
/*
 * Real small programs are started and their output, descriptors and ends are looked at.
 */
#include "base/process.h"

#include "testing.h"

static void test_run(void **state)
{
    const char *const argv[] = {"sh", "-c", "cat; echo problem >&2; exit 3", NULL};
    AUTO_BUF struct buf out = BUF_INIT(100);
    AUTO_BUF struct buf errors = BUF_INIT(100);
    int status = 0;
    OK(process_run(&(struct process_spec){.argv = argv}, slice_str("input"), &out, &errors, 10000,
                   &status, &err));
    assert_string_equal(buf_text(&out), "input");
    assert_string_equal(buf_text(&errors), "problem\n");
    char text[64];
    process_status_text(status, text, sizeof(text));
    assert_string_equal(text, "exit status 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
