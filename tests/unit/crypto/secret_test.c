// SPDX-License-Identifier: Apache-2.0
/*
 * Secrets: made, copied, freed; and the page behind one is out of reach.
 */
#include "crypto/crypto.h"
#include "testing.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_make(void **state)
{
    AUTO_SECRET struct secret zero = SECRET_INIT;
    AUTO_SECRET struct secret random = SECRET_INIT;
    AUTO_SECRET struct secret copy = SECRET_INIT;
    OK(secret_init(&zero, 100, &err));
    assert_int_equal(zero.len, 100);
    assert_true(slice_is_zero(secret_slice(&zero)));
    OK(secret_random(&random, 32, &err));
    assert_false(slice_is_zero(secret_slice(&random)));
    OK(secret_copy(&copy, secret_slice(&random), &err));
    assert_ptr_not_equal(copy.data, random.data);
    assert_true(slice_equal(secret_slice(&copy), secret_slice(&random)));
    secret_done(&copy);
    assert_null(copy.data);
    assert_int_equal(copy.len, 0);
    secret_done(&copy);
}

static void test_empty(void **state)
{
    AUTO_SECRET struct secret empty = SECRET_INIT;
    AUTO_SECRET struct secret copy = SECRET_INIT;
    OK(secret_init(&empty, 0, &err));
    OK(secret_copy(&copy, slice_of(NULL, 0), &err));
    assert_int_equal(empty.len, 0);
    assert_int_equal(copy.len, 0);
}

static void test_too_large(void **state)
{
    struct secret secret = SECRET_INIT;
    FAILS(ERR_MEMORY, "for a secret", secret_init(&secret, SIZE_MAX, &err));
    assert_null(secret.data);
}

static void test_guard_page(void **state)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    OK(secret_random(&secret, 32, &err));
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit no_core = {0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGSEGV, SIG_DFL); /* not the sanitizer's report */
        const volatile uint8_t *behind = secret.data + secret.len;
        _exit(*behind == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static int setup(void **state)
{
    return crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_guard_page),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
