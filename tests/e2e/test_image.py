# SPDX-License-Identifier: Apache-2.0
"""Images of confidential VMs: the same bytes everywhere, proven, and refused by name when changed.

Needs the packages of images/RELEASE/mse-flask.lock, from the mirror or from an earlier run's cache; skipped,
with the reason, where they cannot be had.
"""
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MSE_BUILD", ROOT / "build")).resolve()
TOOL = ROOT / "tools" / "image" / "mse-image"
CACHE = BUILD / "image-cache"
RELEASE = platform.freedesktop_os_release()["VERSION_CODENAME"]
LOCK = ROOT / "images" / RELEASE / "mse-flask.lock"
PYTHON = "python %d.%d" % sys.version_info[:2]
UNAVAILABLE = 77

sys.path.insert(0, str(TOOL.parent))
from mse_image import build, debian, initrd, lock, tree, verity  # noqa: E402
from mse_image.problem import Problem, Unavailable  # noqa: E402


def tool(*arguments, **more):
    return subprocess.run(["/usr/bin/python3", str(TOOL), *map(str, arguments)], text=True,
                          capture_output=True, check=False, **more)


@pytest.fixture(scope="module")
def public():
    """A folder that another user may look into."""
    with tempfile.TemporaryDirectory(prefix="mse-test-image-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def programs(public):
    """mse-enclave of the build, and a static program in the place of pid 1."""
    folder = public / "programs"
    folder.mkdir()
    source = folder / "init.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-static", "-o", folder / "mse-init", source], check=True)
    shutil.copy(BUILD / "mse-enclave", folder / "mse-enclave")
    return ["--enclave", folder / "mse-enclave", "--init", folder / "mse-init", "--cache", CACHE]


@pytest.fixture(scope="module")
def image(programs, public):
    folder = public / "image"
    CACHE.mkdir(exist_ok=True)
    done = tool("build", "mse-flask", "--output", folder / "one", *programs)
    if done.returncode == UNAVAILABLE or "the signed lists" in done.stderr or \
            "packages: 'apt-get' failed" in done.stderr:
        pytest.skip("no packages for an image: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return folder / "one"


def parts(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir() if path.is_file()}


# --- the same bytes ---

def test_image_is_the_same_for_another_user_folder_umask_and_time_zone(image, programs, public):
    other = public / "an other folder"
    other.mkdir()
    who = {}
    if os.geteuid() == 0:
        os.chown(other, 65534, 65534)
        who = {"user": 65534, "group": 65534, "extra_groups": []}
    started = time.monotonic()
    done = tool("build", "mse-flask", "--output", other / "two", *programs, umask=0o077, **who,
                env={**os.environ, "TZ": "Asia/Tokyo", "HOME": str(other), "LC_ALL": "C"})
    assert done.returncode == 0, done.stderr
    print(f"built in {time.monotonic() - started:.1f} s")
    assert parts(other / "two") == parts(image)


def test_image_json_names_the_files_beside_it(image):
    document = json.loads((image / "image.json").read_bytes())
    found = parts(image)
    assert document["kernel"]["sha256"] == found["kernel"]
    assert document["initrd"]["sha256"] == found["initrd"]
    assert document["root"]["sha256"] == found["root"]
    assert document["firmware"]["snp"]["sha256"] == found["firmware-snp.fd"]
    assert document["runtime"] == hashlib.sha256((BUILD / "mse-enclave").read_bytes()).hexdigest()
    assert document["cmdline"].endswith(" mse.root=" + document["root"]["verity"])
    assert "acpi=off" in document["cmdline"] and "console=mse" in document["cmdline"]


def test_root_hash_is_the_one_veritysetup_computes(image, tmp_path):
    if shutil.which("veritysetup", path="/usr/sbin:/sbin") is None:
        pytest.skip("veritysetup is not installed (cryptsetup-bin)")
    root, blocks, salt = json.loads((image / "image.json").read_bytes())["root"]["verity"].split(":")
    copy = tmp_path / "root"
    with open(image / "root", "rb") as file:
        copy.write_bytes(file.read(int(blocks) * 4096))
    done = subprocess.run(
        ["/usr/sbin/veritysetup", "format", "--no-superblock", f"--salt={salt}", "--hash=sha256",
         f"--hash-offset={int(blocks) * 4096}", f"--data-blocks={blocks}", "--data-block-size=4096",
         "--hash-block-size=4096", copy, copy], check=True, text=True, capture_output=True)
    assert f"{root}\n" in done.stdout.replace("\t", " ").replace("  ", " ").split("Root hash:")[1]
    assert copy.read_bytes() == (image / "root").read_bytes()


@pytest.mark.parametrize("blocks", [1, 127, 128, 129, 16385])
def test_hash_tree_of_every_depth(tmp_path, blocks):
    if shutil.which("veritysetup", path="/usr/sbin:/sbin") is None:
        pytest.skip("veritysetup is not installed (cryptsetup-bin)")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    data = b"".join(number.to_bytes(4, "big") * 1024 for number in range(blocks))
    ours.write_bytes(data)
    theirs.write_bytes(data)
    root = verity.add_tree(ours).split(":")[0]
    done = subprocess.run(
        ["/usr/sbin/veritysetup", "format", "--no-superblock", "--salt=" + "00" * 32,
         f"--hash-offset={blocks * 4096}", f"--data-blocks={blocks}", theirs, theirs],
        check=True, text=True, capture_output=True)
    assert root in done.stdout
    assert ours.read_bytes() == theirs.read_bytes()


# --- verify ---

def test_verify_proves_and_rebuilds(image, programs):
    done = tool("verify", image, *programs)
    assert done.returncode == 0, done.stderr
    assert "each with a hash that a signed list of Debian leads to" in done.stdout
    assert "rebuilt: every byte the same" in done.stdout
    assert "mse-enclave: the same as the one installed here" in done.stdout


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.unlink()  # a hard link's other name stays as it is
    path.write_bytes(data)


def swap(path, other):
    data = other.read_bytes()
    path.unlink()
    path.write_bytes(data)


def cut(path, size):
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:size])


