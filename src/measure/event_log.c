// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a TCG crypto-agile event log and folds it. Bytes come from a guest that nobody has judged
 * yet.
 */
#include "measure/event_log.h"

#include "base/mem.h"

enum { ALGORITHM_SHA384 = 0x000c, ALGORITHM_SIZE_MAX = 64, END_MARK = 0xff };

static const char spec_id[16] = "Spec ID Event03";

static int read_algorithms(struct reader *in, struct event_log *log, struct err *err)
{
    uint32_t count;
    bool has_sha384 = false;
    if (reader_u32le(in, "number of algorithms", &count, err) < 0)
        return -1;
    if (count == 0 || count > EVENT_ALGORITHMS_MAX)
        return FAIL(err, ERR_INVALID, "event log: %u hash algorithms, expected 1 to %d", count,
                    EVENT_ALGORITHMS_MAX);
    for (; log->algorithm_count < count; log->algorithm_count++) {
        struct event_algorithm *algorithm = &log->algorithms[log->algorithm_count];
        if (reader_u16le(in, "algorithm", &algorithm->id, err) < 0 ||
            reader_u16le(in, "size of a digest", &algorithm->size, err) < 0)
            return -1;
        if (algorithm->size == 0 || algorithm->size > ALGORITHM_SIZE_MAX ||
            (algorithm->id == ALGORITHM_SHA384 && algorithm->size != SHA384_SIZE))
            return FAIL(err, ERR_INVALID, "event log: digests of algorithm %#x have %u bytes",
                        algorithm->id, algorithm->size);
        for (size_t i = 0; i < log->algorithm_count; i++) {
            if (log->algorithms[i].id == algorithm->id)
                return FAIL(err, ERR_INVALID, "event log: algorithm %#x twice", algorithm->id);
        }
        has_sha384 |= algorithm->id == ALGORITHM_SHA384;
    }
    if (!has_sha384)
        return FAIL(err, ERR_UNSUPPORTED, "event log: no SHA-384 digests, which RTMRs are made of");
    return 0;
}

/* TCG_EfiSpecIDEvent. */
static int read_spec_id(struct slice event, struct event_log *log, struct err *err)
{
    struct reader in = reader_of(event, "event log: its first event");
    struct slice signature;
    uint8_t vendor_size;
    if (reader_slice(&in, "signature", sizeof(spec_id), &signature, err) < 0)
        return -1;
    if (!slice_equal(signature, slice_of(spec_id, sizeof(spec_id))))
        return FAIL(err, ERR_INVALID, "event log: does not begin with 'Spec ID Event03'");
    if (reader_skip(&in, "platform class and versions", 8, err) < 0 ||
        read_algorithms(&in, log, err) < 0 ||
        reader_u8(&in, "size of the vendor's part", &vendor_size, err) < 0 ||
        reader_skip(&in, "vendor's part", vendor_size, err) < 0)
        return -1;
    return reader_end(&in, err);
}

int event_log_open(struct slice bytes, struct event_log *ret, struct err *err)
{
    struct event_log log = {.in = reader_of(bytes, "event log")};
    uint32_t type;
    uint32_t size;
    struct slice event;
    if (bytes.len > EVENT_LOG_MAX)
        return FAIL(err, ERR_TOO_LARGE, "event log: %zu bytes, at most %d", bytes.len,
                    EVENT_LOG_MAX);
    /* TCG_PCR_EVENT: the old form, which only the first event has */
    if (reader_skip(&log.in, "first register", 4, err) < 0 ||
        reader_u32le(&log.in, "first type", &type, err) < 0 ||
        reader_skip(&log.in, "first digest", SHA1_SIZE, err) < 0 ||
        reader_u32le(&log.in, "first size", &size, err) < 0 ||
        reader_slice(&log.in, "first event", size, &event, err) < 0)
        return -1;
    if (type != EVENT_NO_ACTION)
        return FAIL(err, ERR_INVALID, "event log: its first event has type %#x, expected %d", type,
                    EVENT_NO_ACTION);
    if (read_spec_id(event, &log, err) < 0)
        return -1;
    *ret = log;
    return 0;
}

