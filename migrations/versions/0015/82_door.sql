-- The door: what is done for somebody who has no session yet. Each function does one thing, proves it or counts it, and leaves
-- nobody at work behind it. itm_app reads no digest, no count, no link and no factor of anybody for this.

-- secret: keys the digests below, and the salts of names that nobody has. claim_*: the web server's key, padded as HMAC wants it
-- (RFC 2104); the owner's login brings it (`itm migrate`, `itm run`).
create table itm.door (
  sole boolean primary key default true check (sole),
  secret bytea not null,
  claim_inner bytea check (octet_length(claim_inner) = 64),
  claim_outer bytea check (octet_length(claim_outer) = 64)
);
insert into itm.door (secret) values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
revoke all on itm.door from public;

-- A try that was counted. Its proof is laid down in one transaction and judged in a later one, so that nobody asks again and again
-- and takes the counting back.
create table itm.counted_try (
  id uuid primary key default gen_random_uuid(),
  account_id uuid,
  session_id uuid,
  keys bytea[] not null,
  counted_at timestamp with time zone default now() not null,
  proof_digest bytea,
  offered_in xid8
);
create index counted_try_age on itm.counted_try (counted_at);
revoke all on itm.counted_try from public;

create function itm.door_digest(kind text, value text) returns bytea
language sql stable set search_path = pg_catalog, pg_temp
as $$ select sha256(d.secret || convert_to(kind || ' ' || coalesce(value, ''), 'UTF8')) from itm.door d $$;

