// SPDX-License-Identifier: Apache-2.0
/*
 * From wheels to a file system: all their files in one list by path, then written in that order.
 * Runs on the owner's machine.
 */
#include "package/layer.h"

#include "base/file.h"
#include "package/erofs.h"
#include "package/wheel.h"

#include <stdlib.h>

struct item {
    const struct wheel_file *file;
    size_t wheel;
};

struct layer {
    const char *const *paths;
    struct wheel *wheels;
    size_t wheel_count; /* that are open */
    struct item *items;
    size_t count;
    struct erofs_file *files;
};

static void layer_done(struct layer *layer)
{
    for (size_t i = 0; i < layer->wheel_count; i++)
        wheel_done(&layer->wheels[i]);
    free(layer->wheels);
    free(layer->items);
    free(layer->files);
}

static int open_wheels(struct layer *layer, size_t count, struct err *err)
{
    if (count == 0 || count > LAYER_WHEELS_MAX)
        return FAIL(err, ERR_INVALID, "layer: %zu wheels, expected 1 to %d", count,
                    LAYER_WHEELS_MAX);
    layer->wheels = mem_alloc_array(count, sizeof(*layer->wheels), err);
    if (layer->wheels == NULL)
        return -1;
    for (; layer->wheel_count < count; layer->wheel_count++) {
        if (wheel_open(layer->paths[layer->wheel_count], &layer->wheels[layer->wheel_count], err) <
            0)
            return -1;
    }
    return 0;
}

static int compare_items(const void *a, const void *b)
{
    const struct item *one = a;
    const struct item *two = b;
    int result = strcmp(one->file->path, two->file->path);
    if (result != 0)
        return result;
    return one->wheel < two->wheel ? -1 : one->wheel > two->wheel;
}

static int list_items(struct layer *layer, struct err *err)
{
    size_t room = 0;
    for (size_t i = 0; i < layer->wheel_count; i++)
        room += layer->wheels[i].count;
    layer->items = mem_alloc_array(room, sizeof(*layer->items), err);
    if (layer->items == NULL)
        return -1;
    for (size_t i = 0; i < layer->wheel_count; i++) {
        for (size_t j = 0; j < layer->wheels[i].count; j++)
            layer->items[layer->count++] = (struct item){&layer->wheels[i].files[j], i};
    }
    if (layer->count > 1)
        qsort(layer->items, layer->count, sizeof(*layer->items), compare_items);
    return 0;
}

/* Packages that share a folder bring the same empty __init__.py, say. */
static bool is_same(const struct item *a, const struct item *b)
{
    return a->file->hashed && b->file->hashed && a->file->size == b->file->size &&
           crypto_equal(a->file->sha256, b->file->sha256, SHA256_SIZE);
}

static int merge(struct layer *layer, struct err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < layer->count; i++) {
        const struct item *item = &layer->items[i];
        const struct item *last = kept > 0 ? &layer->items[kept - 1] : NULL;
        bool again = last != NULL && strcmp(last->file->path, item->file->path) == 0;
        if (again && !is_same(last, item))
            return FAIL(err, ERR_CONFLICT, "layer: '%s' and '%s' bring different files '%.200s'",
                        path_base(layer->paths[last->wheel]), path_base(layer->paths[item->wheel]),
                        item->file->path);
        if (!again)
            layer->items[kept++] = *item;
    }
    layer->count = kept;
    layer->files = mem_alloc_array(kept, sizeof(*layer->files), err);
    for (size_t i = 0; layer->files != NULL && i < kept; i++)
        layer->files[i] =
            (struct erofs_file){layer->items[i].file->path, layer->items[i].file->size};
    return layer->files == NULL ? -1 : 0;
}

static int pass_on(void *context, struct slice bytes, struct err *err)
{
    return erofs_bytes(context, bytes, err);
}

static int give_file(void *context, size_t index, struct erofs_writer *to, struct err *err)
{
    const struct layer *layer = context;
    const struct item *item = &layer->items[index];
    if (wheel_read(&layer->wheels[item->wheel], item->file, pass_on, to, err) < 0)
        return FAIL_CONTEXT(err, "wheel '%s'", path_base(layer->paths[item->wheel]));
    return 0;
}

int layer_write(const char *const *wheels, size_t count, int fd, struct layer_made *ret,
                struct err *err)
{
    struct layer layer AUTO(layer_done) = {.paths = wheels};
    struct layer_made made = {0};
    if (open_wheels(&layer, count, err) < 0 || list_items(&layer, err) < 0 ||
        merge(&layer, err) < 0 ||
        erofs_write(layer.files, layer.count, give_file, &layer, fd, &made.blocks, err) < 0)
        return -1;
    made.files = layer.count;
    for (size_t i = 0; i < layer.count; i++)
        made.bytes += layer.files[i].size;
    *ret = made;
    return 0;
}
