# SPDX-License-Identifier: Apache-2.0
"""The documents name only what is there, and the man pages are whole in man's own eyes."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MSE_BUILD", ROOT / "build"))
CHECK = ROOT / "tools" / "check-docs"


def check(root):
    return subprocess.run([CHECK, root], capture_output=True, text=True, timeout=60, check=False)


def test_the_documents_name_only_what_is_there():
    done = check(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


GOOD = {
    "README.md": "# A\n\nSee [the page](docs/page.md#one-heading), `src/base/err.c`, `src/base/`,\n"
                 "`src/base/err.c:err_set`, `tests/test_x.py:test_one`, `src/base/err.c:KIND`,\n"
                 "`src/*/err.c`, `src/base/err.{c,h}` and `src/<folder>/`, `./src`, `os/fork`.\n",
    "docs/README.md": "[page](page.md), [web](https://example.org/nothing), [here](#there)\n\n## There\n\n"
                      "[security](../SECURITY.md)\n",
    "SECURITY.md": "# Security\n",
    "docs/page.md": "# Page\n\n## One `heading`\n\n```\n`src/not/checked.c` in a fence\n```\n",
    "src/base/err.h": "int err_set(void);\n",
    "src/base/err.c": "enum {\n    KIND,\n};\n\nint err_set(void)\n{\n    return err_other();\n}\n",
    "tests/test_x.py": "def test_one():\n    pass\n",
}


def make_tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_a_tree_in_order_has_no_complaint(tmp_path):
    done = check(make_tree(tmp_path, GOOD))
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


@pytest.mark.parametrize("line, complaint", [
    ("`src/base/gone.c`", "README.md:1: `src/base/gone.c` does not exist"),
    ("`docs/gone/`", "README.md:1: `docs/gone/` does not exist"),
    ("`src/*/gone.c`", "README.md:1: `src/*/gone.c` does not exist"),
    ("`src/base/err.{c,cc}`", "README.md:1: `src/base/err.{c,cc}` does not exist"),
    ("`src/base/err.c:err_other`", "README.md:1: `src/base/err.c` defines no 'err_other'"),
    ("`src/base/err.c:err_gone()`", "README.md:1: `src/base/err.c` defines no 'err_gone'"),
    ("`tests/test_x.py:test_two`", "README.md:1: `tests/test_x.py` defines no 'test_two'"),
    ("`src/base/err.c:99`", "README.md:1: `src/base/err.c` has 8 lines, not 99"),
    ("`src/base:err_set`", "README.md:1: `src/base:err_set`: 'src/base' is no file"),
    ("[a](docs/gone.md)", "README.md:1: the link 'docs/gone.md' leads nowhere"),
    ("[a](docs/page.md#two)", "README.md:1: the link 'docs/page.md#two': no such heading"),
    ("[a](#gone)", "README.md:1: the link '#gone': no such heading"),
    ("[a]: docs/gone.md", "README.md:1: the link 'docs/gone.md' leads nowhere"),
    ("[a](../../../)", "README.md:1: the link '../../../' leaves the tree"),
    ("blank ", "README.md:1: blanks at the end of the line"),
    ("```", "README.md:2: a fence is not closed"),
])
def test_what_is_broken_is_found(tmp_path, line, complaint):
    make_tree(tmp_path, {**GOOD, "README.md": line + "\n"})
    done = check(tmp_path)
    assert done.returncode == 1 and done.stdout.splitlines() == [complaint]


def test_how_to_report_a_fault_has_its_page(tmp_path):
    make_tree(tmp_path, GOOD)
    (tmp_path / "SECURITY.md").unlink()
    done = check(tmp_path)
    assert "SECURITY.md:1: is missing" in done.stdout.splitlines() and done.returncode == 1
    make_tree(tmp_path, {**GOOD, "SECURITY.md": "`src/gone.c`\n", "docs/README.md": "[page](page.md)\n"})
    assert check(tmp_path).stdout.splitlines() == ["SECURITY.md:1: `src/gone.c` does not exist",
                                                   "docs/README.md:1: does not lead to SECURITY.md"]


def test_a_page_that_the_index_forgets_is_found(tmp_path):
    make_tree(tmp_path, {**GOOD, "docs/more/other.md": "# Other"})
    done = check(tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["docs/more/other.md:1: the last line has no end",
                                        "docs/README.md:1: does not list 'more/other.md'"]


def man_pages():
    """The finished pages; those that are written by hand lie in man/, the others in the build."""
    built = [path for path in BUILD.glob("man/*.[1-9]") if path.is_file()]
    names = {path.name for path in built}
    return sorted(built + [path for path in ROOT.glob("man/*.[1-9]") if path.name not in names])


@pytest.mark.parametrize("page", man_pages(), ids=lambda path: path.name)
def test_a_man_page_renders_without_a_warning(page):
    if shutil.which("man") is None:
        pytest.skip("man-db is not here")
    env = dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="t", MANWIDTH="80")
    done = subprocess.run(["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], env=env,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert len(done.stdout) > 500


def test_there_are_man_pages():
    assert {"mse.toml.5", "msed.toml.5"} <= {path.name for path in man_pages()}


NUMBER = re.compile(r'NUMBER\("server", "(\w+)", OPTIONAL, [\w.]+, (\d+),\s*(\w+),')
ROW = re.compile(r"^\| `server\.(\w+)` \| ([\d,^]+)(?: (?:to|or) ([\d,^]+))? \|", re.MULTILINE)
SIZE_LIMIT = 1 << 50


def number(text):
    base, _, power = text.replace(",", "").partition("^")
    return int(base) ** int(power or 1)


def test_the_manifests_ranges_are_the_codes():
    code = {name: (int(low), SIZE_LIMIT if high == "SIZE_LIMIT" else int(high)) for name, low, high
            in NUMBER.findall((ROOT / "src/model/manifest.c").read_text(encoding="utf-8"))}
    page = {name: (number(low), number(high or low)) for name, low, high
            in ROW.findall((ROOT / "docs/manifest.md").read_text(encoding="utf-8"))}
    assert len(code) == 18 and page == code
