"""The least that Python can do: a WSGI function that sends the JSON of one prepared query. It checks nobody."""

import os

import orjson
import psycopg

_CUSTOMER = "id, name, email, phone, company, status, tags, custom_fields, created_by, created_at, updated_at"
_PAGE = f"(SELECT {_CUSTOMER} FROM customers ORDER BY created_at DESC, id DESC LIMIT 50) page"

QUERIES = {
    "list": f"SELECT json_agg(page)::text FROM {_PAGE}",
    "count": "SELECT json_build_object('results', json_agg(page), 'count', (SELECT count(*) FROM customers))::text "
    f"FROM {_PAGE}",
    "get": f"SELECT row_to_json(c)::text FROM (SELECT {_CUSTOMER} FROM customers WHERE id = %s) c",
    "search": "SELECT coalesce(json_agg(page), '[]')::text FROM "
    f"(SELECT {_CUSTOMER} FROM customers WHERE name ILIKE %s ORDER BY created_at DESC, id DESC LIMIT 50) page",
    "report": "SELECT json_agg(page)::text FROM (SELECT * FROM revenue ORDER BY month DESC LIMIT 50) page",
    "aggregate": "SELECT json_agg(page)::text FROM "
    "(SELECT stage, count(*), sum(value) FROM deals GROUP BY stage ORDER BY stage) page",
    "create": "INSERT INTO customers (name, email, company, status) VALUES (%s, %s, %s, 'lead') "
    "RETURNING row_to_json(customers)::text",
    "update": "UPDATE customers SET phone = %s, updated_at = now() WHERE id = %s "
    "RETURNING row_to_json(customers)::text",
}

_connection = None


def application(environ, start_response):
    global _connection
    if _connection is None:
        _connection = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True)
    name, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    parameters = [argument] if argument else []
    if name == "search":
        parameters = [f"{argument}%"]
    if name in ("create", "update"):
        body = orjson.loads(environ["wsgi.input"].read())
        parameters = [*body.values(), *parameters]
    row = _connection.execute(QUERIES[name], parameters, prepare=True).fetchone()
    answer = row[0].encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
