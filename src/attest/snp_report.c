// SPDX-License-Identifier: Apache-2.0
/*
 * Takes an SEV-SNP attestation report apart. Which bytes are reserved depends on the version; that
 * they are zero is noted here and judged elsewhere.
 */
#include "attest/snp_report.h"

#include "base/mem.h"

enum { VERSION_WITH_CPUID = 3, VERSION_WITH_MITIGATION = 5 };

int snp_report_read_version(struct slice bytes, uint32_t *ret, struct err *err)
{
    struct reader in = reader_of(bytes, "the SNP report");
    return reader_u32le(&in, "version", ret, err);
}

static int read_reserved(struct reader *in, size_t count, struct snp_report *report,
                         struct err *err)
{
    struct slice bytes;
    if (reader_slice(in, "reserved bytes", count, &bytes, err) < 0)
        return -1;
    report->reserved_zero = report->reserved_zero && slice_is_zero(bytes);
    return 0;
}

/* 0x000 to 0x04f */
static int read_head(struct reader *in, struct snp_report *report, struct err *err)
{
    if (reader_u32le(in, "version", &report->version, err) < 0 ||
        reader_u32le(in, "GUEST_SVN", &report->guest_svn, err) < 0 ||
        reader_u64le(in, "POLICY", &report->policy, err) < 0 ||
        reader_slice(in, "FAMILY_ID", 16, &report->family_id, err) < 0 ||
        reader_slice(in, "IMAGE_ID", 16, &report->image_id, err) < 0 ||
        reader_u32le(in, "VMPL", &report->vmpl, err) < 0 ||
        reader_u32le(in, "SIGNATURE_ALGO", &report->algorithm, err) < 0 ||
        reader_slice(in, "CURRENT_TCB", 8, &report->current_tcb, err) < 0 ||
        reader_u64le(in, "PLATFORM_INFO", &report->platform_info, err) < 0 ||
        reader_u32le(in, "key flags", &report->flags, err) < 0)
        return -1;
    return read_reserved(in, 4, report, err);
}

/* 0x050 to 0x187 */
static int read_identity(struct reader *in, struct snp_report *report, struct err *err)
{
    const struct {
        const char *name;
        size_t size;
        struct slice *to;
    } fields[] = {
        {"REPORT_DATA", 64, &report->report_data},
        {"MEASUREMENT", 48, &report->measurement},
        {"HOST_DATA", 32, &report->host_data},
        {"ID_KEY_DIGEST", 48, &report->id_key_digest},
        {"AUTHOR_KEY_DIGEST", 48, &report->author_key_digest},
        {"REPORT_ID", 32, &report->report_id},
        {"REPORT_ID_MA", 32, &report->report_id_ma},
        {"REPORTED_TCB", 8, &report->reported_tcb},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (reader_slice(in, fields[i].name, fields[i].size, fields[i].to, err) < 0)
            return -1;
    }
    return 0;
}

/* 0x188 to 0x19f: reserved in version 2 */
static int read_cpuid(struct reader *in, struct snp_report *report, struct err *err)
{
    if (report->version < VERSION_WITH_CPUID)
        return read_reserved(in, 24, report, err);
    if (reader_u8(in, "CPUID_FAM_ID", &report->cpuid_family, err) < 0 ||
        reader_u8(in, "CPUID_MOD_ID", &report->cpuid_model, err) < 0 ||
        reader_u8(in, "CPUID_STEP", &report->cpuid_stepping, err) < 0)
        return -1;
    return read_reserved(in, 21, report, err);
}

static int read_version(struct reader *in, struct snp_version *ret, struct snp_report *report,
                        struct err *err)
{
    if (reader_u8(in, "build", &ret->build, err) < 0 ||
        reader_u8(in, "minor version", &ret->minor, err) < 0 ||
        reader_u8(in, "major version", &ret->major, err) < 0)
        return -1;
    return read_reserved(in, 1, report, err);
}

/* 0x1a0 to 0x29f */
static int read_platform(struct reader *in, struct snp_report *report, struct err *err)
{
    if (reader_slice(in, "CHIP_ID", SNP_CHIP_ID_SIZE, &report->chip_id, err) < 0 ||
        reader_slice(in, "COMMITTED_TCB", 8, &report->committed_tcb, err) < 0 ||
        read_version(in, &report->current, report, err) < 0 ||
        read_version(in, &report->committed, report, err) < 0 ||
        reader_slice(in, "LAUNCH_TCB", 8, &report->launch_tcb, err) < 0)
        return -1;
    if (report->version < VERSION_WITH_MITIGATION)
        return read_reserved(in, 168, report, err);
    if (reader_u64le(in, "LAUNCH_MIT_VECTOR", &report->launch_mit_vector, err) < 0 ||
        reader_u64le(in, "CURRENT_MIT_VECTOR", &report->current_mit_vector, err) < 0)
        return -1;
    return read_reserved(in, 152, report, err);
}

int snp_report_parse(struct slice bytes, struct snp_report *ret, struct err *err)
{
    struct snp_report report = {.reserved_zero = true};
    struct reader in = reader_of(bytes, "the SNP report");
    struct slice rest;
    if (read_head(&in, &report, err) < 0 || read_identity(&in, &report, err) < 0 ||
        read_cpuid(&in, &report, err) < 0 || read_platform(&in, &report, err) < 0 ||
        reader_slice(&in, "SIGNATURE", SNP_REPORT_SIZE - SNP_SIGNED_SIZE, &report.signature, err) <
            0 ||
        reader_slice(&in, "what follows", reader_left(&in), &rest, err) < 0)
        return -1;
    if (!slice_is_zero(rest))
        return FAIL(err, ERR_INVALID, "the SNP report has %zu bytes behind it that are not zero",
                    rest.len);
    *ret = report;
    return 0;
}
