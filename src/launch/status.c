// SPDX-License-Identifier: Apache-2.0
/*
 * The status of an enclave as the supervisor writes it and msed reads it, and the lines in which
 * the enclave speaks to its supervisor. Both sides run on the host; what comes from the enclave is
 * foreign.
 */
#include "launch/status.h"

#include "base/text.h"
#include "format/json.h"

#include <stdio.h>

static const char *const state_names[] = {
    [LAUNCH_SPAWNING] = "spawning",         [LAUNCH_LOCKED] = "locked",
    [LAUNCH_INITIALIZING] = "initializing", [LAUNCH_RUNNING] = "running",
    [LAUNCH_STOPPED] = "stopped",           [LAUNCH_FAILED] = "failed",
};

const char *launch_state_name(enum launch_state state)
{
    return state_names[state];
}

static int put_status(json_t *object, const struct launch_status *status, struct err *err)
{
    if (json_put_u64(object, "format", 1, err) < 0 ||
        json_put_text(object, "state", launch_state_name(status->state), err) < 0 ||
        json_put_i64(object, "since", status->since, err) < 0 ||
        json_put_i64(object, "supervisor", status->supervisor, err) < 0)
        return -1;
    if (json_put_text(object, "reason", status->reason, err) < 0 ||
        json_put_text(object, "call", status->call, err) < 0 ||
        json_put_text(object, "detail", status->detail, err) < 0)
        return -1;
    return json_put_text(object, "limits", status->limits, err);
}

int status_encode(const struct launch_status *status, struct buf *out, struct err *err)
{
    AUTO_JSON json_t *object = json_new_object(err);
    if (object == NULL || put_status(object, status, err) < 0 ||
        json_canonical(object, out, err) < 0)
        return FAIL_CONTEXT(err, "status");
    return buf_u8(out, '\n', err);
}

static int read_state(const struct json_at *top, enum launch_state *ret, struct err *err)
{
    const char *name = NULL;
    if (json_read_text(top, "state", 32, &name, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
        if (strcmp(state_names[i], name) == 0) {
            *ret = (enum launch_state)i;
            return 0;
        }
    }
    return FAIL(err, ERR_INVALID, "unknown state '%s'", name);
}

static int read_status(const struct json_at *top, struct launch_status *status, struct err *err)
{
    int64_t supervisor = 0;
    if (read_state(top, &status->state, err) < 0 ||
        json_read_i64(top, "since", 0, INT64_MAX, &status->since, err) < 0 ||
        json_read_i64(top, "supervisor", 0, INT32_MAX, &supervisor, err) < 0)
        return -1;
    status->supervisor = (pid_t)supervisor;
    if (json_read_text_into(top, "reason", status->reason, sizeof(status->reason), err) < 0 ||
        json_read_text_into(top, "call", status->call, sizeof(status->call), err) < 0 ||
        json_read_text_into(top, "detail", status->detail, sizeof(status->detail), err) < 0)
        return -1;
    return json_read_text_into(top, "limits", status->limits, sizeof(status->limits), err);
}

static int parse_line(struct slice line, json_t **ret_root, struct json_at *ret, struct err *err)
{
    if (line.len > 0 && line.data[line.len - 1] == '\n')
        line.len--;
    if (json_parse(line, "launch status", LAUNCH_LINE_MAX, ret_root, err) < 0)
        return -1;
    return json_top(*ret_root, "launch status", ret, err);
}

int launch_status_decode(struct slice line, struct launch_status *ret, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    struct launch_status status = {0};
    if (parse_line(line, &root, &top, err) < 0 || read_status(&top, &status, err) < 0)
        return -1;
    *ret = status;
    return 0;
}

int launch_line_decode(struct slice line, struct launch_line *ret, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    *ret = (struct launch_line){0};
    if (parse_line(line, &root, &top, err) < 0)
        return -1;
    ret->is_stats = json_has(&top, "stats");
    return ret->is_stats ? app_stats_from_line(&top, &ret->stats, err)
                         : read_status(&top, &ret->status, err);
}

static int read_enclave_state(const struct json_at *top, struct enclave_event *event,
                              struct err *err)
{
    const char *reason = NULL;
    if (read_state(top, &event->state, err) < 0)
        return -1;
    if (event->state != LAUNCH_LOCKED && event->state != LAUNCH_INITIALIZING &&
        event->state != LAUNCH_RUNNING && event->state != LAUNCH_FAILED)
        return FAIL(err, ERR_INVALID, "an enclave does not decide about this state");
    if (json_read_text_optional(top, "reason", LAUNCH_LINE_MAX, &reason, err) < 0)
        return -1;
    if (reason != NULL)
        text_copy_printable(event->reason, sizeof(event->reason), slice_str(reason), "");
    return 0;
}

int enclave_event_decode(struct slice line, struct enclave_event *ret, struct err *err)
{
    AUTO_JSON json_t *root = NULL;
    struct json_at top;
    struct enclave_event event = {0};
    const char *text = NULL;
    if (json_parse(line, "enclave", LAUNCH_LINE_MAX, &root, err) < 0 ||
        json_top(root, "enclave", &top, err) < 0)
        return -1;
    if (json_has(&top, "stats")) {
        event.has_stats = true;
        if (app_stats_from_line(&top, &event.stats, err) < 0)
            return -1;
    } else if (json_has(&top, "state")) {
        if (read_enclave_state(&top, &event, err) < 0)
            return -1;
    } else {
        if (json_read_text(&top, "event", 32, &text, err) < 0)
            return -1;
        if (strcmp(text, "forbidden") != 0)
            return FAIL(err, ERR_INVALID, "unknown event of the enclave");
        if (json_read_text(&top, "call", sizeof(event.call) - 1, &text, err) < 0)
            return -1;
        text_copy_printable(event.call, sizeof(event.call), slice_str(text), "");
    }
    *ret = event;
    return 0;
}
