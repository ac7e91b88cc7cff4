-- Who may do what. Nobody writes the ledger's tables but the functions above, which run as itm_owner;
-- row-level security binds the owner too, so each thing that those functions do has its policy here.
-- Settings are read inside (SELECT …): once per statement, not once per row.

REVOKE ALL ON SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO itm_app, itm_signer;

-- "reads" is none, actor, ledger or all; anything else, or nothing said, is none.
CREATE FUNCTION audit.reads() RETURNS text LANGUAGE sql STABLE
RETURN audit.context() ->> 'reads';
CREATE FUNCTION audit.own_holder() RETURNS uuid LANGUAGE sql STABLE
RETURN (audit.context() ->> 'ledger')::uuid;
CREATE FUNCTION audit.own_user() RETURNS text LANGUAGE sql STABLE
RETURN audit.context() -> 'actor' ->> 'user';

-- One line of a screen: the leaf and what happened. It runs with the reader's own rights.
CREATE VIEW audit.entry WITH (security_invoker = true) AS
SELECT l.id AS ledger_id, l.holder, l.code, l.origin, f.seq, f.recorded_at, f.prev, f.commitment, f.hash,
       e.id AS event_id, e.at, e.action, e.outcome, e.via, e.actor_id, e.actor_name, e.actor_institution, e.actor_role,
       e.target_kind, e.target_id, e.target_holder, e.subjects, e.purpose, e.request_id, e.content
FROM audit.leaf f
JOIN audit.ledger l ON l.id = f.ledger_id
JOIN audit.event e ON e.id = f.event_id;

GRANT SELECT ON audit.deployment, audit.ledger, audit.event, audit.leaf, audit.verification, audit.action,
    audit.watched, audit.entry TO itm_app;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO itm_signer;
REVOKE ALL ON FUNCTION audit.reads(), audit.own_holder(), audit.own_user() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.append, audit.context, audit.reads, audit.own_holder, audit.own_user TO itm_app;
GRANT EXECUTE ON FUNCTION audit.append, audit.record_verification, audit.context TO itm_signer;

ALTER TABLE audit.ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.ledger FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.event FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.leaf ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.leaf FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.verification ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.verification FORCE ROW LEVEL SECURITY;

-- What the functions need: open and move heads; store events, leaves and verifications.
CREATE POLICY functions_find ON audit.ledger FOR SELECT TO itm_owner USING (true);
CREATE POLICY functions_open ON audit.ledger FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_move ON audit.ledger FOR UPDATE TO itm_owner USING (true) WITH CHECK (true);
CREATE POLICY functions_write ON audit.event FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.event FOR SELECT TO itm_owner USING (true);
CREATE POLICY functions_seal ON audit.leaf FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.leaf FOR SELECT TO itm_owner USING (true);
CREATE POLICY functions_record ON audit.verification FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.verification FOR SELECT TO itm_owner USING (true);

-- The scheduler's process verifies every ledger.
CREATE POLICY signer_reads ON audit.ledger FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.event FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.leaf FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.verification FOR SELECT TO itm_signer USING (true);

-- The panel sees as far as its context says. A holder's ledger of every generation is its own.
CREATE POLICY app_reads ON audit.ledger FOR SELECT TO itm_app USING (
    (SELECT audit.reads()) = 'all'
    OR (SELECT audit.reads()) IN ('ledger', 'actor') AND holder = (SELECT audit.own_holder()));
CREATE POLICY app_reads ON audit.event FOR SELECT TO itm_app USING (
    (SELECT audit.reads()) = 'all'
    OR ledger_id = ANY (ARRAY(SELECT l.id FROM audit.ledger l WHERE l.holder = (SELECT audit.own_holder())))
       AND ((SELECT audit.reads()) = 'ledger'
            OR (SELECT audit.reads()) = 'actor' AND actor_id = (SELECT audit.own_user())));
CREATE POLICY app_reads ON audit.leaf FOR SELECT TO itm_app USING (
    (SELECT audit.reads()) = 'all'
    OR ledger_id = ANY (ARRAY(SELECT l.id FROM audit.ledger l WHERE l.holder = (SELECT audit.own_holder())))
       AND ((SELECT audit.reads()) = 'ledger'
            OR (SELECT audit.reads()) = 'actor' AND EXISTS (SELECT FROM audit.event e WHERE e.id = event_id)));
CREATE POLICY app_reads ON audit.verification FOR SELECT TO itm_app USING (
    (SELECT audit.reads()) = 'all' OR EXISTS (SELECT FROM audit.ledger l WHERE l.id = ledger_id));
