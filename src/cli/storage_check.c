// SPDX-License-Identifier: Apache-2.0
/*
 * See storage_check.h.
 */
#include "cli/storage_check.h"

#include "cli/ui.h"
#include "client/storage_memory.h"

#include <stdio.h>

int storage_check_begin(struct storage_check *check, const struct manifest *manifest,
                        const uint8_t fingerprint[static SHA256_SIZE], struct err *err)
{
    *check = (struct storage_check){.manifest = manifest, .fingerprint = fingerprint};
    return storage_memory_get(manifest, fingerprint, &check->seen, err);
}

static int fail_unknown(const struct storage_check *check, struct err *err)
{
    (void)FAIL(err, ERR_REJECTED,
               "storage.unknown: the enclave says nothing of its storage, of which opening %llu "
               "was seen before",
               (unsigned long long)check->seen.opening);
    err_hint(err, "its storage is locked ('mse unlock APP', by its owner), or its mse-enclave is "
                  "of a version that does not count");
    return -1;
}

static int fail_back(const struct storage_check *check, const struct storage_word *said,
                     struct err *err)
{
    (void)FAIL(err, ERR_REJECTED,
               "storage.rolled-back: this is opening %llu of the app's storage, and opening %llu "
               "was seen before: an older copy, or an empty one, is in its place",
               (unsigned long long)said->now.opening, (unsigned long long)check->seen.opening);
    err_hint(err, "if the app's owner says that it was their doing: 'mse verify --accept-storage'");
    return -1;
}

static int fail_forked(const struct storage_check *check, const struct storage_word *said,
                       struct err *err)
{
    (void)FAIL(err, ERR_REJECTED,
               "storage.forked: opening %llu of the app's storage does not come after opening %llu "
               "as it was seen before: there are two of it",
               (unsigned long long)said->now.opening, (unsigned long long)check->seen.opening);
    err_hint(err, "a copy of before was opened, and what was stored since is not in this one; if "
                  "the app's owner says that it was their doing: 'mse verify --accept-storage'");
    return -1;
}

int storage_check_judge(const struct storage_check *check, const struct storage_word *said,
                        struct err *err)
{
    if (said == NULL)
        return check->seen.opening > 0 ? fail_unknown(check, err) : 0;
    switch (storage_judge(&check->seen, said)) {
    case STORAGE_ROLLED_BACK:
        return fail_back(check, said, err);
    case STORAGE_FORKED:
        return fail_forked(check, said, err);
    case STORAGE_GOES_ON:
    case STORAGE_TOO_LONG_AGO:
    default:
        return 0;
    }
}

int storage_check_judge_new(const struct storage_check *check, const struct storage_word *said,
                            struct err *err)
{
    bool is_new = said != NULL && said->now.opening == 1;
    return is_new ? 0 : storage_check_judge(check, said, err);
}

void storage_check_keep(const struct storage_check *check, const struct storage_word *said)
{
    struct err err = ERR_INIT;
    if (said == NULL)
        return;
    if (storage_memory_set(check->manifest, check->fingerprint, &said->now, &err) < 0)
        ui_warning("what was seen of the storage cannot be remembered: %s", err.message);
}

int storage_check_session(struct attested *channel, const struct manifest *manifest,
                          const uint8_t fingerprint[static SHA256_SIZE], struct err *err)
{
    struct storage_check check;
    if (storage_check_begin(&check, manifest, fingerprint, err) < 0 ||
        attested_ask_storage(channel, check.seen.opening, err) < 0 ||
        storage_check_judge(&check, attested_storage(channel), err) < 0)
        return -1;
    storage_check_keep(&check, attested_storage(channel));
    return 0;
}

void storage_check_text(const struct storage_check *check, const struct storage_word *said,
                        char *out, size_t size)
{
    unsigned long long seen = check->seen.opening;
    if (said == NULL)
        (void)snprintf(out, size, "the enclave says nothing of it");
    else if (seen == 0)
        (void)snprintf(out, size, "opening %llu; none was seen before",
                       (unsigned long long)said->now.opening);
    else if (storage_judge(&check->seen, said) == STORAGE_TOO_LONG_AGO)
        (void)snprintf(out, size,
                       "opening %llu, newer than opening %llu; too many lie between to tell more",
                       (unsigned long long)said->now.opening, seen);
    else
        (void)snprintf(out, size, "opening %llu, which goes on from opening %llu",
                       (unsigned long long)said->now.opening, seen);
}
