"""Cases for delivery/rules/python.yml: a line after `# bad: RULE` has to be found, no other; that
after `# good: RULE` is what one writes instead."""

# flake8: noqa
# mypy: ignore-errors

import http.client
import os
import pickle
import random
import secrets
import shutil
import smtplib
import socket
import ssl
import subprocess
import tarfile
import tempfile
import urllib.request
import uuid

import joblib
import markupsafe
import numpy
import pandas
import requests
import urllib3
import yaml
from dash import dcc


def sql(cursor, name, sql_of):
    # bad: sql-by-formatting
    cursor.execute(f"SELECT * FROM bars WHERE code = '{name}'")
    # bad: sql-by-formatting
    cursor.execute("SELECT * FROM bars WHERE code = '%s'" % name)
    # bad: sql-by-formatting
    cursor.execute("SELECT * FROM bars WHERE code = '{}'".format(name))
    # bad: sql-by-formatting
    cursor.executemany("SELECT * FROM bars WHERE code = '" + name, [])
    # good: sql-by-formatting
    cursor.execute("SELECT * FROM bars WHERE code = %s", (name,))
    cursor.execute("SELECT 1")
    cursor.execute(sql_of.SQL("SELECT * FROM {}").format(sql_of.Identifier(name)))
    name.execute_order(f"{name}")


def sql_by_name(cursor, name):
    # bad: sql-by-formatting
    statement = f"SELECT * FROM bars WHERE code = '{name}'"
    cursor.execute(statement)


def waiting(url, pool):
    # bad: request-without-timeout
    requests.get(url)
    # bad: request-without-timeout
    urllib.request.urlopen(url)
    # bad: request-without-timeout
    http.client.HTTPSConnection("x")
    # bad: request-without-timeout
    smtplib.SMTP("x")
    # bad: request-without-timeout
    socket.create_connection(("x", 25))
    # bad: request-without-timeout
    pool.request("GET", url)
    # good: request-without-timeout
    requests.get(url, timeout=5)
    urllib.request.urlopen(url, timeout=5)
    http.client.HTTPSConnection("x", timeout=5)
    smtplib.SMTP("x", timeout=5)
    socket.create_connection(("x", 25), timeout=5)
    pool.request("GET", url, timeout=5)
    requests.Session()
    with urllib3.PoolManager(timeout=5) as own_pool:
        own_pool.request("GET", url)


def shell(name):
    # bad: subprocess-shell
    subprocess.run(f"ls {name}", shell=True)
    # bad: subprocess-shell
    os.system("ls")
    # bad: subprocess-shell
    os.popen("ls")
    # good: subprocess-shell
    subprocess.run(["ls", name], check=True)
    subprocess.run(["ls", name], shell=False)


def run_text(text, frame):
    # bad: code-from-text
    eval(text)
    # bad: code-from-text
    exec(text)
    # bad: code-from-text
    frame.eval(text)
    # good: code-from-text
    frame.evaluate(text)


def load(stream, raw):
    # bad: objects-from-bytes
    pickle.loads(raw)
    # bad: objects-from-bytes
    joblib.load(stream)
    # bad: objects-from-bytes
    pandas.read_pickle(stream)
    # bad: objects-from-bytes
    numpy.load(stream, allow_pickle=True)
    # bad: objects-from-bytes
    yaml.load(stream, Loader=yaml.Loader)
    # bad: objects-from-bytes
    yaml.unsafe_load(stream)
    # good: objects-from-bytes
    yaml.safe_load(stream)
    yaml.load(stream, Loader=yaml.SafeLoader)
    numpy.load(stream)
    pickle.dumps(raw)


def tls(url, context):
    # bad: tls-unverified
    requests.get(url, verify=False, timeout=5)
    # bad: tls-unverified
    urllib3.PoolManager(cert_reqs="CERT_NONE")
    # bad: tls-unverified
    context.check_hostname = False
    # bad: tls-unverified
    context.verify_mode = ssl.CERT_NONE
    # bad: tls-unverified
    ssl._create_unverified_context()
    # good: tls-unverified
    requests.get(url, verify="/etc/ssl/authority.pem", timeout=5)
    context.verify_mode = ssl.CERT_REQUIRED


def html(name):
    # bad: html-from-text
    dcc.Markdown(name, dangerously_allow_html=True)
    # bad: html-from-text
    markupsafe.Markup(f"<b>{name}</b>")
    # good: html-from-text
    dcc.Markdown(name)
    markupsafe.Markup("<b>{}</b>").format(name)


def callbacks(app, callback, guarded, Output, Input):
    # bad: callback-unguarded
    @app.callback(Output("a", "children"), Input("b", "value"))
    def open_to_everybody(value):
        return value

    # bad: callback-unguarded
    @callback(Output("a", "children"), Input("b", "value"))
    def open_by_the_global_name(value):
        return value

    # bad: callback-unguarded
    app.callback(Output("a", "children"), Input("b", "value"))(open_to_everybody)

    # good: callback-unguarded
    @app.callback(Output("a", "children"), Input("b", "value"))
    @guarded("can_view_all_data")
    def open_to_some(value):
        return value

    app.callback(Output("a", "children"))(guarded("can_view_all_data")(open_to_some))
    app.clientside_callback("f", Output("a", "children"), Input("b", "value"))


def logs(log, password, settings, tokens):
    # bad: secret-in-log
    print(password)
    # bad: secret-in-log
    print(f"connecting with {password}")
    # bad: secret-in-log
    log.info("connecting to %s", settings.database_url)
    # bad: secret-in-log
    log.error("at %s", settings.redis_url.get_secret_value())
    # bad: secret-in-log
    log.warning(f"webhook {settings.webhook} refused")
    print("password")
    print(f"{len(password)} characters")
    log.info("%d tokens", tokens)
    # good: secret-in-log
    log.info("the password was refused")


def sources():
    # bad: secret-in-source
    db_password = "correct-horse"
    # bad: secret-in-source
    API_KEY = "sk-1234567890"
    # good: secret-in-source
    password = os.environ["PASSWORD"]
    api_key = ""
    password_field = "login-password"
    return db_password, API_KEY, password, api_key, password_field


def tokens():
    # bad: guessable-token
    session_token = random.getrandbits(128)
    # bad: guessable-token
    reset_token = str(uuid.uuid1())
    # good: guessable-token
    good_token = secrets.token_urlsafe()
    pause = random.random()
    return session_token, reset_token, good_token, pause


def compare(given, signature, request):
    # bad: secret-compared-by-equality
    if signature == given:
        return True
    # bad: secret-compared-by-equality
    if request.token != given:
        return False
    # good: secret-compared-by-equality
    return request.token == "" or secrets.compare_digest(signature, given)


def unpack(path, folder):
    with tarfile.open(path) as archive:
        # bad: archive-unpacked-anywhere
        archive.extractall(folder)
        # good: archive-unpacked-anywhere
        archive.extractall(folder, filter="data")
    # bad: archive-unpacked-anywhere
    shutil.unpack_archive(path, folder)


def files():
    # bad: file-name-others-can-take
    name = tempfile.mktemp()
    # bad: file-name-others-can-take
    open("/tmp/bars.csv", "w")
    # good: file-name-others-can-take
    with tempfile.TemporaryDirectory() as folder:
        return name, folder


def serve(app, settings):
    # bad: debugger-on
    app.run(debug=True)
    # bad: debugger-on
    breakpoint()
    # good: debugger-on
    app.run(debug=settings.debug)
    if settings.debug:
        app.enable_dev_tools(debug=True)
