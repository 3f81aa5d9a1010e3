#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long an owner waits and what a node pays: the real programs, on a node of their own.

A warm deploy of examples/whoami and its steps, a restart until the first 200, a dry run of a small
project, the memory of an idle enclave with Flask and of msed. A mark is what we want to keep; how
near it is depends on the machine, so it decides nothing. Ends with 1 and the programs' own words
where a node cannot be started or an app cannot be deployed.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("mse", "msed", "mse-enclave")
STEP = re.compile(r"^ok\s+(\w+)\s+([0-9.]+) s", re.M)
PATIENCE_S = 120


class Bench:
    """One node and its owner, in a folder that is gone afterwards."""

    def __init__(self, build: Path, folder: Path):
        self.build, self.folder = build, folder
        self.state = folder / "node"
        self.env = {"PATH": f"{build}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder),
                    "LANG": "C.UTF-8", "MSE_CONFIG_HOME": str(folder / "owner"),
                    "MSE_STATE_HOME": str(self.state)}
        wanted = ("PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE")
        self.env |= {key: value for key, value in os.environ.items() if key.startswith(wanted)}

    def mse(self, *arguments) -> tuple[str, str, float]:
        """Runs mse, which must succeed: (standard output, standard error, seconds)."""
        words = [str(word) for word in arguments]
        start = time.monotonic()
        done = subprocess.run([str(self.build / "mse"), *words], env=self.env, cwd=self.folder,
                              text=True, capture_output=True, timeout=PATIENCE_S, check=False)
        seconds = time.monotonic() - start
        if done.returncode != 0:
            sys.exit(f"deploy-bench: 'mse {' '.join(words)}' ended with {done.returncode}:\n"
                     f"{done.stdout}{done.stderr}")
        return done.stdout, done.stderr, seconds

    def project(self, name: str, files: int) -> Path:
        """A project without requirements, `files` small modules big."""
        folder = self.folder / name
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "app.py").write_text(
            "def app(environ, start_response):\n"
            "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
            "    return [b'hello']\n")
        for number in range(1, files):
            (folder / "code" / f"module{number}.py").write_text(f"VALUE = {number}\n" * 100)
        (folder / "mse.toml").write_text(f'name = "{name}"\n[code]\nlocation = "./code"\n'
                                         'python_application = "app:app"\n'
                                         'healthcheck_endpoint = "/"\n')
        return folder

    def deployed(self, name: str) -> tuple[dict, str]:
        """(what the node says of the running app, its certificate's path)"""
        apps = json.loads(self.mse("list", "--json")[0])
        running = [app for app in apps if app["name"] == name and app["state"] == "running"]
        if len(running) != 1:
            sys.exit(f"deploy-bench: expected one running '{name}', found {len(running)} of {apps}")
        path = self.folder / f"{name}.pem"
        self.mse("verify", running[0]["id"], "--output", path)
        return running[0], str(path)

    def daemon(self) -> int:
        for pid, command, _ in processes():
            if command[:1] and command[0].endswith("msed") and str(self.state) in " ".join(command) \
                    and "supervise" not in command:
                return pid
        sys.exit("deploy-bench: the node's msed is not among the processes")

    def below(self, app_id: str) -> list[int]:
        """The supervisor of an app and all that it started."""
        found = [pid for pid, command, _ in processes()
                 if "supervise" in command and app_id in " ".join(command)]
        for pid, _, parent in sorted(processes()):
            if parent in found and pid not in found:
                found.append(pid)
        return found


def processes() -> list[tuple[int, list[str], int]]:
    """(pid, command line, parent) of all"""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            found.append((int(entry.name), command, parent))
    return found


