"""Flask: login, upload, download, ranges, streaming, server-sent events, threads, SQLite."""
import os
import queue
import sqlite3
import threading
import time

from flask import (Flask, Response, abort, g, jsonify, redirect, request, send_file, session,
                   stream_with_context, url_for)
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.secret_key = "for comparing alone"
app.wsgi_app = ProxyFix(app.wsgi_app)
login = LoginManager(app)
login.login_view = "enter"
jobs = queue.Queue()
done = []


def work():
    while True:
        done.append(jobs.get() * 2)
        jobs.task_done()


threading.Thread(target=work, daemon=True).start()


class User(UserMixin):
    id = "1"


@login.user_loader
def load(_):
    return User()


@app.route("/enter", methods=["GET", "POST"])
def enter():
    if request.method == "POST" and request.form["password"] == "open":
        login_user(User(), remember=True)
        return redirect(request.args.get("next") or url_for("inside"))
    return "a form", 401


@app.get("/inside")
@login_required
def inside():
    session["seen"] = session.get("seen", 0) + 1
    return {"user": current_user.id, "seen": session["seen"]}


@app.post("/upload")
def upload():
    return {name: [part.filename, part.mimetype, len(part.read())]
            for name, part in request.files.items()} | request.form.to_dict()


@app.route("/raw", methods=["POST", "PUT", "PATCH"])
def raw():
    return jsonify(len(request.get_data()), request.mimetype, request.content_length is None)


@app.get("/download")
def download():
    return send_file(__file__, as_attachment=True, conditional=True)


@app.get("/stream")
def stream():
    @stream_with_context
    def pieces():
        for number in range(3):
            yield f"{request.args['name']} {number}\n"
            time.sleep(0.2)
    return Response(pieces(), mimetype="text/plain")


@app.get("/events")
def events():
    return Response((f"id: {n}\ndata: {n}\n\n" for n in range(3)), mimetype="text/event-stream")


@app.get("/job/<int:number>")
def job(number):
    jobs.put(number)
    jobs.join()
    return jsonify(done[-1])


@app.get("/count/<place>")
def count(place):
    folder = {"home": os.path.expanduser("~"), "beside": os.path.dirname(__file__)}[place]
    with sqlite3.connect(os.path.join(folder, "count.db")) as data:
        data.execute("PRAGMA journal_mode=WAL")
        data.execute("CREATE TABLE IF NOT EXISTS seen (at INTEGER)")
        data.execute("INSERT INTO seen VALUES (1)")
        return jsonify(data.execute("SELECT count(*) FROM seen").fetchone()[0])


@app.get("/error/<int:status>")
def error(status):
    abort(status)


@app.get("/fails")
def fails():
    return str(1 / 0)


@app.before_request
def before():
    g.began = True


@app.after_request
def after(response):
    response.headers["X-Began"] = str(g.began)
    return response


@app.get("/where")
def where():
    return jsonify(request.path, request.query_string.decode(), request.scheme, request.is_secure,
                   request.headers.get("X-Forwarded-For"), request.remote_addr,
                   request.environ.get("wsgi.multithread"))
