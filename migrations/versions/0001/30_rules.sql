-- Rules that hold whoever writes: stamps, immutable places, reasons, separation of roles.

-- Times, authors and the version are the database's to write.
create function itm.stamp() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    new.created_at := now();
    new.created_by := itm.account();
    new.row_version := 1;
  else
    new.created_at := old.created_at;
    new.created_by := old.created_by;
    new.row_version := old.row_version + 1;
  end if;
  new.updated_at := now();
  new.updated_by := itm.account();
  return new;
end $$;

-- A record is deleted and restored by somebody who manages its unit, never by its author alone.
create function itm.deletion_by_manager() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if new.deleted_at is distinct from old.deleted_at and current_user = 'itm_app'
     and not (itm.everywhere('manage') or new.unit_id = any (itm.units('manage'))) then
    raise exception using errcode = 'insufficient_privilege', message = 'only a manager deletes or restores a record';
  end if;
  return new;
end $$;

-- An institution's ledger exists before its first event. As its owner: nobody else may open one.
create function itm.open_ledger() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform audit.open_ledger(new.id, new.code, new.kind = 'presidency');
  return new;
end $$;

create function itm.institution_code_stays() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if new.code <> old.code then
    raise exception using errcode = 'restrict_violation', message = 'an institution''s code never changes';
  end if;
  return new;
end $$;

