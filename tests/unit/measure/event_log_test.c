// SPDX-License-Identifier: Apache-2.0
/*
 * Event logs of real TDX guests: their folded registers, that each byte of a digest counts, and
 * logs that are cut or forged.
 */
#include "known.h"

#include "measure/event_log.h"
#include "measure/tdx.h"

enum { LOG_MAX = 64 * 1024 };

struct answer {
    const char *file;
    const char *rtmrs[3];
};

/* The second one's are those of its quote. */
static const struct answer answers[] = {
    {"old-boot.ccel",
     {"8083cd6898cc52a90231cdf9c0532bf9513c40465c6f71e56cbe32ee2c11a9dfc030297ca3ca0f62477d6d1f610d"
      "3"
      "fdb",
      "6484f0d72c03521c0434553be34e8db8228b729e799666d2b7754085c77aa9981f5a440df3047194b24f212ff116"
      "0"
      "c1e",
      "c3e7ed9d7e909b29732f676d01dc63de869b049362b522a315cb042689670be07344c347cf85d985c7b928d4934e"
      "4"
      "1e1"}},
    {"grub-boot.ccel",
     {"a4de2df23e9611299123ba4359c42a5e578b0f8488bf1bba8ef5606d9ea5d81c97c064b482a5eac537d166bd0f0f"
      "7"
      "52d",
      "0ee9366c928a77092f55e9e114c7394181fd264699155f0df77d23577618d5f650568a17d379355a07bd846e552f"
      "4"
      "e20",
      "4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d17714b46c10a8de219048c9fc09f11f381a6fb"
      "e"
      "7c1"}},
};

static void registers_of_real_guests(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO_BUF struct buf log = BUF_INIT(LOG_MAX);
        uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
        known_read(answers[i].file, &log);
        OK(event_log_replay(buf_slice(&log), rtmrs, &err));
        for (size_t k = 0; k < ARRAY_LEN(answers[i].rtmrs); k++)
            assert_digest(rtmrs[k], TDX_DIGEST_SIZE, answers[i].rtmrs[k]);
        assert_true(slice_is_zero(slice_of(rtmrs[3], TDX_DIGEST_SIZE)));
    }
}

struct logged {
    uint32_t type;
    const char *data; /* NULL: its digest is of something else */
    size_t len;
};

static void assert_events(const char *file, uint32_t rtmr, const struct logged *expected,
                          size_t count)
{
    AUTO_BUF struct buf bytes = BUF_INIT(LOG_MAX);
    struct event_log log;
    struct event event;
    bool more = true;
    size_t found = 0;
    known_read(file, &bytes);
    OK(event_log_open(buf_slice(&bytes), &log, &err));
    for (;;) {
        OK(event_log_next(&log, &event, &more, &err));
        if (!more)
            break;
        if (event.rtmr != rtmr)
            continue;
        assert_true(found < count);
        const struct logged *logged = &expected[found++];
        assert_int_equal(event.type, logged->type);
        if (logged->data == NULL)
            continue;
        uint8_t digest[SHA384_SIZE];
        assert_true(slice_equal(event.data, slice_of(logged->data, logged->len)));
        OK(sha384(event.data, digest, &err));
        assert_memory_equal(digest, event.digest.data, sizeof(digest));
    }
    assert_int_equal(found, count);
}

/* What src/measure/tdx.c folds is what edk2 and Linux log when they boot a kernel directly. */
static void the_events_of_a_direct_boot(void **state)
{
    (void)state;
    static const struct logged rtmr1[] = {
        {0x80000003, NULL, 0}, /* the kernel, by its Authenticode digest */
        {0x80000007, "Calling EFI Application from Boot Option", 40},
        {0x4, "\0\0\0\0", 4},
        {0x80000007, "Exit Boot Services Invocation", 29},
        {0x80000007, "Exit Boot Services Returned with Success", 40},
    };
    static const struct logged rtmr2[] = {
        {0x6, NULL, 0}, /* LOADED_IMAGE::LoadOptions */
        {0x6, NULL, 0}, /* Linux initrd */
    };
    assert_events("edk2-boot.ccel", 1, rtmr1, ARRAY_LEN(rtmr1));
    assert_events("initrd-boot.ccel", 2, rtmr2, ARRAY_LEN(rtmr2));
}

