// SPDX-License-Identifier: Apache-2.0
/*
 * The ID block of an SEV-SNP launch: what the chip is to compare and to carry. The chip refuses to
 * launch a guest whose digest is another one than the block's, and writes FAMILY_ID and IMAGE_ID
 * into every report and, on request, into every key that it derives. mse puts the fingerprint
 * there, so that two apps of one image get different keys from the hardware itself.
 *
 * The chip wants the block signed by an *ID key*. That key authenticates nothing here: whoever
 * launches may choose the block. So mse signs with one that everybody can compute: its private
 * number is the hash of a sentence in id_block.c. It is published on purpose, and protects nothing.
 * Its digest stands in each report (ID_KEY_DIGEST), where a policy may ask for it.
 *
 * Source: AMD publication 56860, section 8.18 (SNP_LAUNCH_FINISH), tables 75 (ID block), 76 (ID
 * authentication), and appendix A (keys, signatures).
 */
#pragma once

#include "measure/snp.h"

enum { ID_BLOCK_SIZE = 96, ID_AUTH_SIZE = 4096, ID_BLOCK_VERSION = 1, ID_PART_SIZE = 16 };

struct id_block {
    uint8_t digest[SNP_DIGEST_SIZE];
    uint8_t family_id[ID_PART_SIZE];
    uint8_t image_id[ID_PART_SIZE];
    uint32_t guest_svn;
    uint64_t policy;
};

/* A block for this digest and policy whose two ids are the halves of the fingerprint. */
struct id_block id_block_of(const uint8_t digest[static SNP_DIGEST_SIZE],
                            const uint8_t fingerprint[static SHA256_SIZE], uint64_t policy);
void id_block_encode(const struct id_block *block, uint8_t ret[static ID_BLOCK_SIZE]);
/* The ID authentication for an encoded block, signed by the published key: the same bytes every
 * time. No author key. Errors: CRYPTO, MEMORY. */
int id_auth_make(const uint8_t block[static ID_BLOCK_SIZE], uint8_t ret[static ID_AUTH_SIZE],
                 struct err *err) MUST_USE;
/* What a report shows as ID_KEY_DIGEST for it. */
int id_key_digest(uint8_t ret[static SHA384_SIZE], struct err *err) MUST_USE;
