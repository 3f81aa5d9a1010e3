// SPDX-License-Identifier: Apache-2.0
/*
 * Where things are inside any sandbox: the launcher makes these folders, variables and descriptors,
 * the enclave fills and uses them, `mse test` imitates both. docs/sandbox.md says what each is.
 */
#pragma once

/* for the app */

#define SANDBOX_HOME "/root"
#define SANDBOX_MODULE "/mse-app"
/* In memory, read-only for the app: what Python imports from SANDBOX_MODULE. */
#define SANDBOX_CODE_FOLDER "/run/mse/code"
#define SANDBOX_TMP "/tmp"
/* In memory: the host can exchange what lies in storage. */
#define SANDBOX_SECRETS_FOLDER "/run/mse/secrets"
#define SANDBOX_SECRETS SANDBOX_SECRETS_FOLDER "/secrets.json"

/* for the enclave: nothing of the host's is written to but the cipher folder */
#define SANDBOX_PACKAGE "/run/mse/package"
#define SANDBOX_PROGRAM "/run/mse/mse-enclave"
#define SANDBOX_NODE "/run/mse/node" /* of the simulated TEE */
/* There: the enclave waits for its owner's message also where it has one that is sealed. */
#define SANDBOX_HOLD_NAME "hold"
#define SANDBOX_CIPHER "/run/mse/cipher"
#define SANDBOX_PLAIN "/run/mse/plain"
#define SANDBOX_ENVIRONMENT "/mse-env"

/* Open when the enclave starts. */
enum {
    SANDBOX_STATUS_FD = 3, /* pipe: takes lines of JSON */
    SANDBOX_LISTEN_FD = 4, /* the app's listening socket, held outside over restarts */
};
