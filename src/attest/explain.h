// SPDX-License-Identifier: Apache-2.0
/*
 * The fields of a file as a flat list of paths and values ("report.measurement"), which is shown,
 * printed as JSON or compared. Shared by the files that know a format; include/mse/explain.h is the
 * door.
 */
#pragma once

#include "attest/chain.h"

#include "base/buf.h"

#include "mse/explain.h"

enum { EXPLAIN_FIELDS_MAX = 16384, EXPLAIN_DEPTH_MAX = 4, EXPLAIN_OUTPUT_MAX = 8 << 20 };

struct explain_field {
    const char *path;  /* "chain[0].subject" */
    const char *value; /* printable */
};

struct explanation {
    struct arena arena;
    const char *kind; /* "Intel TDX quote, version 4" */
    struct explain_field *fields;
    size_t count;
    bool full; /* some fields were dropped */
};

void explanation_done(struct explanation *e);
#define AUTO_EXPLANATION __attribute__((cleanup(explanation_done)))

/* Texts are literals or live in the arena. `prefix` is "" or ends where the name begins
 * ("report."). */
void explain_put(struct explanation *e, const char *prefix, const char *name, const char *value);
void explain_printf(struct explanation *e, const char *prefix, const char *name, const char *fmt,
                    ...) PRINTF_LIKE(4, 5);
void explain_bytes(struct explanation *e, const char *prefix, const char *name, struct slice bytes);
void explain_time(struct explanation *e, const char *prefix, const char *name, int64_t unix_time);

/* Finds out what the bytes are and lists their fields. ERR_INVALID: nothing that is known. */
int explain_any(struct explanation *e, const char *prefix, struct slice bytes, unsigned depth,
                struct err *err) MUST_USE;
/* explain_certificate.c */
void explain_certificates(struct explanation *e, const char *prefix, struct slice bytes,
                          unsigned depth);
void explain_crl(struct explanation *e, const char *prefix, struct slice der);
/* explain_json.c: any JSON document; members that hold documents, chains, CRLs or evidence are
 * followed. */
int explain_json(struct explanation *e, const char *prefix, struct slice text, unsigned depth,
                 struct err *err) MUST_USE;

/* A whole file: as explain_any, and complete. */
int explain_file(struct explanation *e, struct mse_bytes file, struct err *err) MUST_USE;
/* A JSON string with its escapes. */
int explain_put_json(struct buf *out, const char *text, struct err *err) MUST_USE;
/* The text where rc is 0, else NULL and the message. */
char *explain_finish(int rc, struct buf *out, const struct err *err, char error[MSE_ERROR_SIZE]);
