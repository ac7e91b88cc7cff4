create or replace function itm.account_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if (new.id, new.institution_id, new.username) is distinct from (old.id, old.institution_id, old.username) then
    raise exception using errcode = 'restrict_violation', message = 'an account keeps its institution and its user name';
  end if;
  if new.epoch < old.epoch then
    raise exception using errcode = 'restrict_violation', message = 'an account''s epoch only rises';
  end if;
  -- At its largest value nothing could end the account's sessions any more, nor suspend it.
  if current_user = 'itm_app' and new.epoch > old.epoch + 1 then
    raise exception using errcode = 'restrict_violation', message = 'an account''s epoch rises by one';
  end if;
  if old.active and not new.active then
    new.epoch := greatest(new.epoch, old.epoch + 1);
  end if;
  if current_user = 'itm_app'
     and to_jsonb(new) - '{epoch,last_login}'::text[] is distinct from to_jsonb(old) - '{epoch,last_login}'::text[]
     and (itm.scope() = 'oversight'
          or (new.id is distinct from itm.account() and itm.beyond_manager(new.id))
          or (new.id is distinct from itm.account() and (itm.audits(new.id) or (new.active and itm.is_proposed(new.id))))
          or (new.id = itm.account() and (new.active, new.unit_id) is distinct from (old.active, old.unit_id))
          or (new.id = itm.account() and not (itm.manages() or itm.scope() = 'accounts')
              and (new.first_name, new.last_name) is distinct from (old.first_name, old.last_name))) then
    raise exception using errcode = 'restrict_violation', message = 'this account is not changed from here';
  end if;
  return new;
end $$;

-- As the owner: the last of a kind may be of another institution.
create function itm.suspension_keeps_last() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare held record;
begin
  for held in select g.role, g.institution_id from public.role_grant g where g.account_id = new.id and g.state = 'active' order by g.role
  loop
    perform itm.keep_last(new.id, held.role, held.institution_id);
  end loop;
  return null;
end $$;

create or replace function itm.invitation_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' and tg_op = 'UPDATE' then
    -- A link is withdrawn by those who make links, and used once by those who hold its secret. Else a used one would live
    -- again, a mailed one would get a secret that its maker knows, and one without a maker would make its person independent.
    if to_jsonb(new) - '{expires_at,used_at}'::text[] is distinct from to_jsonb(old) - '{expires_at,used_at}'::text[]
       or new.expires_at > old.expires_at or old.used_at is not null
       or (new.used_at is not null and (itm.token() is distinct from old.token_digest or old.expires_at <= now())) then
      raise exception using errcode = 'restrict_violation', message = 'a link is used once or withdrawn, and nothing else of it changes';
    end if;
  elsif current_user = 'itm_app' then
    new.created_by := itm.account();
    new.created_at := now();
    if new.used_at is not null or new.expires_at > now() + interval '73 hours' then -- the panel's clock may be another
      raise exception using errcode = 'restrict_violation', message = 'a link works once and for 72 hours';
    end if;
    if new.account_id = itm.account() or itm.beyond_manager(new.account_id) then
      raise exception using errcode = 'restrict_violation', message = 'this account is not invited from here';
    end if;
    if new.created_by is not null and itm.audits(new.account_id) and itm.has_password(new.account_id) then
      raise exception using errcode = 'restrict_violation', message = 'an auditor''s new link takes two people';
    end if;
  end if;
  return new;
end $$;

-- The maker has seen the link: what it opens waits for another person. The machine's own links have no maker.
create function itm.link_waits() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' then
    return null;
  end if;
  update public.access_change c set state = 'replaced'
   where c.account_id = new.account_id and c.kind = 'link' and c.state = 'waiting';
  insert into public.access_change (institution_id, account_id, kind, state, invitation_id, created_by)
  values (new.institution_id, new.account_id, 'link', case when new.created_by is null then 'done' else 'waiting' end,
          new.id, new.created_by);
  return null;
end $$;

-- Nobody can sign in yet: `itm init` and `itm demo` make the first two people, each with a link of the machine.
create function itm.is_beginning() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.account() is null
     and not exists (select from public.credential) and not exists (select from public.account a where a.created_by is not null)
$$;

