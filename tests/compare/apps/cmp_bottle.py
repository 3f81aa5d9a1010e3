"""Bottle: forms, static files with ranges, streams."""
import os

import bottle

app = bottle.Bottle()


@app.route("/hello/<name>")
def hello(name):
    bottle.response.set_cookie("seen", name, secret="for comparing alone")
    return f"hello {name}"


@app.route("/again")
def again():
    return bottle.request.get_cookie("seen", secret="for comparing alone") or "unknown"


@app.post("/upload")
def upload():
    part = bottle.request.files["one"]
    return {"name": part.filename, "bytes": len(part.file.read())}


@app.route("/file")
def file():
    return bottle.static_file(os.path.basename(__file__), root=os.path.dirname(__file__))


@app.route("/stream")
def stream():
    yield "one "
    yield "two"


@app.route("/fails")
def fails():
    return str(1 / 0)
