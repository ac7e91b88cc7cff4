-- The ledger's tables. Run once, in one transaction, as itm_owner.
-- Promise: a ledger is append-only; an event's place in it is a leaf; a leaf is never without its event.
-- Checkpoints, tiles and keys will hang on ledger(id) and leaf(ledger_id, seq): nothing here changes for them.

CREATE SCHEMA audit;
COMMENT ON SCHEMA audit IS 'The append-only, hash-chained ledger. Nobody but its own functions writes here.';

CREATE TABLE audit.deployment (
    name text NOT NULL CHECK (name ~ '^[a-z0-9.-]+$'),
    singular boolean PRIMARY KEY DEFAULT true CHECK (singular)
);
COMMENT ON TABLE audit.deployment IS 'One row: the random name that sets this installation''s origins apart from every other''s.';
INSERT INTO audit.deployment (name)
VALUES ('itm-' || pg_catalog.substr(pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''), 1, 12));

-- One hot row per ledger: room on the page, and no index on what moves, keep its updates heap-only. Neither here nor on
-- event are there CHECKs: each is parsed again by every statement. See audit.begin, and audit.write, which alone writes events.
CREATE TABLE audit.ledger (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    holder uuid NOT NULL,
    code text NOT NULL,
    generation integer NOT NULL DEFAULT 1,
    origin text NOT NULL UNIQUE,
    presidency boolean NOT NULL DEFAULT false,
    size bigint NOT NULL DEFAULT 0,
    head bytea NOT NULL DEFAULT pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'),
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    opened_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    closed_at timestamptz
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX ledger_open ON audit.ledger (holder) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX ledger_presidency ON audit.ledger (presidency) WHERE presidency AND closed_at IS NULL;
COMMENT ON COLUMN audit.ledger.holder IS 'The institution; the panel''s id, without a foreign key: the ledger outlives it.';
COMMENT ON COLUMN audit.ledger.origin IS '<deployment>/ledger/<code>/<generation>, part of every frame.';
COMMENT ON COLUMN audit.ledger.head IS 'Hash of the last leaf; 32 zero bytes while the ledger is empty.';

-- No foreign key to ledger: each event would lock the hot row. The seal finds the head or raises.
CREATE TABLE audit.event (
    id uuid PRIMARY KEY,
    ledger_id uuid NOT NULL,
    salt bytea NOT NULL,
    content text NOT NULL,
    at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    via text NOT NULL,
    actor_id text,
    actor_name text,
    actor_institution text,
    actor_role text,
    target_kind text,
    target_id text COLLATE "C",
    target_holder uuid,
    subjects text[] NOT NULL DEFAULT '{}',
    purpose text,
    request_id text
);
-- "via" keeps the many looks at a record out of the way of the question what its last change was.
CREATE INDEX event_target ON audit.event (target_id, target_kind, via) WHERE target_id IS NOT NULL;
CREATE INDEX event_actor ON audit.event (actor_id, at) WHERE actor_id IS NOT NULL;
-- Few different values, so it stays small. The refusals and failures among millions of successes have their own.
CREATE INDEX event_action ON audit.event (ledger_id, action);
CREATE INDEX event_outcome ON audit.event (ledger_id) WHERE outcome <> 'success';
CREATE INDEX event_subjects ON audit.event USING gin (subjects) WHERE subjects <> '{}';
COMMENT ON COLUMN audit.event.content IS 'The JSON text whose exact characters are committed to. All columns after it repeat it for searching.';
COMMENT ON COLUMN audit.event.salt IS 'Destroyed with the content, so that a purged content cannot be guessed from its commitment.';

CREATE TABLE audit.leaf (
    ledger_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    recorded_at text COLLATE "C" NOT NULL,
    prev bytea NOT NULL,
    commitment bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (ledger_id, seq)
);
CREATE INDEX leaf_recorded ON audit.leaf (recorded_at, ledger_id, seq);
COMMENT ON COLUMN audit.leaf.recorded_at IS 'UTC, six fraction digits, Z: the characters of the frame. Never before the predecessor''s.';
COMMENT ON COLUMN audit.leaf.commitment IS 'SHA-256(salt || content).';
COMMENT ON COLUMN audit.leaf.hash IS 'SHA-256(0x00 || frame): link of the chain and RFC 6962 leaf hash in one.';

CREATE TABLE audit.verification (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger_id uuid,
    origin text NOT NULL,
    level text NOT NULL CHECK (level IN ('incremental', 'sample', 'full')),
    started timestamptz NOT NULL,
    seconds double precision NOT NULL,
    first_seq bigint NOT NULL,
    checked bigint NOT NULL,
    next_seq bigint NOT NULL,
    size bigint NOT NULL,
    head bytea,
    verdict text NOT NULL CHECK (verdict IN ('intact', 'tampered', 'cannot tell')),
    assurance text NOT NULL CHECK (assurance IN ('unsigned', 'self-attested', 'witnessed')),
    first_broken bigint,
    findings jsonb NOT NULL DEFAULT '[]',
    ranges jsonb NOT NULL DEFAULT '[]',
    since timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    recorded_by text NOT NULL DEFAULT session_user,
    CHECK (verdict <> 'intact' OR (first_broken IS NULL AND head IS NOT NULL))
);
CREATE INDEX verification_latest ON audit.verification (ledger_id, id DESC);
CREATE INDEX verification_anchor ON audit.verification (ledger_id, size) WHERE verdict = 'intact';
COMMENT ON COLUMN audit.verification.first_seq IS 'Where reading began.';
COMMENT ON COLUMN audit.verification.checked IS 'How many entries were read: from first_seq on, and those after the last intact run.';
COMMENT ON COLUMN audit.verification.ranges IS '[[first, end], …]: what was read; entries before the first one were read since "since", by runs that were stopped.';
COMMENT ON COLUMN audit.verification.next_seq IS 'Where the next incremental run begins to read older entries again.';

CREATE TABLE audit.action (
    code text PRIMARY KEY,
    by text[] NOT NULL
);
COMMENT ON COLUMN audit.action.by IS 'Who may write it: trigger, or the login role that may append it. Empty: nothing may, yet.';
INSERT INTO audit.action (code, by) VALUES
    ('record.create', '{trigger}'), ('record.update', '{trigger}'), ('record.delete', '{trigger}'),
    ('record.restore', '{trigger}'), ('record.close', '{trigger}'),
    ('account.change', '{trigger}'), ('role.change', '{trigger}'),
    ('record.assign', '{trigger,itm_app}'),
    ('auth.login', '{itm_app}'), ('auth.logout', '{itm_app}'),
    ('record.list', '{itm_app}'), ('record.search', '{itm_app}'), ('record.read', '{itm_app}'),
    ('record.reveal', '{itm_app}'), ('record.approve', '{itm_app}'), ('record.import', '{itm_app}'),
    ('record.export', '{itm_app}'), ('record.print', '{itm_app}'), ('attachment.download', '{itm_app}'),
    ('referral.send', '{itm_app}'), ('referral.answer', '{itm_app}'),
    ('consent.give', '{itm_app}'), ('consent.withdraw', '{itm_app}'),
    ('access.break_glass', '{itm_app}'), ('person.erase', '{itm_app}'),
    ('ledger.export', '{itm_app,itm_signer}'), ('alert.acknowledge', '{itm_app,itm_signer}'),
    ('alert.raise', '{itm_app,itm_signer,itm_owner}'), ('job.run', '{itm_app,itm_signer,itm_owner}'),
    ('ledger.verify', '{itm_signer}'),
    ('ledger.checkpoint', '{}'), ('ledger.key', '{}'), ('ledger.open', '{}'), ('ledger.purge', '{}');

CREATE TABLE audit.watched (
    relation text NOT NULL,
    kind text NOT NULL,
    shape integer NOT NULL CHECK (shape > 0),
    holder text,
    key text[] NOT NULL,
    columns text[] NOT NULL,
    private text[] NOT NULL,
    ignored text[] NOT NULL,
    action text REFERENCES audit.action,
    watched_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (relation, shape)
);
COMMENT ON TABLE audit.watched IS 'Every shape that a row state was ever digested in; the highest of a relation is in force.';
COMMENT ON COLUMN audit.watched.columns IS 'Covered columns, in the order in which they enter the digest.';
