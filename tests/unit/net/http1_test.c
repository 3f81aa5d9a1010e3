// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1 on the wire: what a client sends, byte for byte, and what must come back, each with the
 * section of RFC 9112 (or RFC 9110 where it says so) that decides it.
 */
#include "server_fixture.h"

struct wire {
    const char *clause;
    const char *input;
    const char *statuses;
    const char *has;     /* must be in what comes back; NULL: nothing in particular */
    const char *has_not; /* must not */
};

#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static const struct wire good[] = {
    {"2.1", GET("/p"), "200", "GET /p ?", NULL},
    {"2.2 one empty line before the request is ignored", "\r\n" GET("/p"), "200", "GET /p ?", NULL},
    {"3 method in any registered form", "PROPFIND /p HTTP/1.1\r\n" HOST "\r\n", "200",
     "PROPFIND /p", NULL},
    {"3.2.1 path and query", GET("/a/b?c=d&e=%20f"), "200", "GET /a/b ?c=d&e=%20f", NULL},
    {"3.2.1 percent-encoding is left to the app", GET("/%7Ea%2fb"), "200", "GET /%7Ea%2fb ?", NULL},
    {"3.2.1 UTF-8 as browsers' users type it", GET("/caf\xc3\xa9?q=\xe2\x82\xac"), "200",
     "GET /caf\xc3\xa9 ?q=\xe2\x82\xac", NULL},
    {"3.2.2 absolute form: path and authority of the target",
     "GET http://other:81/p?q HTTP/1.1\r\n" HOST "\r\n", "200", "GET /p ?q host=other:81", NULL},
    {"3.2.2 absolute form without a path", "GET http://other?q HTTP/1.1\r\n" HOST "\r\n", "200",
     "GET / ?q host=other", NULL},
    {"3.2.4 asterisk form", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "200", "OPTIONS * ?", NULL},
    {"5.1 white space around a value", "GET /p HTTP/1.1\r\nHost: \t b \t\r\n\r\n", "200", "host=b ",
     NULL},
    {"5 names in any case", "GET /p HTTP/1.1\r\nhOST: b\r\n\r\n", "200", "host=b ", NULL},
    {"5 empty value", "GET /p HTTP/1.1\r\n" HOST "X-A:\r\n\r\n", "200", "GET /p", NULL},
    {"5.5 (RFC 9110) obs-text", "GET /p HTTP/1.1\r\n" HOST "X-A: \xe9\r\n\r\n", "200", "GET /p",
     NULL},
    {"6.2 Content-Length", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "200",
     "body=hello", NULL},
    {"6.2 Content-Length 0", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "200",
     "body=", NULL},
    {"7.1 chunked",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n"
     "0\r\n\r\n",
     "200", "body=hello world", NULL},
    {"7.1 chunk sizes in hexadecimal of either case, with zeros",
     "POST /p HTTP/1.1\r\n" HOST
     "Transfer-Encoding: Chunked\r\n\r\n00A\r\n0123456789\r\n000\r\n\r\n",
     "200", "body=0123456789", NULL},
    {"7.1.1 extensions are ignored",
     "POST /p HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n1;c\r\n!\r\n0\r\n\r\n",
     "200", "body=hi!", NULL},
    {"7.1.2 trailers are dropped",
     "POST /p HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n" GET("/q"),
     "200 200", "GET /q", "X-T"},
    {"9.3 keep-alive", GET("/1") GET("/2"), "200 200", "GET /2", "Connection:"},
    {"9.3.2 pipelined, in order", GET("/1") GET("/2") GET("/3") GET("/4"), "200 200 200 200",
     "GET /4", NULL},
    {"9.3.2 behind a body", "POST /1 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi" GET("/2"),
     "200 200", "GET /2", NULL},
    {"9.3.2 a request that is not safe waits for those before it",
     GET("/1") "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi" GET("/3"), "200 200 200",
     "GET /3", NULL},
    {"9.6 Connection: close", "GET /1 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET("/2"),
     "200", "Connection: close\r\n", "/2"},
    {"9.6 close among other options",
     "GET /1 HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n" GET("/2"), "200",
     "Connection: close\r\n", "/2"},
    {"9.6 the app closes", GET("/close") GET("/2"), "200", "Connection: close\r\n", "/2"},
    {"9.3 HTTP/1.0 closes", "GET /1 HTTP/1.0\r\n\r\n" GET("/2"), "200", "Connection: close\r\n",
     "/2"},
    {"9.3 HTTP/1.0 with keep-alive", "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/2"),
     "200 200", "Connection: keep-alive\r\n", NULL},
    {"6.1 no chunks to HTTP/1.0", "GET /chunked HTTP/1.0\r\n\r\n", "200", "\r\n\r\nonethree",
     "chunked"},
    {"6.1 chunked response", GET("/chunked"), "200", "\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n",
     "Content-Length"},
    {"6.2 response of known length", GET("/eight"), "200", "\r\n\r\nonethree", "chunked"},
    {"6.3 HEAD has no body", "HEAD /p HTTP/1.1\r\n" HOST "\r\n" GET("/2"), "200 200",
     "Content-Length: ", "HEAD /p ?"},
    {"8.6 (RFC 9110) HEAD with the length that the app gives",
     "HEAD /head-length HTTP/1.1\r\n" HOST "\r\n", "200", "Content-Length: 1234\r\n", NULL},
    {"6.3 HEAD of a chunked response", "HEAD /chunked HTTP/1.1\r\n" HOST "\r\n" GET("/2"),
     "200 200", "GET /2", "one"},
    {"6.3 204 has no body and no length", GET("/204") GET("/2"), "204 200", "X-A: b\r\n", NULL},
    {"15.4.5 (RFC 9110) 304 with the length that the app gives", GET("/304") GET("/2"), "304 200",
     "Content-Length: 77\r\n", NULL},
    {"6 the length is ours", GET("/own-length") GET("/2"), "200 200", "GET /own-length", "999"},
    {"6.1 the coding is ours", GET("/p"), "200", "GET /p", "gzip"},
    {"6.6.1 (RFC 9110) Date", GET("/p"), "200", "\r\nDate: ", NULL},
    {"10.1.1 (RFC 9110) 100 Continue when the body is wanted",
     "POST /p HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "200",
     "body=abc", NULL},
    {"10.1.1 (RFC 9110) no 100 to HTTP/1.0",
     "POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "200", "body=abc",
     "100 Continue"},
    {"an exchange that is given up without an answer is a 500", GET("/release") GET("/2"),
     "500 200", NULL, NULL},
    {"status out of range is refused, then a 500", GET("/status-99"), "500", NULL, NULL},
    {"11.1 header injection is refused, then a 500", GET("/inject-value"), "500", NULL,
     "Set-Cookie"},
    {"11.1 a name that is no token is refused, then a 500", GET("/inject-name"), "500", NULL,
     "X A"},
    {"7.8 (RFC 9110) no 101 to who did not ask", GET("/101"), "500", NULL, NULL},
    {"7.8 (RFC 9110) an upgrade that the app ignores",
     "GET /p HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" GET("/2"), "200 200",
     "GET /2", NULL},
    {"more than the announced length is dropped, and the connection closed", GET("/long") GET("/2"),
     "200", NULL, "GET /2"},
    {"less than the announced length closes the connection", GET("/short") GET("/2"), "200",
     "onethree", "GET /2"},
    {"9.3 a small body that nobody read is dropped",
     "POST /ignore-body HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" GET("/2"), "200 200",
     "GET /2", NULL},
};

