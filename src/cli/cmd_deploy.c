// SPDX-License-Identifier: Apache-2.0
/*
 * mse deploy: from mse.toml to a verified, provisioned, healthy service. The steps are a table; a
 * failing one ends the deployment, and what it had started on the node is stopped again.
 */
#include "cli/collateral_options.h"
#include "cli/command.h"
#include "cli/log_view.h"
#include "cli/placement.h"
#include "cli/project.h"
#include "cli/session.h"
#include "cli/staple.h"
#include "cli/storage_check.h"
#include "cli/ui.h"
#include "cli/wait.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "client/attested.h"
#include "client/context_store.h"
#include "client/policy.h"
#include "crypto/name_proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_TIMEOUT_S = 120,
    API_PATH_SIZE = 512,
    ANSWER_MAX = 64 << 10,
    LOG_LINES = 200,
    TAKE_BACK_TIMEOUT_S = 20
};

struct deployment {
    const struct options *options;
    struct project project;
    struct node_client *node;
    int timeout_s;
    int64_t deadline_ms;
    struct node_app app; /* as the node answered the upload */
    bool may_exist;      /* the node may hold the app, or the new release */
    bool is_locked;      /* its enclave waits for the key of its storage */
    bool is_provisioned; /* it started with the secrets of before */
    bool is_committed;   /* the new release is live */
    struct placement placement;
    struct attested *channel;
    char *certificate_path;
    struct storage_check storage;
    enum mse_tee tee; /* that was verified; MSE_TEE_UNKNOWN: none was, by --no-verify */
    int64_t started_ms;
    int64_t down_ms; /* when a new release was taken, and the one before it began to end */
    int64_t up_ms;   /* when it ran */
};

static int seconds_left(const struct deployment *d)
{
    int64_t left = (d->deadline_ms - clock_monotonic_ms()) / 1000;
    return left < 1 ? 1 : (int)left;
}

/* From now on: the package is on the node, however long that took. Each step has what is left. */
static void begin_patience(struct deployment *d)
{
    d->deadline_ms = clock_monotonic_ms() + (int64_t)d->timeout_s * 1000;
    node_client_set_until(d->node, d->deadline_ms);
}

/* Out of patience with what the app itself does. */
static int fail_app_in_time(const struct deployment *d, const char *what, struct err *err)
{
    if (err->kind != ERR_TIMEOUT)
        return -1;
    return FAIL(err, ERR_APP, "%s within the %d s of --timeout", what, d->timeout_s);
}

static const char *tee_text(const struct deployment *d)
{
    return d->tee == MSE_TEE_UNKNOWN ? "unverified" : mse_tee_name(d->tee);
}

/* --- the steps --- */

static int step_read(struct deployment *d, struct err *err)
{
    if (project_read(&d->project, options_value(d->options, "path"), err) < 0)
        return -1;
    const struct app_config *config = &d->project.config;
    bool names_tee = config->tee != APP_TEE_HARDWARE || options_has(d->options, "simulation");
    if (config->policy != NULL && names_tee)
        return APP_CONFIG_FAIL(config, policy, err,
                               "with a policy its own key 'tee' says which TEEs are accepted, not "
                               "'tee' of mse.toml and not --simulation");
    ui_step_end("%s (%s)", d->project.config.name, d->project.config.path);
    return 0;
}

static int fail_no_image(const struct deployment *d, struct err *err)
{
    err_set(err, ERR_REJECTED, 0,
            "%s names no folder of an image, and without one nobody here can tell what runs in "
            "a guest of %s",
            d->project.config.path, d->project.facts.tee);
    err_hint(err, "make one with 'mse image build' or prove the node's with 'mse image verify "
                  "DIR', and write image = \"DIR\", or a policy of 'mse image measure DIR'");
    return -1;
}

/* Part of what is measured, so each is another measurement; said before anybody trusts it. */
static void warn_of_weak_image(const struct project *project)
{
    const struct image_folder *folder = &project->image_measured.folder;
    for (size_t i = 0; folder->path != NULL && image_weakness(&folder->image, i) != NULL; i++)
        ui_warning("image '%s': %s", folder->image.name, image_weakness(&folder->image, i));
}

