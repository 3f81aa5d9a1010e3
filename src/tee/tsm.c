// SPDX-License-Identifier: Apache-2.0
/*
 * Linux's common interface for the evidence of confidential guests: a folder in configfs, into
 * which the report data is written and out of which the evidence is read. The folder's generation
 * counter tells whether somebody else wrote in between; the kernel, not the host, keeps it, but
 * the loop is bounded all the same. Runs inside the TEE.
 */
#include "tee/platform.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tee/tee.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TSM_FOLDER "/sys/kernel/config/tsm/report"

enum { TRIES = 5, PAUSE_MS = 20, TEXT_MAX = 256, FOLDER_SIZE = 64 };

static int read_text(const char *folder, const char *name, struct buf *out, struct err *err)
{
    AUTO_FREE char *path = path_join(folder, name, err);
    return path == NULL ? -1 : tee_read(path, out, err);
}

static int read_generation(const char *folder, uint64_t *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    char number[TEXT_MAX];
    if (read_text(folder, "generation", &text, err) < 0)
        return -1;
    (void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(buf_text(&text), "\n"),
                   buf_text(&text));
    return parse_u64(number, "generation", 0, UINT64_MAX, ret, err);
}

static int check_provider(const char *folder, const char *provider, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    if (read_text(folder, "provider", &text, err) < 0)
        return -1;
    size_t len = strcspn(buf_text(&text), "\n");
    if (!slice_is_str(slice_of(text.data, len), provider))
        return FAIL(err, ERR_UNSUPPORTED, "evidence comes from '%.*s', expected '%s'", (int)len,
                    buf_text(&text), provider);
    return 0;
}

/* One round; *ret_disturbed: another writer came in between, or the kernel was busy. */
static int try_report(const char *folder, struct slice report_data, struct buf *out,
                      bool *ret_disturbed, struct err *err)
{
    uint64_t before = 0;
    uint64_t after = 0;
    AUTO_FREE char *path = path_join(folder, "inblob", err);
    *ret_disturbed = false;
    if (path == NULL || read_generation(folder, &before, err) < 0 ||
        tee_write(path, report_data, err) < 0)
        return -1;
    if (read_text(folder, "outblob", out, err) < 0) {
        *ret_disturbed = err->errnum == EBUSY || err->errnum == EWOULDBLOCK ||
                         err->errnum == EINTR || err->errnum == ETIMEDOUT;
        return -1;
    }
    if (read_generation(folder, &after, err) < 0)
        return -1;
    if (after == before + 1)
        return 0;
    *ret_disturbed = true;
    return FAIL(err, ERR_BUSY, "somebody else wrote to '%s'", folder);
}

static int report_in(const char *folder, const char *provider, struct slice report_data,
                     struct buf *out, struct err *err)
{
    if (check_provider(folder, provider, err) < 0)
        return -1;
    for (int i = 0; i < TRIES; i++) {
        AUTO_BUF struct buf blob = BUF_INIT(TEE_EVIDENCE_MAX);
        struct err problem = ERR_INIT;
        bool is_disturbed = false;
        if (try_report(folder, report_data, &blob, &is_disturbed, &problem) == 0)
            return blob.len == 0 ? FAIL(err, ERR_INVALID, "the evidence is empty")
                                 : buf_bytes(out, buf_slice(&blob), err);
        if (!is_disturbed) {
            err_set(err, problem.kind, problem.errnum, "%s", problem.message);
            return -1;
        }
        clock_sleep_ms(PAUSE_MS);
    }
    return FAIL(err, ERR_TIMEOUT, "no undisturbed evidence in %d tries", TRIES);
}

int tsm_report(const char *provider, struct slice report_data, struct buf *out, struct err *err)
{
    char folder[FOLDER_SIZE];
    if (!tee_path_exists(TSM_FOLDER)) {
        (void)FAIL(err, ERR_UNSUPPORTED, "no '%s'", TSM_FOLDER);
        err_hint(err, "it needs Linux 6.7 or later with configfs mounted: "
                      "mount -t configfs none /sys/kernel/config");
        return -1;
    }
    (void)snprintf(folder, sizeof(folder), TSM_FOLDER "/mse-%d", (int)getpid());
    AUTO_FREE char *full = tee_path(folder, err);
    if (full == NULL)
        return -1;
    if (mkdir(full, 0700) < 0 && errno != EEXIST)
        return FAIL_ERRNO(err, ERR_IO, "cannot make '%s'", full);
    int result = report_in(folder, provider, report_data, out, err);
    (void)rmdir(full);
    return result;
}
