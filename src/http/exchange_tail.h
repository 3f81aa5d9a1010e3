// SPDX-License-Identifier: Apache-2.0
/*
 * What goes out behind a response's queue, as the last of it, without being copied into it: bytes
 * that the handler lends (exchange_loan.c), or a part of a file (exchange_file.c). For the files of
 * the server.
 */
#pragma once

#include "http/connection.h"

/* --- exchange_loan.c --- */

/* Under the lock, the response being started: what of the loan goes with the head, copied. */
struct slice exchange_copied_of_loan(const struct http_exchange *exchange,
                                     const struct http_loan *loan);
/* Under the lock: the rest of it goes out behind that. false: there is none, nothing is lent. */
bool exchange_lend(struct http_exchange *exchange, struct http_loan *loan, size_t copied);
/* Of the loan that is being sent, so many bytes are written; with the last it ends. */
void exchange_lent_sent(struct http_exchange *exchange, size_t sent);
/* No more of a loan will be sent, if there is one. */
void exchange_end_loan(struct http_exchange *exchange);

/* --- exchange_file.c --- */

enum file_state { FILE_SENT, FILE_WAITS, FILE_CLOSED /* so is the connection */ };

/* [I/O thread] Sends of the exchange's `sent_file` what the socket takes, and no more than one
 * connection may have in a round: then the exchange's turn comes again. */
enum file_state exchange_send_file(struct connection *connection, struct http_exchange *exchange);
/* [I/O thread] No more of a file will be sent, if there is one. */
void exchange_end_file(struct http_exchange *exchange);
