// SPDX-License-Identifier: Apache-2.0
/*
 * The SNP launch digest, page by page: LD = SHA-384(PAGE_INFO), where PAGE_INFO holds the LD so
 * far. Pure; runs wherever somebody wants to know what a chip will say.
 */
#include "measure/snp.h"

#include "base/mem.h"

#include <inttypes.h>

/* PAGE_INFO.PAGE_TYPE: section 8.17.2, table 68. */
enum page_type { PAGE_NORMAL = 1, PAGE_VMSA = 2, PAGE_ZERO = 3, PAGE_SECRETS = 5, PAGE_CPUID = 6 };

enum { PAGE_INFO_SIZE = 0x70 };

/* The firmware counts a processor's state at the highest page of 48 bits. */
#define VMSA_GPA UINT64_C(0xfffffffff000)
#define BSP_RESET_EIP 0xfffffff0u

/* `contents`: SHA-384 of the page, NULL for a type that has none (48 zero bytes). */
static int measure_page(uint8_t digest[static SNP_DIGEST_SIZE], enum page_type type, uint64_t gpa,
                        const uint8_t *contents, struct err *err)
{
    uint8_t info[PAGE_INFO_SIZE] = {0};
    memcpy(info, digest, SNP_DIGEST_SIZE);
    if (contents != NULL)
        memcpy(info + 0x30, contents, SNP_DIGEST_SIZE);
    info[0x60] = PAGE_INFO_SIZE; /* u16 LENGTH; then PAGE_TYPE, IMI and permissions of VMPL 1-3 */
    info[0x62] = (uint8_t)type;
    for (size_t i = 0; i < sizeof(gpa); i++)
        info[0x68 + i] = (uint8_t)(gpa >> 8 * i);
    return sha384(slice_of(info, sizeof(info)), digest, err);
}

static int measure_contents(uint8_t digest[static SNP_DIGEST_SIZE], enum page_type type,
                            uint64_t gpa, struct slice page, struct err *err)
{
    uint8_t contents[SHA384_SIZE];
    if (sha384(page, contents, err) < 0)
        return -1;
    return measure_page(digest, type, gpa, contents, err);
}

int snp_firmware_measure(const struct firmware *firmware, struct snp_firmware *ret, struct err *err)
{
    struct snp_firmware measured = {
        .hashes_base = firmware->hashes_base,
        .hashes_size = firmware->hashes_size,
        .has_ap_reset = firmware->has_ap_reset,
        .ap_reset_eip = firmware->ap_reset_eip,
    };
    if (firmware_sev_metadata(firmware, &measured.metadata, err) < 0)
        return -1;
    for (size_t at = 0; at < firmware->bytes.len; at += GUEST_PAGE_SIZE) {
        struct slice page = slice_of(firmware->bytes.data + at, GUEST_PAGE_SIZE);
        if (measure_contents(measured.digest, PAGE_NORMAL, firmware_base(firmware) + at, page,
                             err) < 0)
            return -1;
    }
    *ret = measured;
    return 0;
}

int kernel_hashes_cmdline(const char *cmdline, uint8_t ret[static SHA256_SIZE], struct err *err)
{
    return sha256(slice_of(cmdline, strlen(cmdline) + 1), ret, err);
}

enum { GUID_SIZE = 16, TABLE_SIZE = 168, TABLE_HEAD_SIZE = GUID_SIZE + 2 };
enum { TABLE_ENTRY_SIZE = GUID_SIZE + 2 + SHA256_SIZE };

/* 9438d606-4f22-4cc9-b479-a793d411fd21 */
static const uint8_t table_guid[GUID_SIZE] = {0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                              0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};

static const struct {
    uint8_t guid[GUID_SIZE];
    size_t offset;
} table_entries[] = {
    /* 97d02dd8-bd20-4c94-aa78-e7714d36ab2a */
    {{0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab,
      0x2a},
     offsetof(struct kernel_hashes, cmdline)},
    /* 44baf731-3a2f-4bd7-9af1-41e29169781d */
    {{0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78,
      0x1d},
     offsetof(struct kernel_hashes, initrd)},
    /* 4de79437-abd2-427f-b835-d5b172d2045b */
    {{0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04,
      0x5b},
     offsetof(struct kernel_hashes, kernel)},
};
_Static_assert(TABLE_HEAD_SIZE + 3 * TABLE_ENTRY_SIZE == TABLE_SIZE, "QEMU's SevHashTable");

void kernel_hashes_table(const struct kernel_hashes *hashes,
                         uint8_t ret[static KERNEL_HASHES_TABLE_SIZE])
{
    memset(ret, 0, KERNEL_HASHES_TABLE_SIZE);
    memcpy(ret, table_guid, GUID_SIZE);
    ret[GUID_SIZE] = TABLE_SIZE;
    uint8_t *to = ret + TABLE_HEAD_SIZE;
    for (size_t i = 0; i < ARRAY_LEN(table_entries); i++) {
        memcpy(to, table_entries[i].guid, GUID_SIZE);
        to[GUID_SIZE] = TABLE_ENTRY_SIZE;
        memcpy(to + GUID_SIZE + 2, (const uint8_t *)hashes + table_entries[i].offset, SHA256_SIZE);
        to += TABLE_ENTRY_SIZE;
    }
}

