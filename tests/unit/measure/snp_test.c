// SPDX-License-Identifier: Apache-2.0
/*
 * SNP launch digests: the answers of others' tools, one that a chip has signed, and that every byte
 * which goes in changes what comes out.
 */
#include "known.h"

#include "measure/snp.h"

#include "mse/verify.h"

#define LOGLEVEL "console=ttyS0 loglevel=7"

static void read_firmware(const char *name, struct buf *file, struct snp_firmware *ret)
{
    struct firmware firmware;
    known_read(name, file);
    OK(firmware_parse(buf_slice(file), &firmware, &err));
    OK(snp_firmware_measure(&firmware, ret, &err));
}

/* Kernel and initrd of no bytes, as the other tools' tests have them. */
static struct kernel_hashes empty_kernel(const char *cmdline)
{
    struct kernel_hashes hashes;
    OK(sha256(slice_of(NULL, 0), hashes.kernel, &err));
    OK(sha256(slice_of(NULL, 0), hashes.initrd, &err));
    OK(kernel_hashes_cmdline(cmdline, hashes.cmdline, &err));
    return hashes;
}

static const struct {
    const char *firmware;
    const char *cmdline; /* NULL: no kernel */
    uint32_t vcpus;
    uint64_t features;
    const char *digest;
} answers[] = {
    {AMDSEV, LOGLEVEL, 1, 0x21,
     "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228"
     "977"},
    {AMDSEV, LOGLEVEL, 1, 0x1,
     "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b0"
     "8fa"},
    {AMDSEV, NULL, 1, 0x21,
     "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0"
     "e2b"},
    {AMDSEV, NULL, 1, 0x1,
     "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df6"
     "32d"},
    {AMDSEV, "", 1, 0x21,
     "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef"
     "198"},
    {AMDSEV, "", 1, 0x1,
     "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa385281"
     "9b5"},
    {AMDSEV, "", 4, 0x21,
     "4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631"
     "942"},
    {AMDSEV, "", 4, 0x1,
     "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046"
     "ad5"},
    {OVMFX64, NULL, 1, 0x21,
     "28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66f146aaae26ff291eed7b493d8a64c"
     "385"},
    {OVMFX64, NULL, 1, 0x1,
     "da0296de8193586a5512078dcd719eccecbd87e2b825ad4148c44f665dc87df21e5b49e21523a9ad993afdb6a30b4"
     "005"},
};

static void digests_of_sev_snp_measure(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO_BUF struct buf file = BUF_INIT(GUEST_PAGE_SIZE);
        struct snp_firmware firmware;
        uint8_t digest[SNP_DIGEST_SIZE];
        read_firmware(answers[i].firmware, &file, &firmware);
        const char *cmdline = answers[i].cmdline;
        struct kernel_hashes hashes = empty_kernel(cmdline == NULL ? "" : cmdline);
        struct snp_launch launch = {.kernel = cmdline == NULL ? NULL : &hashes,
                                    .vcpus = answers[i].vcpus,
                                    .features = answers[i].features};
        OK(snp_cpu_signature("EPYC-v4", &launch.cpu_signature, &err));
        OK(snp_launch_digest(&firmware, &launch, digest, &err));
        assert_digest(digest, sizeof(digest), answers[i].digest);
    }
}

static void digest_after_the_firmwares_pages(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_PAGE_SIZE);
    struct snp_firmware firmware;
    read_firmware(AMDSEV, &file, &firmware);
    assert_digest(firmware.digest, sizeof(firmware.digest),
                  "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c"
                  "467a50da6d466b74");
}

/* dstack's release 0.6.0.a2: what its firmware, kernel and initrd are, all by their digests. */
static const struct snp_firmware dstack_firmware = {
    .metadata = {.sections =
                     {
                         {0x800000, 0x9000, SEV_SECTION_MEMORY},
                         {0x80a000, 0x3000, SEV_SECTION_MEMORY},
                         {0x80d000, 0x1000, SEV_SECTION_SECRETS},
                         {0x80e000, 0x1000, SEV_SECTION_CPUID},
                         {0x80f000, 0x1000, SEV_SECTION_SVSM_CAA},
                         {0x811000, 0xf000, SEV_SECTION_MEMORY},
                         {0x810000, 0x1000, SEV_SECTION_KERNEL_HASHES},
                     },
                 .count = 7},
    .hashes_base = 0x810c00,
    .hashes_size = 0x400,
    .has_ap_reset = true,
    .ap_reset_eip = 0x80b004,
};

