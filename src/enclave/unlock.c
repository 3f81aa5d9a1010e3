// SPDX-License-Identifier: Apache-2.0
/*
 * The volume key, from which the keys of the app's storage come. Where the manifest leaves the
 * storage to this version alone it is the TEE's sealing key. Where the owner keeps it, it comes
 * from the owner over a verified session, and lies beside the storage in a slot: a box under a key
 * that the TEE gives to this identity, so that a restart needs nobody. While no slot opens the
 * enclave is locked: it can be attested and unlocked, and nothing else (docs/storage.md). Runs
 * before the storage is mounted.
 */
#include "base/lock.h"
#include "enclave/enclave.h"
#include "model/attestation_document.h"
#include "model/unlock_message.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { SLOT_MAX = 4096, STOP_MS = 1000, LOCKED_CONNECTIONS = 512 };

#define SLOT_FORMAT "mse volume key slot, version 1\n"

/* --- the slot --- */

/* One for each version that has opened the storage here. */
static char *slot_path(const struct enclave *enclave, struct err *err)
{
    char digits[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(enclave->fingerprint, SHA256_SIZE), digits);
    return str_printf(err, "%s/volume-key-%.16s", enclave->link->slots, digits);
}

static int slot_key(const struct secret *sealing, struct secret *ret, struct err *err)
{
    return tee_purpose_key(sealing, "volume key slot", ret, err);
}

/* 0 with *ret empty: there is none that opens. What the host puts there costs no more than a
 * question to the owner. */
static int slot_read(const struct enclave *enclave, const struct secret *sealing,
                     struct secret *ret, struct err *err)
{
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_BUF struct buf sealed = BUF_INIT(SLOT_MAX);
    AUTO_BUF struct buf with = BUF_INIT(256);
    AUTO_BUF struct buf plain = BUF_INIT(SLOT_MAX);
    struct err why = ERR_INIT;
    if (enclave->link->slots == NULL)
        return 0;
    AUTO_FREE char *path = slot_path(enclave, err);
    if (path == NULL || slot_key(sealing, &key, err) < 0 ||
        enclave_associate(enclave, SLOT_FORMAT, enclave->manifest.id, &with, err) < 0)
        return -1;
    if (!file_exists(path))
        return 0;
    if (file_read(path, &sealed, &why) < 0 ||
        box_unseal(key.data, buf_slice(&sealed), buf_slice(&with), &plain, &why) < 0 ||
        plain.len != UNLOCK_KEY_SIZE) {
        log_warning("the slot of the volume key does not open: %s", why.message);
        return 0;
    }
    int status = secret_copy(ret, buf_slice(&plain), err);
    mem_wipe(plain.data, plain.len);
    return status;
}

int volume_key_keep(struct enclave *enclave, struct err *err)
{
    AUTO_SECRET struct secret sealing = SECRET_INIT;
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_BUF struct buf sealed = BUF_INIT(SLOT_MAX);
    AUTO_BUF struct buf with = BUF_INIT(256);
    if (!enclave->is_unlocked || enclave->link->slots == NULL)
        return 0;
    AUTO_FREE char *path = slot_path(enclave, err);
    if (path == NULL || volume_sealing_key(enclave, &sealing, err) < 0 ||
        slot_key(&sealing, &key, err) < 0 ||
        enclave_associate(enclave, SLOT_FORMAT, enclave->manifest.id, &with, err) < 0 ||
        box_seal(key.data, secret_slice(&enclave->volume_key), buf_slice(&with), &sealed, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&sealed), 0600, err);
}

/* --- locked --- */

/* Of strangers: the log has a limit, behind which are the app's own lines. */
static struct log_spare refusals;

static int answer_unlock(void *context, const struct front_request *request, struct buf *out,
                         struct err *err)
{
    struct enclave *enclave = context;
    const struct provision_target target = enclave_target(enclave, request);
    AUTO_SECRET struct secret key = SECRET_INIT;
    lock_acquire(&enclave->provision_lock);
    int status = 0;
    if (enclave->is_unlocked)
        status = FAIL(err, ERR_CONFLICT, "this enclave has been unlocked already");
    else
        status = unlock_open(request->body, enclave->manifest.owner_key, &target, &key, err);
    if (status == 0) {
        enclave->volume_key = key;
        key = SECRET_INIT;
        enclave->is_unlocked = true;
        (void)kill(getpid(), ENCLAVE_WAKE_SIGNAL);
    }
    lock_release(&enclave->provision_lock);
    if (status < 0) {
        log_sparingly(&refusals, LOG_WARNING, "unlocking refused: %s", err->message);
        return -1;
    }
    return buf_str(out, "{\"unlocked\":true}\n", err);
}

