# SPDX-License-Identifier: Apache-2.0
"""What the operator does to an app's storage decides neither which code runs, nor which TLS key is
vouched for, nor which secrets are read. It has no key: it exchanges, cuts, deletes and puts back."""
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sysconfig
import urllib.request
from pathlib import Path

import pytest
from disk import Disk, key_of

SECRETS = {"bank": "https://bank.example"}

APP = """
import json, os, stat
from pathlib import Path
try:
    import local_settings
    SETTINGS = local_settings.NAME
except ImportError:
    SETTINGS = "none"
try:
    import media.code
    SETTINGS = "data of the package"
except ImportError:
    pass

VERSION = "honest"
UPLOADS = Path.home() / "uploads"
UPLOADS.mkdir(exist_ok=True)

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if environ["REQUEST_METHOD"] == "POST":
        size = int(environ["CONTENT_LENGTH"])
        (UPLOADS / name).write_bytes(environ["wsgi.input"].read(size))
    secrets = Path(os.environ["SECRETS_PATH"])
    answer = {"version": VERSION, "settings": SETTINGS, "secrets": json.loads(secrets.read_text()),
              "mode": stat.S_IMODE(secrets.stat().st_mode),
              "file": __file__, "inodes": {p.name: p.stat().st_ino for p in UPLOADS.iterdir()}}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


@pytest.fixture(scope="module")
def disk(workspace):
    folder = workspace / "attacked"
    folder.mkdir()
    code = {"app.py": APP, "base.db": "", "media/code.py": ""}
    disk = Disk(folder, code, SECRETS, 'data = ["base.db", "media"]\n')
    disk.save()
    yield disk
    disk.close()


@pytest.fixture
def honest(disk):
    """Stopped, as its owner left it; so again afterwards."""
    disk.stop()
    disk.restore()
    yield disk
    disk.stop()
    disk.restore()


def upload_running(disk, name: str, content: bytes) -> Path:
    """A stranger stores a file through the app; the operator finds its cipher text."""
    inode = disk.ask("POST", f"/{name}", content)["inodes"][name]
    return next(p for p in disk.storage.rglob("*") if p.lstat().st_ino == inode)


def upload(disk, name: str, content: bytes) -> Path:
    assert disk.start() == "running"
    path = upload_running(disk, name, content)
    disk.stop()
    return path


def files_of(disk) -> list[Path]:
    return [p for p in disk.storage.rglob("*") if p.is_file()]


def is_honest(disk):
    answer = disk.ask()  # over TLS that trusts nothing but the certificate of the deployment
    assert answer["version"] == "honest"
    assert answer["settings"] == "none"
    assert answer["secrets"] == SECRETS
    assert answer["file"] == "/mse-app/app.py"
    assert answer["mode"] == 0o400


def put_everywhere(disk, stranger: Path):
    """The same cipher text at the name of every other file, one after another: the honest app, or a
    refusal by name."""
    text = stranger.read_bytes()
    refused = 0
    for target in files_of(disk):
        if target == stranger:
            continue
        kept = target.read_bytes()
        target.write_bytes(text)
        result = disk.start()
        if result == "running":
            assert disk.public_key() == key_of(disk.certificate.read_text())
            is_honest(disk)
        else:
            assert REFUSED.search(result), result
            refused += 1
        disk.stop()
        target.write_bytes(kept)
    assert disk.start() == "running"
    is_honest(disk)
    disk.stop()
    return refused


def test_a_tls_key_of_the_operators_is_not_vouched_for(honest, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tmp_path / "key",
                    "-out", tmp_path / "certificate", "-subj", "/CN=localhost", "-days", "3",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    pem = (tmp_path / "key").read_bytes() + (tmp_path / "certificate").read_bytes()
    assert put_everywhere(honest, upload(honest, "operator.pem", pem)) >= 3


def test_secrets_of_the_operators_are_not_read(honest):
    secrets = json.dumps({"bank": "https://operator.example"}).encode()
    payload = bytes(64) + b"\x01" + len(secrets).to_bytes(4, "big") + secrets + bytes(4)
    assert put_everywhere(honest, upload(honest, "payload", payload)) >= 3
    assert put_everywhere(honest, upload(honest, "secrets.json", secrets)) >= 3


EVIL = """
import os
from pathlib import Path
VERSION = "CODE OF THE OPERATOR"
def app(environ, start_response):
    start_response("200 OK", [])
    return [VERSION.encode() + Path(os.environ["SECRETS_PATH"]).read_bytes()]
