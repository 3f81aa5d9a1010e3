"""A Flask app that knows nothing of enclaves."""
import json
import os
import sqlite3
from pathlib import Path

from flask import Flask, jsonify, request

app = Flask(__name__)
DATABASE = Path.home() / "visits.db"


def count_visit() -> int:
    with sqlite3.connect(DATABASE) as db:
        db.execute("CREATE TABLE IF NOT EXISTS visits (at TEXT DEFAULT CURRENT_TIMESTAMP)")
        db.execute("INSERT INTO visits DEFAULT VALUES")
        return db.execute("SELECT count(*) FROM visits").fetchone()[0]


@app.get("/whoami")
def whoami():
    return jsonify(name="whoami", visits=count_visit())


@app.get("/secret")
def secret():
    """Shows that the secret arrived, not what it is."""
    secrets = json.loads(Path(os.environ["SECRETS_PATH"]).read_text())
    return jsonify(keys=sorted(secrets), length=len(secrets.get("login_password", "")))


@app.post("/echo")
def echo():
    return jsonify(received=request.get_json())
