// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 over TLS: a real client (libcurl) for what should work, frames made by hand for what must
 * not. Section numbers are RFC 9113's.
 */
#include "http2_frames.h"

#include "crypto/x509.h"

#include <curl/curl.h>

static struct tls_server *tls;

static int setup_tls(void **state)
{
    (void)state;
    tls = make_tls(true);
    struct tls_client_config client = {.verify = trust_all};
    assert_int_equal(tls_client_new(&client, &trust, &err), 0);
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

static int teardown_tls(void **state)
{
    (void)state;
    tls_server_free(tls);
    tls_client_free(trust);
    curl_global_cleanup();
    return 0;
}

static void start_tls_server(const struct http_limits *limits)
{
    struct http_listener listener = {.tls = tls};
    start_server_with(limits, &listener, &telling_handler);
}

/* --- a real client --- */

struct fetched {
    long status;
    long version;
    struct buf body;
    struct buf head;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *to)
{
    assert_int_equal(buf_bytes(to, slice_of(bytes, size * count), &err), 0);
    return size * count;
}

static void fetch(CURL *curl, const char *path, struct fetched *ret)
{
    char url[600];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d%s", http_server_port(server, 0), path);
    ret->body = BUF_INIT(16 * 1024 * 1024);
    ret->head = BUF_INIT(1024 * 1024);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ret->body);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &ret->head);
    CURLcode result = curl_easy_perform(curl);
    if (result != CURLE_OK)
        fail_msg("%s: %s", path, curl_easy_strerror(result));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    (void)curl_easy_getinfo(curl, CURLINFO_HTTP_VERSION, &ret->version);
    assert_int_equal(ret->version, CURL_HTTP_VERSION_2_0);
}

static void end_fetched(struct fetched *fetched)
{
    buf_done(&fetched->body);
    buf_done(&fetched->head);
}

static const struct {
    const char *path;
    long status;
    const char *body; /* its beginning */
    const char *head; /* is among the header fields; NULL: nothing in particular */
} gets[] = {
    {"/a/b?c=d", 200, "GET /a/b ?c=d host=127.0.0.1:", "content-type: text/plain\r\n"},
    {"/chunked", 200, "onethree", "date: "},
    {"/eight", 200, "onethree", "content-length: 8\r\n"},
    {"/204", 204, "", "x-a: b\r\n"},
    {"/304", 304, "", "content-length: 77\r\n"},
    {"/close", 200, "", NULL},
    {"/release", 500, "", NULL},
    {"/inject-value", 500, "", NULL},
    {"/own-length", 200, "GET /own-length", NULL},
};

static void requests_share_a_connection(void **state)
{
    (void)state;
    start_tls_server(NULL);
    CURL *curl = curl_easy_init();
    for (size_t i = 0; i < ARRAY_LEN(gets); i++) {
        struct fetched fetched = {0};
        fetch(curl, gets[i].path, &fetched);
        if (fetched.status != gets[i].status ||
            strncmp(buf_text(&fetched.body), gets[i].body, strlen(gets[i].body)) != 0)
            fail_msg("%s: %ld %s", gets[i].path, fetched.status, buf_text(&fetched.body));
        if (gets[i].head != NULL && strstr(buf_text(&fetched.head), gets[i].head) == NULL)
            fail_msg("%s: %s", gets[i].path, buf_text(&fetched.head));
        assert_null(strstr(buf_text(&fetched.head), "transfer-encoding"));
        end_fetched(&fetched);
    }
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.requests, ARRAY_LEN(gets));
    curl_easy_cleanup(curl);
}