/* The node's word for the TEE chooses only which policy is made: another TEE then fails it. */
static int measure_image(struct deployment *d, struct err *err)
{
    struct project *project = &d->project;
    enum mse_tee tee = policy_tee_of_name(project->facts.tee);
    warn_of_weak_image(project);
    if (!image_is_measured_on(tee) || project->config.policy != NULL ||
        options_has(d->options, "no-verify"))
        return 0;
    if (project->image_measured.folder.path == NULL)
        return fail_no_image(d, err);
    return image_measure_for(&project->image_measured, tee, err);
}

static int step_node(struct deployment *d, struct err *err)
{
    if (node_client_open(ui_hooks(), options_value(d->options, "node"), &d->node, err) < 0 ||
        project_ask_node(&d->project, d->node, err) < 0 || measure_image(d, err) < 0 ||
        placement_find(&d->placement, &d->project, d->node, err) < 0)
        return -1;
    ui_step_end("%s, environment %s", node_client_address(d->node),
                d->project.facts.environment_name);
    return 0;
}

static int step_pack(struct deployment *d, struct err *err)
{
    if (project_pack(&d->project, err) < 0)
        return -1;
    char size[UI_SIZE_TEXT];
    char fingerprint[2 * SHA256_SIZE + 1];
    ui_size_text(d->project.code_bytes, size);
    hex_encode(slice_of(d->project.fingerprint, SHA256_SIZE), fingerprint);
    ui_step_end("%llu files, %s, encrypted; fingerprint %.16s…",
                (unsigned long long)d->project.code_files, size, fingerprint);
    return 0;
}

/* "&data=keep", "&replace=ID" */
static void placement_query(const struct placement *placement, char *out, size_t size)
{
    if (placement->is_update)
        (void)snprintf(out, size, "&data=%s", placement->discard ? "discard" : "keep");
    else if (placement->replaced_id[0] != '\0')
        (void)snprintf(out, size, "&replace=%s", placement->replaced_id);
    else
        out[0] = '\0';
}

static int step_upload(struct deployment *d, struct err *err)
{
    char path[API_PATH_SIZE];
    char place[64];
    char expires[RFC3339_SIZE] = "";
    if (d->project.config.expiration != 0)
        rfc3339_format(d->project.config.expiration, expires);
    placement_query(&d->placement, place, sizeof(place));
    (void)snprintf(path, sizeof(path), "/v1/apps?project=%s&resource=%s%s%s%s",
                   d->project.config.project, d->project.config.resource, place,
                   expires[0] == '\0' ? "" : "&expires=", expires);
    AUTO_JSON json_t *answer = NULL;
    AUTO_BUF struct buf proof = BUF_INIT(2 * NAME_PROOF_SIGNATURE_MAX + 1);
    if (project_prove_name(&d->project, &proof, err) < 0)
        return -1;
    const struct node_package package = {d->project.package_fd, d->project.package_size,
                                         buf_text(&proof)};
    d->may_exist = true; /* also when the answer gets lost */
    if (node_client_upload(d->node, path, &package, &answer, err) < 0 ||
        node_app_from_json(answer, &d->app, err) < 0)
        return -1;
    if (strcmp(d->app.id, d->project.manifest.id) != 0)
        return FAIL(err, ERR_CONFLICT, "the node answered with another app's id");
    begin_patience(d);
    char size[UI_SIZE_TEXT];
    ui_size_text(d->project.package_size, size);
    d->down_ms = clock_monotonic_ms();
    if (d->placement.is_update)
        ui_step_end("%s as release %lld of %s", size, (long long)d->app.release, d->app.url);
    else
        ui_step_end("%s to %s", size, d->app.url);
    return 0;
}

