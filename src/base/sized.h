// SPDX-License-Identifier: Apache-2.0
/*
 * Structs of a public interface that begin with `size_t size`, the sizeof of whoever made them: so
 * a member can be added at the end, and programs of either version go on with libraries of the
 * other.
 */
#pragma once

#include "base/err.h"

/* What a caller handed in, laid out as this version has it (`known` bytes). An older caller's is
 * shorter: the rest is 0, which asks nothing. A newer caller's is longer: what is not known here
 * would be passed over, so it must be 0. INVALID otherwise; *to is then untouched. */
int sized_take(const void *from, void *to, size_t known, struct err *err) MUST_USE;

/* Fills what a caller has room for, and leaves its size as it is. INVALID where that is none. */
int sized_give(const void *from, size_t known, void *to, struct err *err) MUST_USE;
