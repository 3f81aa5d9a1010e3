// SPDX-License-Identifier: Apache-2.0
/*
 * Files as response bodies: what the client gets is the file, and no descriptor stays behind,
 * whatever becomes of the client or of the file. Without TLS the server sends them by itself and
 * the handler's thread is free at once; in TLS and over HTTP/2 the thread reads them.
 */
#include "server_fixture.h"

#include "http/connection.h"

#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>

enum {
    SIZE = 5000001,   /* of the file */
    LARGE = 50000000, /* more than the kernels take; it has no bytes on the disk */
    AT_ONCE = 256,    /* files on their way, see exchange_file.c */
};

static char path[64];
static atomic_int answered; /* the handler's thread is done with the file */
static atomic_int refused;  /* with an error */
static atomic_int reading;  /* threads that are not done */

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 31 + at / 4096 * 7 + at / 65536);
}

static void write_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    AUTO_FREE uint8_t *bytes = mem_alloc(SIZE, &err);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i);
    assert_int_equal(write(fd, bytes, SIZE), SIZE);
    (void)close(fd);
}

/* --- the handler: /?LENGTH.OFFSET.PROMISED --- */

static void respond(struct http_exchange *exchange)
{
    struct err failure = ERR_INIT;
    long numbers[3] = {0};
    char query[64] = "";
    struct slice given = http_request(exchange)->query;
    memcpy(query, given.data, given.len < sizeof(query) ? given.len : sizeof(query) - 1);
    (void)sscanf(query, "%ld.%ld.%ld", &numbers[0], &numbers[1], &numbers[2]);
    bool other = slice_is_str(http_request(exchange)->path, "/auxv");
    int fd = open(other ? "/proc/self/auxv" : path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    int64_t promised = numbers[2] != 0 ? numbers[2] : numbers[0];
    int result = http_respond_start(exchange, 200, NULL, NULL, 0, promised, &failure);
    if (result == 0 && other) /* too small to be sent that way by itself */
        result = http_respond_file(exchange, http_file_new(exchange, fd, 0, numbers[0])) ? 0 : -1;
    else if (result == 0)
        result = http_respond_file_wait(exchange, fd, numbers[1], numbers[0], &failure);
    (void)close(fd);
    if (result == 0)
        result = http_respond_end(exchange, &failure);
    (void)atomic_fetch_add(&refused, result < 0);
    (void)atomic_fetch_add(&answered, 1);
    http_release(exchange);
}

static void *respond_main(void *exchange)
{
    respond(exchange);
    (void)atomic_fetch_sub(&reading, 1);
    return NULL;
}

static void on_file_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    pthread_t thread;
    (void)atomic_fetch_add(&reading, 1);
    assert_int_equal(pthread_create(&thread, NULL, respond_main, exchange), 0);
    (void)pthread_detach(thread);
}

static const struct http_handler file_handler = {.request = on_file_request};

enum transport { PLAIN, TLS, HTTP2, TRANSPORTS };

static struct tls_server *tls;
static int descriptors;

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static void start_files(enum transport transport, const struct http_limits *limits)
{
    write_file(path);
    descriptors = count_descriptors();
    tls = make_tls(transport == HTTP2);
    struct http_listener listener = {.tls = transport == PLAIN ? NULL : tls};
    atomic_store(&answered, 0);
    atomic_store(&refused, 0);
    start_server_with(limits, &listener, &file_handler);
}

static void stop_files(void)
{
    (void)http_server_stop(server, 0);
    while (atomic_load(&reading) > 0)
        clock_sleep_ms(1);
    assert_int_equal(atomic_load(&server->files), 0);
    http_server_free(server);
    server = NULL;
    tls_server_free(STEAL(tls));
    assert_int_equal(count_descriptors(), descriptors);
}

static void wait_for_files(unsigned expected)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (atomic_load(&server->files) != expected) {
        assert_true(clock_monotonic_ms() < until);
        clock_sleep_ms(1);
    }
}

static void wait_for_connections(unsigned expected)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (stats_now().open != expected) {
        assert_true(clock_monotonic_ms() < until);
        clock_sleep_ms(1);
    }
}

/* --- who asks --- */

struct download {
    size_t offset;
    size_t got;
    bool wrong;
    void (*meanwhile)(void); /* when the first bytes are there */
};

