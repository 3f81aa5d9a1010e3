// SPDX-License-Identifier: Apache-2.0
/*
 * Callers of the API and the file of tokens. Owns nothing. Runs in msed.
 */
#include "node/account.h"

#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "format/names.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOKENS_MAX = 1 << 20, GROUPS_MAX = 256, DIGEST_HEX = 2 * SHA256_SIZE };

/* --- users of the machine --- */

static bool is_in_group(uid_t uid)
{
    char text[4096];
    struct group group_entry;
    struct group *group = NULL;
    if (getgrnam_r(ACCOUNT_GROUP, &group_entry, text, sizeof(text), &group) != 0 || group == NULL)
        return false;
    gid_t wanted = group->gr_gid;
    struct passwd user_entry;
    struct passwd *user = NULL;
    if (getpwuid_r(uid, &user_entry, text, sizeof(text), &user) != 0 || user == NULL)
        return false;
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;
    if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
        return false;
    for (int i = 0; i < count; i++) {
        if (groups[i] == wanted)
            return true;
    }
    return false;
}

static bool is_operator(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

bool account_is_operators(const char *owner)
{
    uint64_t uid = 0;
    return str_starts_with(owner, "uid:") &&
           parse_u64(owner + strlen("uid:"), "user", 0, UINT32_MAX, &uid, NULL) == 0 &&
           is_operator((uid_t)uid);
}

static int account_of_user(uid_t uid, struct account *ret, struct err *err)
{
    struct account account = {.local = true};
    account.operator_of_node = is_operator(uid);
    if (!account.operator_of_node && !is_in_group(uid)) {
        err_set(err, ERR_FORBIDDEN, 0, "user %u may not use this node", uid);
        err_hint(err, "the operator can add the user to the group '%s'", ACCOUNT_GROUP);
        return -1;
    }
    (void)snprintf(account.owner, sizeof(account.owner), "uid:%u", uid);
    *ret = account;
    return 0;
}

/* --- tokens --- */

static int token_digest(struct slice token, char ret[static DIGEST_HEX + 1], struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    if (sha256(token, digest, err) < 0)
        return -1;
    hex_encode(slice_of(digest, sizeof(digest)), ret);
    return 0;
}

static int read_tokens(const char *tokens, struct buf *ret, struct err *err)
{
    struct err failure = ERR_INIT;
    if (file_read(tokens, ret, &failure) == 0 || failure.kind == ERR_NOT_FOUND)
        return 0;
    *err = failure;
    return -1;
}

struct token_line {
    const char *start; /* of the line */
    size_t len;        /* with its newline */
    char name[NAME_SIZE];
    char digest[DIGEST_HEX + 1];
};

/* The line at *pos; moves behind it. False at the end. */
static bool next_token(const struct buf *text, size_t *pos, struct token_line *ret)
{
    while (*pos < text->len) {
        const char *start = (const char *)text->data + *pos;
        const char *end = memchr(start, '\n', text->len - *pos);
        size_t len = end != NULL ? (size_t)(end - start) : text->len - *pos;
        *pos += len + (end != NULL ? 1 : 0);
        const char *space = memchr(start, ' ', len);
        size_t name = space != NULL ? (size_t)(space - start) : 0;
        if (name == 0 || name >= sizeof(ret->name) || len - name - 1 != DIGEST_HEX)
            continue;
        *ret = (struct token_line){.start = start, .len = len + (end != NULL ? 1 : 0)};
        memcpy(ret->name, start, name);
        memcpy(ret->digest, space + 1, DIGEST_HEX);
        return true;
    }
    return false;
}

int token_find(const char *tokens, struct slice token, char *ret_name, size_t size, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TOKENS_MAX);
    char digest[DIGEST_HEX + 1];
    if (read_tokens(tokens, &text, err) < 0 || token_digest(token, digest, err) < 0)
        return -1;
    struct token_line line;
    size_t pos = 0;
    bool found = false;
    while (next_token(&text, &pos, &line)) {
        if (crypto_equal(line.digest, digest, DIGEST_HEX)) {
            (void)snprintf(ret_name, size, "%s", line.name);
            found = true; /* and on to the end: the time says nothing of the place */
        }
    }
    return found ? 0 : FAIL(err, ERR_UNAUTHORIZED, "the token is not known to this node");
}

int token_add(const char *tokens, const char *name, struct buf *ret_token, struct err *err)
{
    if (!name_valid(name))
        return FAIL(err, ERR_INVALID, "'%s' is not a name for a token", name);
    AUTO_BUF struct buf text = BUF_INIT(TOKENS_MAX);
    AUTO_BUF struct buf token = BUF_INIT(128);
    struct token_line line;
    size_t pos = 0;
    uint8_t random[TOKEN_SIZE];
    char digest[DIGEST_HEX + 1];
    if (read_tokens(tokens, &text, err) < 0)
        return -1;
    while (next_token(&text, &pos, &line)) {
        if (strcmp(line.name, name) == 0)
            return FAIL(err, ERR_EXISTS, "there is a token named '%s' already", name);
    }
    if (random_bytes(random, sizeof(random), err) < 0 ||
        hex_append(&token, slice_of(random, sizeof(random)), err) < 0 ||
        token_digest(buf_slice(&token), digest, err) < 0 ||
        buf_printf(&text, err, "%s %s\n", name, digest) < 0 ||
        file_write_atomic(tokens, buf_slice(&text), 0600, err) < 0)
        return -1;
    mem_wipe(random, sizeof(random));
    return buf_bytes(ret_token, buf_slice(&token), err);
}

int token_remove(const char *tokens, const char *name, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TOKENS_MAX);
    AUTO_BUF struct buf kept = BUF_INIT(TOKENS_MAX);
    struct token_line line;
    size_t pos = 0;
    bool found = false;
    if (read_tokens(tokens, &text, err) < 0)
        return -1;
    while (next_token(&text, &pos, &line)) {
        if (strcmp(line.name, name) == 0)
            found = true;
        else if (buf_bytes(&kept, slice_of(line.start, line.len), err) < 0)
            return -1;
    }
    if (!found)
        return FAIL(err, ERR_NOT_FOUND, "there is no token named '%s'", name);
    return file_write_atomic(tokens, buf_slice(&kept), 0600, err);
}

static int account_of_token(const char *tokens, const struct http_request *request,
                            struct account *ret, struct err *err)
{
    static const char scheme[] = "Bearer ";
    const struct http_header *header = http_request_header(request, "authorization");
    size_t prefix = sizeof(scheme) - 1;
    if (header == NULL || header->value.len <= prefix ||
        strncasecmp((const char *)header->value.data, scheme, prefix) != 0) {
        err_set(err, ERR_UNAUTHORIZED, 0, "this address of the node needs a bearer token");
        err_hint(err, "the operator makes one with 'msed token add NAME'");
        return -1;
    }
    char name[NAME_SIZE];
    const struct slice token = slice_of(header->value.data + prefix, header->value.len - prefix);
    if (token_find(tokens, token, name, sizeof(name), err) < 0)
        return -1;
    struct account account = {0};
    (void)snprintf(account.owner, sizeof(account.owner), "token:%s", name);
    *ret = account;
    return 0;
}

/* --- both --- */

int account_of(const char *tokens, const struct http_request *request, struct account *ret,
               struct err *err)
{
    if (request->peer_known)
        return account_of_user(request->peer_uid, ret, err);
    return account_of_token(tokens, request, ret, err);
}

bool account_may(const struct account *account, const char *owner)
{
    return account->operator_of_node || strcmp(account->owner, owner) == 0;
}
