// SPDX-License-Identifier: Apache-2.0
/*
 * Between config_schema.c (which keys) and config_value.c (what their values become).
 */
#pragma once

#include "format/config_schema.h"

enum { CONFIG_KEYS_MAX = 64 };

int config_read_value(const struct config_key *key, const struct toml_value *value,
                      const char *folder, void *field, struct err *err) MUST_USE;
/* The same from the default as it is written in the table. */
int config_read_fallback(const struct config_key *key, const char *folder, void *field,
                         struct err *err) MUST_USE;
