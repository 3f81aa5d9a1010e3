// SPDX-License-Identifier: Apache-2.0
/*
 * The server around HTTP: timeouts, limits, backpressure, clients that vanish, PROXY headers, TLS,
 * answers from other threads, stopping.
 */
#include "server_fixture.h"

#include "http/client.h"
#include "net/loop.h"
#include "net/proxy.h"

#include <errno.h>
#include <pthread.h>

/* --- time --- */

static const struct {
    const char *what;
    const char *input;
    const char *statuses; /* "" closed without a word */
} slow[] = {
    {"head", "GET / HTTP/1.1\r\nHost", "408"},
    {"request line", "G", "408"},
    {"body", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel", "408"},
    {"chunked body", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhe", "408"},
    {"idle from the beginning", "", ""},
    {"idle behind a request", "GET / HTTP/1.1\r\n" HOST "\r\n", "200"},
    {"second head", "GET / HTTP/1.1\r\n" HOST "\r\nGET ", "200 408"},
};

static void slow_clients_are_let_go(void **state)
{
    (void)state;
    struct http_limits limits = {
        .header_timeout_ms = 30, .body_timeout_ms = 30, .idle_timeout_ms = 30};
    start_server(&limits);
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        int fd = connect_client();
        send_text(fd, slow[i].input);
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_all(fd, &answer); /* the end comes by itself */
        if (strcmp(statuses(&answer), slow[i].statuses) != 0)
            fail_msg("%s: %s", slow[i].what, buf_text(&answer));
        fd_close(fd);
    }
    assert_int_equal(stats_now().timeouts, ARRAY_LEN(slow));
}

/* Writes until the queue is full, then leaves the rest to the timeout. */
static void on_flood(void *context, struct http_exchange *exchange)
{
    (void)context;
    static const char block[64 * 1024];
    struct err failure = ERR_INIT;
    struct seen *seen = mem_alloc(sizeof(*seen), &failure);
    http_set_data(exchange, seen);
    assert_int_equal(http_respond_start(exchange, 200, NULL, NULL, 0, -1, &failure), 0);
    for (int i = 0; i < 256; i++) /* 16 MiB: more than any socket buffer here */
        assert_int_equal(
            http_respond_write(exchange, slice_of(block, sizeof(block)), NULL, &failure), 0);
    (void)atomic_fetch_add(&requests_seen, 1);
}

static const struct http_handler flooding_handler = {.request = on_flood, .aborted = on_aborted};

static void a_client_that_does_not_read_is_let_go(void **state)
{
    (void)state;
    struct http_limits limits = {.write_timeout_ms = 30};
    struct http_listener listener = {0};
    start_server_with(&limits, &listener, &flooding_handler);
    int fd = connect_client();
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&aborts_seen, 1);
    fd_close(fd);
    assert_int_equal(stats_now().timeouts, 1);
    assert_int_equal(stats_now().aborted, 1);
}

static void a_client_that_shut_down_its_side_gets_its_answer_or_the_end(void **state)
{
    (void)state;
    struct http_limits limits = {.half_closed_ms = 30};
    start_server(&limits);
    int fd = connect_client();
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\nGET /hold HTTP/1.1\r\n" HOST "\r\n");
    (void)shutdown(fd, SHUT_WR);
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_all(fd, &answer);
    assert_string_equal(statuses(&answer), "200");
    wait_for(&aborts_seen, 1);
    fd_close(fd);
}

/* --- limits --- */

