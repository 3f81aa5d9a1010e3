// SPDX-License-Identifier: Apache-2.0
/*
 * Which enclaves get collateral, and when: a program stands in for `msed staple` and notes how it
 * was called.
 */
#include "node/stapler.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "gateway/listener.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 10 * 1000 };

static const char toml[] = "state = \".\"\n"
                           "[collateral]\nkds = \"/mirror\"\n"
                           "[hardware.real]\nlauncher = \"vm\"\ntee = \"snp\"\n"
                           "[hardware.pretended]\nlauncher = \"vm\"\n";

struct fixture {
    struct temp_folder folder;
    struct node_config config;
    struct folders folders;
    struct store *store;
    struct stapler *stapler;
    char program[128];
    char notes[128];
    int app_fds[3];
    size_t apps;
};

static void write_program(const struct fixture *fixture, const char *end)
{
    char text[512];
    (void)snprintf(
        text, sizeof(text),
        "#!/bin/sh\n[ -S /proc/self/fd/3 ] || exit 9\necho \"$* $MSE_CACHE_HOME\" >>%s\n%s\n",
        fixture->notes, end);
    OK(file_write_atomic(fixture->program, slice_str(text), 0700, &err));
}

static void enter(struct fixture *fixture, const char *end)
{
    char path[160];
    *fixture = (struct fixture){.folder = temp_folder_new(), .folders = FOLDERS_INIT};
    (void)snprintf(path, sizeof(path), "%s/msed.toml", fixture->folder.path);
    (void)snprintf(fixture->program, sizeof(fixture->program), "%s/msed", fixture->folder.path);
    (void)snprintf(fixture->notes, sizeof(fixture->notes), "%s/notes", fixture->folder.path);
    write_program(fixture, end);
    OK(node_config_parse(slice_str(toml), path, &fixture->config, &err));
    OK(folders_open(fixture->config.state, &fixture->folders, &err));
    const struct store_sqlite_options database = {.path = fixture->folders.database};
    OK(store_sqlite_open(&database, &fixture->store, &err));
    const struct stapler_options options = {.config = &fixture->config,
                                            .folders = &fixture->folders,
                                            .store = fixture->store,
                                            .program = fixture->program};
    OK(stapler_new(&options, &fixture->stapler, &err));
}

static void leave(struct fixture *fixture)
{
    stapler_free(fixture->stapler);
    store_close(fixture->store);
    folders_close(&fixture->folders);
    node_config_done(&fixture->config);
    for (size_t i = 0; i < fixture->apps; i++)
        fd_close(fixture->app_fds[i]);
    temp_folder_remove(&fixture->folder);
}

static struct store_app make_app_of(struct fixture *fixture, const char *owner,
                                    const char *resource)
{
    struct store_app app = {.state = STORE_INITIALIZING};
    (void)snprintf(app.id, sizeof(app.id), "%zu1111111-1111-4111-8111-111111111111",
                   fixture->apps + 1);
    (void)snprintf(app.owner, sizeof(app.owner), "%s", owner);
    (void)snprintf(app.project, sizeof(app.project), "default");
    (void)snprintf(app.name, sizeof(app.name), "a%zu", fixture->apps);
    (void)snprintf(app.resource, sizeof(app.resource), "%s", resource);
    AUTO_FREE char *folder = path_join(fixture->folders.apps, app.id, &err);
    OK(folder_create_all(folder, 0700, &err));
    OK(app_socket_listen(folder, APP_SOCKET, &fixture->app_fds[fixture->apps], &err));
    OK(store_app_create(fixture->store, &app, NULL, &err));
    fixture->apps++;
    return app;
}

static struct store_app make_app(struct fixture *fixture, const char *resource)
{
    return make_app_of(fixture, "token:a", resource);
}

/* Lines that were noted; waits until there are so many. */
static size_t wait_for_notes(const struct fixture *fixture, size_t wanted, struct buf *ret)
{
    size_t lines = 0;
    int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    do {
        struct err ignored = ERR_INIT;
        buf_clear(ret);
        lines = 0;
        if (file_read(fixture->notes, ret, &ignored) == 0) {
            for (size_t i = 0; i < ret->len; i++)
                lines += ret->data[i] == '\n';
        }
        clock_sleep_ms(20);
    } while (lines < wanted && clock_monotonic_ms() < end_ms);
    return lines;
}

