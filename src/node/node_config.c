// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of msed.toml and reading it. Runs in the node daemon and, for `mse node`, in the
 * owner's command line.
 */
#include "node/node_config.h"

#include "base/file.h"
#include "base/text.h"
#include "net/dns.h"

#include <stdlib.h>

static const char *const quotas[] = {"loop", "none", NULL};
enum { PROCESS = 0, SIMULATION = 0 }; /* the first of each; all others need a VM */

const char *const node_launchers[] = {"process", "vm", NULL};
const char *const node_tees[] = {"simulation", "snp", "tdx", NULL};
static const char *const pip_networks[] = {"sandbox", "host", NULL};
static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};

/* Without a TCP listener the API is on the Unix socket alone. */
static int check_listen(const char *text, struct err *err)
{
    return text[0] == '\0' ? 0 : config_check_address(text, err);
}

static int check_allowed_name(const char *text, struct err *err)
{
    size_t len = strcspn(text, "=");
    AUTO_FREE char *name = mem_copy(text, len, err);
    if (name == NULL)
        return -1;
    if (text[len] != '=' || text[len + 1] == '\0')
        return FAIL(err, ERR_INVALID,
                    "expected NAME=ACCOUNT such as \"www.example.com=token:alice\", found '%.80s'",
                    text);
    return config_check_host_name(name, err);
}

static int check_service(const char *text, struct err *err)
{
    if (text[0] == '/' || str_starts_with(text, "https://") || str_starts_with(text, "http://"))
        return 0;
    return FAIL(err, ERR_INVALID,
                "expected https:// and a host, or a folder's full path, found '%.80s'", text);
}

static int check_resolver(const char *text, struct err *err)
{
    return text[0] == '\0' ? 0 : dns_check_resolver(text, err);
}

#define AT(member) .offset = offsetof(struct node_config, member)

