"""Apps of the package index, each made as its own guide says."""
import os
import sqlite3

FOLDER = os.path.join(os.path.expanduser("~"), "packages")
os.makedirs(FOLDER, exist_ok=True)


def pypiserver():
    import pypiserver as package
    with open(os.path.join(FOLDER, "thing-1.0.tar.gz"), "wb") as file:
        file.write(b"not one really" * 100)
    os.utime(file.name, (1e9, 1e9))
    return package.app(roots=[FOLDER])


def datasette():
    from datasette.app import Datasette
    path = os.path.join(FOLDER, "birds.db")
    with sqlite3.connect(path) as data:
        data.execute("CREATE TABLE IF NOT EXISTS birds (id INTEGER PRIMARY KEY, name TEXT)")
        data.execute("INSERT OR REPLACE INTO birds VALUES (1, 'crane'), (2, 'heron')")
    return Datasette([path]).app()


def radicale():
    from radicale import config
    from radicale.app import Application
    configuration = config.load()
    configuration.update({"storage": {"filesystem_folder": os.path.join(FOLDER, "collections")},
                          "auth": {"type": "none"}, "rights": {"type": "authenticated"},
                          "logging": {"level": "warning"}}, "compare")
    return Application(configuration)


def wsgidav():
    from wsgidav.wsgidav_app import WsgiDAVApp
    folder = os.path.join(FOLDER, "dav")
    os.makedirs(folder, exist_ok=True)
    return WsgiDAVApp({"provider_mapping": {"/": folder}, "verbose": 0,
                       "simple_dc": {"user_mapping": {"*": True}}})


def dash():
    from dash import Dash, Input, Output, dcc, html
    made = Dash(__name__, serve_locally=True)
    made.layout = html.Div([dcc.Input(id="in", value="a"), html.Div(id="out")])

    @made.callback(Output("out", "children"), Input("in", "value"))
    def change(value):
        return value.upper()
    return made.server


def __getattr__(name):
    made = {"pypiserver_app": pypiserver, "datasette_app": datasette, "radicale_app": radicale,
            "wsgidav_app": wsgidav, "dash_app": dash}.get(name)
    if made is None:
        raise AttributeError(name)
    return globals().setdefault(name, made())
