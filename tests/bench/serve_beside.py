# SPDX-License-Identifier: Apache-2.0
"""What the rates of tests/bench/serve are held against: the app called in a bare loop, CPython importing
it, instructions counted by callgrind, and the server on two cores."""
import contextlib
import http.client
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

PYTHON = "/usr/bin/python3"
CALL = """
import importlib, io, sys, time
module, variable, asgi = sys.argv[1].split(":") + [sys.argv[2] == "asgi"]
app = getattr(importlib.import_module(module), variable)
environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
           "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
           "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
           "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
           "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False}
scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "headers": [],
         "query_string": b"", "scheme": "http", "root_path": ""}

def start_response(status, headers, exc_info=None):
    pass

async def send(message):
    pass

async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}

def call():
    if asgi:
        try:
            app(dict(scope), receive, send).send(None)
        except StopIteration:
            return
    result = app(dict(environ), start_response)
    for part in result:
        pass
    if hasattr(result, "close"):
        result.close()

for _ in range(1000):
    call()
begun, count = time.process_time(), 0
while time.process_time() - begun < 0.7:
    for _ in range(200):
        call()
    count += 200
print((time.process_time() - begun) / count * 1e6)
"""


def environment(bench):
    return dict(os.environ, PYTHONPATH=f"{bench.apps}:{bench.site}")


def call_us(bench, app, kind):
    """CPU microseconds of one call of the app, nothing around it."""
    done = subprocess.run([*bench.place(bench.server_core), PYTHON, "-c", CALL, app, kind], check=True,
                          capture_output=True, text=True, env=environment(bench))
    return float(done.stdout)


def import_ms(bench, app):
    """Wall milliseconds of an interpreter that imports the app and ends; the median of five."""
    took = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([*bench.place(bench.server_core), PYTHON, "-c", "import " + app.split(":")[0]],
                       check=True, env=environment(bench))
        took.append((time.monotonic() - begun) * 1000)
    return statistics.median(took)


def instructions(bench, work, port):
    """User-mode instructions of our server for one request, from two runs of different length: what
    does not depend on how busy the machine is. None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    counts = [_collected(bench, work, port, requests) for requests in (200, 700)]
    return (counts[1] - counts[0]) / 500


def _collected(bench, work, port, requests):
    with tempfile.NamedTemporaryFile() as out:
        server = subprocess.Popen(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                                   *bench.mse(work)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        try:
            _ask(bench, work, port, requests)
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=60)[1]
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
            server.wait()
    return int(re.search(r"Collected : (\d+)", said).group(1))


def _ask(bench, work, port, requests):
    for _ in range(600):
        if bench.answers(work):
            break
        time.sleep(0.1)
    connection = bench.connection(work, timeout=60)
    with contextlib.closing(connection):
        for _ in range(requests):
            connection.request("GET", work.target)
            response = connection.getresponse()
            if response.status != 200 or not response.read():
                raise http.client.HTTPException(f"port {port}: {response.status}")


def report(bench, rows, workloads, port):
    """Prints limits, start-up, memory, instructions and two cores; adds them to the rows."""
    by_name = {(row["server"], row["workload"]): row for row in rows}
    calls = {}
    for work in workloads:
        mine = by_name.get(("mse", work.name))
        static = by_name.get(("nginx-static", "https-wsgi-c64" if work.tls else "http-wsgi-c64"))
        if mine is None or static is None or work.target != "/" or work.connections != 64:
            continue
        kind = "asgi" if "asgi" in work.name else "wsgi"
        calls[work.app] = calls.get(work.app) or call_us(bench, work.app, kind)
        limit = 1e6 / (static["cpu_us"] + calls[work.app])
        mine["limit_rps"] = round(limit)
        print(f"{work.name:22} limit {limit:8.0f}/s (nginx {static['cpu_us']:.1f} us + the call "
              f"{calls[work.app]:.1f} us): mse reaches {mine['rps'] / limit * 100:.0f} %")
    print()
    for work in workloads:
        mine = by_name.get(("mse", work.name))
        if mine is None or work.connections != 64 or work.target != "/":
            continue
        count = instructions(bench, work, port)
        if count is None:
            print("instructions: left out, no valgrind")
            break
        mine["instructions"] = round(count)
        print(f"{work.name:22} {count:9.0f} instructions a request")
    print()
    _start_and_memory(bench, rows, by_name)
    _two_cores(bench, workloads, calls)


def _start_and_memory(bench, rows, by_name):
    mine = by_name.get(("mse", "https-flask-c64"))
    if mine is None:
        return
    bare = import_ms(bench, "bench_flask:app")
    print(f"start until the first 200, Flask over HTTPS: {mine['start_ms']:.0f} ms; bare CPython that "
          f"imports the app: {bare:.0f} ms; {mine['start_ms'] - bare:+.0f} ms")
    peers = [row for row in rows if row["workload"] == "https-flask-c64" and row["server"] != "mse"]
    if peers:
        lean = min(peers, key=lambda row: row["rss_mib"])
        print(f"memory, Flask over HTTPS: {mine['rss_mib']:.1f} MiB; leanest peer "
              f"({lean['server']}): {lean['rss_mib']:.1f} MiB")


def _two_cores(bench, workloads, calls):
    """TLS and HTTP beside Python: the server may use both cores, the load has to share one."""
    work = next((work for work in workloads if work.name == "https-flask-c64"), None)
    if work is None or work.app not in calls:
        return
    if bench.server_core == bench.client_core:
        print("with a second core: left out, there is one")
        return
    result = bench.run("mse", work, cores=bench.two_cores)
    bound = 1e6 / calls[work.app]
    print(f"with a second core, which the load shares: https-flask-c64 {result['rps']:.0f}/s, "
          f"{result['rps'] / bound * 100:.0f} % of the rate at which Flask can be called "
          f"({bound:.0f}/s)")
