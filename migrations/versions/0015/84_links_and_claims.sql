-- The other ways in: a one-time link, a passkey, and what the web server alone can check.

-- The person of a link that opens; no row: unknown, used, withdrawn, expired, or its account is not open.
create function itm.invited(token text, at timestamp with time zone default null)
returns table (id uuid, account_id uuid, institution_id uuid, code varchar, username varchar, first_name varchar, last_name varchar,
               email varchar, name_tr varchar, name_en varchar, expires_at timestamp with time zone, waits boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select n.id, a.id, a.institution_id, i.code, a.username, a.first_name, a.last_name, a.email, i.name_tr, i.name_en, n.expires_at, n.created_by is not null
    from public.invitation n join public.account a on a.id = n.account_id and a.active
    join public.institution i on i.id = a.institution_id and i.status = 'active'
   where n.token_digest = sha256(convert_to(token, 'UTF8')) and n.used_at is null and n.expires_at > itm.story_time(at)
$$;

create function itm.salts_of_invited(token text) returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.salts_kept(n.account_id) from itm.invited(token) n $$;

-- Uses a link: its person's password. 'bad': it does not open; 'former': the password is one of before, and the link stays; NULL: done.
create function itm.redeem(token text, kept text, proofs bytea[], at timestamp with time zone default null) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  moment constant timestamp with time zone := itm.story_time(at);
  link uuid;
  who uuid;
begin
  select n.id into link from public.invitation n where n.token_digest = sha256(convert_to(token, 'UTF8')) for update;
  select n.account_id into who from itm.invited(token, at) n where n.id = link;
  if who is null then
    return 'bad';
  end if;
  perform itm.at_the_door(who);
  update public.invitation n set used_at = moment where n.id = link;
  if not itm.keep_password(who, kept, proofs) then
    raise exception using errcode = 'ITM01', message = 'the person had this password before';
  end if;
  perform set_config('backtrace_functions', before, true);
  return null;
exception when sqlstate 'ITM01' then
  perform set_config('backtrace_functions', before, true);
  return 'former';
end $$;

-- A passkey alone: the question, and the answer's key. The question is gone with the answer, whatever it is worth.
create function itm.ask_passkey(challenge bytea) returns uuid
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  delete from public.passkey_challenge c where c.made_at < now() - interval '5 minutes';
  insert into public.passkey_challenge (challenge, purpose) values (challenge, 'sign_in') returning id
$$;
create policy door_rules on public.passkey_challenge for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');

create function itm.answer_passkey(question uuid, credential bytea)
returns table (challenge bytea, factor uuid, account_id uuid, public_key bytea, sign_count bigint)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  with asked as (
    delete from public.passkey_challenge c where c.id = question and c.purpose = 'sign_in' and c.made_at >= now() - interval '5 minutes' returning c.challenge)
  select a.challenge, f.id, f.account_id, f.public_key, f.sign_count
    from asked a left join public.second_factor f on f.credential = answer_passkey.credential and f.ended_at is null
$$;

-- A passkey that nobody has, or that proved nothing.
create function itm.refuse_passkey() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
begin
  perform itm.at_the_door(null);
  perform audit.append('auth.login', 'failure', detail => '{"reason": "wrong_passkey"}', to_presidency => true);
  perform set_config('backtrace_functions', before, true);
end $$;

-- The web server's key, brought by the owner's login.
create function itm.bring_claim_key(inner_key bytea, outer_key bytea) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$ update itm.door set claim_inner = inner_key, claim_outer = outer_key $$;

-- A claim of the web server: something that it alone can check, of this minute.
create function itm.is_claim(words text, at bigint, mac bytea) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select coalesce(abs(extract(epoch from clock_timestamp()) - at) <= 60
    and sha256(d.claim_outer || sha256(d.claim_inner || convert_to(at || ' ' || words, 'UTF8'))) = mac, false) from itm.door d
$$;

-- Opens a session for somebody whom the web server has recognised by a passkey or through a provider. NULL: it stands; else the reason,
-- which is told. Only a claim opens it, once: the secret's digest is part of it.
create function itm.sign_in_by_claim(who uuid, digest bytea, methods text[], factor boolean, at bigint, mac bytea,
                                     idle interval, lasts interval, address text, device text)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  reason text;
begin
  if not itm.is_claim(concat_ws(' ', 'sign_in', who, encode(digest, 'hex'), array_to_string(methods, ','), factor), at, mac) then
    raise exception using errcode = 'insufficient_privilege', message = 'this is no claim of the web server';
  end if;
  reason := itm.obstacle(who);
  if reason is null and 'passkey' = any (methods) and not exists (
       select from public.second_factor f where f.account_id = who and f.kind = 'passkey' and f.confirmed_at is not null and f.ended_at is null) then
    reason := 'no_factor';
  end if;
  perform itm.at_the_door(who);
  if reason is null then
    perform itm.begin_session(who, digest, methods, case when factor then interval '0' end, idle, lasts, address, device);
  else
    perform audit.append('auth.login', 'denied', 'account', who::text, detail => jsonb_build_object('reason', reason));
  end if;
  perform set_config('backtrace_functions', before, true);
  return reason;
end $$;

-- Begins a session of the account at work, which the web server claims; commands need no claim. `instead_of`: the own session that
-- this one replaces, whose end it keeps.
drop function itm.open_session(bytea, text[], interval, interval, interval, text, text, uuid);
create function itm.open_session(digest bytea, methods text[], factor_age interval, idle interval, lasts interval, address text, device text,
                                 instead_of uuid default null, at bigint default null, mac bytea default null)
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before public.account_session;
  opened uuid;
begin
  if itm.account() is null or not itm.is_command() and itm.is_claim(concat_ws(' ', 'open', itm.account(), encode(digest, 'hex'),
       array_to_string(methods, ','), coalesce(floor(extract(epoch from factor_age))::text, '-'), coalesce(instead_of::text, '-')), at, mac) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'this is no claim of the web server';
  end if;
  if instead_of is not null then
    select * into before from public.account_session s
     where s.id = instead_of and s.account_id = itm.account() and s.ended_at is null and s.ends_at > now()
       and s.seen_at > now() - s.idle for update;
    if before.id is null then
      raise exception using errcode = 'restrict_violation', message = 'an ended session stays ended';
    end if;
    update public.account_session s set why = 'renewed' where s.id = before.id;
  end if;
  insert into public.account_session (institution_id, account_id, epoch, secret_digest, methods, factor_at, idle, ends_at, address, device)
  values (itm.home(), itm.account(), 0, digest,
          array(select distinct m from unnest(before.methods || open_session.methods) m order by m),
          coalesce(now() - factor_age, before.factor_at), open_session.idle,
          case when before.id is null or before.factor_at is null and itm.factor_needed() then now() + lasts else before.ends_at end,
          left(open_session.address, 60), left(open_session.device, 60))
  returning id into opened;
  return opened;
end $$;

create or replace function itm.invitation_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' and tg_op = 'UPDATE' then
    -- A link is withdrawn by those who make links, and used by its secret alone (itm.redeem). Else a used one would live
    -- again, a mailed one would get a secret that its maker knows, and one without a maker would make its person independent.
    if to_jsonb(new) - 'expires_at' is distinct from to_jsonb(old) - 'expires_at'
       or new.expires_at > old.expires_at or old.used_at is not null then
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

do $$
declare
  door constant text[] := '{write_counted,count_sign_in,count_own,salt_of,offer_proof,sign_in,keep_anew,confirm,own_salts,change_own_password,invited,salts_of_invited,
    redeem,ask_passkey,answer_passkey,refuse_passkey,sign_in_by_claim,open_session,is_claim}';
  inside constant text[] := '{door_digest,at_the_door,account_named,story_time,obstacle,tell_refusal,take_try,judge,begin_session,keep_password,salts_kept,bring_claim_key}';
  name text;