static void hex_into(const char *text, uint8_t *ret, size_t size)
{
    OK(hex_decode(text, "known answer", ret, size, &err));
}

static void dstack_launch(struct snp_firmware *ret_firmware, struct kernel_hashes *ret_hashes)
{
    *ret_firmware = dstack_firmware;
    hex_into(
        "ffb57e393469a497c0e3b07bd1c97d8611e555f464d14491837665893ac642b263a71f9507ff100a847897fe"
        "0c3f8c6f",
        ret_firmware->digest, SNP_DIGEST_SIZE);
    hex_into("dd9ea274ce9a07090b22e8284b0c841b65c021c2d15ca57d0f16731089dd226c", ret_hashes->kernel,
             SHA256_SIZE);
    hex_into("5f844c4a2ca5a3d0711b3db38293b21ba929bb8e0b3c5bc1a779a57f69221c19", ret_hashes->initrd,
             SHA256_SIZE);
    OK(kernel_hashes_cmdline(
        "console=ttyS0 init=/init panic=1 net.ifnames=0 biosdevname=0 mce=off oops=panic "
        "pci=noearly pci=nommconf random.trust_cpu=y random.trust_bootloader=n tsc=reliable "
        "no-kvmclock "
        "dstack.rootfs_hash=ca5adaef0ac3a36108035925763b48a5818f634e700fbaab561d419fd30d7121 "
        "dstack.rootfs_size=490713088",
        ret_hashes->cmdline, &err));
}

static void the_digest_that_a_chip_has_signed(void **state)
{
    (void)state;
    struct snp_firmware firmware;
    struct kernel_hashes hashes;
    uint8_t digest[SNP_DIGEST_SIZE];
    dstack_launch(&firmware, &hashes);
    struct snp_launch launch = {.kernel = &hashes, .vcpus = 2, .features = SNP_FEATURE_ACTIVE};
    OK(snp_cpu_signature("EPYC-v4", &launch.cpu_signature, &err));
    OK(snp_launch_digest(&firmware, &launch, digest, &err));

    AUTO_BUF struct buf report = BUF_INIT(GUEST_PAGE_SIZE);
    AUTO_BUF struct buf collateral = BUF_INIT(16 * 1024);
    known_read("signed.report", &report);
    known_read("signed.collateral.json", &collateral);
    const struct mse_bytes measurement = {digest, sizeof(digest)};
    /* of its time: below the bulletins that came later, and without a CRL */
    const struct mse_policy policy = {.size = sizeof(policy),
                                      .measurements = &measurement,
                                      .measurement_count = 1,
                                      .crl = MSE_CRL_IF_PRESENT,
                                      .has_snp_min_tcb = true};
    const struct mse_input input = {.size = sizeof(input),
                                    .evidence = {report.data, report.len},
                                    .collateral = {collateral.data, collateral.len},
                                    .policy = &policy,
                                    .at = 1782000000};
    struct mse_verdict *verdict = mse_verify(&input);
    assert_non_null(verdict);
    if (!verdict->accepted)
        fail_msg("%s", mse_verdict_text(verdict));
    assert_string_equal(verdict->status, "genuine");
    mse_verdict_free(verdict);

    launch.features |= SNP_FEATURE_DEBUG_SWAP;
    OK(snp_launch_digest(&firmware, &launch, digest, &err));
    verdict = mse_verify(&input);
    assert_non_null(verdict);
    assert_false(verdict->accepted);
    mse_verdict_free(verdict);
}

