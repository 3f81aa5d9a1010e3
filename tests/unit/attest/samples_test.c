// SPDX-License-Identifier: Apache-2.0
/*
 * Real evidence against the table that comes with it: verdict and status word of every row, under
 * the strict policy. SNP rows under one that accepts platforms of their time: the built-in minimum
 * follows the bulletins and would refuse them all (snp_test.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include "mse/mse.h"

enum { CASE_FIELDS = 8, SAMPLE_MAX = 1 << 20 };

/* case, tee, evidence, collateral, at, verdict, status, note */
static bool split(char *line, char *fields[CASE_FIELDS])
{
    for (size_t i = 0; i < CASE_FIELDS; i++) {
        fields[i] = strsep(&line, "\t");
        if (fields[i] == NULL)
            return false;
    }
    return true;
}

static bool judge_row(const char *folder, char *const fields[CASE_FIELDS])
{
    AUTO_BUF struct buf evidence = BUF_INIT(SAMPLE_MAX);
    AUTO_BUF struct buf collateral = BUF_INIT(SAMPLE_MAX);
    sample_read(folder, fields[2], &evidence);
    sample_read(folder, fields[3], &collateral);
    static const struct mse_policy of_snp = {.size = sizeof(of_snp),
                                             .crl = MSE_CRL_IF_PRESENT,
                                             .has_snp_min_tcb = true,
                                             .snp_vmpls = 0xf};
    const struct mse_input input = {
        .size = sizeof(input),
        .policy = strcmp(fields[1], "snp") == 0 ? &of_snp : NULL,
        .evidence = {evidence.data, evidence.len},
        .collateral = {collateral.data, collateral.len},
        .at = strtoll(fields[4], NULL, 10),
    };
    struct mse_verdict *verdict = mse_verify(&input);
    assert_non_null(verdict);
    bool right = verdict->accepted == (strcmp(fields[5], "accepted") == 0) &&
                 strcmp(mse_tee_name(verdict->tee), fields[1]) == 0 && verdict->status != NULL &&
                 strcmp(verdict->status, fields[6]) == 0;
    if (!right || getenv("MSE_SHOW_VERDICTS") != NULL) {
        char *text = mse_verdict_text(verdict);
        (void)printf("%s: expected %s %s\n%s\n", fields[0], fields[5], fields[6], text);
        free(text);
    }
    mse_verdict_free(verdict);
    return right;
}

static void test_every_row(void **state)
{
    (void)state;
    const char *folder = samples_or_skip();
    AUTO_BUF struct buf table = BUF_INIT(SAMPLE_MAX);
    sample_read(folder, "cases.tsv", &table);
    char *rest = (char *)table.data;
    (void)strsep(&rest, "\n"); /* the heading */
    size_t rows = 0;
    size_t wrong = 0;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *fields[CASE_FIELDS];
        if (!split(line, fields))
            continue;
        rows++;
        wrong += judge_row(folder, fields) ? 0 : 1;
    }
    print_message("%zu rows\n", rows);
    assert_true(rows > 0);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
