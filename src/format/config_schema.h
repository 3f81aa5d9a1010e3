// SPDX-License-Identifier: Apache-2.0
/*
 * Configuration files as tables: each key is declared once (name, type, default, check, what it
 * does), and from the table come reading, every complaint with file, line and key, the hint at the
 * nearest known key, and the list of keys in the man page.
 *
 * One table may serve two layouts of the same settings: a key has a name in each.
 */
#pragma once

#include "base/buf.h"
#include "format/toml.h"

enum config_type {
    CONFIG_STRING,   /* char * */
    CONFIG_PATH,     /* char *, relative to the configuration file's folder */
    CONFIG_STRINGS,  /* struct config_strings */
    CONFIG_PAIRS,    /* struct config_strings: a table of texts, each as "name=text" */
    CONFIG_INTEGER,  /* int64_t between min and max */
    CONFIG_SIZE,     /* int64_t, bytes; an integer or "512M", "10G" */
    CONFIG_DURATION, /* int64_t, seconds; an integer or "90s", "15m", "2h", "30d" */
    CONFIG_TIME,    /* int64_t, unix seconds; a date and time with its offset, or one as a string */
    CONFIG_CPUS,    /* int64_t, thousandths of a processor; 2 or 0.5 */
    CONFIG_PORTS,   /* struct config_ports; "20000-29999" */
    CONFIG_CHOICE,  /* int, place in `choices` */
    CONFIG_BOOLEAN, /* bool */
    CONFIG_TABLES,  /* not stored here: one table per name, read with a table of keys of its own */
};

enum { CONFIG_LAYOUTS = 2, CONFIG_PATH_MAX = 4096, CONFIG_STRINGS_MAX = 256 };

struct config_strings {
    char **items;
    size_t count;
};

struct config_ports {
    int first, last;
};

struct config_key {
    const char *names[CONFIG_LAYOUTS];   /* dotted; NULL: not in this layout */
    const char *aliases[CONFIG_LAYOUTS]; /* another name that is read too */
    enum config_type type;
    bool required;        /* unless its table is optional and absent */
    bool optional_table;  /* required means: if anything of its table is there */
    size_t offset;        /* where the value goes in the caller's struct */
    const char *fallback; /* what holds when it is absent, as one would write it; NULL: nothing */
    int64_t min, max;     /* of the number that is stored, for the types that store one */
    const char *const *choices; /* NULL-terminated */
    const char *all;            /* CONFIG_STRINGS: the one item that `true` stands for, or NULL */
    /* Fails with what is wrong with the text, without place; of pairs with "name=text". */
    int (*check)(const char *text, struct err *err);
    const char *doc; /* whole sentences, troff-free */
};

struct config_schema {
    const struct config_key *keys;
    size_t count;
};

/* Fills *ret from a table (the root, or one of CONFIG_TABLES) written in `layout`; relative paths
 * are joined to `folder`. Fails at unknown keys, wrong types, values out of bounds, missing keys:
 * ERR_INVALID. *ret must be zeroed; free with config_done, also after a failure. */
int config_load(const struct config_schema *schema, int layout, const struct toml_value *table,
                const char *folder, void *ret, struct err *err) MUST_USE;
void config_done(const struct config_schema *schema, void *value);

/* The value under a dotted name, NULL where there is none. */
const struct toml_value *config_find(const struct toml_value *table, const char *name);
/* The value that the field at `offset` was read from, NULL if it was absent. */
const struct toml_value *config_source(const struct config_schema *schema, int layout,
                                       const struct toml_value *table, size_t offset);
/* The name in `layout` of the key whose value goes to `offset`. */
const char *config_name(const struct config_schema *schema, int layout, size_t offset);

/* Every key as a man page's tagged paragraph (troff -man). `prefix` stands before each name
 * ("hardware.NAME."). */
int config_man(const struct config_schema *schema, const char *prefix, struct buf *out,
               struct err *err) MUST_USE;

/* Checks that several tables of keys use. */
int config_check_name(const char *text, struct err *err) MUST_USE;
int config_check_not_empty(const char *text, struct err *err) MUST_USE;
int config_check_host_name(const char *text, struct err *err) MUST_USE;
int config_check_address(const char *text, struct err *err) MUST_USE; /* "127.0.0.1:8443" */