static const struct front_route routes[] = {
    {"GET", "attestation", enclave_answer_attestation, NULL, 0, 0, FRONT_LANE_EVIDENCE},
    {"POST", "collateral", enclave_answer_collateral, NULL, 0, ATTESTATION_COLLATERAL_MAX,
     FRONT_LANE_MESSAGES},
    {"GET", "status", enclave_answer_status, NULL, 0, 0, FRONT_LANE_MESSAGES},
    {"POST", "unlock", answer_unlock, NULL, 0, UNLOCK_MESSAGE_SIZE, FRONT_LANE_MESSAGES},
};

/* The listening socket stays for the server of later. */
static int listen_locked(struct enclave *enclave, struct err *err)
{
    int fd = fcntl(SANDBOX_LISTEN_FD, F_DUPFD_CLOEXEC, 10);
    if (fd < 0)
        return FAIL_ERRNO(err, ERR_IO, "cannot listen");
    const struct http_listener listener = {
        .use_fd = true, .fd = fd, .proxy = true, .tls = enclave->tls};
    struct http_server_config config = {
        .listeners = &listener,
        .listener_count = 1,
        .handler = front_handler(),
        .context = enclave->front,
        .round_end = front_round_end,
        .rest_us = front_rest_us,
        .limits = {.connections = LOCKED_CONNECTIONS},
    };
    http_limits_complete(&config.limits);
    if (http_server_start(&config, &enclave->server, err) == 0)
        return 0;
    fd_close(fd);
    return -1;
}

static int wait_for_unlock(struct enclave *enclave, struct err *err)
{
    if (enclave_wait_for(enclave, &enclave->is_unlocked, "unlocked", err) < 0)
        return -1;
    /* the same signal means something else while the storage is mounted */
    sigset_t signals;
    const struct timespec at_once = {0};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, ENCLAVE_WAKE_SIGNAL);
    (void)sigtimedwait(&signals, NULL, &at_once);
    return 0;
}

static void set_state_name(struct enclave *enclave, const char *name)
{
    lock_acquire(&enclave->provision_lock);
    enclave->state_name = name;
    lock_release(&enclave->provision_lock);
}

/* With a TLS key of its own, which ends with it: the app's is in the storage. */
static int be_locked(struct enclave *enclave, struct err *err)
{
    if (boot_identity(enclave, err) < 0 ||
        front_new(routes, ARRAY_LEN(routes), enclave, &enclave->front, err) < 0 ||
        enclave_check_socket(enclave, err) < 0)
        return -1;
    front_set_waiting_text(enclave->front,
                           "the app's storage is locked until its owner has unlocked it");
    set_state_name(enclave, "locked");
    if (listen_locked(enclave, err) < 0)
        return -1;
    report_state("locked", NULL);
    if (wait_for_unlock(enclave, err) < 0)
        return -1;
    set_state_name(enclave, "starting");
    (void)http_server_stop(enclave->server, STOP_MS);
    http_server_free(STEAL(enclave->server));
    front_free(STEAL(enclave->front));
    identity_forget(enclave);
    return 0;
}

/* --- the step --- */

int boot_volume_key(struct enclave *enclave, struct err *err)
{
    AUTO_SECRET struct secret sealing = SECRET_INIT;
    if (volume_sealing_key(enclave, &sealing, err) < 0)
        return -1;
    if (!manifest_owner_keeps(&enclave->manifest)) {
        enclave->volume_key = sealing;
        sealing = SECRET_INIT;
        return 0;
    }
    if (slot_read(enclave, &sealing, &enclave->volume_key, err) < 0)
        return -1;
    secret_done(&sealing);
    return enclave->volume_key.len > 0 ? 0 : be_locked(enclave, err);
}