static int step_launch(struct deployment *d, struct err *err)
{
    AUTO_NODE_APP struct node_app now = {0};
    if (wait_for_release(d->node, &d->app, NULL, seconds_left(d), &now, err) < 0)
        return -1;
    d->is_locked = strcmp(now.state, "locked") == 0;
    d->is_provisioned = strcmp(now.state, "running") == 0;
    if (d->is_locked)
        ui_step_end("the enclave waits for the key of its storage");
    else if (d->is_provisioned)
        ui_step_end("the enclave runs with what is sealed for it");
    else
        ui_step_end("the enclave waits for its secrets");
    return 0;
}

/* What is accepted where no policy file says it. The simulation is a default only at home: whoever
 * answers elsewhere, behind a forwarded socket too, must not be able to choose it. */
static unsigned accepted_tees(const struct deployment *d)
{
    static const unsigned tees[] = {
        [APP_TEE_HARDWARE] =
            MSE_TEE_BIT(MSE_TEE_SGX) | MSE_TEE_BIT(MSE_TEE_TDX) | MSE_TEE_BIT(MSE_TEE_SNP),
        [APP_TEE_SGX] = MSE_TEE_BIT(MSE_TEE_SGX),
        [APP_TEE_TDX] = MSE_TEE_BIT(MSE_TEE_TDX),
        [APP_TEE_SNP] = MSE_TEE_BIT(MSE_TEE_SNP),
        [APP_TEE_SIMULATION] = MSE_TEE_BIT(MSE_TEE_SIMULATION),
    };
    int tee = d->project.config.tee;
    bool at_home = tee == APP_TEE_HARDWARE && node_client_not_at_home(d->node) == NULL;
    bool wanted = at_home || options_has(d->options, "simulation");
    return tees[tee] | (wanted ? MSE_TEE_BIT(MSE_TEE_SIMULATION) : 0);
}

static int refuse_simulation(const struct deployment *d, struct err *err)
{
    const char *stranger = node_client_not_at_home(d->node);
    if (stranger == NULL || d->project.config.tee != APP_TEE_HARDWARE)
        return -1; /* mse.toml names another TEE: the rejection says so */
    (void)FAIL(
        err, ERR_REJECTED,
        "the TEE is simulated, and the node '%s' is not provably the one on this machine: %s",
        node_client_address(d->node), stranger);
    err_hint(err, "the simulation protects nothing from the operator; if you want it all the same, "
                  "say tee = \"simulation\" in mse.toml or pass --simulation");
    return -1;
}

/* The node spoke of another TEE, so nothing was measured for the one that answers. */
static int fail_no_measurement(const struct deployment *d, const char *tee, struct err *err)
{
    (void)FAIL(err, ERR_REJECTED,
               "the node says that '%s' is of the TEE %s, and what answers is of %s: no "
               "measurement was computed for it",
               d->project.config.resource, d->project.facts.tee, tee);
    err_hint(err, "write a policy of 'mse image measure DIR' if you want it all the same");
    return -1;
}

static int open_channel(struct deployment *d, struct mse_verdict **verdict, struct err *err)
{
    struct mse_policy *own = NULL;
    struct mse_policy fallback = {
        .size = sizeof(fallback),
        .tees = accepted_tees(d),
        .simulation_root = d->project.facts.simulation_root,
    };
    const struct collateral_services services = collateral_services_from(d->options);
    image_measured_policy(&d->project.image_measured, &fallback);
    const char *policy = d->project.config.policy;
    if (policy != NULL && policy_read(policy, &own, err) < 0)
        return -1;
    const struct attested_expectation expectation = {
        .hooks = ui_hooks(),
        .fingerprint = d->project.fingerprint,
        .policy = own != NULL ? own : &fallback,
        .host = d->project.manifest.tls_host_name,
        .collateral = {.services = options_has(d->options, "fetch") ? &services : NULL},
    };
    int status =
        attested_open(d->app.url, &expectation, seconds_left(d), &d->channel, verdict, err);
    bool unwanted = (expectation.policy->tees & MSE_TEE_BIT(MSE_TEE_SIMULATION)) == 0;
    if (status < 0 && own == NULL && *verdict != NULL && unwanted &&
        (*verdict)->tee == MSE_TEE_SIMULATION)
        status = refuse_simulation(d, err);
    if (status == 0 && own == NULL && (*verdict)->tee != MSE_TEE_SIMULATION &&
        (*verdict)->tee != policy_tee_of_name(d->project.facts.tee))
        status = fail_no_measurement(d, mse_tee_name((*verdict)->tee), err);
    mse_policy_free(own);
    return status;
}

