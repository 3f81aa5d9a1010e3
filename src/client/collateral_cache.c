// SPDX-License-Identifier: Apache-2.0
/*
 * Collateral on disk, one file a URL: {"body": base64, "chain": text, "expires_at", "url"}. What is
 * read from it is judged like what comes over the network, so nobody has to trust it.
 */
#include "client/collateral_get.h"

#include "attest/crl.h"
#include "client/collateral_bundle.h"
#include "format/document.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "format/json.h"

#include <stdlib.h>

enum { CACHE_FILE_MAX = 2 * COLLATERAL_DOCUMENT_MAX, DIGEST_TEXT = 2 * SHA256_SIZE + 1 };

char *collateral_cache_folder(const char *name, struct err *err)
{
    const char *own = getenv("MSE_CACHE_HOME");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (own != NULL && own[0] == '/')
        return str_printf(err, "%s/%s", own, name);
    if (xdg != NULL && xdg[0] == '/')
        return str_printf(err, "%s/mse/%s", xdg, name);
    if (home != NULL && home[0] == '/')
        return str_printf(err, "%s/.cache/mse/%s", home, name);
    (void)FAIL(err, ERR_NOT_FOUND, "no HOME: nothing is cached");
    return NULL;
}

/* The caller frees. */
static char *cache_path(const char *url, bool make_folder, struct err *err)
{
    AUTO_FREE char *folder = collateral_cache_folder("collateral", err);
    uint8_t digest[SHA256_SIZE];
    char name[DIGEST_TEXT];
    if (folder == NULL || sha256(slice_str(url), digest, err) < 0 ||
        (make_folder && folder_create_all(folder, 0700, err) < 0))
        return NULL;
    hex_encode(slice_of(digest, sizeof(digest)), name);
    return path_join(folder, name, err);
}

int collateral_cache_read(const char *url, struct collateral_answer *ret, struct err *err)
{
    AUTO_FREE char *path = cache_path(url, false, err);
    AUTO_BUF struct buf text = BUF_INIT(CACHE_FILE_MAX);
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    const char *stored;
    const char *chain;
    int64_t expires_at;
    if (path == NULL || !file_exists(path))
        return FAIL(err, ERR_NOT_FOUND, "not in the cache");
    if (file_read(path, &text, err) < 0 ||
        json_parse(buf_slice(&text), "cached collateral", CACHE_FILE_MAX, &root, err) < 0 ||
        json_top(root, "cached collateral", &top, err) < 0 ||
        json_read_text(&top, "url", 4096, &stored, err) < 0 ||
        json_read_i64(&top, "expires_at", 0, INT64_MAX, &expires_at, err) < 0)
        return -1;
    if (strcmp(stored, url) != 0 || (expires_at != 0 && expires_at <= clock_unix()))
        return FAIL(err, ERR_NOT_FOUND, "expired in the cache");
    buf_clear(&ret->body);
    buf_clear(&ret->chain);
    if (json_read_base64(&top, "body", &ret->body, err) < 0 ||
        json_read_text(&top, "chain", COLLATERAL_CHAIN_MAX, &chain, err) < 0)
        return -1;
    return buf_str(&ret->chain, chain, err);
}

/* nextUpdate of TCB info and QE identity stands in a signed member of the answer. */
static int json_next_update(struct arena *arena, struct slice text, int64_t *ret, struct err *err)
{
    static const char *const members[] = {"tcbInfo", "enclaveIdentity"};
    const struct doc_node *root;
    struct slice time;
    if (doc_parse(arena, text, "collateral", &root, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct doc_node *inner = doc_get(root, members[i]);
        if (inner == NULL)
            continue;
        if (doc_get_string(arena, inner, "nextUpdate", &time, err) < 0)
            return -1;
        return rfc3339_parse(arena_printable(arena, time, 64), ret, err);
    }
    return FAIL(err, ERR_NOT_FOUND, "no nextUpdate");
}

/* 0: never. Where no time can be read, nothing is kept. */
static int find_expiry(const struct collateral_answer *answer, enum collateral_keep keep,
                       int64_t *ret, struct err *err)
{
    struct crl crl;
    struct err not_crl = ERR_INIT;
    AUTO_BUF struct buf der = BUF_INIT(COLLATERAL_DOCUMENT_MAX);
    *ret = 0;
    if (keep == COLLATERAL_FOREVER)
        return 0;
    /* A PCCS has them in hexadecimal. */
    if (collateral_crl_der(buf_slice(&answer->body), &der, &not_crl) == 0 &&
        crl_read(buf_slice(&der), &crl, &not_crl) == 0) {
        *ret = crl.until;
        return 0;
    }
    struct arena arena = {0};
    int rc = json_next_update(&arena, buf_slice(&answer->body), ret, err);
    arena_done(&arena);
    return rc;
}

void collateral_cache_write(const char *url, const struct collateral_answer *answer,
                            enum collateral_keep keep)
{
    struct err ignored = ERR_INIT;
    int64_t expires_at;
    if (find_expiry(answer, keep, &expires_at, &ignored) < 0)
        return;
    AUTO_FREE char *path = cache_path(url, true, &ignored);
    AUTO_BUF struct buf text = BUF_INIT(CACHE_FILE_MAX);
    AUTO_JSON json_t *root = json_new_object(&ignored);
    if (path == NULL || root == NULL || json_put_text(root, "url", url, &ignored) < 0 ||
        json_put_i64(root, "expires_at", expires_at, &ignored) < 0 ||
        json_put_text(root, "chain", buf_text(&answer->chain), &ignored) < 0 ||
        json_put_base64(root, "body", buf_slice(&answer->body), &ignored) < 0 ||
        json_canonical(root, &text, &ignored) < 0)
        return;
    if (file_write_atomic(path, buf_slice(&text), 0600, &ignored) < 0)
        return;
}
