// SPDX-License-Identifier: Apache-2.0
/*
 * Packing on the owner's machine: one thread reads files and computes the commitment, the calling
 * thread encrypts and hands on. Four chunks go round between them, which is all the memory.
 */
#include "base/lock.h"
#include "package/package.h"

#include "base/fd.h"
#include "package/stream_keys.h"

#include <pthread.h>
#include <stdlib.h>

enum { RING_SIZE = 4 };

uint64_t package_encrypted_size(uint64_t archive_bytes)
{
    uint64_t chunks = (archive_bytes + PACKAGE_CHUNK_SIZE - 1) / PACKAGE_CHUNK_SIZE;
    return archive_bytes + chunks * STREAM_OVERHEAD;
}

int package_stream_material(const struct package_keys *keys, struct secret *ret, struct err *err)
{
    if (keys->key.len != PACKAGE_KEY_SIZE || keys->salt.len != PACKAGE_SALT_SIZE)
        return FAIL(err, ERR_INVALID, "code key and salt must have %d and %d bytes",
                    PACKAGE_KEY_SIZE, PACKAGE_SALT_SIZE);
    if (secret_init(ret, PACKAGE_STREAM_MATERIAL, err) < 0)
        return -1;
    return hkdf_sha256(keys->key, keys->salt, slice_str(PACKAGE_STREAM_LABEL), ret->data, ret->len,
                       err);
}

int package_sink_fd(void *context, struct slice bytes, struct err *err)
{
    return fd_write_all(*(const int *)context, bytes, err);
}

/* The reading side: gives the plain archive chunk by chunk and commits to it on the way. */
struct producer {
    struct tree_source *source;
    struct digest *digest;
    struct digest *again; /* under the keys' digest_key; NULL: nothing to compare with */
    uint64_t left;
};

static size_t next_size(const struct producer *producer)
{
    return producer->left < PACKAGE_CHUNK_SIZE ? (size_t)producer->left : PACKAGE_CHUNK_SIZE;
}

static int produce(struct producer *producer, uint8_t *to, size_t size, struct err *err)
{
    if (tree_source_read(producer->source, to, size, err) < 0)
        return -1;
    producer->left -= size;
    if (producer->again != NULL && digest_update(producer->again, slice_of(to, size), err) < 0)
        return -1;
    return digest_update(producer->digest, slice_of(to, size), err);
}

/* The encrypting side. */
struct consumer {
    struct stream *stream;
    package_sink *sink;
    void *context;
    uint8_t *cipher; /* room for one message */
};

static int consume(struct consumer *consumer, struct slice plain, bool final, struct err *err)
{
    if (stream_encrypt(consumer->stream, plain, slice_str(PACKAGE_STREAM_LABEL), final,
                       consumer->cipher, err) < 0)
        return -1;
    return consumer->sink(consumer->context,
                          slice_of(consumer->cipher, plain.len + STREAM_OVERHEAD), err);
}

/* Chunks in flight between the two threads. */
struct ring {
    struct lock lock;
    pthread_cond_t changed;
    uint8_t *chunks; /* RING_SIZE of them */
    size_t sizes[RING_SIZE];
    size_t produced; /* counts of chunks; equal: empty, RING_SIZE apart: full */
    size_t consumed;
    bool produced_all;
    bool stopped; /* by the consumer, which has failed */
    bool producer_failed;
    struct err error; /* the producer's */
    struct producer *producer;
};

static uint8_t *ring_chunk(const struct ring *ring, size_t number)
{
    return ring->chunks + (number % RING_SIZE) * (size_t)PACKAGE_CHUNK_SIZE;
}

/* Waits for a free place; false where the consumer has given up. */
static bool ring_wait_free(struct ring *ring)
{
    lock_acquire(&ring->lock);
    while (!ring->stopped && ring->produced - ring->consumed == RING_SIZE)
        lock_wait(&ring->lock, &ring->changed);
    bool go_on = !ring->stopped;
    lock_release(&ring->lock);
    return go_on;
}

static void ring_publish(struct ring *ring, size_t size, int result, bool last)
{
    lock_acquire(&ring->lock);
    if (result == 0) {
        ring->sizes[ring->produced % RING_SIZE] = size;
        ring->produced++;
    }
    ring->producer_failed = result < 0;
    ring->produced_all = last;
    (void)pthread_cond_signal(&ring->changed);
    lock_release(&ring->lock);
}

static void *producer_main(void *argument)
{
    struct ring *ring = argument;
    struct producer *producer = ring->producer;
    while (producer->left > 0 && ring_wait_free(ring)) {
        size_t size = next_size(producer);
        int result = produce(producer, ring_chunk(ring, ring->produced), size, &ring->error);
        ring_publish(ring, size, result, producer->left == 0);
        if (result < 0)
            break;
    }
    return NULL;
}

/* Waits for a chunk; *ret_size 0 where all were taken. */
static int ring_wait_chunk(struct ring *ring, size_t *ret_size, bool *ret_final, struct err *err)
{
    lock_acquire(&ring->lock);
    while (ring->produced == ring->consumed && !ring->produced_all && !ring->producer_failed)
        lock_wait(&ring->lock, &ring->changed);
    bool failed = ring->producer_failed;
    bool any = ring->produced != ring->consumed;
    *ret_size = any ? ring->sizes[ring->consumed % RING_SIZE] : 0;
    *ret_final = ring->produced_all && ring->produced - ring->consumed == 1;
    lock_release(&ring->lock);
    if (!failed)
        return 0;
    if (err != NULL)
        *err = ring->error;
    return -1;
}

