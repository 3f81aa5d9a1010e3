# SPDX-License-Identifier: Apache-2.0
"""The TOML parser against the public suite, and the finished man pages under troff."""
import os
import shutil
import subprocess

import pytest

BUILD = os.environ.get("MSE_BUILD", "build")
SKIPPED = 77


def test_every_case_of_the_public_suite_passes():
    done = subprocess.run(["tools/toml-conformance", BUILD], capture_output=True, text=True,
                          timeout=300, check=False)
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("page", ["mse.toml.5", "msed.toml.5"])
def test_the_pages_of_the_configuration_files_are_whole(page):
    if shutil.which("groff") is None:
        pytest.skip("groff is not here")
    path = os.path.join(BUILD, "man", page)
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert "@KEYS" not in done.stdout