static void pieces_of_the_digest(void **state)
{
    (void)state;
    struct kernel_hashes hashes = empty_kernel("");
    uint8_t table[KERNEL_HASHES_TABLE_SIZE];
    uint8_t page[GUEST_PAGE_SIZE];
    uint8_t digest[SHA384_SIZE];
    uint32_t signature;
    kernel_hashes_table(&hashes, table);
    OK(sha256(slice_of(table, sizeof(table)), digest, &err));
    assert_digest(digest, SHA256_SIZE,
                  "6e725681a17ae9f186635cbc1be742508b61e0e550918894f1a5363ac86b5a1a");
    OK(snp_cpu_signature("EPYC-v4", &signature, &err));
    snp_vmsa(0xfffffff0, signature, SNP_FEATURE_ACTIVE, page);
    OK(sha384(slice_of(page, sizeof(page)), digest, &err));
    assert_digest(digest, SHA384_SIZE,
                  "77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f55378e9518d"
                  "0da99452d51c553a");
}

static void signatures_of_processor_models(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        uint32_t signature;
    } known[] = {
        {"EPYC", 0x800f12},       {"EPYC-v4", 0x800f12},    {"EPYC-Rome", 0x830f10},
        {"EPYC-Milan", 0xa00f11}, {"EPYC-Genoa", 0xa10f10}, {"EPYC-Turin-v1", 0xb00f00},
    };
    uint32_t signature;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        OK(snp_cpu_signature(known[i].model, &signature, &err));
        assert_int_equal(signature, known[i].signature);
    }
    for (size_t i = 0; snp_cpu_model(i) != NULL; i++)
        OK(snp_cpu_signature(snp_cpu_model(i), &signature, &err));
    static const char *const unknown[] = {"", "epyc-v4", "EPYC-v6", "EPYC-v", "host", "EPYC-v4 "};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        FAILS(ERR_INVALID, "is not known", snp_cpu_signature(unknown[i], &signature, &err));
}

static void a_kernel_needs_a_firmware_that_checks_it(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_PAGE_SIZE);
    struct snp_firmware firmware;
    struct kernel_hashes hashes = empty_kernel("");
    struct snp_launch launch = {.kernel = &hashes, .vcpus = 1, .features = SNP_FEATURE_ACTIVE};
    uint8_t digest[SNP_DIGEST_SIZE];
    read_firmware(OVMFX64, &file, &firmware);
    FAILS(ERR_UNSUPPORTED, "no area for kernel hashes",
          snp_launch_digest(&firmware, &launch, digest, &err));

    /* an area that no page measures would let the host write any hashes into it */
    static const uint32_t bases[] = {0, 0x80fc00, 0x811000, 0x810f51, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        firmware = dstack_firmware;
        firmware.hashes_base = bases[i];
        FAILS(ERR_INVALID, "in no measured page",
              snp_launch_digest(&firmware, &launch, digest, &err));
    }
    firmware = dstack_firmware;
    firmware.hashes_base = 0x810f50;
    OK(snp_launch_digest(&firmware, &launch, digest, &err));
    firmware.hashes_size = KERNEL_HASHES_TABLE_SIZE - 1;
    FAILS(ERR_INVALID, "175 bytes for kernel hashes",
          snp_launch_digest(&firmware, &launch, digest, &err));
    firmware = dstack_firmware;
    firmware.metadata.count = 6; /* without the page */
    FAILS(ERR_INVALID, "in no measured page", snp_launch_digest(&firmware, &launch, digest, &err));
}

static void launches_that_cannot_be(void **state)
{
    (void)state;
    struct snp_firmware firmware = dstack_firmware;
    struct snp_launch launch = {.vcpus = 0, .features = SNP_FEATURE_ACTIVE};
    uint8_t digest[SNP_DIGEST_SIZE];
    FAILS(ERR_INVALID, "0 virtual processors", snp_launch_digest(&firmware, &launch, digest, &err));
    launch.vcpus = SNP_VCPUS_MAX + 1;
    FAILS(ERR_INVALID, "virtual processors", snp_launch_digest(&firmware, &launch, digest, &err));
    launch.vcpus = 1;
    launch.features = SNP_FEATURE_DEBUG_SWAP;
    FAILS(ERR_INVALID, "without bit 0", snp_launch_digest(&firmware, &launch, digest, &err));
    launch.features = SNP_FEATURE_ACTIVE;
    firmware.has_ap_reset = false;
    OK(snp_launch_digest(&firmware, &launch, digest, &err));
    launch.vcpus = 2;
    FAILS(ERR_UNSUPPORTED, "no SEV-ES reset block",
          snp_launch_digest(&firmware, &launch, digest, &err));
}

