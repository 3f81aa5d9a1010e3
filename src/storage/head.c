// SPDX-License-Identifier: Apache-2.0
/*
 * Heads of files and texts of links. What is decoded comes from whoever holds the disk. Runs in the
 * union's process, in the enclave while data of the package is put in its place, and in tests.
 */
#include "storage/head.h"

#include "base/reader.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'m', 's', 'e', '-', 'h', 'e', 'a', 'd'};
enum { VERSION = 1 };

/* Labels end with their zero byte, and so does the purpose: no two messages are the same. */
static int make_tag(const struct head_place *place, const char *label, const char *path,
                    const char *target, uint8_t ret[static HEAD_TAG_SIZE])
{
    AUTO_DIGEST struct digest *digest = NULL;
    if (digest_new_hmac_sha256(secret_slice(place->key), &digest, NULL) < 0 ||
        digest_update(digest, slice_of(label, strlen(label) + 1), NULL) < 0 ||
        digest_update(digest, slice_of(place->purpose, strlen(place->purpose) + 1), NULL) < 0 ||
        digest_update(digest, slice_of(path, strlen(path) + 1), NULL) < 0 ||
        digest_update(digest, slice_str(target), NULL) < 0)
        return -1;
    return digest_final(digest, ret, NULL);
}

int head_tag_of_file(const struct head_place *place, const char *path,
                     uint8_t ret[static HEAD_TAG_SIZE])
{
    return make_tag(place, "mse stored file 1", path, "", ret);
}

/* --- blocks --- */

void head_encode(const struct head_tags *tags, uint8_t ret[static HEAD_BLOCK])
{
    memset(ret, 0, HEAD_BLOCK);
    memcpy(ret, magic, sizeof(magic));
    ret[sizeof(magic)] = VERSION;
    ret[sizeof(magic) + 1] = (uint8_t)tags->count;
    memcpy(ret + sizeof(magic) + 2, tags->tags, tags->count * HEAD_TAG_SIZE);
}

bool head_decode(struct slice block, struct head_tags *ret)
{
    struct reader reader = reader_of(block, "head");
    struct slice text;
    uint8_t version = 0;
    uint8_t count = 0;
    *ret = (struct head_tags){0};
    if (block.len != HEAD_BLOCK || reader_slice(&reader, "magic", sizeof(magic), &text, NULL) < 0 ||
        memcmp(text.data, magic, sizeof(magic)) != 0 ||
        reader_u8(&reader, "version", &version, NULL) < 0 || version != VERSION ||
        reader_u8(&reader, "count", &count, NULL) < 0 || count > HEAD_TAGS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (reader_slice(&reader, "tag", HEAD_TAG_SIZE, &text, NULL) < 0)
            return false;
        memcpy(ret->tags[i], text.data, HEAD_TAG_SIZE);
    }
    if (reader_slice(&reader, "rest", reader_left(&reader), &text, NULL) < 0 ||
        !slice_is_zero(text))
        return false;
    ret->count = count;
    return true;
}

static size_t find(const struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE])
{
    size_t i = 0;
    while (i < tags->count && !crypto_equal(tags->tags[i], tag, HEAD_TAG_SIZE))
        i++;
    return i;
}

bool head_has(const struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE])
{
    return find(tags, tag) < tags->count;
}

void head_remove(struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE])
{
    size_t i = find(tags, tag);
    if (i == tags->count)
        return;
    tags->count--;
    memmove(tags->tags[i], tags->tags[tags->count], HEAD_TAG_SIZE);
}

bool head_add(struct head_tags *tags, const uint8_t tag[static HEAD_TAG_SIZE])
{
    if (head_has(tags, tag))
        return true;
    if (tags->count == HEAD_TAGS_MAX)
        return false;
    memcpy(tags->tags[tags->count++], tag, HEAD_TAG_SIZE);
    return true;
}

/* --- files --- */

/* Both. One that is not there, or is no head, has no tags; one that cannot be read has none either,
 * and the result is -errno: what is missing then may be in it. */
static int read_heads(int fd, struct head_tags blocks[static 2])
{
    uint8_t bytes[HEAD_SIZE] = {0};
    int result = 0;
    if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        for (int i = 0; i < 2; i++) {
            uint8_t *block = bytes + (size_t)i * HEAD_BLOCK;
            ssize_t len = pread(fd, block, HEAD_BLOCK, (off_t)i * HEAD_BLOCK);
            if (len < 0)
                result = -errno;
            if (len != HEAD_BLOCK)
                memset(block, 0, HEAD_BLOCK);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (!head_decode(slice_of(bytes + i * HEAD_BLOCK, HEAD_BLOCK), &blocks[i]))
            blocks[i].count = 0;
    }
    return result;
}

/* Is it one whose head was never whole? It is the first thing that is written, in one piece. */
static bool is_unfinished(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && info.st_size < HEAD_SIZE;
}

static int write_block(int fd, int number, const struct head_tags *tags)
{
    uint8_t block[HEAD_BLOCK];
    head_encode(tags, block);
    ssize_t len = pwrite(fd, block, sizeof(block), (off_t)number * HEAD_BLOCK);
    return len == (ssize_t)sizeof(block) ? 0 : len < 0 ? -errno : -EIO;
}