static void ring_release(struct ring *ring, bool stop)
{
    lock_acquire(&ring->lock);
    ring->consumed += !stop;
    ring->stopped = stop;
    (void)pthread_cond_signal(&ring->changed);
    lock_release(&ring->lock);
}

static int consume_all(struct ring *ring, struct consumer *consumer, struct err *err)
{
    for (;;) {
        size_t size;
        bool final;
        if (ring_wait_chunk(ring, &size, &final, err) < 0)
            return -1;
        if (size == 0)
            return 0;
        struct slice plain = slice_of(ring_chunk(ring, ring->consumed), size);
        if (consume(consumer, plain, final, err) < 0)
            return -1;
        ring_release(ring, false);
    }
}

static int run_threads(struct producer *producer, struct consumer *consumer, struct err *err)
{
    AUTO_FREE uint8_t *chunks = mem_alloc_array(RING_SIZE, PACKAGE_CHUNK_SIZE, err);
    if (chunks == NULL)
        return -1;
    struct ring ring = {.lock = LOCK_INIT(LOCK_PACK_RING),
                        .changed = PTHREAD_COND_INITIALIZER,
                        .chunks = chunks,
                        .producer = producer};
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, producer_main, &ring);
    if (failed != 0)
        return FAIL(err, ERR_IO, "cannot start a thread: %s", strerror(failed));
    int result = consume_all(&ring, consumer, err);
    if (result < 0)
        ring_release(&ring, true);
    (void)pthread_join(thread, NULL);
    mem_wipe(chunks, RING_SIZE * (size_t)PACKAGE_CHUNK_SIZE);
    return result;
}

/* Small code: a thread would cost more than it saves. */
static int run_single(struct producer *producer, struct consumer *consumer, struct err *err)
{
    size_t size = next_size(producer);
    AUTO_FREE uint8_t *chunk = mem_alloc(size, err);
    if (chunk == NULL)
        return -1;
    int result = produce(producer, chunk, size, err);
    if (result == 0)
        result = consume(consumer, slice_of(chunk, size), true, err);
    mem_wipe(chunk, size);
    return result;
}

/* A file can change without a trace in its times and size between two readings. */
static int check_same(struct digest *again, const struct package_keys *keys, struct err *err)
{
    uint8_t digest[PACKAGE_COMMITMENT_SIZE];
    if (again == NULL)
        return 0;
    if (digest_final(again, digest, err) < 0)
        return -1;
    if (crypto_equal(digest, keys->digest, sizeof(digest)))
        return 0;
    (void)FAIL(err, ERR_CONFLICT, "the code changed while it was being packed");
    err_hint(err, "wait until nothing writes there, or keep such files out by .mseignore");
    return -1;
}

int package_write(const struct tree *tree, const struct package_keys *keys, package_sink *sink,
                  void *context, uint8_t ret_commitment[static PACKAGE_COMMITMENT_SIZE],
                  struct err *err)
{
    AUTO_SECRET struct secret material = SECRET_INIT;
    AUTO_STREAM struct stream *stream = NULL;
    AUTO_TREE_SOURCE struct tree_source *source = NULL;
    AUTO_DIGEST struct digest *digest = NULL;
    AUTO_DIGEST struct digest *again = NULL;
    AUTO_FREE uint8_t *cipher = mem_alloc(PACKAGE_CHUNK_SIZE + STREAM_OVERHEAD, err);
    if (cipher == NULL || package_stream_material(keys, &material, err) < 0 ||
        stream_encrypt_new(material.data, material.data + STREAM_KEY_SIZE, &stream, err) < 0 ||
        tree_source_new(tree, &source, err) < 0 ||
        digest_new_hmac_sha256(keys->salt, &digest, err) < 0 ||
        (keys->digest != NULL && digest_new_hmac_sha256(keys->digest_key, &again, err) < 0))
        return -1;
    struct producer producer = {source, digest, again, tree->totals.archive_bytes};
    struct consumer consumer = {stream, sink, context, cipher};
    bool small = producer.left <= PACKAGE_CHUNK_SIZE;
    int result =
        small ? run_single(&producer, &consumer, err) : run_threads(&producer, &consumer, err);
    if (result < 0 || check_same(again, keys, err) < 0)
        return -1;
    return digest_final(digest, ret_commitment, err);
}

int package_commit(const struct tree *tree, struct slice salt,
                   uint8_t ret_commitment[static PACKAGE_COMMITMENT_SIZE], struct err *err)
{
    if (salt.len != PACKAGE_SALT_SIZE)
        return FAIL(err, ERR_INVALID, "the salt must have %d bytes", PACKAGE_SALT_SIZE);
    AUTO_TREE_SOURCE struct tree_source *source = NULL;
    AUTO_DIGEST struct digest *digest = NULL;
    AUTO_FREE uint8_t *chunk = mem_alloc(PACKAGE_CHUNK_SIZE, err);
    if (chunk == NULL || tree_source_new(tree, &source, err) < 0 ||
        digest_new_hmac_sha256(salt, &digest, err) < 0)
        return -1;
    struct producer producer = {source, digest, NULL, tree->totals.archive_bytes};
    while (producer.left > 0) {
        if (produce(&producer, chunk, next_size(&producer), err) < 0)
            return -1;
    }
    return digest_final(digest, ret_commitment, err);
}