static void head_has_the_length_and_no_body(void **state)
{
    (void)state;
    start_tls_server(NULL);
    CURL *curl = curl_easy_init();
    struct fetched fetched = {0};
    (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    fetch(curl, "/eight", &fetched);
    assert_int_equal(fetched.status, 200);
    assert_int_equal(fetched.body.len, 0);
    assert_non_null(strstr(buf_text(&fetched.head), "content-length: 8\r\n"));
    end_fetched(&fetched);
    curl_easy_cleanup(curl);
}

static void big_bodies_pass_both_ways(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1000 * 1000 };
    start_tls_server(NULL);
    AUTO_FREE char *bytes = mem_alloc(SIZE, &err);
    memset(bytes, 'b', SIZE);
    CURL *curl = curl_easy_init();
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, bytes);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)SIZE);
    for (int i = 0; i < 3; i++) {
        struct fetched fetched = {0};
        fetch(curl, "/up", &fetched);
        assert_int_equal(fetched.status, 200);
        assert_true(fetched.body.len > SIZE);
        assert_memory_equal(fetched.body.data + fetched.body.len - SIZE, bytes, SIZE);
        end_fetched(&fetched);
    }
    struct fetched fetched = {0};
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 60000L);
    fetch(curl, "/ignore-body", &fetched); /* answered before it has come, then dropped */
    assert_int_equal(fetched.status, 200);
    end_fetched(&fetched);
    curl_easy_cleanup(curl);
}

static void sizes_over_a_limit_are_refused_and_the_connection_stays(void **state)
{
    (void)state;
    struct http_limits limits = {.header_bytes = 2000, .target_bytes = 200, .body_bytes = 1000};
    start_tls_server(&limits);
    CURL *curl = curl_easy_init();
    struct fetched fetched = {0};
    fetch(curl, "/p", &fetched);
    assert_int_equal(fetched.status, 200);
    end_fetched(&fetched);
    char path[300];
    (void)snprintf(path, sizeof(path), "/%0250d", 0);
    fetch(curl, path, &fetched);
    assert_int_equal(fetched.status, 414);
    end_fetched(&fetched);
    char cookie[3000];
    memset(cookie, 'c', sizeof(cookie) - 1);
    cookie[sizeof(cookie) - 1] = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, cookie);
    fetch(curl, "/p", &fetched);
    assert_int_equal(fetched.status, 431);
    end_fetched(&fetched);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, cookie);
    fetch(curl, "/p", &fetched);
    assert_int_equal(fetched.status, 413);
    end_fetched(&fetched);
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.rejected, 3);
    curl_easy_cleanup(curl);
}

/* --- frames made by hand --- */

static void probe(void)
{
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    assert_true(read_until(&raw, HEADERS, 1, &payload));
    assert_int_equal(payload.data[0], 0x88); /* :status 200 */
    assert_true(read_until(&raw, DATA, 1, &payload));
    assert_int_equal(strncmp((const char *)payload.data, "GET / ? host=a", 14), 0);
    close_raw(&raw);
}

/* Requests that a frame of `type` ends at once, one after another, until we have enough of it. */
static void flood_with_ended_requests(uint8_t type, const char payload[static 4])
{
    enum { STREAMS = 2000, ENOUGH = 202 };
    start_tls_server(NULL);
    struct raw raw = {0};
    greet(&raw);
    bool writing = true;
    for (uint32_t stream = 1; stream < 2 * STREAMS && writing; stream += 2) {
        writing = write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, stream,
                              slice_of(held_request, sizeof(held_request) - 1)) &&
                  write_frame(&raw, type, 0, stream, slice_of(payload, 4));
    }
    expect_goaway(&raw, ENHANCE_YOUR_CALM);
    assert_true(atomic_load(&requests_seen) <= ENOUGH);
    close_raw(&raw);
    wait_for(&aborts_seen, atomic_load(&requests_seen));
    probe();
}

/* CVE-2023-44487 */
static void rapid_resets_end_the_connection(void **state)
{
    (void)state;
    flood_with_ended_requests(RST_STREAM, "\0\0\0\x08");
}

static void floods_of_control_frames_end_the_connection(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        const char *payload;
        size_t len;
    } floods[] = {{SETTINGS, "\0\1\0\0\0\0", 6}, {PING, "12345678", 8}};
    start_tls_server(NULL);
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        struct raw raw = {0};
        greet(&raw);
        bool writing = true;
        for (int count = 0; count < 1100 && writing; count++)
            writing =
                write_frame(&raw, floods[i].type, 0, 0, slice_of(floods[i].payload, floods[i].len));
        expect_goaway(&raw, ENHANCE_YOUR_CALM);
        close_raw(&raw);
    }
    probe();
}

static void more_streams_than_allowed_are_refused(void **state)
{
    (void)state;
    start_tls_server(NULL);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    for (uint32_t stream = 1; stream <= 201; stream += 2)
        assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, stream,
                                slice_of(held_request, sizeof(held_request) - 1)));
    assert_true(read_until(&raw, RST_STREAM, 201, &payload));
    assert_int_equal(atomic_load(&requests_seen), 100);
    close_raw(&raw);
    wait_for(&aborts_seen, 100);
}

