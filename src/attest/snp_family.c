// SPDX-License-Identifier: Apache-2.0
/*
 * The table of families. CPUID values: AMD "Processor Programming Reference" of each family, and
 * the SNP ABI (56860), table 23, fields CPUID_FAM_ID and CPUID_MOD_ID. Certificates: "Versioned
 * Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification", AMD publication 57230.
 */
#include "attest/snp_family.h"

#include "attest/snp_minimum.h"
#include "attest/snp_roots.h"
#include "base/mem.h"

static const struct snp_family families[] = {
    {"Milan", "ARK-Milan", "SEV-Milan", "SEV-VLEK-Milan", snp_root_milan_pem, 64, false,
     snp_steps_milan},
    {"Genoa", "ARK-Genoa", "SEV-Genoa", "SEV-VLEK-Genoa", snp_root_genoa_pem, 64, false,
     snp_steps_genoa},
    {"Turin", "ARK-Turin", "SEV-Turin", "SEV-VLEK-Turin", snp_root_turin_pem, 8, true,
     snp_steps_turin},
};

enum { MILAN, GENOA, TURIN };

/* Bergamo and Siena are endorsed by Genoa's keys. */
static const struct {
    uint8_t family;
    uint8_t first_model;
    uint8_t last_model;
    uint8_t index;
} models[] = {
    {0x19, 0x00, 0x0f, MILAN},
    {0x19, 0x10, 0x1f, GENOA},
    {0x19, 0xa0, 0xaf, GENOA}, /* Bergamo, Siena */
    {0x1a, 0x00, 0x1f, TURIN}, /* Turin, Turin Dense */
};

const struct snp_family *snp_family_by_cpuid(uint8_t family, uint8_t model)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        if (models[i].family == family && models[i].first_model <= model &&
            model <= models[i].last_model)
            return &families[models[i].index];
    }
    return NULL;
}

const struct snp_family *snp_family_by_product(struct slice product)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        size_t len = strlen(families[i].name);
        if (product.len >= len && memcmp(product.data, families[i].name, len) == 0 &&
            (product.len == len || product.data[len] == '-'))
            return &families[i];
    }
    return NULL;
}

_Static_assert(ARRAY_LEN(families) < SNP_FAMILIES_MAX, "room for the end");

const char *snp_family_name(size_t index)
{
    return index < ARRAY_LEN(families) ? families[index].name : NULL;
}

struct mse_snp_tcb snp_tcb_decode(const struct snp_family *family, struct slice bytes)
{
    const uint8_t *at = bytes.data;
    if (family->has_fmc)
        return (struct mse_snp_tcb){
            .fmc = at[0], .bootloader = at[1], .tee = at[2], .snp = at[3], .microcode = at[7]};
    return (struct mse_snp_tcb){
        .bootloader = at[0], .tee = at[1], .snp = at[6], .microcode = at[7]};
}

bool snp_tcb_reserved_zero(const struct snp_family *family, struct slice bytes)
{
    return family->has_fmc ? slice_is_zero(slice_of(bytes.data + 4, 3))
                           : slice_is_zero(slice_of(bytes.data + 2, 4));
}

const char *const snp_tcb_names[SNP_TCB_PARTS] = {"fmc", "bootloader", "tee", "snp", "microcode"};

uint8_t snp_tcb_part(const struct mse_snp_tcb *tcb, size_t part)
{
    const uint8_t parts[SNP_TCB_PARTS] = {tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp,
                                          tcb->microcode};
    return parts[part];
}
