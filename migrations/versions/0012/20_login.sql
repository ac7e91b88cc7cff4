-- A superuser who takes another role's name (SET SESSION AUTHORIZATION) is told by the name of the sign-in: the server
-- keeps it since PostgreSQL 16, unless it let the connection in without asking.
create or replace function audit.write(
    holder uuid, action text, outcome text, via text,
    target_kind text, target_id text, target_holder uuid,
    subjects text[], purpose text, tail text
) returns uuid language plpgsql as $$
DECLARE
    ledger uuid := audit.ledger_of(holder);
    said jsonb := audit.context();
    actor jsonb := said -> 'actor';
    request jsonb := said -> 'request';
    id uuid := gen_random_uuid();
    moment timestamptz := clock_timestamp();
    pending text := current_setting('audit.pending', true);
    login text := session_user;
    content text;
BEGIN
    IF current_setting('server_version_num') >= '160000' THEN
        IF substr(system_user, strpos(system_user, ':') + 1) <> session_user THEN
            login := audit.signed_in(substr(system_user, strpos(system_user, ':') + 1));
        END IF;
    END IF;
    purpose := coalesce(purpose, said ->> 'purpose');
    content := concat('{"id":"', id, '","time":"', audit.utc(moment),
        '","action":"', action, '","outcome":"', outcome, '","via":"', via,
        '","actor":{"user":', coalesce(to_json(actor ->> 'user'), 'null'), ',"name":', coalesce(to_json(actor ->> 'name'), 'null'),
        ',"institution":', coalesce(to_json(actor ->> 'institution'), 'null'), ',"role":', coalesce(to_json(actor ->> 'role'), 'null'),
        ',"session":', to_json(login), ',"transaction":"', pg_current_xact_id(),
        '","client":', coalesce(to_json(host(inet_client_addr())), 'null'), '},"on_behalf_of":', coalesce(to_json(said ->> 'on_behalf_of'), 'null'),
        ',"target":', CASE WHEN coalesce(target_kind, target_id) IS NULL THEN 'null' ELSE
            concat('{"kind":', coalesce(to_json(target_kind),'null'), ',"id":', coalesce(to_json(target_id), 'null'),
            ',"institution":', coalesce(to_json(target_holder), 'null'), '}') END,
        ',"subjects":', to_json(subjects), ',"purpose":', coalesce(to_json(purpose), 'null'),
        ',"request":{"id":', coalesce(to_json(request ->> 'id'), 'null'), ',"route":', coalesce(to_json(request ->> 'route'), 'null'),
        ',"address":', coalesce(to_json(said ->> 'address'), 'null'), '}', tail, '}');
    IF pending IS NULL OR strpos(pending, ledger::text) = 0 THEN
        pending := set_config('audit.pending', concat(pending, ledger, ' '), true);
    END IF;
    INSERT INTO audit.event (
        id, ledger_id, salt, content, at, action, outcome, via,
        actor_id, actor_name, actor_institution, actor_role,
        target_kind, target_id, target_holder, subjects, purpose, request_id
    ) VALUES (
        id, ledger, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), content, moment,
        action, outcome, via,
        actor ->> 'user', actor ->> 'name', actor ->> 'institution', actor ->> 'role',
        target_kind, target_id, target_holder, subjects, purpose, request ->> 'id'
    );
    RETURN id;
END $$;

-- A server may know people by other names than those of its roles: the name of a superuser alone is told.
create function audit.signed_in(name text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$ select coalesce((select r.rolname::text from pg_catalog.pg_roles r where r.rolname = name and r.rolsuper), session_user::text) $$;
revoke all on function audit.signed_in from public;