static void a_body_that_nobody_reads_stops_the_reading(void **state)
{
    (void)state;
    struct http_limits limits = {.half_closed_ms = 30};
    start_server(&limits);
    int fd = connect_client();
    assert_int_equal(fd_set_nonblocking(fd, true, &err), 0);
    send_text(fd, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 1000000000\r\n\r\n");
    static const char block[64 * 1024];
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    while (poll(&poll_fd, 1, 100) == 1 && send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
        continue;
    uint64_t taken = stats_now().bytes_in;
    assert_true(taken >= 256 * 1024);
    assert_true(taken <= 256 * 1024 + 2 * 64 * 1024);
    struct linger reset = {.l_onoff = 1}; /* a FIN would queue behind what nobody takes */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    fd_close(fd);
    wait_for(&aborts_seen, 1);
}

/* Each body has a limit, and so have all together: a handler that reads none of them for a while is
 * not filled up by one client with many connections, and who sent little stays. */
static void who_sends_most_that_nobody_reads_gives_way(void **state)
{
    (void)state;
    enum { GREEDY = 12, EACH = 200 * 1024, HELD = 1024 * 1024 };
    struct http_limits limits = {.held_bytes = HELD};
    static const char block[EACH];
    int greedy[GREEDY];
    start_server(&limits);
    int modest = connect_client();
    send_text(modest, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\nhello");
    wait_for(&requests_seen, 1);
    for (int i = 0; i < GREEDY; i++) {
        greedy[i] = connect_client();
        send_text(greedy[i], "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 1000000000\r\n\r\n");
        (void)!send(greedy[i], block, sizeof(block), MSG_NOSIGNAL);
        wait_for(&requests_seen, i + 2);
    }
    wait_for(&aborts_seen, GREEDY - HELD / EACH);
    assert_int_equal(stats_now().evicted, GREEDY - HELD / EACH);
    char byte;
    assert_int_equal(recv(modest, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    for (int i = 0; i < GREEDY; i++)
        fd_close(greedy[i]);
    fd_close(modest);
    wait_for(&aborts_seen, GREEDY + 1);
}

/* --- answers from another thread --- */

enum { DOWNLOAD = 24 * 1024 * 1024, QUEUE = 64, WORKER_SPOOL = 512 * 1024 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct http_exchange *items[QUEUE];
    size_t count;
    bool end;
    pthread_t thread;
    size_t highest_queue;
} worker = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static void on_queued_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    (void)pthread_mutex_lock(&worker.lock);
    assert_true(worker.count < QUEUE);
    worker.items[worker.count++] = exchange;
    (void)atomic_fetch_add(&requests_seen, 1);
    (void)pthread_cond_signal(&worker.filled);
    (void)pthread_mutex_unlock(&worker.lock);
}

static void send_download(struct http_exchange *exchange)
{
    struct err failure = ERR_INIT;
    uint8_t block[100 * 1000];
    size_t left = DOWNLOAD;
    uint8_t next = 0;
    if (http_respond_start(exchange, 200, NULL, NULL, 0, DOWNLOAD, &failure) < 0)
        return;
    while (left > 0) {
        size_t len = left < sizeof(block) ? left : sizeof(block);
        for (size_t i = 0; i < len; i++)
            block[i] = next++;
        size_t queued;
        if (http_respond_write(exchange, slice_of(block, 1), &queued, &failure) < 0 ||
            http_respond_write_wait(exchange, slice_of(block + 1, len - 1), &failure) < 0)
            break;
        if (queued > worker.highest_queue)
            worker.highest_queue = queued;
        left -= len;
    }
    if (left == 0)
        assert_int_equal(http_respond_end(exchange, &failure), 0);
    else
        assert_int_equal(failure.kind, ERR_INTERRUPTED);
}

/* Counts what it reads, and answers with the number. */
static void receive_upload(struct http_exchange *exchange)
{
    struct err failure = ERR_INIT;
    uint8_t block[50 * 1000];
    size_t total = 0;
    size_t len = 1;
    uint8_t next = 0;
    while (len > 0) {
        if (http_body_read_wait(exchange, block, sizeof(block), 1, &len, &failure) < 0)
            return;
        for (size_t i = 0; i < len; i++)
            assert_int_equal(block[i], next++);
        total += len;
    }
    char text[32];
    (void)snprintf(text, sizeof(text), "%zu", total);
    (void)!http_respond(exchange, 200, NULL, 0, slice_str(text), &failure);
}

static void *work(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&worker.lock);
    for (;;) {
        while (worker.count == 0 && !worker.end)
            (void)pthread_cond_wait(&worker.filled, &worker.lock);
        if (worker.count == 0)
            break;
        struct http_exchange *exchange = worker.items[--worker.count];
        (void)pthread_mutex_unlock(&worker.lock);
        if (http_request(exchange)->has_body)
            receive_upload(exchange);
        else
            send_download(exchange);
        http_release(exchange);
        (void)pthread_mutex_lock(&worker.lock);
    }
    (void)pthread_mutex_unlock(&worker.lock);
    return NULL;
}

static const struct http_handler queueing_handler = {.request = on_queued_request};

static void start_worker(void)
{
    struct http_listener listener = {0};
    struct http_limits limits = {.io_threads = 2, .spool_bytes = WORKER_SPOOL};
    worker.end = false;
    worker.count = 0;
    worker.highest_queue = 0;
    assert_int_equal(pthread_create(&worker.thread, NULL, work, NULL), 0);
    start_server_with(&limits, &listener, &queueing_handler);
}

static void stop_worker(void)
{
    (void)pthread_mutex_lock(&worker.lock);
    worker.end = true;
    (void)pthread_cond_signal(&worker.filled);
    (void)pthread_mutex_unlock(&worker.lock);
    assert_int_equal(pthread_join(worker.thread, NULL), 0);
}

struct transfer {
    size_t done;
    uint8_t next;
};

static int check_download(void *context, struct slice bytes, struct err *failure)
{
    (void)failure;
    struct transfer *transfer = context;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != transfer->next++)
            return FAIL(failure, ERR_INVALID, "byte %zu is wrong", transfer->done + i);
    }
    transfer->done += bytes.len;
    return 0;
}

static int make_upload(void *context, void *to, size_t size, size_t *ret_len, struct err *failure)
{
    (void)failure;
    struct transfer *transfer = context;
    size_t len = DOWNLOAD - transfer->done < size ? DOWNLOAD - transfer->done : size;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = transfer->next++;
    transfer->done += len;
    *ret_len = len;
    return 0;
}

static void big_bodies_pass_whole_through_bounded_queues(void **state)
{
    (void)state;
    start_worker();
    struct http_client_config config = {.host = "127.0.0.1", .port = http_server_port(server, 0)};
    struct http_client *client = NULL;
    assert_int_equal(http_client_connect(&config, &client, &err), 0);
    AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
    struct transfer down = {0};
    struct http_client_request get = {
        .method = "GET", .target = "/", .body_write = check_download, .context = &down};
    if (http_client_request(client, &get, &response, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(down.done, DOWNLOAD);
    assert_true(worker.highest_queue <= HTTP_WRITE_HIGH + WORKER_SPOOL + 100 * 1000 + 4096);
    for (int chunked = 0; chunked < 2; chunked++) {
        struct transfer up = {0};
        struct http_client_request put = {.method = "PUT",
                                          .target = "/",
                                          .body_read = make_upload,
                                          .body_length = chunked ? -1 : DOWNLOAD,
                                          .context = &up};
        if (http_client_request(client, &put, &response, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(strtoul(buf_text(&response.body), NULL, 10), DOWNLOAD);
    }
    http_client_free(client);
    stop_worker();
}

static void a_writer_is_woken_when_its_client_goes(void **state)
{
    (void)state;
    start_worker();
    int fd = connect_client();
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    char piece[1000];
    assert_true(receive_some(fd, piece, sizeof(piece)) > 0);
    fd_close(fd);
    fd = connect_client();
    send_text(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    wait_for(&requests_seen, 2);
    fd_close(fd);
    stop_worker(); /* ends only when both were let go */
}

/* --- clients that vanish --- */

static void clients_killed_in_the_middle_hold_up_nobody(void **state)
{
    (void)state;
    static const char *const halves[] = {
        "GET / HT",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhel",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
        "GET /hold HTTP/1.1\r\n" HOST "\r\n",
    };
    enum { CLIENTS = 64, ROUNDS = 4 };
    struct http_limits limits = {.half_closed_ms = 20};
    start_server(&limits);
    for (int round = 0; round < ROUNDS; round++) {
        int fds[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            fds[i] = connect_client();
            send_text(fds[i], halves[i % ARRAY_LEN(halves)]);
        }
        for (int i = 0; i < CLIENTS; i++) {
            struct linger reset = {.l_onoff = i % 3 != 0}; /* some by FIN, some by RST */
            (void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            fd_close(fds[i]);
        }
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        int probe = connect_client();
        send_text(probe, "GET /probe HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        receive_all(probe, &answer);
        assert_string_equal(statuses(&answer), "200");
        fd_close(probe);
    }
    for (int i = 0; i < PATIENCE_MS && stats_now().open > 0; i++)
        clock_sleep_ms(1);
    assert_int_equal(stats_now().open, 0);
    assert_int_equal(stats_now().connections, ROUNDS * (CLIENTS + 1));
}

/* --- PROXY headers and TLS --- */

static void the_proxy_header_tells_the_client(void **state)
{
    (void)state;
    struct http_listener listener = {.proxy = true};
    start_server_with(NULL, &listener, &telling_handler);
    static const char header[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\0\0\x01\x9c\xbb\x01\xbb";
    static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    for (int pieces = 0; pieces < 2; pieces++) {
        int fd = connect_client();
        for (size_t i = 0; pieces == 1 && i < sizeof(header) - 1; i++)
            send_bytes(fd, header + i, 1);
        if (pieces == 0)
            send_bytes(fd, header, sizeof(header) - 1);
        send_text(fd, request);
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_all(fd, &answer);
        assert_non_null(strstr(buf_text(&answer), "from=192.0.2.7:40123 "));
        fd_close(fd);
    }
    int fd = connect_client();
    send_bytes(fd, local, sizeof(local) - 1);
    send_text(fd, request);
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_all(fd, &answer);
    assert_non_null(strstr(buf_text(&answer), "from=127.0.0.1:"));
    fd_close(fd);
    fd = connect_client();
    send_text(fd, request); /* none at all: not a word */
    AUTO_BUF struct buf nothing = BUF_INIT(65536);
    receive_all(fd, &nothing);
    assert_int_equal(nothing.len, 0);
    fd_close(fd);
}

static void big_bodies_pass_through_tls(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *tls = make_tls(false);
    struct http_listener listener = {.tls = tls};
    start_server_with(NULL, &listener, &telling_handler);
    struct tls_client_config trust = {.verify = trust_all};
    AUTO_TLS_CLIENT struct tls_client *judge = NULL;
    assert_int_equal(tls_client_new(&trust, &judge, &err), 0);
    struct http_client_config config = {
        .host = "127.0.0.1", .port = http_server_port(server, 0), .tls = judge};
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    assert_int_equal(http_client_connect(&config, &client, &err), 0);
    for (size_t size = 1; size < 4 * 1000 * 1000; size = size * 3 + 1) {
        AUTO_FREE uint8_t *bytes = mem_alloc(size, &err);
        memset(bytes, 'b', size);
        AUTO_HTTP_RESPONSE struct http_client_response response = HTTP_CLIENT_RESPONSE_INIT;
        response.body.max = 8 * 1024 * 1024;
        struct http_client_request request = {
            .method = "POST", .target = "/", .body = slice_of(bytes, size)};
        if (http_client_request(client, &request, &response, &err) < 0)
            fail_msg("%s", err.message);
        assert_true(response.body.len > size);
        assert_memory_equal(response.body.data + response.body.len - size, bytes, size);
    }
    assert_int_equal(stats_now().handshakes, 1);
    http_server_free(server);
    server = NULL;
}

static void broken_handshakes_are_counted_and_closed(void **state)
{
    (void)state;
    AUTO_TLS_SERVER struct tls_server *tls = make_tls(false);
    struct http_listener listener = {.tls = tls};
    struct http_limits limits = {.header_timeout_ms = 30};
    start_server_with(&limits, &listener, &telling_handler);
    static const char *const openings[] = {"GET / HTTP/1.1\r\n" HOST "\r\n", "\x16\x03\x01"};
    for (size_t i = 0; i < ARRAY_LEN(openings); i++) {
        int fd = connect_client();
        send_text(fd, openings[i]);
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_all(fd, &answer); /* an alert at most */
        assert_null(strstr(buf_text(&answer), "HTTP"));
        fd_close(fd);
    }
    assert_int_equal(stats_now().handshake_failures, 1);
    assert_int_equal(stats_now().timeouts, 1);
    assert_int_equal(stats_now().requests, 0);
    http_server_free(server);
    server = NULL;
}

/* --- upgrades --- */

static void echo_raw(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct err failure = ERR_INIT;
    uint8_t piece[100];
    size_t len = 1;
    bool end = false;
    while (len > 0 && !end) {
        if (http_body_read(exchange, piece, sizeof(piece), &len, &end, &failure) < 0)
            return;
        if (len > 0)
            assert_int_equal(http_respond_write(exchange, slice_of(piece, len), NULL, &failure), 0);
    }
    if (end) {
        assert_int_equal(http_respond_end(exchange, &failure), 0);
        http_release(exchange);
    }
}

static void on_upgrade_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct http_header header = {slice_str("Upgrade"), slice_str("echo")};
    struct err failure = ERR_INIT;
    assert_int_equal(http_respond_start(exchange, 101, NULL, &header, 1, -1, &failure), 0);
}

static const struct http_handler upgrading_handler = {.request = on_upgrade_request,
                                                      .body = echo_raw};

static void an_upgraded_connection_carries_raw_bytes(void **state)
{
    (void)state;
    struct http_listener listener = {0};
    start_server_with(NULL, &listener, &upgrading_handler);
    int fd = connect_client();
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: echo\r\n\r\nearly ");
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_until(fd, &answer, "\r\n\r\nearly ");
    assert_string_equal(statuses(&answer), "101");
    assert_non_null(strstr(buf_text(&answer), "Connection: Upgrade\r\n"));
    assert_non_null(strstr(buf_text(&answer), "Upgrade: echo\r\n"));
    send_text(fd, "GET / HTTP/1.1\n");
    receive_until(fd, &answer, "early GET / HTTP/1.1\n");
    (void)shutdown(fd, SHUT_WR);
    receive_all(fd, &answer);
    fd_close(fd);
}

/* --- stopping, counting --- */

static void a_stop_lets_requests_finish_and_aborts_the_rest(void **state)
{
    (void)state;
    start_server(NULL);
    int idle = connect_client();
    int held = connect_client();
    int slow_body = connect_client();
    send_text(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_until(idle, &answer, "body=");
    send_text(held, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    send_text(slow_body, "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n");
    wait_for(&requests_seen, 3);
    assert_int_equal(http_server_stop(server, 20), 2);
    assert_int_equal(atomic_load(&aborts_seen), 2);
    buf_clear(&answer);
    receive_all(idle, &answer);
    assert_int_equal(answer.len, 0);
    assert_int_equal(stats_now().open, 0);
    fd_close(idle);
    fd_close(held);
    fd_close(slow_body);
}

static void *stop_in_thread(void *arg)
{
    *(unsigned *)arg = http_server_stop(server, PATIENCE_MS);
    return NULL;
}

static void a_stop_waits_for_a_request_under_way(void **state)
{
    (void)state;
    start_server(NULL);
    int fd = connect_client();
    send_text(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n");
    wait_for(&requests_seen, 1);
    unsigned aborted = 99;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_in_thread, &aborted), 0);
    send_text(fd, "hi");
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_all(fd, &answer);
    assert_string_equal(statuses(&answer), "200");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(aborted, 0);
    fd_close(fd);
}

/* RFC 9112 section 9.6: the client goes on sending, and must have the whole answer nevertheless. */
static void a_stop_cuts_no_answer_short(void **state)
{
    (void)state;
    enum { BODY = 300 * 1000, SMALL = 16 * 1024 };
    static char body[BODY];
    start_server(NULL);
    int idle = connect_client();
    send_text(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    AUTO_BUF struct buf answer = BUF_INIT(2 * BODY);
    receive_until(idle, &answer, "body=");
    int fd = connect_client();
    int size = SMALL; /* most of the answer has to wait on the server's side */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    char head[128];
    (void)snprintf(head, sizeof(head), "POST / HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                   BODY);
    send_text(fd, head);
    memset(body, 'x', sizeof(body));
    send_bytes(fd, body, sizeof(body) - 1);
    wait_for(&requests_seen, 2);
    unsigned aborted = 99;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_in_thread, &aborted), 0);
    receive_all(idle, &answer); /* closed: the stop has begun */
    send_text(fd, "x");
    buf_clear(&answer);
    char piece[SMALL];
    for (size_t got; (got = receive_some(fd, piece, sizeof(piece))) > 0;) {
        assert_int_equal(buf_bytes(&answer, slice_of(piece, got), &err), 0);
        send_text(fd, "GET /next HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(statuses(&answer), "200");
    const char *end = strstr(buf_text(&answer), "body=");
    assert_non_null(end);
    assert_int_equal(strlen(end), strlen("body=") + BODY);
    assert_int_equal(aborted, 0);
    fd_close(idle);
    fd_close(fd);
}

static void an_address_in_use_is_an_error(void **state)
{
    (void)state;
    start_server(NULL);
    struct http_listener listener = {.host = "127.0.0.1", .port = http_server_port(server, 0)};
    struct http_server_config config = {
        .listeners = &listener, .listener_count = 1, .handler = &telling_handler};
    struct http_server *second = NULL;
    assert_int_equal(http_server_start(&config, &second, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    listener.host = "no address";
    assert_int_equal(http_server_start(&config, &second, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_null(second);
}

static void requests_are_counted(void **state)
{
    (void)state;
    start_server(NULL);
    int fd = connect_client();
    send_text(fd,
              "GET / HTTP/1.1\r\n" HOST "\r\nGET /204 HTTP/1.1\r\n" HOST "\r\n"
              "GET /304 HTTP/1.1\r\n" HOST "\r\nGET /release HTTP/1.1\r\n" HOST "\r\nBAD\r\n\r\n");
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_all(fd, &answer);
    assert_string_equal(statuses(&answer), "200 204 304 500 400");
    struct http_server_stats stats = stats_now();
    assert_int_equal(stats.requests, 4);
    assert_int_equal(stats.rejected, 1);
    assert_int_equal(stats.responses[2], 2);
    assert_int_equal(stats.responses[3], 1);
    assert_int_equal(stats.responses[4], 1);
    assert_int_equal(stats.responses[5], 1);
    assert_int_equal(stats.bytes_out, answer.len);
    uint64_t measured = 0;
    uint64_t queued = 0;
    for (size_t i = 0; i < HTTP_LATENCY_BUCKETS; i++) {
        measured += stats.latency[i];
        queued += stats.queue[i];
    }
    assert_int_equal(measured, 5);
    assert_int_equal(queued, 1); /* the only one of them that a handler began with */
    fd_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(slow_clients_are_let_go, stop_server),
        cmocka_unit_test_teardown(a_client_that_does_not_read_is_let_go, stop_server),
        cmocka_unit_test_teardown(a_client_that_shut_down_its_side_gets_its_answer_or_the_end,
                                  stop_server),
        cmocka_unit_test_teardown(a_body_that_nobody_reads_stops_the_reading, stop_server),
        cmocka_unit_test_teardown(who_sends_most_that_nobody_reads_gives_way, stop_server),
        cmocka_unit_test_teardown(big_bodies_pass_whole_through_bounded_queues, stop_server),
        cmocka_unit_test_teardown(a_writer_is_woken_when_its_client_goes, stop_server),
        cmocka_unit_test_teardown(clients_killed_in_the_middle_hold_up_nobody, stop_server),
        cmocka_unit_test_teardown(the_proxy_header_tells_the_client, stop_server),
        cmocka_unit_test_teardown(big_bodies_pass_through_tls, stop_server),
        cmocka_unit_test_teardown(broken_handshakes_are_counted_and_closed, stop_server),
        cmocka_unit_test_teardown(an_upgraded_connection_carries_raw_bytes, stop_server),
        cmocka_unit_test_teardown(a_stop_lets_requests_finish_and_aborts_the_rest, stop_server),
        cmocka_unit_test_teardown(a_stop_waits_for_a_request_under_way, stop_server),
        cmocka_unit_test_teardown(a_stop_cuts_no_answer_short, stop_server),
        cmocka_unit_test_teardown(an_address_in_use_is_an_error, stop_server),
        cmocka_unit_test_teardown(requests_are_counted, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