static void an_enclave_on_hardware_gets_it_at_each_start(void **state)
{
    (void)state;
    struct fixture fixture;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    char wanted[256];
    enter(&fixture, "exit 0");
    struct store_app app = make_app(&fixture, "real");
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 1, &notes), 1);
    (void)snprintf(wanted, sizeof(wanted), "staple kept - /mirror - %s/collateral\n",
                   fixture.folders.state);
    assert_string_equal(buf_text(&notes), wanted);
    app.state = STORE_RUNNING; /* the same enclave, which has it */
    OK(store_app_save(fixture.store, &app, &err));
    stapler_state(fixture.stapler, &app);
    app.state = STORE_SPAWNING; /* another */
    stapler_state(fixture.stapler, &app);
    app.state = STORE_RUNNING;
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 2, &notes), 2);
    leave(&fixture);
}

/* Its owner verifies it before unlocking it. */
static void a_locked_one_gets_it_too(void **state)
{
    (void)state;
    struct fixture fixture;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    enter(&fixture, "exit 0");
    struct store_app app = make_app(&fixture, "real");
    app.state = STORE_LOCKED;
    OK(store_app_save(fixture.store, &app, &err));
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 1, &notes), 1);
    leave(&fixture);
}

static void a_simulated_one_does_not(void **state)
{
    (void)state;
    struct fixture fixture;
    enter(&fixture, "exit 0");
    struct store_app app = make_app(&fixture, "pretended");
    stapler_state(fixture.stapler, &app);
    clock_sleep_ms(200);
    assert_false(file_exists(fixture.notes));
    leave(&fixture);
}

static int find_event(void *context, const struct store_event *event, struct err *failure)
{
    bool *found = context;
    (void)failure;
    *found = *found || strstr(event->text, "no fresh collateral: the vendor is down") != NULL;
    return 0;
}

/* And the daemon's end does not wait for one that hangs. */
static void a_failure_is_an_event_of_the_app(void **state)
{
    (void)state;
    struct fixture fixture;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    bool found = false;
    enter(&fixture, "echo 'the vendor is down' >&2; exit 4");
    struct store_app app = make_app(&fixture, "real");
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 1, &notes), 1);
    for (int i = 0; i < 200 && !found; i++) {
        clock_sleep_ms(20);
        OK(store_event_each(fixture.store, app.id, 10, find_event, &found, &err));
    }
    assert_true(found);
    leave(&fixture);
}

static void one_that_hangs_does_not_hold_the_end(void **state)
{
    (void)state;
    struct fixture fixture;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    enter(&fixture, "exec sleep 60");
    struct store_app app = make_app(&fixture, "real");
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 1, &notes), 1);
    int64_t start_ms = clock_monotonic_ms();
    leave(&fixture);
    assert_true(clock_monotonic_ms() - start_ms < PATIENCE_MS);
}

/* Its owner's next one waits for it, another account's does not. */
static void one_that_hangs_holds_up_its_owner_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    enter(&fixture, "exec sleep 60");
    const struct store_app slow = make_app_of(&fixture, "token:a", "real");
    const struct store_app next = make_app_of(&fixture, "token:a", "real");
    const struct store_app other = make_app_of(&fixture, "token:b", "real");
    stapler_state(fixture.stapler, &slow);
    assert_int_equal(wait_for_notes(&fixture, 1, &notes), 1);
    stapler_state(fixture.stapler, &next);
    stapler_state(fixture.stapler, &other);
    assert_int_equal(wait_for_notes(&fixture, 2, &notes), 2);
    clock_sleep_ms(300);
    assert_int_equal(wait_for_notes(&fixture, 2, &notes), 2);
    leave(&fixture);
}

/* An attempt that was under way for the enclave before is none for the new one. */
static void a_restart_in_an_attempt_gets_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    enter(&fixture, "sleep 0.5; exit 0");
    struct store_app app = make_app(&fixture, "real");
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 1, &notes), 1);
    app.state = STORE_SPAWNING;
    stapler_state(fixture.stapler, &app);
    app.state = STORE_INITIALIZING;
    stapler_state(fixture.stapler, &app);
    assert_int_equal(wait_for_notes(&fixture, 2, &notes), 2);
    assert_null(strstr(buf_text(&notes), "refresh"));
    leave(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_enclave_on_hardware_gets_it_at_each_start),
        cmocka_unit_test(a_locked_one_gets_it_too),
        cmocka_unit_test(a_simulated_one_does_not),
        cmocka_unit_test(a_failure_is_an_event_of_the_app),
        cmocka_unit_test(one_that_hangs_does_not_hold_the_end),
        cmocka_unit_test(one_that_hangs_holds_up_its_owner_alone),
        cmocka_unit_test(a_restart_in_an_attempt_gets_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
