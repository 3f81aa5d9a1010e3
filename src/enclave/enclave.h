// SPDX-License-Identifier: Apache-2.0
/*
 * One enclave's life: what the boot steps know, and the steps. Everything about where things are is
 * fixed here, so nothing late and unmeasured (arguments, environment) can change what runs.
 */
#pragma once

#include "base/lock.h"
#include "crypto/ocsp.h"
#include "enclave/front.h"
#include "http/access_log.h"
#include "http/server.h"
#include "model/app_stats.h"
#include "model/launch_spec.h"
#include "model/manifest.h"
#include "model/sandbox_layout.h"
#include "model/storage_history.h"
#include "provision/provision.h"
#include "serve/serve.h"
#include "tee/tee.h"

#include <signal.h>

#define ENCLAVE_SITE SANDBOX_ENVIRONMENT "/site-packages"
#define ENCLAVE_ENVIRONMENT SANDBOX_ENVIRONMENT "/environment.json"
/* What stored files are bound to, besides their path (storage/head.h). */
#define ENCLAVE_DATA_PURPOSE "app"
#define ENCLAVE_HOME_PURPOSE "home"
#define ENCLAVE_TMP_PURPOSE "tmp"
#define ENCLAVE_CODE_NAME "app" /* in SANDBOX_CODE_FOLDER */
#define ENCLAVE_CODE SANDBOX_CODE_FOLDER "/" ENCLAVE_CODE_NAME
#define ENCLAVE_HISTORY SANDBOX_PLAIN "/history"
#define ENCLAVE_CACHE SANDBOX_HOME "/.cache/mse"
#define ENCLAVE_ACCESS_LOG ENCLAVE_CACHE "/access.log"
#define ENCLAVE_RELEASED ENCLAVE_CACHE "/released"
#define ENCLAVE_OCSP ENCLAVE_CACHE "/ocsp.der"

enum {
    ENCLAVE_HELD_SHARE = 8, /* of the app's memory, for bodies that it has not read, and as much for
                               unfinished WebSocket messages */
    PEM_MAX = 64 << 10,     /* of a TLS identity */
    ENCLAVE_ACCESS_LOG_BYTES = 16 << 20,        /* with the file before it */
    ENCLAVE_REPORT_S = 5,                       /* between two reports of the counters */
    ENCLAVE_STOP_MS = LAUNCH_GRACE_MS * 9 / 10, /* then the node's patience is about to end */
    ENCLAVE_WAITING_CERTIFICATE_S = 86400, /* life of the certificate before provisioning, where
                                              the owner brings the real one */
};

/* One way to start an enclave (link.c). */
struct enclave_link {
    bool (*is_ours)(void);
    int (*detect)(const struct tee **ret, struct err *err);
    /* Has the storage mounted on SANDBOX_PLAIN; `key` is the purpose key "storage". */
    int (*mount_storage)(const struct secret *key, struct err *err);
    /* After this nothing gives a key any more. */
    int (*end_of_keys)(struct err *err);
    int listen_family;     /* of SANDBOX_LISTEN_FD */
    const char *slots;     /* folder beside the storage for slots of its key; NULL: there is none */
    const char *hidden[4]; /* mount points that are none of the app's; NULL ends the list */
};
/* Never NULL. */
const struct enclave_link *link_find(void);

struct enclave {
    const struct enclave_link *link;
    struct buf manifest_bytes;
    struct manifest manifest;
    uint8_t fingerprint[SHA256_SIZE];
    const struct tee *tee;
    int state_folder; /* sealed, not visible to the app; -1 once it is not needed any more */
    int data_folder;  /* what is kept beside the code; -1 once the code is there */
    struct secret volume_key;       /* of the storage; wiped once what comes from it is known */
    bool is_unlocked;               /* the owner has sent it; under the provision lock */
    struct secret binding_key;      /* of stored files; wiped then */
    int code_folder;                /* SANDBOX_CODE_FOLDER, writable; -1 once the code is there */
    struct secret state_key;        /* of the boxes in it; wiped with it */
    struct storage_history history; /* of the storage; no opening: it is locked */

