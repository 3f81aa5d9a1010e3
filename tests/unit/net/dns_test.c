// SPDX-License-Identifier: Apache-2.0
/*
 * Answers about a TXT record: found whole, in parts and behind an alias; not found in records of
 * others; and refused where a name does not end or the answer is to something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/dns.h"

static struct err ignored;
#define OK(call) assert_int_equal((call), 0)

enum { TXT = 16, CNAME = 5, FLAGS = 0x8180, QUESTION_AT = 12 };
static const char question[] = "_mse.www.example.com";
static const char text[] = "mse-account=token:alice@apps.test";

static void add_name(struct buf *out, const char *name)
{
    for (const char *at = name; *at != '\0';) {
        size_t len = strcspn(at, ".");
        OK(buf_u8(out, (uint8_t)len, &ignored));
        OK(buf_bytes(out, slice_of(at, len), &ignored));
        at += len + (at[len] == '.' ? 1 : 0);
    }
    OK(buf_u8(out, 0, &ignored));
}

static void start(struct buf *out, uint16_t flags, uint16_t answers, const char *name)
{
    const uint16_t head[] = {7, flags, 1, answers, 0, 0};
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        OK(buf_u16be(out, head[i], &ignored));
    add_name(out, name);
    OK(buf_u16be(out, TXT, &ignored));
    OK(buf_u16be(out, 1, &ignored));
}

static void add_record(struct buf *out, const char *name, uint16_t type, struct slice data)
{
    if (name == NULL)
        OK(buf_u16be(out, 0xc000 | QUESTION_AT, &ignored));
    else
        add_name(out, name);
    OK(buf_u16be(out, type, &ignored));
    OK(buf_u16be(out, 1, &ignored));
    OK(buf_u32be(out, 300, &ignored));
    OK(buf_u16be(out, (uint16_t)data.len, &ignored));
    OK(buf_bytes(out, data, &ignored));
}

static void add_txt(struct buf *out, const char *name, const char *first, const char *second)
{
    AUTO_BUF struct buf data = BUF_INIT(1000);
    const char *const parts[] = {first, second};
    for (size_t i = 0; i < ARRAY_LEN(parts) && parts[i] != NULL; i++) {
        OK(buf_u8(&data, (uint8_t)strlen(parts[i]), &ignored));
        OK(buf_str(&data, parts[i], &ignored));
    }
    add_record(out, name, TXT, buf_slice(&data));
}

static bool found(const struct buf *answer)
{
    struct err err = ERR_INIT;
    bool result = false;
    if (dns_answer_has_txt(buf_slice(answer), question, text, &result, &err) < 0)
        fail_msg("%s", err.message);
    return result;
}

static void refused(const struct buf *answer, enum err_kind kind)
{
    struct err err = ERR_INIT;
    bool result = false;
    assert_int_equal(dns_answer_has_txt(buf_slice(answer), question, text, &result, &err), -1);
    assert_int_equal(err.kind, kind);
}

static void found_test(void **state)
{
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    start(&answer, FLAGS, 2, "_mse.WWW.example.com");
    add_txt(&answer, NULL, "v=spf1 -all", NULL);
    add_txt(&answer, NULL, text, NULL);
    assert_true(found(&answer));
    AUTO_BUF struct buf parts = BUF_INIT(4096);
    start(&parts, FLAGS, 1, question);
    add_txt(&parts, "_MSE.www.example.COM", "mse-account=token:", "alice@apps.test");
    assert_true(found(&parts));
}

static void alias_test(void **state)
{
    AUTO_BUF struct buf target = BUF_INIT(256);
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    add_name(&target, "proof.example.net");
    start(&answer, FLAGS, 2, question);
    add_record(&answer, NULL, CNAME, buf_slice(&target));
    add_txt(&answer, "proof.example.net", text, NULL);
    assert_true(found(&answer));
    AUTO_BUF struct buf elsewhere = BUF_INIT(4096);
    start(&elsewhere, FLAGS, 2, question);
    add_record(&elsewhere, NULL, CNAME, buf_slice(&target));
    add_txt(&elsewhere, "other.example.net", text, NULL);
    assert_false(found(&elsewhere));
}

/* Records that whoever wants the name may have put in: of another name, account, class or type. */
static void not_found_test(void **state)
{
    const struct {
        const char *name;
        const char *first;
    } rows[] = {{"www.example.com", text},
                {"_mse.example.com", text},
                {"evil._mse.www.example.com", text},
                {NULL, "mse-account=token:alice@apps.tes"},
                {NULL, "mse-account=token:alice@apps.test "},
                {NULL, "MSE-account=token:alice@apps.test"},
                {NULL, ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf answer = BUF_INIT(4096);
        start(&answer, FLAGS, 1, question);
        add_txt(&answer, rows[i].name, rows[i].first, NULL);
        assert_false(found(&answer));
    }
    AUTO_BUF struct buf none = BUF_INIT(4096);
    start(&none, FLAGS | 3, 0, question);
    assert_false(found(&none));
    AUTO_BUF struct buf other_type = BUF_INIT(4096);
    start(&other_type, FLAGS, 1, question);
    add_record(&other_type, NULL, 99, slice_str("\x21mse-account=token:alice@apps.test"));
    assert_false(found(&other_type));
}

static void refused_test(void **state)
{
    const struct {
        uint16_t flags;
        const char *question;
        enum err_kind kind;
    } rows[] = {{0x0100, question, ERR_INVALID}, /* a question */
                {0x8980, question, ERR_INVALID}, /* another kind of query */
                {0x8380, question, ERR_UNSUPPORTED}, {0x8182, question, ERR_UNREACHABLE},
                {0x8185, question, ERR_UNREACHABLE}, {FLAGS, "_mse.example.com", ERR_INVALID}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf answer = BUF_INIT(4096);
        start(&answer, rows[i].flags, 1, rows[i].question);
        add_txt(&answer, NULL, text, NULL);
        refused(&answer, rows[i].kind);
    }
}

/* Names that point at themselves, forwards, or never end. */
static void endless_names_test(void **state)
{
    static const uint8_t itself[] = {0xc0, 38};
    static const uint8_t forwards[] = {0xc0, 40, 0, 0};
    static const uint8_t strange[] = {0x80, 0};
    const struct slice names[] = {slice_of(itself, 2), slice_of(forwards, 4), slice_of(strange, 2)};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_BUF struct buf answer = BUF_INIT(4096);
        start(&answer, FLAGS, 1, question);
        assert_int_equal(answer.len, 38);
        OK(buf_bytes(&answer, names[i], &ignored));
        refused(&answer, ERR_INVALID);
    }
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    start(&answer, FLAGS, 1, question);
    for (int i = 0; i < 5; i++) {
        OK(buf_u8(&answer, 63, &ignored));
        for (int j = 0; j < 63; j++)
            OK(buf_u8(&answer, 'a', &ignored));
    }
    refused(&answer, ERR_INVALID);
}

static void truncated_test(void **state)
{
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    start(&answer, FLAGS, 2, question);
    add_txt(&answer, NULL, "v=spf1 -all", NULL);
    add_txt(&answer, NULL, text, NULL);
    for (size_t len = 0; len < answer.len; len++) {
        struct buf cut = answer;
        cut.len = len;
        refused(&cut, ERR_INVALID);
    }
}

static void resolver_test(void **state)
{
    struct err err = ERR_INIT;
    static const char *const bad[] = {"",         "127.0.0.1",    "127.0.0.1:", "127.0.0.1:0",
                                      "[::1]:53", "localhost:53", ":53",        "127.0.0.1:65536"};
    OK(dns_check_resolver("127.0.0.1:5353", &err));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err_clear(&err);
        assert_int_equal(dns_check_resolver(bad[i], &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_test),         cmocka_unit_test(alias_test),
        cmocka_unit_test(not_found_test),     cmocka_unit_test(refused_test),
        cmocka_unit_test(endless_names_test), cmocka_unit_test(truncated_test),
        cmocka_unit_test(resolver_test),
    };
    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
