// SPDX-License-Identifier: Apache-2.0
/*
 * The syntax of the texts in a manifest. ASCII only: two texts that look alike must not be two
 * identities, and no text may drive a terminal or end a header line. Pure functions.
 */
#include "model/manifest.h"

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

bool manifest_id_valid(const char *text)
{
    if (strlen(text) != MANIFEST_ID_SIZE - 1)
        return false;
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = is_digit(text[i]) || (text[i] >= 'a' && text[i] <= 'f');
        if (dash ? text[i] != '-' : !hex)
            return false;
    }
    return true;
}

/* identifier *("." identifier); returns what follows, or NULL. */
static const char *dotted_identifier(const char *text)
{
    for (;;) {
        if (!is_letter(*text) && *text != '_')
            return NULL;
        while (is_letter(*text) || is_digit(*text) || *text == '_')
            text++;
        if (*text != '.')
            return text;
        text++;
    }
}

bool manifest_application_valid(const char *text)
{
    if (strlen(text) >= MANIFEST_APPLICATION_SIZE)
        return false;
    const char *colon = dotted_identifier(text);
    if (colon == NULL || *colon != ':')
        return false;
    const char *end = dotted_identifier(colon + 1);
    if (end != NULL && strcmp(end, "()") == 0)
        return true; /* what this returns is the app */
    return end != NULL && *end == '\0';
}

bool manifest_function_valid(const char *text)
{
    return manifest_application_valid(text) && strchr(text, '(') == NULL;
}

bool manifest_endpoint_valid(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= MANIFEST_ENDPOINT_SIZE || text[0] != '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '#' || text[i] == '\\')
            return false;
    }
    return true;
}

/* One path: its components are names. */
static bool is_data_path(const char *path, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && (path[i] < ' ' || path[i] > '~' || path[i] == '\\'))
            return false;
        if (i < len && path[i] != '/')
            continue;
        size_t part = i - start;
        bool dots = (part == 1 && path[start] == '.') ||
                    (part == 2 && path[start] == '.' && path[start + 1] == '.');
        if (part == 0 || dots)
            return false;
        start = i + 1;
    }
    return true;
}

/* Is `path` behind the one before it? */
static bool follows(const char *before, size_t before_len, const char *path, size_t len)
{
    size_t common = before_len < len ? before_len : len;
    int order = memcmp(before, path, common);
    return order != 0 ? order < 0 : before_len < len;
}

bool manifest_data_valid(const char *text)
{
    const char *before = NULL;
    size_t before_len = 0;
    if (strlen(text) >= MANIFEST_DATA_SIZE)
        return false;
    for (const char *path = text; path != NULL;) {
        const char *end = strchr(path, MANIFEST_DATA_SEPARATOR[0]);
        size_t len = end == NULL ? strlen(path) : (size_t)(end - path);
        if (!is_data_path(path, len) || (before != NULL && !follows(before, before_len, path, len)))
            return false;
        before = path;
        before_len = len;
        path = end == NULL ? NULL : end + 1;
    }
    return true;
}

bool manifest_log_format_valid(const char *text)
{
    return strcmp(text, "common") == 0 || strcmp(text, "combined") == 0 ||
           strcmp(text, "json") == 0;
}

bool manifest_log_target_valid(const char *text)
{
    return strcmp(text, "sealed") == 0 || strcmp(text, "log") == 0;
}

bool manifest_new_processes_valid(const char *text)
{
    return strcmp(text, "refuse") == 0 || strcmp(text, "end") == 0;
}

bool manifest_keeper_valid(const char *text)
{
    return strcmp(text, "owner") == 0;
}

bool manifest_owner_keeps(const struct manifest *manifest)
{
    return strcmp(manifest->storage_keeper, "owner") == 0;
}

const char *manifest_keeper_text(const struct manifest *manifest)
{
    return manifest_owner_keeps(manifest)
               ? "its owner can let other versions read it, and could read it"
               : "this version alone can read it, and its owner cannot";
}

bool manifest_ends_at_new_process(const struct manifest *manifest)
{
    return strcmp(manifest->server.new_processes, "end") == 0;
}
