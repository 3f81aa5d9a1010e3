// SPDX-License-Identifier: Apache-2.0
/*
 * The walk over the code folder. Runs on the owner's machine. Recursion is bounded by
 * ARCHIVE_DEPTH_MAX; folders are opened relative to one another, never through links.
 */
#include "package/tree.h"

#include "base/fd.h"
#include "package/ignore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The names of one folder, sorted. */
struct names {
    char **list;
    size_t count;
    size_t capacity;
};

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static void folder_close(DIR **folder)
{
    if (*folder != NULL)
        (void)closedir(*folder);
}

/* For messages: "the code folder" at the top. */
static const char *show(const char *path)
{
    return path[0] == '\0' ? "." : path;
}

static int names_add(struct names *names, const char *name, struct err *err)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        char **list = mem_resize_array(names->list, capacity, sizeof(*list), err);
        if (list == NULL)
            return -1;
        names->list = list;
        names->capacity = capacity;
    }
    names->list[names->count] = str_copy(name, err);
    if (names->list[names->count] == NULL)
        return -1;
    names->count++;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_read(int fd, const char *path, struct names *names, struct err *err)
{
    AUTO_CLOSE int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the folder '%s'", show(path));
    DIR *folder AUTO(folder_close) = fdopendir(own);
    if (folder == NULL)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the folder '%s'", show(path));
    (void)fd_steal(&own);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL && errno != 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot read the folder '%s'", show(path));
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names->count == ARCHIVE_ITEMS_MAX)
            return FAIL(err, ERR_TOO_LARGE, "the folder '%s' has more than %d entries", show(path),
                        ARCHIVE_ITEMS_MAX);
        if (names_add(names, entry->d_name, err) < 0)
            return -1;
    }
    if (names->count > 0)
        qsort(names->list, names->count, sizeof(*names->list), compare_names);
    return 0;
}

/* What one level of the walk knows. */
struct level {
    struct tree *tree;
    int fd;
    const char *path; /* "" at the top */
    const struct ignore *ignore;
    size_t depth;
    bool gitignore;
};

static int walk(const struct level *level, struct err *err);

/* A new item at the end of the tree, which owns it from then on. */
static struct tree_item *add_item(struct tree *tree, struct tree_item item, struct err *err)
{
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity == 0 ? 64 : tree->capacity * 2;
        struct tree_item *items = mem_resize_array(tree->items, capacity, sizeof(*items), err);
        if (items == NULL)
            return NULL;
        tree->items = items;
        tree->capacity = capacity;
    }
    tree->items[tree->count] = item;
    return &tree->items[tree->count++];
}

static int add_named(const struct level *level, enum archive_record type, char **path,
                     const struct stat *status, struct tree_item **ret, struct err *err)
{
    struct tree *tree = level->tree;
    if (tree->totals.files + tree->totals.folders + tree->totals.links >= ARCHIVE_ITEMS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "the code has more than %d files and folders",
                    ARCHIVE_ITEMS_MAX);
    struct tree_item *item =
        add_item(tree, (struct tree_item){.type = type, .status = *status}, err);
    if (item == NULL)
        return -1;
    item->path = STEAL(*path);
    item->name = strrchr(item->path, '/') == NULL ? item->path : strrchr(item->path, '/') + 1;
    *ret = item;
    return 0;
}

static int add_file(const struct level *level, char **path, const struct stat *status,
                    struct err *err)
{
    bool program = (status->st_mode & S_IXUSR) != 0;
    struct tree_item *item;
    if (add_named(level, program ? ARCHIVE_PROGRAM : ARCHIVE_FILE, path, status, &item, err) < 0)
        return -1;
    item->size = (uint64_t)status->st_size;
    struct tree_totals *totals = &level->tree->totals;
    totals->files++;
    totals->content_bytes += item->size;
    if (item->size > ARCHIVE_CONTENT_MAX || totals->content_bytes > ARCHIVE_CONTENT_MAX)
        return FAIL(err, ERR_TOO_LARGE, "the code has more than %llu bytes",
                    (unsigned long long)ARCHIVE_CONTENT_MAX);
    totals->archive_bytes += archive_record_size(item->type, item->name, NULL) + item->size;
    return 0;
}