begin
  foreach name in array door || inside loop
    execute format('revoke all on function itm.%I from public', name);
  end loop;
  foreach name in array door loop
    execute format('grant execute on function itm.%I to itm_app', name);
  end loop;
end $$;

-- The upkeep of persons runs beside the web server, with the key of the data and without the owner's login. It claims one
-- institution after the other, and only for an hour after the scheduler has asked for it.
alter table itm.door add column upkeep_asked_at timestamp with time zone;
create function itm.ask_for_upkeep() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$ update itm.door set upkeep_asked_at = now() $$;

create function itm.open_for_upkeep(wanted uuid, at bigint, mac bytea) returns bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not itm.is_claim(concat_ws(' ', 'upkeep', coalesce(wanted::text, '-')), at, mac)
     or (select d.upkeep_asked_at from itm.door d) > now() - interval '1 hour' is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody has asked for the upkeep';
  end if;
  return itm.open_for_command('itm.upkeep', jsonb_build_object('scope', 'institution', 'institution', wanted, 'manage', '*'),
    jsonb_build_object('ledger', wanted, 'reads', 'none', 'actor', jsonb_build_object('user', null, 'name', 'itm.upkeep', 'role', null,
      'institution', (select i.code from public.institution i where i.id = wanted))));
end $$;
revoke all on function itm.ask_for_upkeep, itm.open_for_upkeep from public;
grant execute on function itm.ask_for_upkeep to itm_signer;
grant execute on function itm.open_for_upkeep to itm_app;
