// SPDX-License-Identifier: Apache-2.0
/*
 * Which evidence the owner's commands accept.
 */
#pragma once

#include "model/context.h"
#include "mse/mse.h"

#include "base/err.h"

/* Reads a policy (TOML). The caller frees *ret with mse_policy_free. Errors: NOT_FOUND, IO, INVALID
 * (with file and line). */
int policy_read(const char *path, struct mse_policy **ret, struct err *err) MUST_USE;

/* The TEE of that name, as nodes and contexts write it. MSE_TEE_UNKNOWN: none of libmse's. */
enum mse_tee policy_tee_of_name(const char *name);

/* Where there is no such file: hardware; and where the context (NULL: none) was made on the
 * simulation, that node's. Borrows from the context. */
struct mse_policy policy_of_context(const struct context *context);
