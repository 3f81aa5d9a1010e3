// SPDX-License-Identifier: Apache-2.0
/*
 * What an owner's secret says of an app, so that nothing of it has to be kept: the same owner,
 * project and name are the same app, and the same code of it is encrypted under the same key, today
 * and on another machine. HKDF-SHA-256 (RFC 5869) over the seed of the owner's key, with a label of
 * its own for each (app_keys.c); docs/identity.md.
 */
#pragma once

#include "client/owner.h"

enum { APP_VOLUME_KEY_SIZE = 32 };

/* The id of the app: a UUID of version 8 (RFC 9562). */
int app_id_derive(const struct owner_key *owner, const char *project, const char *name,
                  char ret[static UUID_SIZE], struct err *err) MUST_USE;

/* Under which an archive is digested for app_code_keys: it is as secret as they are. */
int app_digest_key(const struct owner_key *owner, const char *id, struct secret *ret,
                   struct err *err) MUST_USE;
/* Code key and salt of the commitment, 32 bytes each, of the archive with this digest: two archives
 * never share a key. */
int app_code_keys(const struct owner_key *owner, const char *id,
                  const uint8_t archive_digest[static SHA256_SIZE], struct secret *ret_key,
                  struct secret *ret_salt, struct err *err) MUST_USE;
/* The key of the app's storage, where the manifest says that the owner keeps it. */
int app_volume_key(const struct owner_key *owner, const char *id, uint64_t epoch,
                   struct secret *ret, struct err *err) MUST_USE;
