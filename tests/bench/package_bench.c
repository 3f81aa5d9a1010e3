// SPDX-License-Identifier: Apache-2.0
/*
 * What packing costs beside what it cannot avoid: reading the files and encrypting them with
 * libsodium in a bare loop. 2,000 files of 100 MB together, both ways in turn, best and median of
 * ROUNDS; then unpacking, a small project, and the memory for one large file.
 *
 *     package-bench [--large GIB]      prints a table; exit status 1 where packing takes more than
 *                                      1.5 times the bare loop
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "package/package.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sodium.h>

enum { FILES = 2000, FOLDERS = 50, TOTAL = 100 * 1000 * 1000, ROUNDS = 7 };

static const uint8_t key_bytes[PACKAGE_KEY_SIZE] = {1};
static const uint8_t salt_bytes[PACKAGE_SALT_SIZE] = {2};
static const struct package_keys keys = {.key = {key_bytes, sizeof(key_bytes)},
                                         .salt = {salt_bytes, sizeof(salt_bytes)}};

static void must(int result, const struct err *err)
{
    if (result == 0)
        return;
    (void)fprintf(stderr, "package-bench: %s\n", err->message);
    exit(1);
}

static int sink_nothing(void *context, struct slice bytes, struct err *err)
{
    uint64_t *total = context;
    (void)err;
    *total += bytes.len;
    return 0;
}

/* Sizes from 1 to 99 kB, contents without a pattern. */
static void make_files(const char *root, size_t files, size_t folders, size_t total)
{
    struct err err = ERR_INIT;
    size_t mean = total / files;
    AUTO_FREE uint8_t *bytes = mem_alloc(2 * mean + 1, &err);
    randombytes_buf(bytes, 2 * mean);
    for (size_t i = 0; i < files; i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/folder%zu", root, i % folders);
        must(folder_create_all(path, 0755, &err), &err);
        (void)snprintf(path, sizeof(path), "%s/folder%zu/file%zu.py", root, i % folders, i);
        size_t size = mean / 50 + (mean * 2 - mean / 25) * (i * 7919 % files) / files;
        bytes[i % mean]++;
        AUTO_CLOSE int fd = -1;
        must(fd_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd, &err), &err);
        must(fd_write_all(fd, slice_of(bytes, size), &err), &err);
    }
}

/* The floor: the same files in the same order, read and encrypted, nothing else. */
static void bare_loop(const struct tree *tree)
{
    static uint8_t plain[PACKAGE_CHUNK_SIZE];
    static uint8_t cipher[PACKAGE_CHUNK_SIZE + STREAM_OVERHEAD];
    uint8_t header[STREAM_HEADER_SIZE];
    crypto_secretstream_xchacha20poly1305_state state;
    crypto_secretstream_xchacha20poly1305_init_push(&state, header, key_bytes);
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->items[i].type != ARCHIVE_FILE)
            continue;
        int fd = openat(tree->fd, tree->items[i].path, O_RDONLY | O_CLOEXEC);
        for (;;) {
            ssize_t len = read(fd, plain, sizeof(plain));
            if (len <= 0)
                break;
            crypto_secretstream_xchacha20poly1305_push(&state, cipher, NULL, plain, (size_t)len,
                                                       NULL, 0, 0);
        }
        close(fd);
    }
}

