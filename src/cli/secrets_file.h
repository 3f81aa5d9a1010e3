// SPDX-License-Identifier: Apache-2.0
/*
 * The secrets file of a project, on its one way from the disk to the enclave or to a local test:
 * read once, into locked memory, and checked there.
 */
#pragma once

#include "cli/app_config.h"
#include "crypto/crypto.h"

/* One JSON object in which no name stands twice? Says line and column of what is wrong, never what
 * stands there. `what` names the text in errors. */
int secrets_check(struct slice text, const char *what, struct err *err) MUST_USE;

/* The bytes that were checked, also against secrets_env. Where the project has no secrets file *ret
 * is as it was. The caller frees *ret. Errors: INVALID, with the place in mse.toml. */
int secrets_file_read(const struct app_config *config, struct secret *ret,
                      struct err *err) MUST_USE;
