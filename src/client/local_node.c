// SPDX-License-Identifier: Apache-2.0
/*
 * Where the local node of `mse node start` lies. Paths alone: whoever starts it makes the folder.
 * Runs on the owner's machine.
 */
#include "client/local_node.h"
#include "client/owner.h"

#include "base/file.h"

int local_node_folder(char **ret, struct err *err)
{
    AUTO_FREE char *state = NULL;
    if (owner_state_folder(&state, err) < 0)
        return -1;
    *ret = path_join(state, "node", err);
    return *ret == NULL ? -1 : 0;
}

int local_node_socket(char **ret, struct err *err)
{
    AUTO_FREE char *folder = NULL;
    if (local_node_folder(&folder, err) < 0)
        return -1;
    *ret = path_join(folder, "msed.sock", err);
    return *ret == NULL ? -1 : 0;
}