/* Section 6.8 has the connection end behind the last answer; the client still gives back windows
 * then, and must have the whole answer nevertheless. */
static void a_goaway_cuts_no_answer_short(void **state)
{
    (void)state;
    enum { PIECE = 10000, PIECES = 24, SMALL = 16 * 1024 };
    static const char post[] = "\x83\x87\x84\x01\x01"
                               "a";
    static const uint8_t piece[PIECE];
    start_tls_server(NULL);
    struct raw raw = {0};
    greet(&raw);
    int size = SMALL; /* most of the answer has to wait on the server's side */
    assert_int_equal(setsockopt(raw.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_true(write_frame(&raw, SETTINGS, ACK, 0, slice_of(NULL, 0)));
    assert_true(write_frame(&raw, SETTINGS, 0, 0, slice_of("\0\4\0\x10\0\0", 6)));
    assert_true(write_frame(&raw, WINDOW_UPDATE, 0, 0, slice_of("\0\x10\0\0", 4)));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS, 1, slice_of(post, sizeof(post) - 1)));
    for (int i = 1; i <= PIECES; i++)
        assert_true(write_frame(&raw, DATA, i == PIECES ? END_STREAM : 0, 1,
                                slice_of(piece, sizeof(piece))));
    assert_true(write_frame(&raw, GOAWAY, 0, 0, slice_of("\0\0\0\0\0\0\0\0", 8)));
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    size_t received = 0;
    while (received < (size_t)PIECES * PIECE && read_until(&raw, DATA, 1, &payload)) {
        received += payload.len;
        (void)write_frame(&raw, WINDOW_UPDATE, 0, 0, slice_of("\0\0\0\1", 4));
    }
    assert_true(received >= (size_t)PIECES * PIECE);
    assert_true(read_until(&raw, GOAWAY, 0, &payload));
    assert_memory_equal(payload.data, "\0\0\0\1\0\0\0\0", 8); /* the last stream, NO_ERROR */
    assert_false(read_until(&raw, GOAWAY, 0, &payload));
    close_raw(&raw);
}

static const struct {
    const char *clause;
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    const char *payload;
    size_t len;
    uint8_t answer; /* RST_STREAM or GOAWAY */
} broken[] = {
#define BYTES(text) text, sizeof(text) - 1
    {"5.1.1 even stream", HEADERS, 5, 2, BYTES("\x82\x87\x84"), GOAWAY},
    {"5.1 DATA on an idle stream", DATA, 0, 3, BYTES("x"), GOAWAY},
    {"6.5 SETTINGS on a stream", SETTINGS, 0, 1, BYTES("\0\1\0\0\0\0"), GOAWAY},
    {"6.5.2 window too large", SETTINGS, 0, 0, BYTES("\0\4\xff\xff\xff\xff"), GOAWAY},
    {"6.7 PING of another length", PING, 0, 0, BYTES("1234"), GOAWAY},
    {"6.10 CONTINUATION out of place", CONTINUATION, 4, 1, BYTES("\x82"), GOAWAY},
    {"4.3 broken HPACK", HEADERS, 5, 1, BYTES("\xff\xff\xff\xff\xff\xff\xff"), GOAWAY},
    {"8.3.1 no path", HEADERS, 5, 1,
     BYTES("\x82\x87\x01\x01"
           "a"),
     RST_STREAM},
    {"8.3.1 no method", HEADERS, 5, 1,
     BYTES("\x84\x87\x01\x01"
           "a"),
     RST_STREAM},
    {"8.3 unknown pseudo-field", HEADERS, 5, 1, BYTES("\x82\x87\x84\0\x02:x\x01y"), RST_STREAM},
    {"8.2 name in upper case", HEADERS, 5, 1, BYTES("\x82\x87\x84\0\x01X\x01y"), RST_STREAM},
    {"8.2.1 LF in a value", HEADERS, 5, 1, BYTES("\x82\x87\x84\0\x01x\x03y\nz"), RST_STREAM},
    {"8.2.2 Connection", HEADERS, 5, 1,
     BYTES("\x82\x87\x84\0\x0a"
           "connection\x05"
           "close"),
     RST_STREAM},
    {"8.2.2 Transfer-Encoding", HEADERS, 5, 1,
     BYTES("\x82\x87\x84\0\x11transfer-encoding\x07"
           "chunked"),
     RST_STREAM},
    {"8.1.1 Content-Length without a body", HEADERS, 5, 1,
     BYTES("\x83\x87\x84\x0f\x0d\x01"
           "5"),
     RST_STREAM},
};

