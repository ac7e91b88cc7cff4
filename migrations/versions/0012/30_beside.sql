-- Tables that the ledger does not capture and that a reader believes: compared with what the ledger and the records say.

-- Which persons the search finds by their names is believed, so its changes are captured. Its column names the person
-- after whom to go on.
select audit.watch('itm.indexed', 'person_index', 1, 'institution_id', 'institution_id', '{}', '{}');
select audit.baseline('itm.indexed');

-- A false note that an institution's index is written would keep its persons from being found: the upkeep alone writes it.
alter table itm.indexed enable row level security, force row level security;
create policy upkeep on itm.indexed for all to itm_app
  using (institution_id = (select itm.institution()) and (select itm.everywhere('manage')) and (select itm.account()) is null)
  with check (institution_id = (select itm.institution()) and (select itm.everywhere('manage')) and (select itm.account()) is null);

create policy beside_the_ledger on public.case_counter for select to itm_owner using ((select session_user) = 'itm_signer');
create policy beside_the_ledger on public.account_address for select to itm_owner using ((select session_user) = 'itm_signer');
create policy beside_the_ledger on public.job_run for select to itm_owner using ((select session_user) = 'itm_signer');
create policy beside_the_ledger on public.verification_request for select to itm_owner using ((select session_user) = 'itm_signer');

-- Runs that were finished and entries of these, of a week: one for the other.
create function itm.runs_otherwise() returns table (id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with told as (
    select e.target_id as job, (c.detail ->> 'due_at')::timestamptz as due_at, e.outcome
      from only audit.event e cross join lateral (select e.content::jsonb -> 'detail') c (detail)
     where e.at > now() - interval '8 days' and e.action = 'job.run' and e.target_kind = 'job' and c.detail ? 'due_at'
       and e.ledger_id in (select l.id from only audit.ledger l where l.presidency)),
  run as (select r.job, r.due_at, r.outcome, r.started_at from only public.job_run r)
  select r.job || ' ' || r.due_at from run r
   where r.due_at > now() - interval '7 days' and r.outcome <> 'running'
     and not exists (select from told t where t.job = r.job and t.due_at = r.due_at and t.outcome = r.outcome)
      or r.outcome = 'running' and r.started_at < now() - interval '2 days'
      or r.due_at > clock_timestamp() + interval '5 minutes'
  union all
  select t.job || ' ' || t.due_at from told t
   where t.due_at > now() - interval '7 days' and not exists (select from run r where r.job = t.job and r.due_at = t.due_at)
$$;

-- The person who set an account's address has an entry of it: a link goes there, and counts as the account's own if its
-- owner set the address. Content of entries older than five years may be gone.
create function itm.addresses_otherwise() returns table (id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select d.account_id::text from only public.account_address d
   where d.set_at > now() - interval '5 years' and not exists (
     select from only audit.event e
      where e.target_id = d.account_id::text and e.target_kind = 'account' and e.via = 'trigger'
        and e.actor_id is not distinct from d.set_by::text
        and e.at >= d.set_at and e.at < d.set_at + interval '1 minute' and e.content::jsonb -> 'changes' ? 'email')
$$;

create function itm.verdicts_otherwise() returns table (id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with said as (
    select r.id, v.verdict, l.closed_at
      from only public.verification_request r
      left join only audit.verification v on v.level = r.level and v.recorded_at between r.started_at and r.finished_at
      left join only audit.ledger l on l.id = v.ledger_id
     where r.state = 'done' and r.verdict = 'intact' and (r.holder is null or v.id is null or l.holder = r.holder))
  select s.id::text from said s group by s.id
  having count(*) filter (where s.verdict = 'intact') = 0
      or count(*) filter (where s.verdict <> 'intact' and s.closed_at is null) > 0
$$;

-- The Presidency's ledger begins with the command that made the installation.
create function itm.is_otherwise_synthetic() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from only audit.ledger l join only audit.leaf f on f.ledger_id = l.id and f.seq < 20
      join only audit.event e on e.id = f.event_id
     where l.presidency and l.generation = 1 and e.actor_name in ('itm demo', 'itm init')
       and (e.actor_name = 'itm demo') is distinct from (select i.synthetic from only itm.installation i))
$$;

create function itm.beside_the_ledger(version text) returns table (relation text, id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select 'itm.clock', 'clock' where (select count(*) from only itm.clock) <> 1
      or exists (select from only itm.clock c where c.right_at > clock_timestamp() + interval '5 minutes')
  union all
  select 'itm.installation', 'installation' where itm.is_otherwise_synthetic()
  union all
  select 'public.alembic_version', coalesce((select string_agg(v.version_num, ' ') from only public.alembic_version v), '')
   where (select array_agg(v.version_num::text) from only public.alembic_version v) is distinct from array[version]
  union all
  select 'public.case_counter', i.code || ' ' || c.year from only public.case_counter c join only public.institution i on i.id = c.institution_id
   where not exists (select from only public.case_file f where f.institution_id = c.institution_id
                     and f.reference = 'ITM-' || i.code || '-' || c.year || '-' || lpad(c.last::text, greatest(6, length(c.last::text)), '0'))
      or exists (select from only public.case_file f where f.institution_id = c.institution_id
                 and f.reference = 'ITM-' || i.code || '-' || c.year || '-' || lpad((c.last + 1)::text, greatest(6, length((c.last + 1)::text)), '0'))
  union all select 'public.account_address', a.id from itm.addresses_otherwise() a
  union all select 'public.job_run', r.id from itm.runs_otherwise() r
  union all select 'public.verification_request', v.id from itm.verdicts_otherwise() v
$$;
comment on function itm.beside_the_ledger(text) is
  'Rows of tables that the ledger does not capture, which are not as the ledger or the records say. As itm_signer.';
revoke all on function itm.runs_otherwise, itm.addresses_otherwise, itm.verdicts_otherwise, itm.is_otherwise_synthetic,
  itm.beside_the_ledger from public;
grant execute on function itm.beside_the_ledger to itm_signer;

-- A link goes where the account's own address, which is captured, still is what it was when the mail was written.
create or replace function itm.mail_token(mail uuid, digest bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  link uuid;
begin
  select m.invitation_id into link from public.mail m
   where m.id = mail_token.mail and m.kind = 'link' and m.sent_at is null
     and exists (select from public.account a where a.id = m.account_id and a.email = m.address);
  update public.invitation n set token_digest = digest, expires_at = now() + interval '72 hours'
   where n.id = link and n.used_at is null and n.expires_at > now();
  return found;
end $$;