    /* the TLS identity */
    EVP_PKEY *key;
    X509 *certificate;
    struct buf public_key; /* DER SubjectPublicKeyInfo of the key that serves now */
    struct buf chain;      /* PEM of the owner's certificate and those above it, once it serves */
    struct ocsp_validity stapled; /* zero: nothing is */
    struct buf collateral; /* as the node gave it last, for who verifies: nothing is believed */
    struct tls_server *tls;
    struct lock identity_lock;

    struct front *front;
    struct http_server *server;
    struct access_log *access_log; /* NULL: none is kept */

    /* provisioning: under its lock; ENCLAVE_WAKE_SIGNAL when `is_provisioned` turns true */
    struct lock provision_lock;
    bool is_provisioned;
    struct provisioned provisioned;
    const char *state_name; /* for the status path: a literal */

    struct serve *serve;
};

/* Signals that are blocked in every thread and taken by the main one: the end, and the control
 * thread's word that the secrets are there. */
#define ENCLAVE_WAKE_SIGNAL SIGUSR1
void enclave_signals(sigset_t *ret);

/* JSON lines to the supervisor: {"state": ..., "reason": ...}. */
void report_state(const char *state, const char *reason);
/* The state failed, with a reason that has no quote and no control character: takes no lock and
 * allocates nothing. */
void report_stuck(const char *reason);
/* {"stats": ...} where they have changed since the last time (model/app_stats.h). */
void report_stats(const struct enclave *enclave);

/* boot.c: the steps until the enclave can be reached. */
int boot_manifest(struct enclave *enclave, struct err *err) MUST_USE;
int boot_tee(struct enclave *enclave, struct err *err) MUST_USE;
int boot_package(struct enclave *enclave, struct err *err) MUST_USE;
int boot_guard(struct enclave *enclave, struct err *err) MUST_USE;
/* unlock.c: where the keys of the storage come from; waits for the owner where nothing tells. */
int boot_volume_key(struct enclave *enclave, struct err *err) MUST_USE;
/* Puts the key that the owner has sent into its slot, once it has opened the storage. */
int volume_key_keep(struct enclave *enclave, struct err *err) MUST_USE;
/* storage.c */
int volume_sealing_key(struct enclave *enclave, struct secret *ret, struct err *err) MUST_USE;
int boot_storage(struct enclave *enclave, struct err *err) MUST_USE;
int boot_confine(struct enclave *enclave, struct err *err) MUST_USE;

/* history.c: this start is one more opening of the storage, in this file of it and on the disk when
 * it returns. Errors:
 * REJECTED: what lies there is not what this app wrote. */
int history_open(struct enclave *enclave, const char *path, struct err *err) MUST_USE;

/* tmp.c: /tmp on sealed storage, where the manifest wants it there; within boot_storage. */
int tmp_mount(const struct enclave *enclave, struct err *err) MUST_USE;

/* identity.c: TLS key, certificate, evidence. */
int boot_identity(struct enclave *enclave, struct err *err) MUST_USE;
/* While there is no sealed state boot_identity makes one that is not kept; this ends it. */
void identity_forget(struct enclave *enclave);
/* Serves with the owner's certificate from now on. */
int identity_use_owner_certificate(struct enclave *enclave, struct err *err) MUST_USE;
/* Shows this OCSP response with the owner's certificate from now on, and after a restart. Errors:
 * INVALID (names what does not fit), CONFLICT (no owner's certificate serves; older than what is
 * shown). [control thread] */
int identity_staple(struct enclave *enclave, struct slice response, struct ocsp_validity *ret,
                    struct err *err) MUST_USE;
/* Serves this collateral with the attestation documents from now on; it is whoever verifies that
 * judges it. Errors: INVALID (no text), TOO_LARGE. [control thread] */
int identity_staple_collateral(struct enclave *enclave, struct slice bundle,
                               struct err *err) MUST_USE;
/* The attestation document over a nonce, with the storage's opening `asked` (0: none). [any thread]
 */
int identity_attest(struct enclave *enclave, const uint8_t nonce[static 32], uint64_t asked,
                    struct buf *out, struct err *err) MUST_USE;