static int verify_anew(struct deployment *d, struct err *err)
{
    attested_close(STEAL(d->channel));
    if (options_has(d->options, "no-verify")) {
        const struct attested_expectation nothing = {.host = d->project.manifest.tls_host_name,
                                                     .hooks = ui_hooks()};
        if (attested_open_unverified(d->app.url, &nothing, seconds_left(d), &d->channel, err) < 0)
            return -1;
        ui_step_end("SKIPPED because of --no-verify");
        return 0;
    }
    struct mse_verdict *verdict = NULL;
    int status = open_channel(d, &verdict, err);
    if (status == 0)
        d->tee = verdict->tee;
    if (status == 0 && verdict->tee == MSE_TEE_SIMULATION)
        ui_step_end("the identity is right; the TEE is SIMULATED and protects nothing from the "
                    "operator");
    else if (status == 0)
        ui_step_end("%s, %s, the identity is right", mse_tee_name(verdict->tee), verdict->status);
    mse_verdict_free(verdict);
    return status;
}

/* The session that everything secret goes over; what it is asked has its time too. */
static int verify(struct deployment *d, struct err *err)
{
    int status = verify_anew(d, err);
    if (status == 0)
        attested_set_until(d->channel, d->deadline_ms);
    return status;
}

static void make_target(const struct deployment *d, struct provision_target *ret)
{
    memcpy(ret->fingerprint, d->project.fingerprint, sizeof(ret->fingerprint));
    attested_channel_binding(d->channel, ret->channel_binding);
}

/* Who is unlocked starts anew behind it, with another TLS key: it is verified again. */
static int unlock(struct deployment *d, struct err *err)
{
    AUTO_NODE_APP struct node_app now = {0};
    struct provision_target target;
    make_target(d, &target);
    int status = session_unlock(d->channel, &target, &d->project.manifest, err);
    attested_close(STEAL(d->channel)); /* it ends when all have gone */
    if (status < 0 ||
        wait_for_release(d->node, &d->app, "initializing", seconds_left(d), &now, err) < 0)
        return FAIL_CONTEXT(err, "unlocking the storage");
    return verify(d, err);
}

/* Before anything secret is sent: what the release takes over is the newest that was seen, and a
 * new storage is one. */
static int check_storage(struct deployment *d, struct err *err)
{
    bool goes_on = d->placement.is_update && !d->placement.discard;
    if (d->tee == MSE_TEE_UNKNOWN) /* --no-verify */
        return 0;
    if (storage_check_begin(&d->storage, &d->project.manifest, d->project.fingerprint, err) < 0 ||
        attested_ask_storage(d->channel, d->storage.seen.opening, err) < 0)
        return -1;
    const struct storage_word *said = attested_storage(d->channel);
    return goes_on ? storage_check_judge(&d->storage, said, err)
                   : storage_check_judge_new(&d->storage, said, err);
}

static int step_verify(struct deployment *d, struct err *err)
{
    if (verify(d, err) < 0 || (d->is_locked && unlock(d, err) < 0))
        return -1;
    return check_storage(d, err);
}

/* Genuine, and with the secrets of an earlier deployment: to call that deployed would leave the
 * owner with secrets in use that were to be replaced. */
static int fail_old_secrets(struct err *err)
{
    (void)FAIL(err, ERR_CONFLICT,
               "the enclave runs with the secrets that were sealed for this version before and "
               "takes no new ones: the node did not have it wait for its owner");
    err_hint(err, "in a VM the same version keeps its secrets: change something that is part of "
                  "the version, such as a variable of [env]; elsewhere ask the node's operator");
    return -1;
}

