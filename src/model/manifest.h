// SPDX-License-Identifier: Apache-2.0
/*
 * The manifest: everything that decides what runs, as canonical JSON (RFC 8785). Its SHA-256 is the
 * app's fingerprint. docs/manifest.md describes every field. One manifest has exactly one byte
 * string: manifest_decode refuses any other spelling of the same values.
 */
#pragma once

#include "base/buf.h"
#include "format/names.h"
#include "model/variables.h"

#include <stdbool.h>

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_MAX = 16 * 1024, /* bytes; one with every variable has about 11 KiB */
    MANIFEST_DIGEST_SIZE = 32,
    MANIFEST_ID_SIZE = 37,
    MANIFEST_APPLICATION_SIZE = 257,
    MANIFEST_ENDPOINT_SIZE = 257,
    MANIFEST_LOG_FORMAT_SIZE = 9,
    MANIFEST_DATA_SIZE = 257,
    MANIFEST_LOG_TARGET_SIZE = 8,
    MANIFEST_NEW_PROCESSES_SIZE = 8,
    MANIFEST_KEEPER_SIZE = 8,
};

#define MANIFEST_DATA_SEPARATOR ":"

enum manifest_tls_mode {
    MANIFEST_TLS_RA,    /* "ra-tls": key made inside, certificate carries the evidence */
    MANIFEST_TLS_OWNER, /* "owner": the owner's certificate, whose digest is here */
};

/* What the server inside allows; 0 or "": the server's own default (and absent in the JSON). */
struct manifest_server {
    char access_log[MANIFEST_LOG_FORMAT_SIZE];       /* its format; "": none is kept */
    char access_log_to[MANIFEST_LOG_TARGET_SIZE];    /* "sealed" or "log", with access_log */
    uint64_t body_bytes;                             /* largest request body, WebSocket message */
    uint64_t body_timeout_ms;                        /* silence while a body is sent */
    uint64_t connections;                            /* open at once */
    uint64_t header_bytes;                           /* largest request head */
    uint64_t header_count;                           /* most fields of a request head */
    uint64_t header_timeout_ms;                      /* to send a head */
    uint64_t health_interval_ms;                     /* between two health checks */
    uint64_t http_version;                           /* the newest that is offered: 1 or 2 */
    uint64_t idle_timeout_ms;                        /* of a connection between requests */
    char new_processes[MANIFEST_NEW_PROCESSES_SIZE]; /* "refuse", the default, or "end" */
    uint64_t queue;                                  /* requests that wait for a thread */
    uint64_t request_timeout_ms;                     /* that a request waits for Python */
    uint64_t require_pq;                             /* 1: no key exchange but a post-quantum one */
    uint64_t restart_unhealthy;                      /* 1: an app whose checks fail starts anew */
    uint64_t server_timing;                          /* 1: responses carry Server-Timing */
    uint64_t target_bytes;                           /* longest request line */
    uint64_t threads;                                /* that call the app */
    uint64_t watchdog_ms;                            /* until an app is stuck */
    uint64_t write_timeout_ms;                       /* without the client taking a byte */
};

