// SPDX-License-Identifier: Apache-2.0
/*
 * The release command: called once for each release, before it serves. That it was called is kept
 * in the app's own storage, with the fingerprint of the release: the host can take that away, like
 * anything that is stored, and the command is called again, but cannot make it up.
 */
#include "enclave/enclave.h"

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

enum { FINGERPRINT_DIGITS = 2 * SHA256_SIZE };

bool release_is_due(const struct enclave *enclave)
{
    AUTO_BUF struct buf found = BUF_INIT(FINGERPRINT_DIGITS);
    struct err ignored = ERR_INIT;
    char own[FINGERPRINT_DIGITS + 1];
    hex_encode(slice_of(enclave->fingerprint, SHA256_SIZE), own);
    if (enclave->manifest.release_command[0] == '\0')
        return false;
    return file_read(ENCLAVE_RELEASED, &found, &ignored) < 0 ||
           !slice_equal(buf_slice(&found), slice_str(own));
}

int release_is_done(void *context, struct err *err)
{
    const struct enclave *enclave = context;
    char own[FINGERPRINT_DIGITS + 1];
    hex_encode(slice_of(enclave->fingerprint, SHA256_SIZE), own);
    log_info("the release command '%s' is done", enclave->manifest.release_command);
    if (folder_create_all(ENCLAVE_CACHE, 0700, err) < 0 ||
        file_write_atomic(ENCLAVE_RELEASED, slice_str(own), 0600, err) < 0)
        return FAIL_CONTEXT(err, "release command");
    return 0;
}
