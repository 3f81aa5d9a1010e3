// SPDX-License-Identifier: Apache-2.0
/*
 * The syntax of names: apps, projects, accounts, hosts. Pure functions.
 */
#include "format/names.h"

#include <string.h>

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

bool name_valid(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= NAME_SIZE || !(is_letter(text[0]) || is_digit(text[0])))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_letter(text[i]) && !is_digit(text[i]) && strchr("._-", text[i]) == NULL)
            return false;
    }
    return true;
}

bool host_name_valid(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= HOST_NAME_SIZE)
        return false;
    size_t label = 0;
    for (size_t i = 0; i <= len; i++) {
        if (text[i] == '.' || text[i] == '\0') {
            if (label == 0 || label > 63 || text[i - 1] == '-')
                return false;
            label = 0;
        } else {
            bool dash = text[i] == '-' && label > 0;
            if (!is_lower(text[i]) && !is_digit(text[i]) && !dash)
                return false;
            label++;
        }
    }
    return true;
}
