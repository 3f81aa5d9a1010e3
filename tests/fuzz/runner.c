// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for libFuzzer in the tests: feeds a fuzz target every file of its corpus folder, and
 * for each file every truncation and a fixed set of one-byte changes. An empty corpus is a failure.
 */
#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 1 << 20, MAX_VARIANTS = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_copy(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    uint8_t *copy = mem_alloc(size, &err); /* exact size, so that ASan sees an overrun */
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void feed_variants(struct buf *input)
{
    feed_copy(input->data, input->len);
    size_t step = input->len / MAX_VARIANTS + 1;
    for (size_t i = 0; i < input->len; i += step) {
        feed_copy(input->data, i);
        uint8_t old = input->data[i];
        input->data[i] = (uint8_t)(old ^ (1u << (i % 8)));
        feed_copy(input->data, input->len);
        input->data[i] = 0xff;
        feed_copy(input->data, input->len);
        input->data[i] = old;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        (void)fprintf(stderr, "cannot open the corpus '%s'\n", argv[1]);
        return 1;
    }
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        struct err err = ERR_INIT;
        AUTO_FREE char *path = path_join(argv[1], entry->d_name, &err);
        AUTO_BUF struct buf input = BUF_INIT(INPUT_MAX);
        if (path == NULL || file_read(path, &input, &err) < 0) {
            (void)fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        feed_variants(&input);
        count++;
    }
    (void)closedir(folder);
    (void)printf("%zu corpus files\n", count);
    return count > 0 ? 0 : 1;
}