def replace_text(path, old, new):
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new, 1))


def a_deb(folder):
    return folder / "inputs" / "debs" / next(
        name for name in os.listdir(folder / "inputs" / "debs") if name.startswith("python3-flask_"))


TAMPERINGS = {
    "root": (lambda f: flip(f / "root", 1 << 20), "'{}/root' has SHA-256"),
    "kernel": (lambda f: flip(f / "kernel", 5000), "'{}/kernel' has SHA-256"),
    "initrd": (lambda f: cut(f / "initrd", 100_000), "'{}/initrd' has SHA-256"),
    "firmware": (lambda f: flip(f / "firmware-snp.fd", 9), "'{}/firmware-snp.fd' has SHA-256"),
    "firmware gone": (lambda f: (f / "firmware-snp.fd").unlink(), "lacks 'firmware-snp.fd'"),
    "package": (lambda f: flip(a_deb(f), 3000), "is not the locked package python3-flask"),
    "package gone": (lambda f: a_deb(f).unlink(), "lacks python3-flask_"),
    "signed list": (lambda f: replace_text(f / f"inputs/{RELEASE}.InRelease", "Suite: ", "Suite:  "),
                    f"{RELEASE}.InRelease' is not signed by a key of"),
    "another suite's list": (lambda f: swap(f / f"inputs/{RELEASE}.InRelease",
                                            f / "inputs/forky.InRelease"),
                             f"is of 'forky', expected '{RELEASE}'"),
    "packages list": (lambda f: swap(f / f"inputs/{RELEASE}.Packages.xz",
                                     f / "inputs/forky.Packages.xz"),
                      "is not the one that"),
    "no inputs": (lambda f: shutil.rmtree(f / "inputs"), "nobody can say what it was made from"),
    "enclave": (lambda f: flip(f / "inputs/mse-enclave", 70_000), "inputs/mse-enclave' has SHA-256"),
    "lock": (lambda f: replace_text(f / "inputs/mse-flask.lock", PYTHON, "python 3.99"),
             "inputs/mse-flask.lock' has SHA-256"),
    "description is not canonical": (lambda f: replace_text(f / "image.json", ",", ", "),
                                     "is no canonical JSON object"),
    "description lacks a key": (lambda f: replace_text(f / "image.json", '"initrd"', '"initre"'),
                                "lacks 'initrd'"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_verify_refuses_a_changed(image, programs, tmp_path, what):
    change, expected = TAMPERINGS[what]
    folder = tmp_path / "image"
    shutil.copytree(image, folder, copy_function=os.link)
    change(folder)
    done = tool("verify", folder, *programs)
    assert done.returncode == 1, done.stdout
    assert expected.format(folder) in done.stderr


def test_verify_refuses_what_does_not_rebuild(image, programs, tmp_path):
    folder = tmp_path / "image"
    shutil.copytree(image, folder, copy_function=os.link)
    replace_text(folder / "image.json", "acpi=off ", "")
    done = tool("verify", folder, *programs)
    assert done.returncode == 1, done.stdout
    assert "rebuilt, 'cmdline' is 'acpi=off " in done.stderr


def test_verify_needs_debians_key(image, programs, tmp_path):
    keyring = tmp_path / "empty.gpg"
    keyring.write_bytes(b"")
    done = tool("verify", image, "--keyring", keyring, *programs)
    assert done.returncode == 1
    assert f"is not signed by a key of '{keyring}'" in done.stderr


# --- pinned packages ---

@pytest.fixture
def lock_with_a_package_that_is_gone(tmp_path):
    """A version of python3-flask that no list has."""
    images = tmp_path / "images"
    images.mkdir()
    text = LOCK.read_text()
    line = next(line for line in text.splitlines() if line.startswith("root python3-flask "))
    gone = line.replace(line.split(" ")[2], "0.1-1").replace(line.split(" ")[4], "ab" * 32)
    (images / "mse-flask.lock").write_text(text.replace(line, gone))
    return images


def test_inputs_that_lack_a_package_are_refused(image, programs, tmp_path,
                                                lock_with_a_package_that_is_gone):
    done = tool("build", "mse-flask", "--images", lock_with_a_package_that_is_gone,
                "--output", tmp_path / "out", "--inputs", image / "inputs", *programs)
    assert done.returncode == 1
    assert "has python3-flask 0.1-1 with SHA-256 abab" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_gone_is_no_other_version(image, tmp_path, monkeypatch,
                                                    lock_with_a_package_that_is_gone):
    def lists_of_today(_, lists):
        shutil.copytree(image / "inputs", lists.folder, copy_function=os.link)

    monkeypatch.setattr(debian.Apt, "update", lists_of_today)
    file = lock_with_a_package_that_is_gone / "mse-flask.lock"
    options = build.Options(lock=file, output=tmp_path / "out", cache=tmp_path / "cache",
                            enclave=file, init=file)
    with pytest.raises(Unavailable) as caught:
        build.proven_lists(build.read_lock(file), options)
    assert "no signed list has python3-flask 0.1-1 any more" in str(caught.value)
    assert list((tmp_path / "cache" / "proofs").iterdir()) == []


def test_build_leaves_a_folder_alone_that_is_no_image(image, programs, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("everything")
    done = tool("build", "mse-flask", "--output", mine, *programs)
    assert done.returncode == 1
    assert f"'{mine}' is there and is no image" in done.stderr
    assert (mine / "thesis.tex").read_text() == "everything"


def test_a_dynamic_init_is_refused(image, programs, tmp_path):
    done = tool("build", "mse-flask", "--output", tmp_path / "out", *programs,
                "--init", BUILD / "mse")
    assert done.returncode == 1
    assert "is linked dynamically, expected a static program" in done.stderr


# --- the lock file's syntax ---

@pytest.mark.parametrize("change, expected", [
    (lambda t: t.replace("mse-image-lock 1", "mse-image-lock 2"), "expected 'mse-image-lock 1'"),
    (lambda t: t + "root libc6 1 amd64 " + "0" * 64 + " 1\n", "not as 'mse image lock' writes it"),
    (lambda t: t.replace("\nroot ", "\nroot  ", 1), "is not understood"),
    (lambda t: t.replace(" amd64 ", " arm64 ", 1), "architecture 'arm64'"),
    (lambda t: t.replace(f"{PYTHON}\n", ""), "a line is missing"),
    (lambda t: t.replace(f"{PYTHON}\n", f"{PYTHON}\n{PYTHON}\n"), "appears twice"),
    (lambda t: t.replace("kernel linux", "kernel ../linux"), "is no package and version"),
    (lambda t: t.rstrip("\n"), "not as 'mse image lock' writes it"),
    (lambda t: t.replace("memory-min ", "memory-min -"), "is not understood"),
])
def test_lock_files_have_one_spelling(change, expected):
    text = LOCK.read_text()
    assert lock.format_lock(lock.parse_lock(text, "lock")) == text
    with pytest.raises(Problem) as caught:
        lock.parse_lock(change(text), "lock")
    assert expected in str(caught.value)


# --- hostile packages ---

def item(name, kind=tarfile.REGTYPE, link="", data=b""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


def make_deb(path, items):
    """A .deb as dpkg-deb reads it: an ar archive of three members."""
    def archive(entries):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for info, data in entries:
                tar.addfile(info, io.BytesIO(data))
        return gzip.compress(out.getvalue(), mtime=0)

    members = (("debian-binary", b"2.0\n"), ("control.tar.gz", archive([item("./control")])),
               ("data.tar.gz", archive(items)))
    text = b"!<arch>\n"
    for name, data in members:
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
        text += head.encode() + data + b"\n" * (len(data) % 2)
    path.write_bytes(text)


@pytest.mark.parametrize("items, expected", [
    ([item("./usr/lib/../../../tmp/x")], "leaves the tree"),
    ([item("/usr/lib/x")], "leaves the tree"),
    ([item("./usr/lib/l", tarfile.SYMTYPE, "/tmp"), item("./usr/lib/l/x")], "stands behind the link"),
    ([item("./usr/lib/x", data=b"1"), item("./usr/lib/x", data=b"2")], "two packages have"),
    ([item("./lib/x", data=b"1"), item("./usr/lib/x", data=b"2")], "two packages have"),
    ([item("./usr/lib/x", tarfile.LNKTYPE, "./usr/lib/none")], "which is not there"),
    ([item("./usr/lib/x", tarfile.LNKTYPE, "../../etc/passwd")], "leaves the tree"),
    ([item("./usr/lib/x", tarfile.CHRTYPE)], "is neither file, folder nor link"),
    ([item("./usr/lib/x", tarfile.FIFOTYPE)], "is neither file, folder nor link"),
])
def test_a_package_cannot_leave_its_tree(tmp_path, items, expected):
    deb = tmp_path / "bad.deb"
    make_deb(deb, items)
    root = tmp_path / "tree"
    tree.new_tree(root)
    package = lock.Package("root", "bad", "1", "all", "0" * 64, 1)
    with pytest.raises(Problem) as caught:
        tree.extract(package, deb, root, tree.is_of_root)
    assert expected in str(caught.value)


def test_set_user_id_and_write_bits_are_dropped(tmp_path):
    info, data = item("./usr/lib/x", data=b"x")
    info.mode = 0o6777
    make_deb(tmp_path / "a.deb", [(info, data)])
    root = tmp_path / "tree"
    tree.new_tree(root)
    tree.extract(lock.Package("root", "a", "1", "all", "0" * 64, 1), tmp_path / "a.deb", root,
                 tree.is_of_root)
    assert (root / "usr/lib/x").stat().st_mode & 0o7777 == 0o755


# --- the initrd ---

def test_the_marker_is_the_last_entry_of_the_initrd(image, tmp_path):
    names = subprocess.run(["cpio", "-t", "--quiet"], input=(image / "initrd").read_bytes(),
                           check=True, capture_output=True).stdout.decode().split()
    assert names[-1] == initrd.MARKER
    assert names[:3] == ["dev", "init", "modules"]
    for wanted in ("dm-verity", "erofs", "virtio_blk", "dm-integrity", "sev-guest", "tdx-guest"):
        assert any(name.startswith(f"modules/{wanted}.ko") for name in names), wanted
