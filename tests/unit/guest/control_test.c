// SPDX-License-Identifier: Apache-2.0
/*
 * Lines of the control port: one is understood, whatever stands around it and however it is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest/control.h"

static bool feed(struct control *control, const char *text)
{
    return control_feed(control, slice_str(text));
}

static void test_stop_in_pieces(void **state)
{
    (void)state;
    struct control control = {0};
    const char *line = GUEST_CONTROL_STOP "\n";
    for (size_t i = 0; line[i] != '\0'; i++)
        assert_int_equal(control_feed(&control, slice_of(line + i, 1)), line[i + 1] == '\0');
    assert_true(feed(&control, "noise\n" GUEST_CONTROL_STOP "\nnoise"));
}

static void test_nothing_else_is_understood(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "\n\n\n",
                                        GUEST_CONTROL_STOP,
                                        " " GUEST_CONTROL_STOP "\n",
                                        GUEST_CONTROL_STOP " \n",
                                        "{\"cmd\":\"stop\",\"x\":1}\n",
                                        "{\"cmd\":\"reboot\"}\n",
                                        GUEST_CONTROL_STOP "\r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct control control = {0};
        assert_false(feed(&control, lines[i]));
    }
}

/* The tail of a long line is no line of its own. */
static void test_a_long_line_is_dropped_whole(void **state)
{
    (void)state;
    struct control control = {0};
    for (int i = 0; i < 3 * GUEST_CONTROL_LINE_MAX; i++)
        assert_false(feed(&control, "x"));
    assert_false(feed(&control, GUEST_CONTROL_STOP "\n"));
    assert_true(feed(&control, GUEST_CONTROL_STOP "\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stop_in_pieces),
                                       cmocka_unit_test(test_nothing_else_is_understood),
                                       cmocka_unit_test(test_a_long_line_is_dropped_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
