// SPDX-License-Identifier: Apache-2.0
/*
 * The package: what the owner uploads. docs/package.md has the byte tables.
 *
 *     magic "mse-pkg\n" | version u16be | zero u16be
 *     then sections, each once at most, types ascending:
 *         type u8 | zero (3 bytes) | length u64be | bytes
 *
 * Reading is a push parser, because the node streams packages to disk: bytes are fed as they come
 * and handed on as views, so a package of any size costs a few dozen bytes of memory.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum package_section {
    PACKAGE_MANIFEST = 1,     /* required */
    PACKAGE_REQUIREMENTS = 2, /* requirements.txt, in clear; absent where there is none */
    PACKAGE_CERTIFICATE = 3,  /* the owner's certificate chain, PEM; absent with RA-TLS */
    PACKAGE_ARCHIVE = 4,      /* the encrypted code; required */
};

enum {
    PACKAGE_VERSION = 1,
    PACKAGE_HEADER_SIZE = 12,
    PACKAGE_SECTION_HEADER_SIZE = 12,
    PACKAGE_REQUIREMENTS_MAX = 1 << 20,
    PACKAGE_CERTIFICATE_MAX = 64 << 10,
};

/* Receives the sections. Each may fail, which ends the reading with that error. */
struct package_handler {
    int (*begin)(void *context, enum package_section section, uint64_t length, struct err *err);
    /* Zero or more times; together exactly `length` bytes. The view ends with the call. */
    int (*data)(void *context, enum package_section section, struct slice bytes, struct err *err);
    int (*end)(void *context, enum package_section section, struct err *err);
};

struct package_reader {
    const struct package_handler *handler;
    void *context;
    uint64_t max_archive;
    uint64_t offset;              /* bytes taken so far */
    uint64_t section_left;        /* of the current section */
    enum package_section section; /* current or last; 0 before the first */
    unsigned seen;                /* bit per section */
    bool in_section;
    bool failed;
    size_t header_len; /* of the header that is being collected */
    uint8_t header[PACKAGE_SECTION_HEADER_SIZE];
};

/* `handler` must outlive the reader. max_archive: largest encrypted archive accepted, in bytes. */
void package_reader_init(struct package_reader *reader, const struct package_handler *handler,
                         void *context, uint64_t max_archive);
/* Errors: INVALID, TOO_LARGE, UNSUPPORTED (another version) and what the handler returns. After an
 * error every further call fails. */
int package_reader_feed(struct package_reader *reader, struct slice bytes,
                        struct err *err) MUST_USE;
/* Call when no more bytes come: everything that is required must have been there in full. */
int package_reader_end(struct package_reader *reader, struct err *err) MUST_USE;

/* "manifest", "requirements", "certificate", "archive". */
const char *package_section_name(enum package_section section);

/* The writer: header once, then for each section its header followed by its bytes. */
int package_header_append(struct buf *out, struct err *err) MUST_USE;
int package_section_append(struct buf *out, enum package_section section, uint64_t length,
                           struct err *err) MUST_USE;
