// SPDX-License-Identifier: Apache-2.0
/*
 * A reading of Python that knows lines, names, strings and imports, and no more.
 */
#include "cli/detect_app.h"

#include "base/fd.h"
#include "base/text.h"
#include "package/tree.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
    SOURCE_MAX = 1 << 20,
    FOLDERS_MAX = 2,
    NAME_SIZE_MAX = 64,
    ALIASES_MAX = 64,
    FACTORIES_MAX = 16,
};

/* What makes an app, by its full name. Dash's app is no WSGI app itself: its `server` is. */
static const struct maker {
    const char *name, *framework, *attribute;
} makers[] = {
    {"flask.Flask", "Flask", ""},
    {"fastapi.FastAPI", "FastAPI", ""},
    {"starlette.applications.Starlette", "Starlette", ""},
    {"quart.Quart", "Quart", ""},
    {"litestar.Litestar", "Litestar", ""},
    {"litestar.app.Litestar", "Litestar", ""},
    {"bottle.Bottle", "Bottle", ""},
    {"bottle.default_app", "Bottle", ""},
    {"dash.Dash", "Dash", ".server"},
    {"falcon.App", "Falcon", ""},
    {"falcon.API", "Falcon", ""},
    {"falcon.asgi.App", "Falcon (ASGI)", ""},
    {"django.core.wsgi.get_wsgi_application", "Django (WSGI)", ""},
    {"django.core.asgi.get_asgi_application", "Django (ASGI)", ""},
};

/* A name of the file and what it stands for: "F", "flask.Flask". */
struct alias {
    char local[NAME_SIZE_MAX];
    char full[2 * NAME_SIZE_MAX];
};

struct reading {
    const char *module;
    struct detected_apps *known; /* may be NULL */
    struct detected_apps *apps;
    struct alias aliases[ALIASES_MAX];
    size_t alias_count;
    /* functions of the file that make an app */
    struct {
        char name[NAME_SIZE_MAX];
        const struct maker *maker;
    } factories[FACTORIES_MAX];
    size_t factory_count;
    /* the function whose body is read */
    char function[NAME_SIZE_MAX]; /* "": none, or one that needs arguments */
    char made[NAME_SIZE_MAX];     /* its variable that holds an app */
    const struct maker *made_by;
    char import_from[NAME_SIZE_MAX]; /* of an import whose parenthesis is open */
    char quotes[4];                  /* of a long string that is open */
    char health[DETECTED_PATH_SIZE];
};

/* --- words --- */

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Reads a dotted name; "" where there is none, or one too long. Moves *at behind it. */
static void read_name(const char **at, char *to, size_t size)
{
    const char *start = *at;
    while (is_name_byte(**at) || (**at == '.' && *at > start))
        (*at)++;
    size_t len = (size_t)(*at - start);
    if (len >= size || isdigit((unsigned char)*start))
        len = 0;
    memcpy(to, start, len);
    to[len] = '\0';
}

static void skip_spaces(const char **at)
{
    *at += strspn(*at, " \t");
}

/* Takes a keyword that ends here. */
static bool take_word(const char **at, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*at, word, len) != 0 || is_name_byte((*at)[len]))
        return false;
    *at += len;
    skip_spaces(at);
    return true;
}

/* --- imports --- */

static void add_alias(struct reading *reading, const char *local, const char *from,
                      const char *name)
{
    if (local[0] == '\0' || name[0] == '\0' || reading->alias_count == ALIASES_MAX)
        return;
    struct alias *alias = &reading->aliases[reading->alias_count++];
    (void)snprintf(alias->local, sizeof(alias->local), "%s", local);
    (void)snprintf(alias->full, sizeof(alias->full), "%s%s%s", from, from[0] == '\0' ? "" : ".",
                   name);
}

/* "a, b as c": what is imported from a module, or modules where `from` is "". */
static void read_imported(struct reading *reading, const char *from, const char *at)
{
    while (*at != '\0' && *at != '#') {
        at += strspn(at, " \t(,\\");
        char name[NAME_SIZE_MAX];
        char local[NAME_SIZE_MAX];
        const char *before = at;
        read_name(&at, name, sizeof(name));
        skip_spaces(&at);
        (void)snprintf(local, sizeof(local), "%s", name);
        if (take_word(&at, "as"))
            read_name(&at, local, sizeof(local));
        else if (from[0] == '\0')
            local[strcspn(local, ".")] = '\0'; /* import a.b binds a */
        if (from[0] == '\0' && strchr(name, '.') != NULL && strchr(local, '.') == NULL &&
            strncmp(name, local, strlen(local)) == 0 && name[strlen(local)] == '.')
            name[strlen(local)] = '\0';
        add_alias(reading, local, from, name);
        skip_spaces(&at);
        if (at == before)
            return;
    }
}

