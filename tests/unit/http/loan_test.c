// SPDX-License-Identifier: Apache-2.0
/*
 * Lent response bodies: what the client gets is what was lent, and a loan ends once, whatever
 * becomes of the client. The memory is spoilt and freed where a loan ends, so a byte that is sent
 * later is a wrong one, and an error under ASan. Each test runs over HTTP/1.1 plain and in TLS, and
 * HTTP/2.
 */
#include "server_fixture.h"

#include <curl/curl.h>

/* --- what is lent --- */

struct lent {
    struct http_loan loan;
    uint8_t *bytes;
    size_t size;
};

static atomic_int begun;
static atomic_int ended;
static atomic_int refused; /* http_respond_lent failed */

/* Differs from one record, frame or page to the next. */
static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 31 + at / 4096 * 7 + at / 65536);
}

static void end_loan(struct http_loan *loan)
{
    struct lent *lent = (struct lent *)loan;
    memset(lent->bytes, 0xee, lent->size);
    free(lent->bytes);
    free(lent);
    (void)atomic_fetch_add(&ended, 1);
}

static void lend(struct http_exchange *exchange, size_t size, const struct http_header *headers,
                 size_t count)
{
    struct err failure = ERR_INIT;
    struct lent *lent = mem_alloc(sizeof(*lent), &failure);
    assert_non_null(lent);
    lent->bytes = mem_alloc(size, &failure);
    assert_non_null(lent->bytes);
    for (size_t i = 0; i < size; i++)
        lent->bytes[i] = byte_at(i);
    lent->size = size;
    lent->loan = (struct http_loan){.bytes = slice_of(lent->bytes, size), .end = end_loan};
    (void)atomic_fetch_add(&begun, 1);
    if (http_respond_lent(exchange, 200, headers, count, &lent->loan, &failure) < 0)
        (void)atomic_fetch_add(&refused, 1);
    http_release(exchange);
}

/* The query is the size; /hold answers when its client is gone, /wrong with a broken field. */
static void on_lending_request(void *context, struct http_exchange *exchange)
{
    (void)context;
    const struct http_request *request = http_request(exchange);
    struct http_header wrong = {slice_str("a b"), slice_str("c")};
    char digits[24] = "";
    memcpy(digits, request->query.data,
           request->query.len < sizeof(digits) ? request->query.len : sizeof(digits) - 1);
    (void)atomic_fetch_add(&requests_seen, 1);
    if (!slice_is_str(request->path, "/hold"))
        lend(exchange, strtoul(digits, NULL, 10), &wrong, slice_is_str(request->path, "/wrong"));
}

static void on_lending_aborted(void *context, struct http_exchange *exchange)
{
    (void)context;
    (void)atomic_fetch_add(&aborts_seen, 1);
    if (slice_is_str(http_request(exchange)->path, "/hold"))
        lend(exchange, 100000, NULL, 0);
}

static const struct http_handler lending_handler = {.request = on_lending_request,
                                                    .aborted = on_lending_aborted};

/* --- who asks --- */

enum transport { PLAIN, TLS, HTTP2, TRANSPORTS };

static struct tls_server *tls;

static void start_lending(enum transport transport, const struct http_limits *limits)
{
    tls = make_tls(transport == HTTP2);
    struct http_listener listener = {.tls = transport == PLAIN ? NULL : tls};
    atomic_store(&begun, 0);
    atomic_store(&ended, 0);
    atomic_store(&refused, 0);
    start_server_with(limits, &listener, &lending_handler);
}

/* The last exchange is gone with the server: what is not ended by then never will be. */
static void stop_lending(int loans)
{
    http_server_free(server);
    server = NULL;
    tls_server_free(STEAL(tls));
    assert_int_equal(atomic_load(&begun), loans);
    assert_int_equal(atomic_load(&ended), loans);
}

/* What the client does when it has some of the body. */
enum conduct { READS, LEAVES, WAITS, STOPS_THE_SERVER };

struct download {
    enum conduct conduct;
    size_t got;
    bool wrong;
};

