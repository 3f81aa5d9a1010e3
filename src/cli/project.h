// SPDX-License-Identifier: Apache-2.0
/*
 * A project on its way into a manifest: mse.toml read and checked, what the node offers looked up,
 * the code packed. Everything that decides the fingerprint comes together here, on the owner's
 * machine; what the node says is copied into the manifest where all can see it.
 */
#pragma once

#include "cli/app_config.h"
#include "cli/image_measured.h"
#include "cli/requested.h"
#include "client/node_client.h"
#include "client/owner.h"
#include "model/manifest.h"
#include "provision/provision.h"

/* What the node says of itself; none of it is trusted for more than reaching it. */
struct node_facts {
    char domain[256];
    uint8_t runtime_digest[SHA256_SIZE]; /* of the mse-enclave that it would start */
    uint8_t simulation_root[32];         /* public key of its simulated TEE */
    char environment_name[NAME_SIZE];
    uint8_t environment_digest[SHA256_SIZE]; /* of the description, computed here */
    char tee[NAME_SIZE];                     /* of the hardware profile */
    uint64_t memory_bytes;
    uint64_t cpu_millis;
    uint64_t storage_bytes;
};

struct project {
    struct app_config config;
    struct node_facts facts;
    bool image_named;                     /* mse.toml says which image is trusted */
    uint8_t image_digest[SHA256_SIZE];    /* of that image */
    struct image_measured image_measured; /* its folder, where it is named by one: path not NULL */
    struct owner_key owner;
    char id[MANIFEST_ID_SIZE];  /* of the app: derived from owner, project and name, unless the app
                                 * has one from before that */
    struct provisioned secrets; /* code key, salt, secrets.json, the owner's TLS key */
    struct requested requested; /* what pip is asked for: a lock, or requirements.txt */
    struct buf certificate;     /* PEM, empty with RA-TLS */
    struct buf ocsp;            /* DER, checked against it; empty where there is none */
    struct manifest manifest;
    struct buf manifest_bytes;
    uint8_t fingerprint[SHA256_SIZE];
    int package_fd; /* the whole package, in an unnamed temporary file; -1 before it is packed */
    uint64_t package_size;
    uint64_t code_files;
    uint64_t code_bytes;
};

void project_init(struct project *project);
void project_done(struct project *project);
#define AUTO_PROJECT __attribute__((cleanup(project_done)))

/* Where mse.toml is: `path` is the file or the folder it is in; NULL: ./mse.toml. NOT_FOUND says
 * how to make one. The caller frees *ret. */
int project_config_path(const char *path, char **ret, struct err *err) MUST_USE;
/* mse.toml at `path` (a file, or the folder it is in; NULL: ./mse.toml), with all checks that need
 * no node: code folder, secrets, certificate against key and domain. */
int project_read(struct project *project, const char *path, struct err *err) MUST_USE;
/* Looks up hardware, environment and the rest at the node. CONFLICT: it offers another image than
 * the one that mse.toml names, or another runtime. */
int project_ask_node(struct project *project, struct node_client *node, struct err *err) MUST_USE;
/* Packs, encrypts under the keys of this code of this app, completes the manifest and the
 * fingerprint. */
int project_pack(struct project *project, struct err *err) MUST_USE;
/* What the owner's certificate says to the node about its host name, in hexadecimal; nothing where
 * there is no such certificate. After project_pack. */
int project_prove_name(const struct project *project, struct buf *out, struct err *err) MUST_USE;
