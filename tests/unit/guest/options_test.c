// SPDX-License-Identifier: Apache-2.0
/*
 * The command line's words for pid 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest/options.h"

#include <stdio.h>
#include <string.h>

#define ROOT "c6527f32a629d365fe8ed9df9a62b537551e73dc4da5e3f66046a0b84bd5491b"
#define SALT "0000000000000000000000000000000000000000000000000000000000000000"
#define WHOLE "acpi=off console=mse mse.memory=268435456 mse.root=" ROOT ":10253:" SALT

static void test_understood(void **state)
{
    (void)state;
    struct guest_options options;
    struct err err = ERR_INIT;
    assert_int_equal(guest_options_parse(WHOLE "\n", &options, &err), 0);
    assert_string_equal(options.root.root, ROOT);
    assert_string_equal(options.root.salt, SALT);
    assert_int_equal(options.root.data_blocks, 10253);
    assert_int_equal(options.memory_bytes, 268435456);
    assert_false(options.console);
    assert_int_equal(guest_options_parse("console=ttyS0 " WHOLE, &options, &err), 0);
    assert_true(options.console);
}

static void refused(const char *cmdline, const char *expected)
{
    struct guest_options options = {.memory_bytes = 77};
    struct err err = ERR_INIT;
    assert_int_equal(guest_options_parse(cmdline, &options, &err), -1);
    assert_non_null(strstr(err.message, expected));
    assert_int_equal(options.memory_bytes, 77);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "'mse.root=' is missing");
    refused("mse.root=" ROOT ":1:" SALT, "'mse.memory=' is missing");
    refused(WHOLE " mse.memory=1", "'mse.memory=' appears twice");
    refused(WHOLE " mse.shell=1", "unknown word 'mse.shell=1'");
    refused("mse.memory=0 mse.root=" ROOT ":1:" SALT, "memory");
    refused("mse.memory=1 mse.root=" ROOT ":0:" SALT, "number of blocks");
    refused("mse.memory=1 mse.root=" ROOT ":1:" SALT "0", "is no root");
    refused("mse.memory=1 mse.root=" ROOT "0:1:" SALT, "is no root");
    refused("mse.memory=1 mse.root=" ROOT ":1", "is no root");
    refused("mse.memory=1 mse.root=C" ROOT ":1:" SALT, "is no root");
    char *long_line = (char[2 * GUEST_CMDLINE_MAX]){0};
    memset(long_line, 'x', 2 * GUEST_CMDLINE_MAX - 1);
    refused(long_line, "longer than");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_understood),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