-- The facts of somebody whom a function of the door acts for: account and name, and no right of any policy.
create function itm.at_the_door(who uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('backtrace_functions', coalesce((
    select concat('itm_d,door,', replace(a.institution_id::text, '-', ''), ',', replace(a.id::text, '-', ''), ',,,,,,,',
                  encode(convert_to(jsonb_build_object('ledger', a.institution_id, 'actor',
                    jsonb_build_object('user', a.id, 'name', a.username, 'institution', i.code))::text, 'UTF8'), 'hex'))
      from public.account a join public.institution i on i.id = a.institution_id where a.id = who), 'itm_d,door,,,,,,,,,7b7d'), true);
end $$;

create function itm.account_named(name text) returns uuid
language sql stable set search_path = pg_catalog, pg_temp
as $$ select a.id from public.account a where a.username = account_named.name $$;

-- Time is the database's; a command may play another one.
create function itm.story_time(at timestamp with time zone) returns timestamp with time zone
language sql stable set search_path = pg_catalog, pg_temp
as $$ select case when itm.is_command() then coalesce(at, now()) else now() end $$;

-- The reason why an account may not sign in whose person is proved; NULL: nothing stands in the way.
create function itm.obstacle(who uuid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case
      when not a.active then 'inactive'
      when i.status <> 'active' then 'institution_suspended'
      when w.waits and p.pending then 'reset_pending'
      when w.waits then 'unconfirmed'
      when not exists (select from public.role_grant g where g.account_id = a.id and g.state = 'active') then 'no_role'
      when p.pending or c.account_id is null then 'reset_pending' end
    from public.account a join public.institution i on i.id = a.institution_id
    left join public.credential c on c.account_id = a.id
    cross join lateral (select exists (select from public.access_change x where x.account_id = a.id and x.kind = 'link' and x.state = 'waiting') as waits) w
    cross join lateral (select exists (select from public.invitation n where n.account_id = a.id and n.used_at is null and n.created_at > c.changed_at) as pending) p
   where a.id = who
$$;

-- Counting: the functions of 0014/40 for those of this file, and for nobody else.
do $$
declare
  name text;
  guard constant text := 'if itm.scope() is distinct from ''login'' then
    raise exception using errcode = ''insufficient_privilege'', message = ''tries are counted while signing in'';
  end if;';
  body text;
begin
  foreach name in array '{itm.count_try,itm.take_back_try,itm.tally_try,itm.tallies_over}'::text[] loop
    body := pg_get_functiondef(name::regproc);
    if strpos(body, guard) = 0 then
      raise exception '% is another one than this migration expects', name;
    end if;
    execute replace(body, guard, '');
    execute format('revoke all on function %s from itm_app', name::regproc);
  end loop;
end $$;

-- The refusal of a try: an entry in the account's ledger, or counted for one; of a name that nobody has, in the Presidency's, without it.
create function itm.tell_refusal(who uuid, reason text, network bytea, typed bytea, at timestamp with time zone) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
begin
  perform itm.at_the_door(who);
  if itm.tally_try(case when who is null then coalesce(network, '\x00') else uuid_send(who) end, reason, at) then
    perform audit.append('auth.login', case when reason in ('unknown_name', 'wrong_password', 'wrong_key') then 'failure' else 'denied' end, 'account', who::text,
      detail => case when who is null and typed is not null then jsonb_build_object('reason', reason, 'name', encode(typed, 'hex')) else jsonb_build_object('reason', reason) end,
      to_presidency => who is null);
  end if;
  perform set_config('backtrace_functions', before, true);
end $$;

-- One entry for each kind of refusal that was counted: at the end of its quarter of an hour, or of the person at work.
create function itm.write_counted(at timestamp with time zone default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  said constant text := current_setting('audit.context', true);
  each record;
begin
  delete from itm.counted_try t where t.counted_at < now() - interval '1 hour';
  for each in select * from itm.tallies_over(itm.story_time(at)) loop
    perform itm.at_the_door(each.account_id);
    perform set_config('audit.context', (coalesce(nullif(said, ''), '{}')::jsonb - 'address')::text, true);
    perform audit.append('auth.login', case when each.reason in ('unknown_name', 'wrong_password', 'wrong_key') then 'failure' else 'denied' end,
      'account', each.account_id::text, to_presidency => each.account_id is null,
      detail => jsonb_build_object('reason', each.reason, 'tries', each.tries,
        'since', to_char(each.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')));
    perform set_config('audit.context', coalesce(said, ''), true);
    perform set_config('backtrace_functions', before, true);
  end loop;
end $$;

-- Counts a try to sign in. `pair`, `network`, `counted` (the name) and `typed` (as it was) are the web server's keyed digests; what is counted by name and by device
-- is known here, so that other digests give no more tries. wait > 0: it came too early, which is told. ticket: the try.
create function itm.count_sign_in(name text, pair bytea, network bytea, counted bytea, typed bytea, device bytea, at timestamp with time zone default null,
                                  out wait integer, out ticket uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := itm.account_named(name);
  moment constant timestamp with time zone := itm.story_time(at);
  known uuid;
  keys bytea[];
begin
  select d.id into known from public.known_device d where d.account_id = who and d.secret_digest = count_sign_in.device;
  if known is not null then
    keys := array[itm.door_digest('device', known::text)];
    wait := itm.count_try(keys, '{device}', moment);
  else
    keys := array[itm.door_digest('pair', encode(pair, 'hex')), itm.door_digest('name', coalesce(who::text, encode(counted, 'hex'))),
                  itm.door_digest('network', encode(network, 'hex'))];
    wait := itm.count_try(keys, '{pair,name,network}', moment);
  end if;
  if wait > 0 then
    perform itm.tell_refusal(who, 'too_many_tries', network, typed, moment);
    return;
  end if;
  insert into itm.counted_try (account_id, keys) values (who, keys) returning id into ticket;
end $$;

-- The same of the own password in a session.
create function itm.count_own(at timestamp with time zone default null, out wait integer, out ticket uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  keys bytea[] := array[itm.door_digest('session', coalesce(itm.session(), itm.account())::text)];
begin
  if itm.account() is null then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody is at work';
  end if;
  wait := itm.count_try(keys, '{session}', itm.story_time(at));
  if wait = 0 then
    insert into itm.counted_try (account_id, session_id, keys) values (itm.account(), itm.session(), keys) returning id into ticket;
  end if;
end $$;

-- What the slow digest is computed with. A name that nobody has gets `otherwise`, the parameters of today, and a salt that stays.
create function itm.salt_of(name text, otherwise text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select coalesce((select itm.salt_in(c.password_hash) from public.credential c where c.account_id = itm.account_named(name)),
                  otherwise || '$' || rtrim(encode(substr(itm.door_digest('salt', name), 1, 16), 'base64'), '='))
$$;

-- Lays down the proof of a counted try, once.
create function itm.offer_proof(ticket uuid, proof bytea) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update itm.counted_try t set proof_digest = sha256(proof), offered_in = pg_current_xact_id()
   where t.id = ticket and t.proof_digest is null
$$;

-- Takes a try whose proof was laid down before this transaction.
create function itm.take_try(ticket uuid) returns itm.counted_try
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  found itm.counted_try;
begin
  delete from itm.counted_try t where t.id = ticket and t.offered_in <> pg_current_xact_id() and t.counted_at > now() - interval '5 minutes'
  returning * into found;
  if found.id is null then
    raise exception using errcode = 'insufficient_privilege', message = 'a try is counted first';
  end if;
  return found;
end $$;

create function itm.judge(found itm.counted_try) returns text
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  kept text;
begin
  if found.account_id is null then
    return 'unknown_name';
  end if;
  select c.password_hash into kept from public.credential c where c.account_id = found.account_id for update;
  return case when kept is null then 'no_password'
              when substring(kept from '[^$]*$') is distinct from encode(found.proof_digest, 'hex') then 'wrong_password' end;
end $$;

-- A session of somebody who is proved. Outside the functions of the door nobody calls it.
create function itm.begin_session(who uuid, digest bytea, methods text[], factor_age interval, idle interval, lasts interval, address text, device text)
returns uuid language sql set search_path = pg_catalog, pg_temp
as $$
  insert into public.account_session (institution_id, account_id, epoch, secret_digest, methods, factor_at, idle, ends_at, address, device)
  select a.institution_id, a.id, 0, digest, methods, now() - factor_age, idle, now() + lasts, left(address, 60), left(device, 60)
    from public.account a where a.id = who returning id
$$;

-- Judges a try: the right proof opens half a session, whose secret the web server has chosen; else the reason, which is told.
create function itm.sign_in(ticket uuid, network bytea, typed bytea, digest bytea, idle interval, lasts interval, address text, device text,
                            at timestamp with time zone default null)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  moment constant timestamp with time zone := itm.story_time(at);
  found constant itm.counted_try := itm.take_try(ticket);
  reason text := case when found.session_id is null then itm.judge(found) else 'unknown_name' end;
begin
  reason := coalesce(reason, itm.obstacle(found.account_id));
  if reason is not null then
    perform itm.tell_refusal(found.account_id, reason, network, typed, moment);
    return reason;
  end if;
  perform itm.at_the_door(found.account_id);
  perform itm.take_back_try(found.keys);
  perform itm.begin_session(found.account_id, digest, '{password}', null, idle, lasts, address, device);
  perform set_config('backtrace_functions', before, true);
  return null;
end $$;

-- The own password, of which the proof is shown once more, is kept under other parameters.
create function itm.keep_anew(proof bytea, kept text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.credential c set password_hash = kept
   where c.account_id = itm.account() and itm.scope() = 'login' and itm.is_proof(c.password_hash, proof)
     and split_part(c.password_hash, '$', 4) is distinct from split_part(kept, '$', 4)
$$;

-- The own password in a session: right, or the reason, which is told.
create function itm.confirm(ticket uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found constant itm.counted_try := itm.take_try(ticket);
  reason text;
begin
  if found.account_id is distinct from itm.account() then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody is at work';
  end if;
  reason := itm.judge(found);
  if reason is null then
    perform itm.take_back_try(found.keys);
  else
    perform audit.append('auth.login', 'failure', 'account', found.account_id::text, detail => jsonb_build_object('reason', reason, 'while', 'signed_in'));
  end if;
  return reason;
end $$;

-- Keeps a new password, unless the account had it before. `proofs`: of the new one under each salt of itm.former_salts.
create function itm.keep_password(who uuid, kept text, proofs bytea[]) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from (select c.password_hash as h from public.credential c where c.account_id = who
                          union all select f.password_hash from public.former_password f where f.account_id = who) k, unnest(proofs) p
              where itm.is_proof(k.h, p)) then
    return false;
  end if;
  insert into public.credential (account_id, institution_id, password_hash) select a.id, a.institution_id, kept from public.account a where a.id = who
  on conflict (account_id) do update set password_hash = excluded.password_hash, failures = 0, locked_until = null, changed_at = now();
  update public.account a set epoch = a.epoch + 1 where a.id = who;
  return true;
end $$;

create function itm.salts_kept(who uuid) returns setof text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select itm.salt_in(f.password_hash) from public.former_password f where f.account_id = who
  union all
  select itm.salt_in(c.password_hash) from public.credential c where c.account_id = who
$$;

create function itm.own_salts() returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.salts_kept(itm.account()) where itm.scope() = 'login' $$;

create function itm.change_own_password(kept text, proofs bytea[]) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.scope() is distinct from 'login' or itm.account() is null then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody is at work';
  end if;
  return itm.keep_password(itm.account(), kept, proofs);
end $$;

-- The panel notices what a scheduler that is held up, or dead, cannot tell, also while nobody is at work.
create or replace function itm.tell_alert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  own constant jsonb := jsonb_build_object('alert', new.kind, 'first_broken', new.first_broken,
                                           'row', new.id, 'row_digest', itm.alert_digest(new));
  over constant boolean := session_user = 'itm_signer';
  nobody constant boolean := session_user = 'itm_app' and current_setting('backtrace_functions') = '';
begin
  if session_user not in ('itm_app', 'itm_signer') or (over and current_setting('itm.untold', true) = 'yes') then
    return null;
  end if;
  if nobody then
    perform itm.at_the_door(null);
  end if;
  if new.acknowledged_at is not null then
    perform audit.append('alert.acknowledge', target_kind => 'alert', target_id => new.id::text, to_presidency => over,
      detail => own || jsonb_build_object('subject', new.subject) || case when over then '{"resolved": true}' else '{}' end::jsonb);
  else
    perform audit.append('alert.raise', target_kind => 'alert', target_id => new.subject, to_presidency => true,
      detail => new.detail || own || case tg_op when 'UPDATE' then '{"renewed": true}' else '{}' end::jsonb);
  end if;
  if nobody then
    perform set_config('backtrace_functions', '', true);
  end if;
  return null;
end $$;
