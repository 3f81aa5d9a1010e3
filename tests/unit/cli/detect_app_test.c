// SPDX-License-Identifier: Apache-2.0
/*
 * Which apps `mse init` finds in Python code, framework by framework and as people write it.
 */
#include "cli/detect_app.h"

#include "testing.h"

static const struct {
    const char *source;
    const char *found; /* "m:app Flask", with "; " between */
    const char *health;
} sources[] = {
    {"from flask import Flask\napp = Flask(__name__)\n", "m:app Flask", ""},
    {"import flask\nweb: flask.Flask = flask.Flask(__name__)\n@web.get('/healthz')\n",
     "m:web Flask", "/healthz"},
    {"from flask import (\n    Flask,\n    request,  # both\n)\napplication = Flask('x')\n",
     "m:application Flask", ""},
    {"from fastapi import FastAPI as Api, Depends\napi = Api(title='x')\n", "m:api FastAPI", ""},
    {"from starlette.applications import Starlette\napp = Starlette(routes=[\n  Route(\"/ping\", "
     "x)])",
     "m:app Starlette", "/ping"},
    {"import starlette.applications\napp = starlette.applications.Starlette()\n", "m:app Starlette",
     ""},
    {"from quart import Quart\napp = Quart(__name__)\n", "m:app Quart", ""},
    {"from litestar import Litestar, get\napp = Litestar([index])\n", "m:app Litestar", ""},
    {"import bottle\napp = bottle.default_app()\n", "m:app Bottle", ""},
    {"from dash import Dash, html\napp = Dash(__name__)\n", "m:app.server Dash", ""},
    {"import falcon\napp = falcon.App()\n", "m:app Falcon", ""},
    {"import falcon.asgi\napp = falcon.asgi.App()\n", "m:app Falcon (ASGI)", ""},
    {"from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n",
     "m:application Django (WSGI)", ""},
    {"from flask import Flask\ndef create_app(config=None, *, debug: bool = False):\n"
     "    app = Flask(__name__)\n    if debug:\n        app.debug = True\n    return app\n",
     "m:create_app() Flask", ""},
    {"from flask import Flask\ndef make() -> Flask:\n    return Flask(__name__)\n",
     "m:make() Flask", ""},
    {"from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app\n\n"
     "app = create_app()\n",
     "m:app Flask", ""},
    {"from flask import Flask\none = Flask('1')\ntwo = Flask('2')\n", "m:one Flask; m:two Flask",
     ""},
    /* not an app */
    {"from flask import Flask\ndef create_app(config):\n    return Flask(__name__)\n", "", ""},
    {"from flask import Flask\ndef create_app():\n    Flask(__name__)\n", "", ""},
    {"'''\nfrom flask import Flask\napp = Flask(__name__)\n'''\n", "", ""},
    {"from flask import Flask\n# app = Flask(__name__)\n    app = Flask(__name__)\n", "", ""},
    {"from shop import Flask\napp = Flask()\n", "", ""},
    {"from flask import Flask\nif x == Flask(1): pass\napp == Flask(2)\nself.app = Flask(3)\n", "",
     ""},
    {"app = Flask(__name__)\n", "", ""},
    {"", "", ""},
    {"\xff\xfe\n\r\n\"\"\"", "", ""},
};

static void list(const struct detected_apps *apps, struct buf *out)
{
    for (size_t i = 0; i < apps->count; i++)
        OK(buf_printf(out, &err, "%s%s %s", i > 0 ? "; " : "", apps->items[i].application,
                      apps->items[i].framework));
}

static void each_framework_is_found_as_people_write_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct detected_apps apps = {0};
        AUTO_BUF struct buf text = BUF_INIT(4096);
        detect_in_source(slice_str(sources[i].source), "m", NULL, &apps);
        list(&apps, &text);
        assert_string_equal(buf_text(&text), sources[i].found);
        assert_string_equal(apps.items[0].health, sources[i].health);
    }
}

static void put(const struct temp_folder *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = path_join(folder->path, name, &err);
    AUTO_FREE char *above = path_folder(path, &err);
    OK(folder_create_all(above, 0700, &err));
    OK(file_write_atomic(path, slice_str(text), 0600, &err));
}

static void expect_found(const struct temp_folder *folder, const char *expected)
{
    struct detected_apps apps;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    OK(detect_apps(folder->path, &apps, &err));
    list(&apps, &text);
    assert_string_equal(buf_text(&text), expected);
}

static void a_factory_of_a_package_is_how_its_caller_is_made(void **state)
{
    (void)state;
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    put(&folder, "shop/__init__.py",
        "from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app\n");
    expect_found(&folder, "shop:create_app() Flask");
    put(&folder, "wsgi.py", "from shop import create_app\napp = create_app()\n");
    expect_found(&folder, "wsgi:app Flask");
}

static void tests_and_what_is_not_packed_are_passed_over(void **state)
{
    (void)state;
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    static const char app[] = "from flask import Flask\napp = Flask(__name__)\n";
    static const char *const names[] = {"tests/app.py",   "test_app.py",  "conftest.py",
                                        "a/b/c/deep.py",  "notes.txt",    ".venv/x.py",
                                        "old/ignored.py", "not-a-name.py"};
    put(&folder, ".gitignore", "old/\n");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put(&folder, names[i], app);
    expect_found(&folder, "");
    put(&folder, "zoo/web/site.py", app);
    put(&folder, "main.py", app);
    expect_found(&folder, "main:app Flask; zoo.web.site:app Flask");
}

static void more_than_there_is_room_for_is_said(void **state)
{
    (void)state;
    AUTO_BUF struct buf source = BUF_INIT(4096);
    struct detected_apps apps = {0};
    OK(buf_str(&source, "from flask import Flask\n", &err));
    for (int i = 0; i < DETECTED_MAX + 1; i++)
        OK(buf_printf(&source, &err, "app%d = Flask(__name__)\n", i));
    detect_in_source(buf_slice(&source), "m", NULL, &apps);
    assert_int_equal(apps.count, DETECTED_MAX);
    assert_true(apps.more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_framework_is_found_as_people_write_it),
        cmocka_unit_test(a_factory_of_a_package_is_how_its_caller_is_made),
        cmocka_unit_test(tests_and_what_is_not_packed_are_passed_over),
        cmocka_unit_test(more_than_there_is_room_for_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
