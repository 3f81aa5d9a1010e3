// SPDX-License-Identifier: Apache-2.0
/*
 * See requirement_line.h: one function for each rule of the grammar, over a cursor that never
 * leaves the line. Owns nothing; runs in msed on bytes that an owner sent.
 */
#include "model/requirement_line.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { MARKER_DEPTH_MAX = 8 };

struct cursor {
    struct slice rest;
};

/* --- bytes --- */

static int peek(const struct cursor *cursor)
{
    return cursor->rest.len > 0 ? cursor->rest.data[0] : -1;
}

static void advance(struct cursor *cursor, size_t count)
{
    cursor->rest = slice_of(cursor->rest.data + count, cursor->rest.len - count);
}

static void skip_space(struct cursor *cursor)
{
    while (peek(cursor) == ' ' || peek(cursor) == '\t')
        advance(cursor, 1);
}

static bool take(struct cursor *cursor, const char *text)
{
    size_t len = strlen(text);
    if (cursor->rest.len < len || memcmp(cursor->rest.data, text, len) != 0)
        return false;
    advance(cursor, len);
    return true;
}

/* One of letters and digits first, then those or any of `more`. The length of it, 0: none. */
static size_t take_word(struct cursor *cursor, const char *more)
{
    size_t len = 0;
    while (len < cursor->rest.len) {
        int c = cursor->rest.data[len];
        if (!isalnum(c) && (len == 0 || strchr(more, c) == NULL))
            break;
        len++;
    }
    advance(cursor, len);
    return len;
}

/* --- rules --- */

static bool take_name(struct cursor *cursor)
{
    if (take_word(cursor, "._-") == 0)
        return false;
    return isalnum(cursor->rest.data[-1]) != 0; /* a word was taken: there is a byte before */
}

static bool take_extras(struct cursor *cursor)
{
    if (!take(cursor, "["))
        return true;
    skip_space(cursor);
    if (take(cursor, "]"))
        return true;
    do {
        skip_space(cursor);
        if (!take_name(cursor))
            return false;
        skip_space(cursor);
    } while (take(cursor, ","));
    return take(cursor, "]");
}

/* The longer ones first. */
static const char *const comparisons[] = {"===", "==", "~=", "!=", "<=", ">=", "<", ">"};

static bool take_comparison(struct cursor *cursor)
{
    for (size_t i = 0; i < ARRAY_LEN(comparisons); i++) {
        if (take(cursor, comparisons[i]))
            return true;
    }
    return false;
}

static bool take_versions(struct cursor *cursor)
{
    do {
        skip_space(cursor);
        if (!take_comparison(cursor))
            return false;
        skip_space(cursor);
        if (take_word(cursor, "._-+*!") == 0)
            return false;
        skip_space(cursor);
    } while (take(cursor, ","));
    return true;
}

static bool take_optional_versions(struct cursor *cursor)
{
    int c = peek(cursor);
    if (take(cursor, "("))
        return take_versions(cursor) && take(cursor, ")");
    return c < 0 || strchr("=~!<>", c) == NULL || take_versions(cursor);
}

static bool take_variable(struct cursor *cursor)
{
    static const char *const names[] = {"python_version",
                                        "python_full_version",
                                        "os_name",
                                        "sys_platform",
                                        "platform_release",
                                        "platform_system",
                                        "platform_version",
                                        "platform_machine",
                                        "platform_python_implementation",
                                        "implementation_name",
                                        "extra",
                                        "implementation_version"};
    struct cursor word = *cursor;
    size_t len = take_word(&word, "_");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!slice_is_str(slice_of(cursor->rest.data, len), names[i]))
            continue;
        *cursor = word;
        return true;
    }
    return false;
}

static bool take_quoted(struct cursor *cursor)
{
    int quote = peek(cursor);
    if (quote != '"' && quote != '\'')
        return false;
    advance(cursor, 1);
    (void)take_word(cursor, "._-+*!~,");
    if (peek(cursor) != quote)
        return false;
    advance(cursor, 1);
    return true;
}

