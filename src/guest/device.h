// SPDX-License-Identifier: Apache-2.0
/*
 * Finding what the host plugged in by the name it was given (model/guest.h). The name is the host's
 * word: what is behind it is checked by whoever opens it.
 */
#pragma once

#include "base/err.h"

enum { DEVICE_PATH_SIZE = 32, DEVICE_WAIT_MS = 5000 };

/* The node of the virtio disk with this serial. Errors: NOT_FOUND after `wait_ms`; INVALID where
 * two have it. */
int device_find_disk(const char *serial, int wait_ms, char path[static DEVICE_PATH_SIZE],
                     struct err *err) MUST_USE;
/* Opens the virtio-serial port of this name, non-blocking. Errors: as above; IO. */
int device_open_port(const char *name, int wait_ms, int *ret, struct err *err) MUST_USE;
