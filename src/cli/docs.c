// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that is told about the commands, made from their tables: --help, mse(1), completion
 * for bash and zsh.
 */
#include "base/mem.h"
#include "cli/command.h"

#include <stdio.h>
#include <stdbool.h>
#include <string.h>

static const struct {
    int status;
    const char *meaning;
} exit_statuses[] = {
    {0, "success"},
    {2, "wrong usage: unknown command, option or argument"},
    {3, "verification failed: the evidence was rejected, nothing secret was sent"},
    {4, "the node is unreachable"},
    {5, "the app failed: import, health check or tests"},
    {130, "interrupted, or a question was not answered with yes"},
    {1, "any other error"},
};

enum { TEXT_WIDTH = 80 };

void docs_print_help(void)
{
    (void)printf("mse: run a Python web app in a trusted execution environment, and prove it\n\n"
                 "usage: mse COMMAND [options]\n\ncommands:\n");
    for (size_t i = 0; i < command_count; i++)
        (void)printf("  %-13s %s\n", commands[i]->name, commands[i]->summary);
    (void)printf("\n'mse COMMAND --help' explains one, with an example. 'mse --version' says which "
                 "mse this is.\nA first app: mse node start && mse scaffold hello && cd hello && "
                 "mse deploy\n");
}

static void print_option(const struct option_spec *option)
{
    char left[64];
    char letter[8] = "    ";
    if (option->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    (void)snprintf(left, sizeof(left), "%s--%s%s%s%s", letter, option->name,
                   option->value_name == NULL ? "" : (option->value_optional ? "[=" : " "),
                   option->value_name == NULL ? "" : option->value_name,
                   option->value_name != NULL && option->value_optional ? "]" : "");
    (void)printf("  %-26s %s\n", left, option->help);
}

/* A paragraph in lines of at most TEXT_WIDTH bytes. */
static void print_wrapped(const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > TEXT_WIDTH) {
            (void)putchar('\n');
            column = 0;
        }
        (void)printf("%s%.*s", column > 0 ? " " : "", (int)len, text);
        column += len + (column > 0 ? 1 : 0);
        text += len + strspn(text + len, " ");
    }
    (void)putchar('\n');
}

void docs_print_command_help(const struct command *command)
{
    (void)printf("mse %s: %s\n\nusage: mse %s [options]%s%s\n\n", command->name, command->summary,
                 command->name, command->arguments[0] == '\0' ? "" : " ", command->arguments);
    print_wrapped(command->text);
    (void)printf("\noptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i]);
    (void)printf("\nexample:\n");
    for (const char *line = command->example; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        (void)printf("  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n' ? 1 : 0);
    }
}

/* Text for troff: dashes stay dashes, backslashes and leading dots are protected. */
static void print_troff(const char *text)
{
    bool line_start = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (line_start && (*c == '.' || *c == '\''))
            (void)fputs("\\&", stdout);
        if (*c == '-')
            (void)fputs("\\-", stdout);
        else if (*c == '\\')
            (void)fputs("\\e", stdout);
        else
            (void)fputc(*c, stdout);
        line_start = *c == '\n';
    }
}

static void print_man_command(const struct command *command)
{
    (void)printf(".SS mse ");
    print_troff(command->name);
    (void)printf(" [options] ");
    print_troff(command->arguments);
    (void)printf("\n");
    print_troff(command->summary);
    (void)printf(".\n.PP\n");
    print_troff(command->text);
    (void)printf("\n");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option_spec *option = &command->options[i];
        (void)printf(".TP\n.B ");
        if (option->letter != 0)
            (void)printf("\\-%c, ", option->letter);
        (void)printf("\\-\\-");
        print_troff(option->name);
        if (option->value_name != NULL)
            (void)printf(" \\fI%s\\fR", option->value_name);
        (void)printf("\n");
        print_troff(option->help);
        (void)printf("\n");
    }
    (void)printf(".PP\n.EX\n");
    print_troff(command->example);
    (void)printf("\n.EE\n");
}

