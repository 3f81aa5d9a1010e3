// SPDX-License-Identifier: Apache-2.0
/*
 * The API's handlers about an app's releases. Own nothing; run in msed, each on the thread of its
 * request.
 */
#include "node/api.h"

#include "base/text.h"

static int fill_release(const struct store_release *release, json_t *object, struct err *err)
{
    if (json_put_i64(object, "number", release->number, err) < 0 ||
        json_put_text(object, "state", store_release_state_name(release->state), err) < 0 ||
        json_put_text(object, "reason", release->reason, err) < 0 ||
        json_put_text(object, "fingerprint", release->fingerprint, err) < 0 ||
        json_put_text(object, "resource", release->resource, err) < 0 ||
        json_put_text(object, "environment", release->environment, err) < 0)
        return -1;
    return api_put_time(object, "created", release->created, err);
}

static int list_release(void *context, const struct store_release *release, struct err *err)
{
    AUTO_JSON json_t *object = json_new_object(err);
    if (object == NULL || fill_release(release, object, err) < 0)
        return -1;
    if (json_array_append(context, object) < 0)
        return FAIL(err, ERR_MEMORY, "cannot write the answer");
    return 0;
}

int api_get_releases(struct api_call *call, struct err *err)
{
    AUTO_JSON json_t *list = json_array();
    if (store_release_each(call->node->store, call->id, list_release, list, err) < 0)
        return -1;
    return api_answer(call, 200, JSON_OF(JSON_VALUE("releases", json_incref(list))), err);
}

int api_read_release(const struct api_call *call, int64_t *ret, struct err *err)
{
    const char *text = query_value(&call->query, "release");
    uint64_t number = 0;
    if (text[0] != '\0' && parse_u64(text, "release", 1, INT32_MAX, &number, err) < 0)
        return -1;
    *ret = (int64_t)number;
    return 0;
}

int api_post_commit(struct api_call *call, struct err *err)
{
    int64_t number = 0;
    if (api_read_release(call, &number, err) < 0)
        return -1;
    if (number == 0)
        return FAIL(err, ERR_INVALID, "release: the number of the release is missing");
    if (keeper_commit(call->node->keeper, call->id, number, err) < 0)
        return -1;
    return api_answer_app(call, 200, err);
}

int api_post_rollback(struct api_call *call, struct err *err)
{
    int64_t number = 0;
    if (api_read_release(call, &number, err) < 0 ||
        keeper_rollback(call->node->keeper, call->id, number, err) < 0)
        return -1;
    return api_answer_app(call, 202, err);
}
