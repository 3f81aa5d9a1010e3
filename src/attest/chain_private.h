// SPDX-License-Identifier: Apache-2.0
/*
 * What the files about chains share among themselves.
 */
#pragma once

#include "attest/chain.h"

/* UTCTime or GeneralizedTime to unix seconds. */
int certificate_time(const ASN1_TIME *time, int64_t *ret, struct err *err) MUST_USE;
