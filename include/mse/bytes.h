// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes that somebody else owns, and what C++ needs to read these headers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MSE_BEGIN extern "C" {
#define MSE_END }
#else
#define MSE_BEGIN
#define MSE_END
#endif

#define MSE_API __attribute__((visibility("default")))

struct mse_bytes {
    const uint8_t *data;
    size_t size;
};
