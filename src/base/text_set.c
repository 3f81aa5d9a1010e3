// SPDX-License-Identifier: Apache-2.0
/*
 * See text_set.h.
 */
#include "base/text_set.h"

#include <stdlib.h>
#include <string.h>

bool text_set_has(const struct text_set *set, const char *text)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->items[i], text) == 0)
            return true;
    }
    return false;
}

int text_set_add(struct text_set *set, const char *text, struct err *err)
{
    if (text_set_has(set, text))
        return 0;
    if (set->count == set->room) {
        size_t room = 2 * set->room + 4;
        char **items = mem_resize_array(set->items, room, sizeof(*items), err);
        if (items == NULL)
            return -1;
        set->items = items;
        set->room = room;
    }
    char *copy = str_copy(text, err);
    if (copy == NULL)
        return -1;
    set->items[set->count++] = copy;
    return 0;
}

void text_set_done(struct text_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->items[i]);
    free(set->items);
    *set = (struct text_set){0};
}