static int step_provision(struct deployment *d, struct err *err)
{
    struct provision_target target;
    if (d->is_provisioned)
        return fail_old_secrets(err);
    make_target(d, &target);
    AUTO_BUF struct buf message = BUF_INIT(4 << 20);
    AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
    int status;
    if (provision_build(&d->project.secrets, &target, &d->project.owner.secret, &message, err) <
            0 ||
        attested_request(d->channel, "POST", "/.well-known/mse/provision", buf_slice(&message),
                         &status, &answer, err) < 0)
        return -1;
    if (status != 200)
        return attested_refused("provisioning", status, &answer, err);
    ui_step_end("code key%s%s sent over the verified session",
                d->project.secrets.has_secrets ? ", secrets" : "",
                d->project.secrets.tls_private_key.len > 0 ? ", TLS key" : "");
    return 0;
}

static int save_certificate(struct deployment *d, struct err *err)
{
    AUTO_BUF struct buf pem = BUF_INIT(64 << 10);
    int status = d->project.certificate.len > 0
                     ? buf_bytes(&pem, buf_slice(&d->project.certificate), err)
                     : attested_certificate_pem(d->channel, &pem, err);
    if (status < 0 || context_store_certificate_path(d->app.id, &d->certificate_path, err) < 0)
        return -1;
    return file_write_atomic(d->certificate_path, buf_slice(&pem), 0644, err);
}

static int save_context(struct deployment *d, struct err *err)
{
    const struct project *project = &d->project;
    AUTO_CONTEXT struct context context = {
        .node = str_copy(node_client_address(d->node), err),
        .url = str_copy(d->app.url, err),
        .manifest = str_copy(buf_text(&project->manifest_bytes), err),
        .created = clock_unix(),
        .has_simulation_root = d->tee == MSE_TEE_SIMULATION,
    };
    if (context.node == NULL || context.url == NULL || context.manifest == NULL)
        return -1;
    (void)snprintf(context.id, sizeof(context.id), "%s", project->manifest.id);
    (void)snprintf(context.name, sizeof(context.name), "%s", project->manifest.name);
    (void)snprintf(context.project, sizeof(context.project), "%s", project->config.project);
    (void)snprintf(context.tee, sizeof(context.tee), "%s", tee_text(d));
    memcpy(context.salt, project->secrets.salt.data, sizeof(context.salt));
    memcpy(context.simulation_root, project->facts.simulation_root,
           sizeof(context.simulation_root));
    if (context_store_save_release(&context, d->app.release, err) < 0)
        return -1;
    return context_store_save(&context, err);
}

static int save_records(struct deployment *d, struct err *err)
{
    return save_certificate(d, err) < 0 ? -1 : save_context(d, err);
}

/* The app serves without it as well. */
static bool staple(struct deployment *d)
{
    struct err err = ERR_INIT;
    if (d->project.ocsp.len == 0)
        return false;
    if (staple_send(d->channel, buf_slice(&d->project.ocsp), &err) == 0)
        return true;
    ui_warning("the app runs without its OCSP response: %s. Try 'mse staple'.", err.message);
    return false;
}

static int step_open(struct deployment *d, struct err *err)
{
    AUTO_NODE_APP struct node_app now = {0};
    if (!d->placement.is_update && save_records(d, err) < 0)
        return -1;
    if (wait_for_release(d->node, &d->app, "running", seconds_left(d), &now, err) < 0)
        return fail_app_in_time(d, "the app was not imported", err);
    d->up_ms = clock_monotonic_ms();
    ui_step_end("decrypted, checked, sealed, imported%s", staple(d) ? ", OCSP stapled" : "");
    return 0;
}

static int step_health(struct deployment *d, struct err *err)
{
    const char *endpoint = d->project.config.healthcheck_endpoint;
    if (endpoint == NULL) {
        ui_step_end("no healthcheck_endpoint: not asked");
        return 0;
    }
    AUTO_BUF struct buf answer = BUF_INIT(4 << 20);
    int status;
    if (attested_request(d->channel, "GET", endpoint, slice_of(NULL, 0), &status, &answer, err) < 0)
        return fail_app_in_time(d, "the health check was not answered", err);
    if (status < 200 || status > 399)
        return FAIL(err, ERR_APP, "health check: GET %s answered %d, expected a status below 400",
                    endpoint, status);
    ui_step_end("GET %s answered %d", endpoint, status);
    return 0;
}

