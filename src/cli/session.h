// SPDX-License-Identifier: Apache-2.0
/*
 * A session with the enclave of an app that this owner has deployed: verified to be what the record
 * says, for requests that the owner's key signs. Runs on the owner's machine.
 */
#pragma once

#include "client/attested.h"
#include "model/context.h"
#include "provision/provision.h"

/* `policy`: a file, NULL: what was accepted at the deployment. *ret_target is for whom a message
 * over this session must be made. Errors: REJECTED, UNREACHABLE, TIMEOUT. */
int session_open(const struct context *context, const char *policy, int timeout_s,
                 struct provision_target *ret_target, struct attested **ret,
                 struct err *err) MUST_USE;

/* Hands a locked enclave the key of its storage, over a session that was verified; it starts anew
 * then, with another TLS key. */
int session_unlock(struct attested *channel, const struct provision_target *target,
                   const struct manifest *manifest, struct err *err) MUST_USE;
