-- How often a person may reveal and search in an hour, for which purposes, and in which words.

create table itm.access_limit (
  action text primary key,
  per_hour integer not null check (per_hour > 0)
);
comment on table itm.access_limit is
  'How often one account may do this within an hour, where it is not as often as itm.seconds_to_wait says. The owner may say so.';
-- The lifting of a limit is told to the auditors, as of each change past the panel
select audit.watch('itm.access_limit', 'access_limit', 1, null, 'action', '{}', '{}');

-- Why protected data had to be seen in an emergency or for a court, in words. They may name people, so they stand
-- here and not in the ledger, whose entry of the look names this row.
create table public.access_note (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  kind varchar not null,
  record uuid not null,
  purpose varchar not null,
  words varchar,
  made_at timestamp with time zone default now() not null,
  primary key (id),
  constraint access_note_words check (length(words) between 1 and 1000),
  constraint access_note_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);
create index access_note_of_record on public.access_note (record);
comment on column public.access_note.words is 'Personal data, possibly. Destroyed when the person it is about is erased.';
select audit.watch('public.access_note', 'access_note', 1, 'institution_id', 'id', '{words}', '{made_at}');

alter table public.access_note enable row level security;
alter table public.access_note force row level security;
create policy note_add on public.access_note for insert to itm_app
  with check (institution_id = (select itm.institution()) and account_id = (select itm.account()));
create policy note_read on public.access_note for select to itm_app
  using ((institution_id = (select itm.institution()) and ((select itm.manages()) or account_id = (select itm.account())))
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy note_destroy on public.access_note for update to itm_app
  using (institution_id = (select itm.institution()) and (select itm.manages()))
  with check (institution_id = (select itm.institution()) and words is null);
grant select, insert, update (words) on public.access_note to itm_app;

-- Which purposes protected values are revealed for, by whom: foundation/purposes.py in the database's words (a test
-- compares). Statistics are counted and never revealed; an audit sees no protected value.
create function itm.reveals_for(purpose text) returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select coalesce(purpose in ('CASE_WORK', 'REFERRAL', 'IDENTIFICATION', 'EMERGENCY', 'COURT', 'DATA_SUBJECT')
                  or (purpose = 'SUPERVISION' and itm.manages()), false)
$$;

-- Seconds to wait before this account may do this again; 0 if it may now. Counted from the ledger itself, so there is
-- nothing beside it that could be set back. One account's looks wait for each other until they are recorded.
create function itm.seconds_to_wait(wanted text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  most integer := coalesce((select l.per_hour from itm.access_limit l where l.action = wanted),
                           case wanted when 'record.reveal' then 100 when 'record.search' then 200 end);
  since timestamptz;
begin
  if most is null or itm.account() is null then
    return 0;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(wanted || itm.account()::text, 1));
  -- The look that is so many looks back: when it is an hour old, there is room for another.
  select e.at into since from audit.event e
   where e.actor_id = itm.account()::text and e.at > clock_timestamp() - interval '1 hour'
     and e.action = wanted and e.outcome <> 'denied'
   order by e.at desc offset most - 1 limit 1;
  if since is null then
    return 0;
  end if;
  return greatest(1, ceil(extract(epoch from since + interval '1 hour' - clock_timestamp())));
end $$;

-- May this record be revealed to the person at work, for this purpose? circle, purpose, or yes. Row-level security has
-- decided by then that the record is there at all.
create function itm.reveal_refused(kind text, record uuid, purpose text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  owner record;
begin
  if itm.scope() is distinct from 'institution' or itm.reveals_for(purpose) is not true then
    return 'purpose';
  end if;
  if kind = 'case' then
    return case when exists (select from public.case_file c where c.id = record) then null else 'circle' end;
  end if;
  select p.id, p.unit_id, p.sensitivity into owner from public.person p
   where p.id = case kind when 'person' then record else
     (select l.person_id from public.victim_profile v
        join public.case_person l on l.id = v.case_person_id and l.institution_id = v.institution_id where v.id = record) end;
  if owner.id is null or (owner.sensitivity >= 3 and itm.in_circle(owner.id, owner.unit_id) is not true) then
    return 'circle';
  end if;
  return null;
end $$;

-- An account that reached its limit: told once while the alert is open, in the Presidency's ledger as well.
create policy alert_of_looks on public.alert for insert to itm_owner with check (kind = 'access.limit');
create function itm.tell_of_limit(wanted text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who text := audit.context() -> 'actor' ->> 'name';
  told jsonb;
begin
  if itm.seconds_to_wait(wanted) = 0 then
    return false;
  end if;
  told := jsonb_build_object('alert', 'access.limit', 'action', wanted, 'account', who,
                             'institution', audit.context() -> 'actor' ->> 'institution');
  insert into public.alert (kind, severity, holder, subject, detail)
    values ('access.limit', 'warning', itm.home(), who, told - 'alert')
    on conflict do nothing;
  if found then
    perform audit.append('alert.raise', target_kind => 'alert', target_id => who, detail => told, to_presidency => true);
  end if;
  return found;
end $$;

revoke all on function itm.reveals_for, itm.seconds_to_wait, itm.reveal_refused, itm.tell_of_limit from public;
grant execute on function itm.reveals_for, itm.seconds_to_wait, itm.reveal_refused, itm.tell_of_limit to itm_app;
revoke all on table itm.access_limit from public;
