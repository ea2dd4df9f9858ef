"""Writes numbers, a transaction each, and says `ok N` when the database has acknowledged one. Beside it a second connection has a transaction
open all the time, with a number below zero that must never be seen. Goes on with a new connection where the old one is lost, and says `lost`."""
import os, time
import psycopg2

N = 0


def connect():
    for _ in range(600):
        try:
            return psycopg2.connect(host="db", user="postgres", password=os.environ["POSTGRES_PASSWORD"], connect_timeout=5)
        except psycopg2.OperationalError as error:
            reason = error
            time.sleep(0.05)
    raise reason


def write():
    global N
    writing, held = connect(), connect()
    with writing, writing.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS numbers (n integer)")
    held.cursor().execute("INSERT INTO numbers VALUES (%s)", (-1 - N,))
    while True:
        N += 1
        cursor = writing.cursor()
        cursor.execute("INSERT INTO numbers VALUES (%s)", (N,))
        cursor.execute("INSERT INTO numbers VALUES (%s)", (N,))
        writing.commit()
        print("ok", N, flush=True)


while True:
    try:
        write()
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        print("lost", flush=True)
