# SPDX-License-Identifier: Apache-2.0
"""mse.toml as it is published in examples, in both layouts, deploys on a fresh node as it is."""
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import requests

from conftest import Owner
from test_main_job import HELLO

CODE_LAYOUT = """name = "helloworld"
project = "default"
hardware = "4g-eu-001"

[code]
location = "mse_src"
python_application = "app:app"
healthcheck_endpoint = "/"
docker = "ghcr.io/cosmian/mse-flask:20230228091325"
"""

CLOUD_LAYOUT = """name = "helloworld"
python_application = "app:app"
healthcheck_endpoint = "/"
tests_cmd = "pytest"
tests_requirements = [ "pytest>=7",]

[cloud]
code = "mse_src"
tests = "tests"
docker = "ghcr.io/cosmian/mse-flask:20230710125733"
project = "default"
hardware = "4g-eu-001"
"""

WITH_SECRETS = CLOUD_LAYOUT.replace('code = "mse_src"', 'location = "./mse_src"') + 'secrets = "secrets.json"\n'


@pytest.fixture(scope="module")
def fresh(workspace):
    """A node that nobody configured, and one owner. An app's whole quota, 10 GiB, is allocated."""
    if shutil.disk_usage(workspace).free < 16 << 30:
        pytest.skip("less than 16 GiB are free for an app of the default size")
    folder = Path(tempfile.mkdtemp(prefix="f-", dir=workspace))
    os.chmod(folder, 0o755)
    owner = Owner(folder, folder / "state")
    owner.ok("node", "start", "--json")  # with the configuration that it writes itself
    yield owner
    owner.ok("node", "stop", "--apps")


@pytest.mark.parametrize("toml", [CODE_LAYOUT, CLOUD_LAYOUT, WITH_SECRETS], ids=["code", "cloud", "secrets"])
def test_a_published_example_deploys_as_it_is(fresh, toml):
    folder = fresh.folder / "example"
    (folder / "mse_src").mkdir(parents=True, exist_ok=True)
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "mse_src" / "app.py").write_text(HELLO)
    (folder / "secrets.json").write_text(json.dumps({"login": "username"}))
    (folder / "mse.toml").write_text(toml)
    app = fresh.deploy(folder)
    answer = requests.get(app["url"], verify=app["certificate"], timeout=10)
    assert answer.status_code == 200
    fresh.ok("verify", app["id"], "--code", folder / "mse_src")
    fresh.ok("stop", "--yes", app["id"])
