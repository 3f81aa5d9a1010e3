// SPDX-License-Identifier: Apache-2.0
/*
 * See erofs.h. In the file: a block that begins with the superblock, inodes of 32 bytes behind it,
 * the blocks of folders, the blocks of files. Folders are few and small and are made in memory;
 * files are passed through. Runs on the owner's machine on names that come from outside.
 */
#include "package/erofs.h"

#include "base/fd.h"
#include "base/mem.h"
#include "package/archive.h"

#include <stdlib.h>
#include <sys/stat.h>

enum {
    MAGIC = (int)0xe0f5e1e2,
    SUPER_OFFSET = 1024,
    SUPER_SIZE = 128,
    INODE_SIZE = 32,
    FIRST_INODE = (SUPER_OFFSET + SUPER_SIZE) / INODE_SIZE, /* an inode's number is its place */
    BLOCK_BITS = 12,
    DIRENT_SIZE = 12,
    TYPE_FILE = 1,
    TYPE_FOLDER = 2,
    SUBFOLDERS_MAX = 65000, /* links of a folder have 16 bits */
    NODES_MAX = 4 * EROFS_FILES_MAX,
    META_MAX = 512 << 20,
    PIECE = 256 * 1024,
};

/* An inode, or one of the names "." and "..", which only stand for one. */
struct node {
    const char *name;
    size_t name_len;
    size_t parent;
    size_t inode_of; /* itself; for "." and ".." the folder that they mean */
    bool folder;
    size_t file; /* index in `files` */
    uint64_t size;
    uint32_t links;
    uint32_t block; /* where its bytes begin */
};

struct image {
    const struct erofs_file *files;
    size_t file_count;
    struct node *nodes;
    size_t inodes; /* the nodes before this are inodes, [0] the top folder; the rest are dots */
    size_t count;
    size_t room;
    size_t *order; /* all but the top folder, by folder and name */
};

struct erofs_writer {
    int fd;
    struct buf piece;
    uint64_t left; /* of the file that is being written */
};

/* --- the tree --- */

static void image_done(struct image *image)
{
    free(image->nodes);
    free(image->order);
}

static int add_node(struct image *image, const struct node *node, struct err *err)
{
    if (image->count == NODES_MAX)
        return FAIL(err, ERR_TOO_LARGE, "layer: more than %d files and folders", NODES_MAX);
    if (image->count == image->room) {
        size_t room = image->room * 2 + 256;
        struct node *nodes = mem_resize_array(image->nodes, room, sizeof(*nodes), err);
        if (nodes == NULL)
            return -1;
        image->nodes = nodes;
        image->room = room;
    }
    image->nodes[image->count] = *node;
    image->nodes[image->count].inode_of =
        node->inode_of == SIZE_MAX ? image->count : node->inode_of;
    image->count++;
    return 0;
}

/* The folders that the path before led through, from the top. */
struct trail {
    size_t folders[EROFS_DEPTH_MAX + 1];
    size_t depth;
};

static bool is_named(const struct node *node, struct slice name)
{
    return slice_equal(slice_of(node->name, node->name_len), name);
}

/* The folder `name` at this depth: the one that the path before went through, or a new one. Paths
 * come in order, so one that was left is not met again. */
static int enter_folder(struct image *image, struct trail *trail, size_t depth, struct slice name,
                        struct err *err)
{
    if (depth == EROFS_DEPTH_MAX)
        return FAIL(err, ERR_TOO_LARGE, "more than %d folders inside one another", EROFS_DEPTH_MAX);
    if (trail->depth > depth && is_named(&image->nodes[trail->folders[depth + 1]], name))
        return 0;
    const struct node folder = {.name = (const char *)name.data,
                                .name_len = name.len,
                                .parent = trail->folders[depth],
                                .inode_of = SIZE_MAX,
                                .folder = true,
                                .links = 2};
    struct node *parent = &image->nodes[trail->folders[depth]];
    if (++parent->links > SUBFOLDERS_MAX)
        return FAIL(err, ERR_TOO_LARGE, "a folder has more than %d folders", SUBFOLDERS_MAX);
    trail->depth = depth + 1;
    trail->folders[depth + 1] = image->count;
    return add_node(image, &folder, err);
}