/* The second block has no tags yet. */
int head_make(const struct head_place *place, int fd, const char *path)
{
    uint8_t bytes[HEAD_SIZE];
    struct head_tags tags = {.count = 1};
    static const struct head_tags none;
    if (head_tag_of_file(place, path, tags.tags[0]) < 0)
        return -ENOMEM;
    head_encode(&tags, bytes);
    head_encode(&none, bytes + HEAD_BLOCK);
    ssize_t len = pwrite(fd, bytes, sizeof(bytes), 0);
    return len == (ssize_t)sizeof(bytes) ? 0 : len < 0 ? -errno : -EIO;
}

int head_check(const struct head_place *place, int fd, const char *path)
{
    uint8_t tag[HEAD_TAG_SIZE];
    struct head_tags blocks[2];
    if (head_tag_of_file(place, path, tag) < 0)
        return -ENOMEM;
    int result = read_heads(fd, blocks);
    if (head_has(&blocks[0], tag) || head_has(&blocks[1], tag))
        return 0;
    return result < 0 && !is_unfinished(fd) ? result : -ENOENT;
}

static int read_blocks(int fd, struct head_tags blocks[static 2], struct head_tags *all)
{
    (void)!read_heads(fd, blocks); /* what was lost by a power cut is written anew */
    *all = blocks[0];
    for (size_t i = 0; i < blocks[1].count; i++) {
        if (!head_add(all, blocks[1].tags[i]))
            return -EMLINK;
    }
    return 0;
}

/* The block that can be lost: the other one has the file's name of now. */
static int spare_block(const struct head_tags blocks[static 2],
                       const uint8_t now[static HEAD_TAG_SIZE])
{
    bool has[] = {head_has(&blocks[0], now), head_has(&blocks[1], now)};
    if (has[0] && has[1])
        return blocks[0].count < blocks[1].count ? 0 : 1;
    return has[0] ? 1 : 0;
}

static int change_names(const struct head_place *place, int fd, const char *path, const char *to,
                        bool moves)
{
    uint8_t now[HEAD_TAG_SIZE];
    uint8_t added[HEAD_TAG_SIZE];
    struct head_tags blocks[2];
    struct head_tags all;
    if (head_tag_of_file(place, path, now) < 0 || head_tag_of_file(place, to, added) < 0)
        return -ENOMEM;
    int result = read_blocks(fd, blocks, &all);
    if (result < 0)
        return result;
    if (moves)
        head_remove(&all, now); /* the other block has it still */
    return head_add(&all, added) ? write_block(fd, spare_block(blocks, now), &all) : -EMLINK;
}

int head_add_name(const struct head_place *place, int fd, const char *path, const char *to,
                  bool sync)
{
    int result = change_names(place, fd, path, to, false);
    return result == 0 && sync && fdatasync(fd) < 0 ? -errno : result;
}

int head_move_name(const struct head_place *place, int fd, const char *path, const char *to,
                   bool sync)
{
    int result = change_names(place, fd, path, to, true);
    return result == 0 && sync && fdatasync(fd) < 0 ? -errno : result;
}

int head_settle(const struct head_place *place, int fd, const char *path)
{
    static const struct head_tags none;
    uint8_t now[HEAD_TAG_SIZE];
    struct head_tags blocks[2];
    struct head_tags all;
    if (head_tag_of_file(place, path, now) < 0)
        return -ENOMEM;
    int result = read_blocks(fd, blocks, &all);
    if (result < 0)
        return result;
    int spare = spare_block(blocks, now);
    bool is_left = head_has(&blocks[1 - spare], now) && !head_has(&blocks[spare], now);
    return is_left && blocks[spare].count > 0 ? write_block(fd, spare, &none) : 0;
}

/* First the block with fewer tags, then, when that is on the disk, the other. */
int head_drop_name(const struct head_place *place, int fd, const char *path)
{
    uint8_t gone[HEAD_TAG_SIZE];
    struct head_tags blocks[2];
    struct head_tags all;
    if (head_tag_of_file(place, path, gone) < 0)
        return -ENOMEM;
    int result = read_blocks(fd, blocks, &all);
    head_remove(&all, gone);
    if (result < 0 || all.count == 0)
        return result;
    int first = blocks[0].count < blocks[1].count ? 0 : 1;
    result = write_block(fd, first, &all);
    if (result == 0 && fdatasync(fd) < 0)
        result = -errno;
    return result < 0 ? result : write_block(fd, 1 - first, &all);
}

/* --- links --- */

static int link_tag(const struct head_place *place, const char *path, const char *target,
                    char ret[static HEAD_LINK_TAG + 1])
{
    uint8_t tag[HEAD_TAG_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(64);
    if (make_tag(place, "mse stored link 1", path, target, tag) < 0 ||
        base64_append(&text, slice_of(tag, sizeof(tag)), NULL) < 0 || text.len < HEAD_LINK_TAG)
        return -1;
    for (size_t i = 0; i < HEAD_LINK_TAG; i++) {
        char c = (char)text.data[i];
        ret[i] = c == '/' ? '_' : c == '+' ? '-' : c;
    }
    ret[HEAD_LINK_TAG] = '\0';
    return 0;
}

char *head_link_text(const struct head_place *place, const char *path, const char *target)
{
    char tag[HEAD_LINK_TAG + 1];
    if (link_tag(place, path, target, tag) < 0)
        return NULL;
    return str_printf(NULL, "%s%s", tag, target);
}

const char *head_link_target(const struct head_place *place, const char *path, const char *text)
{
    char tag[HEAD_LINK_TAG + 1];
    if (strlen(text) <= HEAD_LINK_TAG || link_tag(place, path, text + HEAD_LINK_TAG, tag) < 0 ||
        !crypto_equal(text, tag, HEAD_LINK_TAG))
        return NULL;
    return text + HEAD_LINK_TAG;
}
