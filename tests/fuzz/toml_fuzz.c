// SPDX-License-Identifier: Apache-2.0
/*
 * TOML: any bytes are read or refused. What was read is walked, so that broken links, texts without
 * their zero byte and wrong counts are found.
 */
#include "format/toml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct toml_value *value, unsigned depth)
{
    if (depth > TOML_MAX_DEPTH || value->line == 0 || value->column == 0)
        abort();
    size_t count = 0;
    for (const struct toml_value *child = value->first; child != NULL; child = child->next) {
        if (child->parent != value || (child->next == NULL && child != value->last))
            abort();
        if (value->type == TOML_TABLE && child->key.data[child->key.len] != '\0')
            abort();
        check(child, depth + 1);
        count++;
    }
    if (count != value->count || (value->type == TOML_STRING && value->text.data[value->text.len]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO(toml_free_pointer) struct toml *toml = NULL;
    if (toml_parse(slice_of(data, size), "fuzz", &toml, &err) == 0)
        check(toml_root(toml), 0);
    else if (err.message[0] == '\0')
        abort();
    return 0;
}
