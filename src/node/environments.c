// SPDX-License-Identifier: Apache-2.0
/*
 * What the node offers apps to run in. Owns the descriptions. Runs in msed.
 */
#include "node/environments.h"

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "measure/image.h"
#include "model/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { PYTHON_TIMEOUT_MS = 20 * 1000 };

static const char flask_environment[] = ENVIRONMENT_FLASK;
static const char *const flask_requirements[] = {ENVIRONMENT_FLASK_REQUIREMENTS, NULL};
static const char *const no_requirements[] = {NULL};

static int describe(const struct node_environment *from, struct environments *environments,
                    struct environment_offer *offer, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(ENVIRONMENT_DESCRIPTION_MAX);
    uint8_t digest[SHA256_SIZE];
    bool has_own = from->requirements.count > 0 || strcmp(from->name, flask_environment) != 0;
    offer->base_requirements = has_own ? no_requirements : flask_requirements;
    offer->environment = (struct environment){
        .name = from->name,
        .python = environments->python,
        .requirements = (const char *const *)from->requirements.items,
        .requirement_count = from->requirements.count,
    };
    if (environment_describe(&offer->environment, &text, err) < 0 ||
        sha256(buf_slice(&text), digest, err) < 0)
        return FAIL_CONTEXT(err, "environment '%s'", from->name);
    hex_encode(slice_of(digest, sizeof(digest)), offer->digest);
    offer->description = buf_steal_text(&text, err);
    return offer->description != NULL ? 0 : -1;
}

static int describe_image(const struct node_environment *from, struct environment_offer *offer,
                          struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(IMAGE_MAX);
    AUTO_FREE char *path = path_join(from->image, IMAGE_FILE_DESCRIPTION, err);
    struct image image;
    uint8_t digest[SHA256_SIZE];
    if (path == NULL || file_read(path, &text, err) < 0 ||
        image_decode(buf_slice(&text), &image, err) < 0 ||
        sha256(buf_slice(&text), digest, err) < 0)
        return FAIL_CONTEXT(err, "environment '%s'", from->name);
    (void)snprintf(offer->python, sizeof(offer->python), "%s", image.python);
    offer->environment = (struct environment){.name = from->name, .python = offer->python};
    offer->is_image = true;
    offer->base_requirements =
        strcmp(from->name, flask_environment) == 0 ? flask_requirements : no_requirements;
    hex_encode(slice_of(digest, sizeof(digest)), offer->digest);
    hex_encode(slice_of(image.runtime, sizeof(image.runtime)), offer->runtime_digest);
    offer->description = buf_steal_text(&text, err);
    return offer->description != NULL ? 0 : -1;
}

static bool is_offered(const struct node_environment *environment, bool has_flask)
{
    if (has_flask || environment->requirements.count > 0 || environment->image != NULL ||
        strcmp(environment->name, flask_environment) != 0)
        return true;
    log_warning("environment '%s' is not offered: the system's Python has no Flask "
                "(install python3-flask)",
                flask_environment);
    return false;
}

int environments_fill(const struct node_config *config, const char *python, bool has_flask,
                      struct environments *ret, struct err *err)
{
    *ret = (struct environments){.fallback = config->default_environment};
    (void)snprintf(ret->python, sizeof(ret->python), "%s", python);
    ret->offers = mem_alloc_array(config->environment_count, sizeof(*ret->offers), err);
    if (ret->offers == NULL)
        return -1;
    for (size_t i = 0; i < config->environment_count; i++) {
        const struct node_environment *from = &config->environments[i];
        if (!is_offered(from, has_flask))
            continue;
        struct environment_offer *offer = &ret->offers[ret->count++];
        int result = from->image != NULL ? describe_image(from, offer, err)
                                         : describe(from, ret, offer, err);
        if (result < 0) {
            environments_done(ret);
            return -1;
        }
    }
    return 0;
}

/* "3.11 1\n" */
static int ask_python(struct buf *out, struct err *err)
{
    static const char script[] =
        "import sys, importlib.util as u; "
        "print('%d.%d' % sys.version_info[:2], int(u.find_spec('flask') is not None))";
    static const char *const argv[] = {"/usr/bin/python3", "-I", "-c", script, NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    const struct process_spec spec = {.argv = argv, .env = env};
    AUTO_BUF struct buf errors = BUF_INIT(512);
    int status = 0;
    if (process_run(&spec, slice_of(NULL, 0), out, &errors, PYTHON_TIMEOUT_MS, &status, err) < 0)
        return FAIL_CONTEXT(err, "the system's Python");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return FAIL(err, ERR_IO, "the system's Python failed: %s", buf_text(&errors));
    return 0;
}

int environments_init(const struct node_config *config, struct environments *ret, struct err *err)
{
    AUTO_BUF struct buf out = BUF_INIT(64);
    if (ask_python(&out, err) < 0)
        return -1;
    const char *text = buf_text(&out);
    char python[16] = "";
    size_t len = strcspn(text, " ");
    if (len == 0 || len >= sizeof(python) || text[len] != ' ')
        return FAIL(err, ERR_INVALID, "the system's Python answered '%s'", text);
    memcpy(python, text, len);
    return environments_fill(config, python, text[len + 1] == '1', ret, err);
}

void environments_done(struct environments *environments)
{
    for (size_t i = 0; i < environments->count; i++)
        free(environments->offers[i].description);
    free(environments->offers);
    *environments = (struct environments){0};
}

int environments_find(const struct environments *environments, const char *wanted,
                      const struct environment_offer **ret, struct err *err)
{
    const char *name = wanted[0] != '\0' ? wanted : environments->fallback;
    for (size_t i = 0; i < environments->count; i++) {
        if (environment_matches(name, environments->offers[i].environment.name)) {
            *ret = &environments->offers[i];
            return 0;
        }
    }
    AUTO_BUF struct buf list = BUF_INIT(512);
    for (size_t i = 0; i < environments->count; i++) {
        if (buf_printf(&list, err, "%s%s", i > 0 ? ", " : "",
                       environments->offers[i].environment.name) < 0)
            break; /* a list that is cut short will do */
    }
    err_set(err, ERR_NOT_FOUND, 0, "the node has no environment '%s'; it offers: %s", name,
            list.len > 0 ? buf_text(&list) : "none");
    err_hint(err, "set 'docker' in mse.toml to one of them");
    return -1;
}
