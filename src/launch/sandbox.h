// SPDX-License-Identifier: Apache-2.0
/*
 * A running sandbox and the table of launchers that make one. Internal to launch/.
 */
#pragma once

#include "launch/bubblewrap.h"
#include "launch/cgroup.h"
#include "launch/launcher.h"
#include "launch/stage.h"

struct sandbox {
    pid_t monitor;   /* our child, which ends with the sandbox */
    pid_t init;      /* pid 1 of the sandbox, in our numbering: for showing and reading only */
    int init_handle; /* the same process, whoever has that number later */
    pid_t network;   /* our child, which carries its traffic */
    int app_fd;      /* the app's listening socket, for the enclave; -1 once it has it */
    int status_fd;   /* the enclave's status lines */
    int log_fd;      /* the app's output */
    struct cgroup cgroup;
    struct stage stage;
    /* Called when everything is there but the enclave does not run yet. */
    int (*before_run)(void *context, struct err *err);
    void *context;
};

#define SANDBOX_INIT                                                                               \
    ((struct sandbox){                                                                             \
        .monitor = -1, .init = -1, .network = -1, .app_fd = -1, .status_fd = -1, .log_fd = -1})

struct launcher {
    const char *name;
    /* Is everything there that it needs? */
    int (*probe)(bool with_quota, struct err *err);
    /* Starts the enclave; what was made before a failure is in *sandbox, for remove. */
    int (*start)(struct sandbox *sandbox, const struct launch_spec *spec,
                 const struct launch_storage *storage, struct err *err);
    /* Asks the enclave to finish. */
    void (*terminate)(const struct sandbox *sandbox);
    /* Ends it at once. */
    void (*kill)(const struct sandbox *sandbox);
    /* After its end: takes everything away. */
    void (*remove)(struct sandbox *sandbox);
};

/* What runs in a sandbox in the place of the enclave (stage->enclave, bound to SANDBOX_PROGRAM). */
struct sandbox_payload {
    const struct bubblewrap_mount *mounts;
    size_t mount_count;
    const char *const *arguments; /* of SANDBOX_PROGRAM */
    size_t argument_count;
};

/* The parts of which launchers are made (process.c): sandbox->cgroup and ->stage are there.
 * `payload` NULL: the enclave. */
int sandbox_start(struct sandbox *sandbox, const struct launch_spec *spec,
                  const struct sandbox_payload *payload, struct err *err) MUST_USE;
void sandbox_terminate(const struct sandbox *sandbox);
void sandbox_kill(const struct sandbox *sandbox);
void sandbox_remove(struct sandbox *sandbox);
/* Programs, devices and namespaces that every sandbox needs. */
int sandbox_probe(struct err *err) MUST_USE;

/* ERR_NOT_FOUND lists the names. */
int launcher_by_name(const char *name, const struct launcher **ret, struct err *err) MUST_USE;

extern const struct launcher launcher_process;
extern const struct launcher launcher_vm;
