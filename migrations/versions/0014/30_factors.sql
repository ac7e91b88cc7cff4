-- Second factors: authenticator apps and passkeys, several for each account, and recovery codes for the day on which all
-- of them are lost. A factor is its person's own: row-level security shows it to that person's sign-in alone.
create table public.second_factor (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  kind varchar not null,
  name varchar not null,
  data_key bytea,
  sealed bytea,
  last_step bigint default 0 not null,
  credential bytea,
  public_key bytea,
  sign_count bigint default 0 not null,
  created_at timestamp with time zone default now() not null,
  confirmed_at timestamp with time zone,
  last_used_at timestamp with time zone,
  ended_at timestamp with time zone,
  primary key (id),
  constraint second_factor_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint second_factor_kind check (kind in ('totp', 'passkey')),
  constraint second_factor_name check (length(name) between 1 and 60),
  constraint second_factor_parts check (
    num_nonnulls(data_key, sealed) = case when kind = 'totp' and ended_at is null then 2 else 0 end
    and num_nonnulls(credential, public_key) = case when kind = 'passkey' and ended_at is null then 2 else 0 end),
  constraint second_factor_credential unique (credential)
);
create index second_factor_of_account on public.second_factor (account_id);
comment on column public.second_factor.name is 'Personal data: the name that a member of staff gave a device';

-- One set of recovery codes for each account: the digests of those that were not used. A code has 120 random bits, so
-- that a plain digest tells nothing.
create table public.recovery_codes (
  account_id uuid not null,
  institution_id uuid not null,
  digests bytea[] not null,
  made_at timestamp with time zone default now() not null,
  primary key (account_id),
  constraint recovery_codes_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint recovery_codes_ten check (cardinality(digests) <= 10)
);

-- Wrong codes of an account. They delay codes alone: a passkey cannot be guessed and is never delayed.
-- Not captured: each wrong code is an entry of its own.
create table public.code_tries (
  account_id uuid not null,
  institution_id uuid not null,
  failures integer default 0 not null,
  blocked_until timestamp with time zone,
  primary key (account_id),
  constraint code_tries_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);

-- A challenge that a passkey signs: known to this server alone before it is used, used once, for five minutes.
-- Not captured: random numbers that nobody keeps.
create table public.passkey_challenge (
  id uuid default gen_random_uuid() not null,
  challenge bytea not null,
  purpose varchar not null,
  institution_id uuid,
  account_id uuid,
  made_at timestamp with time zone default now() not null,
  primary key (id),
  constraint passkey_challenge_purpose check (purpose in ('add', 'sign_in', 'step_up')),
  constraint passkey_challenge_known check (num_nonnulls(institution_id, account_id) = case purpose when 'sign_in' then 0 else 2 end),
  constraint passkey_challenge_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);
create index passkey_challenge_age on public.passkey_challenge (made_at);

alter table public.second_factor enable row level security;
alter table public.second_factor force row level security;
alter table public.recovery_codes enable row level security;
alter table public.recovery_codes force row level security;
alter table public.code_tries enable row level security;
alter table public.code_tries force row level security;
alter table public.passkey_challenge enable row level security;
alter table public.passkey_challenge force row level security;
create policy factor_own on public.second_factor for all to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()))
  with check ((select itm.scope()) = 'login' and account_id = (select itm.account()) and institution_id = (select itm.home()));
-- A passkey alone names its account.
create policy factor_of_passkey on public.second_factor for select to itm_app
  using ((select itm.scope()) = 'login' and credential = (select itm.token()));
create policy factor_rules on public.second_factor for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy codes_own on public.recovery_codes for all to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()))
  with check ((select itm.scope()) = 'login' and account_id = (select itm.account()) and institution_id = (select itm.home()));
create policy codes_rules on public.recovery_codes for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy tries_own on public.code_tries for all to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()))
  with check ((select itm.scope()) = 'login' and account_id = (select itm.account()) and institution_id = (select itm.home()));
create policy tries_rules on public.code_tries for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy challenge_login on public.passkey_challenge for all to itm_app
  using ((select itm.scope()) = 'login' and (account_id is null or account_id = (select itm.account()))
         or made_at < now() - interval '5 minutes')
  with check ((select itm.scope()) = 'login' and (account_id is null or account_id = (select itm.account())));
revoke all on public.second_factor, public.recovery_codes, public.code_tries, public.passkey_challenge from public;
grant select, insert (id, institution_id, account_id, kind, name, data_key, sealed, credential, public_key, sign_count),
  update (name, last_step, sign_count, confirmed_at, last_used_at, ended_at) on public.second_factor to itm_app;