static void keep_storage(const struct deployment *d)
{
    if (d->tee != MSE_TEE_UNKNOWN)
        storage_check_keep(&d->storage, attested_storage(d->channel));
}

/* From here on the release before does not come back by itself. Its records stay until now. */
static int step_commit(struct deployment *d, struct err *err)
{
    char path[API_PATH_SIZE];
    if (!d->placement.is_update) {
        keep_storage(d);
        ui_step_end("release %lld", (long long)d->app.release);
        return 0;
    }
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/commit?release=%lld", d->app.id,
                   (long long)d->app.release);
    if (node_client_request(d->node, "POST", path, NULL, err) < 0)
        return -1;
    d->is_committed = true;
    keep_storage(d);
    if (save_records(d, err) < 0)
        return -1;
    ui_step_end("release %lld, with %s; %.2f s without an answer", (long long)d->app.release,
                d->placement.discard ? "empty storage" : "what was stored before",
                (double)(d->up_ms - d->down_ms) / 1000.0);
    return 0;
}

static const struct deploy_step {
    const char *name;
    int (*run)(struct deployment *d, struct err *err);
} prepare_steps[] = {{"read", step_read}, {"node", step_node}, {"pack", step_pack}},
  launch_steps[] = {{"upload", step_upload},       {"launch", step_launch}, {"verify", step_verify},
                    {"provision", step_provision}, {"open", step_open},     {"health", step_health},
                    {"live", step_commit}};

static int run_steps(struct deployment *d, const struct deploy_step *steps, size_t count,
                     struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (*ui_interrupted())
            return FAIL(err, ERR_INTERRUPTED, "interrupted before the step '%s'", steps[i].name);
        ui_step_begin(steps[i].name);
        if (steps[i].run(d, err) < 0) {
            ui_step_fail();
            return FAIL_CONTEXT(err, "%s", steps[i].name);
        }
    }
    return 0;
}

/* --- what is left when it fails --- */

static void show_log(struct deployment *d)
{
    const struct log_filter filter = LOG_FILTER_INIT;
    AUTO_LOG_VIEW struct log_view view = {0};
    struct err ignored = ERR_INIT;
    char path[API_PATH_SIZE];
    char release[40] = ""; /* the one before it may be back already, with a log of its own */
    if (d->app.release > 0)
        (void)snprintf(release, sizeof(release), "&release=%lld", (long long)d->app.release);
    (void)fprintf(stderr, "--- the end of the app's log ---\n");
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/logs?tail=%d%s", d->project.manifest.id,
                   LOG_LINES, release);
    log_view_init(&view, &filter, stderr);
    if (node_client_stream(d->node, path, log_view_write, &view, &ignored) == 0)
        (void)!log_view_finish(&view, &ignored);
    (void)fprintf(stderr, "---\n");
}

/* The release before it comes back with its storage; by itself too, were this never to arrive. */
static void take_back(struct deployment *d, struct err *failure)
{
    struct err ignored = ERR_INIT;
    char path[API_PATH_SIZE];
    if (d->is_committed || d->app.release == 0)
        return;
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/rollback", d->app.id);
    struct node_app now = {0};
    if (node_app_get(d->node, d->app.id, &now, &ignored) == 0 && strcmp(now.trial, "none") != 0)
        (void)!node_client_request(d->node, "POST", path, NULL, &ignored);
    node_app_done(&now);
    now = (struct node_app){0};
    (void)!wait_for_state(d->node, d->app.id, "running", TAKE_BACK_TIMEOUT_S, &now, &ignored);
    node_app_done(&now);
    if (failure->hint[0] == '\0' || failure->kind == ERR_APP)
        err_hint(failure,
                 "the release before it goes on with what it had stored; 'mse logs --release %lld "
                 "%.8s' shows more of this one's log",
                 (long long)d->app.release, d->app.id);
}

