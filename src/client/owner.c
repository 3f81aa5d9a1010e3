// SPDX-License-Identifier: Apache-2.0
/*
 * The owner's folders and key. The key file holds the 32-byte Ed25519 seed in hexadecimal, mode
 * 0600; it never leaves this process.
 */
#include "client/owner.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 256 };

void owner_key_done(struct owner_key *key)
{
    secret_done(&key->secret);
}

static const char *home_folder(void)
{
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return home;
    const struct passwd *entry = getpwuid(getuid());
    return entry == NULL ? NULL : entry->pw_dir;
}

/* own_variable wins, then xdg_variable/mse, then home/fallback. */
static int folder_from(const char *own_variable, const char *xdg_variable, const char *fallback,
                       char **ret, struct err *err)
{
    AUTO_FREE char *path = NULL;
    const char *own = getenv(own_variable);
    const char *xdg = getenv(xdg_variable);
    if (own != NULL && own[0] != '\0') {
        path = str_copy(own, err);
    } else if (xdg != NULL && xdg[0] == '/') {
        path = path_join(xdg, "mse", err);
    } else if (home_folder() != NULL) {
        path = path_join(home_folder(), fallback, err);
    } else {
        (void)FAIL(err, ERR_NOT_FOUND, "there is no home folder: neither $HOME nor $%s is set",
                   own_variable);
    }
    if (path == NULL || folder_create_all(path, 0700, err) < 0)
        return -1;
    *ret = path_resolve(path, err);
    return *ret == NULL ? -1 : 0;
}

int owner_folder(char **ret, struct err *err)
{
    return folder_from("MSE_CONFIG_HOME", "XDG_CONFIG_HOME", ".config/mse", ret, err);
}

int owner_state_folder(char **ret, struct err *err)
{
    return folder_from("MSE_STATE_HOME", "XDG_STATE_HOME", ".local/state/mse", ret, err);
}

int owner_contexts_folder(char **ret, struct err *err)
{
    AUTO_FREE char *folder = NULL;
    if (owner_folder(&folder, err) < 0)
        return -1;
    AUTO_FREE char *path = path_join(folder, "contexts", err);
    if (path == NULL || folder_create(path, 0700, err) < 0)
        return -1;
    *ret = STEAL(path);
    return 0;
}

static int read_key(const char *path, uint8_t seed[static ED25519_SEED_SIZE], struct err *err)
{
    AUTO_CLOSE int fd = -1;
    if (fd_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd, err) < 0)
        return -1;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot stat '%s'", path);
    if ((status.st_mode & 077) != 0) {
        (void)FAIL(err, ERR_FORBIDDEN, "the owner's key '%s' can be read by others (mode %04o)",
                   path, (unsigned)(status.st_mode & 07777));
        err_hint(err, "chmod 600 '%s', and make a new key if somebody may have read it", path);
        return -1;
    }
    AUTO_BUF struct buf text = BUF_INIT(KEY_FILE_MAX);
    if (fd_read_all(fd, &text, err) < 0)
        return FAIL_CONTEXT(err, "owner's key '%s'", path);
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    return hex_decode(buf_text(&text), path, seed, ED25519_SEED_SIZE, err);
}

/* Another mse may make the key at the same moment: whoever creates the file first wins. */
static int make_key(const char *path, struct err *err)
{
    AUTO_SECRET struct secret seed = SECRET_INIT;
    if (secret_random(&seed, ED25519_SEED_SIZE, err) < 0)
        return -1;
    AUTO_BUF struct buf text = BUF_INIT(KEY_FILE_MAX);
    if (hex_append(&text, secret_slice(&seed), err) < 0 || buf_str(&text, "\n", err) < 0)
        return -1;
    if (file_create_new(path, buf_slice(&text), 0600, err) < 0 && err->kind != ERR_EXISTS)
        return -1;
    err_clear(err);
    return 0;
}

int owner_key_load(struct owner_key *ret, struct err *err)
{
    AUTO_FREE char *folder = NULL;
    if (owner_folder(&folder, err) < 0)
        return -1;
    AUTO_FREE char *path = path_join(folder, "owner.key", err);
    if (path == NULL)
        return -1;
    if (!file_exists(path) && make_key(path, err) < 0)
        return FAIL_CONTEXT(err, "making the owner's key");
    AUTO_SECRET struct secret seed = SECRET_INIT;
    if (secret_init(&seed, ED25519_SEED_SIZE, err) < 0 || read_key(path, seed.data, err) < 0)
        return -1;
    return ed25519_keypair_from_seed(seed.data, ret->public_key, &ret->secret, err);
}

int program_find(const char *name, char **ret, struct err *err)
{
    static const char *const beside[] = {"", "../libexec/mse/", "../sbin/"};
    AUTO_FREE char *self = path_resolve("/proc/self/exe", err);
    if (self == NULL)
        return -1;
    AUTO_FREE char *folder = path_folder(self, err);
    if (folder == NULL)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        AUTO_FREE char *path = str_printf(err, "%s/%s%s", folder, beside[i], name);
        if (path == NULL)
            return -1;
        if (access(path, X_OK) == 0) {
            *ret = path_resolve(path, err);
            return *ret == NULL ? -1 : 0;
        }
    }
    if (process_find(name, NULL, ret, err) < 0) {
        err_hint(err, "'%s' is installed beside mse, or in ../libexec/mse", name);
        return -1;
    }
    return 0;
}

int owner_runtime_digest(uint8_t ret[static SHA256_SIZE], struct err *err)
{
    AUTO_FREE char *path = NULL;
    if (program_find("mse-enclave", &path, err) < 0)
        return FAIL_CONTEXT(err, "runtime digest");
    return sha256_file(path, ret, err);
}
