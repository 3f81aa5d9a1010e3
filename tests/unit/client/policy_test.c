// SPDX-License-Identifier: Apache-2.0
/*
 * Which evidence the owner's commands accept: a file's policy, and without one what the context was
 * made on, never the simulation by itself.
 */
#include "client/policy.h"

#include "testing.h"

#include <stdio.h>
#include <string.h>

static void write_policy(const struct temp_folder *folder, struct slice text, char path[static 80])
{
    (void)snprintf(path, 80, "%.60s/policy.toml", folder->path);
    OK(file_write_atomic(path, text, 0600, &err));
}

static void test_a_file(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    struct mse_policy *policy = NULL;
    char path[80];
    (void)state;
    write_policy(&folder, slice_str("tee = ['snp']\n"), path);
    OK(policy_read(path, &policy, &err));
    assert_int_equal(policy->tees, MSE_TEE_BIT(MSE_TEE_SNP));
    mse_policy_free(policy);
}

static void test_what_is_no_policy(void **state)
{
    AUTO_TEMP struct temp_folder folder = temp_folder_new();
    struct mse_policy *policy = NULL;
    char path[80];
    char missing[80];
    (void)state;
    (void)snprintf(missing, sizeof(missing), "%.60s/none", folder.path);
    FAILS(ERR_NOT_FOUND, "policy", policy_read(missing, &policy, &err));
    write_policy(&folder, slice_str("tee = ['snp']\nallow_debugs = true\n"), path);
    FAILS(ERR_INVALID, "allow_debugs", policy_read(path, &policy, &err));
    assert_non_null(strstr(err.message, path));
    write_policy(&folder, slice_of((const uint8_t *)"tee = ['snp']\0x", 15), path);
    FAILS(ERR_INVALID, path, policy_read(path, &policy, &err));
    size_t size = (1 << 20) + 1;
    char *large = mem_alloc(size, &err);
    assert_non_null(large);
    memset(large, '\n', size);
    write_policy(&folder, slice_of(large, size), path);
    FAILS(ERR_TOO_LARGE, "policy", policy_read(path, &policy, &err));
    free(large);
    assert_null(policy);
}

static void test_without_a_file(void **state)
{
    const unsigned hardware =
        MSE_TEE_BIT(MSE_TEE_SGX) | MSE_TEE_BIT(MSE_TEE_TDX) | MSE_TEE_BIT(MSE_TEE_SNP);
    struct context context = {.tee = "snp", .has_simulation_root = false};
    (void)state;
    assert_int_equal(policy_of_context(NULL).tees, hardware);
    assert_int_equal(policy_of_context(&context).tees, hardware);
    assert_null(policy_of_context(&context).simulation_root);
    memcpy(context.tee, "simulation", sizeof("simulation"));
    struct mse_policy policy = policy_of_context(&context);
    assert_int_equal(policy.tees, MSE_TEE_BIT(MSE_TEE_SIMULATION));
    assert_ptr_equal(policy.simulation_root, context.simulation_root);
}

static void test_names_of_tees(void **state)
{
    (void)state;
    assert_int_equal(policy_tee_of_name("sgx"), MSE_TEE_SGX);
    assert_int_equal(policy_tee_of_name("tdx"), MSE_TEE_TDX);
    assert_int_equal(policy_tee_of_name("snp"), MSE_TEE_SNP);
    assert_int_equal(policy_tee_of_name("simulation"), MSE_TEE_SIMULATION);
    assert_int_equal(policy_tee_of_name("SNP"), MSE_TEE_UNKNOWN);
    assert_int_equal(policy_tee_of_name("unverified"), MSE_TEE_UNKNOWN);
    assert_int_equal(policy_tee_of_name(""), MSE_TEE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_what_is_no_policy),
        cmocka_unit_test(test_without_a_file),
        cmocka_unit_test(test_names_of_tees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
