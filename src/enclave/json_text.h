// SPDX-License-Identifier: Apache-2.0
/*
 * Texts inside the JSON that the enclave writes by hand: status lines and error answers.
 */
#pragma once

#include "base/buf.h"

/* Appends text as it may stand between the quotes of a JSON string: quotes and backslashes escaped,
 * control characters as spaces. What does not fit is left out. */
void json_text_append(struct buf *out, const char *text);