create function itm.grant_end_keeps_last(account uuid, kind text, institution uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$ select itm.keep_last(account, kind, institution) $$;

-- The approver and the approver's institution are those of the session; an approval by somebody who depends on the
-- proposer counts for nothing, and is refused where it would be the only one.
create or replace function itm.approver_is_actor() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare proposal public.role_grant;
begin
  if current_user = 'itm_app' then
    new.approver_id := itm.account();
    new.approver_institution_id := itm.home();
    select g.* into proposal from public.role_grant g where g.id = new.grant_id;
    if proposal.state is distinct from 'proposed' or new.approver_id is null
       or new.approver_id in (proposal.account_id, proposal.created_by)
       or not (proposal.role = 'auditor_national' or itm.is_independent(proposal.created_by, new.approver_id))
       or not itm.is_no_raiser(new.approver_id, proposal.account_id) then
      raise exception using errcode = 'restrict_violation', message = 'a rise in power needs somebody whom the proposer did not raise';
    end if;
  end if;
  return new;
end $$;

-- Whom the risen person raised must not confirm the rise.
create function itm.is_no_raiser(approver uuid, holder uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.may_ask() and holder not in (select itm.raised_by(approver)) $$;

-- At the moment of the rise everything of before is void; each rise and each end is told.
create function itm.rise_voids() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' then
    return null;
  end if;
  if old.state = 'proposed' and new.state = 'active' then
    insert into public.access_change (institution_id, account_id, kind, state, grant_id, created_by, decided_at, decided_by)
    values (new.institution_id, new.account_id, 'rise', 'done', new.id, new.created_by, now(), itm.account());
    perform itm.void_secrets(new.account_id);
  elsif old.state = 'active' and new.state = 'ended'
        and not exists (select from public.access_change c where c.grant_id = new.id and c.kind = 'end' and c.state = 'waiting') then
    insert into public.access_change (institution_id, account_id, kind, state, grant_id, created_by)
    values (new.institution_id, new.account_id, 'end', 'done', new.id, itm.account());
  end if;
  return null;
end $$;

-- Of an auditor: the end of the role, or the end of the password, is asked for by one person.
create function itm.change_asked() returns trigger
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
    if new.kind not in ('end', 'reset') or new.created_by is null or new.created_by = new.account_id
       or not itm.audits(new.account_id)
       or not exists (select from public.role_grant g where g.account_id = new.account_id and g.state = 'active'
                      and (new.kind = 'reset' or g.id = new.grant_id)
                      and (itm.scope() = 'accounts' or g.role = 'auditor_national')) then
      raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
    end if;
  end if;
  return new;
end $$;

-- And confirmed by another one; so is a first sign-in. The rule looks across institutions, as the owner.
create function itm.change_decided() returns trigger
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
  ordinary := old.kind = 'link' and itm.is_ordinary(old.account_id);
  if not (itm.approves() or itm.scope() = 'accounts' or (itm.scope() = 'institution' and ordinary)
          or (itm.manages() and 'auditor_national' = any (roles))) then
    raise exception using errcode = 'restrict_violation', message = 'this is not decided from here';
  end if;
  if new.state = 'done' then
    if who is not distinct from old.created_by or not (ordinary or itm.is_independent(old.created_by, who))
       or old.account_id in (select itm.raised_by(who)) then
      raise exception using errcode = 'restrict_violation', message = 'another person confirms, whom the first did not raise';
    end if;
    if old.kind = 'link' and not exists (select from public.invitation n where n.id = old.invitation_id and n.used_at is not null) then
      raise exception using errcode = 'restrict_violation', message = 'the link has not been used yet';
    end if;
    if old.kind = 'end' then
      update public.role_grant g set state = 'ended' where g.id = old.grant_id and g.state = 'active';
    end if;
  end if;
  if (new.state = 'done') = (old.kind in ('end', 'reset')) then
    perform itm.void_secrets(old.account_id, old.id);
  end if;
  new.decided_at := now();
  new.decided_by := who;
  return new;
end $$;

-- The Presidency, and the institution of the last national auditor, stay.
create function itm.institution_stays() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if new.kind = 'presidency' then
    raise exception using errcode = 'restrict_violation', message = 'the Presidency stays active';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('itm last of auditor_national', 0));
  if exists (select from public.role_grant g join public.account a on a.id = g.account_id
             where g.role = 'auditor_national' and g.state = 'active' and a.active and g.institution_id = new.id)
     and not exists (select from public.role_grant g join public.account a on a.id = g.account_id
                     join public.institution i on i.id = g.institution_id
                     where g.role = 'auditor_national' and g.state = 'active' and a.active
                       and g.institution_id <> new.id and i.status = 'active') then
    raise exception using errcode = 'restrict_violation', message = 'the last of a kind stays';
  end if;
  return new;
end $$;

-- There is one Presidency: no institution becomes it, and it becomes no other kind.
create function itm.presidency_stays() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'restrict_violation', message = 'there is one Presidency, and it stays';
end $$;

drop trigger a_inviter on public.invitation;
create trigger a_inviter before insert or update on public.invitation for each row execute function itm.invitation_rules();
create trigger c_kind before update of kind on public.institution for each row
  when (old.kind is distinct from new.kind and 'presidency' in (old.kind, new.kind)) execute function itm.presidency_stays();
alter table public.invitation enable always trigger a_inviter;
alter table public.institution enable always trigger c_kind;
create trigger d_rise after update of state on public.role_grant for each row
  when (old.state is distinct from new.state) execute function itm.rise_voids();
create trigger c_keep_last after update of active on public.account for each row
  when (old.active and not new.active) execute function itm.suspension_keeps_last();
create trigger b_waits after insert on public.invitation for each row execute function itm.link_waits();
create trigger a_asked before insert on public.access_change for each row execute function itm.change_asked();
create trigger b_decided before update on public.access_change for each row execute function itm.change_decided();
create trigger d_stays before update of status on public.institution for each row
  when (old.status = 'active' and new.status <> 'active') execute function itm.institution_stays();
alter table public.role_grant enable always trigger d_rise;
alter table public.account enable always trigger c_keep_last;
alter table public.invitation enable always trigger b_waits;
alter table public.access_change enable always trigger a_asked, enable always trigger b_decided;
alter table public.institution enable always trigger d_stays;

-- A person whose first sign-in waits holds nothing yet.
drop policy grant_own on public.role_grant;
create policy grant_own on public.role_grant for select to itm_app
  using (account_id = (select itm.account()) and not (select itm.waits(itm.account())));

revoke all on function itm.suspension_keeps_last, itm.link_waits, itm.is_beginning, itm.grant_end_keeps_last, itm.is_no_raiser,
  itm.rise_voids, itm.change_asked, itm.change_decided, itm.institution_stays, itm.presidency_stays from public;
grant execute on function itm.is_beginning, itm.grant_end_keeps_last, itm.is_no_raiser to itm_app;
