// SPDX-License-Identifier: Apache-2.0
/*
 * Running the project's tests. Everything here is the owner's own code on the owner's machine.
 */
#include "cli/tests_run.h"
#include "cli/ui.h"

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "client/owner.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 64, ENV_MAX = 512, OUTPUT_MAX = 64 << 10, PIP_TIMEOUT_MS = 600000 };

/* --- words --- */

/* Cuts text (changed in place) into words: blanks separate, '...' and "..." keep them, \ takes the
 * next byte as it is. Nothing is expanded. */
static int split_words(char *text, const char *words[static WORDS_MAX + 1], struct err *err)
{
    size_t count = 0;
    char *from = text;
    while (true) {
        while (isspace((unsigned char)*from))
            from++;
        if (*from == '\0')
            break;
        if (count == WORDS_MAX)
            return FAIL(err, ERR_INVALID, "tests_cmd has more than %d words", WORDS_MAX);
        char *to = from;
        words[count++] = to;
        char quote = '\0';
        for (; *from != '\0' && (quote != '\0' || !isspace((unsigned char)*from)); from++) {
            if (quote == '\0' && (*from == '\'' || *from == '"'))
                quote = *from;
            else if (quote != '\0' && *from == quote)
                quote = '\0';
            else if (*from == '\\' && quote != '\'' && from[1] != '\0')
                *to++ = *++from;
            else
                *to++ = *from;
        }
        if (quote != '\0')
            return FAIL(err, ERR_INVALID, "tests_cmd: the quote %c is not closed", quote);
        bool at_end = *from == '\0';
        *to = '\0';
        if (!at_end)
            from++;
    }
    words[count] = NULL;
    return count > 0 ? 0 : FAIL(err, ERR_INVALID, "tests_cmd is empty");
}

/* --- pip --- */

static int site_path(struct slice lines, char **ret, struct err *err)
{
    AUTO_FREE char *state = NULL;
    uint8_t digest[SHA256_SIZE];
    char name[2 * SHA256_SIZE + 1];
    if (owner_state_folder(&state, err) < 0 || sha256(lines, digest, err) < 0)
        return -1;
    hex_encode(slice_of(digest, sizeof(digest)), name);
    AUTO_FREE char *folder = path_join(state, "local-layers", err);
    if (folder == NULL || folder_create_all(folder, 0700, err) < 0)
        return -1;
    *ret = path_join(folder, name, err);
    return *ret == NULL ? -1 : 0;
}

/* As a file, since hashes are no argument. */
static int pip_install(struct slice lines, const char *target, struct err *err)
{
    const char *const argv[] = {"/usr/bin/python3", "-m",      "pip",
                                "install",          "--quiet", "--disable-pip-version-check",
                                "--target",         target,    "--requirement",
                                "/dev/stdin",       NULL};
    const struct process_spec spec = {.argv = argv, .env = (const char *const *)environ};
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    AUTO_BUF struct buf errors = BUF_INIT(OUTPUT_MAX);
    int status;
    if (process_run(&spec, lines, &out, &errors, PIP_TIMEOUT_MS, &status, err) < 0)
        return -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return FAIL(err, ERR_APP, "pip could not install the requirements: %.400s",
                    buf_text(&errors));
    return 0;
}

int tests_site_folder(struct slice lines, char **ret, struct err *err)
{
    *ret = NULL;
    if (lines.len == 0)
        return 0;
    AUTO_FREE char *folder = NULL;
    if (site_path(lines, &folder, err) < 0)
        return -1;
    if (!file_exists(folder)) {
        AUTO_FREE char *partial = str_printf(err, "%s.partial", folder);
        if (partial == NULL || folder_remove_tree(partial, err) < 0 ||
            pip_install(lines, partial, err) < 0)
            return -1;
        if (rename(partial, folder) < 0)
            return FAIL_ERRNO(err, ERR_IO, "cannot rename '%s'", partial);
    }
    *ret = STEAL(folder);
    return 0;
}

static int join_requirements(const struct config_strings *lines, struct buf *out, struct err *err)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (buf_printf(out, err, "%s\n", lines->items[i]) < 0)
            return -1;
    }
    return 0;
}

/* --- running --- */

/* This process's environment with our variables on top. */
struct environment_list {
    const char *items[ENV_MAX + 1];
    size_t count;
    char *own[8];
    size_t own_count;
};

static void environment_done(struct environment_list *list)
{
    for (size_t i = 0; i < list->own_count; i++)
        free(list->own[i]);
}

