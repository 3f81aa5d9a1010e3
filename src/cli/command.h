// SPDX-License-Identifier: Apache-2.0
/*
 * The command table of mse. Each command is one const struct in a file of its own; help, the man
 * page and shell completion are made from these tables (cli/docs.c), so they cannot disagree.
 */
#pragma once

#include "base/options.h"

struct command {
    const char *name;      /* "deploy"; a sub-command has a space: "node start" */
    const char *arguments; /* "[APP]", "" where there are none */
    const char *summary;   /* one line, no full stop */
    const char *text;      /* paragraphs for --help and the man page */
    const char *example;   /* one or more command lines */
    const struct option_spec *options;
    size_t option_count;
    size_t min_arguments;
    size_t max_arguments;
    /* 0, or an exit status for what is no error; -1 with one. */
    int (*run)(const struct options *options, struct err *err);
};

extern const struct command *const commands[];
extern const size_t command_count;

extern const struct command command_access_log;
extern const struct command command_collateral_fetch;
extern const struct command command_context;
extern const struct command command_deploy;
extern const struct command command_diff;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_image_build;
extern const struct command command_image_lock;
extern const struct command command_image_measure;
extern const struct command command_image_show;
extern const struct command command_image_verify;
extern const struct command command_init;
extern const struct command command_list;
extern const struct command command_localtest;
extern const struct command command_lock;
extern const struct command command_logs;
extern const struct command command_node_start;
extern const struct command command_node_status;
extern const struct command command_node_stop;
extern const struct command command_restart;
extern const struct command command_pause;
extern const struct command command_prune;
extern const struct command command_resume;
extern const struct command command_releases;
extern const struct command command_rollback;
extern const struct command command_unlock;
extern const struct command command_scaffold;
extern const struct command command_staple;
extern const struct command command_status;
extern const struct command command_stop;
extern const struct command command_test;
extern const struct command command_verify;

/* Options that several commands share. */
#define OPTION_HELP                                                                                \
    {                                                                                              \
        .name = "help", .letter = 'h', .help = "show this help"                                    \
    }
#define OPTION_JSON                                                                                \
    {                                                                                              \
        .name = "json", .help = "print one JSON document on standard output"                       \
    }
#define OPTION_NODE                                                                                \
    {                                                                                              \
        .name = "node", .value_name = "ADDRESS",                                                   \
        .help = "the node: a Unix socket's path or an https:// URL (default: $MSE_NODE, then the " \
                "local node)"                                                                      \
    }
#define OPTION_PATH                                                                                \
    {                                                                                              \
        .name = "path", .letter = 'p', .value_name = "FILE",                                       \
        .help = "the mse.toml, or the folder it is in (default: ./mse.toml)"                       \
    }
#define OPTION_SIMULATION                                                                          \
    {                                                                                              \
        .name = "simulation", .help = "accept the simulated TEE, which protects nothing from the " \
                                      "operator"                                                   \
    }
#define OPTION_YES                                                                                 \
    {                                                                                              \
        .name = "yes", .letter = 'y', .help = "answer yes to every question"                       \
    }

/* cli/docs.c */
void docs_print_help(void);
void docs_print_command_help(const struct command *command);
/* The commands that begin with that word; false: there are none. */
bool docs_print_group_help(const char *group);
int docs_print_man_page(struct err *err) MUST_USE;
int docs_print_completion(const char *shell, struct err *err) MUST_USE;

/* cli/completion.c */
void completion_print_bash(void);
void completion_print_zsh(void);
