// SPDX-License-Identifier: Apache-2.0
/*
 * Firmware files: the table of GUIDs, both lists of memory, and the digest over whatever they say.
 * What is accepted keeps what the digest relies on: sections on whole pages, apart from each other
 * and from the firmware.
 */
#include "measure/snp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sections(const struct firmware *firmware, const struct sev_metadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const struct sev_section *a = &metadata->sections[i];
        if ((a->gpa | a->size) % GUEST_PAGE_SIZE != 0 || a->size == 0 ||
            (uint64_t)a->gpa + a->size > firmware_base(firmware))
            abort();
        for (size_t k = 0; k < i; k++) {
            const struct sev_section *b = &metadata->sections[k];
            if (a->gpa < (uint64_t)b->gpa + b->size && b->gpa < (uint64_t)a->gpa + a->size)
                abort();
        }
    }
}

/* A section may span gigabytes of zero pages; the digest is then only slow. */
static bool is_small(const struct sev_metadata *metadata)
{
    uint64_t size = 0;
    for (size_t i = 0; i < metadata->count; i++)
        size += metadata->sections[i].size;
    return size < (8 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kernel_hashes hashes;
    const struct snp_launch launch = {
        .kernel = &hashes, .vcpus = 2, .cpu_signature = 0x800f12, .features = SNP_FEATURE_ACTIVE};
    uint8_t digest[SNP_DIGEST_SIZE];
    struct firmware firmware;
    struct snp_firmware measured;
    struct tdx_metadata tdx;
    if (firmware_parse(slice_of(data, size), &firmware, NULL) < 0)
        return 0;
    if (firmware_tdx_metadata(&firmware, &tdx, NULL) == 0 && tdx.count > FIRMWARE_SECTIONS_MAX)
        abort();
    if (snp_firmware_measure(&firmware, &measured, NULL) < 0)
        return 0;
    check_sections(&firmware, &measured.metadata);
    if (is_small(&measured.metadata) && snp_launch_digest(&measured, &launch, digest, NULL) == 0 &&
        measured.hashes_size < KERNEL_HASHES_TABLE_SIZE)
        abort();
    return 0;
}