/* Did this deployment make the app that the node has? An app's id is the same from every machine of
 * its owner: another deployment may have made it meanwhile, and it may have stored something. */
static bool is_ours(const struct deployment *d, const struct err *failure)
{
    AUTO_NODE_APP struct node_app now = {0};
    struct err err = ERR_INIT;
    char fingerprint[2 * SHA256_SIZE + 1];
    const char *id = d->project.manifest.id;
    bool was_refused = failure->kind == ERR_EXISTS || failure->kind == ERR_CONFLICT;
    if (was_refused && d->app.release == 0)
        return false;
    if (node_app_get(d->node, id, &now, &err) < 0) {
        if (err.kind != ERR_NOT_FOUND)
            ui_warning("the node may still hold the app %.8s: %s", id, err.message);
        return false;
    }
    if (d->app.release != 0)
        return now.release == d->app.release && strcmp(now.trial, "none") == 0;
    hex_encode(slice_of(d->project.fingerprint, SHA256_SIZE), fingerprint);
    return !now.provisioned && strcmp(now.fingerprint, fingerprint) == 0;
}

/* The app is of no use: free what the node holds for it. */
static void remove_app(struct deployment *d, struct err *failure)
{
    struct err ignored = ERR_INIT;
    char path[API_PATH_SIZE];
    const char *id = d->project.manifest.id;
    if (!is_ours(d, failure))
        return;
    if (failure->kind == ERR_APP)
        err_hint(failure, "the app was stopped; 'mse logs %.8s' and 'mse events %.8s' show more",
                 id, id);
    (void)snprintf(path, sizeof(path), "/v1/apps/%s/stop", id);
    if (node_client_request(d->node, "POST", path, NULL, &ignored) < 0 &&
        ignored.kind != ERR_NOT_FOUND)
        ui_warning("the node still holds the app %.8s: %s", id, ignored.message);
    ignored = ERR_INIT;
    (void)!context_store_remove(id, &ignored);
}

static void clean_up(struct deployment *d, struct err *failure)
{
    if (!d->may_exist)
        return;
    ui_take_interrupt();
    node_client_set_until(d->node, 0);
    if (failure->kind == ERR_APP)
        show_log(d);
    if (d->placement.is_update)
        take_back(d, failure);
    else
        remove_app(d, failure);
}

/* --- the end --- */

static int print_dry_run(struct deployment *d, struct err *err)
{
    char fingerprint[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(d->project.fingerprint, SHA256_SIZE), fingerprint);
    if (!ui_json()) {
        ui_print(UI_PLAIN, "%s\n", buf_text(&d->project.manifest_bytes));
        ui_print(UI_BOLD, "fingerprint %s\n", fingerprint);
        return 0;
    }
    json_t *manifest;
    if (json_parse(buf_slice(&d->project.manifest_bytes), "manifest", MANIFEST_MAX, &manifest,
                   err) < 0)
        return -1;
    return ui_print_json(JSON_OF(JSON_TEXT("id", d->project.manifest.id),
                                 JSON_TEXT("fingerprint", fingerprint),
                                 JSON_VALUE("manifest", manifest)),
                         err);
}

/* A line to paste: each word is one word of a shell. */
static int print_curl(const struct deployment *d, struct err *err)
{
    const char *endpoint = d->project.config.healthcheck_endpoint;
    AUTO_BUF struct buf line = BUF_INIT(16 << 10);
    AUTO_FREE char *url = str_printf(err, "%s%s", d->app.url, endpoint == NULL ? "/" : endpoint);
    if (url == NULL || buf_str(&line, "curl --cacert ", err) < 0 ||
        shell_quote_append(&line, d->certificate_path, err) < 0 || buf_str(&line, " ", err) < 0 ||
        shell_quote_append(&line, url, err) < 0)
        return -1;
    ui_print(UI_PLAIN, "  %s\n", buf_text(&line));
    return 0;
}

