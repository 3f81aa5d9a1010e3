// SPDX-License-Identifier: Apache-2.0
/*
 * The table of TEEs and the choice among them. Runs inside the enclave. The choice is no decision
 * about trust: whoever judges the evidence learns from it which TEE signed.
 */
#include "tee/tee.h"

#include "base/file.h"
#include "tee/platform.h"

#include <stdio.h>
#include <sys/ioctl.h>

static const struct tee *const tees[] = {
    &tee_simulation,
};

static int real_ioctl(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

struct tee_platform tee_platform = {.root = "", .ioctl = real_ioctl};

char *tee_path(const char *path, struct err *err)
{
    return str_printf(err, "%s%s", tee_platform.root, path);
}

int tee_path_exists(const char *path)
{
    AUTO_FREE char *full = tee_path(path, NULL);
    return full != NULL && file_exists(full);
}

static void list_names(char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(tees) && len < size; i++) {
        int more = snprintf(text + len, size - len, "%s%s", i > 0 ? ", " : "", tees[i]->name);
        len += more > 0 ? (size_t)more : 0;
    }
}

int tee_by_name(const char *name, const struct tee **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tees); i++) {
        if (strcmp(tees[i]->name, name) == 0) {
            *ret = tees[i];
            return 0;
        }
    }
    char names[128];
    list_names(names, sizeof(names));
    return FAIL(err, ERR_NOT_FOUND, "unknown TEE '%s', expected one of: %s", name, names);
}

int tee_detect(const struct tee **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tees); i++) {
        if (tees[i]->present()) {
            *ret = tees[i];
            return 0;
        }
    }
    char names[128];
    list_names(names, sizeof(names));
    (void)FAIL(err, ERR_NOT_FOUND, "this is not inside a TEE: found the device of none of %s",
               names);
    err_hint(err, "this program is started by a node; see msed(8)");
    return -1;
}

int tee_purpose_key(const struct secret *sealing_key, const char *purpose, struct secret *ret,
                    struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (secret_init(&key, TEE_SEALING_KEY_SIZE, err) < 0)
        return -1;
    if (hkdf_sha256(secret_slice(sealing_key), slice_str("mse sealing key"), slice_str(purpose),
                    key.data, key.len, err) < 0)
        return -1;
    *ret = key;
    key = SECRET_INIT;
    return 0;
}
