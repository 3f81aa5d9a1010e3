// SPDX-License-Identifier: Apache-2.0
/*
 * A package on its way in: from the request's body to files, in constant memory, and the checks
 * that the node can make without opening anything: the manifest says what the sections are, and
 * what the node offers fits what it asks for.
 */
#pragma once

#include "base/buf.h"
#include "model/manifest.h"
#include "model/package_format.h"
#include "node/environments.h"
#include "node/node_config.h"

/* Names of the files, as the sandbox shows them to the enclave. */
#define UPLOAD_MANIFEST "manifest.json"
#define UPLOAD_REQUIREMENTS "requirements.txt"
#define UPLOAD_CERTIFICATE "certificate.pem"
#define UPLOAD_ARCHIVE "code.enc"

struct upload {
    char *folder; /* temporary, with the files above; removed by upload_done unless moved away */
    struct manifest manifest;
    char fingerprint[65];
    struct buf requirements; /* as pip gets them: requirements_check */
    bool has_certificate;
    uint8_t certificate_digest[32];
    uint8_t requirements_digest[32];
    uint64_t bytes; /* of the whole package */
    /* while it comes in */
    const struct node_config *config;
    const struct node_hardware *hardware;
    struct package_reader reader;
    struct buf section; /* of the small ones */
    int fd;
};

#define AUTO_UPLOAD __attribute__((cleanup(upload_done)))

/* Makes the temporary folder in `uploads`. `config`, which must outlive it, says how large a
 * package may be and what must stay free on the disk; `hardware`, a profile of it, what an app may
 * ask for. */
int upload_start(struct upload *upload, const struct node_config *config,
                 const struct node_hardware *hardware, const char *uploads,
                 struct err *err) MUST_USE;
/* Each section is allocated on disk when its length is known: an archive only if an app as the
 * manifest and the profile say could open it. Errors: NO_ROOM, TOO_LARGE, INVALID. */
int upload_feed(struct upload *upload, struct slice bytes, struct err *err) MUST_USE;
/* All bytes are there: on disk when it returns, and the parts agree with the manifest. */
int upload_finish(struct upload *upload, struct err *err) MUST_USE;
void upload_done(struct upload *upload);

/* What the node holds an upload against. */
struct upload_terms {
    const struct environments *environments;
    const char *runtime_digest; /* hexadecimal */
    const struct node_config *config;
    const char *account;
    bool by_operator;       /* on the node's own socket */
    struct slice signature; /* of the owner's certificate, for the host name; empty: none */
    int64_t now;            /* unix seconds */
};

/* *ret_environment: the one that the manifest names. */
int upload_check(const struct upload *upload, const struct upload_terms *terms,
                 const struct environment_offer **ret_environment, struct err *err) MUST_USE;
