// SPDX-License-Identifier: Apache-2.0
/*
 * The first state of a virtual processor under SEV-ES and SNP, as KVM makes it from QEMU's reset
 * state, and the CPUID signatures of QEMU's EPYC models. Both as tables; what is not in the first
 * one is zero.
 */
#include "measure/snp.h"

#include "base/mem.h"

enum { REAL_MODE_LIMIT = 0xffff, RESET_CS = 0xf000 };

/* Segments, table B-2: selector u16, attributes u16, limit u32, base u64. */
static const struct {
    uint16_t offset;
    uint16_t attributes;
} data_segments[] = {
    {0x00, 0x93}, /* es */
    {0x20, 0x93}, /* ss */
    {0x30, 0x93}, /* ds */
    {0x40, 0x93}, /* fs */
    {0x50, 0x93}, /* gs */
    {0x60, 0x00}, /* gdtr */
    {0x70, 0x82}, /* ldtr */
    {0x80, 0x00}, /* idtr */
    {0x90, 0x8b}, /* tr */
};
enum { OFFSET_CS = 0x10, CS_ATTRIBUTES = 0x9b };

/* Registers that are the same for every processor. */
static const struct {
    uint16_t offset;
    uint8_t size;
    uint64_t value;
} registers[] = {
    {0x0d0, 8, 0x1000},          /* efer: SVME */
    {0x148, 8, 0x40},            /* cr4: MCE */
    {0x158, 8, 0x10},            /* cr0: ET */
    {0x160, 8, 0x400},           /* dr7 */
    {0x168, 8, 0xffff0ff0},      /* dr6 */
    {0x170, 8, 0x2},             /* rflags */
    {0x268, 8, 0x7040600070406}, /* g_pat */
    {0x3e8, 8, 0x1},             /* xcr0 */
    {0x408, 4, 0x1f80},          /* mxcsr */
    {0x410, 2, 0x37f},           /* x87 control word */
};
enum { OFFSET_RIP = 0x178, OFFSET_RDX = 0x310, OFFSET_SEV_FEATURES = 0x3b0 };

static void put_le(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void put_segment(uint8_t *page, uint16_t offset, uint16_t attributes)
{
    put_le(page + offset + 2, attributes, 2);
    put_le(page + offset + 4, REAL_MODE_LIMIT, 4);
}

void snp_vmsa(uint32_t eip, uint32_t cpu_signature, uint64_t features,
              uint8_t ret[static GUEST_PAGE_SIZE])
{
    memset(ret, 0, GUEST_PAGE_SIZE);
    for (size_t i = 0; i < ARRAY_LEN(data_segments); i++)
        put_segment(ret, data_segments[i].offset, data_segments[i].attributes);
    put_segment(ret, OFFSET_CS, CS_ATTRIBUTES);
    put_le(ret + OFFSET_CS, RESET_CS, 2);
    put_le(ret + OFFSET_CS + 8, eip & 0xffff0000, 8);
    for (size_t i = 0; i < ARRAY_LEN(registers); i++)
        put_le(ret + registers[i].offset, registers[i].value, registers[i].size);
    put_le(ret + OFFSET_RIP, eip & 0xffff, 8);
    put_le(ret + OFFSET_RDX, cpu_signature, 8);
    put_le(ret + OFFSET_SEV_FEATURES, features, 8);
}

/* CPUID 1, EAX: extended family above 15, model in two halves, stepping. */
#define SIGNATURE(family, model, stepping)                                                         \
    ((family) > 15                                                                                 \
         ? ((family)-15) << 20 | ((model) >> 4) << 16 | 15 << 8 | ((model)&15) << 4 | (stepping)   \
         : ((model) >> 4) << 16 | (family) << 8 | ((model)&15) << 4 | (stepping))

enum {
    NAPLES = SIGNATURE(23, 1, 2),
    ROME = SIGNATURE(23, 49, 0),
    MILAN = SIGNATURE(25, 1, 1),
    GENOA = SIGNATURE(25, 17, 0),
    TURIN = SIGNATURE(26, 0, 0),
};

/* QEMU, target/i386/cpu.c. The plain name is an alias whose version the machine type decides; the
 * signature is the same for all of them. */
static const struct {
    const char *name;
    uint32_t signature;
} models[] = {
    {"EPYC", NAPLES},         {"EPYC-v1", NAPLES},      {"EPYC-v2", NAPLES},
    {"EPYC-v3", NAPLES},      {"EPYC-v4", NAPLES},      {"EPYC-v5", NAPLES},
    {"EPYC-Rome", ROME},      {"EPYC-Rome-v1", ROME},   {"EPYC-Rome-v2", ROME},
    {"EPYC-Rome-v3", ROME},   {"EPYC-Rome-v4", ROME},   {"EPYC-Rome-v5", ROME},
    {"EPYC-Milan", MILAN},    {"EPYC-Milan-v1", MILAN}, {"EPYC-Milan-v2", MILAN},
    {"EPYC-Milan-v3", MILAN}, {"EPYC-Genoa", GENOA},    {"EPYC-Genoa-v1", GENOA},
    {"EPYC-Genoa-v2", GENOA}, {"EPYC-Turin", TURIN},    {"EPYC-Turin-v1", TURIN},
};

const char *snp_cpu_model(size_t index)
{
    return index < ARRAY_LEN(models) ? models[index].name : NULL;
}

int snp_cpu_signature(const char *model, uint32_t *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        if (strcmp(model, models[i].name) == 0) {
            *ret = models[i].signature;
            return 0;
        }
    }
    (void)FAIL(err, ERR_INVALID, "processor model '%s' is not known", model);
    err_hint(err,
             "QEMU's names: EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa, EPYC-Turin, each also with "
             "its version, as in EPYC-v4");
    return -1;
}