static void filling_behind_the_log_is_no_event(void **state)
{
    (void)state;
    static const uint8_t fillings[] = {0xff, 0x00};
    for (size_t i = 0; i < ARRAY_LEN(fillings); i++) {
        AUTO_BUF struct buf log = BUF_INIT(LOG_MAX);
        uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
        known_read("old-boot.ccel", &log);
        for (size_t k = 0; k < 1000; k++)
            OK(buf_u8(&log, fillings[i], &err));
        OK(event_log_replay(buf_slice(&log), rtmrs, &err));
        assert_digest(rtmrs[2], TDX_DIGEST_SIZE, answers[0].rtmrs[2]);
        log.data[log.len - 1] ^= 1; /* no longer the same byte throughout */
        assert_int_equal(event_log_replay(buf_slice(&log), rtmrs, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static bool replays_as(struct slice log, uint8_t good[static TDX_RTMR_COUNT][TDX_DIGEST_SIZE])
{
    uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    return event_log_replay(log, rtmrs, NULL) == 0 && memcmp(rtmrs, good, sizeof(rtmrs)) == 0;
}

static void every_byte_of_a_digest_counts(void **state)
{
    (void)state;
    AUTO_BUF struct buf bytes = BUF_INIT(LOG_MAX);
    uint8_t good[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    struct event_log log;
    struct event event;
    bool more = true;
    known_read("old-boot.ccel", &bytes);
    OK(event_log_replay(buf_slice(&bytes), good, &err));
    OK(event_log_open(buf_slice(&bytes), &log, &err));
    for (;;) {
        OK(event_log_next(&log, &event, &more, &err));
        if (!more)
            break;
        for (size_t i = 0; i < event.digest.len; i++) {
            uint8_t *byte = bytes.data + (event.digest.data - bytes.data) + i;
            *byte ^= 1;
            assert_false(replays_as(buf_slice(&bytes), good));
            *byte ^= 1;
        }
    }
    assert_true(replays_as(buf_slice(&bytes), good));
}

static void cut_logs_are_refused_or_others(void **state)
{
    (void)state;
    AUTO_BUF struct buf log = BUF_INIT(LOG_MAX);
    uint8_t good[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    size_t whole = 0;
    known_read("old-boot.ccel", &log);
    OK(event_log_replay(buf_slice(&log), good, &err));
    for (size_t len = 0; len < log.len; len++) {
        err = ERR_INIT;
        if (event_log_replay(slice_of(log.data, len), rtmrs, &err) == 0)
            whole++; /* cut between two events: other registers */
        else if (err.kind != ERR_INVALID || strstr(err.message, "event log") == NULL)
            fail_msg("%zu bytes: %s", len, err.message);
        assert_false(replays_as(slice_of(log.data, len), good));
    }
    assert_int_equal(whole, 19);
}

/* The first event: 32 bytes, then "Spec ID Event03" and what describes the log. */
enum { SPEC = 32, ALGORITHMS = SPEC + 24, EVENTS = SPEC + 33 };

static const struct {
    const char *what;
    uint32_t at;
    uint32_t size;
    uint32_t value;
    enum err_kind kind;
    const char *part;
} forged[] = {
    {"first type", 4, 4, 4, ERR_INVALID, "first event has type 0x4"},
    {"first size", 28, 4, 32, ERR_INVALID, "truncated"},
    {"signature", SPEC, 4, 0, ERR_INVALID, "'Spec ID Event03'"},
    {"no algorithm", ALGORITHMS, 4, 0, ERR_INVALID, "0 hash algorithms"},
    {"many algorithms", ALGORITHMS, 4, 9, ERR_INVALID, "9 hash algorithms"},
    {"another algorithm", ALGORITHMS + 4, 2, 0xb, ERR_UNSUPPORTED, "no SHA-384 digests"},
    {"short digests", ALGORITHMS + 6, 2, 32, ERR_INVALID, "algorithm 0xc have 32 bytes"},
    {"register 0", EVENTS, 4, 0, ERR_INVALID, "register 0 at offset 65"},
    {"register 5", EVENTS, 4, 5, ERR_INVALID, "register 5 at offset 65"},
    {"two digests", EVENTS + 8, 4, 2, ERR_INVALID, "2 digests at offset 73, expected 1"},
    {"digest of another algorithm", EVENTS + 12, 2, 4, ERR_INVALID, "algorithm 0x4 at offset 77"},
    {"long event", EVENTS + 62, 4, UINT32_MAX, ERR_INVALID, "truncated: event needs"},
};

static void forged_logs_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        AUTO_BUF struct buf log = BUF_INIT(LOG_MAX);
        uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
        known_read("old-boot.ccel", &log);
        if (forged[i].size == 2)
            put_u16(log.data + forged[i].at, forged[i].value);
        else
            put_u32(log.data + forged[i].at, forged[i].value);
        err = ERR_INIT;
        if (event_log_replay(buf_slice(&log), rtmrs, &err) == 0 || err.kind != forged[i].kind ||
            strstr(err.message, forged[i].part) == NULL)
            fail_msg("%s: '%s'", forged[i].what, err.message);
    }
    AUTO_BUF struct buf large = BUF_INIT(EVENT_LOG_MAX + 1);
    uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE];
    assert_non_null(buf_reserve(&large, EVENT_LOG_MAX + 1, &err));
    FAILS(ERR_TOO_LARGE, "at most",
          event_log_replay(slice_of(large.data, EVENT_LOG_MAX + 1), rtmrs, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_of_real_guests),
        cmocka_unit_test(the_events_of_a_direct_boot),
        cmocka_unit_test(filling_behind_the_log_is_no_event),
        cmocka_unit_test(every_byte_of_a_digest_counts),
        cmocka_unit_test(cut_logs_are_refused_or_others),
        cmocka_unit_test(forged_logs_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
