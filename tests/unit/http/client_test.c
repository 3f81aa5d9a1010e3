// SPDX-License-Identifier: Apache-2.0
/*
 * The blocking client, against our own server and against servers that answer with fixed bytes.
 */
#include "server_fixture.h"

#include "crypto/x509.h"
#include "http/client.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static struct http_client *connect_to(const struct http_client_config *config)
{
    struct http_client *client = NULL;
    err = ERR_INIT;
    if (http_client_connect(config, &client, &err) < 0)
        fail_msg("%s", err.message);
    return client;
}

static struct http_client *connect_to_server(void)
{
    struct http_client_config config = {.host = "127.0.0.1", .port = http_server_port(server, 0)};
    return connect_to(&config);
}

static void requests_follow_one_another_on_a_connection(void **state)
{
    (void)state;
    start_server(NULL);
    AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    static const char *const targets[] = {"/a?b", "/chunked", "/204", "/eight"};
    static const char *const bodies[] = {"GET /a ?b host=127.0.0.1", "onethree", "", "onethree"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct http_client_request request = {.method = "GET", .target = targets[i]};
        assert_int_equal(http_client_request(client, &request, &response, &err), 0);
        assert_int_equal(response.status, i == 2 ? 204 : 200);
        assert_int_equal(strncmp(buf_text(&response.body), bodies[i], strlen(bodies[i])), 0);
        assert_true(response.keep_alive);
        assert_non_null(http_client_response_header(&response, "date"));
        assert_null(http_client_response_header(&response, "x-none"));
    }
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.requests, 4);
}

static void a_closed_connection_says_so(void **state)
{
    (void)state;
    start_server(NULL);
    AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {.method = "GET", .target = "/close"};
    assert_int_equal(http_client_request(client, &request, &response, &err), 0);
    assert_false(response.keep_alive);
    assert_int_equal(http_client_request(client, &request, &response, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
}

static void a_unix_socket_carries_requests(void **state)
{
    (void)state;
    char folder[] = "/tmp/mse-net-XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO_FREE char *path = path_join(folder, "s.sock", &err);
    struct http_listener listener = {.unix_path = path, .unix_mode = 0600};
    start_server_with(NULL, &listener, &telling_handler);
    struct http_client_config config = {.unix_path = path};
    AUTO_HTTP_CLIENT struct http_client *client = connect_to(&config);
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {
        .method = "POST", .target = "/x", .body = slice_str("hello")};
    assert_int_equal(http_client_request(client, &request, &response, &err), 0);
    assert_string_equal(buf_text(&response.body), "POST /x ? host=localhost from=:0 body=hello");
    http_server_free(server);
    server = NULL;
    assert_false(file_exists(path));
    struct http_client *none = NULL;
    assert_int_equal(http_client_connect(&config, &none, &err), -1);
    assert_int_equal(err.kind, ERR_UNREACHABLE);
    assert_int_equal(rmdir(folder), 0);
}

static void nobody_there_is_unreachable_with_host_and_port(void **state)
{
    (void)state;
    start_server(NULL);
    int port = http_server_port(server, 0);
    http_server_free(server);
    server = NULL;
    struct http_client_config config = {.host = "127.0.0.1", .port = port};
    struct http_client *client = NULL;
    assert_int_equal(http_client_connect(&config, &client, &err), -1);
    assert_int_equal(err.kind, ERR_UNREACHABLE);
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "127.0.0.1 port %d", port);
    assert_non_null(strstr(err.message, expected));
}

static void silence_ends_in_a_timeout(void **state)
{
    (void)state;
    start_server(NULL);
    struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(server, 0), .silence_timeout_ms = 20};
    AUTO_HTTP_CLIENT struct http_client *client = connect_to(&config);
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {.method = "GET", .target = "/hold"};
    assert_int_equal(http_client_request(client, &request, &response, &err), -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    AUTO_HTTP_CLIENT struct http_client *second = connect_to_server();
    request.deadline_ms = 20;
    assert_int_equal(http_client_request(second, &request, &response, &err), -1);
    assert_int_equal(err.kind, ERR_TIMEOUT);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void *interrupt(void *arg)
{
    wait_for(&requests_seen, 1);
    (void)pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void a_flag_interrupts_a_wait(void **state)
{
    (void)state;
    start_server(NULL);
    interrupted = 0;
    struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(server, 0), .interrupted = &interrupted};
    AUTO_HTTP_CLIENT struct http_client *client = connect_to(&config);
    struct sigaction action = {.sa_handler = on_signal};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t self = pthread_self();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt, &self), 0);
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {.method = "GET", .target = "/hold"};
    assert_int_equal(http_client_request(client, &request, &response, &err), -1);
    assert_int_equal(err.kind, ERR_INTERRUPTED);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* --- bodies --- */

struct upload {
    int64_t left;
    int64_t reported;
    int reports;
    int64_t received;
};

static int read_upload(void *context, void *to, size_t size, size_t *ret_len, struct err *failure)
{
    (void)failure;
    struct upload *upload = context;
    size_t len = upload->left < (int64_t)size ? (size_t)upload->left : size;
    memset(to, 'u', len);
    upload->left -= (int64_t)len;
    *ret_len = len;
    return 0;
}

static void on_progress(void *context, int64_t sent)
{
    struct upload *upload = context;
    assert_true(sent > upload->reported);
    upload->reported = sent;
    upload->reports++;
}

static int count_download(void *context, struct slice bytes, struct err *failure)
{
    (void)failure;
    struct upload *upload = context;
    upload->received += (int64_t)bytes.len;
    return 0;
}

static void bodies_stream_both_ways(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1024 * 1024 + 17 };
    start_server(NULL);
    AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
    for (int chunked = 0; chunked < 2; chunked++) {
        struct upload upload = {.left = SIZE};
        AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
        struct http_client_request request = {.method = "PUT",
                                              .target = "/up",
                                              .body_read = read_upload,
                                              .body_length = chunked ? -1 : SIZE,
                                              .body_write = count_download,
                                              .progress = on_progress,
                                              .context = &upload};
        assert_int_equal(http_client_request(client, &request, &response, &err), 0);
        assert_int_equal(response.status, 200);
        assert_int_equal(upload.reported, SIZE);
        assert_true(upload.reports > 1);
        assert_true(upload.received > SIZE); /* the echo, and what is told before it */
        assert_int_equal(response.body.len, 0);
    }
}

