// SPDX-License-Identifier: Apache-2.0
/*
 * The documents that an Intel quote needs, and quotes that do not say it.
 */
#include "needs_of.h"
#include "synth_intel.h"

static void intel(uint16_t version, uint32_t tee, const char *expected)
{
    struct synth_intel synth;
    synth_intel_init(&synth, version, tee);
    synth_intel_build(&synth);
    assert_needs(buf_slice(&synth.evidence), expected);
    synth_intel_done(&synth);
}

static void test_intel(void **state)
{
    (void)state;
    static const char sgx[] =
        "0 1 pck_crl 0 /sgx/certification/v4/pckcrl?ca=platform&encoding=der chain\n"
        "1 1 root_ca_crl 0 /sgx/certification/v4/rootcacrl\n"
        "0 0 tcb_info 0 /sgx/certification/v4/tcb?fmspc=00906ed50001 chain tcbInfo\n"
        "0 0 qe_identity 0 /sgx/certification/v4/qe/identity chain enclaveIdentity\n";
    static const char tdx[] =
        "0 1 pck_crl 0 /sgx/certification/v4/pckcrl?ca=platform&encoding=der chain\n"
        "1 1 root_ca_crl 0 /sgx/certification/v4/rootcacrl\n"
        "0 0 tcb_info 0 /tdx/certification/v4/tcb?fmspc=00906ed50001 chain tcbInfo\n"
        "0 0 qe_identity 0 /tdx/certification/v4/qe/identity chain enclaveIdentity\n";
    intel(3, TEE_TYPE_SGX, sgx);
    intel(4, TEE_TYPE_SGX, sgx);
    intel(4, TEE_TYPE_TDX, tdx);
    intel(5, TEE_TYPE_TDX, tdx);
}

static void test_an_intel_quote_without_its_platform(void **state)
{
    (void)state;
    struct synth_intel synth;
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.certification_type = 1;
    synth_intel_build(&synth);
    refused(buf_slice(&synth.evidence), "certification data type 1");
    synth_intel_done(&synth);
    synth_intel_init(&synth, 4, TEE_TYPE_TDX);
    synth.fmspc_size = 5;
    synth_intel_build(&synth);
    refused(buf_slice(&synth.evidence), "the quote's PCK certificate: ");
    synth.evidence.len /= 2;
    refused(buf_slice(&synth.evidence), "");
    synth_intel_done(&synth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intel),
        cmocka_unit_test(test_an_intel_quote_without_its_platform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
