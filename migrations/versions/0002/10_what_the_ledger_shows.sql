-- Inside an institution an entry is shown to those who may see its record now. The ledger knows no tenant and no
-- record, so its policies ask these functions. They run with the reader's own rights: the record's own row-level
-- security answers, and a rule that changes there changes here too.

-- Those of these ids that the reader sees, of whatever kind. What is no id names no record.
create function itm.visible(ids text[]) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  uuids uuid[];
  found text[];
  seen uuid[];
begin
  select coalesce(array_agg(i) filter (where i !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'), '{}'),
         coalesce(array_agg(i::uuid) filter (where i ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'), '{}')
    into found, uuids from unnest(ids) i;
  -- One kind after the other, the frequent ones first: what is found is not looked for again.
  for kind in 1..9 loop
    exit when uuids = '{}';
    if kind = 1 then seen := array(select c.id from public.case_file c where c.id = any (uuids));
    elsif kind = 2 then seen := array(select p.id from public.person p where p.id = any (uuids));
    elsif kind = 3 then seen := array(select l.id from public.case_person l where l.id = any (uuids));
    elsif kind = 4 then seen := array(select v.id from public.victim_profile v where v.id = any (uuids));
    elsif kind = 5 then seen := array(select a.id from public.account a where a.id = any (uuids));
    elsif kind = 6 then seen := array(select l.id from audit.ledger l where l.id = any (uuids));
    elsif kind = 7 then seen := array(select u.id from public.unit u where u.id = any (uuids));
    elsif kind = 8 then seen := array(select i.id from public.institution i where i.id = any (uuids));
    else seen := array(select g.id from public.role_grant g where g.id = any (uuids));
    end if;
    if seen <> '{}' then
      found := found || seen::text[];
      uuids := array(select u from unnest(uuids) u where u <> all (seen));
    end if;
  end loop;
  return found;
end $$;
comment on function itm.visible(text[]) is 'Those of these ids that the reader may see, by each record''s own row-level security.';

-- The record that an entry is about. An assignment is seen with its case; a kind that is not named here as any other id.
create function itm.sees(kind text, id text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare key uuid;
begin
  if id is null or kind in ('entry', 'ledger', 'job', 'alert', 'key') then return true; end if;
  if id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then return false; end if;
  key := id::uuid;
  if kind = 'case' then return exists (select from public.case_file c where c.id = key);
  elsif kind = 'person' then return exists (select from public.person p where p.id = key);
  elsif kind = 'case_person' then return exists (select from public.case_person l where l.id = key);
  elsif kind = 'victim_profile' then
    return exists (select from public.victim_profile v where v.id = key)
        or exists (select from public.case_person l where l.id = key);
  elsif kind = 'case_assignment' then
    return exists (select from public.case_assignment a join public.case_file c on c.id = a.case_id where a.id = key);
  elsif kind = 'invitation' then return exists (select from public.invitation i where i.id = key);
  elsif kind = 'credential' then return exists (select from public.credential c where c.account_id = key);
  elsif kind = 'draft' then return exists (select from public.draft d where d.id = key);
  elsif kind = 'institution_key' then return exists (select from public.institution_key k where k.institution_id = key);
  else return itm.visible(array[id]) <> '{}';
  end if;
end $$;
comment on function itm.sees(text, text) is 'Whether the reader may see the record that an entry of the ledger is about.';

-- A list names no record as its target: it is shown if one of the records in it is, or none was.
create function itm.sees_entry(kind text, id text, subjects text[]) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$ select case when id is null then subjects = '{}' or itm.visible(subjects) <> '{}' else itm.sees(kind, id) end $$;
comment on function itm.sees_entry(text, text, text[]) is 'Whether an entry is shown inside an institution.';

revoke execute on function itm.visible(text[]), itm.sees(text, text), itm.sees_entry(text, text, text[]) from public;
grant execute on function itm.visible(text[]), itm.sees(text, text), itm.sees_entry(text, text, text[]) to itm_app;

-- Auditors see that something happened, in every entry that they reach; managers see every record of their institution.
create function itm.sees_whole_ledger() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$ select audit.reads() = 'ledger' and coalesce(itm.scope() = 'audit' or itm.scope() = 'institution' and itm.everywhere('manage'), false) $$;
comment on function itm.sees_whole_ledger() is 'Whether all entries of the reader''s own ledger are shown: to its auditors and its managers.';
revoke execute on function itm.sees_whole_ledger() from public;
grant execute on function itm.sees_whole_ledger() to itm_app;

drop policy app_reads on audit.event;
create policy app_reads on audit.event for select to itm_app using (
    (select audit.reads()) = 'all'
    or ledger_id = any (array(select l.id from audit.ledger l where l.holder = (select audit.own_holder())))
       and ((select itm.sees_whole_ledger())
            or (select audit.reads()) in ('ledger', 'actor') and actor_id = (select audit.own_user())
            or (select audit.reads()) = 'ledger' and itm.sees_entry(target_kind, target_id, subjects)));
drop policy app_reads on audit.leaf;
create policy app_reads on audit.leaf for select to itm_app using (
    (select audit.reads()) = 'all'
    or ledger_id = any (array(select l.id from audit.ledger l where l.holder = (select audit.own_holder())))
       and ((select itm.sees_whole_ledger())
            or (select audit.reads()) in ('ledger', 'actor') and exists (select from audit.event e where e.id = event_id)));

-- What none of our own logins did: a migration, or somebody at the database itself, in whose name ever. Few, and asked
-- for by themselves in these words (ledger/verification_jobs.py).
create index event_outside on audit.event (ledger_id)
  where not content like '%"session":"itm_app","transaction":%'
    and not content like '%"session":"itm_signer","transaction":%'
    and not content like '%"session":"itm_purger","transaction":%';
