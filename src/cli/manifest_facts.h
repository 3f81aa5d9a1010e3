// SPDX-License-Identifier: Apache-2.0
/*
 * What a manifest says of its app besides digests, in words: for mse verify and mse status.
 */
#pragma once

#include "model/manifest.h"

/* Prints a line for each; `before` stands at the front of every one, and the label is as wide as
 * those of mse status. Not for JSON, where the manifest itself is. */
void manifest_facts_print(const struct manifest *manifest, const char *before);