static int add_file(struct image *image, struct trail *trail, size_t index, struct err *err)
{
    const struct erofs_file *file = &image->files[index];
    const char *name = file->path;
    size_t depth = 0;
    if (file->size > EROFS_FILE_MAX)
        return FAIL(err, ERR_TOO_LARGE, "it has %llu bytes, at most %llu can be kept",
                    (unsigned long long)file->size, (unsigned long long)EROFS_FILE_MAX);
    for (;;) {
        size_t len = strcspn(name, "/");
        if (!archive_name_valid(slice_of(name, len)))
            return FAIL(err, ERR_INVALID, "no path of a file below a folder");
        if (name[len] == '\0')
            break;
        if (enter_folder(image, trail, depth, slice_of(name, len), err) < 0)
            return -1;
        name += len + 1;
        depth++;
    }
    const struct node node = {.name = name,
                              .name_len = strlen(name),
                              .parent = trail->folders[depth],
                              .inode_of = SIZE_MAX,
                              .file = index,
                              .size = file->size,
                              .links = 1};
    return add_node(image, &node, err);
}

/* Their places among the names are found with the others'. */
static int add_dots(struct image *image, struct err *err)
{
    image->inodes = image->count;
    for (size_t i = 0; i < image->inodes; i++) {
        const size_t parent = image->nodes[i].parent;
        const struct node dot = {.name = ".", .name_len = 1, .parent = i, .inode_of = i};
        const struct node up = {.name = "..", .name_len = 2, .parent = i, .inode_of = parent};
        if (image->nodes[i].folder &&
            (add_node(image, &dot, err) < 0 || add_node(image, &up, err) < 0))
            return -1;
    }
    return 0;
}

static int compare_nodes(const void *a, const void *b, void *context)
{
    const struct image *image = context;
    const struct node *one = &image->nodes[*(const size_t *)a];
    const struct node *two = &image->nodes[*(const size_t *)b];
    if (one->parent != two->parent)
        return one->parent < two->parent ? -1 : 1;
    size_t len = one->name_len < two->name_len ? one->name_len : two->name_len;
    int result = memcmp(one->name, two->name, len);
    if (result != 0 || one->name_len == two->name_len)
        return result;
    return one->name_len < two->name_len ? -1 : 1;
}

static int sort(struct image *image, struct err *err)
{
    size_t count = image->count - 1;
    image->order = mem_alloc_array(count, sizeof(*image->order), err);
    if (image->order == NULL)
        return -1;
    for (size_t i = 0; i < count; i++)
        image->order[i] = i + 1;
    qsort_r(image->order, count, sizeof(*image->order), compare_nodes, image);
    for (size_t i = 1; i < count; i++) {
        const struct node *node = &image->nodes[image->order[i]];
        if (compare_nodes(&image->order[i - 1], &image->order[i], image) == 0)
            return FAIL(err, ERR_INVALID,
                        "layer: two files, or a file and a folder, are called '%.*s'",
                        (int)node->name_len, node->name);
    }
    return 0;
}

static int check_order(const struct erofs_file *files, size_t count, struct err *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(files[i - 1].path, files[i].path) >= 0)
            return FAIL(err, ERR_INVALID, "layer: '%.200s' is there twice, or not in its place",
                        files[i].path);
        if (files[i].size > EROFS_BYTES_MAX - bytes)
            return FAIL(err, ERR_TOO_LARGE, "layer: the files have more than %llu bytes",
                        (unsigned long long)EROFS_BYTES_MAX);
        bytes += files[i].size;
    }
    return 0;
}

static int make_tree(struct image *image, struct err *err)
{
    static const struct node top = {.folder = true, .links = 2, .inode_of = SIZE_MAX};
    struct trail trail = {0};
    if (image->file_count > EROFS_FILES_MAX)
        return FAIL(err, ERR_TOO_LARGE, "layer: more than %d files", EROFS_FILES_MAX);
    if (check_order(image->files, image->file_count, err) < 0 || add_node(image, &top, err) < 0)
        return -1;
    for (size_t i = 0; i < image->file_count; i++) {
        if (add_file(image, &trail, i, err) < 0)
            return FAIL_CONTEXT(err, "layer: '%.200s'", image->files[i].path);
    }
    return add_dots(image, err) < 0 ? -1 : sort(image, err);
}

/* --- folders --- */

