// SPDX-License-Identifier: Apache-2.0
/*
 * Where a Python thread is, told without Python's help: no lock is taken and nothing allocated.
 */
#pragma once

#include <sys/types.h>

/* Writes the Python traceback of the thread with this kernel id to standard error, or nothing where
 * it runs no Python. Made for a moment in which that thread stands still for good. What it reads
 * may be changed by other threads meanwhile, so it is for the last words of a process only. */
void serve_print_traceback(pid_t thread);

/* Writes the Python traceback of every thread that has one to standard error, with the thread's
 * name, `first` before the others. For the last words of a process too; safe in a signal handler.
 */
void serve_print_tracebacks(pid_t first);

/* Says on standard error that this call was refused, with the Python traceback of the calling
 * thread: once for each place in the app's code, and for no more than 64 of them, so that nobody
 * who calls the app can fill its log. Safe in a signal handler of a thread of the app. */
void serve_report_refused(const char *call);