/* Returns whether the line was an import, or goes on with one. */
static bool read_import(struct reading *reading, const char *line)
{
    const char *at = line;
    if (reading->import_from[0] != '\0') {
        read_imported(reading, reading->import_from, at);
        if (strchr(line, ')') != NULL)
            reading->import_from[0] = '\0';
        return true;
    }
    if (take_word(&at, "import")) {
        read_imported(reading, "", at);
        return true;
    }
    char from[NAME_SIZE_MAX];
    if (!take_word(&at, "from"))
        return false;
    read_name(&at, from, sizeof(from));
    skip_spaces(&at);
    if (from[0] == '\0' || !take_word(&at, "import"))
        return true;
    read_imported(reading, from, at);
    if (strchr(at, '(') != NULL && strchr(at, ')') == NULL)
        (void)snprintf(reading->import_from, sizeof(reading->import_from), "%s", from);
    return true;
}

/* "shop.create_app" of another file, which is marked; else NULL. */
static const struct maker *find_known(const struct reading *reading, const char *full)
{
    for (size_t i = 0; reading->known != NULL && i < reading->known->count; i++) {
        struct detected_app *app = &reading->known->items[i];
        char dotted[DETECTED_NAME_SIZE + 2];
        (void)snprintf(dotted, sizeof(dotted), "%s()", full);
        char *last = strrchr(dotted, '.');
        if (last == NULL)
            return NULL;
        *last = ':';
        if (strcmp(app->application, dotted) != 0)
            continue;
        app->used = true;
        for (size_t m = 0; m < ARRAY_LEN(makers); m++) {
            if (strcmp(makers[m].framework, app->framework) == 0)
                return &makers[m];
        }
    }
    return NULL;
}

static const struct maker *find_by_full_name(const struct reading *reading, const char *full)
{
    for (size_t m = 0; m < ARRAY_LEN(makers); m++) {
        if (strcmp(full, makers[m].name) == 0)
            return &makers[m];
    }
    return find_known(reading, full);
}

/* What makes an app under this name in this file, or NULL. */
static const struct maker *find_maker(const struct reading *reading, const char *name)
{
    char full[4 * NAME_SIZE_MAX];
    size_t head = strcspn(name, ".");
    for (size_t i = 0; i < reading->alias_count; i++) {
        const struct alias *alias = &reading->aliases[i];
        if (strlen(alias->local) != head || strncmp(alias->local, name, head) != 0)
            continue;
        (void)snprintf(full, sizeof(full), "%s%s", alias->full, name + head);
        const struct maker *maker = find_by_full_name(reading, full);
        if (maker != NULL)
            return maker;
    }
    for (size_t i = 0; i < reading->factory_count; i++) {
        if (strcmp(reading->factories[i].name, name) == 0)
            return reading->factories[i].maker;
    }
    return NULL;
}

/* --- apps --- */

static void add_app(struct reading *reading, const char *name, const char *behind,
                    const struct maker *maker)
{
    struct detected_apps *apps = reading->apps;
    if (apps->count == DETECTED_MAX) {
        apps->more = true;
        return;
    }
    struct detected_app *app = &apps->items[apps->count++];
    *app = (struct detected_app){.framework = maker->framework};
    (void)snprintf(app->application, sizeof(app->application), "%s:%s%s", reading->module, name,
                   behind);
}

/* "name = Maker(" or "name: Type = Maker(": the maker, else NULL. */
static const struct maker *read_assignment(const struct reading *reading, const char *line,
                                           char name[static NAME_SIZE_MAX])
{
    const char *at = line;
    char callee[2 * NAME_SIZE_MAX];
    read_name(&at, name, NAME_SIZE_MAX);
    skip_spaces(&at);
    if (*at == ':')
        at += strcspn(at, "=");
    if (name[0] == '\0' || strchr(name, '.') != NULL || *at != '=' || at[1] == '=')
        return NULL;
    at++;
    skip_spaces(&at);
    read_name(&at, callee, sizeof(callee));
    return *at == '(' ? find_maker(reading, callee) : NULL;
}

/* Can a function with this signature, from its "(", be called without arguments? One that goes on
 * in the next line counts as one that cannot. */
