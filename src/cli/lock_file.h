// SPDX-License-Identifier: Apache-2.0
/*
 * requirements.lock, which `mse lock` writes beside requirements.txt: one wheel a line, with its
 * hash, as pip reads it; above them what it was made from and for. docs/layers.md.
 */
#pragma once

#include "crypto/crypto.h"
#include "package/layer.h"

#define LOCK_FILE "requirements.lock"

enum { LOCK_FORMAT = 1, LOCK_MAX = 1 << 20, LOCK_NAME_SIZE = 129, LOCK_PYTHON_SIZE = 16 };

struct lock_wheel {
    char name[LOCK_NAME_SIZE];    /* as in the wheel's file name: "flask_cors" */
    char version[LOCK_NAME_SIZE]; /* "3.0.10" */
    uint8_t sha256[SHA256_SIZE];
};

struct requirements_lock {
    char python[LOCK_PYTHON_SIZE];     /* "3.11": wheels can be for one version alone */
    char machine[LOCK_PYTHON_SIZE];    /* "x86_64" */
    uint8_t requirements[SHA256_SIZE]; /* of what was resolved: lock_requirements */
    struct lock_wheel *wheels;         /* by name, each once */
    size_t count;
};
#define AUTO_LOCK __attribute__((cleanup(lock_done)))

void lock_done(struct requirements_lock *lock);
/* Sorts the wheels. Errors: CONFLICT: two of one name. */
int lock_encode(struct requirements_lock *lock, struct buf *out, struct err *err) MUST_USE;
/* *ret zeroed. Strict: what lock_encode writes and nothing else. Errors: INVALID with the line. */
int lock_decode(struct slice text, struct requirements_lock *ret, struct err *err) MUST_USE;

/* "flask_cors-3.0.10-py2.py3-none-any.whl": name and version. Errors: INVALID. */
int lock_wheel_name(const char *file, struct lock_wheel *ret, struct err *err) MUST_USE;

/* What is to be resolved for requirements.txt in the environment `docker` (NULL: the default): the
 * environment's own packages first, as a node adds them, then its lines. Appends nothing where it
 * has none. Errors: INVALID with the line. */
int lock_requirements(struct slice requirements, const char *docker, struct buf *out,
                      struct err *err) MUST_USE;