static void malformed_frames_and_messages_are_refused(void **state)
{
    (void)state;
    start_tls_server(NULL);
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct raw raw = {0};
        AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
        greet(&raw);
        assert_true(write_frame(&raw, broken[i].type, broken[i].flags, broken[i].stream,
                                slice_of(broken[i].payload, broken[i].len)));
        if (!read_until(&raw, broken[i].answer, 0, &payload))
            fail_msg("%s: not refused", broken[i].clause);
        close_raw(&raw);
    }
    assert_int_equal(atomic_load(&requests_seen), 0);
    probe();
}

static void cookies_in_pieces_are_one(void **state)
{
    (void)state;
    start_tls_server(NULL);
    CURL *curl = curl_easy_init();
    (void)curl_easy_setopt(curl, CURLOPT_COOKIE, "a=1; b=2; c=3");
    struct fetched fetched = {0};
    fetch(curl, "/cookie", &fetched);
    assert_string_equal(buf_text(&fetched.body), "a=1; b=2; c=3");
    end_fetched(&fetched);
    curl_easy_cleanup(curl);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    static const char request[] = "\x82\x87\x01\x01"
                                  "a"
                                  "\x04\x07/cookie\x0f\x11\x01"
                                  "d\x0f\x11\x01"
                                  "e";
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1,
                            slice_of(request, sizeof(request) - 1)));
    assert_true(read_until(&raw, DATA, 1, &payload));
    assert_int_equal(payload.len, 4);
    assert_memory_equal(payload.data, "d; e", 4);
    close_raw(&raw);
}

static void a_slow_body_times_out_alone(void **state)
{
    (void)state;
    struct http_limits limits = {.body_timeout_ms = 30};
    start_tls_server(&limits);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    static const char post[] = "\x83\x87\x84\x01\x01"
                               "a";
    assert_true(write_frame(&raw, HEADERS, END_HEADERS, 1, slice_of(post, sizeof(post) - 1)));
    assert_true(read_until(&raw, HEADERS, 1, &payload)); /* 408 */
    assert_true(read_until(&raw, RST_STREAM, 1, &payload));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 3,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    assert_true(read_until(&raw, DATA, 3, &payload));
    close_raw(&raw);
    wait_for(&aborts_seen, 1);
}

static void expect_reset(struct raw *raw, uint32_t stream, int code)
{
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    if (!read_until(raw, RST_STREAM, stream, &payload))
        fail_msg("stream %u is not reset", stream);
    assert_int_equal(payload.data[3], code);
}

/* Whoever opens no window holds a stream, and a thread of the app, for so long and no longer. */
static void a_stream_that_takes_nothing_is_reset(void **state)
{
    (void)state;
    struct http_limits limits = {.write_timeout_ms = 50};
    start_tls_server(&limits);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    assert_true(write_frame(&raw, SETTINGS, 0, 0, slice_of("\0\4\0\0\0\0", 6)));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    assert_true(read_until(&raw, HEADERS, 1, &payload));
    assert_true(write_frame(&raw, PING, 0, 0, slice_of("12345678", 8))); /* of no help */
    expect_reset(&raw, 1, CANCEL);
    assert_true(write_frame(&raw, SETTINGS, 0, 0, slice_of("\0\4\0\0\xff\xff", 6)));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 3,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    assert_true(read_until(&raw, DATA, 3, &payload)); /* the connection is as good as before */
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    assert_int_equal(stats.timeouts, 1);
    close_raw(&raw);
}

