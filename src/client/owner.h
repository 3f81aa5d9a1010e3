// SPDX-License-Identifier: Apache-2.0
/*
 * What the owner keeps: the config folder ($MSE_CONFIG_HOME, $XDG_CONFIG_HOME/mse or
 * ~/.config/mse, mode 0700), the Ed25519 key that signs provisioning, and where the programs lie.
 */
#pragma once

#include "crypto/crypto.h"

struct owner_key {
    uint8_t public_key[ED25519_PUBLIC_SIZE];
    struct secret secret;
};

void owner_key_done(struct owner_key *key);
#define AUTO_OWNER_KEY __attribute__((cleanup(owner_key_done)))

/* The folder, made if it is not there. The caller frees *ret. */
int owner_folder(char **ret, struct err *err) MUST_USE;
/* config-folder/contexts, made if it is not there. The caller frees *ret. */
int owner_contexts_folder(char **ret, struct err *err) MUST_USE;
/* Reads owner.key, or makes it on first use. Refuses a file that others can read. */
int owner_key_load(struct owner_key *ret, struct err *err) MUST_USE;

/* Where the local node of `mse node start` lives ($MSE_STATE_HOME, $XDG_STATE_HOME/mse,
 * ~/.local/state/mse), made if it is not there. The caller frees *ret. */
int owner_state_folder(char **ret, struct err *err) MUST_USE;

/* "msed" or "mse-enclave": beside this program, in ../libexec/mse, or in PATH. The caller frees. */
int program_find(const char *name, char **ret, struct err *err) MUST_USE;
/* The runtime digest: SHA-256 of the mse-enclave that belongs to this mse. */
int owner_runtime_digest(uint8_t ret[static SHA256_SIZE], struct err *err) MUST_USE;
