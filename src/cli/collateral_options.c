// SPDX-License-Identifier: Apache-2.0
/*
 * From options to the services that are asked. Runs on the owner's or the user's machine.
 */
#include "cli/collateral_options.h"
#include "cli/ui.h"

struct collateral_services collateral_services_from(const struct options *options)
{
    const char *pccs = options_value(options, "pccs");
    const char *kds = options_value(options, "kds");
    struct collateral_services services = collateral_services_of_vendors();
    if (pccs != NULL) {
        services.pcs = pccs;
        services.root_crl = NULL;
    }
    if (kds != NULL)
        services.kds = kds;
    services.vlek = options_value(options, "vlek");
    services.no_cache = options_has(options, "no-cache");
    services.hooks = ui_hooks();
    return services;
}
