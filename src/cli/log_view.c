// SPDX-License-Identifier: Apache-2.0
/*
 * Takes a log line by line, on the owner's machine, so that no filter of anybody's costs the node.
 */
#include "cli/log_view.h"

#include "base/clock.h"
#include "base/text.h"
#include "cli/ui.h"
#include "format/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More than the supervisor makes of one; what is longer comes in pieces. */
enum { LINE_MAX_SIZE = 64 * 1024, STAMP_MAX = 32 };

struct log_line {
    struct slice all;
    char time[STAMP_MAX]; /* "" where it has none */
    int64_t unix_time;
    struct slice text;
};

void log_view_init(struct log_view *view, const struct log_filter *filter, FILE *out)
{
    *view = (struct log_view){.filter = *filter, .out = out, .line = BUF_INIT(LINE_MAX_SIZE)};
}

void log_view_done(struct log_view *view)
{
    buf_done(&view->line);
}

static void take_apart(struct slice all, struct log_line *ret)
{
    struct err no_time = ERR_INIT;
    const uint8_t *space = memchr(all.data, ' ', all.len);
    size_t len = space == NULL ? 0 : (size_t)(space - all.data);
    *ret = (struct log_line){.all = all, .text = all};
    if (len == 0 || len >= sizeof(ret->time))
        return;
    memcpy(ret->time, all.data, len);
    if (rfc3339_parse(ret->time, &ret->unix_time, &no_time) == 0)
        ret->text = slice_of(all.data + len + 1, all.len - len - 1);
    else
        ret->time[0] = '\0';
}

/* An app may write such a line as well: it is the one that is left out then. */
static bool is_boot(struct slice text)
{
    return slice_starts_with(text, "info enclave: ") ||
           slice_starts_with(text, "debug enclave: ") ||
           (slice_starts_with(text, "mse-init: ") && slice_ends_with(text, " ms"));
}

static bool is_wanted(const struct log_filter *filter, const struct log_line *line)
{
    bool has_limit = filter->since != INT64_MIN || filter->until != INT64_MAX;
    if (!filter->boot && is_boot(line->text))
        return false;
    if (has_limit && (line->time[0] == '\0' || line->unix_time < filter->since ||
                      line->unix_time > filter->until))
        return false;
    const regmatch_t where = {.rm_so = 0, .rm_eo = (regoff_t)line->text.len};
    regmatch_t match = where;
    return filter->grep == NULL ||
           regexec(filter->grep, (const char *)line->text.data, 1, &match, REG_STARTEND) == 0;
}

static int write_json(FILE *out, const struct log_line *line, struct err *err)
{
    AUTO_FREE char *text = mem_alloc(line->text.len + 1, err);
    AUTO_JSON json_t *object = json_new_object(err);
    if (text == NULL || object == NULL)
        return -1;
    text_copy_printable(text, line->text.len + 1, line->text, "\t");
    int timed = line->time[0] == '\0' ? json_put(object, "time", json_null(), err)
                                      : json_put_text(object, "time", line->time, err);
    if (timed < 0 || json_put_text(object, "text", text, err) < 0 ||
        json_put_bool(object, "boot", is_boot(line->text), err) < 0)
        return -1;
    AUTO_BUF struct buf dumped = BUF_INIT(6 * line->text.len + 256);
    if (json_write(object, JSON_COMPACT, &dumped, err) < 0)
        return FAIL_CONTEXT(err, "a line of the log");
    return fprintf(out, "%s\n", buf_text(&dumped)) < 0
               ? FAIL_ERRNO(err, ERR_IO, "cannot write the log")
               : 0;
}

/* `all` without its end. */
static int show(struct log_view *view, struct slice all, struct err *err)
{
    struct log_line line;
    take_apart(all, &line);
    if (!is_wanted(&view->filter, &line))
        return 0;
    if (view->filter.json)
        return write_json(view->out, &line, err);
    return ui_write_log(view->out, all, err) < 0 ||
                   ui_write_log(view->out, slice_str("\n"), err) < 0
               ? -1
               : 0;
}

int log_view_finish(struct log_view *view, struct err *err)
{
    if (view->line.len == 0)
        return 0;
    int result = show(view, buf_slice(&view->line), err);
    buf_clear(&view->line);
    return result;
}

int log_view_write(void *context, struct slice bytes, struct err *err)
{
    struct log_view *view = context;
    while (bytes.len > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.data);
        size_t room = LINE_MAX_SIZE - view->line.len;
        size_t taken = len < room ? len : room;
        if (buf_bytes(&view->line, slice_of(bytes.data, taken), err) < 0)
            return -1;
        bool ended = end != NULL && taken == len;
        if (ended && view->line.len == 0 && show(view, slice_of(bytes.data, 0), err) < 0)
            return -1;
        if ((ended || taken < len) && log_view_finish(view, err) < 0)
            return -1;
        bytes = slice_of(bytes.data + taken + (ended ? 1 : 0), bytes.len - taken - (ended ? 1 : 0));
    }
    if (fflush(view->out) == EOF)
        return FAIL_ERRNO(err, ERR_IO, "cannot write the log");
    return 0;
}

int log_time_parse(const char *text, const char *option, int64_t now, int64_t *ret, struct err *err)
{
    int64_t seconds = 0;
    struct err no_date = ERR_INIT;
    struct err no_duration = ERR_INIT;
    if (rfc3339_parse(text, ret, &no_date) == 0)
        return 0;
    if (duration_parse(text, option, &seconds, &no_duration) == 0 && seconds <= now) {
        *ret = now - seconds;
        return 0;
    }
    return FAIL(err, ERR_USAGE,
                "%s: '%s' is neither a duration such as '2h' nor a date such as "
                "'2027-06-01T00:00:00Z'",
                option, text);
}