-- The roles that are given from each scope: itm_admin/foundation/roles.py in the database's words (a test compares).
create function itm.gives(scope text) returns text[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select case scope
    when 'institution' then array['focal_point', 'caseworker', 'auditor_national', 'auditor_institution', 'presidency_operator']
    when 'oversight' then array['institution_manager']
    when 'accounts' then array['focal_point', 'institution_manager', 'auditor_national', 'auditor_institution',
                               'presidency_operator', 'presidency_supervisor', 'system_administrator']
    else array[]::text[] end
$$;

-- What an institution's manager cannot touch: accounts whose role the manager cannot give, or gives only as a
-- proposal. Else a manager at the Presidency could take over the system administrator by a new invitation.
create function itm.beyond_manager(account uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select itm.scope() = 'institution' and exists (
    select from public.role_grant g where g.account_id = beyond_manager.account and g.state <> 'ended'
      and (g.role = 'auditor_national' or g.role <> all (itm.gives('institution'))))
$$;

create function itm.account_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if (new.id, new.institution_id, new.username) is distinct from (old.id, old.institution_id, old.username) then
    raise exception using errcode = 'restrict_violation', message = 'an account keeps its institution and its user name';
  end if;
  if new.epoch < old.epoch then
    raise exception using errcode = 'restrict_violation', message = 'an account''s epoch only rises';
  end if;
  if old.active and not new.active then
    new.epoch := greatest(new.epoch, old.epoch + 1);
  end if;
  if current_user = 'itm_app'
     and to_jsonb(new) - '{epoch,last_login}'::text[] is distinct from to_jsonb(old) - '{epoch,last_login}'::text[]
     and (itm.scope() = 'oversight'
          or (new.id is distinct from itm.account() and itm.beyond_manager(new.id))
          or (new.id = itm.account() and (new.active, new.unit_id) is distinct from (old.active, old.unit_id))) then
    raise exception using errcode = 'restrict_violation', message = 'this account is not changed from here';
  end if;
  return new;
end $$;

create function itm.invitation_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' then
    new.created_by := itm.account();
    if new.account_id = itm.account() or itm.beyond_manager(new.account_id) then
      raise exception using errcode = 'restrict_violation', message = 'this account is not invited from here';
    end if;
  end if;
  return new;
end $$;

-- A change of roles ends the sessions of whoever has one.
create function itm.role_change_ends_sessions() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if (tg_op = 'INSERT' and new.state = 'active') or (tg_op = 'UPDATE' and new.state <> old.state) then
    update public.account set epoch = epoch + 1 where id = new.account_id and last_login is not null;
  end if;
  return null;
end $$;

-- Separation of roles (DOMAIN (c)): auditors and system administrators hold nothing else, and a national
-- auditor is appointed by two people, one of them outside the Presidency.
create function itm.separation_of_roles() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  apart constant text[] := array['auditor_national', 'auditor_institution', 'system_administrator'];
  approvals integer;
  outside integer;
begin
  if tg_op = 'UPDATE' and old.state = 'ended' then
    raise exception using errcode = 'restrict_violation', message = 'an ended grant stays ended';
  end if;
  if current_user = 'itm_app' and (tg_op = 'INSERT' or new.state <> old.state)
     and not (new.role = any (itm.gives(itm.scope()))
              or (tg_op = 'UPDATE' and new.role = 'auditor_national' and itm.approves())) then
    raise exception using errcode = 'restrict_violation', message = 'this role is not given from here';
  end if;
  if new.state = 'ended' then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.state = 'active' and new.state = 'proposed' then
    raise exception using errcode = 'restrict_violation', message = 'an active grant is ended, never proposed again';
  end if;
  if tg_op = 'UPDATE' and (new.account_id, new.role, new.unit_id) is distinct from (old.account_id, old.role, old.unit_id) then
    raise exception using errcode = 'restrict_violation', message = 'a grant is ended and given anew, never rewritten';
  end if;
  -- Two grants at once to one account wait for each other here.
  perform pg_advisory_xact_lock(hashtextextended(new.account_id::text, 0));
  if exists (select from public.role_grant g
             where g.account_id = new.account_id and g.id <> new.id and g.state <> 'ended' and g.role <> new.role
               and (g.role = any (apart) or new.role = any (apart))) then
    raise exception using errcode = 'restrict_violation', message = 'this role is held alone';
  end if;
  if new.role in ('presidency_operator', 'presidency_supervisor')
     and not exists (select from public.institution i where i.id = new.institution_id and i.kind = 'presidency') then
    raise exception using errcode = 'restrict_violation', message = 'this role belongs to the Presidency';
  end if;
  if new.role = 'auditor_national' and new.state = 'active' then
    if exists (select from public.institution i where i.id = new.institution_id and i.kind = 'presidency') then
      raise exception using errcode = 'restrict_violation', message = 'a national auditor is not of the Presidency';
    end if;
    select count(*), count(*) filter (where i.kind <> 'presidency') into approvals, outside
      from public.grant_approval a join public.institution i on i.id = a.approver_institution_id
      where a.grant_id = new.id and a.approver_id <> new.account_id and a.approver_id is distinct from new.created_by;
    if approvals < 2 or outside < 1 or outside = approvals then
      raise exception using errcode = 'restrict_violation',
        message = 'a national auditor needs two approvals, one of the Presidency and one from outside it';
    end if;
  end if;
  return new;
end $$;

-- The approver and the approver's institution are those of the session, not of the form.
create function itm.approver_is_actor() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' then
    new.approver_id := itm.account();
    new.approver_institution_id := itm.home();
  end if;
  return new;
end $$;

-- A decision about a ledger: who proposes and who decides is the session's word, once, and nothing else changes after.
-- Outside the panel (a prompt) the same holds, as far as the session says who is at work.
create function itm.decision_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    if current_user = 'itm_app' then
      new.proposed_at := now();
      new.proposed_by := itm.account();
      new.proposer_institution_id := itm.home();
    end if;
    if new.decision is not null or new.outcome is not null then
      raise exception using errcode = 'restrict_violation', message = 'a decision is proposed first';
    end if;
    return new;
  end if;
  if (new.id, new.institution_id, new.kind, new.reason, new.first_seq, new.last_seq, new.proposed_at, new.proposed_by,
      new.proposer_institution_id) is distinct from
     (old.id, old.institution_id, old.kind, old.reason, old.first_seq, old.last_seq, old.proposed_at, old.proposed_by,
      old.proposer_institution_id) then
    raise exception using errcode = 'restrict_violation', message = 'what was proposed stays as it was';
  end if;
  if old.decision is not null then
    if (new.decision, new.decided_at, new.decided_by, new.decider_institution_id) is distinct from
       (old.decision, old.decided_at, old.decided_by, old.decider_institution_id) or old.outcome is not null then
      raise exception using errcode = 'restrict_violation', message = 'what was decided stays decided';
    end if;
  elsif current_user = 'itm_app' and new.decision is not null then
    new.decided_at := now();
    new.decided_by := itm.account();
    new.decider_institution_id := itm.home();
  end if;
  return new;
end $$;

do $$
declare name text;
begin
  foreach name in array array['institution', 'unit', 'account', 'role_grant', 'case_file', 'person', 'case_person', 'victim_profile']
  loop
    execute format('create trigger a_stamp before insert or update on public.%I for each row execute function itm.stamp()', name);
    execute format('alter table public.%I enable always trigger a_stamp', name);
  end loop;
  -- Signing in and out is no new version of an account: whoever edits it meanwhile has no conflict.
  drop trigger a_stamp on public.account;
  create trigger a_stamp before insert on public.account for each row execute function itm.stamp();
  create trigger a_stamp_change before update on public.account for each row
    when (to_jsonb(new) - '{epoch,last_login}'::text[] is distinct from to_jsonb(old) - '{epoch,last_login}'::text[])
    execute function itm.stamp();
  alter table public.account enable always trigger a_stamp;
  alter table public.account enable always trigger a_stamp_change;
  foreach name in array array['case_file', 'person', 'case_person', 'victim_profile']
  loop
    execute format('create trigger b_deletion before update on public.%I for each row execute function itm.deletion_by_manager()', name);
  end loop;
end $$;

create trigger b_open_ledger before insert on public.institution for each row execute function itm.open_ledger();
create trigger c_code before update on public.institution for each row execute function itm.institution_code_stays();
create trigger b_separation before insert or update on public.role_grant for each row execute function itm.separation_of_roles();
create trigger c_epoch after insert or update on public.role_grant for each row execute function itm.role_change_ends_sessions();
create trigger b_account before update on public.account for each row execute function itm.account_rules();
create trigger a_inviter before insert on public.invitation for each row execute function itm.invitation_rules();
create trigger a_decision before insert or update on public.ledger_decision for each row execute function itm.decision_rules();
alter table public.ledger_decision enable always trigger a_decision;
create trigger a_approver before insert on public.grant_approval for each row execute function itm.approver_is_actor();

revoke execute on all functions in schema itm from public;
grant execute on all functions in schema itm to itm_app, itm_owner;

-- What anybody of the institution has typed about a record, and not saved: thrown away when its person is erased.
create function itm.forget_drafts(record uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  delete from public.draft d where d.institution_id = itm.institution() and d.form like '%:' || record::text;
end;
revoke all on function itm.forget_drafts from public;
grant execute on function itm.forget_drafts to itm_app;
