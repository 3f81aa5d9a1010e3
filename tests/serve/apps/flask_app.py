"""A Flask app that uses what apps use: JSON, forms, uploads, streaming, files, errors, sessions."""
import os

from flask import Flask, Response, abort, jsonify, request, send_file, session

app = Flask(__name__)
app.secret_key = "for the test"


@app.get("/")
def hello():
    return "Hello, world!"


@app.post("/echo")
def echo():
    return jsonify(request.get_json())


@app.post("/upload")
def upload():
    part = request.files["file"]
    data = part.read()
    return jsonify(name=part.filename, size=len(data), field=request.form["field"])


@app.get("/stream")
def stream():
    return Response((f"line {i}\n" for i in range(5)), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(os.path.abspath(__file__), mimetype="text/x-python")


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/missing")
def missing():
    abort(404)


@app.get("/boom")
def boom():
    raise RuntimeError("as planned")


@app.get("/path/<path:rest>")
def path(rest):
    return jsonify(rest=rest, query=request.args.getlist("q"), url=request.url)
