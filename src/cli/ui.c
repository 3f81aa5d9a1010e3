// SPDX-License-Identifier: Apache-2.0
/*
 * Terminal output of mse. Owns the one progress line: a thread redraws it while a step runs. Runs
 * on the owner's machine. Every text goes through put(), so that no peer's text drives the
 * terminal: base/text.h says what is harmless.
 */
#include "cli/ui.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_SIZE = 160, REDRAW_MS = 100, DOCUMENT_MAX = 64 << 20 };

static struct {
    bool json;
    bool printed;  /* something is on standard output */
    bool terminal; /* standard error is one */
    bool colour;   /* of standard error */
    bool out_colour;
    volatile sig_atomic_t interrupted;
    volatile sig_atomic_t interruptions; /* never taken back */
    struct lock lock;
    pthread_cond_t wake;
    bool ticking;
    pthread_t ticker;
    const char *step; /* NULL: none runs */
    int64_t started_ms;
    char note[NOTE_SIZE];
    uint8_t cut[4]; /* of a log on a terminal: the beginning of a character */
    size_t cut_len;
} ui = {.lock = LOCK_INIT(LOCK_UI), .wake = PTHREAD_COND_INITIALIZER};

static const char *const styles[] = {
    [UI_PLAIN] = "",         [UI_BOLD] = "\033[1m",    [UI_GREEN] = "\033[32m",
    [UI_RED] = "\033[1;31m", [UI_YELLOW] = "\033[33m", [UI_DIM] = "\033[2m",
};

static void on_interrupt(int signal_number)
{
    if (ui.interruptions++ > 0) {
        static const char text[] = "\ninterrupted again: giving up at once\n";
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        _exit(130);
    }
    ui.interrupted = 1;
}