static int zeros(struct buf *out, size_t count, struct err *err)
{
    uint8_t *place = buf_reserve(out, count, err);
    if (place == NULL)
        return -1;
    memset(place, 0, count);
    out->len += count;
    return 0;
}

static size_t up_to_block(uint64_t len)
{
    return (size_t)(-len & (EROFS_BLOCK_SIZE - 1));
}

/* How many names from `first` on fit into one block, of the `count` of a folder. */
static size_t names_of_block(const struct image *image, size_t first, size_t count)
{
    size_t used = 0;
    size_t names = 0;
    for (; names < count; names++) {
        used += DIRENT_SIZE + image->nodes[image->order[first + names]].name_len;
        if (used > EROFS_BLOCK_SIZE)
            break;
    }
    return names;
}

/* First all entries, then all names. */
static int put_names(const struct image *image, size_t first, size_t count, struct buf *out,
                     struct err *err)
{
    size_t offset = count * DIRENT_SIZE;
    for (size_t i = first; i < first + count; i++) {
        const struct node *node = &image->nodes[image->order[i]];
        const bool folder = image->nodes[node->inode_of].folder;
        if (buf_u64le(out, FIRST_INODE + node->inode_of, err) < 0 ||
            buf_u16le(out, (uint16_t)offset, err) < 0 ||
            buf_u8(out, folder ? TYPE_FOLDER : TYPE_FILE, err) < 0 || buf_u8(out, 0, err) < 0)
            return -1;
        offset += node->name_len;
    }
    for (size_t i = first; i < first + count; i++) {
        const struct node *node = &image->nodes[image->order[i]];
        if (buf_bytes(out, slice_of(node->name, node->name_len), err) < 0)
            return -1;
    }
    return 0;
}

/* `out` holds whole blocks, the first of which is number `base` of the file system. */
static int put_folder(struct image *image, size_t first, size_t count, uint64_t base,
                      struct buf *out, struct err *err)
{
    struct node *folder = &image->nodes[image->nodes[image->order[first]].parent];
    size_t start = out->len;
    folder->block = (uint32_t)(base + start / EROFS_BLOCK_SIZE);
    while (count > 0) {
        size_t names = names_of_block(image, first, count);
        if (zeros(out, up_to_block(out->len), err) < 0 ||
            put_names(image, first, names, out, err) < 0)
            return -1;
        first += names;
        count -= names;
    }
    folder->size = out->len - start;
    return zeros(out, up_to_block(out->len), err);
}

static int put_folders(struct image *image, uint64_t base, struct buf *out, struct err *err)
{
    const size_t total = image->count - 1;
    for (size_t first = 0; first < total;) {
        const size_t parent = image->nodes[image->order[first]].parent;
        size_t count = 1;
        while (first + count < total && image->nodes[image->order[first + count]].parent == parent)
            count++;
        if (put_folder(image, first, count, base, out, err) < 0)
            return -1;
        first += count;
    }
    return 0;
}

/* --- inodes --- */

static uint64_t blocks_of(uint64_t bytes)
{
    return (bytes + EROFS_BLOCK_SIZE - 1) / EROFS_BLOCK_SIZE;
}

/* Files follow one another; returns the block behind the last. */
static uint64_t place_files(struct image *image, uint64_t block)
{
    for (size_t i = 0; i < image->inodes; i++) {
        struct node *node = &image->nodes[i];
        if (node->folder)
            continue;
        node->block = node->size == 0 ? 0 : (uint32_t)block;
        block += blocks_of(node->size);
    }
    return block;
}

/* struct erofs_super_block */
static int put_super(const struct image *image, uint64_t blocks, struct buf *out, struct err *err)
{
    if (zeros(out, SUPER_OFFSET, err) < 0 || buf_u32le(out, (uint32_t)MAGIC, err) < 0 ||
        buf_u32le(out, 0, err) < 0 || buf_u32le(out, 0, err) < 0 || /* checksum: verity has one */
        buf_u8(out, BLOCK_BITS, err) < 0 || buf_u8(out, 0, err) < 0 ||
        buf_u16le(out, FIRST_INODE, err) < 0 || buf_u64le(out, image->inodes, err) < 0)
        return -1;
    if (buf_u64le(out, 0, err) < 0 || buf_u32le(out, 0, err) < 0 || /* the time */
        buf_u32le(out, (uint32_t)blocks, err) < 0)
        return -1;
    return zeros(out, SUPER_OFFSET + SUPER_SIZE - out->len, err);
}

