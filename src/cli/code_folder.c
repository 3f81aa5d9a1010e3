// SPDX-License-Identifier: Apache-2.0
/*
 * The rules that mse.toml adds to .mseignore, and the look at what they left.
 */
#include "cli/code_folder.h"

#include "base/file.h"
#include "package/ignore.h"

#include <stddef.h>
#include <sys/stat.h>

/* What mse.toml names and the package must not have, or need not. */
static const struct named {
    size_t offset;      /* of a path in struct app_config, which may be NULL */
    const char *secret; /* what it is, where it must never be packed */
} outside[] = {
    {offsetof(struct app_config, ssl_private_key), "the TLS private key"},
    {offsetof(struct app_config, secrets), "the secrets file"},
    {offsetof(struct app_config, path), NULL},
    {offsetof(struct app_config, tests), NULL},
};

static const char *path_of(const struct app_config *config, const struct named *named)
{
    const char *path;
    memcpy(&path, (const char *)config + named->offset, sizeof(path));
    return path;
}

/* A rule for one path below the code folder, by its bytes. */
static int add_rule(struct buf *rules, const char *path, struct err *err)
{
    if (buf_str(rules, "/", err) < 0)
        return -1;
    for (const char *p = path; *p != '\0'; p++) {
        /* gitignore(5): a backslash takes the next byte as it is; a line's end cannot be written */
        if (*p == '\n')
            return FAIL(err, ERR_INVALID, "'%s' has a line break in its name", path);
        if (strchr("*?[\\ ", *p) != NULL && buf_str(rules, "\\", err) < 0)
            return -1;
        if (buf_u8(rules, (uint8_t)*p, err) < 0)
            return -1;
    }
    return buf_str(rules, "\n", err);
}

static int add_if_inside(struct buf *rules, const char *code, const char *path, struct err *err)
{
    size_t len = strlen(code);
    if (!path_is_inside(path, code) || path[len] == '\0')
        return 0;
    return add_rule(rules, path + len + (path[len] == '/' ? 1 : 0), err);
}

/* The file by its own place, and by the place that its name is at: a link may lead in or out. */
static int add_named(struct buf *rules, const char *code, const char *path, struct err *err)
{
    struct err ignored = ERR_INIT;
    AUTO_FREE char *resolved = path_resolve(path, &ignored);
    AUTO_FREE char *folder = path_folder(path, err);
    AUTO_FREE char *place = folder == NULL ? NULL : path_resolve(folder, &ignored);
    if (folder == NULL)
        return -1;
    if (resolved != NULL && add_if_inside(rules, code, resolved, err) < 0)
        return -1;
    if (place == NULL)
        return 0;
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *named = path_join(place, slash == NULL ? path : slash + 1, err);
    return named == NULL ? -1 : add_if_inside(rules, code, named, err);
}

/* Is the code folder the one that mse.toml lies in? */
static bool is_project_folder(const struct app_config *config, const char *code)
{
    struct err ignored = ERR_INIT;
    AUTO_FREE char *folder = path_resolve(config->folder, &ignored);
    return folder != NULL && strcmp(folder, code) == 0;
}

static int refuse_secret(const struct app_config *config, const struct named *named,
                         const struct tree *tree, struct err *err)
{
    const char *path = path_of(config, named);
    struct stat status;
    if (named->secret == NULL || path == NULL || stat(path, &status) < 0)
        return 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_item *item = &tree->items[i];
        if (item->path == NULL || item->status.st_ino != status.st_ino ||
            item->status.st_dev != status.st_dev)
            continue;
        app_config_fail(config, named->offset, err,
                        "%s '%s' would be packed with the code, as '%s'", named->secret, path,
                        item->path);
        err_hint(err, "secrets never go with the code: move it, or name '%s' in %s", item->path,
                 IGNORE_FILE_NAME);
        return -1;
    }
    return 0;
}

int code_folder_scan(const struct app_config *config, struct tree **ret, struct err *err)
{
    AUTO_BUF struct buf rules = BUF_INIT(IGNORE_FILE_MAX);
    AUTO_TREE struct tree *tree = NULL;
    AUTO_FREE char *code = path_resolve(config->code, err);
    if (code == NULL)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        const char *path = path_of(config, &outside[i]);
        if (path != NULL && add_named(&rules, code, path, err) < 0)
            return -1;
    }
    const struct tree_rules more = {.rules = buf_slice(&rules),
                                    .gitignore = is_project_folder(config, code)};
    if (tree_scan_with(config->code, &more, &tree, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        if (refuse_secret(config, &outside[i], tree, err) < 0)
            return -1;
    }
    *ret = STEAL(tree);
    return 0;
}

int code_folder_scan_published(const char *folder, struct tree **ret, struct err *err)
{
    AUTO_APP_CONFIG struct app_config config = {0};
    AUTO_FREE char *path = path_join(folder, "mse.toml", err);
    if (path == NULL)
        return -1;
    if (!file_exists(path))
        return tree_scan(folder, ret, err);
    if (app_config_read(path, &config, err) < 0)
        return -1;
    struct err ignored = ERR_INIT;
    AUTO_FREE char *code = path_resolve(config.code, &ignored);
    if (code == NULL || !is_project_folder(&config, code))
        return tree_scan(folder, ret, err); /* it belongs to another folder, or is code itself */
    return code_folder_scan(&config, ret, err);
}
