// SPDX-License-Identifier: Apache-2.0
/*
 * Inside a confidential VM: the TEE, and the storage, at the hands of pid 1.
 */
#pragma once

#include "tee/tee.h"

/* Was this process started by pid 1 of a confidential VM? */
bool tee_broker_present(void);
/* The TEE that pid 1 has: its name and what varies in its evidence; evidence and keys through
 * pid 1. Errors: IO, NOT_FOUND (a name that this program does not know). */
int tee_broker_detect(const struct tee **ret, struct err *err) MUST_USE;
/* Has pid 1 open the storage with this key (STORAGE_KEY_SIZE) and mount it. Once. Errors: FORBIDDEN
 * with pid 1's words. */
int tee_broker_storage(const struct secret *key, struct err *err) MUST_USE;
/* After this pid 1 gives no key any more. */
int tee_broker_end_of_keys(struct err *err) MUST_USE;
