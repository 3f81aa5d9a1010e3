// SPDX-License-Identifier: Apache-2.0
/*
 * The documents that an SEV-SNP report needs, and reports that do not say it.
 */
#include "needs_of.h"
#include "synth_snp.h"

static void build_snp(const char *family, uint32_t version, bool vlek, bool masked,
                      struct buf *report)
{
    struct synth_snp spec = synth_snp_good(family, version, vlek);
    AUTO_BUF struct buf collateral = BUF_INIT(1 << 20);
    AUTO_BUF struct buf root = BUF_INIT(1 << 16);
    for (size_t i = 0; i < sizeof(spec.chip_id); i++)
        spec.chip_id[i] = masked ? 0 : (uint8_t)(0xa0 + i % 8);
    spec.reported = (struct mse_snp_tcb){.fmc = 1, .bootloader = 2, .snp = 23, .microcode = 213};
    synth_snp_build(&spec, report, &collateral, &root);
}

#define CHIP8 "a0a1a2a3a4a5a6a7"
#define CHIP64 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8
#define TCB "blSPL=02&teeSPL=00&snpSPL=23&ucodeSPL=213"

static void test_snp(void **state)
{
    (void)state;
    AUTO_BUF struct buf genoa = BUF_INIT(4096);
    AUTO_BUF struct buf turin = BUF_INIT(4096);
    AUTO_BUF struct buf vlek = BUF_INIT(4096);
    build_snp("Genoa", 3, false, false, &genoa);
    assert_needs(buf_slice(&genoa), "2 2 vcek 0 /vcek/v1/Genoa/" CHIP64 "?" TCB " permanent\n"
                                    "2 3 ask 0 /vcek/v1/Genoa/cert_chain permanent\n"
                                    "2 1 crl 0 /vcek/v1/Genoa/crl\n");
    build_snp("Turin", 5, false, false, &turin);
    assert_needs(buf_slice(&turin),
                 "2 2 vcek 0 /vcek/v1/Turin/" CHIP8 "?fmcSPL=01&" TCB " permanent\n"
                 "2 3 ask 0 /vcek/v1/Turin/cert_chain permanent\n"
                 "2 1 crl 0 /vcek/v1/Turin/crl\n");
    /* Under a VLEK the chip does not matter. */
    build_snp("Milan", 3, true, true, &vlek);
    assert_needs(buf_slice(&vlek), "3 2 vlek 0  permanent\n"
                                   "2 3 ask 0 /vlek/v1/Milan/cert_chain permanent\n"
                                   "2 1 crl 0 /vlek/v1/Milan/crl\n");
}

/* A report of version 2 does not say its family: what one family needs, or another. */
static void test_alternatives(void **state)
{
    (void)state;
    struct mse_needs *needs = NULL;
    char error[MSE_ERROR_SIZE];
    AUTO_BUF struct buf report = BUF_INIT(4096);
    build_snp("Genoa", 2, false, false, &report);
    assert_int_equal(mse_needs_of((struct mse_bytes){report.data, report.len}, &needs, error), 0);
    assert_int_equal(needs->count, 9);
    for (unsigned i = 0; i < needs->count; i++)
        assert_int_equal(needs->documents[i].alternative, i / 3 + 1);
    assert_int_equal(strncmp(needs->documents[0].path, "/vcek/v1/Milan/", 15), 0);
    assert_int_equal(strncmp(needs->documents[3].path, "/vcek/v1/Genoa/", 15), 0);
    assert_int_equal(strncmp(needs->documents[6].path, "/vcek/v1/Turin/", 15), 0);
    mse_needs_free(needs);
    mse_needs_free(NULL);
}

static void test_an_snp_report_without_its_platform(void **state)
{
    (void)state;
    AUTO_BUF struct buf masked = BUF_INIT(4096);
    AUTO_BUF struct buf old_vlek = BUF_INIT(4096);
    build_snp("Genoa", 3, false, true, &masked);
    refused(buf_slice(&masked), "chip id is masked: its VCEK is not known; ask the operator");
    build_snp("Milan", 2, true, false, &old_vlek);
    refused(buf_slice(&old_vlek), "does not say a processor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snp),
        cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_an_snp_report_without_its_platform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
