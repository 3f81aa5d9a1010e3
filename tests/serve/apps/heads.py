"""Answers with the head that the query asks for, as WSGI and as ASGI: what a head may be, and what
becomes of one that may not be."""
import os
from urllib.parse import parse_qs


def wanted(query):
    values = {name: value[0] for name, value in parse_qs(query).items()}
    headers = [("X-Long", "v" * int(values["value"]))] if "value" in values else []
    headers += [(f"X-Field-{i}", "v") for i in range(int(values.get("fields", 0)))]
    return int(values.get("status", 200)), values.get("reason", "Some Reason"), headers


def wsgi(environ, start_response):
    status, reason, headers = wanted(environ["QUERY_STRING"])
    start_response(f"{status} {reason}", headers)
    if "parts" in environ["PATH_INFO"]:
        return iter([b"an", b"swer"])
    return [b"answer"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    status, _, headers = wanted(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in headers]})
    if "parts" in scope["path"]:
        await send({"type": "http.response.body", "body": b"an", "more_body": True})
        await send({"type": "http.response.body", "body": b"swer"})
    else:
        await send({"type": "http.response.body", "body": b"answer"})


def where(environ, start_response):
    start_response("200 OK", [])
    return [f"{os.environ['PWD']} {os.getcwd()}".encode()]
