// SPDX-License-Identifier: Apache-2.0
/*
 * Unpacking in the enclave. The encrypted archive lies on the host's disk, so every byte of it may
 * be the adversary's choice: pieces are opened one by one, parsed strictly, written to a folder
 * beside the final one, and only when the whole has the commitment that the manifest names does
 * that folder get its name.
 */
#include "package/package.h"

#include "base/fd.h"
#include "base/file.h"
#include "package/stream_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the archive's items go. */
struct target {
    int folders[ARCHIVE_DEPTH_MAX + 1];
    size_t depth;
    int file;
};

static void target_done(struct target *target)
{
    fd_close(target->file);
    for (size_t i = 0; i <= target->depth; i++)
        fd_close(target->folders[i]);
}

static int write_folder_begin(void *context, const char *name, struct err *err)
{
    struct target *target = context;
    int here = target->folders[target->depth];
    if (mkdirat(here, name, 0755) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create the folder '%s'", name);
    int fd = openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot open the folder '%s'", name);
    target->folders[++target->depth] = fd; /* the reader bounds the depth */
    return 0;
}

static int write_folder_end(void *context, struct err *err)
{
    struct target *target = context;
    (void)err;
    fd_close(target->folders[target->depth--]);
    return 0;
}

static int write_file_begin(void *context, const char *name, bool program, uint64_t size,
                            struct err *err)
{
    struct target *target = context;
    (void)size;
    target->file =
        openat(target->folders[target->depth], name,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, program ? 0755 : 0644);
    if (target->file < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create the file '%s'", name);
    return 0;
}

static int write_file_data(void *context, struct slice bytes, struct err *err)
{
    const struct target *target = context;
    return fd_write_all(target->file, bytes, err);
}

/* Some file systems report a full disk only here. */
static int write_file_end(void *context, struct err *err)
{
    struct target *target = context;
    int fd = fd_steal(&target->file);
    if (close(fd) < 0 && errno != EINTR)
        return FAIL_ERRNO(err, ERR_IO, "cannot write a file of the code");
    return 0;
}

static int write_link(void *context, const char *name, const char *to, struct err *err)
{
    const struct target *target = context;
    if (symlinkat(to, target->folders[target->depth], name) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create the link '%s'", name);
    return 0;
}

static const struct archive_handler writer = {
    .folder_begin = write_folder_begin,
    .folder_end = write_folder_end,
    .file_begin = write_file_begin,
    .file_data = write_file_data,
    .file_end = write_file_end,
    .link = write_link,
};

/* One unpacking: pieces in, items out. */
struct unpack {
    int fd;
    struct stream *stream;
    struct digest *digest;
    struct archive_reader *reader;
    uint8_t *cipher; /* room for one message */
    uint8_t *plain;  /* room for one chunk */
    uint64_t piece;  /* counts from 1 */
};

static int open_piece(struct unpack *unpack, size_t len, bool *ret_final, struct err *err)
{
    if (len <= STREAM_OVERHEAD)
        return FAIL(err, ERR_CRYPTO, "encrypted code: truncated at piece %llu",
                    (unsigned long long)unpack->piece);
    if (stream_decrypt(unpack->stream, slice_of(unpack->cipher, len),
                       slice_str(PACKAGE_STREAM_LABEL), unpack->plain, ret_final, err) < 0)
        return FAIL(err, ERR_CRYPTO,
                    "encrypted code: piece %llu does not open: another key or salt, or the bytes "
                    "were changed",
                    (unsigned long long)unpack->piece);
    if (!*ret_final && len != PACKAGE_CHUNK_SIZE + STREAM_OVERHEAD)
        return FAIL(err, ERR_CRYPTO, "encrypted code: piece %llu is too short",
                    (unsigned long long)unpack->piece);
    return 0;
}

/* Nothing may stand behind the final piece. */
static int check_end(struct unpack *unpack, struct err *err)
{
    size_t len;
    if (fd_read_full(unpack->fd, unpack->cipher, 1, &len, err) < 0)
        return FAIL_CONTEXT(err, "encrypted code");
    if (len > 0)
        return FAIL(err, ERR_CRYPTO, "encrypted code: bytes behind the final piece %llu",
                    (unsigned long long)unpack->piece);
    return archive_reader_end(unpack->reader, err);
}

static int unpack_all(struct unpack *unpack, struct err *err)
{
    for (bool final = false; !final;) {
        unpack->piece++;
        size_t len;
        if (fd_read_full(unpack->fd, unpack->cipher, PACKAGE_CHUNK_SIZE + STREAM_OVERHEAD, &len,
                         err) < 0)
            return FAIL_CONTEXT(err, "encrypted code");
        if (open_piece(unpack, len, &final, err) < 0)
            return -1;
        struct slice plain = slice_of(unpack->plain, len - STREAM_OVERHEAD);
        if (digest_update(unpack->digest, plain, err) < 0 ||
            archive_reader_feed(unpack->reader, plain, err) < 0)
            return -1;
    }
    return check_end(unpack, err);
}

static int check_commitment(struct unpack *unpack, const uint8_t *expected, struct err *err)
{
    uint8_t found[PACKAGE_COMMITMENT_SIZE];
    if (digest_final(unpack->digest, found, err) < 0)
        return -1;
    if (!crypto_equal(found, expected, sizeof(found)))
        return FAIL(err, ERR_REJECTED,
                    "the code does not have the commitment that the manifest names");
    return 0;
}

static int unpack_into(int fd, const struct package_keys *keys, const uint8_t *commitment,
                       const struct archive_limits *limits, struct target *target, struct err *err)
{
    AUTO_SECRET struct secret material = SECRET_INIT;
    AUTO_SECRET struct secret plain = SECRET_INIT;
    AUTO_STREAM struct stream *stream = NULL;
    AUTO_DIGEST struct digest *digest = NULL;
    AUTO_ARCHIVE_READER struct archive_reader *reader = NULL;
    AUTO_FREE uint8_t *cipher = mem_alloc(PACKAGE_CHUNK_SIZE + STREAM_OVERHEAD, err);
    if (cipher == NULL || package_stream_material(keys, &material, err) < 0 ||
        secret_init(&plain, PACKAGE_CHUNK_SIZE, err) < 0 ||
        stream_decrypt_new(material.data, material.data + STREAM_KEY_SIZE, &stream, err) < 0 ||
        digest_new_hmac_sha256(keys->salt, &digest, err) < 0 ||
        archive_reader_new(&writer, target, limits, &reader, err) < 0)
        return -1;
    struct unpack unpack = {fd, stream, digest, reader, cipher, plain.data, 0};
    if (unpack_all(&unpack, err) < 0)
        return -1;
    return check_commitment(&unpack, commitment, err);
}

/* The final place must be free: absent, or an empty folder (which is removed here). */
static int make_place(const char *folder, const char *partial, struct err *err)
{
    if (rmdir(folder) < 0 && errno != ENOENT)
        return FAIL_ERRNO(err, errno == ENOTEMPTY || errno == EEXIST ? ERR_EXISTS : ERR_IO,
                          "cannot unpack the code to '%s'", folder);
    if (folder_remove_tree(partial, err) < 0)
        return -1;
    if (mkdir(partial, 0755) < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot create '%s'", partial);
    return 0;
}

int package_unpack(int fd, const struct package_keys *keys,
                   const uint8_t commitment[static PACKAGE_COMMITMENT_SIZE],
                   const struct archive_limits *limits, const char *folder, struct err *err)
{
    AUTO_FREE char *partial = str_printf(err, "%s.partial", folder);
    if (partial == NULL || make_place(folder, partial, err) < 0)
        return -1;
    struct target target AUTO(target_done) = {.file = -1};
    target.folders[0] = open(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = 0;
    if (target.folders[0] < 0)
        result = FAIL_ERRNO(err, ERR_IO, "cannot open '%s'", partial);
    else
        result = unpack_into(fd, keys, commitment, limits, &target, err);
    if (result == 0 && rename(partial, folder) < 0)
        result = FAIL_ERRNO(err, ERR_IO, "cannot rename '%s' to '%s'", partial, folder);
    struct err cleanup = ERR_INIT;
    if (result < 0 && folder_remove_tree(partial, &cleanup) < 0)
        err_hint(err, "and '%s' could not be removed", partial);
    return result;
}
