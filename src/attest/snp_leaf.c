// SPDX-License-Identifier: Apache-2.0
/*
 * The extensions of AMD's leaf certificates: "Versioned Chip Endorsement Key (VCEK) Certificate and
 * KDS Interface Specification", AMD publication 57230, section 3.2, tables 9 (VCEK) and 10 (VLEK).
 */
#include "attest/snp.h"

#include "format/der.h"

#define AMD_ARC "1.3.6.1.4.1.3704.1"

/* One DER element that is the whole extension. */
static int read_element(const struct certificate *certificate, const char *oid, enum der_tag tag,
                        struct slice *ret, struct err *err)
{
    struct slice content;
    struct slice value;
    if (certificate_find_extension(certificate, oid, &content, err) < 0)
        return -1;
    struct reader in = reader_of(content, oid);
    if (der_expect(&in, "value", tag, &value, err) < 0 || reader_end(&in, err) < 0)
        return -1;
    *ret = value;
    return 0;
}

static int read_svn(const struct certificate *certificate, const char *oid, uint8_t *ret,
                    struct err *err)
{
    struct slice value;
    uint64_t number;
    if (read_element(certificate, oid, DER_INTEGER, &value, err) < 0 ||
        der_number(value, oid, UINT8_MAX, &number, err) < 0)
        return -1;
    *ret = (uint8_t)number;
    return 0;
}

static int read_tcb(const struct certificate *certificate, const struct snp_family *family,
                    struct mse_snp_tcb *ret, struct err *err)
{
    const struct {
        const char *oid;
        uint8_t *to;
    } parts[] = {
        {AMD_ARC ".3.1", &ret->bootloader}, {AMD_ARC ".3.2", &ret->tee},
        {AMD_ARC ".3.3", &ret->snp},        {AMD_ARC ".3.8", &ret->microcode},
        {AMD_ARC ".3.9", &ret->fmc},
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].to == &ret->fmc && !family->has_fmc)
            continue;
        if (read_svn(certificate, parts[i].oid, parts[i].to, err) < 0)
            return -1;
    }
    return 0;
}

/* The bytes stand bare in most certificates, in an OCTET STRING in some. */
static int read_hwid(const struct certificate *certificate, const struct snp_family *family,
                     struct slice *ret, struct err *err)
{
    struct slice content;
    if (certificate_find_extension(certificate, AMD_ARC ".4", &content, err) < 0)
        return -1;
    size_t size = family->hwid_size;
    if (content.len == size + 2 && content.data[0] == DER_OCTET_STRING && content.data[1] == size)
        content = slice_of(content.data + 2, size);
    if (content.len != size)
        return FAIL(err, ERR_INVALID, "the hardware id has %zu bytes, not %zu", content.len, size);
    *ret = content;
    return 0;
}

int snp_leaf_read_product(const struct certificate *certificate, struct slice *ret, struct err *err)
{
    return read_element(certificate, AMD_ARC ".2", DER_IA5_STRING, ret, err);
}

int snp_leaf_read(const struct certificate *certificate, const struct snp_family *family, bool vlek,
                  struct snp_leaf *ret, struct err *err)
{
    struct snp_leaf leaf = {0};
    if (snp_leaf_read_product(certificate, &leaf.product, err) < 0 ||
        read_tcb(certificate, family, &leaf.tcb, err) < 0)
        return -1;
    int rc = vlek ? read_element(certificate, AMD_ARC ".5", DER_IA5_STRING, &leaf.csp_id, err)
                  : read_hwid(certificate, family, &leaf.hwid, err);
    if (rc < 0)
        return -1;
    *ret = leaf;
    return 0;
}
