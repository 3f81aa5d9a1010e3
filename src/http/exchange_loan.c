// SPDX-License-Identifier: Apache-2.0
/*
 * A response body that its handler lends instead of having it copied: it lies behind the response's
 * queue, as the last of the response, until the I/O thread has sent it or the client is gone. Runs
 * in node and enclave.
 */
#include "base/lock.h"
#include "http/exchange_tail.h"

/* The first bytes of a loan are copied behind the head, so that the first TLS record is a full one.
 */
static size_t first_of_loan(const struct http_exchange *exchange, size_t len)
{
    enum { RECORD = 16 * 1024 };
    size_t head = output_left(&exchange->out);
    if (exchange->stream_id != 0 || !exchange->request.tls || head >= RECORD)
        return 0;
    return len < RECORD - head ? len : RECORD - head;
}

struct slice exchange_copied_of_loan(const struct http_exchange *exchange,
                                     const struct http_loan *loan)
{
    struct slice bytes = loan->bytes;
    return slice_of(bytes.data, exchange->no_body ? bytes.len : first_of_loan(exchange, bytes.len));
}

bool exchange_lend(struct http_exchange *exchange, struct http_loan *loan, size_t copied)
{
    size_t rest = loan->bytes.len - copied;
    if (rest == 0)
        return false;
    loan->bytes = slice_of(loan->bytes.data + copied, rest);
    exchange->body_sent += rest;
    exchange_count_lent(exchange, rest, 0);
    exchange->loan = loan;
    return true;
}

/* --- on the I/O thread --- */

struct slice exchange_sending(const struct http_exchange *exchange)
{
    const struct output *sending = &exchange->sending;
    if (output_left(sending) > 0)
        return slice_of(sending->data + sending->pos, output_left(sending));
    if (exchange->lent == NULL)
        return slice_of(NULL, 0);
    struct slice bytes = exchange->lent->bytes;
    return slice_of(bytes.data + exchange->lent_sent, bytes.len - exchange->lent_sent);
}

static void end_loan(struct http_exchange *exchange, struct http_loan *loan)
{
    exchange->io->called_handler = true; /* its round_end may be what takes loans back */
    loan->end(loan);
}

void exchange_lent_sent(struct http_exchange *exchange, size_t sent)
{
    exchange->lent_sent += sent;
    exchange_count_lent(exchange, 0, sent);
    if (exchange->lent_sent == exchange->lent->bytes.len)
        end_loan(exchange, STEAL(exchange->lent));
}

void exchange_end_loan(struct http_exchange *exchange)
{
    lock_acquire(&exchange->lock);
    struct http_loan *loan = STEAL(exchange->loan);
    lock_release(&exchange->lock);
    size_t sent = loan == NULL ? exchange->lent_sent : 0;
    if (loan == NULL)
        loan = STEAL(exchange->lent);
    if (loan == NULL)
        return;
    exchange_count_lent(exchange, 0, loan->bytes.len - sent);
    end_loan(exchange, loan);
}
