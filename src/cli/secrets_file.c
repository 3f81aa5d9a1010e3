// SPDX-License-Identifier: Apache-2.0
/*
 * See secrets_file.h. Neither bytes nor what is read of them lies in memory that is not wiped. Runs
 * on the owner's machine.
 */
#include "cli/secrets_file.h"

#include "base/fd.h"
#include "format/document.h"

#include <fcntl.h>

enum { SECRETS_NAMES_MAX = 4096, SECRETS_DEPTH_MAX = 32, SECRETS_VALUES_MAX = 1 << 17 };

int secrets_check(struct slice text, const char *what, struct err *err)
{
    const struct doc_source source = {.what = what,
                                      .max_size = APP_SECRETS_MAX,
                                      .max_values = SECRETS_VALUES_MAX,
                                      .max_depth = SECRETS_DEPTH_MAX,
                                      .max_names = SECRETS_NAMES_MAX};
    struct arena arena = {.secret = true};
    const struct doc_node *root;
    int result = doc_read(&arena, text, &source, &root, err);
    if (result == 0 && root->type != DOC_OBJECT)
        result =
            FAIL(err, ERR_INVALID, "%s: expected a JSON object, found another JSON value", what);
    arena_done(&arena);
    return result;
}

static int read_and_check(const char *path, struct secret *secret, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    size_t len = 0;
    if (fd_open(path, O_RDONLY, 0, &fd, err) < 0 ||
        secret_init(secret, APP_SECRETS_MAX + 1, err) < 0 ||
        fd_read_full(fd, secret->data, APP_SECRETS_MAX + 1, &len, err) < 0)
        return -1;
    if (len > APP_SECRETS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "'%s' has more than %d bytes", path, APP_SECRETS_MAX);
    secret->len = len;
    return secrets_check(secret_slice(secret), path, err);
}

int secrets_file_read(const struct app_config *config, struct secret *ret, struct err *err)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    struct err reason = ERR_INIT;
    if (config->secrets == NULL)
        return app_config_check_secrets_env(config, slice_str("{}"), err);
    if (read_and_check(config->secrets, &secret, &reason) < 0)
        return APP_CONFIG_FAIL(config, secrets, err, "%s", reason.message);
    if (app_config_check_secrets_env(config, secret_slice(&secret), err) < 0)
        return -1;
    *ret = secret;
    secret = SECRET_INIT;
    return 0;
}