/* The one place that the table may go to: all of it on the page of kind KERNEL_HASHES. */
static int check_hashes_area(const struct snp_firmware *firmware, struct err *err)
{
    uint64_t base = firmware->hashes_base;
    if (firmware->hashes_size == 0)
        return FAIL(err, ERR_UNSUPPORTED,
                    "firmware: no area for kernel hashes: it would start any kernel; take the one "
                    "of package ovmf-amdsev");
    if (firmware->hashes_size < KERNEL_HASHES_TABLE_SIZE)
        return FAIL(err, ERR_INVALID, "firmware: %u bytes for kernel hashes, expected %d",
                    firmware->hashes_size, KERNEL_HASHES_TABLE_SIZE);
    for (size_t i = 0; i < firmware->metadata.count; i++) {
        const struct sev_section *section = &firmware->metadata.sections[i];
        if (section->kind == SEV_SECTION_KERNEL_HASHES && section->gpa <= base &&
            base + KERNEL_HASHES_TABLE_SIZE <= (uint64_t)section->gpa + section->size)
            return 0;
    }
    return FAIL(err, ERR_INVALID,
                "firmware: its area for kernel hashes at %#" PRIx64
                " is in no measured page for them",
                base);
}

static int measure_hashes(uint8_t digest[static SNP_DIGEST_SIZE],
                          const struct snp_firmware *firmware, const struct sev_section *section,
                          const struct kernel_hashes *hashes, struct err *err)
{
    uint8_t page[GUEST_PAGE_SIZE] = {0};
    kernel_hashes_table(hashes, page + (firmware->hashes_base - section->gpa));
    return measure_contents(digest, PAGE_NORMAL, section->gpa, slice_of(page, sizeof(page)), err);
}

static int measure_zero(uint8_t digest[static SNP_DIGEST_SIZE], const struct sev_section *section,
                        struct err *err)
{
    for (uint64_t at = 0; at < section->size; at += GUEST_PAGE_SIZE) {
        if (measure_page(digest, PAGE_ZERO, section->gpa + at, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int measure_section(uint8_t digest[static SNP_DIGEST_SIZE],
                           const struct snp_firmware *firmware, const struct sev_section *section,
                           const struct kernel_hashes *hashes, struct err *err)
{
    switch (section->kind) {
    case SEV_SECTION_SECRETS:
        return measure_page(digest, PAGE_SECRETS, section->gpa, NULL, err);
    case SEV_SECTION_CPUID:
        return measure_page(digest, PAGE_CPUID, section->gpa, NULL, err);
    case SEV_SECTION_KERNEL_HASHES:
        if (hashes != NULL)
            return measure_hashes(digest, firmware, section, hashes, err);
        return measure_zero(digest, section, err);
    case SEV_SECTION_MEMORY:
    case SEV_SECTION_SVSM_CAA:
        return measure_zero(digest, section, err);
    }
    return FAIL(err, ERR_INTERNAL, "firmware: a section of kind %d", (int)section->kind);
}

static int measure_vcpus(uint8_t digest[static SNP_DIGEST_SIZE],
                         const struct snp_firmware *firmware, const struct snp_launch *launch,
                         struct err *err)
{
    for (uint32_t i = 0; i < launch->vcpus; i++) {
        uint8_t page[GUEST_PAGE_SIZE];
        snp_vmsa(i == 0 ? BSP_RESET_EIP : firmware->ap_reset_eip, launch->cpu_signature,
                 launch->features, page);
        if (measure_contents(digest, PAGE_VMSA, VMSA_GPA, slice_of(page, sizeof(page)), err) < 0)
            return -1;
    }
    return 0;
}

static int check_launch(const struct snp_firmware *firmware, const struct snp_launch *launch,
                        struct err *err)
{
    if (launch->vcpus == 0 || launch->vcpus > SNP_VCPUS_MAX)
        return FAIL(err, ERR_INVALID, "%u virtual processors, expected 1 to %d", launch->vcpus,
                    SNP_VCPUS_MAX);
    if (launch->vcpus > 1 && !firmware->has_ap_reset)
        return FAIL(err, ERR_UNSUPPORTED,
                    "firmware: no SEV-ES reset block: it cannot start a second processor");
    if ((launch->features & SNP_FEATURE_ACTIVE) == 0)
        return FAIL(err, ERR_INVALID, "SEV features %#" PRIx64 " without bit 0, SNP itself",
                    launch->features);
    return launch->kernel == NULL ? 0 : check_hashes_area(firmware, err);
}

int snp_launch_digest(const struct snp_firmware *firmware, const struct snp_launch *launch,
                      uint8_t ret[static SNP_DIGEST_SIZE], struct err *err)
{
    uint8_t digest[SNP_DIGEST_SIZE];
    if (check_launch(firmware, launch, err) < 0)
        return -1;
    memcpy(digest, firmware->digest, sizeof(digest));
    for (size_t i = 0; i < firmware->metadata.count; i++) {
        if (measure_section(digest, firmware, &firmware->metadata.sections[i], launch->kernel,
                            err) < 0)
            return -1;
    }
    if (measure_vcpus(digest, firmware, launch, err) < 0)
        return -1;
    memcpy(ret, digest, sizeof(digest));
    return 0;
}
