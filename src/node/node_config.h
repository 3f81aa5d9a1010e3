// SPDX-License-Identifier: Apache-2.0
/*
 * msed.toml: how the operator runs a node. Every key has a default, so that an empty file, or none,
 * is a working node; msed.toml(5) documents each.
 */
#pragma once

#include "base/log.h"
#include "format/config_schema.h"

enum node_quota {
    NODE_QUOTA_LOOP, /* an ext4 file of the quota's size, loop-mounted: needs root */
    NODE_QUOTA_NONE, /* storage is not limited */
};

enum node_pip_network { NODE_PIP_SANDBOX, NODE_PIP_HOST };

/* How a profile's apps run: names of src/launch and src/tee, by the index that a profile holds. */
extern const char *const node_launchers[];
extern const char *const node_tees[];

struct node_hardware {
    char *name;
    int launcher; /* of node_launchers */
    int tee;      /* of node_tees */
    int64_t memory_bytes;
    int64_t cpu_millis; /* thousandths of a processor */
    int64_t storage_bytes;
    int64_t io_bytes; /* a second; 0: no limit */
};

struct node_environment {
    char *name;
    struct config_strings requirements; /* pip's lines */
    char *image; /* folder of a VM's image, whose environment it is; NULL: the node's Python */
};

struct node_limits {
    int64_t apps;
    int64_t memory_bytes; /* of all apps together; 0: what the machine can spare */
    int64_t package_bytes;
    int64_t upload_bytes_per_s;       /* of one upload; 0: unlimited */
    int64_t upload_least_bytes_per_s; /* slower ones are given up */
    int64_t uploads;                  /* at once */
    int64_t builds;                   /* of layers, at once */
    int64_t build_memory_bytes;       /* of one of them */
    int64_t build_disk_bytes;
    int64_t connections;         /* to all apps together */
    int64_t connections_per_app; /* 0: a quarter of them */
    int64_t idle_timeout_s;      /* of a connection to an app */
    int64_t log_bytes;           /* kept per app */
    int64_t layers_bytes;        /* of all layers together */
    int64_t disk_reserve_bytes;  /* that apps, packages and layers leave free */
    int64_t start_timeout_s;
    int64_t provision_timeout_s;
    int64_t expired_kept_s; /* the storage of an app after its expiry */
    int64_t logs_kept_s;    /* the log of a release after its end */
};

/* How an owner's other name is proved. */
struct node_names {
    struct config_strings allow; /* "www.example.com=token:alice" */
    bool dns;                    /* a TXT record counts */
    char *resolver;              /* "127.0.0.1:53"; "" : the system's */
    char *authorities;           /* file of certificates; NULL: those that the system trusts */
};

/* Where the vendors' collateral for enclaves comes from; NULL: the vendor's own service. */
struct node_collateral {
    char *pccs; /* URL of a PCCS, or a folder that mirrors one */
    char *kds;  /* AMD's service, likewise */
    char *vlek; /* file with the VLEK certificate; NULL: none */
    int64_t refresh_s;
};

/* What one account may have of it; 0: half of what there is. The operator has no such limit. */
struct node_limits_account {
    int64_t apps;
    int64_t memory_bytes;
    int64_t storage_bytes;
    int64_t io_bytes; /* a second; 0: no limit */
};

/* All texts are owned and set, but api_certificate, api_private_key,
 * names.authorities and those of collateral: NULL without them. */
struct node_config {
    char *path;   /* of the file; NULL: built-in defaults */
    char *folder; /* that relative paths start from */

    char *state;  /* folder */
    char *socket; /* path of the API's Unix socket */
    char *listen; /* "127.0.0.1:7780", the API over HTTPS; "" : Unix socket only */
    char *api_certificate;
    char *api_private_key;
    char *domain;
    char *app_address;         /* on which apps' ports listen (domain "localhost") */
    struct config_ports ports; /* for apps (domain "localhost") */
    char *gateway;             /* "0.0.0.0:443": all apps, by SNI (another domain) */
    char *default_environment;
    char *enclave;   /* path of the mse-enclave program; NULL: beside msed */
    int quota;       /* enum node_quota */
    int pip_network; /* enum node_pip_network */
    int log_level;   /* enum log_level */
    struct node_limits limits;
    struct node_limits_account account;
    struct node_names names;
    struct node_collateral collateral;

    struct node_hardware *hardware; /* `free` is always among them */
    size_t hardware_count;
    struct node_environment *environments; /* `mse-flask` is always among them */
    size_t environment_count;
};

#define AUTO_NODE_CONFIG __attribute__((cleanup(node_config_done)))

/* *ret must be zeroed. Errors: INVALID with file, line and key; NOT_FOUND, TOO_LARGE, IO. */
int node_config_read(const char *path, struct node_config *ret, struct err *err) MUST_USE;
/* The same from a text; `path` says where it would lie. */
int node_config_parse(struct slice text, const char *path, struct node_config *ret,
                      struct err *err) MUST_USE;
/* What holds without a file; relative to `folder`. */
int node_config_defaults(const char *folder, struct node_config *ret, struct err *err) MUST_USE;
void node_config_done(struct node_config *config);

/* Does its launcher start images? */
bool node_hardware_wants_image(const struct node_hardware *hardware);
/* NULL where there is none of that name. */
const struct node_hardware *node_config_hardware(const struct node_config *config,
                                                 const char *name);
const struct node_environment *node_config_environment(const struct node_config *config,
                                                       const char *name);

/* The tables of keys, for the man page and its test. */
extern const struct config_schema node_config_schema;
extern const struct config_schema node_hardware_schema;    /* of each [hardware.NAME] */
extern const struct config_schema node_environment_schema; /* of each [environments.NAME] */