static int print_result(struct deployment *d, struct err *err)
{
    char fingerprint[2 * SHA256_SIZE + 1];
    hex_encode(slice_of(d->project.fingerprint, SHA256_SIZE), fingerprint);
    double seconds = (double)(clock_monotonic_ms() - d->started_ms) / 1000.0;
    if (ui_json())
        return ui_print_json(
            JSON_OF(JSON_TEXT("id", d->app.id), JSON_TEXT("name", d->project.config.name),
                    JSON_TEXT("url", d->app.url), JSON_TEXT("certificate", d->certificate_path),
                    JSON_TEXT("fingerprint", fingerprint), JSON_TEXT("tee", tee_text(d)),
                    JSON_VALUE("seconds", json_real(seconds))),
            err);
    ui_print(UI_BOLD, "\n%s runs at %s", d->project.config.name, d->app.url);
    ui_print(UI_PLAIN, "  (%.2f s)\n  id           %s\n  fingerprint  %s\n  certificate  %s\n\n",
             seconds, d->app.id, fingerprint, d->certificate_path);
    return print_curl(d, err);
}

static int deploy_with(struct deployment *d, struct err *err)
{
    if (run_steps(d, prepare_steps, ARRAY_LEN(prepare_steps), err) < 0)
        return -1;
    if (options_has(d->options, "dry-run"))
        return print_dry_run(d, err);
    if (placement_settle(&d->placement, &d->project, options_has(d->options, "discard-data"),
                         options_has(d->options, "yes"), err) < 0)
        return -1;
    if (run_steps(d, launch_steps, ARRAY_LEN(launch_steps), err) < 0) {
        clean_up(d, err);
        return -1;
    }
    return print_result(d, err);
}

static int deploy(const struct options *options, struct err *err)
{
    uint64_t timeout_s = DEFAULT_TIMEOUT_S;
    if (options_number(options, "timeout", 86400, &timeout_s, err) < 0)
        return -1;
    if (options_has(options, "no-verify"))
        ui_warning("--no-verify: code key and secrets will be sent to whatever answers. The "
                   "operator, or anybody on the way, can read them.");
    struct deployment d = {
        .options = options, .timeout_s = (int)timeout_s, .started_ms = clock_monotonic_ms()};
    project_init(&d.project);
    int status = deploy_with(&d, err);
    attested_close(d.channel);
    node_app_done(&d.app);
    placement_done(&d.placement);
    node_client_close(d.node);
    project_done(&d.project);
    free(d.certificate_path);
    return status;
}

static const struct option_spec deploy_options[] = {
    OPTION_PATH,
    OPTION_YES,
    {.name = "timeout",
     .value_name = "SECONDS",
     .help = "patience with all that follows the upload (default: 120)"},
    {.name = "discard-data",
     .help = "begin with empty storage: what the app stored before is lost"},
    {.name = "dry-run", .help = "print manifest and fingerprint, upload nothing"},
    {.name = "no-verify", .help = "DANGEROUS: send the secrets without verifying the enclave"},
    {.name = "fetch",
     .help = "ask the vendor for the collateral instead of taking what the node gives"},
    COLLATERAL_OPTIONS,
    OPTION_SIMULATION,
    OPTION_NODE,
    OPTION_JSON,
    OPTION_HELP,
};

const struct command command_deploy = {
    .name = "deploy",
    .arguments = "",
    .summary = "pack, encrypt, upload, verify the enclave, send the secrets, open the app",
    .text =
        "Nothing secret is sent before the enclave has been verified: a genuine TEE that the "
        "policy allows, this code, this configuration, this runtime, and a TLS key that was "
        "made inside. Where the app runs already this is a new release of it: it takes over the "
        "address and what is stored, and where anything fails, until its health check has "
        "passed, the release before comes back. If the app cannot be imported or its health "
        "check fails, or takes longer than --timeout, the end of its log is shown and the exit "
        "status is 5.",
    .example = "mse deploy\nmse deploy --path shop/mse.toml --yes --json\nmse deploy --dry-run",
    .options = deploy_options,
    .option_count = ARRAY_LEN(deploy_options),
    .run = deploy,
};
