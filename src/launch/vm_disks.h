// SPDX-License-Identifier: Apache-2.0
/*
 * The disks that a VM is given beside its image: the package as it was uploaded, the environment's
 * description, a raw file for its storage (model/guest.h has the formats). Internal to launch/.
 */
#pragma once

#include "base/buf.h"
#include "model/launch_spec.h"

#define VM_DISK_PACKAGE "package"
#define VM_DISK_ENVIRONMENT "environment"

/* Writes both into the folder, which is there. `description`: the environment's. */
int vm_disks_make(const char *folder, const struct launch_spec *spec, struct slice description,
                  struct err *err) MUST_USE;
/* A file of quota_bytes at spec->storage, where there is none. */
int vm_storage_make(const struct launch_spec *spec, struct err *err) MUST_USE;