/* A window of one byte at a time: slow, but it moves. */
static void a_tiny_window_is_served(void **state)
{
    (void)state;
    struct http_limits limits = {.write_timeout_ms = 5000};
    start_tls_server(&limits);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    assert_true(write_frame(&raw, SETTINGS, 0, 0, slice_of("\0\4\0\0\0\1", 6)));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    char body[11] = {0};
    for (size_t i = 0; i < sizeof(body) - 1; i++) {
        assert_true(read_until(&raw, DATA, 1, &payload));
        assert_int_equal(payload.len, 1);
        body[i] = (char)payload.data[0];
        assert_true(write_frame(&raw, WINDOW_UPDATE, 0, 1, slice_of("\0\0\0\1", 4)));
    }
    assert_string_equal(body, "GET / ? ho");
    close_raw(&raw);
    probe();
}

static void a_header_block_without_end_ends_the_connection(void **state)
{
    (void)state;
    struct http_limits limits = {.header_timeout_ms = 50};
    start_tls_server(&limits);
    struct raw raw = {0};
    greet(&raw);
    assert_true(write_frame(&raw, HEADERS, END_STREAM, 1, slice_of("\x82", 1)));
    expect_goaway(&raw, ENHANCE_YOUR_CALM);
    close_raw(&raw);
    assert_int_equal(atomic_load(&requests_seen), 0);
    probe();
}

static void continuations_without_end_end_the_connection(void **state)
{
    (void)state;
    start_tls_server(NULL);
    struct raw raw = {0};
    greet(&raw);
    bool writing = write_frame(&raw, HEADERS, END_STREAM, 1, slice_of("\x82", 1));
    for (int i = 0; i < 100 && writing; i++)
        writing = write_frame(&raw, CONTINUATION, 0, 1, slice_of("\0\1x\1y", 5));
    expect_goaway(&raw, ENHANCE_YOUR_CALM);
    close_raw(&raw);
    probe();
}

/* One field of 3,900 bytes in the table, then a byte for each time that it is meant again. */
static void a_header_bomb_ends_the_connection(void **state)
{
    (void)state;
    enum { VALUE = 3900, AGAIN = 10000 };
    start_tls_server(NULL);
    struct raw raw = {0};
    AUTO_BUF struct buf block = BUF_INIT(1 << 16);
    greet(&raw);
    /* literal with incremental indexing, a new name, the value's length 127 + 3773 (RFC 7541) */
    assert_int_equal(buf_bytes(&block, slice_of("\x82\x87\x84\x40\x01x\x7f\xbd\x1d", 9), &err), 0);
    memset(buf_reserve(&block, VALUE, &err), 'v', VALUE);
    block.len += VALUE;
    memset(buf_reserve(&block, AGAIN, &err), 0xbe, AGAIN);
    block.len += AGAIN;
    assert_true(
        write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1, slice_of(block.data, block.len)));
    expect_goaway(&raw, ENHANCE_YOUR_CALM);
    close_raw(&raw);
    assert_int_equal(atomic_load(&requests_seen), 0);
    probe();
}

/* A head of 31 KiB costs a client eight bytes, and the app that waits for something else all of it,
 * as often as there are streams and connections. Who sends small ones goes on. */
static void large_heads_have_a_limit_together(void **state)
{
    (void)state;
    enum { VALUE = 3900, AGAIN = 7, HELD = 256 * 1024, STREAMS = 99 };
    static const char again[] = "\xbe\xbe\xbe\xbe\xbe\xbe\xbe\xbe";
    struct http_limits limits = {.held_bytes = HELD};
    start_tls_server(&limits);
    struct raw raw = {0};
    struct raw other = {0};
    AUTO_BUF struct buf block = BUF_INIT(1 << 16);
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    assert_int_equal(buf_bytes(&block, slice_str(held_request), &err), 0);
    assert_int_equal(buf_bytes(&block, slice_of("\x40\x01x\x7f\xbd\x1d", 6), &err), 0);
    memset(buf_reserve(&block, VALUE, &err), 'v', VALUE);
    block.len += VALUE;
    assert_int_equal(buf_bytes(&block, slice_of(again, AGAIN), &err), 0);
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1, buf_slice(&block)));
    buf_clear(&block);
    assert_int_equal(buf_str(&block, held_request, &err), 0);
    assert_int_equal(buf_str(&block, again, &err), 0);
    for (uint32_t stream = 3; stream < 2 * STREAMS; stream += 2)
        assert_true(
            write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, stream, buf_slice(&block)));
    assert_true(read_until(&raw, HEADERS, 2 * STREAMS - 1, &payload)); /* 503 */
    assert_in_range(atomic_load(&requests_seen), 1, HELD / (8 * VALUE));
    int before = atomic_load(&requests_seen);
    greet(&other);
    assert_true(write_frame(&other, HEADERS, END_HEADERS | END_STREAM, 1, slice_str(held_request)));
    wait_for(&requests_seen, before + 1);
    close_raw(&other);
    close_raw(&raw);
    wait_for(&aborts_seen, before + 1);
}

