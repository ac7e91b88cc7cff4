-- Each act on an account has a reason from a list: a link, a role given and ended, an auditor's new password, suspended and active
-- again. The act's transaction names it (itm.why); it stands beside who did it and who confirmed it, and in the ledger. What the
-- machine does by itself has none.
alter table public.access_change drop constraint access_change_kind, drop constraint access_change_reason,
  drop constraint access_change_reason_of_factors,
  add constraint access_change_kind check (kind in ('link', 'rise', 'end', 'reset', 'factors', 'give', 'suspend', 'resume')),
  add constraint access_change_reason check (reason ~ '^[A-Z_]{3,30}$');

-- itm_admin/accounts/reasons.py in the database's words (a test compares).
create function itm.reasons(kind text) returns text[]
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
    else array[]::text[] end
$$;

create function itm.act_has_reason() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and new.kind <> 'rise' then
    if new.created_by is null then
      new.reason := null;
    else
      new.reason := coalesce(new.reason, nullif(current_setting('itm.why', true), ''));
      if new.reason is null or new.reason <> all (itm.reasons(new.kind)) then
        raise exception using errcode = 'restrict_violation', message = 'an act on an account has a reason';
      end if;
    end if;
  end if;
  return new;
end $$;
create trigger b_reason before insert on public.access_change for each row execute function itm.act_has_reason();
alter table public.access_change enable always trigger b_reason;

-- Roles that are given or proposed, and accounts that are suspended and active again, stand among the changes of access too.
create function itm.given_is_noted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and itm.account() is not null then
    insert into public.access_change (institution_id, account_id, kind, state, grant_id, created_by)
    values (new.institution_id, new.account_id, 'give', 'done', new.id, itm.account());
  end if;
  return null;
end $$;
create trigger e_noted after insert on public.role_grant for each row execute function itm.given_is_noted();
alter table public.role_grant enable always trigger e_noted;

-- Nothing stays assigned to somebody who cannot work on it: what nobody took over in the act itself stands among the open cases
-- that nobody is assigned to. These policies hold inside triggers alone.
create policy assignment_leaver on public.case_assignment for all to itm_owner
  using ((select session_user) = 'itm_app' and pg_trigger_depth() > 0) with check ((select session_user) = 'itm_app' and pg_trigger_depth() > 0);
create function itm.assignments_end(who uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$ update public.case_assignment a set ended_at = now() where a.account_id = who and a.ended_at is null $$;

create function itm.activity_is_noted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' then
    insert into public.access_change (institution_id, account_id, kind, state, created_by)
    values (new.institution_id, new.id, case when new.active then 'resume' else 'suspend' end, 'done', itm.account());
    if not new.active then
      perform itm.assignments_end(new.id);
    end if;
  end if;
  return null;
end $$;
create trigger g_noted after update of active on public.account for each row
  when (old.active is distinct from new.active) execute function itm.activity_is_noted();
alter table public.account enable always trigger g_noted;

create function itm.last_work_ends() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and not exists (
       select from public.role_grant g join itm.role_table() t on t.role = g.role
        where g.account_id = new.account_id and g.state = 'active' and t.covers in ('assigned', 'unit')) then
    perform itm.assignments_end(new.account_id);
  end if;
  return null;
end $$;
create trigger f_work_ends after update of state on public.role_grant for each row
  when (old.state = 'active' and new.state = 'ended') execute function itm.last_work_ends();
alter table public.role_grant enable always trigger f_work_ends;

revoke all on function itm.reasons, itm.act_has_reason, itm.given_is_noted, itm.assignments_end, itm.activity_is_noted,
  itm.last_work_ends from public;
grant execute on function itm.reasons to itm_app;

-- 0014/30, without mails about what the person is not told by e-mail.
create or replace function itm.tell_of_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' or new.kind in ('give', 'suspend', 'resume') then
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
