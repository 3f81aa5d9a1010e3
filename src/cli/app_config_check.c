// SPDX-License-Identifier: Apache-2.0
/*
 * Is what mse.toml points to there? Runs on the owner's machine before anything is packed.
 */
#include "cli/app_config.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/tls.h"

static int check_expiration(const struct app_config *config, int64_t now, struct err *err)
{
    if (config->expiration == 0 || config->expiration > now)
        return 0;
    char text[RFC3339_SIZE];
    rfc3339_format(config->expiration, text);
    return APP_CONFIG_FAIL(config, expiration, err, "%s is in the past", text);
}

/* The owner's own connection to the app would be refused like anybody's. */
static int check_key_exchange(const struct app_config *config, struct err *err)
{
    if (!config->server.require_pq || tls_has_pq())
        return 0;
    return APP_CONFIG_FAIL(config, server.require_pq, err,
                           "%s here has no X25519MLKEM768, which comes with 3.5 (Debian 13): the "
                           "app would refuse this machine",
                           OpenSSL_version(OPENSSL_VERSION));
}

static int check_folder(const struct app_config *config, size_t offset, const char *path,
                        struct err *err)
{
    struct stat info;
    if (stat(path, &info) < 0) {
        app_config_fail(config, offset, err, "there is no folder '%s'", path);
        return -1;
    }
    if (!S_ISDIR(info.st_mode)) {
        app_config_fail(config, offset, err, "'%s' is not a folder", path);
        return -1;
    }
    return 0;
}

/* "a.b" is a/b.py or a/b/__init__.py. */
static int check_module(const struct app_config *config, struct err *err)
{
    AUTO_FREE char *relative = str_copy(config->module, err);
    if (relative == NULL)
        return -1;
    for (char *c = relative; *c != '\0'; c++) {
        if (*c == '.')
            *c = '/';
    }
    AUTO_FREE char *file = str_printf(err, "%s/%s.py", config->code, relative);
    AUTO_FREE char *package = str_printf(err, "%s/%s/__init__.py", config->code, relative);
    if (file == NULL || package == NULL)
        return -1;
    if (file_exists(file) || file_exists(package))
        return 0;
    return APP_CONFIG_FAIL(config, application, err,
                           "the code folder has no module '%s': neither '%s' nor '%s' is there",
                           config->module, file, package);
}

#define OFFSET(member) offsetof(struct app_config, member)

static int check_readable(const struct app_config *config, size_t offset, const char *path,
                          struct err *err)
{
    struct stat info;
    if (path == NULL || (stat(path, &info) == 0 && S_ISREG(info.st_mode)))
        return 0;
    app_config_fail(config, offset, err, "there is no file '%s'", path);
    return -1;
}

int app_config_check(const struct app_config *config, int64_t now, struct err *err)
{
    if (check_expiration(config, now, err) < 0 || check_key_exchange(config, err) < 0 ||
        check_folder(config, OFFSET(code), config->code, err) < 0 ||
        check_module(config, err) < 0 ||
        check_readable(config, OFFSET(ssl_certificate), config->ssl_certificate, err) < 0 ||
        check_readable(config, OFFSET(ssl_private_key), config->ssl_private_key, err) < 0 ||
        check_readable(config, OFFSET(secrets), config->secrets, err) < 0 ||
        check_readable(config, OFFSET(policy), config->policy, err) < 0)
        return -1;
    return config->tests == NULL ? 0 : check_folder(config, OFFSET(tests), config->tests, err);
}
