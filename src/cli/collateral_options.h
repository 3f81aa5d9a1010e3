// SPDX-License-Identifier: Apache-2.0
/*
 * The options of every command that asks the vendors' services for collateral.
 */
#pragma once

#include "base/options.h"
#include "client/collateral_fetch.h"

#define COLLATERAL_OPTIONS                                                                         \
    {.name = "pccs",                                                                               \
     .value_name = "URL",                                                                          \
     .help = "Intel collateral from this PCCS, or from a folder that mirrors one"},                \
        {.name = "kds",                                                                            \
         .value_name = "URL",                                                                      \
         .help = "AMD collateral from this service or folder instead of AMD's own"},               \
        {.name = "vlek",                                                                           \
         .value_name = "FILE",                                                                     \
         .help = "the VLEK certificate, which only the cloud provider has"},                       \
    {                                                                                              \
        .name = "no-cache", .help = "neither read nor fill the cache of collateral"                \
    }

/* The vendors' own services where no option names another. */
struct collateral_services collateral_services_from(const struct options *options);
