// SPDX-License-Identifier: Apache-2.0
/*
 * The names that the kernel knows of in the union, and what is open. A node stays as long as the
 * kernel, a child or an open file needs it; its path is put together from its parents' names. Runs
 * in the union's process.
 */
#include "storage/union.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_MS = 2000 };

static size_t bucket_of(const struct node *parent, const char *name)
{
    uint64_t hash = 14695981039346656037U ^ (uint64_t)(uintptr_t)parent; /* FNV-1a */
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 1099511628211U;
    return (size_t)(hash ^ hash >> 32) % UNION_BUCKETS;
}

struct node *node_of(struct union_fs *fs, uint64_t id)
{
    return id == FUSE_ROOT_ID ? &fs->root : (struct node *)(uintptr_t)id;
}

/* --- under the table's lock --- */

static struct node **find(struct union_fs *fs, const struct node *parent, const char *name)
{
    struct node **at = &fs->buckets[bucket_of(parent, name)];
    while (*at != NULL && ((*at)->parent != parent || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

static void leave_bucket(struct union_fs *fs, struct node *node)
{
    struct node **at = &fs->buckets[bucket_of(node->parent, node->name)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    node->next = NULL;
}

static void enter_bucket(struct union_fs *fs, struct node *node)
{
    struct node **bucket = &fs->buckets[bucket_of(node->parent, node->name)];
    node->next = *bucket;
    *bucket = node;
}

/* Frees it, and then each parent that nobody needs any more. */
static void release(struct union_fs *fs, struct node *node)
{
    while (node != &fs->root && node->lookups == 0 && node->children == 0 &&
           node->handles == NULL) {
        struct node *parent = node->parent;
        if (node->name != NULL)
            leave_bucket(fs, node);
        free(node->name);
        free(node);
        parent->children--;
        node = parent;
    }
}

static void drop_name(struct union_fs *fs, struct node *parent, const char *name)
{
    struct node *node = *find(fs, parent, name);
    if (node == NULL)
        return;
    leave_bucket(fs, node);
    free(node->name);
    node->name = NULL;
}

static struct node *look_up(struct union_fs *fs, struct node *parent, const char *name,
                            bool is_code)
{
    struct node *node = *find(fs, parent, name);
    if (node == NULL) {
        node = mem_alloc(sizeof(*node), NULL);
        char *copy = str_copy(name, NULL);
        if (node == NULL || copy == NULL) {
            free(node);
            free(copy);
            return NULL;
        }
        node->parent = parent;
        node->name = copy;
        node->is_code = is_code;
        parent->children++;
        enter_bucket(fs, node);
    }
    node->lookups++;
    return node;
}

/* --- */

struct node *node_look_up(struct union_fs *fs, struct node *parent, const char *name, bool is_code)
{
    lock_acquire(&fs->table);
    struct node *node = look_up(fs, parent, name, is_code);
    lock_release(&fs->table);
    return node;
}

void node_forget(struct union_fs *fs, struct node *node, uint64_t lookups)
{
    if (node == &fs->root)
        return;
    lock_acquire(&fs->table);
    node->lookups -= lookups < node->lookups ? lookups : node->lookups;
    release(fs, node);
    lock_release(&fs->table);
}

void node_drop_name(struct union_fs *fs, struct node *parent, const char *name)
{
    lock_acquire(&fs->table);
    drop_name(fs, parent, name);
    lock_release(&fs->table);
}

int node_rename(struct union_fs *fs, struct node *from, const char *name, struct node *to,
                const char *new_name)
{
    char *copy = str_copy(new_name, NULL);
    if (copy == NULL)
        return -ENOMEM;
    lock_acquire(&fs->table);
    struct node *node = *find(fs, from, name);
    if (node == NULL) {
        free(copy);
    } else {
        drop_name(fs, to, new_name);
        leave_bucket(fs, node);
        free(node->name);
        node->name = copy;
        node->parent = to;
        to->children++;
        from->children--;
        enter_bucket(fs, node);
        release(fs, from);
    }
    lock_release(&fs->table);
    return 0;
}

/* In front of what is in `path` from *at on. */
static int prepend(char path[static PATH_MAX], size_t *at, const char *part)
{
    size_t len = strlen(part);
    if (len + 1 > *at)
        return -ENAMETOOLONG;
    if (path[*at] != '\0')
        path[--*at] = '/';
    *at -= len;
    memcpy(path + *at, part, len);
    return 0;
}

/* Writes from the end: a parent is known only from its child. `name` may be NULL. */
static int build_path(const struct union_fs *fs, const struct node *node, const char *name,
                      char path[static PATH_MAX])
{
    size_t at = PATH_MAX - 1;
    path[at] = '\0';
    int result = name == NULL ? 0 : prepend(path, &at, name);
    for (; result == 0 && node != &fs->root; node = node->parent)
        result = node->name == NULL ? -ENOENT : prepend(path, &at, node->name);
    if (result < 0)
        return result;
    if (path[at] == '\0')
        path[--at] = '.';
    memmove(path, path + at, PATH_MAX - at);
    return 0;
}

int node_path(struct union_fs *fs, struct node *node, const char *name, char path[static PATH_MAX])
{
    lock_acquire(&fs->table);
    int result = build_path(fs, node, name, path);
    lock_release(&fs->table);
    return result;
}

/* --- what is open --- */

struct handle *handle_new(struct union_fs *fs, struct node *node, int fd)
{
    struct handle *handle = mem_alloc(sizeof(*handle), NULL);
    if (handle == NULL)
        return NULL;
    handle->node = node;
    handle->fd = fd;
    lock_acquire(&fs->table);
    handle->next = node->handles;
    node->handles = handle;
    lock_release(&fs->table);
    return handle;
}

void handle_free(struct union_fs *fs, struct handle *handle)
{
    lock_acquire(&fs->table);
    struct handle **at = &handle->node->handles;
    while (*at != handle)
        at = &(*at)->next;
    *at = handle->next;
    release(fs, handle->node);
    lock_release(&fs->table);
    fd_close(handle->fd);
    free(handle->entries);
    free(handle);
}

int node_open_fd(struct union_fs *fs, const struct node *node)
{
    lock_acquire(&fs->table);
    int fd = node->handles == NULL ? -1 : fcntl(node->handles->fd, F_DUPFD_CLOEXEC, 0);
    lock_release(&fs->table);
    return fd;
}

bool node_is_known(struct union_fs *fs, struct node *parent, const char *name)
{
    lock_acquire(&fs->table);
    const struct node *node = *find(fs, parent, name);
    bool result = node != NULL && node->lookups > 0;
    lock_release(&fs->table);
    return result;
}

bool node_is_fresh(struct union_fs *fs, struct node *parent, const char *name)
{
    lock_acquire(&fs->table);
    const struct node *node = *find(fs, parent, name);
    int64_t made = node == NULL ? 0 : atomic_load(&node->made_ms);
    lock_release(&fs->table);
    return made != 0 && clock_monotonic_ms() - made < FRESH_MS;
}

int union_code(struct union_fs *fs)
{
    if (fs->code_parent < 0)
        return -ENOENT;
    lock_acquire(&fs->table);
    if (fs->code < 0)
        fs->code =
            openat(fs->code_parent, fs->code_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int fd = fs->code < 0 ? -errno : fs->code;
    lock_release(&fs->table);
    return fd;
}
