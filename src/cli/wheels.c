// SPDX-License-Identifier: Apache-2.0
/*
 * See wheels.h. Owns the folder `wheels` of the owner's state, in which a file's name has its hash,
 * looked at again before each use. pip runs as the owner does, with the owner's configuration.
 */
#include "cli/wheels.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "client/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20, PIP_TIMEOUT_MS = 30 * 60 * 1000, WORDS_MAX = 32, TAIL_MAX = 500 };

#define DEFAULT_PYTHON "/usr/bin/python3"

extern char **environ;

/* --- pip --- */

/* What pip calls an error, or else the end, says what failed; in one line: an error is one. */
static void fail_program(const char *what, const struct buf *errors, struct err *err)
{
    char tail[TAIL_MAX + 1];
    const char *text = buf_text(errors);
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    const char *first = strstr(text, "ERROR: ");
    size_t start = first != NULL ? (size_t)(first - text) : len > TAIL_MAX ? len - TAIL_MAX : 0;
    if (len - start > TAIL_MAX)
        len = start + TAIL_MAX;
    text_copy_printable(tail, sizeof(tail), slice_of(text + start, len - start), "");
    err_set(err, ERR_APP, 0, "%s: %s", what, tail);
}

static int run(const char *const *argv, const char *what, struct buf *out, struct err *err)
{
    const struct process_spec spec = {.argv = argv, .env = (const char *const *)environ};
    AUTO_BUF struct buf errors = BUF_INIT(OUTPUT_MAX);
    int status = 0;
    if (process_run(&spec, slice_of(NULL, 0), out, &errors, PIP_TIMEOUT_MS, &status, err) < 0)
        return FAIL_CONTEXT(err, "%s", what);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    fail_program(what, &errors, err);
    return -1;
}

/* "3.11 x86_64" */
static int ask_python(const char *python, struct requirements_lock *lock, struct err *err)
{
    static const char script[] = "import platform, sys; "
                                 "print('%d.%d' % sys.version_info[:2], platform.machine())";
    const char *const argv[] = {python, "-I", "-c", script, NULL};
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    if (run(argv, "Python", &out, err) < 0)
        return -1;
    char *rest = (char *)(uintptr_t)buf_text(&out);
    const char *version = strsep(&rest, " ");
    const char *machine = strsep(&rest, "\n");
    if (machine == NULL || strlen(version) >= sizeof(lock->python) ||
        strlen(machine) >= sizeof(lock->machine))
        return FAIL(err, ERR_INVALID, "Python '%s' does not say its version", python);
    (void)snprintf(lock->python, sizeof(lock->python), "%s", version);
    (void)snprintf(lock->machine, sizeof(lock->machine), "%s", machine);
    return 0;
}

/* `--only-binary :all:` comes last and takes back what a configuration says else: no setup.py. */
static int pip_download(const char *python, const char *file, const char *folder,
                        const char *const *more, struct err *err)
{
    const char *argv[WORDS_MAX] = {
        python,       "-m",     "pip",  "download",      "--quiet", "--disable-pip-version-check",
        "--no-input", "--dest", folder, "--requirement", file};
    size_t used = 11;
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    for (; *more != NULL; more++)
        argv[used++] = *more;
    argv[used++] = "--only-binary";
    argv[used++] = ":all:";
    argv[used] = NULL;
    return run(argv, "pip", &out, err);
}

/* --- what is kept --- */

static char *kept_folder(struct err *err)
{
    AUTO_FREE char *state = NULL;
    AUTO_FREE char *folder = NULL;
    if (owner_state_folder(&state, err) < 0)
        return NULL;
    folder = path_join(state, "wheels", err);
    if (folder == NULL || folder_create_all(folder, 0700, err) < 0)
        return NULL;
    return STEAL(folder);
}

static char *kept_path(const char *folder, const struct lock_wheel *wheel, struct err *err)
{
    char hex[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(wheel->sha256, SHA256_SIZE), hex);
    return str_printf(err, "%s/%s-%s-%s.whl", folder, wheel->name, wheel->version, hex);
}

static bool is_kept(const char *path, const struct lock_wheel *wheel)
{
    uint8_t found[SHA256_SIZE];
    return file_exists(path) && sha256_file(path, found, NULL) == 0 &&
           crypto_equal(found, wheel->sha256, sizeof(found));
}

static int keep(const char *folder, const char *from, const char *name, struct lock_wheel *wheel,
                struct err *err)
{
    AUTO_FREE char *file = path_join(from, name, err);
    if (file == NULL || lock_wheel_name(name, wheel, err) < 0 ||
        sha256_file(file, wheel->sha256, err) < 0)
        return -1;
    AUTO_FREE char *path = kept_path(folder, wheel, err);
    if (path == NULL)
        return -1;
    return rename(file, path) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot keep '%s'", path);
}

struct keeping {
    const char *folder;
    const char *from;
    struct requirements_lock *lock;
};

static int keep_wheel(void *context, const char *name, struct err *err)
{
    const struct keeping *keeping = context;
    struct requirements_lock *lock = keeping->lock;
    if (name[0] == '.' || !str_ends_with(name, ".whl"))
        return 0;
    if (lock->count == LAYER_WHEELS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "more than %d packages", LAYER_WHEELS_MAX);
    if (keep(keeping->folder, keeping->from, name, &lock->wheels[lock->count], err) < 0)
        return -1;
    lock->count++;
    return 0;
}

