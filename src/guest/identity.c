// SPDX-License-Identifier: Apache-2.0
/*
 * A guest looks at its own evidence. The host chooses HOST_DATA, the ID block and MRCONFIGID when
 * it launches a guest, and it chooses the package: where the two differ, the guest would hand one
 * app's key to another. Pure.
 */
#include "guest/tee.h"

#include "base/reader.h"

enum {
    /* ATTESTATION_REPORT */
    SNP_POLICY_AT = 0x08,
    SNP_IDS_SIZE = 32, /* FAMILY_ID and IMAGE_ID, 16 each */
    SNP_AFTER_VMPL = 0x34,
    SNP_HOST_DATA_AT = 0xc0,
    SNP_POLICY_DEBUG = 1 << 19,
    /* quote: header; in version 5 type and size of the body; TD report body */
    TDX_HEADER_SIZE = 48,
    TDX_BODY_HEAD_SIZE = 6,
    TDX_ATTRIBUTES_AT = 120,
    TDX_CONFIG_ID_AT = 184,
    TDX_CONFIG_ID_SIZE = 48,
    TDX_ATTRIBUTES_DEBUG = 1,
};

static int check_fingerprint(const char *what, struct slice found,
                             const uint8_t fingerprint[static SHA256_BYTES], struct err *err)
{
    if (slice_equal(slice_of(found.data, SHA256_BYTES), slice_of(fingerprint, SHA256_BYTES)) &&
        slice_is_zero(slice_of(found.data + SHA256_BYTES, found.len - SHA256_BYTES)))
        return 0;
    return FAIL(err, ERR_FORBIDDEN,
                "%s of this guest is not the fingerprint of the package that it was given", what);
}

int identity_check_snp(struct slice report, const uint8_t fingerprint[static SHA256_BYTES],
                       struct err *err)
{
    struct reader in = reader_of(report, "SNP report");
    struct slice ids;
    struct slice host_data;
    uint64_t policy = 0;
    uint32_t vmpl = 0;
    if (reader_skip(&in, "version and SVN", SNP_POLICY_AT, err) < 0 ||
        reader_u64le(&in, "policy", &policy, err) < 0 ||
        reader_slice(&in, "family and image id", SNP_IDS_SIZE, &ids, err) < 0 ||
        reader_u32le(&in, "VMPL", &vmpl, err) < 0 ||
        reader_skip(&in, "up to host data", SNP_HOST_DATA_AT - SNP_AFTER_VMPL, err) < 0 ||
        reader_slice(&in, "host data", SHA256_BYTES, &host_data, err) < 0)
        return -1;
    if ((policy & SNP_POLICY_DEBUG) != 0)
        return FAIL(err, ERR_FORBIDDEN, "the host may debug this guest (policy 0x%llx)",
                    (unsigned long long)policy);
    if (vmpl != 0)
        return FAIL(err, ERR_FORBIDDEN, "this guest runs at VMPL %u, expected 0", vmpl);
    if (check_fingerprint("HOST_DATA", host_data, fingerprint, err) < 0)
        return -1;
    return check_fingerprint("FAMILY_ID and IMAGE_ID", ids, fingerprint, err);
}

int identity_check_tdx(struct slice quote, const uint8_t fingerprint[static SHA256_BYTES],
                       struct err *err)
{
    struct reader in = reader_of(quote, "TDX quote");
    struct slice config_id;
    uint64_t attributes = 0;
    uint16_t version = 0;
    if (reader_u16le(&in, "version", &version, err) < 0)
        return -1;
    if (version != 4 && version != 5)
        return FAIL(err, ERR_UNSUPPORTED, "TDX quote: version %u, expected 4 or 5", version);
    size_t head = TDX_HEADER_SIZE - sizeof(version) + (version == 5 ? TDX_BODY_HEAD_SIZE : 0);
    const size_t after_attributes = TDX_ATTRIBUTES_AT + sizeof(attributes);
    if (reader_skip(&in, "header", head, err) < 0 ||
        reader_skip(&in, "up to attributes", TDX_ATTRIBUTES_AT, err) < 0 ||
        reader_u64le(&in, "attributes", &attributes, err) < 0 ||
        reader_skip(&in, "up to MRCONFIGID", TDX_CONFIG_ID_AT - after_attributes, err) < 0 ||
        reader_slice(&in, "MRCONFIGID", TDX_CONFIG_ID_SIZE, &config_id, err) < 0)
        return -1;
    if ((attributes & TDX_ATTRIBUTES_DEBUG) != 0)
        return FAIL(err, ERR_FORBIDDEN, "the host may debug this guest");
    return check_fingerprint("MRCONFIGID", config_id, fingerprint, err);
}