void ui_init(bool json)
{
    const char *term = getenv("TERM");
    bool wants_colour = getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
    ui.json = json;
    ui.terminal = isatty(STDERR_FILENO) != 0;
    ui.colour = ui.terminal && wants_colour;
    ui.out_colour = isatty(STDOUT_FILENO) != 0 && wants_colour;
    struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: calls must return */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

bool ui_json(void)
{
    return ui.json;
}

const volatile sig_atomic_t *ui_interrupted(void)
{
    return &ui.interrupted;
}

void ui_take_interrupt(void)
{
    ui.interrupted = 0;
}

/* What was formatted, made printable, then written. Out of memory: its beginning. */
PRINTF_LIKE(2, 0)
static void put(FILE *to, const char *fmt, va_list args)
{
    char short_text[1024];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(short_text, sizeof(short_text), fmt, args);
    AUTO_FREE char *long_text = NULL;
    if (len >= (int)sizeof(short_text))
        long_text = mem_alloc((size_t)len + 1, NULL);
    if (long_text != NULL)
        (void)vsnprintf(long_text, (size_t)len + 1, fmt, again);
    va_end(again);
    char *text = long_text != NULL ? long_text : short_text;
    if (len < 0)
        return;
    text_make_printable(text, "\n\t");
    (void)fputs(text, to);
}

PRINTF_LIKE(2, 3)
static void say(FILE *to, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(to, fmt, args);
    va_end(args);
}

static double elapsed_seconds(void)
{
    return (double)(clock_monotonic_ms() - ui.started_ms) / 1000.0;
}

static void draw_running(void)
{
    (void)fprintf(stderr, "\r\033[K  %s… %s%.1f s%s %s", ui.step, ui.colour ? styles[UI_DIM] : "",
                  elapsed_seconds(), ui.colour ? "\033[0m" : "", ui.note);
    (void)fflush(stderr);
}

static void *tick(void *unused)
{
    lock_acquire(&ui.lock);
    while (ui.ticking) {
        if (ui.step != NULL)
            draw_running();
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += REDRAW_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        (void)lock_wait_until(&ui.lock, &ui.wake, &until);
    }
    lock_release(&ui.lock);
    return NULL;
}

void ui_step_begin(const char *name)
{
    ui.started_ms = clock_monotonic_ms();
    ui.note[0] = '\0';
    ui.step = name;
    if (!ui.terminal || ui.json)
        return;
    ui.ticking = pthread_create(&ui.ticker, NULL, tick, NULL) == 0;
}

static void stop_ticker(void)
{
    lock_acquire(&ui.lock);
    bool was_ticking = ui.ticking;
    ui.ticking = false;
    (void)pthread_cond_signal(&ui.wake);
    lock_release(&ui.lock);
    if (was_ticking) {
        (void)pthread_join(ui.ticker, NULL);
        (void)fputs("\r\033[K", stderr);
    }
}

static void step_line(const char *mark, enum ui_style style, const char *detail)
{
    stop_ticker();
    if (ui.step != NULL && !ui.json)
        (void)fprintf(stderr, "%s%s%s %-10s %6.2f s  %s\n", ui.colour ? styles[style] : "", mark,
                      ui.colour ? "\033[0m" : "", ui.step, elapsed_seconds(), detail);
    ui.step = NULL;
}

void ui_step_end(const char *fmt, ...)
{
    char detail[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    text_make_printable(detail, "");
    step_line("ok", UI_GREEN, detail);
}

void ui_step_note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    lock_acquire(&ui.lock);
    (void)vsnprintf(ui.note, sizeof(ui.note), fmt, args);
    text_make_printable(ui.note, "");
    lock_release(&ui.lock);
    va_end(args);
}

void ui_step_fail(void)
{
    step_line("!!", UI_RED, "failed");
}

PRINTF_LIKE(3, 0)
static void line(const char *label, enum ui_style style, const char *fmt, va_list args)
{
    if (ui.colour)
        (void)fputs(styles[style], stderr);
    (void)fputs(label, stderr);
    if (ui.colour)
        (void)fputs("\033[0m", stderr);
    put(stderr, fmt, args);
    (void)fputc('\n', stderr);
}

void ui_info(const char *fmt, ...)
{
    if (ui.json)
        return;
    va_list args;
    va_start(args, fmt);
    line("", UI_PLAIN, fmt, args);
    va_end(args);
}

void ui_warning(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    line("warning: ", UI_YELLOW, fmt, args);
    va_end(args);
}

PRINTF_LIKE(1, 2)
static void error_line(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    line("error: ", UI_RED, fmt, args);
    va_end(args);
}

/* {"error": {"kind", "message", "hint", "status"}} */
static void print_error(const struct err *err)
{
    struct err ignored = ERR_INIT;
    json_t *error =
        JSON_OF(JSON_TEXT("kind", err_kind_name(err->kind)), JSON_TEXT("message", err->message),
                JSON_TEXT("hint", err->hint), JSON_NUMBER("status", err_exit_status(err->kind)));
    (void)!ui_print_json(JSON_OF(JSON_VALUE("error", error)), &ignored);
}

void ui_error(const struct err *err)
{
    stop_ticker();
    if (ui.json && !ui.printed)
        print_error(err);
    error_line("%s", err->message[0] != '\0' ? err->message : err_kind_text(err->kind));
    if (err->hint[0] != '\0')
        say(stderr, "%s\n", err->hint);
}

void ui_print(enum ui_style style, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    ui.printed = true;
    if (ui.out_colour)
        (void)fputs(styles[style], stdout);
    put(stdout, fmt, args);
    if (ui.out_colour && style != UI_PLAIN)
        (void)fputs("\033[0m", stdout);
    va_end(args);
}

/* A character may come in two pieces: its beginning waits for the rest. */
static int write_printable(FILE *to, struct slice bytes, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(bytes.len + sizeof(ui.cut));
    if (buf_bytes(&text, slice_of(ui.cut, ui.cut_len), err) < 0 || buf_bytes(&text, bytes, err) < 0)
        return -1;
    ui.cut_len = utf8_cut_tail(buf_slice(&text));
    size_t len = text.len - ui.cut_len;
    memcpy(ui.cut, text.data + len, ui.cut_len);
    len = bytes_make_printable((char *)text.data, len, "\n\t");
    if (fwrite(text.data, 1, len, to) != len)
        return FAIL_ERRNO(err, ERR_IO, "cannot write the log");
    return 0;
}

int ui_write_log(FILE *to, struct slice bytes, struct err *err)
{
    if (bytes.len == 0)
        return 0;
    if (isatty(fileno(to)) != 0) {
        if (write_printable(to, bytes, err) < 0)
            return -1;
    } else if (fwrite(bytes.data, 1, bytes.len, to) != bytes.len) {
        return FAIL_ERRNO(err, ERR_IO, "cannot write the log");
    }
    return fflush(to) == 0 ? 0 : FAIL_ERRNO(err, ERR_IO, "cannot write the log");
}

/* ASCII only: what JSON leaves unescaped else may drive a terminal. */
int ui_print_json(json_t *document, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_MAX);
    int written = json_write(document, JSON_FOR_PEOPLE, &text, err);
    json_decref(document);
    if (written < 0)
        return FAIL_CONTEXT(err, "cannot write to standard output");
    ui_print(UI_PLAIN, "%s\n", buf_text(&text));
    return fflush(stdout) == 0 ? 0 : FAIL(err, ERR_IO, "cannot write to standard output");
}

