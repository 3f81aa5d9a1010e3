// SPDX-License-Identifier: Apache-2.0
/*
 * See manifest_facts.h. What is printed was checked with the manifest: printable ASCII.
 */
#include "cli/manifest_facts.h"

#include "cli/ui.h"

static void print_variables(const struct manifest *manifest, const char *before)
{
    struct variable variable;
    const char *lines = manifest->env;
    while ((lines = variables_next(lines, &variable)) != NULL)
        ui_print(UI_PLAIN, "%svariable     %s=%s\n", before, variable.name, variable.value);
    if (strcmp(manifest->secrets_env, VARIABLE_NAMES_ALL) == 0)
        ui_print(UI_PLAIN, "%ssecrets      all of them are variables too\n", before);
    else if (manifest->secrets_env[0] != '\0')
        ui_print(UI_PLAIN, "%ssecrets      are variables too: %s\n", before, manifest->secrets_env);
}

void manifest_facts_print(const struct manifest *manifest, const char *before)
{
    ui_print(UI_PLAIN, "%sprocesses    calls for new processes %s\n", before,
             manifest_ends_at_new_process(manifest) ? "end the app" : "fail with EPERM");
    ui_print(UI_PLAIN, "%sstorage      %s\n", before, manifest_keeper_text(manifest));
    print_variables(manifest, before);
    if (manifest->release_command[0] != '\0')
        ui_print(UI_PLAIN, "%srelease      calls %s once, before it serves\n", before,
                 manifest->release_command);
    if (manifest->tmp_bytes != 0) {
        char size[UI_SIZE_TEXT];
        ui_size_text((int64_t)manifest->tmp_bytes, size);
        ui_print(UI_PLAIN, "%s/tmp         %s of encrypted storage\n", before, size);
    }
}
