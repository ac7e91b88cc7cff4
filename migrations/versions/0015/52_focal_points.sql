-- Each institution has a primary and a deputy focal point: its manager names one of the own focal points, the Presidency approves.
-- One of each rank stands (done); who stands before, in the same rank or of the same person, is replaced.
alter table public.access_change drop constraint access_change_kind,
  add constraint access_change_kind check (kind in ('link', 'rise', 'end', 'reset', 'factors', 'give', 'suspend', 'resume', 'primary', 'deputy'));
-- A rank that stood is replaced; what else was done stays done, since change_decided lets nobody else write it.
select itm.keep_states('access_change', 'state', '{>waiting,>done,waiting>done,waiting>refused,waiting>replaced,done>replaced}');
create unique index access_change_one_focal_point on public.access_change (institution_id, kind) where kind in ('primary', 'deputy') and state = 'done';

create or replace function itm.reasons(kind text) returns text[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select case kind
    when 'link' then array['FIRST_SIGN_IN', 'PASSWORD_FORGOTTEN', 'LINK_EXPIRED', 'MISUSE_FEARED', 'WRITTEN_ORDER']
    when 'reset' then array['PASSWORD_FORGOTTEN', 'MISUSE_FEARED', 'WRITTEN_ORDER']
    when 'factors' then array['DEVICE_LOST', 'DEVICE_BROKEN', 'DEVICE_REPLACED', 'MISUSE_FEARED']
    when 'give' then array['NEW_COLLEAGUE', 'NEW_TASK', 'STANDS_IN', 'WRITTEN_ORDER']
    when 'end' then array['TASK_ENDED', 'MOVED', 'LEFT', 'MISTAKE', 'MISUSE_FEARED', 'WRITTEN_ORDER']
    when 'suspend' then array['LEFT', 'ON_LEAVE', 'SILENT', 'MISUSE_FEARED', 'WRITTEN_ORDER']
    when 'resume' then array['BACK_AT_WORK', 'MISTAKE', 'WRITTEN_ORDER']
    when 'primary' then array['NEW_TASK', 'STANDS_IN', 'WRITTEN_ORDER']
    when 'deputy' then array['NEW_TASK', 'STANDS_IN', 'WRITTEN_ORDER']
    else array[]::text[] end
$$;

create function itm.is_focal_point(who uuid, home uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and exists (
    select from public.account a join public.role_grant g on g.account_id = a.id and g.state = 'active' and g.role = 'focal_point'
     where a.id = who and a.institution_id = home and a.active)
$$;
revoke all on function itm.is_focal_point from public;
grant execute on function itm.is_focal_point to itm_app;

-- 0015/10, with focal points.
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
    if new.kind not in ('end', 'reset', 'factors', 'primary', 'deputy') or new.created_by is null or new.created_by = new.account_id then
      raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
    end if;
    if new.kind in ('primary', 'deputy') then
      new.grant_id := null;
      if itm.scope() is distinct from 'institution' or not itm.manages() or not itm.is_focal_point(new.account_id, new.institution_id) then
        raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
      end if;
    elsif new.kind = 'factors' then
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
  if old.kind in ('primary', 'deputy') then
    if not itm.approves() or new.state = 'done' and (who is not distinct from old.created_by
         or old.created_by in (select itm.raised_by(who)) or old.account_id in (select itm.raised_by(who))) then
      raise exception using errcode = 'restrict_violation', message = 'the Presidency approves a focal point';
    end if;
    if new.state = 'done' then
      if not itm.is_focal_point(old.account_id, old.institution_id) then
        raise exception using errcode = 'restrict_violation', message = 'this person is no focal point';
      end if;
      perform pg_advisory_xact_lock(hashtextextended('itm focal points of ' || old.institution_id, 0));
      update public.access_change c set state = 'replaced'
       where c.institution_id = old.institution_id and c.id <> old.id and c.state = 'done' and c.kind in ('primary', 'deputy')
         and (c.kind = old.kind or c.account_id = old.account_id);
    end if;
    new.decided_at := now();
    new.decided_by := who;
    return new;
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

-- Who is suspended, or is no focal point any more, stands in no rank.
create function itm.appointment_ends() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := coalesce(to_jsonb(new) ->> 'account_id', to_jsonb(new) ->> 'id')::uuid;
begin
  if session_user = 'itm_app' and not itm.is_focal_point(who, new.institution_id) then
    update public.access_change c set state = 'replaced'
     where c.account_id = who and c.kind in ('primary', 'deputy') and c.state in ('waiting', 'done');
  end if;
  return null;
end $$;
revoke all on function itm.appointment_ends from public;
create trigger h_appointment after update of active on public.account for each row
  when (old.active and not new.active) execute function itm.appointment_ends();
create trigger h_appointment after update of state on public.role_grant for each row
  when (old.state = 'active' and new.state = 'ended') execute function itm.appointment_ends();
alter table public.account enable always trigger h_appointment;
alter table public.role_grant enable always trigger h_appointment;

create or replace function itm.tell_of_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' or new.kind in ('give', 'suspend', 'resume', 'primary', 'deputy') then
    return null;
  end if;
  if tg_op = 'INSERT' and (new.kind = 'link' or new.state = 'done') then
    perform itm.tell(new.account_id, new.kind);
  elsif tg_op = 'INSERT' and new.kind = 'factors' then
    perform itm.tell(new.account_id, 'factors_asked');
  elsif tg_op = 'UPDATE' and old.state = 'waiting' and new.state = 'done' and new.decided_by is not null then
    perform itm.tell(new.account_id, case new.kind when 'link' then 'confirmed' else new.kind end);
  end if;
  return null;
end $$;
