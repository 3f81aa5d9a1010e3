// SPDX-License-Identifier: Apache-2.0
/*
 * Authenticode digests as osslsigncode computes them, that a signature does not change them and
 * every other byte does, and PE files whose parts do not fit.
 */
#include "known.h"

#include "measure/pe.h"

/* Where the headers of tiny.efi stand. */
enum {
    HEADER = 0x80,
    OPTIONAL = 0x98,
    CHECKSUM = OPTIONAL + 64,
    CERTIFICATES = OPTIONAL + 112 + 4 * 8,
    SECTIONS = OPTIONAL + 240,
    TINY_SIZE = 1576,
};

#define TINY_DIGEST                                                                                \
    "18fb7792b9b325c80cfe384d161e55056f011abb14226a23b979e4af132185278c5c7c02dfacc0cc141dccfb3639" \
    "9"                                                                                            \
    "e4a"

static void the_digest_of_osslsigncode(void **state)
{
    (void)state;
    static const char *const files[] = {"tiny.efi", "tiny-signed.efi"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
        uint8_t digest[SHA384_SIZE];
        known_read(files[i], &file);
        OK(pe_authenticode_sha384(buf_slice(&file), digest, &err));
        assert_digest(digest, sizeof(digest), TINY_DIGEST);
    }
}

static void every_byte_counts_but_what_signing_changes(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
    uint8_t good[SHA384_SIZE];
    uint8_t digest[SHA384_SIZE];
    size_t same = 0;
    known_read("tiny.efi", &file);
    OK(pe_authenticode_sha384(buf_slice(&file), good, &err));
    for (size_t i = 0; i < file.len; i++) {
        file.data[i] ^= 0x40;
        if (pe_authenticode_sha384(buf_slice(&file), digest, NULL) == 0 &&
            memcmp(digest, good, sizeof(good)) == 0) {
            bool checksum = i >= CHECKSUM && i < CHECKSUM + 4;
            bool certificates = i >= CERTIFICATES && i < CERTIFICATES + 4; /* where none are */
            assert_true(checksum || certificates);
            same++;
        }
        file.data[i] ^= 0x40;
    }
    assert_int_equal(same, 8);
}

static const struct {
    const char *what;
    uint32_t at;
    uint32_t size;
    uint32_t value;
    const char *part;
} forged[] = {
    {"DOS signature", 0, 2, 0, "does not begin with 'MZ'"},
    {"PE header behind the end", 0x3c, 4, TINY_SIZE, "truncated: PE signature"},
    {"PE header far behind", 0x3c, 4, UINT32_MAX, "truncated: what is before the PE header"},
    {"PE signature", HEADER, 4, 0, "no 'PE' signature at 0x80"},
    {"sections' number", HEADER + 6, 2, 97, "97 sections, at most 96"},
    {"more sections than fit", HEADER + 6, 2, 50, "truncated: the rest of a section"},
    {"no optional header", HEADER + 20, 2, 0, "truncated: magic"},
    {"long optional header", HEADER + 20, 2, 0xffff, "truncated: optional header"},
    {"magic", OPTIONAL, 2, 0x107, "magic 0x107"},
    {"short headers", OPTIONAL + 60, 4, 0x100, "headers of 256 bytes end before"},
    {"long headers", OPTIONAL + 60, 4, 0x10000, "truncated: the headers' end"},
    {"a gap before the sections", SECTIONS + 40 + 20, 4, 0x201, "a section at 0x201"},
    {"sections that overlap", SECTIONS + 20, 4, 0x3ff, "a section at 0x3ff, expected at 0x400"},
    {"a section behind the end", SECTIONS + 16, 4, 0x10000, "truncated: a section"},
    {"certificates in the middle", CERTIFICATES + 4, 4, 8, "certificates do not end"},
};

static void parts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
        uint8_t digest[SHA384_SIZE];
        known_read("tiny.efi", &file);
        if (forged[i].size == 2)
            put_u16(file.data + forged[i].at, forged[i].value);
        else
            put_u32(file.data + forged[i].at, forged[i].value);
        err = ERR_INIT;
        if (pe_authenticode_sha384(buf_slice(&file), digest, &err) == 0 ||
            err.kind != ERR_INVALID || strstr(err.message, forged[i].part) == NULL)
            fail_msg("%s: '%s'", forged[i].what, err.message);
    }
}

/* Certificates over what was hashed would take bytes out of the digest. */
static void certificates_over_the_program_are_refused(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
    uint8_t digest[SHA384_SIZE];
    known_read("tiny.efi", &file);
    put_u32(file.data + CERTIFICATES, 0x500);
    put_u32(file.data + CERTIFICATES + 4, TINY_SIZE - 0x500);
    FAILS(ERR_INVALID, "certificates begins at",
          pe_authenticode_sha384(buf_slice(&file), digest, &err));
}

static void truncated_files_are_refused_or_others(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(GUEST_FILE_MAX);
    uint8_t digest[SHA384_SIZE];
    uint8_t good[SHA384_SIZE];
    known_read("tiny.efi", &file);
    OK(pe_authenticode_sha384(buf_slice(&file), good, &err));
    for (size_t len = 0; len < file.len; len++) {
        if (pe_authenticode_sha384(slice_of(file.data, len), digest, NULL) == 0)
            assert_memory_not_equal(digest, good, sizeof(good));
        else
            assert_true(len < 0x600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_of_osslsigncode),
        cmocka_unit_test(every_byte_counts_but_what_signing_changes),
        cmocka_unit_test(parts_that_do_not_fit_are_refused),
        cmocka_unit_test(certificates_over_the_program_are_refused),
        cmocka_unit_test(truncated_files_are_refused_or_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