static int check_target(const struct level *level, const char *path, const char *name,
                        const char *target, struct err *err)
{
    if (!archive_target_valid(slice_str(target), level->depth)) {
        (void)FAIL(err, ERR_INVALID,
                   "'%s' is a symbolic link to '%s', which leaves the code folder", path, target);
        err_hint(err,
                 "only relative links inside the folder are packed; name it in %s or replace "
                 "it by a copy",
                 IGNORE_FILE_NAME);
        return -1;
    }
    struct stat status;
    if (fstatat(level->fd, name, &status, 0) == 0)
        return 0;
    (void)FAIL_ERRNO(err, ERR_INVALID, "'%s' is a symbolic link to '%s', which cannot be followed",
                     path, target);
    err_hint(err, "remove the link or name it in %s", IGNORE_FILE_NAME);
    return -1;
}

static int add_link(const struct level *level, char **path, const struct stat *status,
                    struct err *err)
{
    const char *name = strrchr(*path, '/') == NULL ? *path : strrchr(*path, '/') + 1;
    char target[ARCHIVE_TARGET_MAX + 2];
    ssize_t len = readlinkat(level->fd, name, target, sizeof(target) - 1);
    if (len < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot read the link '%s'", *path);
    target[len] = '\0';
    if (check_target(level, *path, name, target, err) < 0)
        return -1;
    struct tree_item *item;
    if (add_named(level, ARCHIVE_LINK, path, status, &item, err) < 0)
        return -1;
    item->target = str_copy(target, err);
    if (item->target == NULL)
        return -1;
    level->tree->totals.links++;
    level->tree->totals.archive_bytes +=
        archive_record_size(ARCHIVE_LINK, item->name, item->target);
    return 0;
}

static int add_folder(const struct level *level, char **path, const struct stat *status,
                      struct err *err)
{
    if (level->depth == ARCHIVE_DEPTH_MAX)
        return FAIL(err, ERR_INVALID, "'%s': more than %d folders inside one another", *path,
                    ARCHIVE_DEPTH_MAX);
    struct tree *tree = level->tree;
    struct tree_item *item;
    if (add_named(level, ARCHIVE_FOLDER, path, status, &item, err) < 0)
        return -1;
    const char *item_path =
        item->path; /* `item` moves when the tree grows, what it owns does not */
    tree->totals.folders++;
    tree->totals.archive_bytes += archive_record_size(ARCHIVE_FOLDER, item->name, NULL);
    AUTO_CLOSE int fd =
        openat(level->fd, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot open the folder '%s'", item_path);
    struct level below = {tree, fd, item_path, level->ignore, level->depth + 1, level->gitignore};
    if (walk(&below, err) < 0)
        return -1;
    tree->totals.archive_bytes += archive_record_size(ARCHIVE_FOLDER_END, NULL, NULL);
    return add_item(tree, (struct tree_item){.type = ARCHIVE_FOLDER_END}, err) == NULL ? -1 : 0;
}

static int refuse_special(const char *path, mode_t mode, struct err *err)
{
    const char *what = S_ISSOCK(mode)   ? "a socket"
                       : S_ISFIFO(mode) ? "a pipe"
                       : S_ISCHR(mode)  ? "a character device"
                       : S_ISBLK(mode)  ? "a block device"
                                        : "of an unknown type";
    (void)FAIL(err, ERR_INVALID, "'%s' is %s: only files, folders and links can be packed", path,
               what);
    err_hint(err, "remove it from the code folder or name it in %s", IGNORE_FILE_NAME);
    return -1;
}

static int visit(const struct level *level, const char *name, struct err *err)
{
    AUTO_FREE char *path =
        level->path[0] == '\0' ? str_copy(name, err) : str_printf(err, "%s/%s", level->path, name);
    if (path == NULL)
        return -1;
    struct stat status;
    if (fstatat(level->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot look at '%s'", path);
    if (ignore_match(level->ignore, path, S_ISDIR(status.st_mode)))
        return 0;
    if (!archive_name_valid(slice_str(name)) || strlen(path) > TREE_PATH_MAX)
        return FAIL(err, ERR_INVALID,
                    "'%s': names must be UTF-8 without control characters, paths at most %d bytes",
                    path, TREE_PATH_MAX);
    if (S_ISREG(status.st_mode))
        return add_file(level, &path, &status, err);
    if (S_ISDIR(status.st_mode))
        return add_folder(level, &path, &status, err);
    if (S_ISLNK(status.st_mode))
        return add_link(level, &path, &status, err);
    return refuse_special(path, status.st_mode, err);
}

/* The rules of this folder's own file of that name, where there is one; else *ret stays NULL. */
static int read_ignore(const struct level *level, const struct names *names, const char *wanted,
                       struct ignore **ret, struct err *err)
{
    if (names->count == 0 ||
        bsearch(&wanted, names->list, names->count, sizeof(*names->list), compare_names) == NULL)
        return 0;
    AUTO_CLOSE int fd = -1;
    if (fd_open_at(level->fd, wanted, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err) < 0)
        return FAIL_CONTEXT(err, "%s", show(level->path));
    AUTO_BUF struct buf text = BUF_INIT(IGNORE_FILE_MAX);
    if (fd_read_all(fd, &text, err) < 0)
        return FAIL_CONTEXT(err, "%s/%s", show(level->path), wanted);
    return ignore_new(buf_slice(&text), level->ignore, level->path, ret, err);
}

static int walk(const struct level *level, struct err *err)
{
    struct names names AUTO(names_done) = {0};
    if (names_read(level->fd, level->path, &names, err) < 0)
        return -1;
    AUTO_IGNORE struct ignore *git = NULL;
    AUTO_IGNORE struct ignore *own = NULL; /* overrules git's, so it is freed first */
    struct level here = *level;
    if (level->gitignore && read_ignore(&here, &names, ".gitignore", &git, err) < 0)
        return -1;
    if (git != NULL)
        here.ignore = git;
    if (read_ignore(&here, &names, IGNORE_FILE_NAME, &own, err) < 0)
        return -1;
    if (own != NULL)
        here.ignore = own;
    for (size_t i = 0; i < names.count; i++) {
        if (visit(&here, names.list[i], err) < 0)
            return -1;
    }
    return 0;
}

int tree_scan(const char *folder, struct tree **ret, struct err *err)
{
    static const struct tree_rules none;
    return tree_scan_with(folder, &none, ret, err);
}

int tree_scan_with(const char *folder, const struct tree_rules *more, struct tree **ret,
                   struct err *err)
{
    AUTO_TREE struct tree *tree = mem_alloc(sizeof(*tree), err);
    if (tree == NULL)
        return -1;
    tree->fd = -1;
    tree->folder = str_copy(folder, err);
    if (tree->folder == NULL)
        return -1;
    tree->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree->fd < 0)
        return FAIL_ERRNO(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                          "cannot open the code folder '%s'", folder);
    AUTO_IGNORE struct ignore *defaults = NULL;
    AUTO_IGNORE struct ignore *added = NULL;
    if (ignore_new_default(&defaults, err) < 0 ||
        ignore_new(more->rules, defaults, "", &added, err) < 0)
        return -1;
    struct level top = {tree, tree->fd, "", added, 0, more->gitignore};
    if (walk(&top, err) < 0)
        return FAIL_CONTEXT(err, "code folder '%s'", folder);
    uint64_t exact = ARCHIVE_HEADER_SIZE + tree->totals.archive_bytes +
                     archive_record_size(ARCHIVE_END, NULL, NULL);
    tree->totals.archive_bytes = archive_padded_size(exact);
    *ret = STEAL(tree);
    return 0;
}

void tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->items[i].path);
        free(tree->items[i].target);
    }
    free(tree->items);
    free(tree->folder);
    fd_close(tree->fd);
    free(tree);
}

const struct tree_item *tree_find(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->items[i].path != NULL && strcmp(tree->items[i].path, path) == 0)
            return &tree->items[i];
    }
    return NULL;
}
