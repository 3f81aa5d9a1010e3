// SPDX-License-Identifier: Apache-2.0
/*
 * What of a project's folder is packed, and that no secret is, under whatever name it lies there.
 */
#include "cli/code_folder.h"

#include "testing.h"

#include <fcntl.h>
#include <unistd.h>

#define HEAD "name = 'hello'\n[code]\npython_application = 'app:app'\n"

static struct temp_folder project;

static int setup(void **state)
{
    (void)state;
    project = temp_folder_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_folder_remove(&project);
    return 0;
}

static void put(const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(project.path, name, &err);
    AUTO_FREE char *folder = path_folder(path, &err);
    OK(folder_create_all(folder, 0700, &err));
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

static void make_link(const char *target, const char *name)
{
    AUTO_FREE char *path = path_join(project.path, name, &err);
    assert_int_equal(symlink(target, path), 0);
}

/* Paths of files and folders with a space between, in the archive's order. */
static void list(const struct tree *tree, struct buf *out)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->items[i].path != NULL)
            OK(buf_printf(out, &err, "%s%s", out->len == 0 ? "" : " ", tree->items[i].path));
    }
}

static int scan(struct tree **ret)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    AUTO_FREE char *path = path_join(project.path, "mse.toml", &err);
    OK(app_config_read(path, &config, &err));
    return code_folder_scan(&config, ret, &err);
}

static void expect_packed(const char *expected)
{
    AUTO_TREE struct tree *tree = NULL;
    AUTO_BUF struct buf paths = BUF_INIT(4096);
    OK(scan(&tree));
    list(tree, &paths);
    assert_string_equal(buf_text(&paths), expected);
}

static void a_project_is_its_own_code_folder(void **state)
{
    (void)state;
    put("mse.toml", HEAD "location = '.'\nsecrets = 'secrets.json'\ntests = 'tests'\n"
                         "[ssl]\ndomain_name = 'a.b'\n"
                         "certificate = 'tls/cert.pem'\nprivate_key = 'tls/key.pem'\n");
    put("app.py", "app = None\n");
    put("shop/views.py", "");
    put("secrets.json", "{}");
    put("tls/cert.pem", "c");
    put("tls/key.pem", "k");
    put("tests/test_app.py", "");
    put(".git/config", "");
    put(".gitignore", "*.db\n/build/\n!kept.db\n");
    put("shop/.gitignore", "local_*\n");
    put("shop/local_settings.py", "");
    put("shop.db", "");
    put("kept.db", "");
    put("build/x", "");
    put("notes.txt", "");
    put(".mseignore", "notes.txt\n");
    expect_packed("app.py kept.db shop shop/views.py tls tls/cert.pem");

    /* who has what was published, which is no secret, finds the same */
    AUTO_FREE char *secret = path_join(project.path, "secrets.json", &err);
    AUTO_FREE char *key = path_join(project.path, "tls/key.pem", &err);
    assert_int_equal(unlink(secret) | unlink(key), 0);
    AUTO_TREE struct tree *tree = NULL;
    AUTO_BUF struct buf paths = BUF_INIT(4096);
    OK(code_folder_scan_published(project.path, &tree, &err));
    list(tree, &paths);
    assert_string_equal(buf_text(&paths), "app.py kept.db shop shop/views.py tls tls/cert.pem");
}

static void gitignore_counts_in_the_projects_own_folder_alone(void **state)
{
    (void)state;
    put("mse.toml", HEAD "location = 'code'\n");
    put("code/app.py", "");
    put("code/data.db", "");
    put("code/.gitignore", "*.db\n");
    expect_packed("app.py data.db");
    AUTO_FREE char *code = path_join(project.path, "code", &err);
    AUTO_TREE struct tree *tree = NULL;
    AUTO_BUF struct buf paths = BUF_INIT(4096);
    OK(code_folder_scan_published(code, &tree, &err));
    list(tree, &paths);
    assert_string_equal(buf_text(&paths), "app.py data.db");
}

static void names_with_marks_of_rules_are_names(void **state)
{
    (void)state;
    put("mse.toml", HEAD "location = '.'\nsecrets = '[a]*! b.json'\n");
    put("app.py", "");
    put("[a]*! b.json", "{}");
    put("a! b.json", "");
    expect_packed("a! b.json app.py");
}

static void secrets_stay_out_however_they_are_reached(void **state)
{
    (void)state;
    put("code/app.py", "");
    put("secrets.json", "{}");
    put("code/inner.json", "{}");
    make_link("../secrets.json", "code/link");
    make_link("code", "alias");
    make_link("code/inner.json", "outer");
    static const char *const places[] = {"code/inner.json", "code/link", "alias/inner.json",
                                         "outer"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        AUTO_BUF struct buf toml = BUF_INIT(1024);
        OK(buf_printf(&toml, &err, HEAD "location = 'code'\nsecrets = '%s'\n", places[i]));
        put("mse.toml", buf_text(&toml));
        put("code/.mseignore", strcmp(places[i], "code/link") == 0 ? "inner.json\n" : "link\n");
        expect_packed("app.py");
    }
}

static void a_secret_that_would_be_packed_is_refused(void **state)
{
    (void)state;
    put("app.py", "");
    put("secrets.json", "{}");
    put("mse.toml", HEAD "location = '.'\nsecrets = 'secrets.json'\n");
    put(".mseignore", "!secrets.json\n");
    AUTO_TREE struct tree *tree = NULL;
    FAILS(ERR_INVALID, "would be packed with the code, as 'secrets.json'", scan(&tree));
    assert_non_null(strstr(err.hint, ".mseignore"));

    put(".mseignore", "");
    AUTO_FREE char *from = path_join(project.path, "secrets.json", &err);
    AUTO_FREE char *to = path_join(project.path, "copy.txt", &err);
    assert_int_equal(link(from, to), 0); /* another name of the same file */
    FAILS(ERR_INVALID, "as 'copy.txt'", scan(&tree));
}

static void a_configuration_that_cannot_be_read_is_said(void **state)
{
    (void)state;
    put("mse.toml", "name = \n");
    put("app.py", "");
    AUTO_TREE struct tree *tree = NULL;
    FAILS(ERR_INVALID, "mse.toml:1", code_folder_scan_published(project.path, &tree, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_project_is_its_own_code_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(gitignore_counts_in_the_projects_own_folder_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(names_with_marks_of_rules_are_names, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_stay_out_however_they_are_reached, setup, teardown),
        cmocka_unit_test_setup_teardown(a_secret_that_would_be_packed_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_configuration_that_cannot_be_read_is_said, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