/* All in place: nothing to free. Texts are zero-terminated. */
struct manifest {
    char id[MANIFEST_ID_SIZE]; /* UUID, lower case */
    char name[NAME_SIZE];
    char python_application[MANIFEST_APPLICATION_SIZE]; /* "module:variable", "module:factory()" */
    char release_command[MANIFEST_APPLICATION_SIZE];    /* "module:function", "": none */
    char healthcheck_endpoint[MANIFEST_ENDPOINT_SIZE];  /* "/path", "" where there is none */
    char
        code_data[MANIFEST_DATA_SIZE]; /* paths of the package that are data, not code; "" : none */
    char env[VARIABLES_SIZE];          /* plain variables; "": none */
    char secrets_env[VARIABLE_NAMES_SIZE];             /* secrets that become variables; "": none */
    uint8_t code_commitment[MANIFEST_DIGEST_SIZE];     /* HMAC-SHA-256(salt, plain archive) */
    uint8_t requirements_digest[MANIFEST_DIGEST_SIZE]; /* SHA-256; of no bytes where none */
    uint8_t runtime_digest[MANIFEST_DIGEST_SIZE];      /* SHA-256 of mse-enclave */
    char environment_name[NAME_SIZE];
    uint8_t environment_digest[MANIFEST_DIGEST_SIZE];
    enum manifest_tls_mode tls_mode;
    char tls_host_name[HOST_NAME_SIZE];
    int64_t tls_not_after; /* unix seconds; RA-TLS only */
    uint8_t
        tls_certificate_digest[MANIFEST_DIGEST_SIZE]; /* owner's only: SHA-256 of the PEM file */
    uint8_t owner_key[MANIFEST_DIGEST_SIZE];          /* Ed25519 public key */
    uint64_t memory_bytes;
    uint64_t cpu_millis;
    uint64_t quota_bytes;
    uint64_t key_epoch;
    uint64_t tmp_bytes;                        /* of /tmp on sealed storage; 0: it is in memory */
    char storage_keeper[MANIFEST_KEEPER_SIZE]; /* "owner"; "": this version alone reads storage */
    struct manifest_server server;
};

/* Appends the canonical bytes. Checks every field as manifest_decode does: ERR_INVALID. */
int manifest_encode(const struct manifest *manifest, struct buf *out, struct err *err) MUST_USE;
/* Strict: known keys only, every value within its bounds, no zero digest, and the bytes must be
 * those that manifest_encode gives. Errors: INVALID, TOO_LARGE, UNSUPPORTED (another format). */
int manifest_decode(struct slice bytes, struct manifest *ret, struct err *err) MUST_USE;

/* A place for each field, and two for each variable. */
enum {
    MANIFEST_VALUE_SIZE = VARIABLE_VALUE_SIZE,
    MANIFEST_DIFFERENCES_MAX = 48 + 2 * VARIABLES_MAX
};

struct manifest_difference {
    char field[80];              /* "tls.host_name", "env.DEBUG" */
    char a[MANIFEST_VALUE_SIZE]; /* as in the JSON, without quotes; "(absent)" */
    char b[MANIFEST_VALUE_SIZE];
    const char *meaning; /* static: what a difference here means, for people */
};

/* Which fields differ, in the order of the manifest; returns how many. Both must be valid. */
size_t manifest_diff(const struct manifest *a, const struct manifest *b,
                     struct manifest_difference ret[static MANIFEST_DIFFERENCES_MAX]);

/* The syntax checks by themselves, for whoever reads the same values elsewhere (mse.toml, API). */
bool manifest_id_valid(const char *text);          /* UUID in lower-case canonical form */
bool manifest_application_valid(const char *text); /* dotted.module:dotted.variable[()] */
bool manifest_function_valid(const char *text);    /* dotted.module:dotted.function */
bool manifest_endpoint_valid(const char *text); /* "/..." of printable ASCII without space or # */
/* Paths below the code's folder, in ascending order, each once, with MANIFEST_DATA_SEPARATOR
 * between: of printable ASCII without it and '\\', no empty, "." or ".." component. */
bool manifest_data_valid(const char *text);
bool manifest_log_format_valid(const char *text);    /* "common", "combined", "json" */
bool manifest_log_target_valid(const char *text);    /* "sealed", "log" */
bool manifest_new_processes_valid(const char *text); /* "refuse", "end" */

bool manifest_keeper_valid(const char *text); /* "owner" */
/* Can the owner let other versions read what this one stores, and read it too? */
bool manifest_owner_keeps(const struct manifest *manifest);
/* Who can read what the app stores, for people; a literal. */
const char *manifest_keeper_text(const struct manifest *manifest);
/* Does a call for a new process end the app, rather than fail? */
bool manifest_ends_at_new_process(const struct manifest *manifest);

/* Bytes of code that an app may have, as an encrypted archive or unpacked: it lies in the app's
 * memory, of which the app needs some too. */
static inline uint64_t manifest_code_max(const struct manifest *manifest)
{
    return manifest->memory_bytes / 2;
}
