// SPDX-License-Identifier: Apache-2.0
/*
 * A host name shown to be somebody's by its certificate: the chain leads to an authority, which has
 * looked, and the certificate's key has signed for this one purpose. The chain alone shows nothing:
 * everybody can have it.
 */
#pragma once

#include "crypto/x509.h"

enum { NAME_PROOF_SUBJECT_SIZE = 32, NAME_PROOF_SIGNATURE_MAX = 2048 };

/* The certificate's key signs for `subject`, the fingerprint of an app. */
int name_proof_sign(EVP_PKEY *key, const uint8_t subject[static NAME_PROOF_SUBJECT_SIZE],
                    struct buf *out, struct err *err) MUST_USE;
/* REJECTED: another key, or for something else. */
int name_proof_verify(X509 *certificate, const uint8_t subject[static NAME_PROOF_SUBJECT_SIZE],
                      struct slice signature, struct err *err) MUST_USE;

/* `chain`: PEM, the certificate first. Does it lead to an authority in the file `authorities` (PEM;
 * NULL: those that the system trusts), for a server of that name, at `now` (unix seconds)?
 * REJECTED: no, and why. */
int name_proof_chain(struct slice chain, const char *name, const char *authorities, int64_t now,
                     struct err *err) MUST_USE;
