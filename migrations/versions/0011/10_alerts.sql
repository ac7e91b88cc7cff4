-- Alerts: the database writes when one was raised, and who took it on and when, once; each of it is an entry by the
-- same statement. The entry holds a digest of the row, so that verification finds a row that was altered.

create function itm.alert_digest(a public.alert) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select encode(sha256(convert_to(jsonb_build_array(
    a.id, a.kind, a.severity, a.holder, a.subject, a.first_broken, a.detail, extract(epoch from a.raised_at),
    extract(epoch from a.acknowledged_at), a.acknowledged_by)::text, 'UTF8')), 'hex')
$$;

create function itm.alert_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user not in ('itm_app', 'itm_signer') then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.raised_at := now();
    new.acknowledged_at := null;
    new.acknowledged_by := null;
    return new;
  end if;
  if old.acknowledged_at is not null then
    raise exception using errcode = 'restrict_violation', message = 'an alert that was dealt with stays so';
  end if;
  if (new.id, new.kind, new.severity, new.holder, new.subject, new.raised_at)
     is distinct from (old.id, old.kind, old.severity, old.holder, old.subject, old.raised_at) then
    raise exception using errcode = 'restrict_violation', message = 'an alert keeps what it is about';
  end if;
  if num_nonnulls(new.acknowledged_at, new.acknowledged_by) > 0 then
    new.acknowledged_at := now();
    new.acknowledged_by := null;
    if session_user = 'itm_app' then
      new.acknowledged_by := itm.account();
      if new.acknowledged_by is null then
        raise exception using errcode = 'restrict_violation', message = 'a person deals with an alert';
      end if;
    end if;
  end if;
  return new;
end $$;

-- Where the ledger cannot be written, the scheduler's process raises an alert all the same, and says so.
create function itm.tell_alert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  own constant jsonb := jsonb_build_object('alert', new.kind, 'first_broken', new.first_broken,
                                           'row', new.id, 'row_digest', itm.alert_digest(new));
  over constant boolean := session_user = 'itm_signer';
begin
  if session_user not in ('itm_app', 'itm_signer') or (over and current_setting('itm.untold', true) = 'yes') then
    return null;
  end if;
  if new.acknowledged_at is not null then
    perform audit.append('alert.acknowledge', target_kind => 'alert', target_id => new.id::text, to_presidency => over,
      detail => own || jsonb_build_object('subject', new.subject) || case when over then '{"resolved": true}' else '{}' end::jsonb);
  else
    perform audit.append('alert.raise', target_kind => 'alert', target_id => new.subject, to_presidency => true,
      detail => new.detail || own || case tg_op when 'UPDATE' then '{"renewed": true}' else '{}' end::jsonb);
  end if;
  return null;
end $$;

create trigger a_rules before insert or update on public.alert for each row execute function itm.alert_rules();
create trigger b_raised after insert on public.alert for each row execute function itm.tell_alert();
create trigger c_changed after update on public.alert for each row
  when (old.* is distinct from new.*) execute function itm.tell_alert();
alter table public.alert enable always trigger a_rules, enable always trigger b_raised, enable always trigger c_changed;
revoke all on function itm.alert_digest, itm.alert_rules, itm.tell_alert from public;
grant execute on function itm.alert_digest to itm_signer;

create or replace function itm.tell_of_limit(wanted text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.seconds_to_wait(wanted) = 0 then
    return false;
  end if;
  insert into public.alert (kind, severity, holder, subject, detail)
    values ('access.limit', 'warning', itm.home(), audit.context() -> 'actor' ->> 'name', jsonb_build_object(
      'action', wanted, 'account', audit.context() -> 'actor' ->> 'name',
      'institution', audit.context() -> 'actor' ->> 'institution'))
    on conflict do nothing;
  return found;
end $$;
