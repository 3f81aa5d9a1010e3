// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that is told about the commands, made from their tables: --help and mse(1).
 * Completion is completion.c's.
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

static const struct {
    const char *name;
    const char *meaning;
} variables[] = {
    {"MSE_NODE", "the node, as given to --node."},
    {"MSE_NODE_TOKEN",
     "the bearer token for a node over https://, as its operator gave it. Never sent to a Unix "
     "socket or an address without TLS."},
    {"MSE_NODE_CA",
     "a file with the certificate, or its authority's, that such a node shows, in PEM. Without it "
     "the system's authorities are asked."},
    {"MSE_CONFIG_HOME", "the owner's config folder (default: ~/.config/mse)."},
    {"MSE_STATE_HOME",
     "where the local node of 'mse node start' lives (default: ~/.local/state/mse)."},
    {"MSE_CACHE_HOME", "where vendors' collateral is kept (default: ~/.cache/mse)."},
    {"NO_COLOR", "any value: no colour."},
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

bool docs_print_group_help(const char *group)
{
    size_t len = strlen(group);
    bool any = false;
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, group, len) != 0 || name[len] != ' ')
            continue;
        if (!any)
            (void)printf("usage: mse %s COMMAND [options]\n\ncommands:\n", group);
        (void)printf("  %-18s %s\n", name, commands[i]->summary);
        any = true;
    }
    if (any)
        (void)printf("\n'mse %s COMMAND --help' explains one, with an example.\n", group);
    return any;
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
    (void)printf(".SH ENVIRONMENT\n");
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        (void)printf(".TP\n.B %s\n", variables[i].name);
        print_troff(variables[i].meaning);
        (void)printf("\n");
    }
    (void)printf(".SH FILES\n.TP\n.I ~/.config/mse/owner.key\nthe owner's Ed25519 key, made on "
                 "first use.\n.TP\n.I ~/.config/mse/contexts/\none record per deployment.\n"
                 ".SH SEE ALSO\n.BR mse.toml (5),\n.BR msed (8),\n.BR msed.toml (5),\n"
                 ".BR libmse (3)\n");
    return 0;
}

int docs_print_completion(const char *shell, struct err *err)
{
    if (strcmp(shell, "bash") == 0)
        completion_print_bash();
    else if (strcmp(shell, "zsh") == 0)
        completion_print_zsh();
    else
        return FAIL(err, ERR_USAGE, "completion exists for bash and zsh, not for '%s'", shell);
    return 0;
}
