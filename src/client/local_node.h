// SPDX-License-Identifier: Apache-2.0
/*
 * The node that `mse node start` runs on this machine for development: where its folder and its
 * socket are.
 */
#pragma once

#include "base/err.h"

/* state-folder/node; the caller frees. It need not exist. */
int local_node_folder(char **ret, struct err *err) MUST_USE;
/* The socket's path; the caller frees. */
int local_node_socket(char **ret, struct err *err) MUST_USE;
