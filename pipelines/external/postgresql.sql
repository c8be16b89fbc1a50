-- What pipelines/external/postgresql.yaml reads. Of these four Ann alone may have the newsletter.
CREATE TABLE customers (id integer PRIMARY KEY, mail text, first_name text, country text, revenue numeric(10, 2), deleted boolean NOT NULL DEFAULT false);
INSERT INTO customers VALUES
  (1, 'Ann@Example.com', 'Ann', 'DE', 120.50, false),
  (2, 'bob@example.com', 'Bob', 'DE', 80.00, false),   -- took his consent back
  (3, 'cleo@example.com', 'Cleo', 'DE', 20.00, false), -- bought too little
  (4, 'dan@example.com', 'Dan', 'DE', 500.00, true);   -- deleted
CREATE TABLE consent (mail text NOT NULL, newsletter boolean NOT NULL, decided_at timestamptz NOT NULL);
INSERT INTO consent
SELECT mail, true, now() - interval '30 days' FROM (VALUES ('ann@example.com'), ('bob@example.com'), ('cleo@example.com'), ('dan@example.com')) AS m(mail)
UNION ALL SELECT 'bob@example.com', false, now() - interval '3 days';