def memory_mib(pid: int) -> dict[str, float]:
    """Resident, proportional (shared pages divided) and peak, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()

    def number(key, text):
        return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) / 1024
    return {"rss": number("VmRSS", status), "pss": number("Pss", rollup),
            "peak": number("VmHWM", status)}


def first_200(url: str, certificate: str, path: str):
    """Asks on new connections until the app answers 200."""
    host = urlsplit(url)
    context = ssl.create_default_context(cafile=certificate)
    deadline = time.monotonic() + PATIENCE_S
    problem = None
    while time.monotonic() < deadline:
        connection = http.client.HTTPSConnection(host.hostname, host.port, context=context,
                                                 timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            problem = connection.getresponse().status
            if problem == 200:
                return
        except (OSError, http.client.HTTPException) as error:
            problem = error
        finally:
            connection.close()
        time.sleep(0.005)
    sys.exit(f"deploy-bench: {url}{path} did not answer 200 in {PATIENCE_S} s: {problem}")


def row(what: str, seconds: list[float], mark: str = ""):
    milliseconds = sorted(1000 * value for value in seconds)
    print(f"  {what:<34}{statistics.median(milliseconds):>9.0f}{milliseconds[0]:>9.0f}"
          f"{milliseconds[-1]:>9.0f}  {mark}".rstrip())


def head(title: str):
    print(f"\n{title:<36}{'median':>9}{'least':>9}{'most':>9}  mark")


def measure_deploy(bench: Bench, rounds: int):
    project = bench.folder / "whoami"
    shutil.copytree(ROOT / "examples" / "whoami", project)
    first = bench.mse("deploy", "--path", project, "--yes")[2]
    totals, steps = [], {}
    for _ in range(rounds):
        _, text, seconds = bench.mse("deploy", "--path", project, "--yes")
        totals.append(seconds)
        for name, took in STEP.findall(text):
            steps.setdefault(name, []).append(float(took))
    head(f"mse deploy examples/whoami, ms ({rounds} times)")
    row("the whole process", totals, "1500")
    for name, seconds in steps.items():
        row(f"  {name}", seconds)
    row("the first, which builds the layer", [first])


def measure_restart(bench: Bench, rounds: int):
    app, certificate = bench.deployed("whoami")
    seconds = []
    for _ in range(rounds):
        start = time.monotonic()
        bench.mse("restart", app["id"])
        first_200(app["url"], certificate, "/whoami")
        seconds.append(time.monotonic() - start)
    head(f"mse restart until the first 200, ms ({rounds} times)")
    row("whoami (Flask)", seconds)


def measure_dry_run(bench: Bench, rounds: int):
    project = bench.project("ten-files", 10)
    seconds = [bench.mse("deploy", "--path", project, "--dry-run")[2] for _ in range(rounds)]
    head(f"mse deploy --dry-run of 10 files, ms ({rounds} times)")
    row("the whole process", seconds)


def measure_memory(bench: Bench, more_apps: int):
    app, _ = bench.deployed("whoami")
    print(f"\n{'memory, MiB':<36}{'rss':>9}{'pss':>9}{'peak':>9}  mark")

    def line(what, pid, mark=""):
        used = memory_mib(pid)
        print(f"  {what:<34}{used['rss']:>9.1f}{used['pss']:>9.1f}{used['peak']:>9.1f}  {mark}"
              .rstrip())
    group = bench.below(app["id"])
    for pid in group:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        line(f"{name}, of an idle Flask app", pid, "45" if name == "mse-enclave" else "")
    if not group:
        sys.exit("deploy-bench: the app's supervisor is not among the processes")
    daemon = bench.daemon()
    line("msed, 1 app", daemon)
    for number in range(more_apps):
        project = bench.project(f"small{number}", 1)
        bench.mse("deploy", "--path", project, "--yes")
    line(f"msed, {1 + more_apps} apps", daemon)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--apps", type=int, default=4, help="apps beside whoami (default: 4)")
    options = parser.parse_args()
    build = options.build.resolve()
    missing = [name for name in PROGRAMS if not (build / name).exists()]
    if missing:
        sys.exit(f"deploy-bench: no {', '.join(missing)} in '{build}': run 'make build' first")
    with tempfile.TemporaryDirectory(prefix="mse-bench-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # the sandbox's user passes through
        bench = Bench(build, Path(folder))
        bench.mse("node", "start")
        try:
            measure_deploy(bench, options.rounds)
            measure_restart(bench, options.rounds)
            measure_dry_run(bench, options.rounds)
            measure_memory(bench, options.apps)
        finally:
            bench.mse("node", "stop", "--apps", "--yes")


if __name__ == "__main__":
    main()
