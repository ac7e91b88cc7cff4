-- An upgrade of the schema changes rows by a user of the database that is none of the panel's own. The ledger has an
-- entry of each upgrade, so that nobody else can say to be one: the entry names two versions, and there is none of these
-- versions before it. The scheduler's process says at its start which version it found.

create function itm.schema_entries()
returns table (generation integer, seq bigint, at timestamptz, session text, transaction text, detail jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select l.generation, f.seq, e.at, c.content -> 'actor' ->> 'session', c.content -> 'actor' ->> 'transaction', c.content -> 'detail'
    from audit.event e join audit.leaf f on f.event_id = e.id join audit.ledger l on l.id = f.ledger_id
    cross join lateral (select e.content::jsonb) c (content)
   where e.target_id = 'schema' and e.target_kind = 'schema' and e.via = 'append' and e.action = 'job.run' and l.presidency
$$;

-- In the upgrade's own transaction, as the owner. A new database has no ledger yet, and nothing to tell.
create function itm.tell_upgrade(before text) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  now constant text := (select v.version_num from public.alembic_version v);
begin
  if before is null or before = now or not exists (select from audit.ledger l where l.presidency and l.closed_at is null) then
    return false;
  end if;
  perform audit.append('job.run', target_kind => 'schema', target_id => 'schema', to_presidency => true,
    detail => jsonb_build_object('from', before, 'to', now));
  return true;
end $$;
comment on function itm.tell_upgrade(text) is 'The ledger''s entry of an upgrade; its transaction is the upgrade''s.';

create function itm.tell_version() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  now constant text := (select v.version_num from public.alembic_version v);
begin
  if not exists (select from audit.ledger l where l.presidency and l.closed_at is null)
     or now is not distinct from (select s.detail ->> 'schema' from itm.schema_entries() s order by s.generation desc, s.seq desc limit 1) then
    return false;
  end if;
  perform audit.append('job.run', target_kind => 'schema', target_id => 'schema', to_presidency => true,
    detail => jsonb_build_object('schema', now));
  return true;
end $$;
comment on function itm.tell_version() is 'As itm_signer: an entry of the schema''s version, if the last one of the schema is not the same.';

-- Transactions of upgrades, with their times. An entry counts if no other claims one of its versions, none before it
-- found a later version, and none after it an earlier one.
create function itm.upgrades() returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with told as materialized (select * from itm.schema_entries()),
  claim as (select generation, seq, at, transaction, detail ->> 'from' as low, detail ->> 'to' as high from told
             where session = 'itm_owner' and detail ? 'from' and detail ? 'to'),
  found as (select generation, seq, detail ->> 'schema' as version from told where session = 'itm_signer' and detail ? 'schema')
  select coalesce(jsonb_object_agg(c.transaction, c.at), '{}') from claim c
   where c.low < c.high and c.high <= (select v.version_num from public.alembic_version v)
     and not exists (select from claim o where (o.generation, o.seq) <> (c.generation, c.seq) and o.low < c.high and c.low < o.high)
     and not exists (select from found o where (o.generation, o.seq) < (c.generation, c.seq) and o.version > c.low)
     and not exists (select from found o where (o.generation, o.seq) > (c.generation, c.seq) and o.version < c.high)
$$;
comment on function itm.upgrades() is 'Transactions of the schema''s upgrades that the ledger tells of, and when they were.';

-- `known` is itm.upgrades(), asked for once. Numbers of transactions begin anew in a restored database: the time counts too.
create function itm.is_upgrade(content text, at timestamptz, known jsonb) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select content like '%"actor":{"user":null,"name":"migration",%' and coalesce(abs(extract(epoch from
    at - (known ->> substring(content, '"session":"itm_owner","transaction":"([0-9]+)"'))::timestamptz)) < 3600, false)
$$;

revoke all on function itm.schema_entries, itm.tell_upgrade, itm.tell_version, itm.upgrades, itm.is_upgrade from public;
grant execute on function itm.tell_version to itm_signer;
grant execute on function itm.upgrades, itm.is_upgrade to itm_app, itm_signer;
