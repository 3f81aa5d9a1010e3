// SPDX-License-Identifier: Apache-2.0
/*
 * Collateral on disk: kept until its own next update, found under its own URL alone, and a damaged
 * file is no collateral.
 */
#include "client/collateral_get.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>

#define URL "https://example.test/tcb?fmspc=00"

static char folder_path[128];

static void enter(struct temp_folder *folder)
{
    *folder = temp_folder_new();
    assert_int_equal(setenv("MSE_CACHE_HOME", folder->path, 1), 0);
    (void)snprintf(folder_path, sizeof(folder_path), "%s/collateral", folder->path);
}

static void file_of(const char *url, char path[static 256])
{
    uint8_t digest[SHA256_SIZE];
    char name[2 * SHA256_SIZE + 1];
    OK(sha256(slice_str(url), digest, &err));
    hex_encode(slice_of(digest, sizeof(digest)), name);
    (void)snprintf(path, 256, "%s/%s", folder_path, name);
}

static void put(const char *url, const char *body, const char *chain, enum collateral_keep keep)
{
    AUTO_ANSWER struct collateral_answer answer = {.body = BUF_INIT(COLLATERAL_DOCUMENT_MAX),
                                                   .chain = BUF_INIT(COLLATERAL_CHAIN_MAX)};
    OK(buf_str(&answer.body, body, &err));
    OK(buf_str(&answer.chain, chain, &err));
    collateral_cache_write(url, &answer, keep);
}

static int get(const char *url, struct collateral_answer *answer)
{
    *answer = (struct collateral_answer){.body = BUF_INIT(COLLATERAL_DOCUMENT_MAX),
                                         .chain = BUF_INIT(COLLATERAL_CHAIN_MAX)};
    return collateral_cache_read(url, answer, &err);
}

static void expect_absent(const char *url)
{
    AUTO_ANSWER struct collateral_answer answer;
    FAILS(ERR_NOT_FOUND, "", get(url, &answer));
}

/* TCB info whose next update is so many seconds from now. */
static void put_dated(int64_t seconds)
{
    char time[RFC3339_SIZE];
    char body[128];
    rfc3339_format(clock_unix() + seconds, time);
    (void)snprintf(body, sizeof(body), "{\"tcbInfo\":{\"nextUpdate\":\"%s\"}}", time);
    put(URL, body, "chain", COLLATERAL_UNTIL_NEXT_UPDATE);
}

static void test_comes_back(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    AUTO_ANSWER struct collateral_answer answer;
    char path[256];
    struct stat info;
    (void)state;
    enter(&folder);
    expect_absent(URL);
    put(URL, "body", "chain", COLLATERAL_FOREVER);
    OK(get(URL, &answer));
    assert_string_equal(buf_text(&answer.body), "body");
    assert_string_equal(buf_text(&answer.chain), "chain");
    expect_absent(URL "1");
    file_of(URL, path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void test_age(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    AUTO_ANSWER struct collateral_answer answer;
    (void)state;
    enter(&folder);
    put_dated(-10);
    expect_absent(URL);
    put_dated(3600);
    OK(get(URL, &answer));
    put_dated(-10); /* and is gone again */
    expect_absent(URL);
}

static void test_without_a_time_nothing_is_kept(void **state)
{
    static const char *const bodies[] = {"",
                                         "{",
                                         "{}",
                                         "{\"tcbInfo\":{}}",
                                         "{\"tcbInfo\":{\"nextUpdate\":\"soon\"}}",
                                         "{\"enclaveIdentity\":{\"nextUpdate\":5}}"};
    AUTO_TEMP struct temp_folder folder;
    (void)state;
    enter(&folder);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        put(URL, bodies[i], "chain", COLLATERAL_UNTIL_NEXT_UPDATE);
        expect_absent(URL);
    }
}

/* A file that was moved to another URL's name is not that URL's. */
static void test_another_urls_file(void **state)
{
    AUTO_TEMP struct temp_folder folder;
    char from[256];
    char to[256];
    (void)state;
    enter(&folder);
    put(URL, "body", "chain", COLLATERAL_FOREVER);
    file_of(URL, from);
    file_of(URL "1", to);
    assert_int_equal(rename(from, to), 0);
    expect_absent(URL "1");
}

static void test_damaged(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"url\":\"" URL "\"}",
        "{\"body\":\"!\",\"chain\":\"\",\"expires_at\":0,\"url\":\"" URL "\"}",
        "{\"body\":\"\",\"chain\":5,\"expires_at\":0,\"url\":\"" URL "\"}",
        "{\"body\":\"\",\"chain\":\"\",\"expires_at\":-1,\"url\":\"" URL "\"}",
    };
    AUTO_TEMP struct temp_folder folder;
    char path[256];
    (void)state;
    enter(&folder);
    put(URL, "body", "chain", COLLATERAL_FOREVER);
    file_of(URL, path);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_ANSWER struct collateral_answer answer;
        OK(file_write_atomic(path, slice_str(texts[i]), 0600, &err));
        FAILS(ERR_INVALID, "", get(URL, &answer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_without_a_time_nothing_is_kept),
        cmocka_unit_test(test_another_urls_file),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