/* Every file that pip left. */
static int keep_all(const char *folder, const char *from, struct requirements_lock *lock,
                    struct err *err)
{
    struct keeping keeping = {folder, from, lock};
    lock->wheels = mem_alloc_array(LAYER_WHEELS_MAX, sizeof(*lock->wheels), err);
    return lock->wheels == NULL ? -1 : folder_each(from, keep_wheel, &keeping, err);
}

/* A folder beside what is kept, so that files can be renamed into it. */
static int fetch(const char *python, struct slice lines, const char *const *more,
                 struct requirements_lock *ret, struct err *err)
{
    AUTO_FREE char *folder = kept_folder(err);
    AUTO_FREE char *from = folder == NULL ? NULL : str_printf(err, "%s/.fetch-XXXXXX", folder);
    if (from == NULL)
        return -1;
    if (mkdtemp(from) == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot make a folder in '%s'", folder);
    AUTO_FREE char *file = path_join(from, ".requirements.txt", err);
    int result = file == NULL ? -1 : file_write_atomic(file, lines, 0600, err);
    if (result == 0)
        result = pip_download(python, file, from, more, err);
    if (result == 0)
        result = keep_all(folder, from, ret, err);
    struct err ignored = ERR_INIT;
    (void)!folder_remove_tree(from, &ignored);
    if (result < 0)
        lock_done(ret);
    return result;
}

int wheels_resolve(const char *python, struct slice requirements, struct requirements_lock *ret,
                   struct err *err)
{
    static const char *const none[] = {NULL};
    struct requirements_lock about = {.count = 0};
    if (python == NULL)
        python = DEFAULT_PYTHON;
    if (ask_python(python, &about, err) < 0)
        return -1;
    if (fetch(python, requirements, none, ret, err) < 0) {
        err_hint(err, "only wheels are taken, since nothing of a package may run here; of one that "
                      "has none, 'pip wheel' makes one, and PIP_FIND_LINKS names its folder");
        return -1;
    }
    memcpy(ret->python, about.python, sizeof(ret->python));
    memcpy(ret->machine, about.machine, sizeof(ret->machine));
    return 0;
}

/* --- the layer --- */

static const struct lock_wheel *find_missing(const struct requirements_lock *lock,
                                             const char *folder)
{
    for (size_t i = 0; i < lock->count; i++) {
        AUTO_FREE char *path = kept_path(folder, &lock->wheels[i], NULL);
        if (path == NULL || !is_kept(path, &lock->wheels[i]))
            return &lock->wheels[i];
    }
    return NULL;
}

/* Nothing is resolved: each line says its wheel. */
static int fetch_missing(const struct requirements_lock *lock, const char *folder, struct err *err)
{
    AUTO_BUF struct buf lines = BUF_INIT(LOCK_MAX);
    struct requirements_lock sorted = *lock; /* it is sorted already: lock_decode */
    AUTO_LOCK struct requirements_lock fetched = {.count = 0};
    const char *const more[] = {"--no-deps",  "--require-hashes", "--python-version",
                                lock->python, "--implementation", "cp",
                                NULL};
    const struct lock_wheel *missing = find_missing(lock, folder);
    if (missing == NULL)
        return 0;
    if (lock_encode(&sorted, &lines, err) < 0)
        return -1;
    if (fetch(DEFAULT_PYTHON, buf_slice(&lines), more, &fetched, err) < 0) {
        err_hint(err,
                 "the wheel of '%s' that " LOCK_FILE " names is not on this machine and could "
                 "not be fetched; 'mse lock' resolves anew",
                 missing->name);
        return FAIL_CONTEXT(err, LOCK_FILE);
    }
    missing = find_missing(lock, folder);
    return missing == NULL
               ? 0
               : FAIL(err, ERR_APP, "pip fetched another wheel of '%s' than the lock names",
                      missing->name);
}

static int read_block(void *context, uint64_t index, uint8_t block[static VERITY_BLOCK_SIZE],
                      struct err *err)
{
    const int *fd = context;
    const off_t at = (off_t)(index * VERITY_BLOCK_SIZE);
    if (pread(*fd, block, VERITY_BLOCK_SIZE, at) != VERITY_BLOCK_SIZE)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the layer again");
    return 0;
}

static int make(const struct requirements_lock *lock, const char *folder, struct layer_image *image,
                struct err *err)
{
    char **paths = mem_alloc_array(lock->count, sizeof(*paths), err);
    int result = paths == NULL ? -1 : 0;
    for (size_t i = 0; i < lock->count && result == 0; i++) {
        paths[i] = kept_path(folder, &lock->wheels[i], err);
        result = paths[i] == NULL ? -1 : 0;
    }
    if (result == 0)
        result = layer_write((const char *const *)paths, lock->count, image->fd, &image->made, err);
    for (size_t i = 0; paths != NULL && i < lock->count; i++)
        free(paths[i]);
    free(paths);
    if (result < 0)
        return -1;
    image->verity.blocks = image->made.blocks;
    return verity_root(image->made.blocks, read_block, &image->fd, image->verity.root, err);
}

int wheels_layer(const struct requirements_lock *lock, struct layer_image *ret, struct err *err)
{
    AUTO_FREE char *folder = kept_folder(err);
    struct layer_image image = {.fd = -1};
    if (folder == NULL || fetch_missing(lock, folder, err) < 0 ||
        file_open_unnamed(&image.fd, err) < 0)
        return -1;
    if (make(lock, folder, &image, err) < 0) {
        fd_close(image.fd);
        return -1;
    }
    *ret = image;
    return 0;
}