/* The client asks for a table of 4 GiB: what we send takes no more than 4 KiB of it. */
static void a_huge_header_table_is_not_used(void **state)
{
    (void)state;
    start_tls_server(NULL);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    assert_true(write_frame(&raw, SETTINGS, 0, 0, slice_of("\0\1\xff\xff\xff\xff", 6)));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    assert_true(read_until(&raw, HEADERS, 1, &payload));
    /* RFC 7541 section 6.3: 001 and the size, 4096 = 31 + 4065 */
    assert_memory_equal(payload.data, "\x3f\xe1\x1f", 3);
    close_raw(&raw);
}

/* CVE-2025-8671: a window of more than 2^31-1 is an error (6.9.1), and so the stream is reset by
 * us. */
static void resets_that_we_are_made_to_send_end_the_connection(void **state)
{
    (void)state;
    flood_with_ended_requests(WINDOW_UPDATE, "\x7f\xff\xff\xff");
}

/* Requests that are begun and not gone on with, kept company by PINGs. */
static void half_open_streams_time_out_whatever_else_happens(void **state)
{
    (void)state;
    enum { STREAMS = 50 };
    struct http_limits limits = {.body_timeout_ms = 200};
    start_tls_server(&limits);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    static const char post[] = "\x83\x87\x84\x01\x01"
                               "a";
    for (uint32_t i = 0; i < STREAMS; i++)
        assert_true(
            write_frame(&raw, HEADERS, END_HEADERS, 2 * i + 1, slice_of(post, sizeof(post) - 1)));
    wait_for(&requests_seen, STREAMS);
    for (int i = 0; i < 900 && atomic_load(&aborts_seen) < STREAMS; i++) {
        assert_true(write_frame(&raw, PING, 0, 0, slice_of("12345678", 8)));
        clock_sleep_ms(5);
    }
    wait_for(&aborts_seen, STREAMS);
    expect_reset(&raw, 2 * STREAMS - 1, 0);
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 2 * STREAMS + 1,
                            slice_of(plain_request, sizeof(plain_request) - 1)));
    assert_true(read_until(&raw, DATA, 2 * STREAMS + 1, &payload));
    close_raw(&raw);
}

static void trailers_of_a_request_are_dropped(void **state)
{
    (void)state;
    start_tls_server(NULL);
    struct raw raw = {0};
    AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
    greet(&raw);
    static const char post[] = "\x83\x87\x84\x01\x01"
                               "a";
    assert_true(write_frame(&raw, HEADERS, END_HEADERS, 1, slice_of(post, sizeof(post) - 1)));
    assert_true(write_frame(&raw, DATA, 0, 1, slice_of("abc", 3)));
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1, slice_of("\0\1x\1y", 5)));
    assert_true(read_until(&raw, DATA, 1, &payload));
    assert_memory_equal(payload.data + payload.len - 8, "body=abc", 8);
    close_raw(&raw);
}

static const struct {
    const char *what;
    const char *fields; /* behind :scheme https */
    size_t len;
    const char *status;
} judged[] = {
    {"Host is not :authority",
     BYTES("\x82\x84\x01\x01"
           "a\x0f\x17\x01"
           "b"),
     "400"},
    {"Host is :authority",
     BYTES("\x82\x84\x01\x01"
           "a\x0f\x17\x01"
           "a"),
     "200"},
    {"userinfo in :authority", /* a newer nghttp2 refuses it by itself */
     BYTES("\x82\x84\x01\x03"
           "a@b"),
     "400 or a reset"},
    {"a fragment in :path",
     BYTES("\x82\x04\x04/a#b\x01\x01"
           "a"),
     "400"},
    {"not UTF-8 in :path",
     BYTES("\x82\x04\x03/\xff\xfe\x01\x01"
           "a"),
     "400"},
    {"UTF-8 in :path",
     BYTES("\x82\x04\x03/\xc3\xa9\x01\x01"
           "a"),
     "200"},
    {"OPTIONS *",
     BYTES("\x02\x07OPTIONS\x04\x01*\x01\x01"
           "a"),
     "200"},
};

