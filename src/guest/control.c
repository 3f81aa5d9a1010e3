// SPDX-License-Identifier: Apache-2.0
/*
 * The control port's lines. Pure; what is not understood, however long, is dropped up to its end.
 */
#include "guest/control.h"

static bool line_asks_to_stop(const struct control *control)
{
    return !control->too_long &&
           slice_is_str(slice_of(control->line, control->len), GUEST_CONTROL_STOP);
}

bool control_feed(struct control *control, struct slice bytes)
{
    bool stop = false;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] == '\n') {
            stop = stop || line_asks_to_stop(control);
            *control = (struct control){0};
        } else if (control->len < sizeof(control->line)) {
            control->line[control->len++] = (char)bytes.data[i];
        } else {
            control->too_long = true;
        }
    }
    return stop;
}
