// SPDX-License-Identifier: Apache-2.0
/*
 * What an environment is, as bytes: the canonical description whose SHA-256 stands in the manifest.
 * Node and owner compute it from the same values; docs/node-api.md describes the fields.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

enum {
    ENVIRONMENT_FORMAT = 1,
    ENVIRONMENT_DESCRIPTION_MAX = 64 * 1024,
    ENVIRONMENT_NAME_MAX = 64,
    ENVIRONMENT_REQUIREMENTS_MAX = 256,
};

/* A view: the texts belong to the caller. */
struct environment {
    const char *name;                /* "mse-flask" */
    const char *python;              /* "3.11" */
    const char *const *requirements; /* pip's lines, in the order of the configuration */
    size_t requirement_count;
};

/* Appends {"base":"host","format":1,"name":...,"python":...,"requirements":[...]} as canonical JSON
 * (RFC 8785). INVALID: a text that is not printable ASCII, or longer than its limit. */
int environment_describe(const struct environment *environment, struct buf *out,
                         struct err *err) MUST_USE;

#define ENVIRONMENT_FLASK "mse-flask"
/* What it has of the system's packages. An app with packages of its own sees none of the system's,
 * so these are installed beside them, as lines of pip; without versions, so that the app's decide.
 */
#define ENVIRONMENT_FLASK_REQUIREMENTS "Flask", "Flask-Cors"

/* Who pins with hashes has listed everything, and pip takes nothing else beside that. */
bool environment_requirements_hashed(struct slice requirements);

/* Does `wanted` (a name, or an image reference "registry:5000/owner/mse-flask:tag" or
 * "...@sha256:...") mean the environment `name`? An image reference matches by its last name. */
bool environment_matches(const char *wanted, const char *name);
