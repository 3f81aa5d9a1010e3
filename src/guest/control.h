// SPDX-License-Identifier: Apache-2.0
/*
 * Lines of the control port: the host's words, of which one is understood.
 */
#pragma once

#include "base/slice.h"
#include "model/guest.h"

#include <stdbool.h>

struct control {
    char line[GUEST_CONTROL_LINE_MAX];
    size_t len;
    bool too_long; /* the rest of this line is dropped */
};

/* Takes bytes as they come; true once a whole line asks to stop. */
bool control_feed(struct control *control, struct slice bytes);
