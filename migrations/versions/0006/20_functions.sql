-- Everybody who made, invited or appointed this person, and everybody behind them. Somebody who came in by a link of
-- the machine itself (`itm init`, `itm invite`) was raised by nobody. A link that another person confirmed tells nothing.
create function itm.raised_by(who uuid) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with recursive acts as (
    select a.id as account, a.created_by as by from public.account a
    union all select n.account_id, n.created_by from public.invitation n
      where n.used_at is not null
        and not exists (select from public.access_change c where c.invitation_id = n.id and c.decided_by is not null)
    union all select g.account_id, g.created_by from public.role_grant g where g.state <> 'proposed'
  ), raisers(by) as (
    select who as by
    union
    select e.by from raisers r join acts e on e.account = r.by
     where e.by is not null
       and not exists (select from public.invitation n where n.account_id = r.by and n.used_at is not null and n.created_by is null
                       and not exists (select from public.invitation m where m.account_id = r.by and m.used_at > n.used_at))
  ) select by from raisers where by <> who
$$;

-- The panel's login may ask about accounts only while somebody is at work or signs in. Other logins need no context, since
-- the rules of a table ask in their transactions too.
create function itm.may_ask() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$ select session_user <> 'itm_app' or itm.scope() is not null $$;

create function itm.is_independent(one uuid, other uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and coalesce(one <> other and other not in (select itm.raised_by(one)) and one not in (select itm.raised_by(other)), false)
$$;

-- Auditors, while their role stands.
create function itm.audits(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and exists (select from public.role_grant g where g.account_id = who and g.state = 'active'
                 and g.role in ('auditor_national', 'auditor_institution'))
$$;

-- A role of this person waits for confirmation: what is confirmed must not change meanwhile.
create function itm.is_proposed(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.may_ask() and exists (select from public.role_grant g where g.account_id = who and g.state = 'proposed') $$;

-- The person's link was seen by its maker, and nobody else has confirmed the first sign-in yet.
create function itm.waits(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and exists (select from public.access_change c where c.account_id = who and c.kind = 'link' and c.state = 'waiting')
$$;

create function itm.has_password(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.may_ask() and exists (select from public.credential c where c.account_id = who) $$;

create function itm.link_is_used(link uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.may_ask() and exists (select from public.invitation n where n.id = link and n.used_at is not null) $$;

-- A manager's own staff, and nothing above it.
create function itm.is_ordinary(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and not exists (select from public.role_grant g where g.account_id = who and g.state <> 'ended'
                     and g.role not in ('focal_point', 'caseworker'))
$$;

-- Whether giving this role from this scope opens more than the giver's own work: only a manager's own staff does not.
create function itm.is_rise(role text, scope text) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select not (role in ('focal_point', 'caseworker') and scope is not distinct from 'institution') $$;

-- Password, links and sessions of before are void. `decided` is the change that a trigger is about to write itself.
create function itm.void_secrets(who uuid, decided uuid default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  delete from public.credential c where c.account_id = who;
  update public.invitation n set expires_at = now() where n.account_id = who and n.used_at is null and n.expires_at > now();
  update public.access_change c set state = 'replaced'
   where c.account_id = who and c.kind = 'link' and c.state = 'waiting' and c.id is distinct from decided;
  update public.account a set epoch = a.epoch + 1 where a.id = who;
end $$;

-- The last of a kind cannot be lost; two who leave at the same moment wait for each other here.
create function itm.keep_last(leaving uuid, kind text, institution uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  place constant text := case when kind = 'institution_manager' then institution::text else '' end;
begin
  if kind not in ('system_administrator', 'presidency_supervisor', 'auditor_national', 'institution_manager') then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('itm last of ' || kind || place, 0));
  if not exists (select from public.role_grant g join public.account a on a.id = g.account_id
                 join public.credential c on c.account_id = a.id
                 where g.role = keep_last.kind and g.state = 'active' and a.active and a.id <> leaving
                   and (place = '' or g.institution_id = keep_last.institution) and not itm.waits(a.id)) then
    raise exception using errcode = 'restrict_violation', message = 'the last of a kind stays';
  end if;
end $$;

-- The roles that a waiting change is about, for those who may decide it: row-level security hides others' grants.
create function itm.roles_at_stake(change uuid) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select array(select distinct g.role::text from public.access_change c
               join public.role_grant g on g.account_id = c.account_id and g.state <> 'ended'
               where c.id = change and c.state = 'waiting' and c.account_id <> itm.account()
                 and (c.institution_id = itm.institution() or itm.scope() = 'accounts' or itm.approves()))
$$;

revoke all on function itm.may_ask, itm.raised_by, itm.void_secrets, itm.keep_last from public;
grant execute on function itm.may_ask to itm_app;
revoke all on function itm.is_independent, itm.audits, itm.is_proposed, itm.waits, itm.has_password, itm.is_rise, itm.link_is_used, itm.is_ordinary, itm.roles_at_stake from public;
grant execute on function itm.is_independent, itm.audits, itm.is_proposed, itm.waits, itm.has_password, itm.is_rise, itm.link_is_used, itm.is_ordinary, itm.roles_at_stake to itm_app;
