// SPDX-License-Identifier: Apache-2.0
/*
 * Which variables an app may have, and which secrets become one.
 */
#include "model/variables.h"

#include "testing.h"

#include <stdio.h>

static void the_enclaves_own_world_is_not_the_apps_to_change(void **state)
{
    static const char *const refused[] = {
        "PATH",
        "HOME",
        "PWD",
        "TMPDIR",
        "SECRETS_PATH",
        "LD_PRELOAD",
        "LD_",
        "PYTHONPATH",
        "PYTHONHOME",
        "MSE_ANYTHING",
        "OPENSSL_CONF",
        "GCONV_PATH",
        "MALLOC_ARENA_MAX",
        "GLIBC_TUNABLES",
        "SSLKEYLOGFILE",
        "",
        "1A",
        "A-B",
        "A B",
        "A=B",
        "\303\251",
        "A\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (variable_refusal(refused[i]) == NULL)
            fail_msg("'%s' is taken", refused[i]);
    }
    static const char *const taken[] = {
        "DEBUG", "_x", "PATHS",    "HOMEPAGE", "DJANGO_SETTINGS_MODULE",
        "TZ",    "a1", "LDAP_URL", "LANGUAGE"};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        assert_null(variable_refusal(taken[i]));
    char name[VARIABLE_NAME_SIZE + 1];
    memset(name, 'A', sizeof(name));
    name[VARIABLE_NAME_SIZE] = '\0';
    assert_non_null(variable_refusal(name));
    name[VARIABLE_NAME_SIZE - 1] = '\0';
    assert_null(variable_refusal(name));
}

static void lines_have_one_order(void **state)
{
    static const char *const valid[] = {"", "A=\n", "A=1\nB=a=b\n", "A=1\nAB=2\nA_=3\n", "A= \n"};
    static const char *const invalid[] = {
        "A=1",        "\n",         "A\n",      "=1\n",     "B=1\nA=1\n",
        "A=1\nA=1\n", "A=1\nA=2\n", "A=\x01\n", "A=\x7f\n", "A=\303\251\n",
        "PATH=/\n",   "A=1\n\n",    "A=1\nB",
    };
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        if (!variables_valid(valid[i]))
            fail_msg("refused: '%s'", valid[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        if (variables_valid(invalid[i]))
            fail_msg("accepted: '%s'", invalid[i]);
    }
    struct variable variable;
    const char *rest = variables_next("A=1\nB=a=b\n", &variable);
    assert_string_equal(variable.name, "A");
    rest = variables_next(rest, &variable);
    assert_string_equal(variable.name, "B");
    assert_string_equal(variable.value, "a=b");
    assert_null(variables_next(rest, &variable));
    assert_true(variables_have("A=1\nB=2\n", "B"));
    assert_false(variables_have("A=1\nB=2\n", "2"));
}

static void limits_hold(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 16);
    for (int i = 0; i < VARIABLES_MAX; i++)
        OK(buf_printf(&text, &err, "A%02d=1\n", i));
    assert_true(variables_valid(buf_text(&text)));
    OK(buf_str(&text, "B=1\n", &err));
    assert_false(variables_valid(buf_text(&text)));

    char value[VARIABLE_VALUE_SIZE + 1];
    memset(value, 'x', sizeof(value));
    value[VARIABLE_VALUE_SIZE] = '\0';
    assert_false(variable_value_valid(value));
    buf_clear(&text);
    OK(buf_printf(&text, &err, "A=%s\n", value));
    assert_false(variables_valid(buf_text(&text)));
    value[VARIABLE_VALUE_SIZE - 1] = '\0';
    buf_clear(&text);
    OK(buf_printf(&text, &err, "A=%s\n", value));
    assert_true(variables_valid(buf_text(&text)));
    OK(buf_printf(&text, &err, "B=%s\nC=%s\nD=%s\n", value, value, value));
    assert_false(variables_valid(buf_text(&text))); /* each may be there, not all */
}

static void a_list_of_names_has_one_order(void **state)
{
    assert_true(variable_names_valid("*"));
    assert_true(variable_names_valid("A"));
    assert_true(variable_names_valid("A:B"));
    static const char *const invalid[] = {"",    ":",   "A:",  ":A",   "B:A",         "A:A",
                                          "A:*", "*:A", "A,B", "PATH", "A:LD_PRELOAD"};
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        if (variable_names_valid(invalid[i]))
            fail_msg("accepted: '%s'", invalid[i]);
    }
}

static int remember(void *context, const char *name, const char *value, struct err *failure)
{
    return buf_printf(context, failure, "%s=%s;", name, value);
}

static const char *of_secrets(const char *json, const char *names)
{
    static struct buf got = {.max = 4096};
    const struct variable_taker taker = {.take = remember, .context = &got};
    buf_clear(&got);
    OK(variables_of_secrets(slice_str(json), names, &taker, &err));
    return buf_text(&got);
}

static void secrets_become_variables(void **state)
{
    assert_string_equal(of_secrets("{\"A\":\"x\\ny\",\"B\":-7,\"C\":true,\"D\":{}}", "A:B:C"),
                        "A=x\ny;B=-7;C=true;");
    assert_string_equal(of_secrets("{\"B\":\"\\u00e9\",\"A\":false}", "*"), "B=\303\251;A=false;");
    assert_string_equal(of_secrets("{}", "*"), "");
}

static void a_secret_that_cannot_is_named_and_not_shown(void **state)
{
    static const struct {
        const char *json, *names, *part;
    } cases[] = {
        {"{\"A\":\"hunter2\"}", "B", "no secret 'B'"},
        {"{\"A\":[\"hunter2\"]}", "A", "'A' cannot be a variable: it is no text"},
        {"{\"A\":{\"x\":\"hunter2\"}}", "*", "'A' cannot be a variable"},
        {"{\"A\":null}", "A", "'A' cannot be a variable"},
        {"{\"A\":1.5}", "A", "'A' cannot be a variable"},
        {"{\"PATH\":\"hunter2\"}", "*", "'PATH' cannot be a variable: its name is set by mse"},
        {"{\"LD_PRELOAD\":\"hunter2\"}", "*", "is read by the linker"},
        {"{\"hunter2 or so\":\"x\"}", "*", "(not the name of a variable)"},
        {"[\"hunter2\"]", "*", "not one JSON object"},
        {"{\"hunter2\":", "*", "not one JSON object"},
    };
    AUTO_BUF struct buf got = BUF_INIT(4096);
    const struct variable_taker taker = {.take = remember, .context = &got};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        FAILS(ERR_INVALID, cases[i].part,
              variables_of_secrets(slice_str(cases[i].json), cases[i].names, &taker, &err));
        assert_null(strstr(err.message, "hunter2"));
    }
    assert_int_equal(got.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_enclaves_own_world_is_not_the_apps_to_change),
        cmocka_unit_test(lines_have_one_order),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_list_of_names_has_one_order),
        cmocka_unit_test(secrets_become_variables),
        cmocka_unit_test(a_secret_that_cannot_is_named_and_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
