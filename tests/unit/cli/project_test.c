// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a project before anything is packed: where mse.toml is, and what is refused of what it
 * points to.
 */
#include "cli/project.h"

#include "base/text.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOML "name = 'hello'\n[code]\nlocation = 'code'\npython_application = 'app:app'\n"

static void write_in(const struct temp_folder *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(folder->path, name, &err);
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

/* A project that is good, but for what a test does to it. */
static struct temp_folder make_project(const char *toml)
{
    struct temp_folder folder = temp_folder_new();
    AUTO_FREE char *code = path_join(folder.path, "code", &err);
    OK(folder_create(code, 0700, &err));
    write_in(&folder, "code/app.py", "app = None\n");
    write_in(&folder, "mse.toml", toml);
    return folder;
}

static int read_project(const struct temp_folder *folder, struct project *project)
{
    project_init(project);
    return project_read(project, folder->path, &err);
}

#define AUTO_PROJECT __attribute__((cleanup(project_done)))

static void test_where_the_configuration_is(void **state)
{
    AUTO_TEMP struct temp_folder folder = make_project(TOML);
    AUTO_FREE char *file = path_join(folder.path, "mse.toml", &err);
    AUTO_FREE char *by_folder = NULL;
    AUTO_FREE char *by_file = NULL;
    AUTO_FREE char *by_default = NULL;
    char *none = NULL;
    char here[4096];
    (void)state;
    OK(project_config_path(folder.path, &by_folder, &err));
    assert_string_equal(by_folder, file);
    OK(project_config_path(file, &by_file, &err));
    assert_string_equal(by_file, file);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder.path), 0);
    OK(project_config_path(NULL, &by_default, &err));
    assert_string_equal(by_default, "mse.toml");
    assert_int_equal(unlink("mse.toml"), 0);
    FAILS(ERR_NOT_FOUND, "'mse.toml'", project_config_path(NULL, &none, &err));
    assert_non_null(strstr(err.hint, "mse init"));
    FAILS(ERR_NOT_FOUND, file, project_config_path(folder.path, &none, &err));
    assert_null(none);
    assert_int_equal(chdir(here), 0);
}

static void test_what_is_read(void **state)
{
    AUTO_TEMP struct temp_folder folder = make_project(TOML "secrets = 'secrets.json'\n");
    (void)state;
    write_in(&folder, "secrets.json", "{\"key\": \"value\"}");
    write_in(&folder, "code/requirements.txt", "flask==3.0.0\n");
    AUTO_PROJECT struct project project;
    OK(read_project(&folder, &project));
    assert_string_equal(project.config.name, "hello");
    assert_string_equal(buf_text(&project.requested.text), "flask==3.0.0\n");
    assert_true(project.secrets.has_secrets);
    assert_memory_equal(project.secrets.secrets.data, "{\"key\": \"value\"}", 16);
}

/* Of "flask==3.0.0" in the default environment, which adds Flask and Flask-Cors. */
static char *lock_text(const char *python, const char *machine)
{
    char hex[2 * SHA256_SIZE + 1];
    uint8_t digest[SHA256_SIZE];
    AUTO_BUF struct buf lines = BUF_INIT(LOCK_MAX);
    OK(lock_requirements(slice_str("six==1.0\n"), NULL, &lines, &err));
    OK(sha256(buf_slice(&lines), digest, &err));
    hex_encode(slice_of(digest, sizeof(digest)), hex);
    return str_printf(&err,
                      "# mse lock 1\n# python %s\n# machine %s\n# requirements sha256:%s\n"
                      "six==1.0 --hash=sha256:%s\n",
                      python, machine, hex, hex);
}

static void test_a_lock_is_what_is_sent(void **state)
{
    AUTO_TEMP struct temp_folder folder = make_project(TOML);
    AUTO_FREE char *lock = lock_text("3.11", "x86_64");
    (void)state;
    write_in(&folder, "code/requirements.txt", "six==1.0\n");
    write_in(&folder, "code/requirements.lock", lock);
    AUTO_PROJECT struct project project;
    OK(read_project(&folder, &project));
    assert_true(project.requested.is_locked);
    assert_string_equal(buf_text(&project.requested.text), lock);
    OK(requested_fits(&project.requested, "mse-flask", "3.11", 0, &err));
    FAILS(ERR_CONFLICT, "for Python 3.11, and the environment 'mse-flask' has Python 3.13",
          requested_fits(&project.requested, "mse-flask", "3.13", 0, &err));
    FAILS(ERR_CONFLICT, "2 packages of its own",
          requested_fits(&project.requested, "data", "3.11", 2, &err));
}