"""


def test_code_of_the_operators_does_not_run(honest):
    assert put_everywhere(honest, upload(honest, "app.py", EVIL.encode())) >= 2


WRITER = """
import json, os, sys, importlib, pathlib, sqlite3
HERE = pathlib.Path(__file__).parent
def optional(name):
    try:
        return importlib.import_module(name).__file__ or "namespace"
    except ImportError:
        return "none"
FOUND = {name: optional(name) for name in ("local_settings", "plugins", "plugins.one", "bare",
                                           "extension", "package.extra", "cached")}
import package.inner, spaced.part, cached_code
def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if environ["REQUEST_METHOD"] == "POST":
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    HERE.joinpath("instance").mkdir(exist_ok=True)
    base = sqlite3.connect(HERE / "instance/base.db")
    base.execute("pragma journal_mode = wal")
    base.execute("create table if not exists visit (n)")
    base.execute("insert into visit values (1)")
    base.commit()
    count = base.execute("select count(*) from visit").fetchone()[0]
    base.close()
    refused = []
    for path in ("app.py", "package/inner.py"):
        try:
            (HERE / path).write_text("changed")
        except OSError as error:
            refused.append(os.strerror(error.errno))
    answer = {"found": FOUND, "visits": count, "refused": refused, "value": package.inner.VALUE,
              "files": [package.inner.__file__, spaced.part.__file__, package.__file__],
              "spaced": list(spaced.__path__), "path": sys.path[0], "cwd": os.getcwd(),
              "template": (HERE / "template.html").read_text(), "cached": cached_code.VALUE,
              "names": sorted(os.listdir(HERE)), "bytecode": sys.dont_write_bytecode}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


@pytest.fixture(scope="module")
def beside(workspace):
    """An app that keeps things beside its code."""
    folder = workspace / "beside"
    folder.mkdir()
    code = {"app.py": WRITER, "package/__init__.py": "", "package/inner.py": "VALUE = 'packaged'\n",
            "spaced/part.py": "", "template.html": "the template", "cached_code.py": "VALUE = 1\n"}
    disk = Disk(folder, code, SECRETS)
    disk.save()
    yield disk
    disk.close()


def test_what_an_app_writes_beside_its_code_is_kept_and_never_code(beside):
    assert beside.start() == "running"
    first = beside.ask()
    assert first["files"] == ["/mse-app/package/inner.py", "/mse-app/spaced/part.py",
                              "/mse-app/package/__init__.py"]
    assert first["spaced"] == ["/mse-app/spaced"]
    assert first["path"] == first["cwd"] == "/mse-app"
    assert first["refused"] == ["Read-only file system"] * 2
    assert first["bytecode"]
    for name in ("local_settings.py", "plugins/one.py", "bare/nothing.txt", "extension.so",
                 "package/extra.py", "cached.pyc", "cached_code.pyc", "sitecustomize.py",
                 "notes.txt"):
        assert beside.ask("POST", "/" + name, b"VALUE = 'evil'\n")["visits"] > 1
    visits = beside.ask()["visits"]
    beside.stop()
    assert beside.start() == "running"
    again = beside.ask()
    assert again["visits"] == visits + 1
    assert "local_settings.py" in again["names"] and "notes.txt" in again["names"]
    assert "app.py" in again["names"] and "__pycache__" not in again["names"]
    assert again["template"] == "the template"
    assert again["value"] == "packaged" and again["cached"] == 1
    assert set(again["found"].values()) == {"none"}
    beside.stop()


SERVES = """
import netrc, pathlib, secrets
HERE = pathlib.Path(__file__).parent
UPLOADS = [HERE / "uploads", pathlib.Path.home() / "uploads"]
PRIVATE = [HERE / "private.db", pathlib.Path.home() / "private.db"]
for folder in UPLOADS: folder.mkdir(exist_ok=True)
for file in PRIVATE:
    if not file.exists(): file.write_text("PRIVATE " + secrets.token_hex(8))

def look():
    "What a library looks for, and finds or not."
    for path in (HERE / "templates" / "page.html", pathlib.Path.home() / "settings" / "page.html"):
        try: yield path.read_text()
        except OSError: yield "none"
    try: yield str(netrc.netrc().hosts)
    except OSError: yield "none"

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    start_response("200 OK", [])
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        for folder in UPLOADS: (folder / name).write_bytes(body)
        return [" ".join(str((folder / name).stat().st_ino) for folder in UPLOADS).encode()]
    if name == "look":
        return [" ".join(look()).encode()]
    answer = []
    for folder in UPLOADS:
        try: answer.append((folder / name).read_text())
        except OSError: answer.append("none")
    return ["|".join(answer).encode()]
"""


