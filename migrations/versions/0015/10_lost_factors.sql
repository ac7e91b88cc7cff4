-- Lost factors have a reason, from a list: it stands beside who asked and who confirmed, and in the ledger. A change of before
-- has none, so that the rule of new ones is change_asked's.
alter table public.access_change add column reason varchar,
  add constraint access_change_reason check (reason in ('DEVICE_LOST', 'DEVICE_BROKEN', 'DEVICE_REPLACED', 'MISUSE_FEARED')),
  add constraint access_change_reason_of_factors check (kind = 'factors' or reason is null);
select audit.watch('public.access_change', 'access_change', 2, 'institution_id', 'id', '{}', '{created_at}', 'role.change');

-- Who is asked to confirm has spoken with the person of these days: an older request is asked for anew.
create function itm.factors_wait() returns interval
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select interval '72 hours' $$;

-- Somebody else could confirm that this person's factors end: of the Presidency or an administrator; for a manager's own staff
-- also a colleague, for a national auditor the manager. Neither raised nor was raised by who asks, nor was raised by the person.
create function itm.somebody_confirms(who uuid, asks uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and exists (
    select from public.account a join public.role_grant g on g.account_id = a.id and g.state = 'active'
      join public.account o on o.id = who
     where a.active and a.id not in (who, asks)
       and (g.role in ('presidency_supervisor', 'system_administrator')
            or a.institution_id = o.institution_id and (
                 g.role in ('focal_point', 'caseworker', 'institution_manager', 'presidency_operator') and itm.is_ordinary(who)
                 or g.role = 'institution_manager' and exists (
                      select from public.role_grant h where h.account_id = who and h.state <> 'ended' and h.role = 'auditor_national')))
       and itm.has_password(a.id) and not itm.waits(a.id)
       and itm.is_independent(asks, a.id) and who not in (select itm.raised_by(a.id)))
$$;
revoke all on function itm.factors_wait, itm.somebody_confirms from public;
grant execute on function itm.factors_wait, itm.somebody_confirms to itm_app;

-- With the factors go the browsers that the person signed in from.
create or replace function itm.void_factors(who uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.second_factor f set ended_at = now() where f.account_id = who and f.ended_at is null;
  update public.recovery_codes r set digests = '{}', made_at = now() where r.account_id = who;
  update public.code_tries t set failures = 0, blocked_until = null where t.account_id = who;
  update public.account a set epoch = a.epoch + 1 where a.id = who;
  delete from public.known_device d where d.account_id = who;
end $$;

-- A link of the machine ends the factors: what was asked for before would end the new ones.
create or replace function itm.machine_link_voids_factors() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and new.created_by is null then
    perform itm.void_factors(new.account_id);
    update public.access_change c set state = 'replaced'
     where c.account_id = new.account_id and c.kind = 'factors' and c.state = 'waiting';
  end if;
  return null;
end $$;

-- 0014/30, and: lost factors have a reason, and somebody else could confirm their end.
create or replace function itm.change_asked() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' then
    new.created_by := itm.account();
    new.created_at := now();
    new.state := 'waiting';
    new.invitation_id := null;
    new.decided_at := null;
    new.decided_by := null;
    if new.kind not in ('end', 'reset', 'factors') or new.created_by is null or new.created_by = new.account_id then
      raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
    end if;
    if new.kind = 'factors' then
      new.grant_id := null;
      update public.access_change c set state = 'replaced'
       where c.account_id = new.account_id and c.kind = 'factors' and c.state = 'waiting' and c.created_at < now() - itm.factors_wait();
      if new.reason is null or itm.scope() not in ('institution', 'accounts') or not itm.has_factor(new.account_id)
         or (itm.scope() = 'institution' and not itm.manages())
         or (itm.audits(new.account_id) and itm.scope() <> 'accounts' and not exists (
               select from public.role_grant g where g.account_id = new.account_id and g.state = 'active' and g.role = 'auditor_national'))
         or (not itm.audits(new.account_id) and itm.beyond_manager(new.account_id)) then
        raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
      end if;
      if not itm.somebody_confirms(new.account_id, new.created_by) then
        raise exception using errcode = 'restrict_violation', message = 'nobody else could confirm this';
      end if;
    elsif not itm.audits(new.account_id)
       or not exists (select from public.role_grant g where g.account_id = new.account_id and g.state = 'active'
                      and (new.kind = 'reset' or g.id = new.grant_id)
                      and (itm.scope() = 'accounts' or g.role = 'auditor_national')) then
      raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
    end if;
  end if;
  return new;
end $$;

-- 0014/30, and: the factors of a manager's staff end by two people of whom neither raised the other, too. A manager's colleague may
-- confirm a first sign-in, since the person alone chose the password; here the person has nothing in hand yet.
create or replace function itm.change_decided() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := itm.account();
  roles text[];
  ordinary boolean;
begin
  if session_user <> 'itm_app' or pg_trigger_depth() > 1 then
    return new;
  end if;
  if old.state <> 'waiting' or new.state not in ('done', 'refused') or who is null or who = old.account_id then
    raise exception using errcode = 'restrict_violation', message = 'this is not decided from here';
  end if;
  roles := array(select g.role from public.role_grant g where g.account_id = old.account_id and g.state <> 'ended');
  ordinary := old.kind in ('link', 'factors') and itm.is_ordinary(old.account_id);
  if not (itm.approves() or itm.scope() = 'accounts' or (itm.scope() = 'institution' and ordinary)
          or (itm.manages() and 'auditor_national' = any (roles))) then
    raise exception using errcode = 'restrict_violation', message = 'this is not decided from here';
  end if;
  if new.state = 'done' then
    if who is not distinct from old.created_by or not (ordinary and old.kind = 'link' or itm.is_independent(old.created_by, who))
       or old.account_id in (select itm.raised_by(who)) then
      raise exception using errcode = 'restrict_violation', message = 'another person confirms, whom the first did not raise';
    end if;
    if old.kind = 'link' and not exists (select from public.invitation n where n.id = old.invitation_id and n.used_at is not null) then
      raise exception using errcode = 'restrict_violation', message = 'the link has not been used yet';
    end if;
    if old.kind = 'end' then
      update public.role_grant g set state = 'ended' where g.id = old.grant_id and g.state = 'active';
    end if;
    if old.kind = 'factors' then
      if old.created_at < now() - itm.factors_wait() then
        raise exception using errcode = 'restrict_violation', message = 'this was asked for too long ago';
      end if;
      perform itm.void_factors(old.account_id);
    end if;
  end if;
  if old.kind <> 'factors' and (new.state = 'done') = (old.kind in ('end', 'reset')) then
    perform itm.void_secrets(old.account_id, old.id);
  end if;
  new.decided_at := now();
  new.decided_by := who;
  return new;
end $$;
