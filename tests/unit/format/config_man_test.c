// SPDX-License-Identifier: Apache-2.0
/*
 * The man pages of the configuration files: every key of the tables with its default stands there,
 * every list is in its page, and troff has nothing to complain about.
 */
#include "base/process.h"
#include "base/text.h"
#include "cli/app_config.h"
#include "node/node_config.h"

#include "testing.h"

static const struct {
    const struct config_schema *schema;
    const char *prefix, *page, *marker;
} lists[] = {
    {&app_config_schema, "", "man/mse.toml.5.in", "\n@KEYS:mse.toml@\n"},
    {&node_config_schema, "", "man/msed.toml.5.in", "\n@KEYS:msed.toml@\n"},
    {&node_hardware_schema, "hardware.NAME.", "man/msed.toml.5.in", "\n@KEYS:hardware@\n"},
    {&node_environment_schema, "environments.NAME.", "man/msed.toml.5.in",
     "\n@KEYS:environments@\n"},
};

static void every_key_stands_in_its_page(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        AUTO_BUF struct buf page = BUF_INIT(1 << 20);
        OK(file_read(lists[i].page, &page, &err));
        assert_non_null(strstr(buf_text(&page), lists[i].marker));
        AUTO_BUF struct buf man = BUF_INIT(1 << 20);
        OK(config_man(lists[i].schema, lists[i].prefix, &man, &err));
        for (size_t k = 0; k < lists[i].schema->count; k++) {
            const struct config_key *key = &lists[i].schema->keys[k];
            AUTO_FREE char *entry =
                str_printf(&err, ".TP\n\\fB%s%s\\fR (", lists[i].prefix, key->names[0]);
            if (strstr(buf_text(&man), entry) == NULL)
                fail_msg("%s: '%s' is missing", lists[i].page, key->names[0]);
            AUTO_FREE char *other =
                str_printf(&err, "\\fB%s\\fR.\n", key->names[1] == NULL ? "" : key->names[1]);
            bool named_otherwise =
                key->names[1] != NULL && strcmp(key->names[1], key->names[0]) != 0;
            if (named_otherwise && strstr(buf_text(&man), other) == NULL)
                fail_msg("%s: '%s' is missing", lists[i].page, key->names[1]);
        }
    }
}

/* What a man page promises about its keys: whole sentences, and a hint that fits an error. */
static void every_key_is_described(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t k = 0; k < lists[i].schema->count; k++) {
            const char *doc = lists[i].schema->keys[k].doc;
            assert_non_null(doc);
            assert_true(str_ends_with(doc, "."));
            assert_true(strlen(doc) < ERR_HINT_SIZE);
        }
    }
}

static void troff_has_no_complaint(void **state)
{
    AUTO_FREE char *groff = NULL;
    if (process_find("groff", "groff-base", &groff, &err) < 0) {
        print_message("SKIP: %s\n", err.message);
        skip();
    }
    AUTO_BUF struct buf page = BUF_INIT(1 << 20);
    OK(buf_str(&page, ".TH X 5\n.SH KEYS\n", &err));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        OK(config_man(lists[i].schema, lists[i].prefix, &page, &err));
    const char *const argv[] = {groff, "-man", "-Tutf8", "-ww", "-z", NULL};
    const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    const struct process_spec spec = {.argv = argv, .env = env};
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    AUTO_BUF struct buf errors = BUF_INIT(1 << 16);
    int status = -1;
    OK(process_run(&spec, buf_slice(&page), &out, &errors, 30000, &status, &err));
    assert_string_equal(buf_text(&errors), "");
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_stands_in_its_page),
        cmocka_unit_test(every_key_is_described),
        cmocka_unit_test(troff_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
