// SPDX-License-Identifier: Apache-2.0
/*
 * The project's own tests, run on the owner's machine against an address.
 */
#pragma once

#include "cli/app_config.h"

/* Runs tests_cmd (split into words as a shell would, without a shell) in the tests folder, or in
 * the folder of mse.toml, with TEST_REMOTE_URL=url and, unless NULL, the certificate's path in
 * TEST_CERTIFICATE and TEST_SGX_CERT_PATH. Errors: INVALID (no tests_cmd, unbalanced quotes), APP
 * (the tests failed). */
int tests_run(const struct app_config *config, const char *url, const char *certificate,
              struct err *err) MUST_USE;
/* Installs requirement lines with pip into a folder that is named after them and kept; *ret NULL
 * where there are none. The caller frees *ret. */
int tests_site_folder(struct slice lines, char **ret, struct err *err) MUST_USE;
