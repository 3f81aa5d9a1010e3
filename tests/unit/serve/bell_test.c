// SPDX-License-Identifier: Apache-2.0
/*
 * The bell rings after every touch, whether it was silent or not, and its thread ends when asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/bell.h"

#include <semaphore.h>
#include <stdbool.h>

static void ring(void *context)
{
    sem_post(context);
}

static void test_rings_after_each_touch(void **state)
{
    sem_t rung;
    sem_init(&rung, 0, 0);
    struct bell *bell = bell_new(ring, &rung, NULL);
    assert_non_null(bell);
    for (int i = 0; i < 20; i++) {
        bell_touch(bell);
        sem_wait(&rung); /* hangs where the bell does not ring */
        while (sem_trywait(&rung) == 0)
            ;
    }
    bell_touch(bell);
    /* Until it has fallen silent, and again from there. */
    for (int i = 0; i < 5; i++)
        sem_wait(&rung);
    bell_touch(bell);
    sem_wait(&rung);
    bell_free(bell);
    sem_destroy(&rung);
}

static void test_ends_untouched(void **state)
{
    sem_t rung;
    sem_init(&rung, 0, 0);
    bell_free(bell_new(ring, &rung, NULL));
    bell_free(NULL);
    sem_destroy(&rung);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rings_after_each_touch),
        cmocka_unit_test(test_ends_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
