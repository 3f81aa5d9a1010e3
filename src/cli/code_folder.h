// SPDX-License-Identifier: Apache-2.0
/*
 * What of a project's code folder is packed. What mse.toml itself names and the app does not need
 * stays out: the file itself, the secrets file, the TLS private key, the folder of tests. So the
 * code folder may be the project's own (`location = "."`); what .gitignore names stays out then as
 * well. docs/package.md says it for people.
 */
#pragma once

#include "cli/app_config.h"
#include "package/tree.h"

/* Scans config->code. Refused, with what to do: a secret that would be packed nevertheless, under
 * whatever name. Errors: as tree_scan, INVALID. */
int code_folder_scan(const struct app_config *config, struct tree **ret, struct err *err) MUST_USE;

/* The same for who has only the folder: where it is a project's own, its mse.toml says what stays
 * out. Errors: as tree_scan and app_config_read. */
int code_folder_scan_published(const char *folder, struct tree **ret, struct err *err) MUST_USE;
