// SPDX-License-Identifier: Apache-2.0
/*
 * The hooks, where there are any. Runs on the owner's or the user's machine; owns nothing. A line
 * that is too long is cut: each of them carries an error's message, which is bounded.
 */
#include "client/hooks.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_SIZE = 2048 };

const volatile sig_atomic_t *client_interrupted(const struct client_hooks *hooks)
{
    return hooks == NULL ? NULL : hooks->interrupted;
}

void client_progress(const struct client_hooks *hooks, uint64_t done_bytes, uint64_t all_bytes)
{
    if (hooks != NULL && hooks->progress != NULL)
        hooks->progress(done_bytes, all_bytes);
}

PRINTF_LIKE(2, 0)
static void say(void (*hook)(const char *text), const char *fmt, va_list args)
{
    char line[LINE_SIZE];
    (void)vsnprintf(line, sizeof(line), fmt, args);
    hook(line);
}

void client_info(const struct client_hooks *hooks, const char *fmt, ...)
{
    va_list args;
    if (hooks == NULL || hooks->info == NULL)
        return;
    va_start(args, fmt);
    say(hooks->info, fmt, args);
    va_end(args);
}

void client_warn(const struct client_hooks *hooks, const char *fmt, ...)
{
    va_list args;
    if (hooks == NULL || hooks->warn == NULL)
        return;
    va_start(args, fmt);
    say(hooks->warn, fmt, args);
    va_end(args);
}
