// SPDX-License-Identifier: Apache-2.0
/*
 * libmse: offline verification of TEE evidence. See libmse(3) and docs/attestation.md.
 */
#pragma once

#include "mse/bytes.h"
#include "mse/explain.h"
#include "mse/measure.h"
#include "mse/needs.h"
#include "mse/policy.h"
#include "mse/verdict.h"
#include "mse/verify.h"