static void targets_and_hosts_are_judged_as_in_http1(void **state)
{
    (void)state;
    start_tls_server(NULL);
    for (size_t i = 0; i < ARRAY_LEN(judged); i++) {
        struct raw raw = {0};
        AUTO_BUF struct buf payload = BUF_INIT(1 << 24);
        AUTO_BUF struct buf block = BUF_INIT(1000);
        greet(&raw);
        assert_int_equal(buf_u8(&block, 0x87, &err), 0);
        assert_int_equal(buf_bytes(&block, slice_of(judged[i].fields, judged[i].len), &err), 0);
        assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1, buf_slice(&block)));
        if (!read_until(&raw, ANY_FRAME, 1, &payload))
            fail_msg("%s: no answer", judged[i].what);
        if (strstr(judged[i].status, "reset") != NULL && payload.len == 4) {
            assert_memory_equal(payload.data, "\0\0\0\1", 4); /* PROTOCOL_ERROR */
            close_raw(&raw);
            continue;
        }
        /* :status 200 and 400 are whole fields of the static table (RFC 7541, appendix A) */
        int expected = strcmp(judged[i].status, "200") == 0 ? 0x88 : 0x8c;
        if (payload.data[0] != expected)
            fail_msg("%s: not %s", judged[i].what, judged[i].status);
        close_raw(&raw);
    }
}

static void a_stop_says_goaway(void **state)
{
    (void)state;
    start_tls_server(NULL);
    struct raw raw = {0};
    greet(&raw);
    assert_true(write_frame(&raw, HEADERS, END_HEADERS | END_STREAM, 1,
                            slice_of(held_request, sizeof(held_request) - 1)));
    wait_for(&requests_seen, 1);
    assert_int_equal(http_server_stop(server, 20), 1);
    expect_goaway(&raw, 0);
    close_raw(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(requests_share_a_connection, stop_server),
        cmocka_unit_test_teardown(head_has_the_length_and_no_body, stop_server),
        cmocka_unit_test_teardown(big_bodies_pass_both_ways, stop_server),
        cmocka_unit_test_teardown(sizes_over_a_limit_are_refused_and_the_connection_stays,
                                  stop_server),
        cmocka_unit_test_teardown(rapid_resets_end_the_connection, stop_server),
        cmocka_unit_test_teardown(floods_of_control_frames_end_the_connection, stop_server),
        cmocka_unit_test_teardown(more_streams_than_allowed_are_refused, stop_server),
        cmocka_unit_test_teardown(a_goaway_cuts_no_answer_short, stop_server),
        cmocka_unit_test_teardown(malformed_frames_and_messages_are_refused, stop_server),
        cmocka_unit_test_teardown(cookies_in_pieces_are_one, stop_server),
        cmocka_unit_test_teardown(a_slow_body_times_out_alone, stop_server),
        cmocka_unit_test_teardown(a_stream_that_takes_nothing_is_reset, stop_server),
        cmocka_unit_test_teardown(a_tiny_window_is_served, stop_server),
        cmocka_unit_test_teardown(a_header_block_without_end_ends_the_connection, stop_server),
        cmocka_unit_test_teardown(continuations_without_end_end_the_connection, stop_server),
        cmocka_unit_test_teardown(a_header_bomb_ends_the_connection, stop_server),
        cmocka_unit_test_teardown(large_heads_have_a_limit_together, stop_server),
        cmocka_unit_test_teardown(a_huge_header_table_is_not_used, stop_server),
        cmocka_unit_test_teardown(resets_that_we_are_made_to_send_end_the_connection, stop_server),
        cmocka_unit_test_teardown(half_open_streams_time_out_whatever_else_happens, stop_server),
        cmocka_unit_test_teardown(trailers_of_a_request_are_dropped, stop_server),
        cmocka_unit_test_teardown(targets_and_hosts_are_judged_as_in_http1, stop_server),
        cmocka_unit_test_teardown(a_stop_says_goaway, stop_server),
    };
    return cmocka_run_group_tests(tests, setup_tls, teardown_tls);
}
