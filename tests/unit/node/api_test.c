// SPDX-License-Identifier: Apache-2.0
/*
 * The API's routes and docs/openapi.json say the same: every route with its method, parameters,
 * body and answer is in the file, and the file has no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "node/api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *document;

static int load(void **state)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    const char *root = getenv("MSE_SOURCE_ROOT");
    AUTO_FREE char *path = path_join(root != NULL ? root : ".", "docs/openapi.json", &err);
    if (path == NULL || file_read(path, &text, &err) < 0 ||
        json_parse(buf_slice(&text), "docs/openapi.json", text.len, &document, &err) < 0) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int unload(void **state)
{
    json_decref(document);
    return 0;
}

static const json_t *operation_of(const struct api_route *route)
{
    char method[16] = "";
    for (size_t i = 0; route->method[i] != '\0' && i + 1 < sizeof(method); i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    const json_t *path = json_object_get(json_object_get(document, "paths"), route->path);
    return json_object_get(path, method);
}

static void every_route_is_described_test(void **state)
{
    for (size_t i = 0; i < api_route_count; i++) {
        const json_t *operation = operation_of(&api_routes[i]);
        if (operation == NULL)
            fail_msg("%s %s is not described", api_routes[i].method, api_routes[i].path);
        assert_string_equal(json_string_value(json_object_get(operation, "operationId")),
                            api_routes[i].operation);
    }
}

static void every_description_is_a_route_test(void **state)
{
    const char *path = NULL;
    json_t *methods = NULL;
    size_t count = 0;
    json_object_foreach(json_object_get(document, "paths"), path, methods)
    {
        count += json_object_size(methods);
    }
    assert_int_equal(count, api_route_count);
}

/* Parameters of the query, in order; those of the path and the header are described only. */
static void parameters_test(void **state)
{
    for (size_t i = 0; i < api_route_count; i++) {
        const json_t *list = json_object_get(operation_of(&api_routes[i]), "parameters");
        size_t at = 0;
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *parameter = json_array_get(list, k);
            const char *name = json_string_value(json_object_get(parameter, "name"));
            if (strcmp(json_string_value(json_object_get(parameter, "in")), "path") == 0) {
                assert_non_null(strstr(api_routes[i].path, "{id}"));
                continue;
            }
            if (strcmp(json_string_value(json_object_get(parameter, "in")), "header") == 0)
                continue;
            bool known = false;
            for (size_t n = 0; api_routes[i].parameters[n] != NULL; n++)
                known = known || strcmp(api_routes[i].parameters[n], name) == 0;
            if (!known)
                fail_msg("%s: parameter '%s' is not read", api_routes[i].operation, name);
            at++;
        }
        assert_null(api_routes[i].parameters[at]);
    }
}

/* A schema's name, or a media type. */
static void check_content(const json_t *holder, const char *expected, const char *where)
{
    const json_t *content = json_object_get(holder, "content");
    if (expected == NULL)
        return;
    if (strchr(expected, '/') != NULL) {
        if (json_object_get(content, expected) == NULL)
            fail_msg("%s: media type '%s' is not described", where, expected);
        return;
    }
    const json_t *schema = json_object_get(json_object_get(content, "application/json"), "schema");
    char reference[128];
    (void)snprintf(reference, sizeof(reference), "#/components/schemas/%s", expected);
    assert_string_equal(json_string_value(json_object_get(schema, "$ref")), reference);
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    assert_non_null(json_object_get(schemas, expected));
}

static void bodies_test(void **state)
{
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_routes[i];
        const json_t *operation = operation_of(route);
        char status[8];
        (void)snprintf(status, sizeof(status), "%d", route->status);
        const json_t *answer = json_object_get(json_object_get(operation, "responses"), status);
        if (answer == NULL)
            fail_msg("%s: status %s is not described", route->operation, status);
        check_content(answer, route->response, route->operation);
        const json_t *request = json_object_get(operation, "requestBody");
        assert_int_equal(request != NULL, route->request != NULL);
        check_content(request, route->request, route->operation);
    }
}

/* The kinds of errors in the file are those that err.h has. */
static void error_kinds_test(void **state)
{
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    const json_t *error =
        json_object_get(json_object_get(json_object_get(schemas, "Error"), "properties"), "error");
    const json_t *kinds =
        json_object_get(json_object_get(json_object_get(error, "properties"), "kind"), "enum");
    assert_int_equal(json_array_size(kinds), ERR_INTERNAL);
    for (size_t i = 0; i < json_array_size(kinds); i++)
        assert_string_equal(json_string_value(json_array_get(kinds, i)),
                            err_kind_name((enum err_kind)(i + 1)));
}

/* The counters of an app by name, and the four estimates that the node adds. */
static void counters_are_described_test(void **state)
{
    const struct app_stats none = {0};
    struct err err = ERR_INIT;
    AUTO_JSON json_t *counters = NULL;
    const char *name = NULL;
    json_t *value = NULL;
    const json_t *schema = json_object_get(
        json_object_get(json_object_get(document, "components"), "schemas"), "Counters");
    const json_t *described = json_object_get(schema, "properties");
    assert_int_equal(app_stats_to_json(&none, &counters, &err), 0);
    json_object_foreach(counters, name, value)
    {
        if (json_object_get(described, name) == NULL)
            fail_msg("'%s' is not described", name);
    }
    assert_int_equal(json_object_size(described), json_object_size(counters) + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described_test),
        cmocka_unit_test(every_description_is_a_route_test),
        cmocka_unit_test(counters_are_described_test),
        cmocka_unit_test(parameters_test),
        cmocka_unit_test(bodies_test),
        cmocka_unit_test(error_kinds_test),
    };
    return cmocka_run_group_tests_name("api", tests, load, unload);
}
