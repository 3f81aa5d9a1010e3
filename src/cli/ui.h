// SPDX-License-Identifier: Apache-2.0
/*
 * What mse shows: data goes to standard output, progress, questions and errors to standard error.
 * Every text is made printable (base/text.h): what a node or an app says cannot drive the terminal.
 * On a terminal a running step is redrawn with its elapsed time; elsewhere each step is one plain
 * line when it ends. With --json standard output holds one JSON document and nothing else.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "client/hooks.h"
#include "format/json.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void ui_init(bool json);
bool ui_json(void);
/* True once Ctrl-C was pressed; long operations look at it. */
const volatile sig_atomic_t *ui_interrupted(void);

/* From here on the interruption that was counts no more: for cleaning up after it. A second Ctrl-C
 * still ends the program at once. */
void ui_take_interrupt(void);

/* One step at a time. `detail` may be NULL. */
void ui_step_begin(const char *name);
void ui_step_end(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Replaces the text behind a running step ("12.0 of 40.1 MiB"). */
void ui_step_note(const char *fmt, ...) PRINTF_LIKE(1, 2);
void ui_step_fail(void);

/* A line on standard error (progress, hints); dropped with --json unless it is a warning. */
void ui_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void ui_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* With --json also as a document on standard output, where none is there yet. */
void ui_error(const struct err *err);

/* Bold, green, red, dim on a terminal that wants colour; plain text elsewhere. */
enum ui_style { UI_PLAIN, UI_BOLD, UI_GREEN, UI_RED, UI_YELLOW, UI_DIM };
void ui_print(enum ui_style style, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Writes what the node sent as an app's log: on a terminal made printable, so that neither app nor
 * operator can drive it; into files and pipes as it is. */
int ui_write_log(FILE *to, struct slice bytes, struct err *err) MUST_USE;
/* The end of a command that has done its work: is all of it out? Errors: IO (a full disk). Who
 * reads no more, as head does, has had enough: that is none. */
int ui_finish(struct err *err) MUST_USE;
/* Prints the document, indented, to standard output and drops the reference. */
int ui_print_json(json_t *document, struct err *err) MUST_USE;

/* Asks on the terminal; default is no. ERR_USAGE with the hint to pass --yes where there is no
 * terminal, ERR_INTERRUPTED where the answer is not yes. */
int ui_confirm(bool assume_yes, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_USE;

/* Is there a terminal to ask on? */
bool ui_can_ask(void);
/* Asks for a number from 1 to count, with ui_can_ask; *ret is one less. ERR_INTERRUPTED where the
 * answer is none. */
int ui_choose(size_t count, size_t *ret, struct err *err, const char *question) MUST_USE;

/* For what works on the owner's side: notes on the running step, lines, warnings, Ctrl-C. */
const struct client_hooks *ui_hooks(void);

/* "40.1 MiB" */
enum { UI_SIZE_TEXT = 24 };
void ui_size_text(uint64_t bytes, char text[static UI_SIZE_TEXT]);