static uint64_t pack(const char *folder)
{
    struct err err = ERR_INIT;
    AUTO_TREE struct tree *tree = NULL;
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    uint64_t total = 0;
    must(tree_scan(folder, &tree, &err), &err);
    must(package_write(tree, &keys, sink_nothing, &total, commitment, &err), &err);
    return total;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double report(const char *what, double *seconds)
{
    qsort(seconds, ROUNDS, sizeof(*seconds), compare);
    (void)printf("%-44s best %7.1f ms   median %7.1f ms\n", what, seconds[0] * 1e3,
                 seconds[ROUNDS / 2] * 1e3);
    return seconds[ROUNDS / 2];
}

static double since(int64_t start_us)
{
    return (double)(clock_monotonic_us() - start_us) / 1e6;
}

static double measure(const char *folder)
{
    struct err err = ERR_INIT;
    AUTO_TREE struct tree *tree = NULL;
    must(tree_scan(folder, &tree, &err), &err);
    double bare[ROUNDS];
    double ours[ROUNDS];
    bare_loop(tree); /* files into the cache */
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t start = clock_monotonic_us();
        bare_loop(tree);
        bare[i] = since(start);
        start = clock_monotonic_us();
        (void)pack(folder);
        ours[i] = since(start);
    }
    double floor = report("bare loop: read + secretstream", bare);
    double ratio = report("walk + archive + commit + encrypt", ours) / floor;
    (void)printf("%-44s %.2f (limit 1.5)\n", "ratio of the medians", ratio);
    return ratio;
}

static void measure_unpack(const char *root)
{
    struct err err = ERR_INIT;
    AUTO_TREE struct tree *tree = NULL;
    uint8_t commitment[PACKAGE_COMMITMENT_SIZE];
    char code[256];
    char sealed[256];
    char out[256];
    (void)snprintf(code, sizeof(code), "%s/code", root);
    (void)snprintf(sealed, sizeof(sealed), "%s/code.enc", root);
    (void)snprintf(out, sizeof(out), "%s/out", root);
    AUTO_CLOSE int fd = -1;
    must(fd_open(sealed, O_RDWR | O_CREAT | O_TRUNC, 0600, &fd, &err), &err);
    must(tree_scan(code, &tree, &err), &err);
    must(package_write(tree, &keys, package_sink_fd, &fd, commitment, &err), &err);
    struct archive_limits limits = {1 << 30, 1 << 20};
    double seconds[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        (void)lseek(fd, 0, SEEK_SET);
        int64_t start = clock_monotonic_us();
        must(package_unpack(fd, &keys, commitment, &limits, out, &err), &err);
        seconds[i] = since(start);
        must(folder_remove_tree(out, &err), &err);
    }
    (void)report("unpack + verify", seconds);
}

static void measure_small(const char *root)
{
    char folder[256];
    (void)snprintf(folder, sizeof(folder), "%s/small", root);
    make_files(folder, 10, 2, 20000);
    double seconds[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t start = clock_monotonic_us();
        (void)pack(folder);
        seconds[i] = since(start);
    }
    (void)report("10 files, 20 kB", seconds);
}

/* A sparse file: as much reading and encrypting as a full one. */
static void measure_large(const char *root, double gib)
{
    struct err err = ERR_INIT;
    char folder[256];
    char path[300];
    (void)snprintf(folder, sizeof(folder), "%s/large", root);
    (void)snprintf(path, sizeof(path), "%s/model.bin", folder);
    must(folder_create_all(folder, 0755, &err), &err);
    must(file_write_atomic(path, slice_str(""), 0644, &err), &err);
    if (truncate(path, (off_t)(gib * 1024 * 1024 * 1024)) != 0)
        return;
    int64_t start = clock_monotonic_us();
    (void)pack(folder);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("one file of %.1f GiB: %.1f s, peak memory of this process %.1f MiB (limit 64)\n",
                 gib, since(start), (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char root[] = "/tmp/mse-package-bench-XXXXXX";
    must(crypto_init(&err), &err);
    if (mkdtemp(root) == NULL)
        return 1;
    if (argc == 3 && strcmp(argv[1], "--large") == 0)
        measure_large(root, strtod(argv[2], NULL));
    char folder[256];
    (void)snprintf(folder, sizeof(folder), "%s/code", root);
    make_files(folder, FILES, FOLDERS, TOTAL);
    double ratio = measure(folder);
    measure_unpack(root);
    measure_small(root);
    must(folder_remove_tree(root, &err), &err);
    return ratio <= 1.5 ? 0 : 1;
}
