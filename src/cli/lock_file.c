// SPDX-License-Identifier: Apache-2.0
/*
 * See lock_file.h. A lock can come from somebody else (`mse verify --code`), so it is read as
 * strictly as a manifest: read and written again it must be the same bytes.
 */
#include "cli/lock_file.h"

#include "base/text.h"
#include "model/environment.h"
#include "model/requirements.h"

#include <stdio.h>
#include <stdlib.h>

#define HASH " --hash=sha256:"

void lock_done(struct requirements_lock *lock)
{
    free(lock->wheels);
    *lock = (struct requirements_lock){0};
}

/* --- writing --- */

static int compare_wheels(const void *a, const void *b)
{
    return strcmp(((const struct lock_wheel *)a)->name, ((const struct lock_wheel *)b)->name);
}

int lock_encode(struct requirements_lock *lock, struct buf *out, struct err *err)
{
    char hex[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(lock->requirements, SHA256_SIZE), hex);
    if (lock->count > 1)
        qsort(lock->wheels, lock->count, sizeof(*lock->wheels), compare_wheels);
    if (buf_printf(out, err, "# mse lock %d\n# python %s\n# machine %s\n# requirements sha256:%s\n",
                   LOCK_FORMAT, lock->python, lock->machine, hex) < 0)
        return -1;
    for (size_t i = 0; i < lock->count; i++) {
        const struct lock_wheel *wheel = &lock->wheels[i];
        if (i > 0 && strcmp(lock->wheels[i - 1].name, wheel->name) == 0)
            return FAIL(err, ERR_CONFLICT, "two wheels of '%s'", wheel->name);
        hex_encode(slice_of(wheel->sha256, SHA256_SIZE), hex);
        if (buf_printf(out, err, "%s==%s" HASH "%s\n", wheel->name, wheel->version, hex) < 0)
            return -1;
    }
    return 0;
}

/* --- names --- */

static bool is_word(const char *text, const char *more)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (text[0] == '\0' || strchr(word, text[0]) == NULL)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (strchr(word, *c) == NULL && strchr(more, *c) == NULL)
            return false;
    }
    return true;
}

/* Copies up to `end`, which is in `text`. */
static bool cut(const char *text, const char *end, char ret[static LOCK_NAME_SIZE])
{
    if (end == NULL || end - text >= LOCK_NAME_SIZE)
        return false;
    (void)snprintf(ret, LOCK_NAME_SIZE, "%.*s", (int)(end - text), text);
    return true;
}

static bool is_valid(const struct lock_wheel *wheel)
{
    return is_word(wheel->name, "._-") && is_word(wheel->version, "._+!");
}

int lock_wheel_name(const char *file, struct lock_wheel *ret, struct err *err)
{
    struct lock_wheel wheel = {.name = ""};
    const char *dash = strchr(file, '-');
    if (str_ends_with(file, ".whl") && cut(file, dash, wheel.name) &&
        cut(dash + 1, strchr(dash + 1, '-'), wheel.version) && is_valid(&wheel)) {
        *ret = wheel;
        return 0;
    }
    return FAIL(err, ERR_INVALID, "'%.200s' is not the name of a wheel", file);
}

/* --- reading --- */

/* The value behind "# word ", cut at the line's end; moves on. */
static bool take_head(char **rest, const char *word, char *ret, size_t size)
{
    char *line = strsep(rest, "\n");
    size_t len = strlen(word);
    if (line == NULL || strncmp(line, word, len) != 0 || strlen(line + len) >= size)
        return false;
    (void)snprintf(ret, size, "%s", line + len);
    return true;
}

static int take_wheel(char *line, struct lock_wheel *ret, struct err *err)
{
    struct lock_wheel wheel = {.name = ""};
    const char *hash = strstr(line, HASH);
    const char *equal = strstr(line, "==");
    if (hash != NULL && equal != NULL && equal < hash && cut(line, equal, wheel.name) &&
        cut(equal + 2, hash, wheel.version) && is_valid(&wheel) &&
        hex_decode(hash + sizeof(HASH) - 1, "hash", wheel.sha256, SHA256_SIZE, NULL) == 0) {
        *ret = wheel;
        return 0;
    }
    return FAIL(err, ERR_INVALID, "'%.100s' is not NAME==VERSION --hash=sha256:DIGITS", line);
}

static int take_wheels(char *rest, struct requirements_lock *lock, struct err *err)
{
    lock->wheels = mem_alloc_array(LAYER_WHEELS_MAX, sizeof(*lock->wheels), err);
    if (lock->wheels == NULL)
        return -1;
    for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0';
         line = strsep(&rest, "\n")) {
        if (lock->count == LAYER_WHEELS_MAX)
            return FAIL(err, ERR_TOO_LARGE, "more than %d wheels", LAYER_WHEELS_MAX);
        if (take_wheel(line, &lock->wheels[lock->count], err) < 0)
            return -1;
        lock->count++;
    }
    return 0;
}

static int decode(struct slice text, struct requirements_lock *lock, struct err *err)
{
    char format[LOCK_PYTHON_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    AUTO_BUF struct buf again = BUF_INIT(LOCK_MAX);
    AUTO_FREE char *copy = mem_copy(text.data, text.len, err);
    char *rest = copy;
    if (copy == NULL)
        return -1;
    if (!take_head(&rest, "# mse lock ", format, sizeof(format)) || strcmp(format, "1") != 0 ||
        !take_head(&rest, "# python ", lock->python, sizeof(lock->python)) ||
        !take_head(&rest, "# machine ", lock->machine, sizeof(lock->machine)) ||
        !take_head(&rest, "# requirements sha256:", hex, sizeof(hex)) ||
        hex_decode(hex, "requirements", lock->requirements, SHA256_SIZE, NULL) < 0)
        return FAIL(err, ERR_INVALID, "it does not begin as 'mse lock' writes it");
    if (take_wheels(rest, lock, err) < 0 || lock_encode(lock, &again, err) < 0)
        return -1;
    if (!slice_equal(buf_slice(&again), text))
        return FAIL(err, ERR_INVALID, "it was changed by hand, or by another program");
    return 0;
}

int lock_decode(struct slice text, struct requirements_lock *ret, struct err *err)
{
    if (text.len > LOCK_MAX)
        return FAIL(err, ERR_TOO_LARGE, LOCK_FILE ": more than %d bytes", LOCK_MAX);
    if (decode(text, ret, err) == 0)
        return 0;
    lock_done(ret);
    err_hint(err, "'mse lock' writes it anew");
    return FAIL_CONTEXT(err, LOCK_FILE);
}

/* --- what is resolved --- */

int lock_requirements(struct slice requirements, const char *docker, struct buf *out,
                      struct err *err)
{
    static const char *const base[] = {ENVIRONMENT_FLASK_REQUIREMENTS};
    AUTO_BUF struct buf lines = BUF_INIT(LOCK_MAX);
    bool flask = docker == NULL || environment_matches(docker, ENVIRONMENT_FLASK);
    size_t count = 0;
    if (requirements_check(requirements, &lines, &count, err) < 0)
        return -1;
    if (count == 0)
        return 0;
    for (size_t i = 0; flask && i < ARRAY_LEN(base); i++) {
        if (!environment_requirements_hashed(buf_slice(&lines)) &&
            buf_printf(out, err, "%s\n", base[i]) < 0)
            return -1;
    }
    return buf_bytes(out, buf_slice(&lines), err);
}
