// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: what a node says of an app. What is let through is shown and pasted: each text is
 * printable, the address is one, the id is a UUID.
 */
#include "client/node_client.h"

#include "base/endpoint.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_printable(const char *text, const char *kept)
{
    AUTO_FREE char *copy = str_copy(text, NULL);
    if (copy == NULL)
        return;
    text_make_printable(copy, kept);
    if (strcmp(copy, text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_JSON json_t *root = NULL;
    AUTO_NODE_APP struct node_app app = {0};
    struct endpoint endpoint;
    if (json_parse(slice_of(data, size), "the node's answer", 1 << 20, &root, &err) < 0 ||
        node_app_from_json(root, &app, &err) < 0) {
        require_printable(err.message, "");
        return 0;
    }
    const char *const texts[] = {app.id,    app.name,        app.project,
                                 app.state, app.fingerprint, app.url};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        require_printable(texts[i], "");
    require_printable(app.reason, "\n\t");
    if (endpoint_parse_url(app.url, &endpoint, NULL, NULL) < 0 || !manifest_id_valid(app.id))
        abort();
    return 0;
}
