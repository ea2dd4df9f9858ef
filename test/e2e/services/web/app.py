"""A guest book: POST writes a line into the database, GET reads them all. Finds the database by name, and waits until it takes connections."""
import os, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import psycopg2

HOST = os.environ.get("DB_HOST", "db")


def connect():
    for _ in range(200):
        try:
            return psycopg2.connect(host=HOST, user="postgres", password=os.environ["POSTGRES_PASSWORD"], connect_timeout=5)
        except psycopg2.OperationalError as error:
            reason = error
            time.sleep(0.05)
    raise reason


def query(text, *values):
    db = connect()
    with db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS guests (n serial, line text)")
        cursor.execute(text, values)
        rows = cursor.fetchall() if cursor.description else []
    db.close()
    return rows


class Page(BaseHTTPRequestHandler):
    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer("".join(line + "\n" for line, in query("SELECT line FROM guests ORDER BY n")))

    def do_POST(self):
        line = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query("INSERT INTO guests (line) VALUES (%s)", line)
        self.answer("written\n")


class Server(ThreadingHTTPServer):
    """Of both families, where there are both."""
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


Server(("::", 8000), Page).serve_forever()