/* control.c: the reserved paths, and waiting for provisioning. What unlock.c needs of it: for whom
 * a message of the owner must have been made; the socket that the launcher gave. */
struct provision_target enclave_target(const struct enclave *enclave,
                                       const struct front_request *request);
int enclave_answer_attestation(void *context, const struct front_request *request, struct buf *out,
                               struct err *err);
int enclave_answer_collateral(void *context, const struct front_request *request, struct buf *out,
                              struct err *err);
int enclave_answer_status(void *context, const struct front_request *request, struct buf *out,
                          struct err *err);
/* Until `flag`, which is under the provision lock, is set and ENCLAVE_WAKE_SIGNAL says so.
 * ERR_INTERRUPTED: "stopped before it was WHAT". [main thread] */
int enclave_wait_for(struct enclave *enclave, const bool *flag, const char *what,
                     struct err *err) MUST_USE;
int enclave_check_socket(const struct enclave *enclave, struct err *err) MUST_USE;
int boot_listen(struct enclave *enclave, struct err *err) MUST_USE;
int boot_secrets(struct enclave *enclave, struct err *err) MUST_USE;

/* seed.c: the package's data goes where it is kept; before the app, behind the code. */
int seed_data(struct enclave *enclave, struct err *err) MUST_USE;

/* variables.c: the app's environment; before Python, and before the secrets are wiped. */
int open_variables(struct enclave *enclave, struct err *err) MUST_USE;

/* release.c: has this release called its command yet? And that it has, for serve_config. */
bool release_is_due(const struct enclave *enclave);
int release_is_done(void *enclave, struct err *err);

/* open.c: from secrets to a running app. */
int open_code(struct enclave *enclave, struct err *err) MUST_USE;
int open_secrets_file(struct enclave *enclave, struct err *err) MUST_USE;
int open_app(struct enclave *enclave, struct err *err) MUST_USE;

/* health.c: the app's health check, asked from inside again and again. */
bool health_wanted(const struct manifest *manifest);
/* A listener for nobody but it, which the server takes over. */
int health_listen(int *ret_fd, struct err *err) MUST_USE;
/* After the app: asks from now on, where it is wanted. */
int health_start(struct enclave *enclave, struct err *err) MUST_USE;
void health_report(struct app_stats *ret);

/* state.c: what a box of this identity is bound to, appended: format || name || fingerprint ||
 * epoch. Only the name's length varies. */
int enclave_associate(const struct enclave *enclave, const char *format, const char *name,
                      struct buf *out, struct err *err) MUST_USE;
/* The files of the sealed state folder, each a box bound to its name and this identity. */
#define STATE_PROVISIONED "provisioned"
#define STATE_IDENTITY "identity.pem"
enum { STATE_FILE_MAX = 4 << 20 };
/* state.c: a box in a file that the host may have put there. */
struct enclave_box {
    int folder; /* AT_FDCWD: `name` is a path */
    const char *name;
    const struct secret *key;
    struct slice with; /* that it is bound to */
    size_t max;        /* bytes of the file */
};
/* Appends what is in it. Errors: NOT_FOUND; REJECTED: no file, too large, of another key or another
 * binding, or changed; IO. */
int enclave_box_read(const struct enclave_box *box, struct buf *out, struct err *err) MUST_USE;

/* Before anything else of it; takes the folder's descriptor over unless it fails. `sealing` is the
 * TEE's sealing key for this identity. */
int state_open(struct enclave *enclave, int folder, const struct secret *sealing,
               struct err *err) MUST_USE;
/* Wipes the key; 0 files can be read or written afterwards. */
void state_close(struct enclave *enclave);
/* Errors: NOT_FOUND where there is none; REJECTED where what lies there is not what this identity
 * wrote under this name. */
int state_read(const struct enclave *enclave, const char *name, struct buf *out,
               struct err *err) MUST_USE;
/* Does anything lie there? Says nothing about what. */
bool state_has(const struct enclave *enclave, const char *name);
/* Whole or not at all, on disk when it returns. */
int state_write(const struct enclave *enclave, const char *name, struct slice bytes,
                struct err *err) MUST_USE;