/* Does nobody read any more? The error of a write that failed long ago is forgotten. */
static bool is_reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

int ui_finish(struct err *err)
{
    bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (!failed || is_reader_gone())
        return 0;
    return FAIL_ERRNO(err, ERR_IO, "cannot write to standard output");
}

bool ui_can_ask(void)
{
    return isatty(STDIN_FILENO) != 0 && !ui.json;
}

int ui_choose(size_t count, size_t *ret, struct err *err, const char *question)
{
    char answer[16] = "";
    uint64_t number;
    struct err ignored = ERR_INIT;
    stop_ticker();
    say(stderr, "%s [1-%zu] ", question, count);
    (void)fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        answer[0] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    if (parse_u64(answer, "answer", 1, count, &number, &ignored) < 0)
        return FAIL(err, ERR_INTERRUPTED, "nothing was chosen, nothing was changed");
    *ret = (size_t)number - 1;
    return 0;
}

int ui_confirm(bool assume_yes, struct err *err, const char *fmt, ...)
{
    char question[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(question, sizeof(question), fmt, args);
    va_end(args);
    if (assume_yes)
        return 0;
    if (!ui_can_ask()) {
        (void)FAIL(err, ERR_USAGE, "%s: there is no terminal to ask on", question);
        err_hint(err, "pass --yes to go on without being asked");
        return -1;
    }
    stop_ticker();
    say(stderr, "%s [y/N] ", question);
    (void)fflush(stderr);
    char answer[16] = "";
    if (fgets(answer, sizeof(answer), stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y'))
        return FAIL(err, ERR_INTERRUPTED, "not confirmed, nothing was changed");
    return 0;
}

void ui_size_text(uint64_t bytes, char text[static UI_SIZE_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024.0;
        unit++;
    }
    (void)snprintf(text, UI_SIZE_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

/* --- hooks --- */

static void show_progress(uint64_t done_bytes, uint64_t all_bytes)
{
    char done[UI_SIZE_TEXT];
    char all[UI_SIZE_TEXT];
    ui_size_text(done_bytes, done);
    ui_size_text(all_bytes, all);
    ui_step_note("%s of %s", done, all);
}

static void show_info(const char *text)
{
    ui_info("%s", text);
}

static void show_warning(const char *text)
{
    ui_warning("%s", text);
}

const struct client_hooks *ui_hooks(void)
{
    static const struct client_hooks hooks = {
        .interrupted = &ui.interrupted,
        .progress = show_progress,
        .info = show_info,
        .warn = show_warning,
    };
    return &hooks;
}
