// SPDX-License-Identifier: Apache-2.0
/*
 * AMD's roots, PEM.
 */
#pragma once

extern const char snp_root_milan_pem[];
extern const char snp_root_genoa_pem[];
extern const char snp_root_turin_pem[];