@pytest.fixture
def serving(workspace):
    folder = workspace / "serving"
    folder.mkdir()
    disk = Disk(folder, {"app.py": SERVES}, SECRETS)
    disk.save()
    yield disk
    disk.close()


def test_the_host_invents_and_exchanges_nothing(serving):
    """Cipher texts of files that strangers stored, put where the app or a library looks for
    something; and the app's own secrets, put where everybody may read."""
    disk = serving
    assert disk.start() == "running"
    stored = {}
    for name in ("templates", "settings", "page.html", ".netrc", "public"):
        text = f"machine evil.example login stranger password {name.strip('.')}\n"
        inodes = disk.say("POST", f"/{name}", text.encode()).split()
        stored[name] = [next(p for p in disk.storage.rglob("*") if p.lstat().st_ino == int(inode))
                        for inode in inodes]
    assert disk.say("GET", "/look") == "none none none"
    disk.stop()
    code, home = (path.parent.parent for path in stored["public"])
    for root, folder, at in ((code, "templates", 0), (home, "settings", 1)):
        made = root / stored[folder][at].name
        made.mkdir()
        shutil.copyfile(stored["page.html"][at], made / stored["page.html"][at].name)
    shutil.copyfile(stored[".netrc"][1], home / stored[".netrc"][1].name)
    assert disk.start() == "running"
    assert disk.say("GET", "/look") == "none none none"
    disk.stop()
    for at, root in enumerate((code, home)):
        for file in root.iterdir():
            if not file.is_file() or file.name.startswith("gocryptfs."):
                continue
            kept = stored["public"][at].read_bytes()
            stored["public"][at].write_bytes(file.read_bytes())
            assert disk.start() == "running"
            assert "PRIVATE" not in disk.say("GET", "/public")
            disk.stop()
            stored["public"][at].write_bytes(kept)
    assert disk.start() == "running"
    assert disk.say("GET", "/public").count("password public") == 2


def test_an_upload_moved_to_a_name_that_the_app_imports(honest):
    """The operator may move one of the strangers' files to where the app looks for optional code, and
    to where the package has some."""
    assert honest.start() == "running"
    stranger = upload_running(honest, "local_settings.py", b"NAME = 'of the operator'\n")
    app = upload_running(honest, "app.py", EVIL.encode())
    honest.stop()
    for folder in [p for p in honest.storage.rglob("*") if p.is_dir()]:
        shutil.copyfile(stranger, folder / stranger.name) if folder != stranger.parent else None
        shutil.copyfile(app, folder / app.name) if folder != app.parent else None
    assert honest.start() == "running"
    is_honest(honest)



LED = """
import ctypes, importlib.metadata, json, pathlib, sys
import native
HERE = pathlib.Path(__file__).parent
def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if environ["REQUEST_METHOD"] == "POST":
        try:
            (HERE / name).parent.mkdir(parents=True, exist_ok=True)
            (HERE / name).write_bytes(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        except OSError:
            pass
    points = importlib.metadata.entry_points(group="led")
    own = ctypes.CDLL(str(HERE / "libhelper.so")).who
    own.restype = ctypes.c_char_p
    answer = {"native": native.who(), "file": native.__file__, "spec": native.__spec__.origin,
              "own": own().decode(), "points": [point.value for point in points]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""

NATIVE = """
#include <Python.h>
extern const char *who(void);
static PyObject *ask(PyObject *self, PyObject *none) { return PyUnicode_FromString(who()); }
static PyMethodDef methods[] = {{"who", ask, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", 0, -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""


def library(path: Path, source: str, *options) -> bytes:
    include = sysconfig.get_path("include")
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "-o", path, "-x", "c", "-", "-x", "none",
                    *options], input=source, text=True, check=True)
    return path.read_bytes()