static void test_a_lock_that_does_not_belong_is_refused(void **state)
{
    AUTO_TEMP struct temp_folder folder = make_project(TOML);
    AUTO_FREE char *lock = lock_text("3.11", "x86_64");
    AUTO_FREE char *foreign = lock_text("3.11", "aarch64");
    (void)state;
    AUTO_PROJECT struct project stale;
    write_in(&folder, "code/requirements.lock", lock);
    FAILS(ERR_CONFLICT, "asks for nothing", read_project(&folder, &stale));
    AUTO_PROJECT struct project changed;
    write_in(&folder, "code/requirements.txt", "six==1.1\n");
    FAILS(ERR_CONFLICT, "requirements.lock is stale", read_project(&folder, &changed));
    assert_non_null(strstr(err.hint, "mse lock"));
    AUTO_PROJECT struct project cut;
    write_in(&folder, "code/requirements.txt", "six==1.0\n");
    lock[strlen(lock) - 2] = 'g';
    write_in(&folder, "code/requirements.lock", lock);
    FAILS(ERR_INVALID, "requirements.lock", read_project(&folder, &cut));
    AUTO_PROJECT struct project other;
    write_in(&folder, "code/requirements.lock", foreign);
    FAILS(ERR_CONFLICT, "'aarch64'", read_project(&folder, &other));
}

static void test_nothing_optional_is_there(void **state)
{
    AUTO_TEMP struct temp_folder folder = make_project(TOML);
    AUTO_PROJECT struct project project;
    (void)state;
    OK(read_project(&folder, &project));
    assert_int_equal(project.requested.text.len, 0);
    assert_int_equal(project.certificate.len, 0);
    assert_false(project.secrets.has_secrets);
}

static void test_an_image_by_its_digest(void **state)
{
    AUTO_TEMP struct temp_folder folder =
        make_project(TOML "image = 'sha256:"
                          "ab00000000000000000000000000000000000000000000000000000000000001'\n");
    AUTO_PROJECT struct project project;
    (void)state;
    OK(read_project(&folder, &project));
    assert_true(project.image_named);
    assert_int_equal(project.image_digest[0], 0xab);
    assert_int_equal(project.image_digest[SHA256_SIZE - 1], 1);
    assert_null(project.image_measured.folder.path);
}

static void test_a_folder_that_is_no_image(void **state)
{
    AUTO_TEMP struct temp_folder folder = make_project(TOML "image = 'code'\n");
    AUTO_PROJECT struct project project;
    (void)state;
    FAILS(ERR_INVALID, "code/image.json'", read_project(&folder, &project));
    assert_non_null(strstr(err.hint, "mse image build"));
}

static void test_secrets_are_not_quoted(void **state)
{
    static const char *const texts[] = {"{\"k\": hunter2}", "[\"hunter2\"]",
                                        "{\"hunter2\": 1, \"hunter2\": 2}"};
    AUTO_TEMP struct temp_folder folder = make_project(TOML "secrets = 'secrets.json'\n");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_PROJECT struct project project;
        write_in(&folder, "secrets.json", texts[i]);
        FAILS(ERR_INVALID, "secrets.json", read_project(&folder, &project));
        assert_null(strstr(err.message, "hunter2"));
        assert_null(strstr(err.hint, "hunter2"));
    }
}

static void test_a_certificate_that_is_none(void **state)
{
    AUTO_TEMP struct temp_folder folder =
        make_project(TOML "[ssl]\ndomain_name = 'a.example'\ncertificate = 'cert.pem'\n"
                          "private_key = 'key.pem'\n");
    (void)state;
    write_in(&folder, "cert.pem", "hunter2");
    write_in(&folder, "key.pem", "hunter2");
    AUTO_PROJECT struct project project;
    FAILS(ERR_INVALID, "cert.pem", read_project(&folder, &project));
    assert_null(strstr(err.message, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_the_configuration_is),
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_a_lock_is_what_is_sent),
        cmocka_unit_test(test_a_lock_that_does_not_belong_is_refused),
        cmocka_unit_test(test_nothing_optional_is_there),
        cmocka_unit_test(test_an_image_by_its_digest),
        cmocka_unit_test(test_a_folder_that_is_no_image),
        cmocka_unit_test(test_secrets_are_not_quoted),
        cmocka_unit_test(test_a_certificate_that_is_none),
    };
    OK(crypto_init(&err));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
