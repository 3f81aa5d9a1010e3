// SPDX-License-Identifier: Apache-2.0
/*
 * The client of a node's API: which addresses are one, what becomes of the node's errors, and what
 * is not believed of its answers.
 */
#include "client/node_client.h"

#include "base/fd.h"
#include "client/stranger_node.h"

#include <fcntl.h>

static void set_environment(const char *name, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

/* --- addresses --- */

static void test_addresses(void **state)
{
    static const char *const wrong[] = {
        "https://",       "https://user@host",   "https://host/path",  "https://host?x=1",
        "https://ho st",  "https://host:0",      "https://host:65536", "https://host:8443/",
        "https://h%6fst", "https://host\033[2J", "http://host",        "HTTPS://host",
        "unix:///tmp/s",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO_NODE_CLIENT struct node_client *node = NULL;
        FAILS(ERR_USAGE, "", node_client_open(NULL, wrong[i], &node, &err));
        assert_null(node);
    }
    static const char *const right[] = {"https://host", "https://node.example:8443", "/tmp/s", "s"};
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        AUTO_NODE_CLIENT struct node_client *node = NULL;
        OK(node_client_open(NULL, right[i], &node, &err));
        assert_string_equal(node_client_address(node), right[i]);
        assert_string_equal(node_client_not_at_home(node), "it was not asked yet");
    }
}

static void test_the_address_that_nobody_names(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char socket_path[128];
    (void)state;
    {
        AUTO_NODE_CLIENT struct node_client *node = NULL;
        set_environment("MSE_NODE", "https://named.example");
        OK(node_client_open(NULL, NULL, &node, &err));
        assert_string_equal(node_client_address(node), "https://named.example");
    }
    set_environment("MSE_NODE", NULL);
    set_environment("MSE_STATE_HOME", folder.path);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/node", folder.path);
    OK(folder_create(socket_path, 0700, &err));
    (void)snprintf(socket_path, sizeof(socket_path), "%s/node/msed.sock", folder.path);
    OK(file_write_atomic(socket_path, slice_str(""), 0600, &err));
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    OK(node_client_open(NULL, NULL, &node, &err));
    assert_string_equal(node_client_address(node), socket_path);
    set_environment("MSE_STATE_HOME", NULL);
}