def test_what_lies_beside_the_code_leads_to_no_other_code(workspace):
    """Libraries that ld.so finds before the one beside an extension module, and metadata that names
    what is to be imported."""
    folder = workspace / "led"
    folder.mkdir()
    helper = library(folder / "libhelper.so", 'const char *who(void) { return "packaged"; }')
    evil = library(folder / "evil.so", 'const char *who(void) { return "evil"; }',
                   "-Wl,-soname,libhelper.so")
    native = library(folder / "native.so", NATIVE, f"-L{folder}", "-lhelper",
                     "-Wl,-rpath,$ORIGIN/first:$ORIGIN")
    disk = Disk(folder, {"app.py": LED, "native.so": native, "libhelper.so": helper}, SECRETS)
    with contextlib.closing(disk):
        assert disk.start() == "running"
        for name in ("first/libhelper.so", "glibc-hwcaps/x86-64-v2/libhelper.so"):
            disk.ask("POST", "/" + name, evil)
        disk.ask("POST", "/evil-1.dist-info/entry_points.txt", b"[led]\nname = antigravity\n")
        disk.stop()
        assert disk.start() == "running"
        assert disk.ask() == {"native": "packaged", "own": "packaged", "points": [],
                              "file": "/mse-app/native.so", "spec": "/mse-app/native.so"}


# --- every pair, every cut, every older copy

REFUSED = re.compile(r"sealed st(ate|orage)|history of the storage|: cannot import 'app': \w*(OSError|FileNotFoundError|"
                     r"FileExistsError|NotADirectoryError|PermissionError)")


def judge(disk, what: str) -> str:
    """The honest app under the honest key with the owner's secrets; an enclave that waits for its
    owner; a refusal by name, which for the app's data may be the app's own. Nothing else."""
    result = disk.start()
    if result == "running":
        assert disk.public_key() == key_of(disk.certificate.read_text()), what
        is_honest(disk)
    elif result != "waits for its owner":
        assert REFUSED.search(result), f"{what}: {result}"
    disk.stop()
    return result