int docs_print_man_page(struct err *err)
{
    (void)printf(".TH MSE 1 \"\" \"mse %s\" \"mse\"\n.SH NAME\nmse \\- run a Python web app in a "
                 "trusted execution environment, and prove it\n.SH SYNOPSIS\n.B mse\n"
                 ".I COMMAND\n[options]\n.SH COMMANDS\n",
                 MSE_VERSION);
    for (size_t i = 0; i < command_count; i++)
        print_man_command(commands[i]);
    (void)printf(".SH EXIT STATUS\n");
    for (size_t i = 0; i < ARRAY_LEN(exit_statuses); i++) {
        (void)printf(".TP\n.B %d\n", exit_statuses[i].status);
        print_troff(exit_statuses[i].meaning);
        (void)printf("\n");
    }
    (void)printf(".SH ENVIRONMENT\n.TP\n.B MSE_NODE\nthe node, as given to \\-\\-node.\n.TP\n"
                 ".B MSE_CONFIG_HOME\nthe owner's config folder (default: ~/.config/mse).\n.TP\n"
                 ".B MSE_STATE_HOME\nwhere the local node of 'mse node start' lives (default: "
                 "~/.local/state/mse).\n.TP\n.B NO_COLOR\nany value: no colour.\n"
                 ".SH FILES\n.TP\n.I ~/.config/mse/owner.key\nthe owner's Ed25519 key, made on "
                 "first use.\n.TP\n.I ~/.config/mse/contexts/\none record per deployment.\n"
                 ".SH SEE ALSO\n.BR mse.toml (5),\n.BR msed (8),\n.BR msed.toml (5),\n"
                 ".BR libmse (3)\n");
    return ferror(stdout) != 0 ? FAIL(err, ERR_IO, "cannot write to standard output") : 0;
}

static void print_bash_completion(void)
{
    (void)printf("# bash completion for mse\n_mse() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
                 "    [ \"$command\" = node ] && command=\"node ${COMP_WORDS[2]}\"\n"
                 "    local words=''\n    if [ \"$COMP_CWORD\" = 1 ]; then\n        words='");
    for (size_t i = 0; i < command_count; i++) {
        if (strchr(commands[i]->name, ' ') == NULL)
            (void)printf("%s ", commands[i]->name);
    }
    (void)printf("node --help --version'\n    elif [ \"$COMP_CWORD\" = 2 ] && "
                 "[ \"${COMP_WORDS[1]}\" = node ]; then\n        words='");
    for (size_t i = 0; i < command_count; i++) {
        if (strncmp(commands[i]->name, "node ", 5) == 0)
            (void)printf("%s ", commands[i]->name + 5);
    }
    (void)printf("'\n    else\n        case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        (void)printf("        '%s') words='", commands[i]->name);
        for (size_t j = 0; j < commands[i]->option_count; j++)
            (void)printf("--%s ", commands[i]->options[j].name);
        (void)printf("' ;;\n");
    }
    (void)printf("        esac\n    fi\n"
                 "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                 "    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "
                 "\"$cur\")\n}\ncomplete -F _mse mse\n");
}

static void print_zsh_completion(void)
{
    (void)printf("#compdef mse\n_mse() {\n    local -a words\n    if (( CURRENT == 2 )); then\n"
                 "        words=(");
    for (size_t i = 0; i < command_count; i++) {
        if (strchr(commands[i]->name, ' ') == NULL)
            (void)printf("'%s:%s' ", commands[i]->name, commands[i]->summary);
    }
    (void)printf("'node:start, stop or look at the local node')\n"
                 "        _describe command words\n        return\n    fi\n"
                 "    local command=$words[2]\n    case ${(Q)words[2]} in\n");
    for (size_t i = 0; i < command_count; i++) {
        if (strchr(commands[i]->name, ' ') != NULL)
            continue;
        (void)printf("    %s) _arguments", commands[i]->name);
        for (size_t j = 0; j < commands[i]->option_count; j++)
            (void)printf(" '--%s[%s]%s'", commands[i]->options[j].name,
                         commands[i]->options[j].help,
                         commands[i]->options[j].value_name == NULL ? "" : ":value:_files");
        (void)printf(" '*:file:_files' ;;\n");
    }
    (void)printf("    node) words=('start' 'stop' 'status'); _describe command words ;;\n"
                 "    esac\n}\n_mse \"$@\"\n");
}

int docs_print_completion(const char *shell, struct err *err)
{
    if (strcmp(shell, "bash") == 0)
        print_bash_completion();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh_completion();
    else
        return FAIL(err, ERR_USAGE, "completion exists for bash and zsh, not for '%s'", shell);
    return 0;
}
