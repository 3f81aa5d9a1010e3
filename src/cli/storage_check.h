// SPDX-License-Identifier: Apache-2.0
/*
 * Is an app's storage the one that was seen from here before, or an older copy, or one that has
 * split from it (docs/storage.md)? Runs on the owner's and the app user's machine.
 */
#pragma once

#include "client/attested.h"
#include "model/manifest.h"

struct storage_check {
    const struct manifest *manifest;
    const uint8_t *fingerprint;
    struct storage_mark seen; /* opening 0: nothing */
};

/* What was seen. manifest and fingerprint stay the caller's, and must outlive it. */
int storage_check_begin(struct storage_check *check, const struct manifest *manifest,
                        const uint8_t fingerprint[static SHA256_SIZE], struct err *err) MUST_USE;
/* `said` as attested_storage has it, which must have been asked for check->seen.opening. Errors:
 * REJECTED, with the name storage.rolled-back, storage.forked or storage.unknown at the front. */
int storage_check_judge(const struct storage_check *check, const struct storage_word *said,
                        struct err *err) MUST_USE;
/* The same of a storage that is to be new, whose first opening it must be: it is the node that says
 * whether an app is there, and one that is not may be one whose older storage it puts back. */
int storage_check_judge_new(const struct storage_check *check, const struct storage_word *said,
                            struct err *err) MUST_USE;
/* Remembers it from now on; where that cannot be written there is a warning. */
void storage_check_keep(const struct storage_check *check, const struct storage_word *said);
/* All of it, over a connection that was verified. */
int storage_check_session(struct attested *channel, const struct manifest *manifest,
                          const uint8_t fingerprint[static SHA256_SIZE], struct err *err) MUST_USE;
/* One line: "opening 7, which goes on from opening 5". */
void storage_check_text(const struct storage_check *check, const struct storage_word *said,
                        char *out, size_t size);
