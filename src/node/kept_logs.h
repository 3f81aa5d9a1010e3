// SPDX-License-Identifier: Apache-2.0
/*
 * The logs of releases that do not run: of earlier ones, of those that failed, of apps that were
 * stopped. logs/ID/NUMBER and logs/ID/NUMBER.1 in the state folder, moved there from the app's
 * folder when the release ends, so that nothing of a stopped app's folder has to stay.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

enum { KEPT_LOG_MAX = 256 * 1024 }; /* of one release that does not come back by itself */

/* logs/ID/NUMBER; the caller frees. */
char *kept_log_path(const char *logs, const char *id, int64_t release, struct err *err) MUST_USE;
/* Moves the log that lies in the app's folder; a release's log is put there once, so that a step
 * which is done again after a cut does not take another one's. 0 also where there is none. */
int kept_log_put(const char *logs, const char *id, int64_t release, const char *app_folder,
                 struct err *err) MUST_USE;
/* The other way: the release runs again, and its log goes on. 0 also where there is none. */
int kept_log_take_back(const char *logs, const char *id, int64_t release, const char *app_folder,
                       struct err *err) MUST_USE;
/* Leaves its last KEPT_LOG_MAX bytes. 0 also where there is none. */
int kept_log_cut(const char *logs, const char *id, int64_t release, struct err *err) MUST_USE;
/* 0 also where there is none. */
int kept_log_forget(const char *logs, const char *id, int64_t release, struct err *err) MUST_USE;
/* All of an app's. 0 also where there are none. */
int kept_logs_forget_app(const char *logs, const char *id, struct err *err) MUST_USE;
/* Removes what nobody has written to since `before` (unix seconds). */
int kept_logs_trim(const char *logs, int64_t before, struct err *err) MUST_USE;