static size_t take_part(char *bytes, size_t size, size_t count, void *to)
{
    struct download *download = to;
    size_t len = size * count;
    for (size_t i = 0; i < len; i++)
        download->wrong |= (uint8_t)bytes[i] != byte_at(download->offset + download->got + i);
    if (download->got == 0 && download->meanwhile != NULL)
        download->meanwhile();
    download->got += len;
    return len;
}

/* A small buffer: the server finds it full again and again. */
static int shrink(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context;
    (void)purpose;
    int size = 32768;
    return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0 ? CURL_SOCKOPT_OK
                                                                           : CURL_SOCKOPT_ERROR;
}

static CURL *new_client(enum transport transport)
{
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    (void)curl_easy_setopt(
        curl, CURLOPT_HTTP_VERSION,
        (long)(transport == HTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 6L * PATIENCE_MS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_part);
    (void)curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, shrink);
    return curl;
}

/* Did it arrive as announced? */
static bool fetch(CURL *curl, bool plain, const char *target, struct download *download)
{
    char url[100];
    long status = 0;
    (void)snprintf(url, sizeof(url), "http%s://127.0.0.1:%d%s", plain ? "" : "s",
                   http_server_port(server, 0), target);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, download);
    if (curl_easy_perform(curl) == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200;
}

static int ask(const char *query)
{
    char request[100];
    int fd = connect_client();
    (void)snprintf(request, sizeof(request), "GET /?%s HTTP/1.1\r\n" HOST "\r\n", query);
    send_text(fd, request);
    return fd;
}

/* --- the tests --- */

static void files_arrive_as_they_are(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15000, 32767, 32768, 65537, 524288, 2 * 524288, 4500000};
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_files(transport, NULL);
        CURL *curl = new_client(transport);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct download download = {.offset = i * 1001};
            char target[60];
            (void)snprintf(target, sizeof(target), "/?%zu.%zu", sizes[i], download.offset);
            assert_true(fetch(curl, transport == PLAIN, target, &download));
            assert_int_equal(download.got, sizes[i]);
            assert_false(download.wrong);
        }
        assert_int_equal(stats_now().connections, 1);
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        struct download none = {0};
        assert_true(fetch(curl, transport == PLAIN, "/?1000000", &none));
        assert_int_equal(none.got, 0);
        curl_easy_cleanup(curl);
        assert_int_equal(atomic_load(&refused), 0);
        stop_files();
    }
}

static void a_file_system_without_sendfile_is_read(void **state)
{
    (void)state;
    struct buf answer = BUF_INIT(100000);
    char expected[300];
    start_files(PLAIN, NULL);
    int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, expected, sizeof(expected));
    assert_true(len > 0);
    (void)close(fd);
    fd = connect_client();
    char request[120];
    (void)snprintf(request, sizeof(request),
                   "GET /auxv?%zd HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", len);
    send_text(fd, request);
    receive_all(fd, &answer);
    assert_true(answer.len > (size_t)len);
    assert_memory_equal(answer.data + answer.len - (size_t)len, expected, (size_t)len);
    (void)close(fd);
    buf_done(&answer);
    stop_files();
}

static void make_large(void)
{
    assert_int_equal(truncate(path, LARGE), 0);
}

/* The handler's thread is free while the client has read nothing. */
static void nobody_waits_for_the_client(void **state)
{
    (void)state;
    start_files(PLAIN, NULL);
    make_large();
    int clients[8];
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = ask("50000000");
    wait_for(&answered, ARRAY_LEN(clients));
    assert_int_equal(atomic_load(&refused), 0);
    assert_int_equal(atomic_load(&server->files), ARRAY_LEN(clients));
    for (size_t i = 0; i < 4; i++)
        (void)close(clients[i]);
    wait_for_files(4);
    (void)http_server_stop(server, 0);
    for (size_t i = 4; i < ARRAY_LEN(clients); i++)
        (void)close(clients[i]);
    stop_files();
}

/* Beyond so many the threads read, and wait, as they do in TLS. */
static void files_at_once_are_bounded(void **state)
{
    (void)state;
    enum { CLIENTS = AT_ONCE + 8 };
    static int clients[CLIENTS];
    start_files(PLAIN, NULL);
    make_large();
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = ask("50000000");
    wait_for(&answered, AT_ONCE);
    while (atomic_load(&server->io[0].waiting) < CLIENTS - AT_ONCE)
        clock_sleep_ms(1);
    assert_int_equal(atomic_load(&server->files), AT_ONCE);
    assert_int_equal(atomic_load(&answered), AT_ONCE);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(clients[i]);
    wait_for(&answered, CLIENTS);
    stop_files();
}