/* Nothing but filling? An area that was never written has one byte throughout. */
static bool is_end(const struct reader *in)
{
    const uint8_t *rest = in->bytes.data + in->pos;
    size_t left = reader_left(in);
    if (left == 0)
        return true;
    if (rest[0] != END_MARK && rest[0] != 0)
        return false;
    size_t i = 1;
    while (i < left && rest[i] == rest[0])
        i++;
    return i == left;
}

static const struct event_algorithm *algorithm_of(const struct event_log *log, uint16_t id)
{
    for (size_t i = 0; i < log->algorithm_count; i++) {
        if (log->algorithms[i].id == id)
            return &log->algorithms[i];
    }
    return NULL;
}

static int read_digests(struct event_log *log, struct event *event, struct err *err)
{
    uint32_t count;
    if (reader_u32le(&log->in, "number of digests", &count, err) < 0)
        return -1;
    if (count != log->algorithm_count)
        return FAIL(err, ERR_INVALID, "event log: %u digests at offset %zu, expected %zu", count,
                    log->in.pos - 4, log->algorithm_count);
    bool seen[EVENT_ALGORITHMS_MAX] = {false};
    for (uint32_t i = 0; i < count; i++) {
        uint16_t id;
        struct slice digest;
        if (reader_u16le(&log->in, "algorithm of a digest", &id, err) < 0)
            return -1;
        const struct event_algorithm *algorithm = algorithm_of(log, id);
        if (algorithm == NULL || seen[algorithm - log->algorithms])
            return FAIL(err, ERR_INVALID, "event log: a digest of algorithm %#x at offset %zu", id,
                        log->in.pos - 2);
        seen[algorithm - log->algorithms] = true;
        if (reader_slice(&log->in, "digest", algorithm->size, &digest, err) < 0)
            return -1;
        if (id == ALGORITHM_SHA384)
            event->digest = digest;
    }
    return 0;
}

int event_log_next(struct event_log *log, struct event *ret, bool *ret_more, struct err *err)
{
    struct event event = {0};
    uint32_t index;
    uint32_t size;
    if (is_end(&log->in)) {
        *ret_more = false;
        return 0;
    }
    size_t start = log->in.pos;
    if (reader_u32le(&log->in, "register", &index, err) < 0 ||
        reader_u32le(&log->in, "type", &event.type, err) < 0 ||
        read_digests(log, &event, err) < 0 ||
        reader_u32le(&log->in, "size of an event", &size, err) < 0 ||
        reader_slice(&log->in, "event", size, &event.data, err) < 0)
        return -1;
    if (index < 1 || index > TDX_RTMR_COUNT)
        return FAIL(err, ERR_INVALID,
                    "event log: register %u at offset %zu, expected 1 to %d (RTMR0 to RTMR3)",
                    index, start, TDX_RTMR_COUNT);
    event.rtmr = index - 1;
    *ret = event;
    *ret_more = true;
    return 0;
}

int event_log_replay(struct slice bytes, uint8_t ret[static TDX_RTMR_COUNT][TDX_DIGEST_SIZE],
                     struct err *err)
{
    uint8_t rtmrs[TDX_RTMR_COUNT][TDX_DIGEST_SIZE] = {0};
    struct event_log log;
    bool more = true;
    if (event_log_open(bytes, &log, err) < 0)
        return -1;
    while (more) {
        struct event event;
        if (event_log_next(&log, &event, &more, err) < 0)
            return -1;
        if (more && event.type != EVENT_NO_ACTION &&
            tdx_extend(rtmrs[event.rtmr], event.digest.data, err) < 0)
            return -1;
    }
    memcpy(ret, rtmrs, sizeof(rtmrs));
    return 0;
}
