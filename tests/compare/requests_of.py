# SPDX-License-Identifier: Apache-2.0
"""What `compare` asks each app for: a list of requests in their order, which share one cookie jar."""
import collections

Request = collections.namedtuple("Request", "method target headers body chunked")
Socket = collections.namedtuple("Socket", "target messages headers greetings")
App = collections.namedtuple("App", "name what application kind requests")

BOUNDARY = "----compare"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
DEPTH = {"Depth": "1", "Content-Type": "application/xml"}
FIND = (b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop><D:displayname/>'
        b'<D:resourcetype/></D:prop></D:propfind>')
EVENT = (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//compare//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n"
         b"DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T100000Z\r\nSUMMARY:one\r\nEND:VEVENT\r\n"
         b"END:VCALENDAR\r\n")


def get(target, **headers):
    return Request("GET", target, {name.replace("_", "-"): value for name, value in headers.items()},
                   None, False)


def send(method, target, body=b"", headers=None, chunked=False):
    return Request(method, target, headers or {}, body, chunked)


def form(target, text):
    return send("POST", target, text.encode(), FORM)


def upload(target, size=300_000):
    head = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="one"; filename="a b.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n").encode()
    return send("POST", target, head + bytes(range(256)) * (size // 256) + f"\r\n--{BOUNDARY}--\r\n".encode(),
                {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def ranges(target):
    return [get(target), send("HEAD", target), get(target, Range="bytes=0-9"),
            get(target, Range="bytes=-5"), get(target, Range="bytes=999999-"),
            get(target, If_Modified_Since="Thu, 01 Jan 2099 00:00:00 GMT")]


def socket(target, *messages, greetings=0, **headers):
    return Socket(target, messages,
                  {name.replace("_", "-"): value for name, value in headers.items()}, greetings)


DAV_METHODS = [send(method, "/a/b", body, DEPTH) for method, body in
               [("PROPFIND", FIND), ("PROPPATCH", b"<x/>"), ("MKCOL", b""), ("COPY", b""),
                ("MOVE", b""), ("LOCK", b"<x/>"), ("UNLOCK", b""), ("REPORT", b"<x/>"),
                ("SEARCH", b"<x/>"), ("MKCALENDAR", b""), ("ACL", b"<x/>"), ("PURGE", b""),
                ("QUERY", b"{}"), ("OPTIONS", b""), ("TRACE", b""), ("LINK", b"")]]

DJANGO = [get("/inside"), get("/enter"), get("/inside"), upload("/upload"), *ranges("/file"),
          get("/stream"), get("/long", Accept_Encoding="gzip"), get("/fails"), get("/none"),
          get("/slowly")]
FALCON = [get("/things/one?a=1&b=%20"), send("PUT", "/things/one", b'{"a": 1}', JSON),
          send("DELETE", "/things/one"), send("OPTIONS", "/things/one"), get("/nothing"),
          send("PUT", "/things/one", b"{", JSON)]

APPS = [
    App("wsgi", "bare WSGI", "cmp_wsgi:app", "wsgi", [
        get("/a%20b/%C3%A9?x=%20&y"), get("//double//x"), get("/"), send("POST", "/", b"12345"),
        send("POST", "/", b"x" * 200_000, chunked=True), send("PUT", "/", b"", {"X-Two": "a, b"}),
        get("/", X_Under_Score="1"), send("POST", "/lines", b"one\ntwo\nthree\nfour"),
        get("/status?201+Made+Here"), get("/status?299+Odd"), get("/status?404+Not+Found"),
        get("/status?304+Not+Modified"), get("/write"), get("/twice"), get("/late"), get("/none"),
        get("/pieces"), get("/broken"), get("/fails"), *ranges("/file")[:2], get("/headers"),
        send("HEAD", "/pieces"), send("OPTIONS", "*")]),
    App("dav", "methods of WebDAV and others", "cmp_dav:app", "wsgi", DAV_METHODS),
    App("flask", "Flask, Flask-Login, SQLite, a thread", "cmp_flask:app", "wsgi", [
        get("/inside"), form("/enter?next=/inside", "password=no"),
        form("/enter?next=/inside", "password=open"), get("/inside"), get("/inside"),
        upload("/upload"), send("PUT", "/raw", b"x" * 100_000, chunked=True),
        send("PATCH", "/raw", b"{}", JSON), *ranges("/download"), get("/stream?name=n"),
        get("/events"), get("/job/21"), get("/count/home"), get("/count/home"),
        get("/count/beside"), get("/error/418"), get("/error/404"), get("/fails"), get("/nothing"),
        send("DELETE", "/inside"), send("OPTIONS", "/inside"),
        get("/where?q=%20", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https")]),
    App("gevent", "Flask patched by gevent", "cmp_gevent:app", "gevent", [get("/"), get("/spawn")]),
    App("django", "Django, WSGI", "cmp_django:app", "wsgi", DJANGO),
    App("django-asgi", "Django, ASGI", "cmp_django:asgi", "asgi", DJANGO + [get("/later")]),
    App("bottle", "Bottle", "cmp_bottle:app", "wsgi", [
        get("/hello/you"), get("/again"), upload("/upload"), *ranges("/file"), get("/stream"),
        get("/fails"), get("/nothing")]),
    App("falcon", "Falcon, WSGI", "cmp_falcon:app", "wsgi", FALCON),
    App("falcon-asgi", "Falcon, ASGI", "cmp_falcon:asgi", "asgi",
        FALCON + [socket("/things/one", "1", "2")]),
    App("starlette", "Starlette, the ASGI scope", "cmp_starlette:app", "asgi", [
        get("/scope/a%20b/%C3%A9?x=%20&y"), send("POST", "/scope", b"12"), send("PURGE", "/scope"),
        send("QUERY", "/scope", b"{}"), get("/scope", X_Under_Score="1", Cookie="a=1; b=2"),
        send("POST", "/size", b"x" * 300_000), send("POST", "/size", b"x" * 99_999, chunked=True),
        *ranges("/file"), *ranges("/static/cmp_flask.py"), get("/static/../x"), get("/static/"),
        socket("/binary", b"abc", bytes(70_000)), socket("/refuse"), socket("/nothing")]),
    App("fastapi", "FastAPI, background tasks, SQLite", "cmp_fastapi:app", "asgi", [
        get("/inside"), form("/login", "name=one"), get("/inside"), upload("/upload"),
        *ranges("/download"), get("/stream"), get("/events"), get("/task"), get("/done"),
        get("/count"), get("/count"), get("/items/1?wanted=x"), get("/items/x"), get("/fails"),
        get("/openapi.json"), get("/openapi.json", Accept_Encoding="gzip"), get("/docs"),
        socket("/socket", "one", "two \u00e9", "close"), socket("/closed"),
        socket("/socket", "one", Sec_WebSocket_Protocol="chat, other")]),
    App("quart", "Quart", "cmp_quart:app", "asgi", [
        form("/login", "name=one"), get("/inside"), upload("/upload"), *ranges("/file"),
        get("/events"), get("/task"), get("/fails"), socket("/socket", "one", "two")]),
    App("litestar", "Litestar", "cmp_litestar:app", "asgi", [
        get("/items/1?wanted=x"), get("/items/x"), upload("/upload"), *ranges("/file"),
        get("/stream"), get("/fails"), get("/schema/openapi.json"), socket("/socket", "one")]),
    App("socketio", "python-socketio", "cmp_socketio:app", "asgi", [
        get("/socket.io/?transport=polling"), get("/socket.io/?EIO=4&transport=polling&sid=no"),
        socket("/socket.io/?EIO=4&transport=websocket", "40", '421["ask","one"]',
               greetings=1)]),
    App("pypiserver", "pypiserver", "cmp_packages:pypiserver_app", "wsgi", [
        get("/"), get("/simple/"), get("/simple/thing/"), get("/packages/"), get("/simple/no"),
        *ranges("/packages/thing-1.0.tar.gz"), get("/thing/json"), form("/", ":action=verify"),
        send("POST", "/RPC2", b"<?xml version='1.0'?><methodCall><methodName>search</methodName>"
             b"</methodCall>", {"Content-Type": "text/xml"})]),
    App("datasette", "Datasette", "cmp_packages:datasette_app", "asgi", [
        get("/"), get("/-/versions.json"), get("/birds"), get("/birds/birds"), get("/birds/birds/1"),
        get("/birds/birds.json?_shape=array"), get("/birds/birds.csv"), get("/birds/birds.csv?_stream=1"),
        get("/birds/nothing"), get("/birds.json?sql=select+1"), get("/-/static/app.css"),
        get("/-/permissions"), send("POST", "/-/logout"), get("/birds.db")]),
    App("radicale", "Radicale", "cmp_packages:radicale_app", "wsgi", [
        get("/"), get("/.web/"), send("OPTIONS", "/one/"), send("PROPFIND", "/one/", FIND, DEPTH),
        send("MKCALENDAR", "/one/cal/"), send("PUT", "/one/cal/one.ics", EVENT, {"Content-Type": "text/calendar"}),
        get("/one/cal/one.ics"), get("/one/cal/"), send("PROPFIND", "/one/cal/", FIND, DEPTH),
        send("REPORT", "/one/cal/", b'<?xml version="1.0"?><C:calendar-query xmlns:D="DAV:" '
             b'xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop></C:calendar-query>', DEPTH),
        send("MOVE", "/one/cal/one.ics", b"", {"Destination": "/one/cal/two.ics"}),
        send("DELETE", "/one/cal/two.ics"), get("/one/cal/two.ics")]),
    App("wsgidav", "WsgiDAV", "cmp_packages:wsgidav_app", "wsgi", [
        get("/"), send("OPTIONS", "/"), send("MKCOL", "/folder"),
        send("PUT", "/folder/one.txt", b"one " * 1000),
        send("PUT", "/folder/two.txt", b"two " * 50_000, chunked=True),
        *ranges("/folder/one.txt")[:5], send("PROPFIND", "/folder", FIND, DEPTH),
        send("COPY", "/folder/one.txt", b"", {"Destination": "/folder/three.txt"}),
        send("MOVE", "/folder/two.txt", b"", {"Destination": "/folder/four.txt"}),
        send("LOCK", "/folder/one.txt", b'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
             b"<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>"),
        send("PUT", "/folder/one.txt", b"locked"), send("DELETE", "/folder"), get("/folder")]),
    App("dash", "Dash", "cmp_packages:dash_app", "wsgi", [
        get("/"), get("/_dash-layout"), get("/_dash-dependencies"),
        send("POST", "/_dash-update-component",
             b'{"output":"out.children","outputs":{"id":"out","property":"children"},"inputs":'
             b'[{"id":"in","property":"value","value":"abc"}],"changedPropIds":["in.value"]}', JSON),
        get("/_favicon.ico"), get("/nothing")]),
]
