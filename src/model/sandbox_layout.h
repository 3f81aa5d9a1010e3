// SPDX-License-Identifier: Apache-2.0
/*
 * Where things are for an app, inside any sandbox: the launcher makes these folders and variables,
 * the enclave fills them, `mse test` imitates both. docs/sandbox.md says what each is.
 */
#pragma once

#define SANDBOX_HOME "/root"
#define SANDBOX_MODULE "/mse-app"
/* In memory, read-only for the app: what Python imports from SANDBOX_MODULE. */
#define SANDBOX_CODE_FOLDER "/run/mse/code"
#define SANDBOX_TMP "/tmp"
/* In memory: the host can exchange what lies in storage. */
#define SANDBOX_SECRETS_FOLDER "/run/mse/secrets"
#define SANDBOX_SECRETS SANDBOX_SECRETS_FOLDER "/secrets.json"
