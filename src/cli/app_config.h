// SPDX-License-Identifier: Apache-2.0
/*
 * mse.toml: what the owner of an app says about it. Two layouts are read: the one of mse.toml(5)
 * with its section [code], and the later published one with `python_application` at the top and
 * the section [cloud]. A file in either gives the same struct.
 *
 *     AUTO_APP_CONFIG struct app_config config = {0};
 *     if (app_config_read("mse.toml", &config, err) < 0 ||
 *         app_config_check(&config, clock_unix(), err) < 0)
 *         return -1;
 */
#pragma once

#include "format/config_schema.h"
#include "model/manifest.h"

enum app_config_layout { APP_CONFIG_CODE, APP_CONFIG_CLOUD };

/* Limits of the server inside the enclave; part of the manifest. 0: the server's own default. */
struct app_config_server {
    int64_t threads;
    int64_t connections;
    int64_t header_bytes;
    int64_t header_count;
    int64_t target_bytes;
    int64_t body_bytes;
    int64_t header_timeout_s;
    int64_t body_timeout_s;
    int64_t idle_timeout_s;
    int64_t write_timeout_s;
    int64_t health_interval_s; /* 0: none */
    bool restart_unhealthy;
    int64_t watchdog_s;        /* 0: none */
    int64_t request_timeout_s; /* 0: none */
    int64_t queue;
    bool http2;
    int access_log;    /* place in app_config_log_formats; 0: none */
    int access_log_to; /* place in app_config_log_targets */
    bool require_pq;
    bool server_timing;
    int new_processes; /* place in app_config_new_processes */
};

extern const char *const app_config_log_formats[]; /* NULL-terminated */
extern const char *const app_config_log_targets[];
extern const char *const app_config_new_processes[];
enum app_config_keep { APP_KEEP_VERSION, APP_KEEP_OWNER };
extern const char *const app_config_keeps[]; /* by enum app_config_keep */

/* Texts are owned; NULL where the file says nothing and there is no default. Paths are joined to
 * the file's folder, not resolved. */
struct app_config {
    char *path;   /* of the file, as given */
    char *folder; /* that it lies in */
    enum app_config_layout layout;
    struct toml *toml; /* for the places of later errors */

    char *name;
    char *project;
    char *resource;             /* hardware profile */
    int64_t expiration;         /* unix seconds, 0: none */
    char *code;                 /* folder */
    char *application;          /* "module:variable" */
    char *module;               /* "package.module" */
    char *variable;             /* may be dotted */
    struct config_strings data; /* paths below the code folder that are data */
    char *release_command;      /* "module:function" */
    char *healthcheck_endpoint;
    char *docker;                      /* environment or image reference */
    char *image;                       /* "sha256:" and 64 digits, or a folder (not joined) */
    char *secrets;                     /* file */
    struct config_strings secrets_env; /* names of secrets, or VARIABLE_NAMES_ALL alone */
    struct config_strings env;         /* "NAME=value" */
    char *policy;                      /* file */
    int tee;                           /* enum app_config_tee */
    char *tests;                       /* folder */
    char *tests_cmd;
    struct config_strings tests_requirements;
    int keep;                /* enum app_config_keep: who can read the storage */
    char *ssl_domain_name;   /* the three are given together or not at all */
    char *ssl_certificate;   /* file: PEM chain */
    char *ssl_private_key;   /* file */
    char *ssl_ocsp_response; /* file: DER; may be absent */
    int64_t storage_tmp;     /* bytes of /tmp on sealed storage; 0: it is in memory */
    struct app_config_server server;
};

/* In the order of app_config_tees. */
enum app_config_tee {
    APP_TEE_HARDWARE,
    APP_TEE_SGX,
    APP_TEE_TDX,
    APP_TEE_SNP,
    APP_TEE_SIMULATION,
};
extern const char *const app_config_tees[];

#define APP_IMAGE_PREFIX "sha256:" /* of an image that is named by its digest */

#define AUTO_APP_CONFIG __attribute__((cleanup(app_config_done)))

/* Reads and checks the file alone. *ret must be zeroed. Errors: INVALID with file, line and key;
 * NOT_FOUND, TOO_LARGE, IO. */
int app_config_read(const char *path, struct app_config *ret, struct err *err) MUST_USE;
/* The same from a text; `path` says where it would lie. */
int app_config_parse(struct slice text, const char *path, struct app_config *ret,
                     struct err *err) MUST_USE;
void app_config_done(struct app_config *config);

/* Checks what the file points to: code folder, module and files are there; the expiration date is
 * not before `now` (unix seconds). What of it is packed: code_folder.h. That certificate, key and
 * domain belong together is for the caller, who has the cryptography: report it through
 * APP_CONFIG_FAIL. */
int app_config_check(const struct app_config *config, int64_t now, struct err *err) MUST_USE;

/* The checks of one entry of [env], "NAME=value", and of secrets_env. */
int app_config_check_variable(const char *text, struct err *err) MUST_USE;
int app_config_check_variable_name(const char *text, struct err *err) MUST_USE;
/* What [env] and secrets_env say, as the manifest has it (model/variables.h). */
int app_config_variables(const struct app_config *config, char ret[static VARIABLES_SIZE],
                         struct err *err) MUST_USE;
int app_config_secrets_env(const struct app_config *config, char ret[static VARIABLE_NAMES_SIZE],
                           struct err *err) MUST_USE;
/* Both again, against the secrets: is each there, and none of them in [env]? */
int app_config_check_secrets_env(const struct app_config *config, struct slice secrets,
                                 struct err *err) MUST_USE;

/* What [server] says, as the manifest has it. */
void app_config_server_settings(const struct app_config_server *from, struct manifest_server *ret);

enum { APP_SECRETS_MAX = 1024 * 1024 };
/* Sets ERR_INVALID "mse.toml:7: code.location: …" for the key behind a member; the literal -1. */
#define APP_CONFIG_FAIL(config, member, err, ...)                                                  \
    (app_config_fail((config), offsetof(struct app_config, member), (err), __VA_ARGS__), -1)
void app_config_fail(const struct app_config *config, size_t offset, struct err *err,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The table of keys, for the man page and its test. */
extern const struct config_schema app_config_schema;
