// SPDX-License-Identifier: Apache-2.0
/*
 * ID block and ID authentication. The signature is ECDSA over P-384 with a nonce from key and
 * message: what a nonce hides is the private number, and that one is public here. For this and for
 * no other key: nothing in this file is fit for a key that somebody keeps.
 */
#include "measure/id_block.h"

#include "crypto/x509.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

/* SHA-384 of this, as a big-endian number, is the private number. */
static const char id_key_sentence[] =
    "mse: this key signs SEV-SNP ID blocks; it is published on purpose and authenticates nobody";

enum {
    ALGORITHM_P384_SHA384 = 1,
    CURVE_P384 = 2,
    SCALAR_SIZE = 72, /* little-endian, zero-padded */
    KEY_SIZE = 0x404,
    KEY_X = 4,
    KEY_Y = KEY_X + SCALAR_SIZE,
    AUTH_SIGNATURE = 0x40, /* of the block: r, s, zeros up to 512 bytes */
    AUTH_KEY = 0x240,
};

struct id_block id_block_of(const uint8_t digest[static SNP_DIGEST_SIZE],
                            const uint8_t fingerprint[static SHA256_SIZE], uint64_t policy)
{
    struct id_block block = {.policy = policy};
    _Static_assert(2 * ID_PART_SIZE == SHA256_SIZE, "two ids hold one fingerprint");
    memcpy(block.digest, digest, sizeof(block.digest));
    memcpy(block.family_id, fingerprint, ID_PART_SIZE);
    memcpy(block.image_id, fingerprint + ID_PART_SIZE, ID_PART_SIZE);
    return block;
}

