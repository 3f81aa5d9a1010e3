// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the SGX extension of a PCK certificate: a sequence of (OID, value) pairs, each at most
 * once, the five that the specification demands all there, none unknown.
 */
#include "attest/intel_pck.h"

#include "format/der.h"

const char intel_pck_oid[] = "1.2.840.113741.1.13.1";

enum { TCB_PCESVN = 17, TCB_CPUSVN = 18 };

/* 1.2.840.113741.1.13.1 */
static const uint8_t prefix[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

/* The numbers below our arc: "1.2" for 1.2.840.113741.1.13.1.1.2. *ret_last is the last one. */
static int read_oid(struct reader *in, size_t depth, uint8_t *ret_last, struct err *err)
{
    struct slice oid;
    if (der_expect(in, "an OID of the SGX extension", DER_OID, &oid, err) < 0)
        return -1;
    bool ours = oid.len == sizeof(prefix) + depth && memcmp(oid.data, prefix, sizeof(prefix)) == 0;
    if (!ours || (depth == 2 && oid.data[sizeof(prefix)] != 2))
        return FAIL(err, ERR_INVALID, "the SGX extension has an OID that is not of it");
    *ret_last = oid.data[oid.len - 1];
    return 0;
}

static int read_octets(struct reader *in, const char *field, size_t size, struct slice *ret,
                       struct err *err)
{
    struct slice value;
    if (der_expect(in, field, DER_OCTET_STRING, &value, err) < 0)
        return -1;
    if (value.len != size)
        return FAIL(err, ERR_INVALID, "%s has %zu bytes, not %zu", field, value.len, size);
    *ret = value;
    return 0;
}

static int read_number(struct reader *in, const char *field, enum der_tag tag, uint64_t max,
                       uint64_t *ret, struct err *err)
{
    struct slice value;
    if (der_expect(in, field, tag, &value, err) < 0)
        return -1;
    return der_number(value, field, max, ret, err);
}

static int read_tcb_value(struct reader *in, uint8_t which, struct intel_pck *pck, struct err *err)
{
    uint64_t number;
    if (which == TCB_CPUSVN)
        return read_octets(in, "CPUSVN", 16, &pck->cpu_svn, err);
    if (which == TCB_PCESVN) {
        if (read_number(in, "PCESVN", DER_INTEGER, UINT16_MAX, &number, err) < 0)
            return -1;
        pck->pce_svn = (uint16_t)number;
        return 0;
    }
    if (which < 1 || which > TCB_COMPONENTS)
        return FAIL(err, ERR_INVALID, "the TCB of the SGX extension has an unknown part %u", which);
    if (read_number(in, "a TCB component", DER_INTEGER, UINT8_MAX, &number, err) < 0)
        return -1;
    pck->components[which - 1] = (uint8_t)number;
    return 0;
}

/* OID .2: all 18 parts, each once. */
static int read_tcb(struct reader *outer, struct intel_pck *pck, struct err *err)
{
    struct slice content;
    if (der_expect(outer, "TCB", DER_SEQUENCE, &content, err) < 0)
        return -1;
    struct reader in = reader_of(content, "the TCB of the SGX extension");
    uint32_t seen = 0;
    while (reader_left(&in) > 0) {
        struct slice pair;
        uint8_t which;
        if (der_expect(&in, "a TCB part", DER_SEQUENCE, &pair, err) < 0)
            return -1;
        struct reader part = reader_of(pair, "a part of the SGX extension's TCB");
        if (read_oid(&part, 2, &which, err) < 0 || read_tcb_value(&part, which, pck, err) < 0 ||
            reader_end(&part, err) < 0)
            return -1;
        if ((seen & 1u << which) != 0)
            return FAIL(err, ERR_INVALID, "the TCB of the SGX extension has part %u twice", which);
        seen |= 1u << which;
    }
    if (seen != (1u << (TCB_CPUSVN + 1)) - 2)
        return FAIL(err, ERR_INVALID, "the TCB of the SGX extension lacks a part");
    return 0;
}

/* Configuration flags (dynamic platform, cached keys, SMT): read for form, judged by nobody. */
static int skip_configuration(struct reader *in, struct err *err)
{
    struct slice ignored;
    return der_expect(in, "configuration", DER_SEQUENCE, &ignored, err);
}

static int read_value(struct reader *in, uint8_t which, struct intel_pck *pck, struct err *err)
{
    uint64_t type;
    switch (which) {
    case 1:
        return read_octets(in, "PPID", 16, &pck->ppid, err);
    case 2:
        return read_tcb(in, pck, err);
    case 3:
        return read_octets(in, "PCE-ID", 2, &pck->pce_id, err);
    case 4:
        return read_octets(in, "FMSPC", 6, &pck->fmspc, err);
    case 5:
        if (read_number(in, "SGX type", DER_ENUMERATED, 2, &type, err) < 0)
            return -1;
        pck->sgx_type = (uint8_t)type;
        return 0;
    case 6:
        return read_octets(in, "platform instance id", 16, &pck->platform_instance, err);
    case 7:
        return skip_configuration(in, err);
    default:
        return FAIL(err, ERR_INVALID, "the SGX extension has an unknown part %u", which);
    }
}

int intel_pck_parse(struct slice extension, struct intel_pck *ret, struct err *err)
{
    struct reader whole = reader_of(extension, "the SGX extension");
    struct slice content;
    if (der_expect(&whole, "the SGX extension", DER_SEQUENCE, &content, err) < 0 ||
        reader_end(&whole, err) < 0)
        return -1;
    struct reader in = reader_of(content, "the SGX extension");
    struct intel_pck pck = {0};
    uint32_t seen = 0;
    while (reader_left(&in) > 0) {
        struct slice pair;
        uint8_t which;
        if (der_expect(&in, "a part", DER_SEQUENCE, &pair, err) < 0)
            return -1;
        struct reader part = reader_of(pair, "a part of the SGX extension");
        if (read_oid(&part, 1, &which, err) < 0 || read_value(&part, which, &pck, err) < 0 ||
            reader_end(&part, err) < 0)
            return -1;
        if ((seen & 1u << which) != 0)
            return FAIL(err, ERR_INVALID, "the SGX extension has part %u twice", which);
        seen |= 1u << which;
    }
    if ((seen & 0x3e) != 0x3e)
        return FAIL(err, ERR_INVALID,
                    "the SGX extension lacks one of PPID, TCB, PCE-ID, FMSPC and type");
    *ret = pck;
    return 0;
}
