// SPDX-License-Identifier: Apache-2.0
/*
 * Who is asking. On the Unix socket the kernel says which user it is; over TCP a bearer token
 * names an account. An account owns apps and sees its own; the operator (root, or the user that
 * msed runs as) sees all.
 */
#pragma once

#include "base/buf.h"
#include "http/http.h"

#include <stdbool.h>

enum { ACCOUNT_OWNER_SIZE = 80, TOKEN_SIZE = 32 };

/* Users of the machine who may use the socket besides the operator. */
#define ACCOUNT_GROUP "mse"

struct account {
    char owner[ACCOUNT_OWNER_SIZE]; /* "uid:1000", "token:NAME" */
    bool operator_of_node;
    bool local; /* on the Unix socket */
};

/* `tokens`: path of the file of tokens, which may not exist. UNAUTHORIZED: no or a wrong token;
 * FORBIDDEN: a user of the machine who is not in the group. */
int account_of(const char *tokens, const struct http_request *request, struct account *ret,
               struct err *err) MUST_USE;

/* Is "uid:N" root or the user that msed runs as? */
bool account_is_operators(const char *owner);
/* May this account see and change what `owner` owns? */
bool account_may(const struct account *account, const char *owner);

/* Tokens: the file holds "NAME SHA-256" a line, never a token. A new token is written to
 * `ret_token` as hexadecimal, once. EXISTS: the name has one. */
int token_add(const char *tokens, const char *name, struct buf *ret_token,
              struct err *err) MUST_USE;
/* NOT_FOUND. */
int token_remove(const char *tokens, const char *name, struct err *err) MUST_USE;
/* Whose token is it? UNAUTHORIZED. */
int token_find(const char *tokens, struct slice token, char *ret_name, size_t size,
               struct err *err) MUST_USE;
