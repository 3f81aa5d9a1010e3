// SPDX-License-Identifier: Apache-2.0
/*
 * A connection to an enclave that has been verified, and is the only one that secrets go over. The
 * certificate's evidence is judged inside the TLS handshake: until it is accepted this machine has
 * sent nothing but its ClientHello.
 */
#pragma once

#include "client/collateral_choice.h"

#include "crypto/crypto.h"
#include "model/storage_history.h"
#include "mse/mse.h"

struct attested;

/* What the other end must be. */
struct attested_expectation {
    const uint8_t *fingerprint;       /* 32 bytes; NULL: not asked (the verdict then says so) */
    const struct mse_policy *policy;  /* NULL: strict */
    const char *host;                 /* NULL: the URL's; a name for SNI where the address is not */
    const struct client_hooks *hooks; /* NULL: none */
    struct collateral_wish collateral; /* zero: what the enclave gives, of any age */
    uint64_t opening; /* of the storage, which it is asked about on demand; 0: none */
};

/* Connects to https://HOST[:PORT] and verifies. *ret_verdict (may be NULL) is set whenever there
 * was something to judge, also on failure; the caller frees it with mse_verdict_free. Errors:
 * UNREACHABLE, TIMEOUT, REJECTED (names the failed checks), USAGE (not an https URL).
 * Where the evidence needs collateral, that is asked for over a connection of its own, which is
 * believed nothing else; an enclave that has none yet is given some of the time. */
int attested_open(const char *url, const struct attested_expectation *expectation, int timeout_s,
                  struct attested **ret, struct mse_verdict **ret_verdict,
                  struct err *err) MUST_USE;
/* The same for an app that shows its owner's certificate: connects without judging the certificate,
 * asks for fresh evidence over a random nonce, the session's key and the fingerprint, and judges
 * that. Works with RA-TLS certificates too. */
int attested_open_on_demand(const char *url, const struct attested_expectation *expectation,
                            int timeout_s, struct attested **ret, struct mse_verdict **ret_verdict,
                            struct err *err) MUST_USE;
/* Judges nothing: for deploy --no-verify, and for what is public and checked by who gets it. */
int attested_open_unverified(const char *url, const struct attested_expectation *expectation,
                             int timeout_s, struct attested **ret, struct err *err) MUST_USE;
void attested_close(struct attested *attested);
DEFINE_CLEANUP(attested_cleanup, struct attested *, attested_close)
#define AUTO_ATTESTED __attribute__((cleanup(attested_cleanup)))

/* RFC 9266 tls-exporter of the verified session. */
void attested_channel_binding(const struct attested *attested, uint8_t ret[static 32]);
/* The group of the session's key exchange (net/tls.h). Static. */
const char *attested_key_exchange(const struct attested *attested);
/* Appends the certificate that was shown, PEM. */
int attested_certificate_pem(const struct attested *attested, struct buf *out,
                             struct err *err) MUST_USE;
/* The manifest that the enclave answered (on demand only), "" otherwise. */
const char *attested_manifest(const struct attested *attested);

/* What the enclave answered of its storage, on demand or to attested_ask_storage; NULL: nothing. It
 * lives as long as the connection. */
const struct storage_word *attested_storage(const struct attested *attested);
/* Asks for that over a connection that was verified already, about this opening too (0: none). */
int attested_ask_storage(struct attested *attested, uint64_t opening, struct err *err) MUST_USE;

/* By then (clock_monotonic_ms) each request that follows has its answer, or fails with TIMEOUT. */
void attested_set_until(struct attested *attested, int64_t until_ms);
/* One request on the verified connection; at most out->max bytes of answer. */
int attested_request(struct attested *attested, const char *method, const char *path,
                     struct slice body, int *ret_status, struct buf *out, struct err *err) MUST_USE;

/* ERR_REJECTED: what the enclave said with a status other than 200. */
int attested_refused(const char *what, int status, const struct buf *answer,
                     struct err *err) MUST_USE;

/* The failed checks of a verdict, one after another, for an error message. */
int attested_rejected(const struct mse_verdict *verdict, struct err *err) MUST_USE;