static void cut(void)
{
    assert_int_equal(truncate(path, 1000), 0);
}

/* What it had promised cannot come any more: the client must not take it for the whole. */
static void a_file_that_is_cut_ends_the_connection(void **state)
{
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_files(transport, NULL);
        make_large();
        CURL *curl = new_client(transport);
        struct download download = {.meanwhile = cut};
        assert_false(fetch(curl, transport == PLAIN, "/?50000000", &download));
        assert_true(download.got > 1000 && download.got < LARGE);
        curl_easy_cleanup(curl);
        wait_for_connections(0);
        stop_files();
    }
}

static void a_file_shorter_than_said_ends_the_connection(void **state)
{
    (void)state;
    static const char *const targets[] = {"/?6000000", "/?1000000.0.1000001", "/?40000.4999999",
                                          "/?10.5000000"};
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_files(transport, NULL);
        for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
            CURL *curl = new_client(transport);
            struct download download = {
                .offset = strtoul(
                    strchr(targets[i], '.') == NULL ? "0" : strchr(targets[i], '.') + 1, NULL, 10)};
            assert_false(fetch(curl, transport == PLAIN, targets[i], &download));
            assert_false(download.wrong);
            curl_easy_cleanup(curl);
        }
        stop_files();
    }
}

static void replace(void)
{
    char other[80];
    (void)snprintf(other, sizeof(other), "%s.new", path);
    int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "another", 7), 7);
    (void)close(fd);
    assert_int_equal(rename(other, path), 0);
}

static void a_file_that_is_replaced_is_sent_to_its_end(void **state)
{
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_files(transport, NULL);
        CURL *curl = new_client(transport);
        struct download download = {.meanwhile = replace};
        assert_true(fetch(curl, transport == PLAIN, "/?5000001", &download));
        assert_int_equal(download.got, SIZE);
        assert_false(download.wrong);
        curl_easy_cleanup(curl);
        stop_files();
    }
}

static void a_client_that_does_not_read_is_late(void **state)
{
    (void)state;
    struct http_limits limits = {.write_timeout_ms = 30};
    start_files(PLAIN, &limits);
    make_large();
    int fd = ask("50000000");
    wait_for_files(1);
    wait_for_files(0);
    assert_int_equal(stats_now().timeouts, 1);
    (void)close(fd);
    stop_files();
}

/* Pipelined: each answer is whole, and they come in order. */
static void files_of_one_connection_come_in_order(void **state)
{
    (void)state;
    start_files(PLAIN, NULL);
    struct buf answer = BUF_INIT(8 * 1024 * 1024);
    int fd = connect_client();
    send_text(fd, "GET /?600000 HTTP/1.1\r\n" HOST "\r\n"
                  "GET /?100.7 HTTP/1.1\r\n" HOST "\r\n"
                  "GET /?700000.3 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    receive_all(fd, &answer);
    (void)close(fd);
    static const size_t parts[][2] = {{600000, 0}, {100, 7}, {700000, 3}};
    const uint8_t *at = answer.data;
    const uint8_t *end = answer.data + answer.len;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        assert_non_null(at);
        at += 4;
        assert_true((size_t)(end - at) >= parts[i][0]);
        for (size_t k = 0; k < parts[i][0]; k++)
            assert_int_equal(at[k], byte_at(parts[i][1] + k));
        at += parts[i][0];
    }
    assert_ptr_equal(at, end);
    buf_done(&answer);
    stop_files();
}

int main(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    (void)snprintf(path, sizeof(path), "/tmp/mse-file-test-%d", getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_arrive_as_they_are),
        cmocka_unit_test(a_file_system_without_sendfile_is_read),
        cmocka_unit_test(nobody_waits_for_the_client),
        cmocka_unit_test(files_at_once_are_bounded),
        cmocka_unit_test(a_file_that_is_cut_ends_the_connection),
        cmocka_unit_test(a_file_shorter_than_said_ends_the_connection),
        cmocka_unit_test(a_file_that_is_replaced_is_sent_to_its_end),
        cmocka_unit_test(a_client_that_does_not_read_is_late),
        cmocka_unit_test(files_of_one_connection_come_in_order),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    (void)unlink(path);
    return failed;
}