static bool take_value(struct cursor *cursor)
{
    skip_space(cursor);
    return take_quoted(cursor) || take_variable(cursor);
}

/* A word, and nothing that would make it a longer one. */
static bool take_keyword(struct cursor *cursor, const char *word)
{
    struct cursor after = *cursor;
    skip_space(&after);
    if (!take(&after, word) || isalnum(peek(&after)) || peek(&after) == '_')
        return false;
    *cursor = after;
    return true;
}

static bool take_operator(struct cursor *cursor)
{
    skip_space(cursor);
    if (take_comparison(cursor) || take_keyword(cursor, "in"))
        return true;
    return take_keyword(cursor, "not") && take_keyword(cursor, "in");
}

static bool take_marker(struct cursor *cursor, unsigned depth);

static bool take_test(struct cursor *cursor, unsigned depth)
{
    skip_space(cursor);
    if (!take(cursor, "("))
        return take_value(cursor) && take_operator(cursor) && take_value(cursor);
    if (depth == 0 || !take_marker(cursor, depth - 1))
        return false;
    skip_space(cursor);
    return take(cursor, ")");
}

/* "and" binds closer than "or", which changes nothing about what is well formed. */
static bool take_marker(struct cursor *cursor, unsigned depth) // NOLINT(misc-no-recursion)
{
    do {
        if (!take_test(cursor, depth))
            return false;
    } while (take_keyword(cursor, "and") || take_keyword(cursor, "or"));
    return true;
}

/* Stays where it is unless there is a whole one. */
static bool take_hash(struct cursor *cursor)
{
    static const struct {
        const char *name;
        size_t digits;
    } algorithms[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};
    struct cursor hash = *cursor;
    if (!take(&hash, "--hash="))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        size_t len = 0;
        if (!take(&hash, algorithms[i].name))
            continue;
        while (isxdigit(peek(&hash))) {
            advance(&hash, 1);
            len++;
        }
        *cursor = len == algorithms[i].digits ? hash : *cursor;
        return len == algorithms[i].digits;
    }
    return false;
}

/* Each behind a space, which ends what stands before it for pip. */
static bool take_hashes(struct cursor *cursor, bool spaced)
{
    while (cursor->rest.len > 0) {
        if (!spaced || !take_hash(cursor))
            return false;
        size_t before = cursor->rest.len;
        skip_space(cursor);
        spaced = cursor->rest.len < before;
    }
    return true;
}

/* --- the line --- */

static bool has(struct slice text, const char *what)
{
    return memmem(text.data, text.len, what, strlen(what)) != NULL;
}

/* What people write that this node does not take, in their words. */
static const char *check_known(struct slice text)
{
    if (text.data[0] == '-')
        return "options are not allowed";
    if (has(text, "://") || has(text, "@"))
        return "addresses and direct references are not allowed";
    if (has(text, "${"))
        return "variables are not allowed";
    if (!isalnum(text.data[0]))
        return "no package name";
    if (has(text, "/") || has(text, "\\"))
        return "paths are not allowed";
    return NULL;
}

const char *requirement_line_check(struct slice text)
{
    struct cursor cursor = {text};
    if (text.len == 0)
        return "no package name";
    const char *known = check_known(text);
    if (known != NULL)
        return known;
    if (!take_name(&cursor))
        return "a package name ends with a letter or a digit";
    skip_space(&cursor);
    if (!take_extras(&cursor))
        return "extras that cannot be read";
    skip_space(&cursor);
    if (!take_optional_versions(&cursor))
        return "versions that cannot be read";
    skip_space(&cursor);
    if (take(&cursor, ";") && !take_marker(&cursor, MARKER_DEPTH_MAX))
        return "a marker that cannot be read";
    size_t taken = text.len - cursor.rest.len;
    skip_space(&cursor);
    bool spaced = text.len - cursor.rest.len > taken || isspace(text.data[taken - 1]);
    if (take_hashes(&cursor, spaced))
        return NULL;
    return peek(&cursor) == '-' || has(cursor.rest, " -")
               ? "an option that is not allowed here"
               : "something behind the requirement that does not belong there";
}