static int environment_add(struct environment_list *list, const char *name, const char *value,
                           struct err *err)
{
    if (value == NULL)
        return 0;
    char *entry = str_printf(err, "%s=%s", name, value);
    if (entry == NULL)
        return -1;
    list->own[list->own_count++] = entry;
    list->items[list->count++] = entry;
    return 0;
}

/* PATH and PYTHONPATH are put together anew: getenv takes the first of two. */
static bool is_ours(const char *entry)
{
    return str_starts_with(entry, "TEST_REMOTE_URL=") ||
           str_starts_with(entry, "TEST_CERTIFICATE=") ||
           str_starts_with(entry, "TEST_SGX_CERT_PATH=") || str_starts_with(entry, "PATH=") ||
           str_starts_with(entry, "PYTHONPATH=");
}

/* `first` before what this process has in the variable; NULL: that alone. */
static int environment_add_path(struct environment_list *list, const char *name, const char *first,
                                struct err *err)
{
    const char *old = getenv(name);
    if (first == NULL || old == NULL || old[0] == '\0')
        return environment_add(list, name, first != NULL ? first : old, err);
    AUTO_FREE char *both = str_printf(err, "%s:%s", first, old);
    return both == NULL ? -1 : environment_add(list, name, both, err);
}

/* What tests_requirements installed comes first: its programs and its modules belong together. */
static int environment_add_site(struct environment_list *list, const char *site, struct err *err)
{
    AUTO_FREE char *programs = NULL;
    if (site != NULL) {
        programs = path_join(site, "bin", err);
        if (programs == NULL)
            return -1;
    }
    if (environment_add_path(list, "PATH", programs, err) < 0)
        return -1;
    return environment_add_path(list, "PYTHONPATH", site, err);
}

/* Programs are looked for by this process's PATH (base/process.h), not by the one they are given.
 */
static int find_program(const char *site, const char *words[static WORDS_MAX + 1], char **ret_path,
                        struct err *err)
{
    if (site == NULL || strchr(words[0], '/') != NULL)
        return 0;
    AUTO_FREE char *path = str_printf(err, "%s/bin/%s", site, words[0]);
    if (path == NULL)
        return -1;
    if (access(path, X_OK) == 0) {
        *ret_path = STEAL(path);
        words[0] = *ret_path;
    }
    return 0;
}

static int run_words(const struct app_config *config, const char *const *words,
                     const struct environment_list *environment, struct err *err)
{
    const struct process_fd fds[] = {{0, 0}, {1, ui_json() ? 2 : 1}, {2, 2}};
    const struct process_spec spec = {
        .argv = words,
        .env = environment->items,
        .fds = fds,
        .fd_count = ARRAY_LEN(fds),
        .folder =
            config->tests != NULL && file_exists(config->tests) ? config->tests : config->folder,
    };
    pid_t pid;
    int status;
    if (process_start(&spec, &pid, err) < 0 || process_wait(pid, &status, err) < 0)
        return FAIL_CONTEXT(err, "tests_cmd");
    char text[64];
    process_status_text(status, text, sizeof(text));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return FAIL(err, ERR_APP, "the tests failed: %s", text);
    return 0;
}

int tests_run(const struct app_config *config, const char *url, const char *certificate,
              struct err *err)
{
    if (config->tests_cmd == NULL) {
        (void)FAIL(err, ERR_INVALID, "%s has no tests_cmd", config->path);
        err_hint(err, "add tests_cmd = \"python3 -m pytest\" beside tests = \"./tests\"");
        return -1;
    }
    AUTO_FREE char *text = str_copy(config->tests_cmd, err);
    AUTO_FREE char *site = NULL;
    AUTO_FREE char *program = NULL;
    AUTO_BUF struct buf requirements = BUF_INIT(1 << 20);
    const char *words[WORDS_MAX + 1];
    if (text == NULL || split_words(text, words, err) < 0 ||
        join_requirements(&config->tests_requirements, &requirements, err) < 0 ||
        tests_site_folder(buf_slice(&requirements), &site, err) < 0)
        return -1;
    __attribute__((cleanup(environment_done))) struct environment_list environment = {.count = 0};
    for (char **entry = environ; *entry != NULL && environment.count + 6 < ENV_MAX; entry++) {
        if (!is_ours(*entry))
            environment.items[environment.count++] = *entry;
    }
    if (environment_add(&environment, "TEST_REMOTE_URL", url, err) < 0 ||
        environment_add(&environment, "TEST_CERTIFICATE", certificate, err) < 0 ||
        environment_add(&environment, "TEST_SGX_CERT_PATH", certificate, err) < 0 ||
        environment_add_site(&environment, site, err) < 0 ||
        find_program(site, words, &program, err) < 0)
        return -1;
    return run_words(config, words, &environment, err);
}
