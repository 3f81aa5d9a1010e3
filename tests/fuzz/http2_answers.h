// SPDX-License-Identifier: Apache-2.0
/*
 * A handler that answers in every way there is: the first byte of the path says in which. What it
 * does not do in a callback it does in answers_proceed, as another thread would.
 */
#pragma once

#include "http/http.h"

extern const struct http_handler answers_handler;

/* Goes on with all exchanges that are not released yet. Not inside a callback. */
void answers_proceed(void);
/* Are there any, or is something of theirs still lent? */
bool answers_pending(void);
