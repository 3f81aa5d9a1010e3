// SPDX-License-Identifier: Apache-2.0
/*
 * .mseignore. The matcher backtracks to the last `*` and the last `**` only, so that no pattern
 * takes more than about pattern x path x path steps.
 */
#include "package/ignore.h"

#include "base/text.h"

#include <stdlib.h>

struct rule {
    char *pattern; /* without the marks below */
    bool negated;
    bool folder_only;
    bool anchored; /* matched against the path from the folder of the file, else the last name */
};

struct ignore {
    const struct ignore *parent;
    char *prefix;
    struct rule *rules;
    size_t count;
};

static const char default_rules[] = ".git\n"
                                    ".hg/\n"
                                    ".svn/\n"
                                    ".mseignore\n"
                                    ".gitignore\n"
                                    ".gitattributes\n"
                                    "__pycache__/\n"
                                    "*.py[cod]\n"
                                    ".pytest_cache/\n"
                                    ".mypy_cache/\n"
                                    ".ruff_cache/\n"
                                    ".tox/\n"
                                    ".venv/\n"
                                    ".idea/\n"
                                    ".vscode/\n"
                                    ".DS_Store\n"
                                    "*~\n"
                                    "*.sw[op]\n"
                                    ".#*\n"
                                    "\\#*#\n";

/* --- glob ------------------------------------------------------------------------------------ */

/* Does the class at `*pattern` (behind "[") contain c? Moves *pattern behind "]". A class that
 * never ends matches nothing. */
static bool match_class(const char **pattern, char c)
{
    const char *p = *pattern;
    bool negated = *p == '!' || *p == '^';
    if (negated)
        p++;
    bool found = false;
    for (bool first = true; first || *p != ']'; first = false) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        if (*p == '\0')
            return false;
        unsigned char low = (unsigned char)*p++;
        unsigned char high = low;
        if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
            p++;
            if (*p == '\\' && p[1] != '\0')
                p++;
            high = (unsigned char)*p++;
        }
        if ((unsigned char)c >= low && (unsigned char)c <= high)
            found = true;
    }
    *pattern = p + 1;
    return found != negated && c != '/';
}

/* One pattern element against one byte; moves *pattern behind the element where it matches. */
static bool match_one(const char **pattern, char c)
{
    const char *p = *pattern;
    bool matched;
    if (*p == '?') {
        matched = c != '/';
        p++;
    } else if (*p == '[') {
        p++;
        matched = match_class(&p, c);
    } else {
        if (*p == '\\' && p[1] != '\0')
            p++;
        matched = *p == c && c != '\0';
        p++;
    }
    if (matched)
        *pattern = p;
    return matched;
}

/* Where to go on after a mismatch: the pattern behind the star, and the next place to try. */
struct retry {
    const char *pattern; /* NULL: none */
    const char *path;
};

/* The length of a run of two or more stars that stands alone between slashes or at an end; 0 for
 * other runs, which are one star. */
static size_t globstar_length(const char *start, const char *p)
{
    size_t stars = strspn(p, "*");
    bool begins = p == start || p[-1] == '/';
    bool ends = p[stars] == '\0' || p[stars] == '/';
    return stars >= 2 && begins && ends ? stars : 0;
}

/* Handles the star at *pattern; true where the rest of the path matches in any case. */
static bool begin_star(const char *start, const char **pattern, const char *path,
                       struct retry *star, struct retry *globstar)
{
    size_t stars = globstar_length(start, *pattern);
    if (stars == 0) {
        *pattern += strspn(*pattern, "*");
        *star = (struct retry){*pattern, path};
        return false;
    }
    *pattern += stars;
    if (**pattern == '\0')
        return *path != '\0';
    (*pattern)++; /* the slash: zero or more whole folders */
    *globstar = (struct retry){*pattern, path};
    *star = (struct retry){0};
    return false;
}

/* After a mismatch: the star takes one byte more, the globstar one folder more. */
static bool take_more(struct retry *star, struct retry *globstar, const char **pattern,
                      const char **path)
{
    if (star->pattern != NULL && *star->path != '\0' && *star->path != '/') {
        star->path++;
        *pattern = star->pattern;
        *path = star->path;
        return true;
    }
    *star = (struct retry){0};
    const char *slash = globstar->pattern == NULL ? NULL : strchr(globstar->path, '/');
    if (slash == NULL)
        return false;
    globstar->path = slash + 1;
    *pattern = globstar->pattern;
    *path = globstar->path;
    return true;
}