static void put_le(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

void id_block_encode(const struct id_block *block, uint8_t ret[static ID_BLOCK_SIZE])
{
    memcpy(ret, block->digest, sizeof(block->digest));
    memcpy(ret + 0x30, block->family_id, ID_PART_SIZE);
    memcpy(ret + 0x40, block->image_id, ID_PART_SIZE);
    put_le(ret + 0x50, ID_BLOCK_VERSION, 4);
    put_le(ret + 0x54, block->guest_svn, 4);
    put_le(ret + 0x58, block->policy, 8);
}

/* Everything that the arithmetic needs; one piece, so that there is one thing to free. */
struct curve {
    EC_GROUP *group;
    BN_CTX *context;
    const BIGNUM *order;
    BIGNUM *secret; /* the published number */
};

static void curve_done(struct curve *curve)
{
    BN_free(curve->secret);
    BN_CTX_free(curve->context);
    EC_GROUP_free(curve->group);
}

DEFINE_CLEANUP(point_cleanup, EC_POINT *, EC_POINT_free)
DEFINE_CLEANUP(number_cleanup, BIGNUM *, BN_free)

/* SHA-384(bytes) modulo the order of the group. */
static BIGNUM *number_from(const struct curve *curve, struct slice bytes, struct err *err)
{
    uint8_t hash[SHA384_SIZE];
    if (sha384(bytes, hash, err) < 0)
        return NULL;
    AUTO(number_cleanup) BIGNUM *number = BN_bin2bn(hash, sizeof(hash), NULL);
    if (number == NULL || BN_nnmod(number, number, curve->order, curve->context) != 1 ||
        BN_is_zero(number)) {
        (void)FAIL_OPENSSL(err, "cannot make a number modulo P-384's order");
        return NULL;
    }
    return STEAL(number);
}

static int curve_init(struct curve *ret, struct err *err)
{
    ret->group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    ret->context = BN_CTX_new();
    ret->order = ret->group == NULL ? NULL : EC_GROUP_get0_order(ret->group);
    if (ret->context == NULL || ret->order == NULL)
        return FAIL_OPENSSL(err, "cannot set up P-384");
    ret->secret = number_from(ret, slice_str(id_key_sentence), err);
    return ret->secret == NULL ? -1 : 0;
}

/* number * G; *ret_y may be NULL. */
static int multiply(const struct curve *curve, const BIGNUM *number, BIGNUM *ret_x, BIGNUM *ret_y,
                    struct err *err)
{
    AUTO(point_cleanup) EC_POINT *point = EC_POINT_new(curve->group);
    if (point == NULL ||
        EC_POINT_mul(curve->group, point, number, NULL, NULL, curve->context) != 1 ||
        EC_POINT_get_affine_coordinates(curve->group, point, ret_x, ret_y, curve->context) != 1)
        return FAIL_OPENSSL(err, "cannot multiply on P-384");
    return 0;
}

static int put_number(const BIGNUM *number, uint8_t *to, struct err *err)
{
    if (BN_bn2lebinpad(number, to, SCALAR_SIZE) != SCALAR_SIZE)
        return FAIL_OPENSSL(err, "cannot write a number of P-384");
    return 0;
}

/* `ret` is zero. */
static int put_key(const struct curve *curve, uint8_t *ret, struct err *err)
{
    AUTO(number_cleanup) BIGNUM *x = BN_new();
    AUTO(number_cleanup) BIGNUM *y = BN_new();
    if (x == NULL || y == NULL)
        return FAIL_OPENSSL(err, "cannot make numbers");
    if (multiply(curve, curve->secret, x, y, err) < 0)
        return -1;
    put_le(ret, CURVE_P384, 4);
    return put_number(x, ret + KEY_X, err) < 0 ? -1 : put_number(y, ret + KEY_Y, err);
}

/* SHA-384(private number ‖ message) as a number. */
static BIGNUM *make_nonce(const struct curve *curve, struct slice message, struct err *err)
{
    uint8_t bytes[SCALAR_SIZE + ID_BLOCK_SIZE];
    if (put_number(curve->secret, bytes, err) < 0)
        return NULL;
    memcpy(bytes + SCALAR_SIZE, message.data, ID_BLOCK_SIZE);
    return number_from(curve, slice_of(bytes, sizeof(bytes)), err);
}

/* FIPS 186-5, section 6.4.1. `ret` is zero. */
static int put_signature(const struct curve *curve, struct slice message, uint8_t *ret,
                         struct err *err)
{
    AUTO(number_cleanup) BIGNUM *nonce = make_nonce(curve, message, err);
    AUTO(number_cleanup) BIGNUM *hash = nonce == NULL ? NULL : number_from(curve, message, err);
    if (hash == NULL)
        return FAIL_CONTEXT(err, "cannot sign an ID block");
    AUTO(number_cleanup) BIGNUM *r = BN_new();
    AUTO(number_cleanup) BIGNUM *s = BN_new();
    if (r == NULL || s == NULL)
        return FAIL_OPENSSL(err, "cannot make numbers");
    if (multiply(curve, nonce, r, NULL, err) < 0)
        return -1;
    if (BN_nnmod(r, r, curve->order, curve->context) != 1 ||
        BN_mod_mul(s, r, curve->secret, curve->order, curve->context) != 1 ||
        BN_mod_add(s, s, hash, curve->order, curve->context) != 1 ||
        BN_mod_inverse(nonce, nonce, curve->order, curve->context) == NULL ||
        BN_mod_mul(s, s, nonce, curve->order, curve->context) != 1 || BN_is_zero(r) ||
        BN_is_zero(s))
        return FAIL_OPENSSL(err, "cannot sign an ID block");
    return put_number(r, ret, err) < 0 ? -1 : put_number(s, ret + SCALAR_SIZE, err);
}

int id_auth_make(const uint8_t block[static ID_BLOCK_SIZE], uint8_t ret[static ID_AUTH_SIZE],
                 struct err *err)
{
    uint8_t auth[ID_AUTH_SIZE] = {0};
    AUTO(curve_done) struct curve curve = {0};
    put_le(auth, ALGORITHM_P384_SHA384, 4);
    if (curve_init(&curve, err) < 0 ||
        put_signature(&curve, slice_of(block, ID_BLOCK_SIZE), auth + AUTH_SIGNATURE, err) < 0 ||
        put_key(&curve, auth + AUTH_KEY, err) < 0)
        return -1;
    memcpy(ret, auth, sizeof(auth));
    return 0;
}

int id_key_digest(uint8_t ret[static SHA384_SIZE], struct err *err)
{
    uint8_t key[KEY_SIZE] = {0};
    AUTO(curve_done) struct curve curve = {0};
    if (curve_init(&curve, err) < 0 || put_key(&curve, key, err) < 0)
        return -1;
    return sha384(slice_of(key, sizeof(key)), ret, err);
}
