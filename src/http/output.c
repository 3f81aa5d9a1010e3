// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes on their way: the growing buffer of the server's hot path.
 * Runs on every thread of node and enclave; an output belongs to one of them at a time.
 */
#include "http/output.h"

#include <stdlib.h>
#include <string.h>

/* Never by realloc where secrets are in it, which may leave a copy behind. */
static uint8_t *grow(struct output *output, size_t cap, struct err *err)
{
    if (!output->secret)
        return mem_resize_array(output->data, cap, 1, err);
    uint8_t *data = mem_resize_array(NULL, cap, 1, err);
    if (data == NULL || output->data == NULL)
        return data;
    memcpy(data, output->data, output->len);
    mem_wipe(output->data, output->cap);
    free(output->data);
    return data;
}

uint8_t *output_reserve(struct output *output, size_t more, struct err *err)
{
    if (output->pos == output->len)
        output->pos = output->len = 0;
    if (more <= output->cap - output->len)
        return output->data + output->len;
    size_t left = output->len - output->pos;
    if (output->pos > 0) {
        memmove(output->data, output->data + output->pos, left);
        output->pos = 0;
        output->len = left;
        if (more <= output->cap - left)
            return output->data + left;
    }
    if (more > SIZE_MAX / 4 || left > SIZE_MAX / 4) {
        (void)FAIL(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    size_t cap = output->cap < 512 ? 512 : output->cap * 2;
    if (cap < left + more)
        cap = left + more;
    uint8_t *data = grow(output, cap, err);
    if (data == NULL)
        return NULL;
    output->data = data;
    output->cap = cap;
    return data + left;
}

int output_bytes(struct output *output, const void *data, size_t len, struct err *err)
{
    uint8_t *place = output_reserve(output, len, err);
    if (place == NULL)
        return -1;
    if (len > 0)
        memcpy(place, data, len);
    output->len += len;
    return 0;
}

void output_consume(struct output *output, size_t count)
{
    output->pos += count;
    if (output->pos >= output->len)
        output->pos = output->len = 0;
}

void output_reset(struct output *output, size_t keep)
{
    output->pos = output->len = 0;
    if (output->secret && output->data != NULL)
        mem_wipe(output->data, output->cap);
    output->secret = false;
    if (output->cap <= keep)
        return;
    free(output->data);
    *output = (struct output){0};
}
