// SPDX-License-Identifier: Apache-2.0
/*
 * What mse_verify promises whatever the evidence: threads do not disturb one another, OpenSSL's
 * error queue is left as it was, nothing outside the process is touched, JSON is JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/document.h"
#include "judge.h"
#include "synth_intel.h"

#include <openssl/err.h>
#include <pthread.h>
#include <seccomp.h>
#include <sys/wait.h>
#include <unistd.h>

static char *judge_as_json(const struct synth_intel *synth)
{
    struct mse_verdict *verdict = synth_intel_verify(synth, NULL);
    char *json = mse_verdict_json(verdict);
    assert_non_null(json);
    mse_verdict_free(verdict);
    return json;
}

struct job {
    const struct synth_intel *synth;
    const char *expected;
    bool right;
};

static void *judge_often(void *argument)
{
    struct job *job = argument;
    job->right = true;
    for (size_t i = 0; i < 20; i++) {
        char *json = judge_as_json(job->synth);
        job->right = job->right && strcmp(json, job->expected) == 0;
        free(json);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct synth_intel synths[2];
    char *expected[2];
    struct job jobs[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 2; i++) {
        synth_intel_init(&synths[i], i == 0 ? 3 : 5, i == 0 ? TEE_TYPE_SGX : TEE_TYPE_TDX);
        synths[i].wrong_quote_key = i == 1;
        synth_intel_build(&synths[i]);
        expected[i] = judge_as_json(&synths[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct job){.synth = &synths[i % 2], .expected = expected[i % 2]};
        assert_int_equal(pthread_create(&threads[i], NULL, judge_often, &jobs[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(jobs[i].right);
    }
    for (size_t i = 0; i < 2; i++) {
        free(expected[i]);
        synth_intel_done(&synths[i]);
    }
}

/* The caller's own error stays, and none of ours joins it. */
static void test_error_queue(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.wrong_quote_key = synth.wrong_qe_key = synth.pck.wrong_signer = true;
    synth_intel_build(&synth);
    ERR_clear_error();
    mse_verdict_free(synth_intel_verify(&synth, NULL));
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, 17);
    mse_verdict_free(synth_intel_verify(&synth, NULL));
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 17);
    assert_int_equal(ERR_get_error(), 0);
    synth_intel_done(&synth);
}

/* Memory and locks are all that a verification may ask the kernel for. */
static bool forbid_the_outside(void)
{
    static const int allowed[] = {
        SCMP_SYS(brk),      SCMP_SYS(mmap),       SCMP_SYS(munmap),
        SCMP_SYS(mremap),   SCMP_SYS(madvise),    SCMP_SYS(futex),
        SCMP_SYS(mprotect), SCMP_SYS(exit_group), SCMP_SYS(rt_sigprocmask),
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool good = filter != NULL;
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        good = good && seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    good = good && seccomp_load(filter) == 0;
    return good;
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static void test_touches_nothing_outside(void **state)
{
    (void)state;
    if (SANITIZED) {
        print_message("SKIP: the sanitizer makes system calls of its own\n");
        skip();
    }
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth_intel_build(&synth);
    /* OpenSSL initialises itself once a process, with files; that is over after the first time. */
    mse_verdict_free(synth_intel_verify(&synth, NULL));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!forbid_the_outside())
            _exit(77);
        struct mse_verdict *verdict = synth_intel_verify(&synth, NULL);
        char *json = mse_verdict_json(verdict);
        _exit(json != NULL && verdict->accepted ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    synth_intel_done(&synth);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("SKIPPED: no seccomp here\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_json(void **state)
{
    (void)state;
    static const char *const members[] = {"verdict",     "tee",    "status",
                                          "advisories",  "debug",  "valid_from",
                                          "valid_until", "claims", "checks"};
    static const char *const of_check[] = {"name", "result", "found", "expected", "hint"};
    struct synth_intel synth;
    struct arena arena = {0};
    const struct doc_node *root;
    synth_intel_init(&synth, 3, TEE_TYPE_SGX);
    synth.pck.common_name = "\"quoted\\ and \x01 odd\"";
    synth_intel_build(&synth);
    char *json = judge_as_json(&synth);
    assert_int_equal(doc_parse(&arena, slice_str(json), "JSON", &root, NULL), 0);
    assert_int_equal(root->count, ARRAY_LEN(members));
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        assert_non_null(doc_get(root, members[i]));
    const struct doc_node *checks = doc_get(root, "checks");
    for (const struct doc_node *check = checks->child; check != NULL; check = check->next) {
        assert_int_equal(check->count, ARRAY_LEN(of_check));
        for (size_t i = 0; i < ARRAY_LEN(of_check); i++)
            assert_int_equal(doc_get(check, of_check[i])->type, DOC_STRING);
    }
    free(json);
    arena_done(&arena);
    synth_intel_done(&synth);
}

/* Nothing at all, and things that are nearly something. */
static void test_odd_evidence(void **state)
{
    (void)state;
    static const uint8_t zeros[5000] = {0};
    static const char *const texts[] = {"", "{}", "hello", "-----BEGIN CERTIFICATE-----"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct mse_input input = {
            .size = sizeof(input),
            .evidence = {(const uint8_t *)texts[i], strlen(texts[i])},
            .at = SYNTH_AT,
        };
        struct mse_verdict *verdict = mse_verify(&input);
        assert_false(verdict->accepted);
        assert_null(verdict->status);
        mse_verdict_free(verdict);
    }
    for (size_t len = 0; len <= sizeof(zeros); len += 617) {
        const struct mse_input input = {.size = sizeof(input), .evidence = {zeros, len}};
        struct mse_verdict *verdict = mse_verify(&input);
        assert_false(verdict->accepted);
        mse_verdict_free(verdict);
    }
    mse_verdict_free(NULL);
    mse_policy_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_error_queue),
        cmocka_unit_test(test_touches_nothing_outside),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_odd_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
