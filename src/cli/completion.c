// SPDX-License-Identifier: Apache-2.0
/*
 * Completion for bash and zsh, made from the command tables: commands, groups of commands, options,
 * and where a command takes an app, the names of the apps that the node has. Runs on the owner's
 * machine, when mse is built and in the owner's shell.
 */
#include "base/mem.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

/* Names have no character that a shell would look at (format/names.h). */
#define APP_NAMES "mse list --json 2>/dev/null | sed -n 's/^ *\"name\": \"\\(.*\\)\",*$/\\1/p'"

static size_t group_len(const struct command *command)
{
    const char *space = strchr(command->name, ' ');
    return space == NULL ? 0 : (size_t)(space - command->name);
}

static bool is_of_group(const struct command *command, const struct command *other)
{
    size_t len = group_len(other);
    return len > 0 && group_len(command) == len && strncmp(command->name, other->name, len) == 0;
}

/* Is it the first of a group in the table? */
static bool begins_group(size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (is_of_group(commands[j], commands[i]))
            return false;
    }
    return group_len(commands[i]) > 0;
}

static bool takes_app(const struct command *command)
{
    return strncmp(command->arguments, "APP", 3) == 0 ||
           strncmp(command->arguments, "[APP", 4) == 0;
}

/* --- bash --- */

static void print_bash_groups(void)
{
    for (size_t i = 0; i < command_count; i++) {
        if (!begins_group(i))
            continue;
        int len = (int)group_len(commands[i]);
        (void)printf(
            "    if [ \"$command\" = %.*s ]; then\n        if [ \"$COMP_CWORD\" = 2 ]; then\n"
            "            mapfile -t COMPREPLY < <(compgen -W '",
            len, commands[i]->name);
        for (size_t j = i; j < command_count; j++) {
            if (is_of_group(commands[j], commands[i]))
                (void)printf("%s ", commands[j]->name + len + 1);
        }
        (void)printf("--help' -- \"$cur\")\n            return\n        fi\n"
                     "        command=\"%.*s ${COMP_WORDS[2]}\"\n    fi\n",
                     len, commands[i]->name);
    }
}

static void print_bash_case(const struct command *command)
{
    (void)printf("    '%s') words='", command->name);
    for (size_t i = 0; i < command->option_count; i++)
        (void)printf("--%s ", command->options[i].name);
    (void)printf("'%s ;;\n", takes_app(command) ? "; apps=1" : "");
}

void completion_print_bash(void)
{
    (void)printf(
        "# bash completion for mse\n_mse() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words='' apps=''\n"
        "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
        "        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; i < command_count; i++) {
        if (group_len(commands[i]) == 0)
            (void)printf("%s ", commands[i]->name);
        else if (begins_group(i))
            (void)printf("%.*s ", (int)group_len(commands[i]), commands[i]->name);
    }
    (void)printf("help --help --version' -- \"$cur\")\n        return\n    fi\n");
    print_bash_groups();
    (void)printf("    case $command in\n");
    for (size_t i = 0; i < command_count; i++)
        print_bash_case(commands[i]);
    (void)printf("    esac\n"
                 "    case $cur in\n    -*) ;;\n"
                 "    *) [ -z \"$apps\" ] || words=$(" APP_NAMES ") ;;\n    esac\n"
                 "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                 "    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "
                 "\"$cur\")\n}\ncomplete -o filenames -F _mse mse\n");
}

/* --- zsh --- */

/* Inside single quotes; brackets and backslashes mean something to _arguments. */
static void print_zsh_text(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'')
            (void)fputs("'\\''", stdout);
        else if (*c == '[' || *c == ']' || *c == '\\')
            (void)printf("\\%c", *c);
        else
            (void)fputc(*c, stdout);
    }
}

/* 'word:what it is' for _describe. */
static void print_zsh_entry(const char *word, int len, const char *summary)
{
    (void)printf(" '%.*s:", len, word);
    print_zsh_text(summary);
    (void)fputs("'", stdout);
}

static void print_zsh_arguments(const struct command *command)
{
    (void)printf("_arguments");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option_spec *option = &command->options[i];
        (void)printf(" '--%s[", option->name);
        print_zsh_text(option->help);
        (void)printf("]%s'", option->value_name == NULL ? "" : ":value:_files");
    }
    (void)printf(" '*:%s' ;;\n", takes_app(command) ? "app:_mse_apps" : "file:_files");
}

static void print_zsh_group(size_t first)
{
    int len = (int)group_len(commands[first]);
    (void)printf("    %.*s)\n        if (( CURRENT == 2 )); then\n            entries=(", len,
                 commands[first]->name);
    for (size_t i = first; i < command_count; i++) {
        if (is_of_group(commands[i], commands[first])) {
            const char *word = commands[i]->name + len + 1;
            print_zsh_entry(word, (int)strlen(word), commands[i]->summary);
        }
    }
    (void)printf(")\n            _describe command entries\n            return\n        fi\n"
                 "        shift words\n        (( CURRENT-- ))\n        case $words[1] in\n");
    for (size_t i = first; i < command_count; i++) {
        if (!is_of_group(commands[i], commands[first]))
            continue;
        (void)printf("        %s) ", commands[i]->name + len + 1);
        print_zsh_arguments(commands[i]);
    }
    (void)printf("        esac ;;\n");
}

void completion_print_zsh(void)
{
    (void)printf("#compdef mse\n_mse_apps() {\n    local -a names\n"
                 "    names=(${(f)\"$(" APP_NAMES ")\"})\n    compadd -a names\n}\n"
                 "_mse() {\n    local -a entries\n    if (( CURRENT == 2 )); then\n"
                 "        entries=(");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = commands[i];
        if (group_len(command) == 0)
            print_zsh_entry(command->name, (int)strlen(command->name), command->summary);
        else if (begins_group(i))
            print_zsh_entry(command->name, (int)group_len(command), "several commands");
    }
    (void)printf(")\n        _describe command entries\n        return\n    fi\n"
                 "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n");
    for (size_t i = 0; i < command_count; i++) {
        if (begins_group(i)) {
            print_zsh_group(i);
        } else if (group_len(commands[i]) == 0) {
            (void)printf("    %s) ", commands[i]->name);
            print_zsh_arguments(commands[i]);
        }
    }
    /* Found through fpath it is called; sourced it says what it completes. */
    (void)printf("    esac\n}\nif [[ $funcstack[1] == _mse ]]; then\n    _mse \"$@\"\nelse\n"
                 "    compdef _mse mse\nfi\n");
}
