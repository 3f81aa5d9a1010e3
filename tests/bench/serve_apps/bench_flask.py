"""A small Flask app: hello, an echo of JSON, a body of one MiB."""
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
MIB = b"x" * (1 << 20)


@app.get("/")
def hello():
    return "Hello, world!"


@app.post("/echo")
def echo():
    return jsonify(request.get_json())


@app.get("/mib")
def mib():
    return Response(MIB, mimetype="application/octet-stream")