static bool needs_nothing(const char *signature)
{
    int depth = 0;
    bool given = true; /* the parameter so far has a default, or is none */
    bool started = false;
    for (const char *p = signature; *p != '\0'; p++) {
        if (strchr("([{", *p) != NULL)
            depth++;
        if (strchr(")]}", *p) != NULL && --depth == 0)
            return given || !started;
        if (depth != 1 || p == signature)
            continue;
        if (*p == ',') {
            if (started && !given)
                return false;
            started = false;
        } else if (!started && !isspace((unsigned char)*p)) {
            started = true;
            given = *p == '*' || *p == '/';
        } else if (*p == '=') {
            given = true;
        }
    }
    return false;
}

static void begin_function(struct reading *reading, const char *line)
{
    const char *at = line;
    char name[NAME_SIZE_MAX];
    reading->function[0] = reading->made[0] = '\0';
    if (!take_word(&at, "def"))
        return;
    read_name(&at, name, sizeof(name));
    if (*at == '(' && needs_nothing(at))
        (void)snprintf(reading->function, sizeof(reading->function), "%s", name);
}

static void add_factory(struct reading *reading, const struct maker *maker)
{
    if (reading->factory_count == FACTORIES_MAX)
        return;
    (void)snprintf(reading->factories[reading->factory_count].name, NAME_SIZE_MAX, "%s",
                   reading->function);
    reading->factories[reading->factory_count++].maker = maker;
    reading->function[0] = '\0';
}

/* A line of a function's body. */
static void read_body(struct reading *reading, const char *line)
{
    char name[NAME_SIZE_MAX];
    const char *at = line;
    if (reading->function[0] == '\0')
        return;
    const struct maker *maker = read_assignment(reading, line, name);
    if (maker != NULL) {
        (void)snprintf(reading->made, sizeof(reading->made), "%s", name);
        reading->made_by = maker;
    }
    if (!take_word(&at, "return"))
        return;
    read_name(&at, name, sizeof(name));
    if (*at == '(')
        maker = find_maker(reading, name);
    else if (reading->made[0] != '\0' && strcmp(name, reading->made) == 0)
        maker = reading->made_by;
    if (maker != NULL && maker->attribute[0] == '\0')
        add_factory(reading, maker);
}

/* A line at the left edge. */
static void read_statement(struct reading *reading, const char *line)
{
    char name[NAME_SIZE_MAX];
    begin_function(reading, line);
    const struct maker *maker = read_assignment(reading, line, name);
    if (maker != NULL)
        add_app(reading, name, maker->attribute, maker);
}

/* --- lines --- */

static void look_for_health(struct reading *reading, const char *line)
{
    static const char *const paths[] = {"/healthz",   "/health", "/healthcheck",
                                        "/readyz",    "/livez",  "/ping",
                                        "/-/healthy", "/up",     "/api/health"};
    for (size_t i = 0; reading->health[0] == '\0' && i < ARRAY_LEN(paths); i++) {
        char quoted[2][DETECTED_PATH_SIZE];
        (void)snprintf(quoted[0], sizeof(quoted[0]), "\"%s\"", paths[i]);
        (void)snprintf(quoted[1], sizeof(quoted[1]), "'%s'", paths[i]);
        if (strstr(line, quoted[0]) != NULL || strstr(line, quoted[1]) != NULL)
            (void)snprintf(reading->health, sizeof(reading->health), "%s", paths[i]);
    }
}

/* Follows strings in triple quotes over the line; true where the line begins inside one. */
static bool follow_quotes(struct reading *reading, const char *line)
{
    bool inside = reading->quotes[0] != '\0';
    const char *at = line;
    for (;;) {
        const char *next = NULL;
        if (reading->quotes[0] != '\0') {
            next = strstr(at, reading->quotes);
        } else {
            const char *twice = strstr(at, "\"\"\"");
            const char *once = strstr(at, "'''");
            next = twice == NULL || (once != NULL && once < twice) ? once : twice;
        }
        if (next == NULL)
            return inside;
        if (reading->quotes[0] != '\0')
            reading->quotes[0] = '\0';
        else
            (void)snprintf(reading->quotes, sizeof(reading->quotes), "%.3s", next);
        at = next + 3;
    }
}

static void read_line(struct reading *reading, const char *line)
{
    if (follow_quotes(reading, line))
        return;
    look_for_health(reading, line);
    const char *text = line;
    skip_spaces(&text);
    if (*text == '\0' || *text == '#' || read_import(reading, text))
        return;
    if (text == line)
        read_statement(reading, line);
    else
        read_body(reading, text);
}