static void test_a_token_stays_out_of_errors(void **state)
{
    char token[600];
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    (void)state;
    memset(token, 'T', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    set_environment("MSE_NODE_TOKEN", token);
    FAILS(ERR_INVALID, "$MSE_NODE_TOKEN", node_client_open(NULL, "https://host", &node, &err));
    assert_null(strstr(err.message, "TTT"));
    set_environment("MSE_NODE_TOKEN", NULL);
}

static void test_nobody_listens(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    char path[80];
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/s", folder.path);
    OK(node_client_open(NULL, path, &node, &err));
    FAILS(ERR_UNREACHABLE, path, node_client_request(node, "GET", "/v1/node", NULL, &err));
    assert_non_null(strstr(err.hint, "mse node start"));
}

/* --- answers --- */

#define HEAD(status) "HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n"

/* One request to a node that answers so; -1 and err as they came. */
static int ask(const char *answer, size_t size, json_t **ret)
{
    struct stranger_node stranger = {.answer = answer, .answer_size = size};
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    stranger_start(&stranger);
    OK(node_client_open(NULL, stranger.path, &node, &err));
    struct err answered = ERR_INIT; /* OK begins with an empty err */
    int status = node_client_list(node, "/v1/apps", "apps", ret, &answered);
    assert_non_null(strstr(stranger.request, "GET /v1/apps HTTP/1.1\r\n"));
    /* This program is not msed. */
    assert_non_null(node_client_not_at_home(node));
    stranger_stop(&stranger);
    err = answered;
    return status;
}

static void test_the_nodes_errors(void **state)
{
    static const struct {
        const char *answer;
        enum err_kind kind;
        const char *message;
        const char *hint;
    } rows[] = {
        {HEAD(
             "404") "{\"error\":{\"kind\":\"not_found\",\"message\":\"no app\",\"hint\":\"look\"}}",
         ERR_NOT_FOUND, "the node says: no app", "look"},
        /* The caller's own mistake it is not: exit status and usage text are for the command line.
         */
        {HEAD("400") "{\"error\":{\"kind\":\"usage\",\"message\":\"what\"}}", ERR_INVALID, "what",
         ""},
        {HEAD("500") "{\"error\":{\"kind\":\"no-such-kind\",\"message\":\"m\"}}", ERR_INTERNAL,
         "the node says: m", ""},
        {HEAD("500") "{\"error\":7}", ERR_INTERNAL, "the node says: ", ""},
        {HEAD("502") "<html>", ERR_INTERNAL, "the node answered 502 and no reason", ""},
        {HEAD("302") "", ERR_INTERNAL, "the node answered 302 and no reason", ""},
        {HEAD("200") "{\"apps\":{}}", ERR_INVALID, "no array 'apps'", ""},
        {HEAD("200") "[]", ERR_INVALID, "no array 'apps'", ""},
        {HEAD("200") "{\"apps\":[]", ERR_INVALID, "the node's answer", ""},
        {HEAD("200") "{\"apps\":[],\"apps\":[]}", ERR_INVALID, "the node's answer", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *list = NULL;
        FAILS(rows[i].kind, rows[i].message, ask(rows[i].answer, strlen(rows[i].answer), &list));
        assert_string_equal(err.hint, rows[i].hint);
        assert_null(list);
    }
}

static void test_an_error_does_not_drive_the_terminal(void **state)
{
    static const char answer[] =
        HEAD("403") "{\"error\":{\"kind\":\"forbidden\",\"message\":\"a\\u001b[2Jb\\u009bc\","
                    "\"hint\":\"\\u001b]0;x\\u0007\"}}";
    AUTO_JSON json_t *list = NULL;
    (void)state;
    FAILS(ERR_FORBIDDEN, "[2Jb", ask(answer, sizeof(answer) - 1, &list));
    assert_null(strchr(err.message, '\033'));
    assert_null(strstr(err.message, "\302\233"));
    assert_null(strchr(err.hint, '\033'));
    assert_null(strchr(err.hint, '\007'));
}

static void test_an_answer_without_end(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    size_t size = 9 << 20;
    char *answer = mem_alloc(size, &err);
    AUTO_JSON json_t *list = NULL;
    (void)state;
    assert_non_null(answer);
    memset(answer, ' ', size);
    memcpy(answer, head, sizeof(head) - 1);
    FAILS(ERR_TOO_LARGE, "", ask(answer, size, &list));
    free(answer);
}

static void test_interrupted(void **state)
{
    static const volatile sig_atomic_t interrupted = 1;
    const struct client_hooks hooks = {.interrupted = &interrupted};
    struct stranger_node stranger = {.answer = "", .answer_size = 0};
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    (void)state;
    stranger_start(&stranger);
    OK(node_client_open(&hooks, stranger.path, &node, &err));
    FAILS(ERR_INTERRUPTED, "", node_client_request(node, "GET", "/v1/node", NULL, &err));
    stranger_stop(&stranger);
}

static uint64_t progress_done;
static uint64_t progress_all;

static void take_progress(uint64_t done_bytes, uint64_t all_bytes)
{
    progress_done = done_bytes;
    progress_all = all_bytes;
}

static void test_upload(void **state)
{
    static const char answer[] = HEAD("201") "{\"id\":\"x\"}";
    const struct client_hooks hooks = {.progress = take_progress};
    struct stranger_node stranger = {.answer = answer, .answer_size = sizeof(answer) - 1};
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    AUTO_JSON json_t *root = NULL;
    (void)state;
    stranger_start(&stranger);
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/package", stranger.folder.path);
    OK(file_write_atomic(path, slice_str("the package"), 0600, &err));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4); /* it is sent from its beginning all the same */
    const struct node_package package = {.fd = fd, .size = 11, .name_proof = "00ff"};
    OK(node_client_open(&hooks, stranger.path, &node, &err));
    OK(node_client_upload(node, "/v1/apps", &package, &root, &err));
    assert_string_equal(json_string_value(json_object_get(root, "id")), "x");
    assert_non_null(strstr(stranger.request, "POST /v1/apps HTTP/1.1\r\n"));
    assert_non_null(strstr(stranger.request, "application/vnd.mse.package"));
    assert_non_null(strstr(stranger.request, "00ff\r\n"));
    assert_non_null(strstr(stranger.request, "\r\n\r\nthe package"));
    assert_int_equal(progress_done, 11);
    assert_int_equal(progress_all, 11);
    stranger_stop(&stranger);
}

/* --- finding an app --- */

#define APP(id, name, state)                                                                       \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"project\":\"default\",\"state\":\"" state "\","    \
    "\"fingerprint\":\"" DIGEST "\",\"url\":\"https://x.example\",\"reason\":\"\","                \
    "\"created\":\"2026-01-01T00:00:00Z\",\"expires\":null,\"removal\":null,\"restarts\":0}"
#define DIGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_1 "11111111-1111-4111-8111-111111111111"
#define ID_2 "11112222-2222-4222-8222-222222222222"
#define ID_3 "33333333-3333-4333-8333-333333333333"

static const char apps[] = HEAD("200") "{\"apps\":[" APP(ID_1, "one", "running") "," APP(
    ID_2, "two", "running") "," APP(ID_3, "one", "stopped") "]}";

static int find(const char *name, struct node_app *ret)
{
    struct stranger_node stranger = {.answer = apps, .answer_size = sizeof(apps) - 1};
    AUTO_NODE_CLIENT struct node_client *node = NULL;
    stranger_start(&stranger);
    OK(node_client_open(NULL, stranger.path, &node, &err));
    struct err answered = ERR_INIT;
    int status = node_app_find(node, name, ret, &answered);
    stranger_stop(&stranger);
    err = answered;
    return status;
}

static void test_find(void **state)
{
    static const struct {
        const char *name;
        const char *id;
    } rows[] = {{"one", ID_1}, {"two", ID_2}, {ID_3, ID_3}, {"3333", ID_3}, {"11112", ID_2}};
    AUTO_NODE_APP struct node_app none = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_NODE_APP struct node_app app = {0};
        OK(find(rows[i].name, &app));
        assert_string_equal(app.id, rows[i].id);
    }
    FAILS(ERR_NOT_FOUND, "no app '333' of yours", find("333", &none));
    FAILS(ERR_CONFLICT, ID_2, find("1111", &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_the_address_that_nobody_names),
        cmocka_unit_test(test_a_token_stays_out_of_errors),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_the_nodes_errors),
        cmocka_unit_test(test_an_error_does_not_drive_the_terminal),
        cmocka_unit_test(test_an_answer_without_end),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
