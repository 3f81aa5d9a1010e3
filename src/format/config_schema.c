// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a TOML table into a struct as a table of keys says: finds keys, refuses unknown ones,
 * says what is missing, frees what it stored. The values themselves: config_value.c.
 */
#include "format/config_internal.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

const struct toml_value *config_find(const struct toml_value *table, const char *name)
{
    while (table != NULL) {
        size_t len = strcspn(name, ".");
        const struct toml_value *found = table->type == TOML_TABLE ? table->first : NULL;
        while (found != NULL && !slice_equal(found->key, slice_of(name, len)))
            found = found->next;
        if (name[len] == '\0')
            return found;
        name += len + 1;
        table = found;
    }
    return NULL;
}

static const struct toml_value *find_value(const struct config_key *key, int layout,
                                           const struct toml_value *table)
{
    const struct toml_value *value = config_find(table, key->names[layout]);
    if (value == NULL && key->aliases[layout] != NULL)
        value = config_find(table, key->aliases[layout]);
    return value;
}

static const struct config_key *key_at(const struct config_schema *schema, int layout,
                                       size_t offset)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (key->offset == offset && key->names[layout] != NULL && key->type != CONFIG_TABLES)
            return key;
    }
    return NULL;
}

const struct toml_value *config_source(const struct config_schema *schema, int layout,
                                       const struct toml_value *table, size_t offset)
{
    const struct config_key *key = key_at(schema, layout, offset);
    return key == NULL ? NULL : find_value(key, layout, table);
}

const char *config_name(const struct config_schema *schema, int layout, size_t offset)
{
    const struct config_key *key = key_at(schema, layout, offset);
    return key == NULL ? "?" : key->names[layout];
}

/* How a name met in the file relates to the known ones. */
enum relation { RELATION_NONE, RELATION_TABLE, RELATION_KEY };

static enum relation relate(const char *path, const char *name)
{
    if (name == NULL || !str_starts_with(name, path))
        return RELATION_NONE;
    const char *rest = name + strlen(path);
    if (*rest == '\0')
        return RELATION_KEY;
    return *rest == '.' ? RELATION_TABLE : RELATION_NONE;
}

static enum relation relate_all(const struct config_schema *schema, int layout, const char *path)
{
    enum relation best = RELATION_NONE;
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        enum relation name = relate(path, key->names[layout]);
        enum relation alias = relate(path, key->aliases[layout]);
        best = name > best ? name : best;
        best = alias > best ? alias : best;
    }
    return best;
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

/* The key that was probably meant: one of the same last name elsewhere, or the nearest spelling. */
static const char *guess(const struct config_schema *schema, int layout, const char *path)
{
    const char *names[CONFIG_KEYS_MAX];
    const char *lasts[CONFIG_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->count && count < CONFIG_KEYS_MAX; i++) {
        const char *name = schema->keys[i].names[layout];
        if (name == NULL)
            continue;
        if (strcmp(last_part(name), last_part(path)) == 0)
            return name;
        lasts[count] = last_part(name);
        names[count++] = name;
    }
    const char *nearest = text_nearest(path, names, count);
    if (nearest != NULL)
        return nearest;
    nearest = text_nearest(last_part(path), lasts, count);
    for (size_t i = 0; i < count && nearest != NULL; i++) {
        if (lasts[i] == nearest)
            return names[i];
    }
    return NULL;
}

static int fail_unknown(const struct config_schema *schema, int layout, const char *path,
                        const struct toml_value *value, struct err *err)
{
    toml_fail(value, err, value->type == TOML_TABLE ? "unknown section" : "unknown key");
    const char *meant = guess(schema, layout, path);
    if (meant != NULL)
        err_hint(err, "did you mean '%s'?", meant);
    return -1;
}

/* Known keys nest three tables deep at most, so this recursion ends where the tables' names do. */
static int check_known(const struct config_schema *schema, int layout, const char *prefix,
                       const struct toml_value *table, struct err *err)
{
    for (const struct toml_value *child = table->first; child != NULL; child = child->next) {
        AUTO_FREE char *path = str_printf(err, "%s%s", prefix, (const char *)child->key.data);
        if (path == NULL)
            return -1;
        bool plain = memchr(child->key.data, '.', child->key.len) == NULL &&
                     memchr(child->key.data, '\0', child->key.len) == NULL && child->key.len > 0;
        enum relation relation = plain ? relate_all(schema, layout, path) : RELATION_NONE;
        if (relation == RELATION_NONE)
            return fail_unknown(schema, layout, path, child, err);
        if (relation == RELATION_KEY)
            continue;
        AUTO_FREE char *inner = str_printf(err, "%s.", path);
        if (inner == NULL || toml_expect(child, TOML_TABLE, err) < 0 ||
            check_known(schema, layout, inner, child, err) < 0)
            return -1;
    }
    return 0;
}

static bool table_is_absent(const struct toml_value *table, const char *name)
{
    char parent[64];
    const char *dot = strrchr(name, '.');
    if (dot == NULL || (size_t)(dot - name) >= sizeof(parent))
        return false;
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(dot - name), name);
    return config_find(table, parent) == NULL;
}

static int fail_missing(const struct config_key *key, int layout, const struct toml_value *table,
                        struct err *err)
{
    const char *file = toml_name(table->toml);
    char path[128];
    toml_path(table, path, sizeof(path));
    (void)FAIL(err, ERR_INVALID, "%s: '%s%s%s' is missing", file, path, path[0] != '\0' ? "." : "",
               key->names[layout]);
    err_hint(err, "%s", key->doc);
    return -1;
}

static int load_key(const struct config_key *key, int layout, const struct toml_value *table,
                    const char *folder, void *ret, struct err *err)
{
    void *field = (char *)ret + key->offset;
    const struct toml_value *value = find_value(key, layout, table);
    const struct toml_value *alias =
        key->aliases[layout] == NULL ? NULL : config_find(table, key->aliases[layout]);
    if (value != NULL && alias != NULL && alias != value)
        return TOML_FAIL(alias, err, "is another name of '%s', which is given in line %u",
                         key->names[layout], value->key_line);
    if (key->type == CONFIG_TABLES)
        return value == NULL ? 0 : toml_expect(value, TOML_TABLE, err);
    if (value != NULL)
        return config_read_value(key, value, folder, field, err);
    bool excused = key->optional_table && table_is_absent(table, key->names[layout]);
    if (key->required && !excused)
        return fail_missing(key, layout, table, err);
    return key->fallback == NULL ? 0 : config_read_fallback(key, folder, field, err);
}

int config_load(const struct config_schema *schema, int layout, const struct toml_value *table,
                const char *folder, void *ret, struct err *err)
{
    if (check_known(schema, layout, "", table, err) < 0)
        return -1;
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (key->names[layout] != NULL && load_key(key, layout, table, folder, ret, err) < 0)
            return -1;
    }
    return 0;
}

static void free_strings(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct config_strings){0};
}

void config_done(const struct config_schema *schema, void *value)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        void *field = (char *)value + key->offset;
        if (key->type == CONFIG_STRING || key->type == CONFIG_PATH) {
            mem_free_pointer(field);
            *(char **)field = NULL;
        } else if (key->type == CONFIG_STRINGS || key->type == CONFIG_PAIRS) {
            free_strings(field);
        }
    }
}
