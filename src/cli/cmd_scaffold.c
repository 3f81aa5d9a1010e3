// SPDX-License-Identifier: Apache-2.0
/*
 * mse scaffold: a complete example project.
 */
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/project_template.h"
#include "cli/ui.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

static const char app_py[] =
    "\"\"\"An ordinary Flask app: nothing in it knows of enclaves.\"\"\"\n"
    "import json\n"
    "import os\n"
    "from pathlib import Path\n"
    "\n"
    "from flask import Flask, jsonify\n"
    "\n"
    "app = Flask(__name__)\n"
    "\n"
    "\n"
    "@app.get(\"/\")\n"
    "def hello():\n"
    "    return \"Hello from inside\\n\"\n"
    "\n"
    "\n"
    "@app.get(\"/whoami\")\n"
    "def whoami():\n"
    "    secrets = json.loads(Path(os.environ[\"SECRETS_PATH\"]).read_text())\n"
    "    return jsonify(service=\"%s\", secrets=sorted(secrets))\n";

static const char test_py[] =
    "\"\"\"Run by `mse test` against the deployed app and by `mse localtest` without "
    "enclave.\"\"\"\n"
    "import json\n"
    "import os\n"
    "import ssl\n"
    "import urllib.request\n"
    "\n"
    "URL = os.environ[\"TEST_REMOTE_URL\"]\n"
    "CERTIFICATE = os.environ.get(\"TEST_CERTIFICATE\")\n"
    "\n"
    "\n"
    "def get(path):\n"
    "    context = ssl.create_default_context(cafile=CERTIFICATE) if CERTIFICATE else None\n"
    "    with urllib.request.urlopen(URL + path, context=context, timeout=10) as response:\n"
    "        return response.status, response.read()\n"
    "\n"
    "\n"
    "def test_hello():\n"
    "    assert get(\"/\") == (200, b\"Hello from inside\\n\")\n"
    "\n"
    "\n"
    "def test_whoami():\n"
    "    status, body = get(\"/whoami\")\n"
    "    assert status == 200 and json.loads(body)[\"secrets\"] == [\"api_token\"]\n";

static int write_file(const char *folder, const char *name, struct slice text, mode_t mode,
                      struct err *err)
{
    AUTO_FREE char *path = path_join(folder, name, err);
    if (path == NULL)
        return -1;
    return file_create_new(path, text, mode, err);
}

static int write_project(const char *name, struct err *err)
{
    static const char tests_keys[] = "tests = \"./tests\"\n"
                                     "tests_cmd = \"python3 -m pytest -q -p no:cacheprovider\"\n";
    static const char secrets_key[] = "secrets = \"./secrets.json\"\n";
    AUTO_FREE char *code = path_join(name, "code", err);
    AUTO_FREE char *tests = path_join(name, "tests", err);
    if (code == NULL || tests == NULL || folder_create(code, 0755, err) < 0 ||
        folder_create(tests, 0755, err) < 0)
        return -1;
    const struct project_template values = {.name = name,
                                            .tests = tests_keys,
                                            .location = "./code",
                                            .application = "app:app",
                                            .health = "/whoami",
                                            .secrets = secrets_key};
    AUTO_FREE char *toml = project_template_text(&values, err);
    AUTO_FREE char *app = str_printf(err, app_py, name);
    if (toml == NULL || app == NULL ||
        write_file(name, "mse.toml", slice_str(toml), 0644, err) < 0 ||
        write_file(code, "app.py", slice_str(app), 0644, err) < 0 ||
        write_file(code, "requirements.txt", slice_str("# packages beyond Flask, one a line\n"),
                   0644, err) < 0 ||
        write_file(code, ".mseignore", slice_str("__pycache__/\n*.pyc\n.git/\n"), 0644, err) < 0 ||
        write_file(tests, "test_app.py", slice_str(test_py), 0644, err) < 0 ||
        write_file(name, ".gitignore", slice_str("secrets.json\ncert.pem\n"), 0644, err) < 0)
        return -1;
    return write_file(name, "secrets.json", slice_str("{\"api_token\": \"change me\"}\n"), 0600,
                      err);
}

static int scaffold(const struct options *options, struct err *err)
{
    const char *name = options->arguments[0];
    if (project_name_check(name, err) < 0)
        return -1;
    if (file_exists(name)) {
        (void)FAIL(err, ERR_EXISTS, "'%s' exists already, nothing was changed", name);
        err_hint(err, "choose another name, or run 'mse init' inside a project of yours");
        return -1;
    }
    if (folder_create(name, 0755, err) < 0)
        return -1;
    if (write_project(name, err) < 0) {
        struct err ignored = ERR_INIT;
        (void)!folder_remove_tree(name, &ignored);
        return FAIL_CONTEXT(err, "writing the project");
    }
    ui_print(UI_PLAIN, "made %s: mse.toml, code/, tests/, secrets.json\n", name);
    ui_print(UI_PLAIN,
             "next:\n  cd %s\n  mse localtest     # serve and test it without an enclave\n"
             "  mse deploy        # needs a node: 'mse node start' runs one here\n",
             name);
    return 0;
}

static const struct option_spec scaffold_options[] = {OPTION_HELP};

const struct command command_scaffold = {
    .name = "scaffold",
    .arguments = "NAME",
    .summary = "make a complete example project",
    .text = "Makes the folder NAME with an mse.toml, a Flask app, its tests and a secrets file. "
            "Nothing that exists is overwritten.",
    .example = "mse scaffold hello && cd hello && mse deploy",
    .options = scaffold_options,
    .option_count = ARRAY_LEN(scaffold_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = scaffold,
};
