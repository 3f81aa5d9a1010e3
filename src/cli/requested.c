// SPDX-License-Identifier: Apache-2.0
/*
 * See requested.h. Runs on the owner's machine, and on that of a user who has the published code.
 */
#include "cli/requested.h"

#include "base/file.h"
#include "base/text.h"

void requested_done(struct requested *requested)
{
    buf_done(&requested->text);
    lock_done(&requested->lock);
    requested->is_locked = false;
}

const char *requested_file(const struct requested *requested)
{
    return requested->is_locked ? LOCK_FILE : REQUIREMENTS_FILE;
}

static int read_if_there(const char *code, const char *name, bool *ret_there, struct buf *out,
                         struct err *err)
{
    AUTO_FREE char *path = path_join(code, name, err);
    if (path == NULL)
        return -1;
    *ret_there = file_exists(path);
    return *ret_there ? file_read(path, out, err) : 0;
}

/* The lock decides what is installed, so it must be of what people read. */
static int check_fresh(const struct requirements_lock *lock, struct slice requirements,
                       const char *docker, struct err *err)
{
    AUTO_BUF struct buf lines = BUF_INIT(LOCK_MAX);
    uint8_t digest[SHA256_SIZE];
    if (lock_requirements(requirements, docker, &lines, err) < 0 ||
        sha256(buf_slice(&lines), digest, err) < 0)
        return -1;
    if (lines.len > 0 && crypto_equal(digest, lock->requirements, SHA256_SIZE))
        return 0;
    if (lines.len == 0)
        err_set(err, ERR_CONFLICT, 0,
                LOCK_FILE " is there, and " REQUIREMENTS_FILE " asks for "
                          "nothing");
    else
        err_set(err, ERR_CONFLICT, 0,
                LOCK_FILE " is stale: it was not made from this " REQUIREMENTS_FILE
                          ", or for another environment than '%s'",
                docker == NULL ? "mse-flask" : docker);
    err_hint(err, "run 'mse lock' again, or remove " LOCK_FILE);
    return -1;
}

static int check_machine(const struct requirements_lock *lock, struct err *err)
{
    if (strcmp(lock->machine, REQUESTED_MACHINE) == 0)
        return 0;
    err_set(err, ERR_CONFLICT, 0, LOCK_FILE " was made on a machine '%s', and nodes are '%s'",
            lock->machine, REQUESTED_MACHINE);
    err_hint(err, "run 'mse lock' on a machine of that kind");
    return -1;
}

int requested_read(const char *code, const char *docker, struct requested *ret, struct err *err)
{
    AUTO_BUF struct buf requirements = BUF_INIT(LOCK_MAX);
    bool there = false;
    if (read_if_there(code, REQUIREMENTS_FILE, &there, &requirements, err) < 0 ||
        read_if_there(code, LOCK_FILE, &ret->is_locked, &ret->text, err) < 0)
        return -1;
    if (!ret->is_locked)
        return buf_bytes(&ret->text, buf_slice(&requirements), err);
    if (lock_decode(buf_slice(&ret->text), &ret->lock, err) < 0 ||
        check_machine(&ret->lock, err) < 0)
        return -1;
    return check_fresh(&ret->lock, buf_slice(&requirements), docker, err);
}

int requested_fits(const struct requested *requested, const char *environment, const char *python,
                   size_t own_requirements, struct err *err)
{
    if (!requested->is_locked)
        return 0;
    if (strcmp(requested->lock.python, python) != 0) {
        err_set(err, ERR_CONFLICT, 0,
                LOCK_FILE " was made for Python %s, and the environment '%s' has Python %s",
                requested->lock.python, environment, python);
        err_hint(err, "run 'mse lock --python PROGRAM' with a Python %s", python);
        return -1;
    }
    if (own_requirements == 0)
        return 0;
    err_set(err, ERR_CONFLICT, 0,
            "the environment '%s' installs %zu packages of its own, which " LOCK_FILE
            " cannot name",
            environment, own_requirements);
    err_hint(err, "choose an environment without requirements, or remove " LOCK_FILE);
    return -1;
}