grant select, insert, update (digests, made_at) on public.recovery_codes to itm_app;
grant select, insert, update (failures, blocked_until) on public.code_tries to itm_app;
grant select, insert (id, challenge, purpose, institution_id, account_id), delete on public.passkey_challenge to itm_app;
select audit.watch('public.second_factor', 'second_factor', 1, 'institution_id', 'id', '{data_key,sealed,credential,public_key}',
  '{created_at,last_step,sign_count,last_used_at}', 'account.change');
select audit.watch('public.recovery_codes', 'recovery_codes', 1, 'institution_id', 'account_id', '{digests}', '{}', 'account.change');

-- A confirmed factor stays confirmed, a time step is accepted once and never one before it, and the last factor stays.
-- An ended factor stays ended, and what it proved with is destroyed.
create function itm.factor_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' and new.ended_at is not null then
    new.ended_at := coalesce(old.ended_at, now());
    new.data_key := null;
    new.sealed := null;
    new.credential := null;
    new.public_key := null;
  end if;
  if current_user <> 'itm_app' then
    return new;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('itm factors of ' || new.account_id, 0));
  if tg_op = 'INSERT' then
    new.confirmed_at := case when new.kind = 'passkey' then now() end;
    if (select count(*) from public.second_factor f where f.account_id = new.account_id and f.ended_at is null) >= 10 then
      raise exception using errcode = 'restrict_violation', message = 'an account has ten factors at most';
    end if;
  else
    if old.ended_at is not null then
      raise exception using errcode = 'restrict_violation', message = 'an ended factor stays ended';
    end if;
    if new.last_step < old.last_step or new.sign_count < old.sign_count
       or (old.confirmed_at is not null and new.confirmed_at is distinct from old.confirmed_at)
       or (old.confirmed_at is null and new.confirmed_at is not null and new.last_step = old.last_step) then
      raise exception using errcode = 'restrict_violation', message = 'a code is accepted once, and none before it';
    end if;
    if new.ended_at is not null and old.confirmed_at is not null and not exists (
         select from public.second_factor f where f.account_id = new.account_id and f.id <> new.id
            and f.confirmed_at is not null and f.ended_at is null) then
      raise exception using errcode = 'restrict_violation', message = 'the last factor stays';
    end if;
  end if;
  return new;
end $$;
create trigger a_rules before insert or update on public.second_factor for each row execute function itm.factor_rules();
alter table public.second_factor enable always trigger a_rules;