static void a_descriptor_is_sent_from_where_it_stands(void **state)
{
    (void)state;
    start_server(NULL);
    AUTO_CLOSE int fd = memfd_create("upload", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct http_client_request request = {
        .method = "POST", .target = "/", .use_fd = true, .body_fd = fd, .body_length = 6};
    assert_int_equal(http_client_request(client, &request, &response, &err), 0);
    assert_non_null(strstr(buf_text(&response.body), "body=456789"));
    /* A file that is shorter than announced fails here, not there. */
    assert_int_equal(http_client_request(client, &request, &response, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
}

static void a_body_over_the_bound_is_too_large(void **state)
{
    (void)state;
    start_server(NULL);
    AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    response.body.max = 7;
    struct http_client_request request = {.method = "GET", .target = "/eight"};
    assert_int_equal(http_client_request(client, &request, &response, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

static void an_answer_before_the_body_is_sent_is_heard(void **state)
{
    (void)state;
    struct http_limits limits = {.body_bytes = 100 * 1000};
    start_server(&limits);
    for (int chunked = 0; chunked < 2; chunked++) {
        AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
        AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
        struct upload upload = {.left = 64 * 1024 * 1024};
        struct http_client_request request = {.method = "PUT",
                                              .target = "/up",
                                              .body_read = read_upload,
                                              .body_length = chunked ? -1 : 64 * 1024 * 1024,
                                              .context = &upload};
        if (http_client_request(client, &request, &response, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(response.status, 413);
        assert_false(response.keep_alive);
        assert_true(upload.left > 0);
    }
}

/* --- TLS --- */

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    struct buf pem;
    struct tls_server *tls;
};

static void make_identity(struct identity *ret)
{
    static const char *const names[] = {"app.example"};
    struct certificate_spec spec = {.common_name = "app.example",
                                    .dns_names = names,
                                    .dns_name_count = 1,
                                    .not_before = clock_unix() - 60,
                                    .not_after = clock_unix() + 3600};
    assert_int_equal(p256_key_new(&ret->key, &err), 0);
    assert_int_equal(certificate_new(ret->key, &spec, NULL, NULL, &ret->certificate, &err), 0);
    ret->pem = BUF_INIT(65536);
    assert_int_equal(certificate_to_pem(ret->certificate, &ret->pem, &err), 0);
    struct tls_server_config config = {.key = ret->key, .certificate = ret->certificate};
    assert_int_equal(tls_server_new(&config, &ret->tls, &err), 0);
}

static void free_identity(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    buf_done(&identity->pem);
    tls_server_free(identity->tls);
}

static void on_binding_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    uint8_t binding[TLS_CHANNEL_BINDING_SIZE];
    struct err failure = ERR_INIT;
    assert_int_equal(http_channel_binding(exchange, binding, &failure), 0);
    assert_true(http_request(exchange)->tls);
    assert_int_equal(
        http_respond(exchange, 200, NULL, 0, slice_of(binding, sizeof(binding)), &failure), 0);
    http_release(exchange);
    (void)atomic_fetch_add(&requests_seen, 1);
}

static const struct http_handler binding_handler = {.request = on_binding_request};

static void the_channel_binding_is_the_same_at_both_ends(void **state)
{
    (void)state;
    struct identity identity = {0};
    make_identity(&identity);
    struct http_listener listener = {.tls = identity.tls};
    start_server_with(NULL, &listener, &binding_handler);
    struct tls_client_config tls = {.ca_pem = buf_slice(&identity.pem)};
    AUTO_TLS_CLIENT struct tls_client *trust = NULL;
    assert_int_equal(tls_client_new(&tls, &trust, &err), 0);
    struct http_client_config config = {.host = "127.0.0.1",
                                        .port = http_server_port(server, 0),
                                        .tls = trust,
                                        .server_name = "app.example"};
    uint8_t last[TLS_CHANNEL_BINDING_SIZE] = {0};
    for (int i = 0; i < 3; i++) {
        AUTO_HTTP_CLIENT struct http_client *client = connect_to(&config);
        uint8_t here[TLS_CHANNEL_BINDING_SIZE];
        assert_int_equal(http_client_channel_binding(client, here, &err), 0);
        assert_memory_not_equal(here, last, sizeof(here));
        memcpy(last, here, sizeof(last));
        for (int j = 0; j < 2; j++) {
            AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
            struct http_client_request request = {.method = "GET", .target = "/"};
            assert_int_equal(http_client_request(client, &request, &response, &err), 0);
            assert_int_equal(response.body.len, sizeof(here));
            assert_memory_equal(response.body.data, here, sizeof(here));
        }
    }
    config.server_name = "other.example";
    struct http_client *client = NULL;
    assert_int_equal(http_client_connect(&config, &client, &err), -1);
    assert_int_equal(err.kind, ERR_REJECTED);
    http_server_free(server);
    server = NULL;
    free_identity(&identity);
}

static int refuse_certificate(void *context, struct slice der, struct err *failure)
{
    assert_true(der.len > 0);
    *(int *)context += 1;
    return FAIL(failure, ERR_REJECTED, "fingerprint: expected aa, found bb");
}

static void a_refused_certificate_ends_the_connection_with_its_reason(void **state)
{
    (void)state;
    struct identity identity = {0};
    make_identity(&identity);
    struct http_listener listener = {.tls = identity.tls};
    start_server_with(NULL, &listener, &binding_handler);
    int calls = 0;
    struct tls_client_config tls = {.verify = refuse_certificate, .verify_context = &calls};
    AUTO_TLS_CLIENT struct tls_client *judge = NULL;
    assert_int_equal(tls_client_new(&tls, &judge, &err), 0);
    struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(server, 0), .tls = judge};
    struct http_client *client = NULL;
    assert_int_equal(http_client_connect(&config, &client, &err), -1);
    assert_int_equal(err.kind, ERR_REJECTED);
    assert_non_null(strstr(err.message, "fingerprint: expected aa, found bb"));
    assert_int_equal(calls, 1);
    http_server_free(server);
    server = NULL;
    assert_int_equal(atomic_load(&requests_seen), 0);
    free_identity(&identity);
}

static void a_plain_server_is_not_spoken_to_in_tls(void **state)
{
    (void)state;
    start_server(NULL);
    struct tls_client_config tls = {0};
    AUTO_TLS_CLIENT struct tls_client *trust = NULL;
    assert_int_equal(tls_client_new(&tls, &trust, &err), 0);
    struct http_client_config config = {.host = "127.0.0.1",
                                        .port = http_server_port(server, 0),
                                        .tls = trust,
                                        .connect_timeout_ms = 2000};
    struct http_client *client = NULL;
    assert_int_equal(http_client_connect(&config, &client, &err), -1);
    assert_true(err.kind == ERR_UNREACHABLE || err.kind == ERR_TIMEOUT);
}

/* --- servers that answer with fixed bytes --- */

struct canned {
    const char *bytes;
    int status; /* 0: an error of this kind */
    enum err_kind kind;
    const char *body;
    bool keep_alive;
};

static const struct canned answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, ERR_NONE, "hi", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", 200, ERR_NONE, "hi",
     false},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, ERR_NONE, "until the end", false},
    {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, ERR_NONE, "until the end", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, ERR_NONE,
     "hi", true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
     "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
     404, ERR_NONE, "no", true},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, ERR_NONE, "", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n", 200, ERR_NONE, "hi",
     false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", 0, ERR_IO, NULL, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 0, ERR_IO, NULL, false},
    {"HTTP/1.1 200 OK\r\nContent-Le", 0, ERR_IO, NULL, false},
    {"", 0, ERR_IO, NULL, false},
    {"SSH-2.0-OpenSSH_9.2\r\n", 0, ERR_INVALID, NULL, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", 0, ERR_INVALID, NULL,
     false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
     ERR_INVALID, NULL, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, ERR_INVALID, NULL, false},
    {"HTTP/1.1 2000 OK\r\n\r\n", 0, ERR_INVALID, NULL, false},
};

static void *answer_all(void *arg)
{
    int listener = *(int *)arg;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        int fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        AUTO_BUF struct buf request = BUF_INIT(65536);
        receive_until(fd, &request, "\r\n\r\n");
        send_text(fd, answers[i].bytes);
        fd_close(fd);
    }
    return NULL;
}

static void each_answer_is_understood_or_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/mse-net-XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO_FREE char *path = path_join(folder, "s.sock", &err);
    AUTO_CLOSE int listener = -1;
    assert_int_equal(unix_listen(path, 0600, &listener, &err), 0);
    assert_int_equal(fd_set_nonblocking(listener, false, &err), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_all, &listener), 0);
    struct http_client_config config = {.unix_path = path};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO_HTTP_CLIENT struct http_client *client = connect_to(&config);
        AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
        struct http_client_request request = {.method = "GET", .target = "/"};
        int result = http_client_request(client, &request, &response, &err);
        if (result != (answers[i].status == 0 ? -1 : 0))
            fail_msg("answer %zu: %s", i, result < 0 ? err.message : "taken");
        if (result < 0) {
            if (err.kind != answers[i].kind)
                fail_msg("answer %zu: %s", i, err.message);
            continue;
        }
        assert_int_equal(response.status, answers[i].status);
        assert_string_equal(buf_text(&response.body), answers[i].body);
        assert_int_equal(response.keep_alive, answers[i].keep_alive);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void headers_cannot_be_injected(void **state)
{
    (void)state;
    start_server(NULL);
    static const char *const targets[] = {"/a b", "/a\r\nX: y", "a"};
    struct http_header header = {slice_str("X"), slice_str("a\r\nY: b")};
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    for (size_t i = 0; i <= ARRAY_LEN(targets); i++) {
        AUTO_HTTP_CLIENT struct http_client *client = connect_to_server();
        struct http_client_request request = {.method = "GET", .target = "/"};
        if (i < ARRAY_LEN(targets)) {
            request.target = targets[i];
        } else {
            request.headers = &header;
            request.header_count = 1;
        }
        assert_int_equal(http_client_request(client, &request, &response, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(requests_follow_one_another_on_a_connection, stop_server),
        cmocka_unit_test_teardown(a_closed_connection_says_so, stop_server),
        cmocka_unit_test_teardown(a_unix_socket_carries_requests, stop_server),
        cmocka_unit_test_teardown(nobody_there_is_unreachable_with_host_and_port, stop_server),
        cmocka_unit_test_teardown(silence_ends_in_a_timeout, stop_server),
        cmocka_unit_test_teardown(a_flag_interrupts_a_wait, stop_server),
        cmocka_unit_test_teardown(bodies_stream_both_ways, stop_server),
        cmocka_unit_test_teardown(a_descriptor_is_sent_from_where_it_stands, stop_server),
        cmocka_unit_test_teardown(a_body_over_the_bound_is_too_large, stop_server),
        cmocka_unit_test_teardown(an_answer_before_the_body_is_sent_is_heard, stop_server),
        cmocka_unit_test_teardown(the_channel_binding_is_the_same_at_both_ends, stop_server),
        cmocka_unit_test_teardown(a_refused_certificate_ends_the_connection_with_its_reason,
                                  stop_server),
        cmocka_unit_test_teardown(a_plain_server_is_not_spoken_to_in_tls, stop_server),
        cmocka_unit_test(each_answer_is_understood_or_refused),
        cmocka_unit_test_teardown(headers_cannot_be_injected, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
