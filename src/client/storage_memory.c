// SPDX-License-Identifier: Apache-2.0
/*
 * What was seen of storages. Runs on the owner's and the app user's machine.
 */
#include "client/storage_memory.h"
#include "client/owner.h"

#include "base/file.h"
#include "base/text.h"
#include "format/json.h"

enum { MEMORY_FORMAT = 1, MEMORY_MAX = 4096, NAME_DIGITS = 32 };

/* Which storage: its version's, or the app's under its owner's key. Nobody else can make an enclave
 * that is verified and opens it. */
static int storage_name(const struct manifest *manifest,
                        const uint8_t fingerprint[static SHA256_SIZE],
                        char ret[static 2 * SHA256_SIZE + 1], struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(256);
    uint8_t digest[SHA256_SIZE];
    if (!manifest_owner_keeps(manifest)) {
        hex_encode(slice_of(fingerprint, SHA256_SIZE), ret);
        return 0;
    }
    if (buf_str(&text, "mse storage of an owner 1", err) < 0 || buf_u8(&text, 0, err) < 0 ||
        buf_str(&text, manifest->id, err) < 0 || buf_u8(&text, 0, err) < 0 ||
        buf_bytes(&text, slice_of(manifest->owner_key, sizeof(manifest->owner_key)), err) < 0 ||
        buf_u64be(&text, manifest->key_epoch, err) < 0 || sha256(buf_slice(&text), digest, err) < 0)
        return -1;
    hex_encode(slice_of(digest, sizeof(digest)), ret);
    return 0;
}

static char *memory_path(const struct manifest *manifest,
                         const uint8_t fingerprint[static SHA256_SIZE], struct err *err)
{
    AUTO_FREE char *folder = NULL;
    char name[2 * SHA256_SIZE + 1];
    if (owner_folder(&folder, err) < 0 || storage_name(manifest, fingerprint, name, err) < 0)
        return NULL;
    AUTO_FREE char *seen = path_join(folder, "seen", err);
    if (seen == NULL || folder_create(seen, 0700, err) < 0)
        return NULL;
    return str_printf(err, "%s/%.*s.json", seen, NAME_DIGITS, name);
}

static int decode(struct slice text, struct storage_mark *ret, struct err *err)
{
    static const char what[] = "what was seen of the storage";
    static const char *const known[] = {"format", "opening", "head"};
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    uint64_t format;
    if (json_parse(text, what, MEMORY_MAX, &root, err) < 0 || json_top(root, what, &top, err) < 0 ||
        json_only_keys(&top, known, ARRAY_LEN(known), err) < 0 ||
        json_read_u64(&top, "format", 0, UINT32_MAX, &format, err) < 0)
        return -1;
    if (format != MEMORY_FORMAT)
        return FAIL(err, ERR_UNSUPPORTED, "%s: format %llu, this mse reads %d", what,
                    (unsigned long long)format, MEMORY_FORMAT);
    if (json_read_u64(&top, "opening", 1, STORAGE_OPENINGS_MAX, &ret->opening, err) < 0)
        return -1;
    return json_read_hex(&top, "head", ret->head, STORAGE_HEAD_SIZE, err);
}

int storage_memory_get(const struct manifest *manifest,
                       const uint8_t fingerprint[static SHA256_SIZE], struct storage_mark *ret,
                       struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MEMORY_MAX);
    AUTO_FREE char *path = memory_path(manifest, fingerprint, err);
    *ret = (struct storage_mark){0};
    if (path == NULL)
        return -1;
    if (!file_exists(path))
        return 0;
    if (file_read(path, &text, err) < 0 || decode(buf_slice(&text), ret, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", path);
    return 0;
}

int storage_memory_set(const struct manifest *manifest,
                       const uint8_t fingerprint[static SHA256_SIZE],
                       const struct storage_mark *mark, struct err *err)
{
    AUTO_JSON json_t *root = json_new_object(err);
    AUTO_BUF struct buf text = BUF_INIT(MEMORY_MAX);
    AUTO_FREE char *path = memory_path(manifest, fingerprint, err);
    if (path == NULL || root == NULL || json_put_i64(root, "format", MEMORY_FORMAT, err) < 0 ||
        json_put_u64(root, "opening", mark->opening, err) < 0 ||
        json_put_hex(root, "head", slice_of(mark->head, STORAGE_HEAD_SIZE), err) < 0 ||
        json_canonical(root, &text, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&text), 0600, err);
}
