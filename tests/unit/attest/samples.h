// SPDX-License-Identifier: Apache-2.0
/*
 * Finds and reads the real evidence in shared/attestation-samples, which is not part of the
 * project: beside the source folder, or where MSE_ATTESTATION_SAMPLES says.
 */
#pragma once

#include "base/file.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static inline const char *samples_folder(void)
{
    static char path[4096];
    const char *given = getenv("MSE_ATTESTATION_SAMPLES");
    const char *root = getenv("MSE_SOURCE_ROOT");
    const char *const beside[] = {"../shared", "../../shared"};
    if (given != NULL)
        return given;
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s/attestation-samples", root == NULL ? "." : root,
                       beside[i]);
        if (file_exists(path))
            return path;
    }
    return NULL;
}

/* Skips the running test, aloud, where the samples are not there. */
static inline const char *samples_or_skip(void)
{
    const char *folder = samples_folder();
    if (folder == NULL) {
        print_message("SKIPPED: no attestation samples beside the source folder; set "
                      "MSE_ATTESTATION_SAMPLES to their folder\n");
        skip();
    }
    return folder;
}

/* "-" and "" read nothing. */
static inline void sample_read(const char *folder, const char *name, struct buf *out)
{
    struct err why = ERR_INIT;
    if (name[0] == '\0' || strcmp(name, "-") == 0)
        return;
    AUTO_FREE char *path = path_join(folder, name, &why);
    assert_non_null(path);
    if (file_read(path, out, &why) < 0)
        fail_msg("%s", why.message);
}
