// SPDX-License-Identifier: Apache-2.0
/*
 * Real evidence, damaged: every byte of every good Intel sample flipped, every length cut. A flip
 * is either rejected by a named check or stands in a place that is listed here with the reason why
 * it decides nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "judge.h"
#include "samples.h"

enum { SAMPLE_MAX = 1 << 20 };

struct sample {
    const char *name;
    int64_t at;
    bool hardening;
};

/* Those that are accepted, under the least loosening that makes them so. */
static const struct sample samples[] = {
    {"sgx-config-and-hardening", 1752919277, true},
    {"tdx4-up-to-date", 1752919234, false},
    {"tdx5-up-to-date", 1772500000, false},
};

/* From where, and how many bytes on: one in `fast`, or each. */
static size_t stride(size_t fast)
{
    return getenv("MSE_EXHAUSTIVE") != NULL ? 1 : fast;
}

struct loaded {
    struct buf evidence, collateral;
    struct mse_policy policy;
    int64_t at;
};

static const char *const hardening_words[] = {"ConfigurationAndSWHardeningNeeded"};

static void load(const char *folder, const struct sample *sample, struct loaded *ret)
{
    char name[128];
    *ret = (struct loaded){.evidence = BUF_INIT(SAMPLE_MAX),
                           .collateral = BUF_INIT(SAMPLE_MAX),
                           .policy = MSE_POLICY_INIT};
    (void)snprintf(name, sizeof(name), "%s.evidence", sample->name);
    sample_read(folder, name, &ret->evidence);
    (void)snprintf(name, sizeof(name), "%s.collateral.json", sample->name);
    sample_read(folder, name, &ret->collateral);
    ret->at = sample->at;
    if (sample->hardening) {
        ret->policy.tcb_accept = hardening_words;
        ret->policy.tcb_accept_count = 1;
    }
}

static void unload(struct loaded *loaded)
{
    buf_done(&loaded->evidence);
    buf_done(&loaded->collateral);
}

static struct mse_verdict *judge(const struct loaded *loaded)
{
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {loaded->evidence.data, loaded->evidence.len},
        .collateral = {loaded->collateral.data, loaded->collateral.len},
        .policy = &loaded->policy,
        .at = loaded->at,
    };
    struct mse_verdict *verdict = mse_verify(&input);
    assert_non_null(verdict);
    return verdict;
}

/* Rejected and said why? */
static bool rejected_by_name(const struct loaded *loaded)
{
    struct mse_verdict *verdict = judge(loaded);
    bool named = false;
    for (size_t i = 0; i < verdict->check_count; i++)
        named = named || (verdict->checks[i].result == MSE_FAIL && verdict->checks[i].name[0] != 0);
    bool rejected = !verdict->accepted && named;
    mse_verdict_free(verdict);
    return rejected;
}

/* Flips of the evidence that decide nothing:
 *  - in the PEM text of the chain, white space for other white space (base64 ignores it), or for
 * the zero byte that ends it. */
static bool flip_is_space(uint8_t before, uint8_t after)
{
    return memchr(" \n\r\t", before, 4) != NULL && memchr(" \n\r\t", after, 4) != NULL;
}

static void test_flip_evidence(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct loaded loaded;
        load(folder, &samples[i], &loaded);
        assert_false(rejected_by_name(&loaded));
        for (size_t at = i % stride(17); at < loaded.evidence.len; at += stride(17)) {
            uint8_t before = loaded.evidence.data[at];
            loaded.evidence.data[at] = (uint8_t)(before ^ (1u << at % 8));
            bool ends_text = before == 0 && at + 1 == loaded.evidence.len;
            bool fine = rejected_by_name(&loaded) ||
                        flip_is_space(ends_text ? '\n' : before, loaded.evidence.data[at]);
            if (!fine)
                fail_msg("%s: byte %zu flipped and accepted", samples[i].name, at);
            loaded.evidence.data[at] = before;
        }
        unload(&loaded);
    }
}

/* Flips of the bundle that decide nothing:
 *  - the name of an optional member (the PCK CRL's issuer chain) becomes an unknown name, which is
 *    not read: the quote's own chain serves;
 *  - a hexadecimal digit changes case;
 *  - white space for other white space, in JSON or (escaped) in PEM. */
static bool flip_decides_nothing(const struct loaded *loaded, size_t at, uint8_t before)
{
    static const char optional[] = "pck_crl_issuer_chain";
    uint8_t after = loaded->collateral.data[at];
    if (flip_is_space(before, after) || (before ^ after) == 0x20)
        return true;
    size_t from = at < sizeof(optional) ? 0 : at - sizeof(optional);
    size_t count = loaded->collateral.len - from < 2 * sizeof(optional)
                       ? loaded->collateral.len - from
                       : 2 * sizeof(optional);
    char around[2 * sizeof(optional) + 1];
    memcpy(around, loaded->collateral.data + from, count);
    around[count] = '\0';
    around[at - from] = (char)before;
    const char *found = strstr(around, optional);
    if (found == NULL)
        return false;
    size_t start = from + (size_t)(found - around);
    return at >= start && at < start + strlen(optional);
}

static void test_flip_collateral(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct loaded loaded;
        load(folder, &samples[i], &loaded);
        for (size_t at = i % stride(61); at < loaded.collateral.len; at += stride(61)) {
            uint8_t before = loaded.collateral.data[at];
            loaded.collateral.data[at] = (uint8_t)(before ^ (1u << at % 7));
            bool fine = rejected_by_name(&loaded) || flip_decides_nothing(&loaded, at, before);
            if (!fine)
                fail_msg("%s: byte %zu of the collateral flipped and accepted: %.40s",
                         samples[i].name, at, loaded.collateral.data + at);
            loaded.collateral.data[at] = before;
        }
        unload(&loaded);
    }
}

/* Cut anywhere: never accepted, except where only trailing zero bytes are cut. */
static void test_truncate(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct loaded loaded;
        load(folder, &samples[i], &loaded);
        size_t whole = loaded.evidence.len;
        size_t meaning = whole;
        while (meaning > 0 && loaded.evidence.data[meaning - 1] == 0)
            meaning--;
        for (size_t len = 0; len < whole; len += stride(13)) {
            loaded.evidence.len = len;
            if (!rejected_by_name(&loaded) && len < meaning)
                fail_msg("%s: cut to %zu bytes and accepted", samples[i].name, len);
        }
        loaded.evidence.len = whole;
        unload(&loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flip_evidence),
        cmocka_unit_test(test_flip_collateral),
        cmocka_unit_test(test_truncate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
