"""gevent in an app of threads: patched, and its own pool."""
from gevent import monkey
monkey.patch_all()

import time

import gevent
import gevent.pool
from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def index():
    begun = time.monotonic()
    pool = gevent.pool.Pool(10)
    numbers = pool.map(lambda n: time.sleep(0.1) or n * n, range(10))
    return jsonify(numbers, time.monotonic() - begun < 0.8)


@app.get("/spawn")
def spawn():
    return jsonify(gevent.spawn(sum, [1, 2, 3]).get(timeout=5))
