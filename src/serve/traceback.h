// SPDX-License-Identifier: Apache-2.0
/*
 * Where a Python thread is, told without Python's help.
 */
#pragma once

#include <sys/types.h>

/* Writes the Python traceback of the thread with this kernel id to standard error, or nothing where
 * it runs no Python. Takes no lock and allocates nothing: made for a moment in which that thread
 * stands still for good. What it reads may be changed by other threads meanwhile, so it is for the
 * last words of a process only. */
void serve_print_traceback(pid_t thread);