static size_t take_part(char *bytes, size_t size, size_t count, void *to)
{
    struct download *download = to;
    size_t len = size * count;
    for (size_t i = 0; i < len; i++)
        download->wrong |= (uint8_t)bytes[i] != byte_at(download->got + i);
    download->got += len;
    switch (download->conduct) {
    case READS:
        return len;
    case LEAVES:
        break;
    case STOPS_THE_SERVER:
        (void)http_server_stop(server, 10);
        break;
    default:
        wait_for(&ended, 1);
        break;
    }
    return 0;
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

/* Returns the status, 0 where the transfer failed. */
static long download(CURL *curl, enum transport transport, const char *target, enum conduct conduct,
                     size_t *ret_got)
{
    struct download progress = {.conduct = conduct};
    char url[100];
    long status = 0;
    (void)snprintf(url, sizeof(url), "http%s://127.0.0.1:%d%s", transport == PLAIN ? "" : "s",
                   http_server_port(server, 0), target);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &progress);
    if (curl_easy_perform(curl) == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    assert_false(progress.wrong);
    *ret_got = progress.got;
    return status;
}

/* --- the tests --- */

static void lent_bodies_arrive_as_they_are(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,     15000,  16383,  16384,   16385,  32768,
                                   65536, 65537, 131072, 140000, 1 << 20, 5000001};
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_lending(transport, NULL);
        CURL *curl = new_client(transport);
        size_t got;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            char target[40];
            (void)snprintf(target, sizeof(target), "/?%zu", sizes[i]);
            assert_int_equal(download(curl, transport, target, READS, &got), 200);
            assert_int_equal(got, sizes[i]);
        }
        assert_int_equal(stats_now().connections, 1);
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        assert_int_equal(download(curl, transport, "/?1000000", READS, &got), 200);
        assert_int_equal(got, 0);
        curl_easy_cleanup(curl);
        assert_int_equal(atomic_load(&refused), 0);
        stop_lending(ARRAY_LEN(sizes) + 1);
    }
}

static void a_loan_ends_with_its_client(void **state)
{
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_lending(transport, NULL);
        for (int i = 0; i < 20; i++) {
            CURL *curl = new_client(transport);
            size_t got;
            assert_int_equal(download(curl, transport, "/?5000000", LEAVES, &got), 0);
            assert_true(got < 5000000);
            curl_easy_cleanup(curl);
        }
        wait_for(&ended, 20); /* also while the server goes on */
        stop_lending(20);
    }
}

static void a_loan_ends_when_its_client_does_not_read(void **state)
{
    (void)state;
    struct http_limits limits = {.write_timeout_ms = 30};
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_lending(transport, &limits);
        CURL *curl = new_client(transport);
        size_t got;
        assert_int_equal(download(curl, transport, "/?50000000", WAITS, &got), 0);
        assert_int_equal(stats_now().timeouts, 1);
        curl_easy_cleanup(curl);
        stop_lending(1);
    }
}

static void a_loan_ends_with_the_server(void **state)
{
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_lending(transport, NULL);
        CURL *curl = new_client(transport);
        size_t got;
        assert_int_equal(download(curl, transport, "/?50000000", STOPS_THE_SERVER, &got), 0);
        curl_easy_cleanup(curl);
        stop_lending(1);
    }
}

static void what_is_refused_is_not_lent(void **state)
{
    (void)state;
    struct http_limits limits = {.half_closed_ms = 30};
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        start_lending(transport, &limits);
        CURL *curl = new_client(transport);
        size_t got;
        assert_int_equal(download(curl, transport, "/wrong?100000", READS, &got), 500);
        assert_int_equal(got, 0);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 50L);
        assert_int_equal(download(curl, transport, "/hold", READS, &got), 0);
        curl_easy_cleanup(curl);
        while (stats_now().open > 0)
            clock_sleep_ms(1);
        /* On a slow machine the second request may not have come at all. */
        wait_for(&refused, atomic_load(&requests_seen));
        stop_lending(atomic_load(&requests_seen));
    }
}

int main(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lent_bodies_arrive_as_they_are),
        cmocka_unit_test(a_loan_ends_with_its_client),
        cmocka_unit_test(a_loan_ends_when_its_client_does_not_read),
        cmocka_unit_test(a_loan_ends_with_the_server),
        cmocka_unit_test(what_is_refused_is_not_lent),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
