// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates, CRLs and signatures for make-believe vendors. Every function aborts on failure:
 * nothing here can fail for a reason that a test is about.
 */
#pragma once

#include "base/buf.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* Ends the test program, naming the place. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            synth_abort(__FILE__, __LINE__, #condition);                                           \
    } while (0)
_Noreturn void synth_abort(const char *file, int line, const char *what);

/* One key pair a name ("root", "pck", ...), made at first use and kept for the program's life. */
EVP_PKEY *synth_key(const char *name);

/* Appends r and s, 32 bytes each. */
void synth_sign(EVP_PKEY *key, struct slice message, struct buf *out);
/* Appends x and y, 32 bytes each. */
void synth_public_point(EVP_PKEY *key, struct buf *out);

void synth_put(struct buf *out, struct slice bytes);
void synth_put_text(struct buf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void synth_put_hex(struct buf *out, struct slice bytes);
/* A JSON string with its escapes. */
void synth_put_json_string(struct buf *out, struct slice text);
/* A DER element around the content. */
void synth_put_der(struct buf *out, uint8_t tag, struct slice content);

X509_NAME *synth_name(const char *common_name);
void synth_add_extension(X509 *certificate, int nid, const char *value);
void synth_add_raw_extension(X509 *certificate, const char *oid, bool critical, struct slice value);
