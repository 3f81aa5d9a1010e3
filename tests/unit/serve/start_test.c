// SPDX-License-Identifier: Apache-2.0
/*
 * Starting: what is found out about an app, and what is said when it cannot be imported. Each case
 * runs in a process of its own, since a process can have one interpreter in its life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "fake_exchange.h"
#include "serve/serve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* What stays allocated at the end belongs to CPython, which does not free everything. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpython3\n";
}

struct outcome {
    bool started;
    enum serve_protocol protocol;
    struct err err;
    char log[16384]; /* standard error of the process */
};

static void run_child(const struct serve_config *config, int result, int log)
{
    (void)dup2(log, 2);
    struct outcome outcome = {0};
    struct serve *serve = serve_new(config, &outcome.err);
    outcome.started = serve != NULL;
    if (serve != NULL) {
        outcome.protocol = serve_protocol(serve);
        if (serve_drain(serve, 10000, NULL) < 0)
            _exit(1);
        serve_free(serve);
    }
    size_t size = offsetof(struct outcome, log);
    _exit(write(result, &outcome, size) == (ssize_t)size ? 0 : 1);
}

static struct outcome start(const struct serve_config *config)
{
    struct outcome outcome = {0};
    int result[2];
    FILE *log = tmpfile();
    assert_non_null(log);
    assert_int_equal(pipe2(result, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(config, result[1], fileno(log));
    (void)close(result[1]);
    size_t size = offsetof(struct outcome, log);
    assert_int_equal(read(result[0], &outcome, size), (ssize_t)size);
    (void)close(result[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    rewind(log);
    size_t length = fread(outcome.log, 1, sizeof(outcome.log) - 1, log);
    outcome.log[length] = '\0';
    (void)fclose(log);
    return outcome;
}

static char apps_folder[512];

static int find_apps(void **state)
{
    (void)snprintf(apps_folder, sizeof(apps_folder), "%s/tests/unit/serve/apps",
                   getenv("MSE_SOURCE_ROOT"));
    return 0;
}

static struct outcome start_app(const char *name)
{
    return start(&(struct serve_config){
        .module_path = apps_folder, .python_application = name, .threads = 1});
}

static void test_wsgi_is_found(void **state)
{
    static const char *const names[] = {
        "start_cases:wsgi",          "start_cases:create_app()", "start_cases:wsgi_with_default",
        "start_cases:any_arguments", "start_cases:wsgi_object",  "start_cases:wsgi_method",
        "start_cases:wsgi_partial",  "start_cases:WsgiClass",    "start_cases:holder.inner",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct outcome outcome = start_app(names[i]);
        assert_string_equal(outcome.err.message, "");
        assert_true(outcome.started);
        assert_int_equal(outcome.protocol, SERVE_WSGI);
    }
}

static void test_asgi_is_found(void **state)
{
    static const char *const names[] = {
        "start_cases:asgi",         "start_cases:asgi_wrapped", "start_cases:asgi_object",
        "start_cases:asgi_partial", "asgi_cases:application",   "asgi_cases:without_lifespan",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct outcome outcome = start_app(names[i]);
        assert_string_equal(outcome.err.message, "");
        assert_true(outcome.started);
        assert_int_equal(outcome.protocol, SERVE_ASGI);
    }
}

struct refusal {
    const char *name;
    enum err_kind kind;
    const char *message;
    const char *hint;
};

static void expect_refusal(const struct refusal *expected, const struct outcome *outcome)
{
    assert_false(outcome->started);
    assert_int_equal(outcome->err.kind, expected->kind);
    assert_non_null(strstr(outcome->err.message, expected->message));
    assert_non_null(strstr(outcome->err.hint, expected->hint));
}

static void test_refusals_say_why(void **state)
{
    static const struct refusal cases[] = {
        {"app", ERR_INVALID, "expected \"module:variable\"", "app:app"},
        {"a:b:c", ERR_INVALID, "expected \"module:variable\"", "app:app"},
        {":app", ERR_INVALID, "expected \"module:variable\"", "app:app"},
        {"app:", ERR_INVALID, "expected \"module:variable\"", "app:app"},
        {"not_there:app", ERR_APP, "cannot import 'not_there': ModuleNotFoundError",
         "not_there.py"},
        {"start_cases:wsgy", ERR_APP, "'start_cases' has no variable 'wsgy'", "'wsgi'"},
        {"start_cases:number", ERR_APP, "'start_cases:number' is not an app: int is not callable",
         ""},
        {"start_cases:Asgi2", ERR_APP, "takes one argument", "asgiref"},
        {"start_cases:one_argument", ERR_APP, "takes one argument", "asgiref"},
        {"asgi_cases:failing_lifespan", ERR_APP, "the app's start-up failed: no database", ""},
        {"start_cases:factory", ERR_APP, "it is a factory", "create_app()"},
        {"start_cases:create_nothing()", ERR_APP, "is not an app: NoneType is not callable", ""},
        {"start_cases:create_ap()", ERR_APP, "has no variable 'create_ap'", "create_app"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = start_app(cases[i].name);
        expect_refusal(&cases[i], &outcome);
        assert_null(strstr(outcome.log, "Traceback"));
    }
}

static void test_a_factory_that_fails_shows_its_traceback(void **state)
{
    static const struct refusal expected = {
        "start_cases:create_badly()", ERR_APP,
        "'start_cases:create_badly()' failed: ValueError: no settings", ""};
    struct outcome outcome = start_app(expected.name);
    expect_refusal(&expected, &outcome);
    assert_non_null(strstr(outcome.log, "in create_badly"));
}

/* Writes one module into a folder of its own and starts it. */
static struct outcome start_source(const char *source)
{
    char folder[] = "/tmp/mse-start-test-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/main.py", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(source, file) >= 0);
    assert_int_equal(fclose(file), 0);
    struct outcome outcome =
        start(&(struct serve_config){.module_path = folder, .python_application = "main:app"});
    struct err err = ERR_INIT;
    assert_int_equal(folder_remove_tree(folder, &err), 0);
    return outcome;
}

static void test_failing_imports_show_their_traceback(void **state)
{
    static const struct {
        const char *source;
        const char *message;
        const char *in_log;
    } cases[] = {
        {"def app(:\n", "cannot import 'main': SyntaxError: invalid syntax (main.py, line 1)",
         "def app(:"},
        {"raise RuntimeError('no database')\n", "cannot import 'main': RuntimeError: no database",
         "line 1, in <module>"},
        {"import sys\nsys.exit('giving up')\n", "cannot import 'main': SystemExit: giving up",
         "line 2, in <module>"},
        {"import nobody_has_this\n",
         "cannot import 'main': ModuleNotFoundError: No module named 'nobody_has_this'",
         "import nobody_has_this"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = start_source(cases[i].source);
        assert_false(outcome.started);
        assert_int_equal(outcome.err.kind, ERR_APP);
        assert_string_equal(outcome.err.message, cases[i].message);
        assert_non_null(strstr(outcome.log, cases[i].in_log));
    }
}

static void test_settings_are_checked(void **state)
{
    struct outcome outcome = start(&(struct serve_config){
        .module_path = "/nowhere/at/all", .python_application = "start_cases:wsgi"});
    assert_int_equal(outcome.err.kind, ERR_INVALID);
    assert_non_null(strstr(outcome.err.message, "'/nowhere/at/all'"));
    outcome = start(&(struct serve_config){.module_path = apps_folder,
                                           .python_application = "start_cases:wsgi",
                                           .threads = SERVE_MAX_THREADS + 1});
    assert_int_equal(outcome.err.kind, ERR_INVALID);
    assert_non_null(strstr(outcome.err.message, "threads"));
}

/* A folder of packages goes before the system's packages and behind the standard library. */
static void test_site_folders(void **state)
{
    char folder[] = "/tmp/mse-site-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char source[1024];
    (void)snprintf(source, sizeof(source),
                   "import sys, json\n"
                   "def app(environ, start_response):\n    pass\n"
                   "own = sys.path.index('%s')\n"
                   "assert not [p for p in sys.path if p.endswith('-packages')], sys.path\n"
                   "name = 'python%%d.%%d' %% sys.version_info[:2]\n"
                   "library = [i for i, p in enumerate(sys.path) if p.endswith(name)]\n"
                   "assert library[0] < own, sys.path\n",
                   folder);
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/site_main.py", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(source, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const char *const folders[] = {folder};
    struct outcome outcome = start(&(struct serve_config){.module_path = apps_folder,
                                                          .python_application = "site_main:app",
                                                          .site_folders = folders,
                                                          .site_folder_count = 1});
    assert_string_equal(outcome.err.message, "");
    assert_true(outcome.started);
    struct err err = ERR_INIT;
    assert_int_equal(folder_remove_tree(folder, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wsgi_is_found),
        cmocka_unit_test(test_asgi_is_found),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_a_factory_that_fails_shows_its_traceback),
        cmocka_unit_test(test_failing_imports_show_their_traceback),
        cmocka_unit_test(test_settings_are_checked),
        cmocka_unit_test(test_site_folders),
    };
    return cmocka_run_group_tests(tests, find_apps, NULL);
}