static const struct config_key keys[] = {
    {{"state"},
     {0},
     CONFIG_PATH,
     .fallback = "/var/lib/mse",
     AT(state),
     .doc = "The folder where the node keeps its database, packages, environments and the apps' "
            "sealed storage. It is the node's; an app's own user may pass through it to its own "
            "part, and list nothing (mode 0711)."},
    {{"socket"},
     {0},
     CONFIG_PATH,
     AT(socket),
     .doc = "The Unix socket of the API, for this machine, where the caller is known by peer "
            "credentials. Without it, msed.sock in the state folder."},
    {{"listen"},
     {0},
     CONFIG_STRING,
     .fallback = "127.0.0.1:7780",
     AT(listen),
     .check = check_listen,
     .doc = "Where the API listens for HTTPS. An empty string leaves the Unix socket alone."},
    {{"certificate"},
     {0},
     CONFIG_PATH,
     AT(api_certificate),
     .doc = "A file with the certificate of the API and its chain, in PEM. Without it the node "
            "makes a self-signed one in its state folder."},
    {{"private_key"},
     {0},
     CONFIG_PATH,
     AT(api_private_key),
     .doc = "A file with the private key of that certificate, in PEM."},
    {{"domain"},
     {0},
     CONFIG_STRING,
     .fallback = "localhost",
     AT(domain),
     .check = config_check_host_name,
     .doc = "With localhost each app has a port of its own, https://localhost:PORT; with a real "
            "domain each app has a name, https://ID.DOMAIN, and all share the gateway's address."},
    {{"app_address"},
     {0},
     CONFIG_STRING,
     .fallback = "127.0.0.1",
     AT(app_address),
     .check = config_check_not_empty,
     .doc = "The address on which the ports of the apps listen, with domain localhost."},
    {{"ports"},
     {0},
     CONFIG_PORTS,
     .fallback = "20000-29999",
     AT(ports),
     .doc = "The ports that apps get, with domain localhost: first and last."},
    {{"gateway"},
     {0},
     CONFIG_STRING,
     .fallback = "0.0.0.0:443",
     AT(gateway),
     .check = config_check_address,
     .doc = "The address that all apps share, with a real domain. TLS is passed through by server "
            "name; the node has no key to it."},
    {{"default_environment"},
     {0},
     CONFIG_STRING,
     .fallback = "mse-flask",
     AT(default_environment),
     .check = config_check_name,
     .doc = "The environment of apps that name none."},
    {{"enclave"},
     {0},
     CONFIG_PATH,
     AT(enclave),
     .doc = "The program that runs inside. Without it, mse-enclave beside msed. Its digest is part "
            "of every app's identity."},
    {{"quota"},
     {0},
     CONFIG_CHOICE,
     .fallback = "loop",
     .choices = quotas,
     AT(quota),
     .doc = "How the storage of an app is limited: loop puts it on a file system of the "
            "profile's size (the node must be root), none does not limit it."},
    {{"pip_network"},
     {0},
     CONFIG_CHOICE,
     .fallback = "sandbox",
     .choices = pip_networks,
     AT(pip_network),
     .doc = "What pip reaches while it installs an app's requirements: sandbox is everything but "
            "this machine and its neighbours' metadata services, host is what this machine "
            "reaches. Packages may run code then, so host is only for an index on this machine."},
    {{"log_level"},
     {0},
     CONFIG_CHOICE,
     .fallback = "info",
     .choices = log_levels,
     AT(log_level),
     .doc = "The least important events that are logged."},
    {{"hardware"},
     {0},
     CONFIG_TABLES,
     .doc =
         "The hardware profiles that the node offers, each a section [hardware.NAME]. free exists "
         "unless it is given here. Without any section there is 4g-eu-001 too, with 4 GiB of "
         "memory: published examples name it."},
    {{"environments"},
     {0},
     CONFIG_TABLES,
     .doc = "The environments that the node offers, each a section [environments.NAME]: the "
            "node's own Python with the packages named. One named mse-flask exists unless it is "
            "given here."},
    {{"names.allow"},
     {0},
     CONFIG_STRINGS,
     AT(names.allow),
     .check = check_allowed_name,
     .doc = "Host names of owners' certificates that need no other proof, each with the account "
            "that may have it: NAME=ACCOUNT."},
    {{"names.dns"},
     {0},
     CONFIG_BOOLEAN,
     .fallback = "true",
     AT(names.dns),
     .doc = "Whether a host name is an account's when _mse.NAME has a TXT record "
            "mse-account=ACCOUNT@DOMAIN, with the domain of this node."},
    {{"names.resolver"},
     {0},
     CONFIG_STRING,
     .fallback = "",
     AT(names.resolver),
     .check = check_resolver,
     .doc = "The resolver that is asked: an IPv4 address and a port. An empty string asks those "
            "of the system. One that validates DNSSEC is best."},
    {{"names.authorities"},
     {0},
     CONFIG_PATH,
     AT(names.authorities),
     .doc = "A file with the authorities, in PEM, whose certificates prove a host name. Without "
            "it, those that the system trusts."},
    {{"collateral.pccs"},
     {0},
     CONFIG_STRING,
     AT(collateral.pccs),
     .check = check_service,
     .doc = "The provisioning service that has Intel's collateral for the apps' enclaves: https:// "
            "and a PCCS, or the full path of a folder that mirrors one. Without it, Intel's own."},
    {{"collateral.kds"},
     {0},
     CONFIG_STRING,
     AT(collateral.kds),
     .check = check_service,
     .doc = "The same for AMD's key distribution service."},
    {{"collateral.vlek"},
     {0},
     CONFIG_PATH,
     AT(collateral.vlek),
     .doc = "A file with the VLEK certificate, in PEM or DER, where this machine's reports are "
            "signed by a VLEK: only the cloud provider has it."},
    {{"collateral.refresh"},
     {0},
     CONFIG_DURATION,
     .fallback = "1d",
     .min = 60,
     .max = 30 * 86400,
     AT(collateral.refresh_s),
     .doc = "How often the vendor is asked for newer documents. Where it does not answer, those "
            "in the state folder serve until they end."},
    {{"limits.apps"},
     {0},
     CONFIG_INTEGER,
     .fallback = "64",
     .min = 1,
     .max = 100000,
     AT(limits.apps),
     .doc = "How many apps the node runs at once."},
    {{"limits.memory"},
     {0},
     CONFIG_SIZE,
     .fallback = "0",
     .min = 0,
     .max = INT64_C(1) << 50,
     AT(limits.memory_bytes),
     .doc = "The memory of all apps together, as their profiles say it. 0 is what the machine can "
            "spare: all but an eighth, and at least 512M are left."},
    {{"account.apps"},
     {0},
     CONFIG_INTEGER,
     .fallback = "16",
     .min = 1,
     .max = 100000,
     AT(account.apps),
     .doc = "How many apps one account may have. The operator has no limits of an account."},
    {{"account.memory"},
     {0},
     CONFIG_SIZE,
     .fallback = "0",
     .min = 0,
     .max = INT64_C(1) << 50,
     AT(account.memory_bytes),
     .doc = "The memory of all apps of one account together; 0 is half of what apps may have."},
    {{"account.storage"},
     {0},
     CONFIG_SIZE,
     .fallback = "0",
     .min = 0,
     .max = INT64_C(1) << 60,
     AT(account.storage_bytes),
     .doc = "The storage quotas of all apps of one account together; 0 is half of the disk of the "
            "state folder."},
    {{"limits.package_bytes"},
     {0},
     CONFIG_SIZE,
     .fallback = "8G",
     .min = 4096,
     .max = INT64_C(1) << 40,
     AT(limits.package_bytes),
     .doc = "The largest package."},
    {{"limits.upload_rate"},
     {0},
     CONFIG_SIZE,
     .fallback = "0",
     .min = 0,
     .max = INT64_C(1) << 40,
     AT(limits.upload_bytes_per_s),
     .doc = "The bytes that one upload may bring in a second; 0 sets no limit."},
    {{"limits.upload_least_rate"},
     {0},
     CONFIG_SIZE,
     .fallback = "8K",
     .min = 0,
     .max = INT64_C(1) << 40,
     AT(limits.upload_least_bytes_per_s),
     .doc = "An upload that has taken ten seconds and brings fewer bytes a second than this is "
            "given up, so that it does not keep others out; 0 sets no limit."},
    {{"limits.uploads"},
     {0},
     CONFIG_INTEGER,
     .fallback = "8",
     .min = 1,
     .max = 1000,
     AT(limits.uploads),
     .doc = "How many packages are taken at once; half of them of one account. Two more may be "
            "the operator's."},
    {{"limits.builds"},
     {0},
     CONFIG_INTEGER,
     .fallback = "2",
     .min = 1,
     .max = 64,
     AT(limits.builds),
     .doc = "How many apps' requirements are installed at once; half of them of one account. "
            "Others wait."},
    {{"limits.build_memory"},
     {0},
     CONFIG_SIZE,
     .fallback = "4G",
     .min = 64 << 20,
     .max = INT64_C(1) << 44,
     AT(limits.build_memory_bytes),
     .doc = "The memory of one installation of requirements; half of it is the size of its /tmp."},
    {{"limits.build_disk"},
     {0},
     CONFIG_SIZE,
     .fallback = "8G",
     .min = 1 << 20,
     .max = INT64_C(1) << 44,
     AT(limits.build_disk_bytes),
     .doc = "What the requirements of one app may take on the disk, once installed."},
    {{"limits.connections"},
     {0},
     CONFIG_INTEGER,
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     AT(limits.connections),
     .doc = "How many connections to apps are open at once. For one more, the longest idle one "
            "of the account and the app that have most is closed. Connections that have not said "
            "yet which app they are for are not among them: they have a room of their own."},
    {{"limits.connections_per_app"},
     {0},
     CONFIG_INTEGER,
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     AT(limits.connections_per_app),
     .doc = "How many of them one app may have; 0 is a quarter."},
    {{"limits.idle_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "15m",
     .min = 1,
     .max = 86400,
     AT(limits.idle_timeout_s),
     .doc = "A connection to an app without a byte for so long is closed; after a minute, where "
            "one side has closed its half."},
    {{"limits.log_bytes"},
     {0},
     CONFIG_SIZE,
     .fallback = "10M",
     .min = 4096,
     .max = INT64_C(1) << 40,
     AT(limits.log_bytes),
     .doc = "How much of each app's log is kept; the oldest goes first."},
    {{"limits.layers"},
     {0},
     CONFIG_SIZE,
     .fallback = "10G",
     .min = 1 << 20,
     .max = INT64_C(1) << 50,
     AT(limits.layers_bytes),
     .doc = "What all layers of packages may take on the disk. Those that no app needs go first "
            "when there is more, the one that was used longest ago before others; while those in "
            "use take as much, no further one is built."},
    {{"limits.disk_reserve"},
     {0},
     CONFIG_SIZE,
     .fallback = "512M",
     .min = 0,
     .max = INT64_C(1) << 50,
     AT(limits.disk_reserve_bytes),
     .doc = "What stays free on the disk of the state folder for the node's own database and "
            "logs. An app, a package or a layer that would leave less is refused."},
    {{"limits.start_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "60s",
     .min = 1,
     .max = 86400,
     AT(limits.start_timeout_s),
     .doc = "How long an enclave may take until it answers on its address."},
    {{"limits.expired_kept"},
     {0},
     CONFIG_DURATION,
     .fallback = "7d",
     .min = 1,
     .max = INT64_C(3650) * 86400,
     AT(limits.expired_kept_s),
     .doc = "How long the storage of an app is kept after its expiry has ended it. Only time in "
            "which the node runs counts, and never what the wall clock jumps."},
    {{"limits.logs_kept"},
     {0},
     CONFIG_DURATION,
     .fallback = "7d",
     .min = 0,
     .max = INT64_C(3650) * 86400,
     AT(limits.logs_kept_s),
     .doc = "How long the log of a release is kept after its end: the last 256 KiB of each that "
            "failed, was replaced, or was stopped with its app."},
    {{"limits.provision_timeout"},
     {0},
     CONFIG_DURATION,
     .fallback = "15m",
     .min = 1,
     .max = 604800,
     AT(limits.provision_timeout_s),
     .doc = "How long an enclave waits for its owner before it is stopped."},
};

const struct config_schema node_config_schema = {keys, ARRAY_LEN(keys)};

#define HARDWARE(member) .offset = offsetof(struct node_hardware, member)

static const struct config_key hardware_keys[] = {
    {{"launcher"},
     {0},
     CONFIG_CHOICE,
     .fallback = "process",
     .choices = node_launchers,
     HARDWARE(launcher),
     .doc = "How apps are started: process is a sandbox on this machine, vm a virtual machine of "
            "an environment's image."},
    {{"tee"},
     {0},
     CONFIG_CHOICE,
     .fallback = "simulation",
     .choices = node_tees,
     HARDWARE(tee),
     .doc = "What protects them. simulation protects nothing from the operator; snp (AMD) and tdx "
            "(Intel) need launcher vm and a machine that has it."},
    {{"memory"},
     {0},
     CONFIG_SIZE,
     .fallback = "512M",
     .min = 64 << 20,
     .max = INT64_C(1) << 44,
     HARDWARE(memory_bytes),
     .doc = "The memory of an app."},
    {{"cpu"},
     {0},
     CONFIG_CPUS,
     .fallback = "1",
     .min = 10,
     .max = 4096000,
     HARDWARE(cpu_millis),
     .doc = "How many processors an app may keep busy; fractions such as 0.5 are allowed."},
    {{"storage"},
     {0},
     CONFIG_SIZE,
     .fallback = "10G",
     .min = 16 << 20,
     .max = INT64_C(1) << 50,
     HARDWARE(storage_bytes),
     .doc = "What the home folder and the code of an app may take together on the disk."},
    {{"io"},
     {0},
     CONFIG_SIZE,
     .fallback = "200M",
     .min = 0,
     .max = INT64_C(1) << 40,
     HARDWARE(io_bytes),
     .doc = "The bytes that an app may read from the disk in a second, and as many written. Needs "
            "cgroups; v1 counts no writes that wait in memory. 0 sets no limit."},
};

const struct config_schema node_hardware_schema = {hardware_keys, ARRAY_LEN(hardware_keys)};

static const struct config_key environment_keys[] = {
    {{"requirements"},
     {0},
     CONFIG_STRINGS,
     .offset = offsetof(struct node_environment, requirements),
     .doc = "The packages, as lines of a requirements file. An empty list is the "
            "node's own Python as it is."},
    {{"image"},
     {0},
     CONFIG_PATH,
     .offset = offsetof(struct node_environment, image),
     .doc = "The folder of an image (mse image build), for profiles with launcher vm. It has the "
            "packages; no requirements are given beside it."},
};

const struct config_schema node_environment_schema = {environment_keys,
                                                      ARRAY_LEN(environment_keys)};

static int load_hardware(const char *name, const struct toml_value *table, const char *folder,
                         struct node_config *config, struct err *err)
{
    struct node_hardware *profile = &config->hardware[config->hardware_count];
    profile->name = str_copy(name, err);
    if (profile->name == NULL)
        return -1;
    config->hardware_count++;
    if (config_load(&node_hardware_schema, 0, table, folder, profile, err) < 0)
        return -1;
    if (profile->launcher == PROCESS && profile->tee != SIMULATION)
        return TOML_FAIL(table, err, "tee \"%s\" needs launcher = \"vm\"", node_tees[profile->tee]);
    return 0;
}

static int load_environment(const char *name, const struct toml_value *table, const char *folder,
                            struct node_config *config, struct err *err)
{
    struct node_environment *environment = &config->environments[config->environment_count];
    environment->name = str_copy(name, err);
    if (environment->name == NULL)
        return -1;
    config->environment_count++;
    if (config_load(&node_environment_schema, 0, table, folder, environment, err) < 0)
        return -1;
    if (environment->image != NULL && environment->requirements.count > 0)
        return TOML_FAIL(table, err, "'image' and 'requirements' are not given together");
    return 0;
}

/* A section that is there without being written. */
struct builtin_table {
    const char *name;
    const char *text;
    bool alone; /* only where the file has no section of this kind at all */
};

enum { BUILTINS_MAX = 2 };

/* The sections [KEY.NAME], and the built-in ones that are not among them. */
struct named_tables {
    const char *key;
    struct builtin_table builtins[BUILTINS_MAX]; /* a name of NULL: none */
    int (*load)(const char *name, const struct toml_value *table, const char *folder,
                struct node_config *config, struct err *err);
};

static int load_tables(const struct named_tables *tables, const struct toml_value *root,
                       struct node_config *config, struct err *err)
{
    const struct toml_value *all = toml_get(root, tables->key);
    const struct toml_value *child = all == NULL ? NULL : all->first;
    for (; child != NULL; child = child->next) {
        const char *name = (const char *)child->key.data;
        struct err reason = ERR_INIT;
        if (strlen(name) != child->key.len || config_check_name(name, &reason) < 0)
            return TOML_FAIL(child, err, "%s", reason.message);
        if (toml_expect(child, TOML_TABLE, err) < 0 ||
            tables->load(name, child, config->folder, config, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < BUILTINS_MAX && tables->builtins[i].name != NULL; i++) {
        const struct builtin_table *builtin = &tables->builtins[i];
        if (all != NULL && (builtin->alone || toml_get(all, builtin->name) != NULL))
            continue;
        AUTO(toml_free_pointer) struct toml *text = NULL;
        if (toml_parse(slice_str(builtin->text), builtin->name, &text, err) < 0 ||
            tables->load(builtin->name, toml_root(text), config->folder, config, err) < 0)
            return -1;
    }
    return 0;
}

static int load_all_tables(const struct toml_value *root, struct node_config *config,
                           struct err *err)
{
    /* 4g-eu-001 is what published examples of mse.toml ask for */
    static const struct named_tables hardware = {
        "hardware", {{"free", "", false}, {"4g-eu-001", "memory = '4G'", true}}, load_hardware};
    static const struct named_tables environments = {
        "environments", {{"mse-flask", "", false}}, load_environment};
    const struct toml_value *profiles = toml_get(root, hardware.key);
    const struct toml_value *named = toml_get(root, environments.key);
    size_t hardware_max = (profiles == NULL ? 0 : profiles->count) + BUILTINS_MAX;
    size_t environments_max = (named == NULL ? 0 : named->count) + BUILTINS_MAX;
    config->hardware = mem_alloc_array(hardware_max, sizeof(*config->hardware), err);
    config->environments = mem_alloc_array(environments_max, sizeof(*config->environments), err);
    if (config->hardware == NULL || config->environments == NULL)
        return -1;
    if (load_tables(&hardware, root, config, err) < 0)
        return -1;
    return load_tables(&environments, root, config, err);
}

/* What one key says about another. */
static int check_together(const struct toml_value *root, struct node_config *config,
                          struct err *err)
{
    if (config->socket == NULL)
        config->socket = path_join(config->state, "msed.sock", err);
    if (config->socket == NULL)
        return -1;
    if ((config->api_certificate == NULL) != (config->api_private_key == NULL))
        return TOML_FAIL(root, err, "'certificate' and 'private_key' are given together or not");
    if (node_config_environment(config, config->default_environment) != NULL)
        return 0;
    const struct toml_value *value = toml_get(root, "default_environment");
    return TOML_FAIL(value != NULL ? value : root, err, "there is no section [environments.%s]",
                     config->default_environment);
}

static int load(const struct toml_value *root, const char *folder, struct node_config *config,
                struct err *err)
{
    config->folder = str_copy(folder, err);
    if (config->folder == NULL ||
        config_load(&node_config_schema, 0, root, folder, config, err) < 0 ||
        load_all_tables(root, config, err) < 0)
        return -1;
    return check_together(root, config, err);
}

static int parse(struct slice text, const char *path, const char *folder, struct node_config *ret,
                 struct err *err)
{
    AUTO_NODE_CONFIG struct node_config config = {0};
    AUTO(toml_free_pointer) struct toml *toml = NULL;
    if (toml_parse(text, path, &toml, err) < 0 || load(toml_root(toml), folder, &config, err) < 0)
        return -1;
    *ret = config;
    config = (struct node_config){0};
    return 0;
}

int node_config_parse(struct slice text, const char *path, struct node_config *ret, struct err *err)
{
    AUTO_FREE char *folder = path_folder(path, err);
    AUTO_FREE char *copy = str_copy(path, err);
    if (folder == NULL || copy == NULL || parse(text, path, folder, ret, err) < 0)
        return -1;
    ret->path = STEAL(copy);
    return 0;
}

int node_config_read(const char *path, struct node_config *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
    if (file_read(path, &text, err) < 0)
        return -1;
    return node_config_parse(buf_slice(&text), path, ret, err);
}

int node_config_defaults(const char *folder, struct node_config *ret, struct err *err)
{
    return parse(slice_str(""), "built-in defaults", folder, ret, err);
}

void node_config_done(struct node_config *config)
{
    config_done(&node_config_schema, config);
    for (size_t i = 0; i < config->hardware_count; i++)
        free(config->hardware[i].name);
    for (size_t i = 0; i < config->environment_count; i++) {
        free(config->environments[i].name);
        config_done(&node_environment_schema, &config->environments[i]);
    }
    free(config->hardware);
    free(config->environments);
    free(config->path);
    free(config->folder);
    *config = (struct node_config){0};
}

const struct node_hardware *node_config_hardware(const struct node_config *config, const char *name)
{
    for (size_t i = 0; i < config->hardware_count; i++) {
        if (strcmp(config->hardware[i].name, name) == 0)
            return &config->hardware[i];
    }
    return NULL;
}

const struct node_environment *node_config_environment(const struct node_config *config,
                                                       const char *name)
{
    for (size_t i = 0; i < config->environment_count; i++) {
        if (strcmp(config->environments[i].name, name) == 0)
            return &config->environments[i];
    }
    return NULL;
}

bool node_hardware_wants_image(const struct node_hardware *hardware)
{
    return hardware->launcher != PROCESS;
}