static const struct wire bad[] = {
    {"2.2 bare LF behind the request line", "GET /p HTTP/1.1\nHost: a\r\n\r\n", "400", "LF", NULL},
    {"2.2 bare LF behind a header", "GET /p HTTP/1.1\r\nHost: a\n\r\n", "400", "LF", NULL},
    {"2.2 bare LF as the empty line", "GET /p HTTP/1.1\r\nHost: a\r\n\n", "400", "LF", NULL},
    {"2.2 bare CR in a header", "GET /p HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "400", NULL, NULL},
    {"2.2 bare CR before the colon", "GET /p HTTP/1.1\r\nHost: a\r\nX\r: b\r\n\r\n", "400", NULL,
     NULL},
    {"2.2 white space before the first header", "GET /p HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n",
     "400", NULL, NULL},
    {"2.3 HTTP/2.0", "GET /p HTTP/2.0\r\n" HOST "\r\n", "505", NULL, NULL},
    {"2.3 HTTP/0.9 simple request", "GET /p\r\n\r\n", "505", NULL, NULL},
    {"2.3 HTTP/1.9", "GET /p HTTP/1.9\r\n" HOST "\r\n", "505", NULL, NULL},
    {"2.3 name of the protocol", "GET /p HTTQ/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"2.3 name in lower case", "GET /p http/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"2.3 two digits", "GET /p HTTP/1.10\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3 two spaces", "GET  /p HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3 space behind the version", "GET /p HTTP/1.1 \r\n" HOST "\r\n", "400", NULL, NULL},
    {"3 tab for space", "GET\t/p HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.1 unknown method", "GETS /p HTTP/1.1\r\n" HOST "\r\n", "501", NULL, NULL},
    {"3.1 methods are case-sensitive", "get /p HTTP/1.1\r\n" HOST "\r\n", "501", NULL, NULL},
    {"3.1 method that is no token", "G@T /p HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2 space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2 control character in the target", "GET /a\x01 HTTP/1.1\r\n" HOST "\r\n", "400", NULL,
     NULL},
    {"3.2 fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2 neither absolute nor from the root", "GET a HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2 bytes that are not UTF-8", "GET /\xff HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2.2 absolute form without host", "GET http:/// HTTP/1.1\r\n" HOST "\r\n", "400", NULL,
     NULL},
    {"3.2.2 user information", "GET http://u@h/ HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2.3 CONNECT", "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", "501", NULL, NULL},
    {"3.2.4 asterisk with another method", "GET * HTTP/1.1\r\n" HOST "\r\n", "400", NULL, NULL},
    {"3.2 no Host", "GET /p HTTP/1.1\r\n\r\n", "400", "Host", NULL},
    {"3.2 two Hosts", "GET /p HTTP/1.1\r\n" HOST HOST "\r\n", "400", "Host", NULL},
    {"3.2 malformed Host", "GET /p HTTP/1.1\r\nHost: a b\r\n\r\n", "400", "Host", NULL},
    {"3.2 path in Host", "GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n", "400", "Host", NULL},
    {"3.2 empty Host", "GET /p HTTP/1.1\r\nHost:\r\n\r\n", "400", "Host", NULL},
    {"5.1 space before the colon", "GET /p HTTP/1.1\r\n" HOST "X : b\r\n\r\n", "400", NULL, NULL},
    {"5.1 tab before the colon", "GET /p HTTP/1.1\r\n" HOST "X\t: b\r\n\r\n", "400", NULL, NULL},
    {"5.1 space before Content-Length's colon",
     "POST /p HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello", "400", NULL, NULL},
    {"5 no name", "GET /p HTTP/1.1\r\n" HOST ": b\r\n\r\n", "400", NULL, NULL},
    {"5 no colon", "GET /p HTTP/1.1\r\n" HOST "X\r\n\r\n", "400", NULL, NULL},
    {"5 name that is no token", "GET /p HTTP/1.1\r\n" HOST "X(: b\r\n\r\n", "400", NULL, NULL},
    {"5.5 (RFC 9110) control character", "GET /p HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", "400", NULL,
     NULL},
    {"5.5 (RFC 9110) DEL", "GET /p HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", "400", NULL, NULL},
    {"5.2 folded line", "GET /p HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "400", "folded", NULL},
    {"5.2 folded Transfer-Encoding",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400", "folded",
     NULL},
    {"6.1 Content-Length and Transfer-Encoding",
     "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"6.1 Transfer-Encoding and Content-Length",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"6.1 Transfer-Encoding in HTTP/1.0",
     "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", NULL, NULL},
    {"6.1 unknown coding",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501", NULL,
     NULL},
    {"6.3 chunked is not the last",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400", NULL,
     NULL},
    {"6.3 identity", "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", "400", NULL,
     NULL},
    {"6.1 chunked twice",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400",
     NULL, NULL},
    {"6.1 two Transfer-Encodings",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     "400", NULL, NULL},
    {"6.1 chunked in disguise",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400", NULL, NULL},
    {"6.1 chunked behind a vertical tab",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"6.1 chunked in quotes",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "400", NULL,
     NULL},
    {"6.3 two Content-Lengths",
     "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400", NULL,
     NULL},
    {"6.3 two different Content-Lengths",
     "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400", NULL,
     NULL},
    {"6.3 list of Content-Lengths", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello",
     "400", NULL, NULL},
    {"6.2 sign", "POST /p HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", "400", NULL, NULL},
    {"6.2 negative", "POST /p HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nhello", "400", NULL,
     NULL},
    {"6.2 hexadecimal", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", "400", NULL,
     NULL},
    {"6.2 empty", "POST /p HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nhello", "400", NULL, NULL},
    {"6.2 space within", "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5 0\r\n\r\nhello", "400",
     NULL, NULL},
    {"6.2 more than 64 bits",
     "POST /p HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\nhello", "400", NULL,
     NULL},
    {"15.5.14 (RFC 9110) body over the limit",
     "POST /p HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n\r\nhello", "413", NULL,
     NULL},
    {"7.1 chunk size that is no number",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1 chunk size with sign",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1 chunk size with prefix",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1 chunk size of more than 64 bits",
     "POST /p HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1 chunk size behind a space",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1 bare LF behind the chunk size",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", "400",
     NULL, NULL},
    {"7.1 bare LF behind the chunk",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", "400",
     NULL, NULL},
    {"7.1 chunk longer than its size",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1.1 several extensions with values: allowed there, but not by llhttp 8.1",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2;a=b;c=d\r\nhi\r\n0\r\n\r\n",
     "400", NULL, NULL},
    {"7.1.1 bare LF in an extension",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n", "400",
     NULL, NULL},
    {"7.1.2 bare LF behind a trailer",
     "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", "400", NULL,
     NULL},
    {"10.1.1 (RFC 9110) another expectation",
     "POST /p HTTP/1.1\r\n" HOST "Expect: magic\r\nContent-Length: 3\r\n\r\nabc", "417", NULL,
     NULL},
    {"3.4 (RFC 9113) the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", NULL, NULL},
    {"not HTTP: TLS to a plain port", "\x16\x03\x01\x02\x01\x01\r\n\r\n", "400", NULL, NULL},
    {"9.3 what follows an error is not looked at", "GET /p HTTP/1.1\r\n\r\n" GET("/2"), "400", NULL,
     "/2"},
    {"9.3.2 an error behind a good request", GET("/1") "BAD\r\n\r\n" GET("/2"), "200 400", "GET /1",
     "/2"},
};

static void check(const struct wire *wire, int fd)
{
    AUTO_BUF struct buf answer = BUF_INIT(4 * 1024 * 1024);
    (void)shutdown(fd, SHUT_WR);
    receive_all(fd, &answer);
    /* A 100 is no response of its own here. */
    const char *found = statuses(&answer);
    if (strncmp(found, "100 ", 4) == 0)
        found += 4;
    if (strcmp(found, wire->statuses) != 0)
        fail_msg("%s: expected %s, found %s\n%s", wire->clause, wire->statuses, found,
                 buf_text(&answer));
    if (wire->has != NULL && strstr(buf_text(&answer), wire->has) == NULL)
        fail_msg("%s: no '%s' in\n%s", wire->clause, wire->has, buf_text(&answer));
    if (wire->has_not != NULL && strstr(buf_text(&answer), wire->has_not) != NULL)
        fail_msg("%s: '%s' in\n%s", wire->clause, wire->has_not, buf_text(&answer));
}

static void at_once(const struct wire *wires, size_t count)
{
    start_server(NULL);
    for (size_t i = 0; i < count; i++) {
        int fd = connect_client();
        send_text(fd, wires[i].input);
        check(&wires[i], fd);
        fd_close(fd);
    }
}

/* The same bytes, one in a segment: nothing may depend on where the pieces end. */
static void byte_by_byte(const struct wire *wires, size_t count)
{
    start_server(NULL);
    for (size_t i = 0; i < count; i++) {
        int fd = connect_client();
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
        for (const char *at = wires[i].input; *at != '\0'; at++)
            send_bytes(fd, at, 1);
        check(&wires[i], fd);
        fd_close(fd);
    }
}

static void good_requests_are_answered(void **state)
{
    (void)state;
    at_once(good, ARRAY_LEN(good));
}

static void good_requests_are_answered_byte_by_byte(void **state)
{
    (void)state;
    byte_by_byte(good, ARRAY_LEN(good));
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    at_once(bad, ARRAY_LEN(bad));
}

static void bad_requests_are_refused_byte_by_byte(void **state)
{
    (void)state;
    byte_by_byte(bad, ARRAY_LEN(bad));
}

static void a_zero_byte_is_refused_anywhere_in_a_head(void **state)
{
    (void)state;
    static const char head[] = "GET /p HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n";
    start_server(NULL);
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        char bytes[sizeof(head)];
        memcpy(bytes, head, sizeof(head));
        bytes[i] = '\0';
        int fd = connect_client();
        send_bytes(fd, bytes, sizeof(head) - 1);
        (void)shutdown(fd, SHUT_WR);
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_all(fd, &answer);
        /* Without its last LF the head never ends: closed without a word. */
        bool refused = strncmp(buf_text(&answer), "HTTP/1.1 400", 12) == 0 ||
                       strncmp(buf_text(&answer), "HTTP/1.1 505", 12) == 0 || answer.len == 0;
        if (!refused)
            fail_msg("a zero byte at %zu: %s", i, buf_text(&answer));
        fd_close(fd);
    }
}

static void sizes_over_a_limit_are_refused(void **state)
{
    (void)state;
    struct http_limits limits = {
        .header_bytes = 600, .target_bytes = 100, .header_count = 5, .body_bytes = 10};
    start_server(&limits);
    char long_target[256];
    (void)snprintf(long_target, sizeof(long_target), "GET /%0150d", 0);
    char long_header[1024];
    (void)snprintf(long_header, sizeof(long_header), "GET / HTTP/1.1\r\nHost: a\r\nX: %0700d", 0);
    const struct wire over[] = {
        {"3 (RFC 9112) target, its line not even ended", long_target, "414", NULL, NULL},
        {"5.4 (RFC 9110) header", long_header, "431", NULL, NULL},
        {"5.4 (RFC 9110) number of headers",
         "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n", "431", NULL,
         NULL},
        {"15.5.14 (RFC 9110) announced body",
         "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", "413", NULL, NULL},
        {"15.5.14 (RFC 9110) chunked body",
         "POST / HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
         "413", NULL, NULL},
        {"within all of them",
         "POST / HTTP/1.1\r\n" HOST "A: 1\r\nB: 1\r\nContent-Length: 10\r\n\r\n0123456789", "200",
         "body=0123456789", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(over); i++) {
        int fd = connect_client();
        send_text(fd, over[i].input);
        check(&over[i], fd);
        fd_close(fd);
    }
}

static void endless_chunk_extensions_and_trailers_are_cut_off(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a=",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    };
    start_server(NULL);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        int fd = connect_client();
        send_text(fd, starts[i]);
        char piece[8192];
        memset(piece, 'x', sizeof(piece));
        for (int pieces = 0; pieces < 16; pieces++)
            send_bytes(fd, piece, sizeof(piece));
        AUTO_BUF struct buf answer = BUF_INIT(65536);
        receive_until(fd, &answer, "\r\n\r\n");
        assert_string_equal(statuses(&answer), "400");
        fd_close(fd);
    }
}

static void a_body_is_not_asked_for_before_the_app_wants_it(void **state)
{
    (void)state;
    start_server(NULL);
    int fd = connect_client();
    send_text(fd, "POST /p HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    AUTO_BUF struct buf answer = BUF_INIT(65536);
    receive_until(fd, &answer, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "abc");
    receive_until(fd, &answer, "body=abc");
    fd_close(fd);
    /* An app that does not want it: the answer at once, and the end of the connection. */
    fd = connect_client();
    send_text(fd, "POST /ignore-body HTTP/1.1\r\n" HOST
                  "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    AUTO_BUF struct buf second = BUF_INIT(65536);
    receive_all(fd, &second);
    assert_string_equal(statuses(&second), "200");
    assert_non_null(strstr(buf_text(&second), "Connection: close\r\n"));
    fd_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(good_requests_are_answered, stop_server),
        cmocka_unit_test_teardown(good_requests_are_answered_byte_by_byte, stop_server),
        cmocka_unit_test_teardown(bad_requests_are_refused, stop_server),
        cmocka_unit_test_teardown(bad_requests_are_refused_byte_by_byte, stop_server),
        cmocka_unit_test_teardown(a_zero_byte_is_refused_anywhere_in_a_head, stop_server),
        cmocka_unit_test_teardown(sizes_over_a_limit_are_refused, stop_server),
        cmocka_unit_test_teardown(endless_chunk_extensions_and_trailers_are_cut_off, stop_server),
        cmocka_unit_test_teardown(a_body_is_not_asked_for_before_the_app_wants_it, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
