// SPDX-License-Identifier: Apache-2.0
/*
 * Just enough DER (ITU-T X.690) to walk a vendor's certificate extension: one-byte tags, definite
 * lengths in their shortest form.
 */
#pragma once

#include "base/reader.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_IA5_STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT_0 = 0xa0, /* [0] EXPLICIT */
    DER_CONTEXT_3 = 0xa3,
};

/* The next element of any tag. */
int der_next(struct reader *in, const char *field, uint8_t *ret_tag, struct slice *ret,
             struct err *err) MUST_USE;
/* The next element, which must have this tag. */
int der_expect(struct reader *in, const char *field, enum der_tag tag, struct slice *ret,
               struct err *err) MUST_USE;
/* The same; *ret_whole is the element with its tag and length. */
int der_whole(struct reader *in, const char *field, enum der_tag tag, struct slice *ret,
              struct slice *ret_whole, struct err *err) MUST_USE;
/* Is the next element there, and has it this tag? Reads nothing. */
bool der_next_is(const struct reader *in, enum der_tag tag);
/* BOOLEAN: 0x00 or 0xff. */
int der_boolean(struct slice content, const char *field, bool *ret, struct err *err) MUST_USE;
/* UTCTime or GeneralizedTime in the forms that RFC 5280 4.1.2.5 allows, to unix seconds. */
int der_time(struct reader *in, const char *field, int64_t *ret, struct err *err) MUST_USE;
/* An INTEGER's or ENUMERATED's content as a number from 0 to max. */
int der_number(struct slice content, const char *field, uint64_t max, uint64_t *ret,
               struct err *err) MUST_USE;
