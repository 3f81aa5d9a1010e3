// SPDX-License-Identifier: Apache-2.0
/*
 * Keys of apps, from the owner's seed. Runs on the owner's machine; what comes out stays in locked
 * memory, but for ids.
 */
#include "client/app_keys.h"

#include "base/text.h"

#include <stdio.h>

enum { KEY_SIZE = 32, INFO_MAX = 512, UUID_BYTES = 16 };

/* Each text with its zero: no two lists of texts give the same bytes. */
static int begin_info(const char *label, const char *first, const char *second, struct buf *out,
                      struct err *err)
{
    const char *const texts[] = {label, first, second};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (buf_str(out, texts[i], err) < 0 || buf_u8(out, 0, err) < 0)
            return -1;
    }
    return 0;
}

static int derive(const struct owner_key *owner, const struct buf *info, uint8_t *ret, size_t size,
                  struct err *err)
{
    const struct slice seed = slice_of(owner->secret.data, ED25519_SEED_SIZE);
    return hkdf_sha256(seed, slice_of(NULL, 0), buf_slice(info), ret, size, err);
}

static int derive_secret(const struct owner_key *owner, const struct buf *info, struct secret *ret,
                         struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (secret_init(&key, KEY_SIZE, err) < 0 || derive(owner, info, key.data, KEY_SIZE, err) < 0)
        return -1;
    *ret = key;
    key = SECRET_INIT;
    return 0;
}

int app_id_derive(const struct owner_key *owner, const char *project, const char *name,
                  char ret[static UUID_SIZE], struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(INFO_MAX);
    uint8_t id[UUID_BYTES];
    char hex[2 * UUID_BYTES + 1];
    if (begin_info("mse app id 1", project, name, &info, err) < 0 ||
        derive(owner, &info, id, sizeof(id), err) < 0)
        return -1;
    id[6] = (uint8_t)(0x80 | (id[6] & 0x0f)); /* version 8 and variant: RFC 9562, section 5.8 */
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
    hex_encode(slice_of(id, sizeof(id)), hex);
    (void)snprintf(ret, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    return 0;
}

int app_digest_key(const struct owner_key *owner, const char *id, struct secret *ret,
                   struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(INFO_MAX);
    if (begin_info("mse archive digest 1", id, "", &info, err) < 0)
        return -1;
    return derive_secret(owner, &info, ret, err);
}

static int derive_of_archive(const struct owner_key *owner, const char *label, const char *id,
                             const uint8_t archive_digest[static SHA256_SIZE], struct secret *ret,
                             struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(INFO_MAX);
    if (begin_info(label, id, "", &info, err) < 0 ||
        buf_bytes(&info, slice_of(archive_digest, SHA256_SIZE), err) < 0)
        return -1;
    return derive_secret(owner, &info, ret, err);
}

int app_code_keys(const struct owner_key *owner, const char *id,
                  const uint8_t archive_digest[static SHA256_SIZE], struct secret *ret_key,
                  struct secret *ret_salt, struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (derive_of_archive(owner, "mse code key 1", id, archive_digest, &key, err) < 0 ||
        derive_of_archive(owner, "mse commitment salt 1", id, archive_digest, ret_salt, err) < 0)
        return -1;
    *ret_key = key;
    key = SECRET_INIT;
    return 0;
}

int app_volume_key(const struct owner_key *owner, const char *id, uint64_t epoch,
                   struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(INFO_MAX);
    if (begin_info("mse volume key 1", id, "", &info, err) < 0 || buf_u64be(&info, epoch, err) < 0)
        return -1;
    return derive_secret(owner, &info, ret, err);
}
