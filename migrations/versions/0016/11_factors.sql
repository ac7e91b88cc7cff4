-- What a factor's row remembers of its use decides who can sign in: a step of the year 3000, or the largest count, keeps the person out for
-- ever, and wrong codes that are forgotten are guessed without end. The web server checks codes and passkeys, and claims what it found;
-- SQL in its name writes none of it.

-- Whose second factor is shown: of the person in the own scope, or at the second step.
create function itm.shows_factor() returns uuid
language sql stable set search_path = pg_catalog, pg_temp
as $$ select coalesce(itm.at_second_step(), case when itm.scope() = 'login' then itm.account() end) $$;

-- A factor was shown: a code of a later step than the last one, or a passkey with its count. False: the code was used before. An app that
-- is being set up counts from then on.
create function itm.factor_shown(factor uuid, step bigint, signs bigint, at bigint default null, mac bytea default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := itm.shows_factor();
  held public.second_factor;
begin
  if who is null or not itm.is_command() and itm.is_claim(
       concat_ws(' ', 'factor', who, factor, coalesce(step::text, '-'), coalesce(signs::text, '-')), at, mac) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'this is no claim of the web server';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('itm factors of ' || who, 0));
  select f.* into held from public.second_factor f where f.id = factor and f.account_id = who and f.ended_at is null for update;
  if held.id is null or held.kind = 'totp' and coalesce(step, 0) <= held.last_step then
    return false;
  end if;
  if step > floor(extract(epoch from clock_timestamp()) / 30) + 1 then
    raise exception using errcode = 'restrict_violation', message = 'a code of a time to come proves nothing';
  end if;
  if held.confirmed_at is null and itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360 and itm.had_factor(who) then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  update public.second_factor f
     set last_step = coalesce(step, f.last_step), sign_count = greatest(f.sign_count, signs), last_used_at = now(),
         confirmed_at = coalesce(f.confirmed_at, now())
   where f.id = held.id;
  if held.kind = 'totp' then
    update public.code_tries t set failures = 0, blocked_until = null where t.account_id = who;
  end if;
  return true;
end $$;

-- Seconds until another code may be tried; 0: now. Two at the same moment wait for each other, so that both count.
create function itm.code_wait() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := itm.shows_factor();
  until timestamp with time zone;
begin
  insert into public.code_tries (account_id, institution_id) select a.id, a.institution_id from public.account a where a.id = who
  on conflict do nothing;
  select t.blocked_until into until from public.code_tries t where t.account_id = who for update;
  return coalesce(greatest(ceil(extract(epoch from until - clock_timestamp())), 0), 0);
end $$;

-- A wrong code: five in a row are free, then the next one waits, longer each time, an hour at most. One that had to wait counts nowhere.
create function itm.code_was_wrong() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.code_tries t
     set failures = least(t.failures, 1000000) + 1,
         blocked_until = case when t.failures >= 4
                              then clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ least(t.failures - 4, 10)) end
   where t.account_id = itm.shows_factor() and coalesce(t.blocked_until <= clock_timestamp(), true)
$$;

-- Uses a recovery code, which proves itself: its 120 bits are guessed by nobody. False: there is none of this digest.
create function itm.use_recovery_code(digest bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := itm.shows_factor();
begin
  update public.recovery_codes r set digests = array_remove(r.digests, digest) where r.account_id = who and digest = any (r.digests);
  if not found then
    return false;
  end if;
  update public.code_tries t set failures = 0, blocked_until = null where t.account_id = who;
  return true;
end $$;
revoke all on function itm.shows_factor, itm.factor_shown, itm.code_wait, itm.code_was_wrong, itm.use_recovery_code from public;
grant execute on function itm.factor_shown, itm.code_wait, itm.code_was_wrong, itm.use_recovery_code to itm_app;

revoke update on public.second_factor from itm_app;
grant update (name, ended_at) on public.second_factor to itm_app;
revoke all on public.code_tries from itm_app;
drop policy tries_own on public.code_tries;

-- Whatever a session itself changes of its account's factors takes a fresh one, where there is one.
create or replace function itm.own_factor_is_fresh() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
  if current_user = 'itm_app' and itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360
     and itm.had_factor(new.account_id) then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  return new;
end $$;
drop trigger c_fresh_change on public.second_factor;
create trigger c_fresh_change before update on public.second_factor for each row execute function itm.own_factor_is_fresh();
drop trigger c_fresh_change on public.recovery_codes;
create trigger c_fresh_change before update on public.recovery_codes for each row execute function itm.own_factor_is_fresh();
alter table public.second_factor enable always trigger c_fresh_change;
alter table public.recovery_codes enable always trigger c_fresh_change;

-- Lengths, as they are made at most; a set of recovery codes has its time from the database.
create function itm.recovery_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' then
    new.made_at := now();
    if exists (select from unnest(new.digests) d where octet_length(d) is distinct from 32) or array_ndims(new.digests) > 1 then
      raise exception using errcode = 'restrict_violation', message = 'a recovery code is kept as a SHA-256';
    end if;
  end if;
  return new;
end $$;
revoke all on function itm.recovery_rules from public;
create trigger a_rules before insert or update on public.recovery_codes for each row execute function itm.recovery_rules();
alter table public.recovery_codes enable always trigger a_rules;
alter table public.second_factor
  add constraint second_factor_lengths check (octet_length(data_key) <= 512 and octet_length(sealed) <= 4096
    and octet_length(credential) <= 1023 and octet_length(public_key) <= 4096),
  add constraint second_factor_counts check (last_step >= 0 and sign_count between 0 and 4294967295);

-- Questions for passkeys live for minutes: those of before this migration are asked again.
truncate public.passkey_challenge;
alter table public.passkey_challenge add constraint passkey_challenge_length check (octet_length(challenge) between 16 and 64);
create index passkey_challenge_of_account on public.passkey_challenge (account_id);
create function itm.challenge_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  new.made_at := now();
  if new.account_id is not null then
    delete from public.passkey_challenge c where c.id in (
      select o.id from public.passkey_challenge o where o.account_id = new.account_id order by o.made_at desc, o.id offset 49);
  end if;
  return new;
end $$;
revoke all on function itm.challenge_rules from public;
create trigger a_rules before insert on public.passkey_challenge for each row execute function itm.challenge_rules();
alter table public.passkey_challenge enable always trigger a_rules;

-- Anybody asks; of ten thousand questions the oldest gives way.
create or replace function itm.ask_passkey(challenge bytea) returns uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  delete from public.passkey_challenge c where c.id in (
    select o.id from public.passkey_challenge o where o.made_at < now() - interval '5 minutes' for update skip locked);
  delete from public.passkey_challenge c where c.id in (
    select o.id from public.passkey_challenge o where o.id in (
      select u.id from public.passkey_challenge u where u.account_id is null order by u.made_at desc, u.id offset 9999)
    for update skip locked);
  insert into public.passkey_challenge (challenge, purpose) values (challenge, 'sign_in') returning id
$$;
