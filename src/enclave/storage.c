// SPDX-License-Identifier: Apache-2.0
/*
 * Where an app's folders come from: HOME is a folder of sealed storage; the app's own folder is the
 * union of its code, in memory, and of what it writes beside that, in sealed storage; the secrets
 * lie in memory. Runs with one thread, before confinement, which takes away what mounting needs.
 */
#include "enclave/enclave.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

enum { SECRETS_BYTES = 2 << 20, STATE_NAME_BYTES = 8 };

/* --- folders of sealed storage --- */

/* Never through a link: the host can put one that the app made in a folder's place, and the app
 * would write where the host reads. */
static int open_folder(const char *name, int *ret, struct err *err)
{
    AUTO_FREE char *path = path_join(SANDBOX_PLAIN, name, err);
    if (path == NULL || folder_create(path, 0700, err) < 0 ||
        fd_open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, ret, err) < 0)
        return FAIL_CONTEXT(err, "the folder '%s' of sealed storage", name);
    return 0;
}

static int mount_home(struct enclave *enclave, struct err *err)
{
    AUTO_CLOSE int folder = -1;
    if (open_folder("home", &folder, err) < 0)
        return -1;
    const struct storage_union spec = {.point = SANDBOX_HOME,
                                       .code_parent = -1,
                                       .data = folder,
                                       .key = &enclave->binding_key,
                                       .purpose = ENCLAVE_HOME_PURPOSE};
    return storage_union_mount(&spec, err);
}

/* --- folders in memory --- */

static int mount_memory(const char *point, uint64_t size, unsigned long flags, const char *options,
                        struct err *err)
{
    char all[128];
    (void)snprintf(all, sizeof(all), "size=%llu,%s", (unsigned long long)size, options);
    if (mount("mse", point, "tmpfs", MS_NOSUID | MS_NODEV | flags, all) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot mount memory on '%s'", point);
    return 0;
}

/* Extension modules are loaded from here. The enclave writes through a copy of the mount that has
 * no place in the tree, and that goes away with its descriptor; in the tree it is read-only. */
static int mount_code(struct enclave *enclave, struct err *err)
{
    /* room for what the file system itself needs for each item, besides the contents */
    if (mount_memory(SANDBOX_CODE_FOLDER, enclave->manifest.memory_bytes, 0, "mode=0755", err) < 0)
        return -1;
    enclave->code_folder =
        open_tree(AT_FDCWD, SANDBOX_CODE_FOLDER, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (enclave->code_folder < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot take hold of '%s'", SANDBOX_CODE_FOLDER);
    const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
    if (mount(NULL, SANDBOX_CODE_FOLDER, NULL, flags, NULL) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot make '%s' read-only", SANDBOX_CODE_FOLDER);
    return 0;
}

static int mount_union(struct enclave *enclave, struct err *err)
{
    AUTO_CLOSE int code = -1;
    if (open_folder("data", &enclave->data_folder, err) < 0 ||
        fd_open(SANDBOX_CODE_FOLDER, O_PATH | O_DIRECTORY, 0, &code, err) < 0)
        return -1;
    const struct storage_union spec = {.point = SANDBOX_MODULE,
                                       .code_parent = code,
                                       .code_name = ENCLAVE_CODE_NAME,
                                       .data = enclave->data_folder,
                                       .key = &enclave->binding_key,
                                       .purpose = ENCLAVE_DATA_PURPOSE};
    return storage_union_mount(&spec, err);
}

/* --- the step --- */

int volume_sealing_key(struct enclave *enclave, struct secret *ret, struct err *err)
{
    if (enclave->tee->sealing_key(enclave->fingerprint, (uint32_t)enclave->manifest.key_epoch, ret,
                                  err) < 0)
        return FAIL_CONTEXT(err, "sealing key");
    return 0;
}

static int mount_storage(struct enclave *enclave, struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    if (tee_purpose_key(&enclave->volume_key, "storage", &key, err) < 0)
        return -1;
    return enclave->link->mount_storage(&key, err);
}

/* What binds each stored file to its path; wiped when data of the package is in its place. */
static int make_binding_key(struct enclave *enclave, struct err *err)
{
    int status = tee_purpose_key(&enclave->volume_key, "binding of stored files",
                                 &enclave->binding_key, err);
    secret_done(&enclave->volume_key);
    return status;
}

/* Where other versions and other machines read the same storage, each has a folder of its own
 * there: what another TEE sealed is none of this one's, and nothing that somebody has changed. */
static int state_folder_name(const struct enclave *enclave, const struct secret *sealing,
                             char *name, size_t size, struct err *err)
{
    AUTO_SECRET struct secret whose = SECRET_INIT;
    char digits[2 * STATE_NAME_BYTES + 1];
    if (!manifest_owner_keeps(&enclave->manifest)) {
        (void)snprintf(name, size, "state");
        return 0;
    }
    if (tee_purpose_key(sealing, "name of the sealed state", &whose, err) < 0)
        return -1;
    hex_encode(slice_of(whose.data, STATE_NAME_BYTES), digits);
    (void)snprintf(name, size, "state-%s", digits);
    return 0;
}

static int open_state(struct enclave *enclave, struct err *err)
{
    AUTO_SECRET struct secret sealing = SECRET_INIT;
    AUTO_CLOSE int folder = -1;
    char name[32];
    if (volume_sealing_key(enclave, &sealing, err) < 0 ||
        state_folder_name(enclave, &sealing, name, sizeof(name), err) < 0 ||
        open_folder(name, &folder, err) < 0 || state_open(enclave, folder, &sealing, err) < 0)
        return -1;
    (void)fd_steal(&folder);
    return 0;
}

/* The app sees its own folders and not the sealed state beside them, nor the cipher text. */
static int hide(const char *const *hidden, struct err *err)
{
    for (; *hidden != NULL; hidden++) {
        if (umount2(*hidden, MNT_DETACH) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot hide '%s' from the app", *hidden);
    }
    return 0;
}

/* The servers of both mounts are forked while no key is in memory but the one that they need: the
 * storage's is wiped by then, and the one for the state is asked for afterwards. */
int boot_storage(struct enclave *enclave, struct err *err)
{
    if (mount_storage(enclave, err) < 0 || volume_key_keep(enclave, err) < 0 ||
        history_open(enclave, ENCLAVE_HISTORY, err) < 0 || make_binding_key(enclave, err) < 0 ||
        mount_home(enclave, err) < 0 || tmp_mount(enclave, err) < 0 ||
        mount_code(enclave, err) < 0 ||
        mount_memory(SANDBOX_SECRETS_FOLDER, SECRETS_BYTES, MS_NOEXEC, "nr_inodes=16,mode=0700",
                     err) < 0 ||
        mount_union(enclave, err) < 0 || open_state(enclave, err) < 0 ||
        enclave->link->end_of_keys(err) < 0)
        return -1;
    return hide(enclave->link->hidden, err);
}