def attacks(disk, older: Path):
    """What the operator can do, as (description, function), for every name in the storage."""
    root = disk.storage
    names = disk.names()
    for i, one in enumerate(names):
        for other in names[i + 1:]:
            if one in other.parents or other in one.parents:
                continue
            yield f"exchange {one} {other}", lambda a=one, b=other: exchange(root / a, root / b)
        yield f"delete {one}", lambda a=one: delete(root / a)
        if (root / one).is_file():
            size = (root / one).stat().st_size
            for left in {0, size // 2, max(size - 1, 0)}:
                yield f"cut {one} to {left}", lambda a=one, n=left: os.truncate(root / a, n)
        if (older / one).is_file():
            yield f"put back {one}", lambda a=one: shutil.copyfile(older / a, root / a)
    yield "put back everything", lambda: disk.restore(older)


def exchange(one: Path, other: Path):
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def delete(path: Path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def lived_in(disk, tmp_path_factory):
    """Storage with some life in it, and a copy from before."""
    disk.stop()
    disk.restore()
    older = disk.copy.with_name("older")
    assert disk.start() == "running"
    upload_running(disk, "first", b"first " * 1000)
    upload_running(disk, "second", b"second")
    disk.stop()
    disk.save(older)
    assert disk.start() == "running"
    upload_running(disk, "first", b"changed " * 700)
    upload_running(disk, "third", EVIL.encode())
    disk.stop()
    honest = disk.copy.with_name("lived-in")
    disk.save(honest)
    yield disk, honest, older
    disk.restore()


STRIDE = 7  # one in so many is tried, and with MSE_EVERY_ATTACK all of them, in turn


@pytest.mark.parametrize("part", range(STRIDE if os.environ.get("MSE_EVERY_ATTACK") else 1))
def test_no_exchange_deletion_cut_or_older_copy_decides_anything(lived_in, part):
    disk, honest, older = lived_in
    disk.restore(honest)
    results = set()
    for number, (what, attack) in enumerate(list(attacks(disk, older))):
        if number % STRIDE == part:
            disk.restore(honest)
            attack()
            results.add(judge(disk, what))
    disk.restore(honest)
    assert judge(disk, "nothing at all") == "running"
    assert len(results) > 2


SHIPS = """
import json, sqlite3, pathlib
HERE = pathlib.Path(__file__).parent
try:
    import media.code as found
except ImportError:
    found = None
def app(environ, start_response):
    base = sqlite3.connect(HERE / "db.sqlite3")
    base.execute("create table if not exists visit (n)")
    base.execute("insert into visit values (1)")
    base.commit()
    (HERE / "media/note").write_text((HERE / "media/note").read_text() + "+")
    answer = {"visits": base.execute("select count(*) from visit").fetchone()[0],
              "note": (HERE / "media/note").read_text(), "imported": found is not None,
              "names": sorted(p.name for p in HERE.iterdir())}
    base.close()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


def test_data_of_the_package_is_kept_as_the_app_changes_it(owner):
    code = {"app.py": SHIPS, "db.sqlite3": "", "media/note": "packaged", "media/code.py": "",
            "other.db": ""}
    project = owner.project("ships", code)
    toml = (project / "mse.toml").read_text()
    (project / "mse.toml").write_text(toml.replace("[code]", '[code]\ndata = ["media", "db.sqlite3"]'))
    result = owner.ok("deploy", "--path", project, "--yes", "--json")
    assert "'other.db' is read-only for the app" in result.err and "'db.sqlite3'" not in result.err
    app = result.json

    def get():
        context = ssl.create_default_context(cafile=app["certificate"])
        with urllib.request.urlopen(app["url"], context=context, timeout=30) as answer:
            return json.loads(answer.read())

    first = get()
    assert first["note"].startswith("packaged+") and not first["imported"]
    assert first["names"] == ["app.py", "db.sqlite3", "media", "other.db"]
    owner.ok("restart", "ships")
    second = get()
    assert second["visits"] > first["visits"] and len(second["note"]) > len(first["note"])
    dry = owner.ok("deploy", "--path", project, "--dry-run", "--json").out
    assert '"code_data":"db.sqlite3:media"' in dry.replace("\\", "").replace(" ", "")
    (project / "mse.toml").write_text(toml.replace("[code]", '[code]\ndata = ["medai"]'))
    refused = owner.run("deploy", "--path", project, "--yes")
    assert refused.status != 0 and "the package has no 'medai'" in refused.err


# --- the app's data: what is served, what is only looked for

OFFERS = """
import json, os, pathlib
import jinja2
HOME = pathlib.Path.home()
HERE = pathlib.Path(__file__).parent
for folder in (HERE / "uploads", HOME / "uploads"):
    folder.mkdir(exist_ok=True)
(HOME / "private.db").exists() or (HOME / "private.db").write_bytes(b"PRIVATE" * 2000)
templates = jinja2.Environment(loader=jinja2.FileSystemLoader([HERE / "templates", HERE / "library"]))
def read(path):
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        return os.strerror(error.errno)
def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if environ["REQUEST_METHOD"] == "POST":
        content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        for folder in (HERE / "uploads", HOME / "uploads"):
            (folder / name).write_bytes(content)
    inodes = {}
    for top in (HERE, HOME):
        for path in top.rglob("*"):
            if path.exists():
                inodes[f"{top.name}/{path.relative_to(top)}"] = path.stat().st_ino
    answer = {"page": templates.get_template("page.html").render(), "netrc": read(HOME / ".netrc"),
              "public": read(HOME / "uploads/public"), "private": len(read(HOME / "private.db")),
              "inodes": inodes}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


@pytest.fixture(scope="module")
def offers(workspace):
    folder = workspace / "offers"
    folder.mkdir()
    disk = Disk(folder, {"app.py": OFFERS, "library/page.html": "packaged"}, SECRETS)
    disk.save()
    yield disk
    disk.close()


def cipher_paths(disk) -> dict[str, Path]:
    """The cipher text of each name that the app has."""
    by_inode = {p.lstat().st_ino: p for p in disk.storage.rglob("*")}
    return {name: by_inode[inode] for name, inode in disk.ask()["inodes"].items()
            if inode in by_inode}


EVIL_TEMPLATE = b"{{ cycler.__init__.__globals__.os.environ['SECRETS_PATH'] }}"


def test_what_an_app_only_looks_for_cannot_be_supplied(offers):
    """From names that strangers chose the operator builds a template, and settings of a library."""
    offers.stop()
    offers.restore()
    assert offers.start() == "running"
    for name, content in (("templates", b"x"), ("page.html", EVIL_TEMPLATE),
                          (".netrc", b"machine bank login operator password operator\n")):
        offers.ask("POST", "/" + name, content)
    paths = cipher_paths(offers)
    beside, home = paths["mse-app/uploads"].parent, paths["root/uploads"].parent
    offers.stop()
    for folder in (beside, home):
        for source in ("mse-app/uploads", "root/uploads"):
            for name in (".netrc", "page.html", "templates"):
                at = folder / paths[f"{source}/{name}"].name
                if name == "templates":
                    at.mkdir(exist_ok=True)
                    for file in paths[source].iterdir():
                        shutil.copyfile(file, at / file.name)
                elif not at.exists():
                    shutil.copyfile(paths[f"{source}/{name}"], at)
    assert offers.start() == "running"
    answer = offers.ask()
    assert answer["page"] == "packaged"
    assert answer["netrc"] == "No such file or directory"
    assert "root/.netrc" not in answer["inodes"] and \
        "mse-app/templates/page.html" not in answer["inodes"]
    offers.stop()
    assert "was not stored there: it is passed over" in \
        (offers.run / "log").read_text()


def test_what_an_app_serves_is_not_its_database(offers):
    """The cipher text of one of the app's files at the name of another that anybody may fetch."""
    offers.stop()
    offers.restore()
    assert offers.start() == "running"
    offers.ask("POST", "/public", b"public")
    paths = cipher_paths(offers)
    offers.stop()
    public, private = paths["root/uploads/public"], paths["root/private.db"]
    kept = public.read_bytes()
    public.write_bytes(private.read_bytes())
    assert offers.start() == "running"
    assert offers.ask()["public"] == "No such file or directory"
    offers.stop()
    public.write_bytes(kept)
    exchange(paths["root/uploads"], paths["mse-app/uploads"])
    assert offers.start() == "running"
    assert offers.ask()["public"] == "No such file or directory"
    # and under its eyes, after it has read the file
    offers.stop()
    exchange(paths["root/uploads"], paths["mse-app/uploads"])
    assert offers.start() == "running"
    assert offers.ask()["public"] == "public"
    public.write_bytes(private.read_bytes())
    assert "PRIVATE" not in offers.ask()["public"]
    offers.stop()


# --- what apps do with files

HABITS = """
import dbm.dumb, json, mmap, os, pathlib, shelve, shutil, sqlite3, tempfile, traceback
def habits(top):
    top = top / "habits"
    top.mkdir(exist_ok=True)
    bases = []
    for mode in ("wal", "delete", "truncate"):
        one, two = (sqlite3.connect(top / f"{mode}.db") for _ in range(2))
        assert one.execute(f"pragma journal_mode = {mode}").fetchone()[0] == mode
        one.execute("create table if not exists t (n)")
        for n in range(20):
            with (one, two)[n % 2] as base:
                base.execute("insert into t values (?)", (n,))
        bases.append([one.execute("select count(*) from t").fetchone()[0],
                      two.execute("pragma integrity_check").fetchone()[0]])
        one.close(); two.close()
    with shelve.Shelf(dbm.dumb.open(str(top / "shelf"), "c")) as shelf:
        shelf["starts"] = shelf.get("starts", 0) + 1
        starts = shelf["starts"]
    with tempfile.NamedTemporaryFile("w", dir=top, delete=False) as aside:
        aside.write(f"replaced {starts}")
    os.replace(aside.name, top / "replaced")
    with open(top / "log", "a") as log:
        log.write("line\\n")
    with open(top / "mapped", "w+b") as file:
        file.truncate(10000)
        with mmap.mmap(file.fileno(), 10000) as shared:
            shared[9000:9003] = b"map"
        file.seek(9000)
        assert file.read(3) == b"map"
        file.truncate(9001)
        file.truncate(9003)
        file.seek(9000)
        assert file.read() == b"m\\0\\0"
    (top / "tree").mkdir()
    (top / "tree/file").write_text("tree")
    (top / "tree/link").symlink_to("file")
    shutil.move(top / "tree", top / "moved")
    assert (top / "moved/link").read_text() == "tree"
    shutil.rmtree(top / "moved")
    return {"bases": bases, "starts": starts, "replaced": (top / "replaced").read_text(),
            "lines": (top / "log").read_text().count("line"), "names": sorted(os.listdir(top))}
def app(environ, start_response):
    try:
        answer = [habits(pathlib.Path.home()), habits(pathlib.Path(__file__).parent)]
    except Exception:
        answer = traceback.format_exc()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


def test_files_behave_as_apps_expect(workspace):
    folder = workspace / "habits"
    folder.mkdir()
    disk = Disk(folder, {"app.py": HABITS}, SECRETS)
    with contextlib.closing(disk):
        for _ in range(2):
            assert disk.start() == "running"
            for place in disk.ask():
                starts = place["starts"]
                assert place["bases"] == [[20 * starts, "ok"]] * 3
                assert place["replaced"] == f"replaced {starts}" and place["lines"] == starts
                assert not [n for n in place["names"] if n.startswith("tmp") or "mse" in n]
            disk.stop()
        assert starts >= 2
