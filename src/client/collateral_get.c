// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP for collateral: bounded in time and size, with retries where waiting helps. Runs on the
 * verifier's machine; what it reads is untrusted until a verification has judged it.
 */
#include "client/collateral_get.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONNECT_TIMEOUT_S = 10,
    TOTAL_TIMEOUT_S = 30,
    ATTEMPTS = 3,
    WAIT_MAX_S = 30,
    HEADER_MAX = COLLATERAL_CHAIN_MAX,
};

void collateral_answer_done(struct collateral_answer *answer)
{
    buf_done(&answer->body);
    buf_done(&answer->chain);
}

struct transfer {
    CURL *curl;
    struct collateral_answer *answer;
    struct err *err; /* of the callbacks */
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;
    return buf_bytes(&transfer->answer->body, slice_of(data, len), transfer->err) < 0 ? 0 : len;
}

static bool is_chain_header(const char *name, size_t len)
{
    static const char suffix[] = "Issuer-Chain";
    return len >= sizeof(suffix) - 1 &&
           strncasecmp(name + len - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0;
}

/* "SGX-TCB-Info-Issuer-Chain: -----BEGIN%20CERTIFICATE..." */
static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count;
    const char *colon = memchr(data, ':', len);
    if (colon == NULL || len > HEADER_MAX || !is_chain_header(data, (size_t)(colon - data)))
        return len;
    const char *value = colon + 1;
    size_t value_len = len - (size_t)(value - data);
    while (value_len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        value_len--;
    }
    while (value_len > 0 && (value[value_len - 1] == '\n' || value[value_len - 1] == '\r'))
        value_len--;
    int plain_len = 0;
    char *plain = curl_easy_unescape(transfer->curl, value, (int)value_len, &plain_len);
    buf_clear(&transfer->answer->chain);
    int rc = plain == NULL ? -1
                           : buf_bytes(&transfer->answer->chain, slice_of(plain, (size_t)plain_len),
                                       transfer->err);
    curl_free(plain);
    return rc < 0 ? 0 : len;
}

static void set_options(struct transfer *transfer, const char *url)
{
    CURL *curl = transfer->curl;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TOTAL_TIMEOUT_S);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "mse/" MSE_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
}

static int fail_transport(CURLcode code, const char *url, struct err *err)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return FAIL(err, ERR_TIMEOUT, "'%s' did not answer in %d seconds", url, TOTAL_TIMEOUT_S);
    case CURLE_PARTIAL_FILE:
        return FAIL(err, ERR_INVALID, "'%s' broke off in the middle of its answer", url);
    case CURLE_WRITE_ERROR:
        return FAIL(err, ERR_TOO_LARGE, "'%s' answered with more than %d bytes", url,
                    COLLATERAL_DOCUMENT_MAX);
    default:
        return FAIL(err, ERR_UNREACHABLE, "cannot reach '%s': %s", url, curl_easy_strerror(code));
    }
}

static int fail_status(long status, const char *url, struct err *err)
{
    if (status == 404)
        return FAIL(err, ERR_NOT_FOUND, "'%s' has no such document (404)", url);
    if (status == 429)
        return FAIL(err, ERR_BUSY, "'%s' still refuses after %d attempts: too many requests (429)",
                    url, ATTEMPTS);
    if (status >= 500)
        return FAIL(err, ERR_BUSY, "'%s' still fails after %d attempts (status %ld)", url, ATTEMPTS,
                    status);
    return FAIL(err, ERR_INVALID, "'%s' answered with status %ld", url, status);
}

/* One attempt. *ret_wait_s: seconds after which another may help; -1: none would. */
static int attempt(const char *url, const struct collateral_request *request, unsigned number,
                   struct collateral_answer *answer, long *ret_wait_s, struct err *err)
{
    struct err inner = ERR_INIT;
    struct transfer transfer = {.curl = curl_easy_init(), .answer = answer, .err = &inner};
    if (transfer.curl == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    buf_clear(&answer->body);
    buf_clear(&answer->chain);
    set_options(&transfer, url);
    CURLcode code = curl_easy_perform(transfer.curl);
    long status = 0;
    curl_off_t retry_after = 0;
    (void)curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(transfer.curl, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_cleanup(transfer.curl);
    *ret_wait_s = -1;
    if (code != CURLE_OK) {
        if (code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR)
            *ret_wait_s = 1;
        return fail_transport(code, url, err);
    }
    if (status == 200)
        return 0;
    if (status == 429 || status >= 500) {
        long wait = status == 429 ? (long)request->wait_s : 1L << number;
        *ret_wait_s = retry_after > 0 ? (long)retry_after : wait;
        if (*ret_wait_s > WAIT_MAX_S)
            *ret_wait_s = WAIT_MAX_S;
    }
    return fail_status(status, url, err);
}

static int get_http(const char *url, const struct collateral_request *request,
                    struct collateral_answer *answer, struct err *err)
{
    for (unsigned number = 0;; number++) {
        long wait_s = -1;
        err_clear(err);
        if (attempt(url, request, number, answer, &wait_s, err) == 0)
            return 0;
        if (wait_s < 0 || number + 1 == ATTEMPTS)
            return -1;
        client_info(request->hooks, "%s; trying again in %ld s", err->message, wait_s);
        clock_sleep_ms(1000 * wait_s);
    }
}

/* A folder that mirrors the service: FOLDER/path, and its issuer chain in FOLDER/path.chain. */
static int get_folder(const char *url, const struct collateral_request *request,
                      struct collateral_answer *answer, struct err *err)
{
    AUTO_FREE char *chain = str_printf(err, "%s.chain", url);
    if (chain == NULL || file_read(url, &answer->body, err) < 0)
        return -1;
    return request->wants_chain ? file_read(chain, &answer->chain, err) : 0;
}

int collateral_get(const struct collateral_request *request, struct collateral_answer *ret,
                   struct err *err)
{
    struct err absent = ERR_INIT;
    *ret = (struct collateral_answer){.body = BUF_INIT(COLLATERAL_DOCUMENT_MAX),
                                      .chain = BUF_INIT(COLLATERAL_CHAIN_MAX)};
    AUTO_FREE char *url = str_printf(err, "%s%s", request->base, request->path);
    if (url == NULL)
        return -1;
    bool remote =
        str_starts_with(request->base, "https://") || str_starts_with(request->base, "http://");
    if (!remote)
        return get_folder(url, request, ret, err);
    bool asks = request->refresh && request->keep != COLLATERAL_FOREVER;
    if (!request->no_cache && !asks && collateral_cache_read(url, ret, &absent) == 0)
        return 0;
    if (get_http(url, request, ret, err) < 0) {
        if (!asks || request->no_cache || collateral_cache_read(url, ret, &absent) < 0)
            return -1;
        client_warn(request->hooks, "%s; what was kept serves", err->message);
        err_clear(err);
        return 0;
    }
    if (ret->body.len == 0 || (request->wants_chain && ret->chain.len == 0))
        return FAIL(err, ERR_INVALID, "'%s' answered without %s", url,
                    ret->body.len == 0 ? "a document" : "an issuer chain");
    if (!request->no_cache)
        collateral_cache_write(url, ret, request->keep);
    return 0;
}