bool ignore_glob(const char *pattern, const char *path)
{
    const char *start = pattern;
    struct retry star = {0};
    struct retry globstar = {0};
    for (;;) {
        if (*pattern == '*') {
            if (begin_star(start, &pattern, path, &star, &globstar))
                return true;
            continue;
        }
        if (*path == '\0' && *pattern == '\0')
            return true;
        if (*path != '\0' && *pattern != '\0' && match_one(&pattern, *path)) {
            path++;
            continue;
        }
        if (!take_more(&star, &globstar, &pattern, &path))
            return false;
    }
}

/* --- rules ----------------------------------------------------------------------------------- */

/* Spaces at the end do not count unless a backslash keeps them; a carriage return never counts. */
static size_t trimmed_length(const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    while (len > 0 && line[len - 1] == ' ' && !(len > 1 && line[len - 2] == '\\'))
        len--;
    return len;
}

static int add_rule(struct ignore *ignore, const char *line, size_t len, struct err *err)
{
    struct rule rule = {0};
    if (len > 0 && line[0] == '!') {
        rule.negated = true;
        line++;
        len--;
    }
    if (len > 0 && line[len - 1] == '/') {
        rule.folder_only = true;
        len--;
    }
    if (len > 0 && line[0] == '/') {
        rule.anchored = true;
        line++;
        len--;
    }
    if (len == 0)
        return 0;
    if (memchr(line, '/', len) != NULL)
        rule.anchored = true;
    rule.pattern = mem_copy(line, len, err);
    if (rule.pattern == NULL)
        return -1;
    ignore->rules[ignore->count++] = rule;
    return 0;
}

static size_t count_lines(struct slice text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static int add_rules(struct ignore *ignore, struct slice text, struct err *err)
{
    const char *at = (const char *)text.data;
    const char *end = at + text.len;
    for (size_t number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline == NULL ? end : newline + 1;
        size_t len = (size_t)((newline == NULL ? end : newline) - at);
        if (!utf8_valid(slice_of(at, len)) || memchr(at, '\0', len) != NULL)
            return FAIL(err, ERR_INVALID, "%s%s%s: line %zu is not UTF-8 text", ignore->prefix,
                        ignore->prefix[0] == '\0' ? "" : "/", IGNORE_FILE_NAME, number);
        len = trimmed_length(at, len);
        if (len > 0 && at[0] != '#' && add_rule(ignore, at, len, err) < 0)
            return -1;
        at = next;
    }
    return 0;
}

int ignore_new(struct slice text, const struct ignore *parent, const char *prefix,
               struct ignore **ret, struct err *err)
{
    size_t lines = count_lines(text);
    if (text.len > IGNORE_FILE_MAX || lines > IGNORE_RULES_MAX)
        return FAIL(err, ERR_TOO_LARGE, "%s in '%s': more than %d bytes or %d lines",
                    IGNORE_FILE_NAME, prefix, IGNORE_FILE_MAX, IGNORE_RULES_MAX);
    AUTO_IGNORE struct ignore *ignore = mem_alloc(sizeof(*ignore), err);
    if (ignore == NULL)
        return -1;
    ignore->parent = parent;
    ignore->prefix = str_copy(prefix, err);
    ignore->rules = mem_alloc_array(lines, sizeof(*ignore->rules), err);
    if (ignore->prefix == NULL || ignore->rules == NULL)
        return -1;
    if (text.len > 0 && add_rules(ignore, text, err) < 0)
        return -1;
    *ret = STEAL(ignore);
    return 0;
}

int ignore_new_default(struct ignore **ret, struct err *err)
{
    return ignore_new(slice_str(default_rules), NULL, "", ret, err);
}

void ignore_free(struct ignore *ignore)
{
    if (ignore == NULL)
        return;
    for (size_t i = 0; i < ignore->count; i++)
        free(ignore->rules[i].pattern);
    free(ignore->rules);
    free(ignore->prefix);
    free(ignore);
}

/* The path as this file of rules sees it. */
static const char *below_prefix(const struct ignore *ignore, const char *path)
{
    size_t len = strlen(ignore->prefix);
    return len == 0 ? path : path + len + 1;
}

static bool rule_matches(const struct rule *rule, const char *path, const char *name,
                         bool is_folder)
{
    if (rule->folder_only && !is_folder)
        return false;
    return ignore_glob(rule->pattern, rule->anchored ? path : name);
}

bool ignore_match(const struct ignore *ignore, const char *path, bool is_folder)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    for (; ignore != NULL; ignore = ignore->parent) {
        const char *below = below_prefix(ignore, path);
        for (size_t i = ignore->count; i > 0; i--) {
            if (rule_matches(&ignore->rules[i - 1], below, name, is_folder))
                return !ignore->rules[i - 1].negated;
        }
    }
    return false;
}
