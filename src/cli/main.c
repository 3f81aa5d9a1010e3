// SPDX-License-Identifier: Apache-2.0
/*
 * mse, the owner's command line: finds the command in the table, parses its options, runs it and
 * turns an error into a message and an exit status. Runs on the owner's (trusted) machine.
 */
#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/ui.h"
#include "crypto/crypto.h"
#include "format/json.h"

#include <stdio.h>
#include <string.h>

/* Finds the command that the first one or two words name; *ret_words says how many. */
static const struct command *find_command(int argc, const char *const *argv, int *ret_words)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name;
        const char *space = strchr(name, ' ');
        if (space == NULL && strcmp(name, argv[0]) == 0) {
            *ret_words = 1;
            return commands[i];
        }
        if (space != NULL && argc > 1 && strlen(argv[0]) == (size_t)(space - name) &&
            strncmp(name, argv[0], strlen(argv[0])) == 0 && strcmp(space + 1, argv[1]) == 0) {
            *ret_words = 2;
            return commands[i];
        }
    }
    return NULL;
}

/* "start, stop, status" for "node"; false where no command begins with that word. */
static bool list_group(const char *word, char *list, size_t size)
{
    size_t len = strlen(word);
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, word, len) != 0 || name[len] != ' ' || used >= size)
            continue;
        used += (size_t)snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "",
                                 name + len + 1);
    }
    return used > 0;
}

static int unknown_command(int argc, const char *const *argv, struct err *err)
{
    const char *names[64] = {NULL};
    char group[128];
    size_t count = 0;
    for (size_t i = 0; i < command_count && count < ARRAY_LEN(names); i++)
        names[count++] = commands[i]->name;
    bool is_group = list_group(argv[0], group, sizeof(group));
    if (is_group && argc < 2)
        return FAIL(err, ERR_USAGE, "'mse %s' needs one of: %s", argv[0], group);
    const char *nearest = text_nearest(argv[0], names, count);
    (void)FAIL(err, ERR_USAGE, "there is no command '%s%s%s'", argv[0], is_group ? " " : "",
               is_group ? argv[1] : "");
    if (nearest != NULL)
        err_hint(err, "did you mean 'mse %s'? 'mse --help' lists all commands", nearest);
    else
        err_hint(err, "'mse --help' lists all commands");
    return -1;
}

static int check_argument_count(const struct command *command, const struct options *options,
                                struct err *err)
{
    size_t count = options->argument_count;
    if (count >= command->min_arguments && count <= command->max_arguments)
        return 0;
    if (count < command->min_arguments)
        (void)FAIL(err, ERR_USAGE, "'mse %s' needs %s", command->name, command->arguments);
    else
        (void)FAIL(err, ERR_USAGE, "'mse %s' does not take '%s'", command->name,
                   options->arguments[command->max_arguments]);
    err_hint(err, "usage: mse %s [options] %s", command->name, command->arguments);
    return -1;
}

/* Also where the rest of the command line is wrong: whoever reads JSON gets JSON. */
static bool asks_for_json(const struct command *command, int argc, const char *const *argv)
{
    bool takes = false;
    for (size_t i = 0; i < command->option_count; i++)
        takes = takes || strcmp(command->options[i].name, "json") == 0;
    for (int i = 0; i < argc && takes; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int run_command(const struct command *command, int argc, const char *const *argv,
                       struct err *err)
{
    struct options options;
    ui_init(asks_for_json(command, argc, argv));
    if (options_parse(command->options, command->option_count, argc, argv, &options, err) < 0) {
        if (err->hint[0] == '\0')
            err_hint(err, "'mse %s --help' shows what it takes", command->name);
        return -1;
    }
    if (options_has(&options, "help")) {
        docs_print_command_help(command);
        return 0;
    }
    if (check_argument_count(command, &options, err) < 0)
        return -1;
    if (crypto_init(err) < 0)
        return -1;
    return command->run(&options, err);
}

static int help(int argc, const char *const *argv, struct err *err)
{
    int words;
    const struct command *command = argc > 0 ? find_command(argc, argv, &words) : NULL;
    if (command != NULL)
        docs_print_command_help(command);
    else if (argc == 0)
        docs_print_help();
    else if (argc > 1 || !docs_print_group_help(argv[0]))
        return unknown_command(argc, argv, err);
    return 0;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* As struct command's run. */
static int run(int argc, const char *const *argv, struct err *err)
{
    if (argc == 0) {
        docs_print_help();
        return FAIL(err, ERR_USAGE, "no command was given");
    }
    if (is_help(argv[0]) || strcmp(argv[0], "help") == 0)
        return help(argc - 1, argv + 1, err);
    if (argc == 2 && is_help(argv[1]) && docs_print_group_help(argv[0]))
        return 0;
    if (strcmp(argv[0], "--version") == 0) {
        (void)printf("mse %s\n", MSE_VERSION);
        return 0;
    }
    if (strcmp(argv[0], "--man-page") == 0)
        return docs_print_man_page(err);
    if (str_starts_with(argv[0], "--completion="))
        return docs_print_completion(argv[0] + strlen("--completion="), err);
    int words = 0;
    const struct command *command = find_command(argc, argv, &words);
    if (command == NULL)
        return unknown_command(argc, argv, err);
    return run_command(command, argc - words, argv + words, err);
}

int main(int argc, char **argv)
{
    log_init("mse", LOG_WARNING);
    ui_init(false);
    struct err err = ERR_INIT;
    int status = run(argc - 1, (const char *const *)argv + 1, &err);
    if (status >= 0 && ui_finish(&err) == 0)
        return status;
    ui_error(&err);
    return err_exit_status(err.kind);
}
