// SPDX-License-Identifier: Apache-2.0
/*
 * The list of keys of a man page, from the table of keys: so the page cannot forget a key or name
 * another default than the one that holds.
 */
#include "format/config_schema.h"

#include <inttypes.h>

static const char *type_text(enum config_type type)
{
    static const char *const texts[] = {
        [CONFIG_STRING] = "string",
        [CONFIG_PATH] = "path",
        [CONFIG_STRINGS] = "array of strings",
        [CONFIG_PAIRS] = "section of strings",
        [CONFIG_INTEGER] = "integer",
        [CONFIG_SIZE] = "size",
        [CONFIG_DURATION] = "duration",
        [CONFIG_TIME] = "date and time",
        [CONFIG_CPUS] = "number",
        [CONFIG_PORTS] = "first-last",
        [CONFIG_CHOICE] = "word",
        [CONFIG_BOOLEAN] = "boolean",
        [CONFIG_TABLES] = "sections",
    };
    return texts[type];
}

/* Hyphens that are typed, backslashes, and dots or quotes that would begin a troff request. */
static int append_plain(struct buf *out, const char *text, struct err *err)
{
    if ((text[0] == '.' || text[0] == '\'') && buf_str(out, "\\&", err) < 0)
        return -1;
    for (; *text != '\0'; text++) {
        const char *escaped = *text == '-' ? "\\-" : *text == '\\' ? "\\e" : NULL;
        int result =
            escaped != NULL ? buf_str(out, escaped, err) : buf_u8(out, (uint8_t)*text, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int append_bold(struct buf *out, const char *prefix, const char *text, struct err *err)
{
    if (buf_str(out, "\\fB", err) < 0 || append_plain(out, prefix, err) < 0 ||
        append_plain(out, text, err) < 0)
        return -1;
    return buf_str(out, "\\fR", err);
}

/* "Before bold after", as a line of its own; nothing when the bold text is NULL. */
static int append_line(struct buf *out, const char *before, const char *bold, const char *after,
                       struct err *err)
{
    if (bold == NULL)
        return 0;
    if (buf_str(out, before, err) < 0 || append_bold(out, "", bold, err) < 0)
        return -1;
    return buf_printf(out, err, "%s\n", after);
}

static int append_choices(const struct config_key *key, struct buf *out, struct err *err)
{
    if (key->choices == NULL)
        return 0;
    if (buf_str(out, "One of ", err) < 0)
        return -1;
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        if ((i > 0 && buf_str(out, ", ", err) < 0) ||
            append_bold(out, "", key->choices[i], err) < 0)
            return -1;
    }
    return buf_str(out, ".\n", err);
}

static int append_bounds(const struct config_key *key, struct buf *out, struct err *err)
{
    if (key->max == 0)
        return 0;
    if (key->type == CONFIG_CPUS)
        return buf_printf(out, err, "Between %g and %g.\n", (double)key->min / 1000,
                          (double)key->max / 1000);
    return buf_printf(out, err, "Between %" PRId64 " and %" PRId64 "%s.\n", key->min, key->max,
                      key->type == CONFIG_SIZE       ? " bytes"
                      : key->type == CONFIG_DURATION ? " seconds"
                                                     : "");
}

static int append_key(const struct config_key *key, const char *prefix, struct buf *out,
                      struct err *err)
{
    const char *other = key->names[1];
    if (other != NULL && strcmp(other, key->names[0]) == 0)
        other = NULL;
    if (buf_str(out, ".TP\n", err) < 0 || append_bold(out, prefix, key->names[0], err) < 0 ||
        buf_printf(out, err, " (%s%s)\n", type_text(key->type),
                   key->all != NULL ? " or boolean" : "") < 0 ||
        append_plain(out, key->doc, err) < 0 || buf_str(out, "\n", err) < 0 ||
        append_choices(key, out, err) < 0 || append_bounds(key, out, err) < 0)
        return -1;
    const char *must =
        key->optional_table ? "Required if anything of its section is given.\n" : "Required.\n";
    if (key->required && buf_str(out, must, err) < 0)
        return -1;
    if (append_line(out, "Default: ", key->fallback, ".", err) < 0 ||
        append_line(out, "Also read: ", key->aliases[0], ".", err) < 0 ||
        append_line(out, "In the layout with [cloud]: ", other, ".", err) < 0)
        return -1;
    return append_line(out, "Also read there: ", key->aliases[1], ".", err);
}

int config_man(const struct config_schema *schema, const char *prefix, struct buf *out,
               struct err *err)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (append_key(&schema->keys[i], prefix, out, err) < 0)
            return -1;
    }
    return 0;
}
