// SPDX-License-Identifier: Apache-2.0
/*
 * The one list of commands, in the order in which --help shows them.
 */
#include "base/mem.h"
#include "cli/command.h"

const struct command *const commands[] = {
    &command_scaffold,         &command_init,        &command_lock,         &command_deploy,
    &command_verify,           &command_list,        &command_status,       &command_logs,
    &command_events,           &command_access_log,  &command_stop,         &command_prune,
    &command_restart,          &command_pause,       &command_resume,       &command_releases,
    &command_rollback,         &command_unlock,      &command_staple,       &command_test,
    &command_localtest,        &command_context,     &command_explain,      &command_diff,
    &command_collateral_fetch, &command_image_build, &command_image_verify, &command_image_show,
    &command_image_measure,    &command_image_lock,  &command_node_start,   &command_node_stop,
    &command_node_status,
};
const size_t command_count = ARRAY_LEN(commands);