void detect_in_source(struct slice source, const char *module, struct detected_apps *known,
                      struct detected_apps *apps)
{
    struct reading reading = {.module = module, .known = known, .apps = apps};
    size_t first = apps->count;
    char line[1024];
    for (size_t at = 0; at < source.len;) {
        const uint8_t *end = memchr(source.data + at, '\n', source.len - at);
        size_t len = end == NULL ? source.len - at : (size_t)(end - source.data) - at;
        size_t used = len < sizeof(line) ? len : sizeof(line) - 1;
        memcpy(line, source.data + at, used);
        line[used] = '\0';
        line[strcspn(line, "\r")] = '\0';
        read_line(&reading, line);
        at += len + 1;
    }
    bool made = apps->count > first; /* then a factory is how it was made */
    for (size_t i = 0; i < reading.factory_count && !made; i++)
        add_app(&reading, reading.factories[i].name, "()", reading.factories[i].maker);
    for (size_t i = first; i < apps->count; i++)
        (void)snprintf(apps->items[i].health, sizeof(apps->items[i].health), "%s", reading.health);
}

/* --- folders --- */

/* "shop/web/__init__.py" is shop.web; "" for what is no module that can be imported. */
static void module_of(const char *path, char to[static DETECTED_NAME_SIZE])
{
    size_t len = strlen(path);
    to[0] = '\0';
    if (len < 4 || len >= DETECTED_NAME_SIZE || strcmp(path + len - 3, ".py") != 0)
        return;
    len -= 3;
    if (len > 9 && strncmp(path + len - 9, "/__init__", 9) == 0)
        len -= 9;
    size_t folders = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(path[i]) && path[i] != '/')
            return;
        folders += path[i] == '/';
    }
    if (folders > FOLDERS_MAX)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = path[i] == '/' ? '.' : path[i];
    to[len] = '\0';
}

static int read_file(const struct tree *tree, const struct tree_item *item,
                     struct detected_apps *known, struct detected_apps *apps, struct err *err)
{
    char module[DETECTED_NAME_SIZE];
    module_of(item->path, module);
    if (module[0] == '\0' || item->size > SOURCE_MAX)
        return 0;
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf text = BUF_INIT(SOURCE_MAX);
    if (fd_open_at(tree->fd, item->path, O_RDONLY | O_NOFOLLOW, 0, &fd, err) < 0 ||
        fd_read_all(fd, &text, err) < 0)
        return FAIL_CONTEXT(err, "%s", item->path);
    detect_in_source(buf_slice(&text), module, known, apps);
    return 0;
}

static bool has_usual_name(const struct tree_item *item)
{
    static const char *const usual[] = {"app.py", "main.py", "wsgi.py", "asgi.py", "server.py"};
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        if (strcmp(item->name, usual[i]) == 0)
            return true;
    }
    return false;
}

static int read_files(const struct tree *tree, struct detected_apps *known,
                      struct detected_apps *ret, struct err *err)
{
    *ret = (struct detected_apps){0};
    for (int usual = 1; usual >= 0; usual--) {
        for (size_t i = 0; i < tree->count; i++) {
            const struct tree_item *item = &tree->items[i];
            bool file = item->type == ARCHIVE_FILE || item->type == ARCHIVE_PROGRAM;
            if (file && has_usual_name(item) == (usual == 1) &&
                read_file(tree, item, known, ret, err) < 0)
                return -1;
        }
    }
    return 0;
}

static bool is_used(const struct detected_apps *known, const char *application)
{
    for (size_t i = 0; i < known->count; i++) {
        if (known->items[i].used && strcmp(known->items[i].application, application) == 0)
            return true;
    }
    return false;
}

int detect_apps(const char *folder, struct detected_apps *ret, struct err *err)
{
    static const char elsewhere[] = "test/\ntests/\ntest_*.py\nconftest.py\nsetup.py\ndocs/\n"
                                    "examples/\n";
    const struct tree_rules rules = {.rules = slice_str(elsewhere), .gitignore = true};
    AUTO_TREE struct tree *tree = NULL;
    struct detected_apps known;
    if (tree_scan_with(folder, &rules, &tree, err) < 0 || read_files(tree, NULL, &known, err) < 0 ||
        read_files(tree, &known, ret, err) < 0)
        return -1;
    size_t kept = 0; /* a factory that another file calls is how that file's app is made */
    for (size_t i = 0; i < ret->count; i++) {
        if (!is_used(&known, ret->items[i].application))
            ret->items[kept++] = ret->items[i];
    }
    ret->count = kept;
    return 0;
}