/* struct erofs_inode_compact, plain bytes */
static int put_inode(const struct node *node, size_t number, struct buf *out, struct err *err)
{
    const uint16_t mode = node->folder ? S_IFDIR | 0755 : S_IFREG | 0644;
    if (buf_u32le(out, 0, err) < 0 || buf_u16le(out, mode, err) < 0 ||
        buf_u16le(out, (uint16_t)node->links, err) < 0 ||
        buf_u32le(out, (uint32_t)node->size, err) < 0 || buf_u32le(out, 0, err) < 0)
        return -1;
    if (buf_u32le(out, node->block, err) < 0 || buf_u32le(out, (uint32_t)(number + 1), err) < 0)
        return -1;
    return zeros(out, 8, err); /* of root, reserved */
}

static int put_meta(struct image *image, struct buf *out, uint64_t *ret_blocks, struct err *err)
{
    AUTO_BUF struct buf folders = BUF_INIT(META_MAX);
    uint64_t meta = blocks_of((uint64_t)(FIRST_INODE + image->inodes) * INODE_SIZE);
    if (put_folders(image, meta, &folders, err) < 0)
        return -1;
    *ret_blocks = place_files(image, meta + folders.len / EROFS_BLOCK_SIZE);
    if (put_super(image, *ret_blocks, out, err) < 0)
        return -1;
    for (size_t i = 0; i < image->inodes; i++) {
        if (put_inode(&image->nodes[i], i, out, err) < 0)
            return -1;
    }
    return zeros(out, up_to_block(out->len), err) < 0 ? -1
                                                      : buf_bytes(out, buf_slice(&folders), err);
}

/* --- files --- */

static int flush(struct erofs_writer *to, struct err *err)
{
    if (fd_write_all(to->fd, buf_slice(&to->piece), err) < 0)
        return FAIL_CONTEXT(err, "layer");
    to->piece.len = 0;
    return 0;
}

static int put(struct erofs_writer *to, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        size_t room = PIECE - to->piece.len;
        size_t len = bytes.len < room ? bytes.len : room;
        if (buf_bytes(&to->piece, slice_of(bytes.data, len), err) < 0 ||
            (to->piece.len == PIECE && flush(to, err) < 0))
            return -1;
        bytes = slice_of(bytes.data + len, bytes.len - len);
    }
    return 0;
}

int erofs_bytes(struct erofs_writer *to, struct slice bytes, struct err *err)
{
    if (bytes.len > to->left)
        return FAIL(err, ERR_INVALID, "layer: a file is longer than its wheel says");
    to->left -= bytes.len;
    return put(to, bytes, err);
}

static int put_files(const struct image *image, erofs_source *source, void *context,
                     struct erofs_writer *to, struct err *err)
{
    static const uint8_t padding[EROFS_BLOCK_SIZE];
    for (size_t i = 0; i < image->inodes; i++) {
        const struct node *node = &image->nodes[i];
        if (node->folder)
            continue;
        to->left = node->size;
        if (source(context, node->file, to, err) < 0)
            return -1;
        if (to->left > 0)
            return FAIL(err, ERR_INVALID, "layer: '%.200s' is shorter than its wheel says",
                        image->files[node->file].path);
        if (put(to, slice_of(padding, up_to_block(node->size)), err) < 0)
            return -1;
    }
    return 0;
}

int erofs_write(const struct erofs_file *files, size_t count, erofs_source *source, void *context,
                int fd, uint64_t *ret_blocks, struct err *err)
{
    struct image image AUTO(image_done) = {.files = files, .file_count = count};
    AUTO_BUF struct buf meta = BUF_INIT(2 * (size_t)META_MAX);
    struct erofs_writer to = {.fd = fd, .piece = BUF_INIT(PIECE)};
    uint64_t blocks = 0;
    int result = -1;
    if (make_tree(&image, err) == 0 && put_meta(&image, &meta, &blocks, err) == 0 &&
        put(&to, buf_slice(&meta), err) == 0 && put_files(&image, source, context, &to, err) == 0)
        result = flush(&to, err);
    buf_done(&to.piece);
    if (result == 0)
        *ret_blocks = blocks;
    return result;
}
