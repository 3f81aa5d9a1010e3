"""Bare WSGI (PEP 3333): what the server itself says and takes."""
import json
import time


def environ_of(environ):
    kept = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE",
            "CONTENT_LENGTH", "SERVER_PROTOCOL", "wsgi.version", "wsgi.url_scheme",
            "wsgi.run_once", "wsgi.input_terminated")
    seen = {name: environ.get(name) for name in kept}
    seen.update((name, value) for name, value in environ.items() if name.startswith("HTTP_"))
    seen["HTTP_HOST"] = "set" if environ.get("HTTP_HOST") else None
    return seen


def pieces():
    for number in range(3):
        yield b"piece %d\n" % number
        time.sleep(0.2)


def broken():
    yield b"the beginning\n"
    raise RuntimeError("in the middle")


def answer(environ, start):
    path = environ["PATH_INFO"]
    if path == "/status":
        start(environ["QUERY_STRING"].replace("+", " "), [("Content-Length", "0")])
        return []
    if path == "/write":
        write = start("200 OK", [("Content-Type", "text/plain")])
        write(b"written, ")
        return [b"returned"]
    if path == "/twice":
        start("200 OK", [("X-First", "1")])
        try:
            raise ValueError("once more")
        except ValueError:
            import sys
            start("500 Once More", [("X-Second", "1")], sys.exc_info())
        return [b"second"]
    if path == "/late":
        def late():
            start("201 Created", [("X-Late", "1")])
            yield b"late"
        return late()
    if path == "/none":
        start("204 No Content", [])
        return []
    if path == "/pieces":
        start("200 OK", [("Content-Type", "text/plain")])
        return pieces()
    if path == "/broken":
        start("200 OK", [("Content-Type", "text/plain")])
        return broken()
    if path == "/fails":
        raise RuntimeError("before it answered")
    if path == "/file":
        start("200 OK", [("Content-Type", "text/x-python")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"), 512)
    if path == "/lines":
        start("200 OK", [("Content-Type", "application/json")])
        source = environ["wsgi.input"]
        return [json.dumps([source.readline().decode(), source.read(3).decode(),
                            [line.decode() for line in source]]).encode()]
    if path == "/headers":
        start("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"),
                         ("X-Latin", "caf\xe9"), ("X-Empty", "")])
        return [b""]
    start("200 OK", [("Content-Type", "application/json")])
    body = environ["wsgi.input"].read()
    return [json.dumps([environ_of(environ), len(body), sum(body)], sort_keys=True).encode()]


app = answer