-- For rules and pages: the account has a factor.
create function itm.has_factor(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and exists (select from public.second_factor f where f.account_id = who and f.confirmed_at is not null and f.ended_at is null)
$$;
revoke all on function itm.factor_rules, itm.has_factor from public;
grant execute on function itm.has_factor to itm_app;

-- Lost factors: asked for by one person, confirmed by another; the next sign-in then sets up new ones.
create function itm.void_factors(who uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.second_factor f set ended_at = now() where f.account_id = who and f.ended_at is null;
  update public.recovery_codes r set digests = '{}', made_at = now() where r.account_id = who;
  update public.code_tries t set failures = 0, blocked_until = null where t.account_id = who;
  update public.account a set epoch = a.epoch + 1 where a.id = who;
end $$;
revoke all on function itm.void_factors from public;

alter table public.access_change drop constraint access_change_kind,
  add constraint access_change_kind check (kind in ('link', 'rise', 'end', 'reset', 'factors'));

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
      if itm.scope() not in ('institution', 'accounts') or not itm.has_factor(new.account_id)
         or (itm.scope() = 'institution' and not itm.manages())
         or (itm.audits(new.account_id) and itm.scope() <> 'accounts' and not exists (
               select from public.role_grant g where g.account_id = new.account_id and g.state = 'active' and g.role = 'auditor_national'))
         or (not itm.audits(new.account_id) and itm.beyond_manager(new.account_id)) then
        raise exception using errcode = 'restrict_violation', message = 'this is not asked for from here';
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
  roles := array(select g.role from public.role_grant g where g.account_id = old.account_id and g.state <> 'ended');
  ordinary := old.kind in ('link', 'factors') and itm.is_ordinary(old.account_id);
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
    if old.kind = 'factors' then
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

-- Somebody who holds the machine helps an administrator who has lost the factors too: the link's maker is nobody.
create function itm.machine_link_voids_factors() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and new.created_by is null then
    perform itm.void_factors(new.account_id);
  end if;
  return null;
end $$;
revoke all on function itm.machine_link_voids_factors from public;
create trigger c_factors after insert on public.invitation for each row execute function itm.machine_link_voids_factors();
alter table public.invitation enable always trigger c_factors;

-- The owner is told of each change of the factors, and of a reset when it is asked for and when it is done.
alter table public.mail drop constraint mail_kind, add constraint mail_kind check (kind in ('link', 'told_link', 'told_confirmed',
  'told_rise', 'told_end', 'told_reset', 'told_password', 'told_email', 'told_factor', 'told_recovery', 'told_factors', 'told_factors_asked',
  'audit_link', 'audit_confirmed', 'audit_rise', 'audit_end', 'audit_reset', 'audit_factors'));

create or replace function itm.tell(about uuid, kind text, address text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  person public.account;
begin
  select a.* into person from public.account a where a.id = tell.about;
  delete from public.mail m where m.institution_id = person.institution_id and m.created_at < now() - interval '7 days';
  insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
  select person.institution_id, person.id, 'told_' || kind, person.id, coalesce(tell.address, person.email), person.language,
         jsonb_build_object('name', person.first_name || ' ' || person.last_name, 'username', person.username);
  if kind in ('link', 'confirmed', 'rise', 'end', 'reset', 'factors') then
    insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
    select a.institution_id, a.id, 'audit_' || kind, person.id, a.email, a.language,
           jsonb_build_object('name', a.first_name || ' ' || a.last_name, 'username', person.username)
      from public.account a join public.role_grant g on g.account_id = a.id and g.state = 'active'
     where a.active and a.id <> person.id
       and ((g.role = 'auditor_institution' and a.institution_id = person.institution_id)
            or (g.role = 'auditor_national' and not exists (
                  select from public.role_grant h join public.account b on b.id = h.account_id
                   where h.role = 'auditor_institution' and h.state = 'active' and b.active and b.id <> person.id
                     and b.institution_id = person.institution_id)));
  end if;
end $$;

create or replace function itm.tell_of_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' then
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

create function itm.tell_of_factor() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and pg_trigger_depth() = 1 then
    if new.confirmed_at is null
       or tg_op = 'UPDATE' and (old.confirmed_at, old.name, old.ended_at) is not distinct from (new.confirmed_at, new.name, new.ended_at) then
      return null;
    end if;
    perform itm.tell(new.account_id, 'factor');
  end if;
  return null;
end $$;
-- A recovery code was used, or a new set was made; the first set comes with the first factor, which is told.
create function itm.tell_of_recovery() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and pg_trigger_depth() = 1 then
    perform itm.tell(new.account_id, case when new.made_at = old.made_at then 'recovery' else 'factor' end);
  end if;
  return null;
end $$;
create trigger d_tell after update on public.recovery_codes for each row execute function itm.tell_of_recovery();
alter table public.recovery_codes enable always trigger d_tell;
revoke all on function itm.tell_of_factor, itm.tell_of_recovery from public;
create trigger d_tell after insert or update of confirmed_at, name, ended_at on public.second_factor
  for each row execute function itm.tell_of_factor();
alter table public.second_factor enable always trigger d_tell;

-- A session that has just begun whole writes when its account last signed in; half a session is no sign-in yet.
create or replace function itm.last_login_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' then
    if tg_op = 'INSERT' or itm.scope() is distinct from 'login' or itm.account() is distinct from new.id
       or not exists (select from public.account_session s where s.account_id = new.id and s.begun_at = now() and s.ended_at is null
                      and (s.factor_at is not null or not itm.factor_needed())) then
      raise exception using errcode = 'restrict_violation', message = 'a sign-in writes when it was, and nothing else does';
    end if;
    new.last_login := now();
  end if;
  return new;
end $$;

-- From now on everybody needs one.
create or replace function itm.factor_needed() returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select true $$;

-- Raising the epoch ends all sessions of the account. The reason is what this transaction changed.
create or replace function itm.epoch_ends_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.account_session s set why = case
      when not new.active then 'suspended'
      when exists (select from public.second_factor f where f.account_id = new.id and now() in (f.confirmed_at, f.ended_at))
           or exists (select from public.recovery_codes r where r.account_id = new.id and r.made_at = now()) then 'factor'
      when exists (select from public.invitation n where n.account_id = new.id and n.created_at = now()) then 'link'
      when exists (select from public.role_grant g where g.account_id = new.id and g.updated_at = now()) then 'role'
      when exists (select from public.credential c where c.account_id = new.id and c.changed_at = now())
           or not itm.has_password(new.id) then 'password'
      else 'all' end
   where s.account_id = new.id and s.ended_at is null;
  return null;
end $$;