/* Takes the digest and compares it with the one before: two in a row that are equal fail. */
static void assert_changed(const struct snp_firmware *firmware, const struct snp_launch *launch,
                           const uint8_t good[static SNP_DIGEST_SIZE], size_t at)
{
    uint8_t digest[SNP_DIGEST_SIZE];
    OK(snp_launch_digest(firmware, launch, digest, &err));
    if (memcmp(digest, good, SNP_DIGEST_SIZE) == 0)
        fail_msg("byte %zu changes nothing", at);
}

/* Each byte of the firmware, or the metadata is refused; in the fast tier one of 29. */
static void every_byte_of_the_firmware_counts(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_PAGE_SIZE);
    struct snp_firmware measured;
    struct snp_launch launch = {.vcpus = 1, .features = SNP_FEATURE_ACTIVE};
    uint8_t good[SNP_DIGEST_SIZE];
    read_firmware(AMDSEV, &file, &measured);
    OK(snp_launch_digest(&measured, &launch, good, &err));
    size_t stride = getenv("MSE_EXHAUSTIVE") != NULL ? 1 : 29;
    size_t refused = 0;
    for (size_t i = 0; i < file.len; i += stride) {
        struct firmware firmware;
        file.data[i] ^= 0x01;
        if (firmware_parse(buf_slice(&file), &firmware, NULL) < 0 ||
            snp_firmware_measure(&firmware, &measured, NULL) < 0)
            refused++;
        else
            assert_changed(&measured, &launch, good, i);
        file.data[i] ^= 0x01;
    }
    assert_true(refused < file.len / stride / 10);
}

static void every_byte_of_the_launch_counts(void **state)
{
    (void)state;
    struct snp_firmware firmware;
    struct kernel_hashes hashes;
    uint8_t good[SNP_DIGEST_SIZE];
    dstack_launch(&firmware, &hashes);
    struct snp_launch launch = {
        .kernel = &hashes, .vcpus = 2, .cpu_signature = 0x800f12, .features = SNP_FEATURE_ACTIVE};
    OK(snp_launch_digest(&firmware, &launch, good, &err));
    for (size_t i = 0; i < sizeof(hashes); i++) {
        ((uint8_t *)&hashes)[i] ^= 0x80;
        assert_changed(&firmware, &launch, good, i);
        ((uint8_t *)&hashes)[i] ^= 0x80;
    }
    for (size_t i = 0; i < SNP_DIGEST_SIZE; i++) {
        firmware.digest[i] ^= 0x01;
        assert_changed(&firmware, &launch, good, i);
        firmware.digest[i] ^= 0x01;
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        launch.cpu_signature ^= UINT32_C(1) << bit;
        assert_changed(&firmware, &launch, good, bit);
        launch.cpu_signature ^= UINT32_C(1) << bit;
        firmware.ap_reset_eip ^= UINT32_C(1) << bit;
        assert_changed(&firmware, &launch, good, bit);
        firmware.ap_reset_eip ^= UINT32_C(1) << bit;
    }
    for (unsigned bit = 1; bit < 64; bit++) {
        launch.features ^= UINT64_C(1) << bit;
        assert_changed(&firmware, &launch, good, bit);
        launch.features ^= UINT64_C(1) << bit;
    }
    for (launch.vcpus = 1; launch.vcpus < 9; launch.vcpus += launch.vcpus == 1 ? 2 : 1)
        assert_changed(&firmware, &launch, good, launch.vcpus);
    launch.vcpus = 2;
    launch.kernel = NULL;
    assert_changed(&firmware, &launch, good, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_of_sev_snp_measure),
        cmocka_unit_test(digest_after_the_firmwares_pages),
        cmocka_unit_test(the_digest_that_a_chip_has_signed),
        cmocka_unit_test(pieces_of_the_digest),
        cmocka_unit_test(signatures_of_processor_models),
        cmocka_unit_test(a_kernel_needs_a_firmware_that_checks_it),
        cmocka_unit_test(launches_that_cannot_be),
        cmocka_unit_test(every_byte_of_the_firmware_counts),
        cmocka_unit_test(every_byte_of_the_launch_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
