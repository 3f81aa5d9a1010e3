// SPDX-License-Identifier: Apache-2.0
/*
 * One app of tests/unit/serve/apps, called through the handler for a whole test program: a process
 * can have one interpreter in its life. Included by one file per test program.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_exchange.h"
#include "serve/serve.h"

#include <fcntl.h>
#include <unistd.h>

/* What stays allocated at the end belongs to CPython, which does not free everything. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpython3\n";
}

static struct {
    struct serve *serve;
    char folder[512];
    size_t queued; /* what every write reports: above HTTP_WRITE_HIGH the app has to wait */
} app;

/* Starts `application` of the apps folder; the rest of config is as given. A group set-up. */
static inline int app_start(const char *application, struct serve_config config)
{
    struct err err = ERR_INIT;
    (void)snprintf(app.folder, sizeof(app.folder), "%s/tests/unit/serve/apps",
                   getenv("MSE_SOURCE_ROOT"));
    config.module_path = app.folder;
    config.python_application = application;
    app.serve = serve_new(&config, &err);
    if (app.serve == NULL)
        print_error("%s\n", err.message);
    return app.serve == NULL ? -1 : 0;
}

/* Exceptions that a test provokes are printed; keep them out of its output. */
static inline int mute(void)
{
    int saved = dup(2);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, 2);
    (void)close(null);
    return saved;
}

static inline void unmute(int saved)
{
    (void)dup2(saved, 2);
    (void)close(saved);
}

static inline const struct http_handler *handler(void)
{
    return serve_handler(app.serve);
}

static inline void begin(struct http_exchange *fake, const char *method, const char *target)
{
    fake_init(fake, method, target);
    fake->queued = app.queued;
}

static inline void submit(struct http_exchange *fake)
{
    handler()->request(serve_handler_context(app.serve), fake);
}

static inline void finish(struct http_exchange *fake)
{
    submit(fake);
    fake_wait(fake);
}

static inline void finish_muted(struct http_exchange *fake)
{
    int saved = mute();
    finish(fake);
    unmute(saved);
}

static inline void get(struct http_exchange *fake, const char *target)
{
    begin(fake, "GET", target);
    finish(fake);
}

static inline void expect_body(const char *target, const char *expected)
{
    struct http_exchange fake;
    get(&fake, target);
    assert_int_equal(fake.status, 200);
    assert_string_equal(buf_text(&fake.out), expected);
    fake_done(&fake);
}

static inline void expect_500(const char *target)
{
    struct http_exchange fake;
    begin(&fake, "GET", target);
    finish_muted(&fake);
    assert_int_equal(fake.status, 500);
    assert_string_equal(buf_text(&fake.out), "Internal Server Error\n");
    assert_false(fake.aborted);
    fake_done(&fake);
}

static inline void expect_hello(void)
{
    struct http_exchange fake;
    get(&fake, "/hello");
    assert_int_equal(fake.status, 200);
    assert_true(fake.at_once);
    assert_string_equal(fake_response_header(&fake, "content-type"), "text/plain");
    assert_string_equal(buf_text(&fake.out), "Hello");
    fake_done(&fake);
}

static inline long live_objects(void)
{
    struct http_exchange fake;
    get(&fake, "/objects");
    long count = strtol(buf_text(&fake.out), NULL, 10);
    fake_done(&fake);
    return count;
}

/* Fails where `round` loses an object each time. Free lists and caches fill up in the first
 * phases; what is lost is lost again in every phase. */
static inline void expect_no_growth(void (*round)(void))
{
    enum { ROUNDS = 200, PHASES = 8 };
    int saved = mute();
    long growth = ROUNDS;
    long before = live_objects();
    for (int phase = 0; phase < PHASES && growth >= ROUNDS / 2; phase++) {
        for (int i = 0; i < ROUNDS; i++)
            round();
        long now = live_objects();
        growth = now - before;
        before = now;
    }
    unmute(saved);
    assert_true(growth < ROUNDS / 2);
}
