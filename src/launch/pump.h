// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes of one connection, both ways at once between two stream sockets, never looked at: how the
 * launcher `vm` brings a client to its guest. Neither way waits for the other: an app may answer
 * more than it has read.
 */
#pragma once

enum { PUMP_PIECE = 64 * 1024 }; /* that a way holds at most */

/* Until both ways are at their ends, or one is broken. The end of a way is passed on. Closes
 * nothing. */
void pump(int one, int other);
