-- What anybody may write who has no session: it is counted, and has lengths and a number.

-- The web server's digests are of 32 bytes.
create function itm.check_length(variadic digests bytea[]) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from unnest(digests) d where octet_length(d) > 32) then
    raise exception using errcode = 'restrict_violation', message = 'a digest has 32 bytes';
  end if;
end $$;

-- Of accounts' names, devices and sessions there are as many as there are people. All others are the caller's words, made up without end:
-- those alone give way.
truncate public.login_throttle;
alter table public.login_throttle add column of_account boolean default false not null, add constraint login_throttle_length check (octet_length(key) <= 32);
alter table public.sign_in_tally add constraint sign_in_tally_length check (octet_length(subject) <= 32 and length(reason) <= 30);
create index login_throttle_room on public.login_throttle (tries desc, last_at) where not of_account;

-- itm.count_try of 0014/40, with `who`. Rows go after their quiet time; of the rows that no account has, beyond fifty thousand, those that
-- count least, the newest first, and none at its limit.
drop function itm.count_try(bytea[], text[], timestamp with time zone);
create function itm.count_try(keys bytea[], kinds text[], at timestamp with time zone, who uuid default null) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  rules record;
  held public.login_throttle;
  wait interval := interval '0';
begin
  if random() < 0.02 then
    delete from public.login_throttle t where t.last_at < least(at, now()) - (select l.quiet from itm.try_limits(t.kind) l);
    delete from public.login_throttle t
     where t.key in (select o.key from public.login_throttle o where not o.of_account order by o.tries desc, o.last_at offset 50000)
       and t.tries < (select l.free from itm.try_limits(t.kind) l) and coalesce(t.until <= now(), true);
  end if;
  for n in 1 .. cardinality(keys) loop
    select * into rules from itm.try_limits(kinds[n]);
    insert into public.login_throttle as t (key, kind, "window", tries, last_at, of_account)
    values (keys[n], kinds[n], at, 0, at, who is not null and kinds[n] in ('name', 'device', 'session'))
    on conflict (key) do update set kind = t.kind returning * into held;
    if held.last_at < at - rules.quiet or (held.kind = 'network' and held."window" < at - rules.quiet) then
      update public.login_throttle t set tries = 0, "window" = at, until = null where t.key = keys[n];
    else
      wait := greatest(wait, held.until - at);
    end if;
  end loop;
  if wait > interval '0' then
    delete from public.login_throttle t where t.key = any (keys) and t.tries = 0;
    return ceil(extract(epoch from wait));
  end if;
  for n in 1 .. cardinality(keys) loop
    select * into rules from itm.try_limits(kinds[n]);
    update public.login_throttle t set tries = t.tries + 1, last_at = at,
           until = case when t.tries + 1 >= rules.free
                        then at + least(rules.longest, rules.first * 2 ^ least(t.tries + 1 - rules.free, 30)) end
     where t.key = keys[n];
  end loop;
  return 0;
end $$;

-- A try lives for five minutes, as its proof does; of names that nobody has there are a thousand.
create index counted_try_unknown on itm.counted_try (counted_at desc, id) where account_id is null;
-- Counts a try of somebody, or of a name that nobody has: of a password here, and of a directory's (45_directories.sql).
create function itm.count_for(who uuid, pair bytea, network bytea, counted bytea, typed bytea, device bytea, moment timestamp with time zone,
                              out wait integer, out ticket uuid)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  known uuid;
  keys bytea[];
begin
  perform itm.check_length(pair, network, counted, typed, device);
  select d.id into known from public.known_device d where d.account_id = who and d.secret_digest = count_for.device;
  if known is not null then
    keys := array[itm.door_digest('device', known::text)];
    wait := itm.count_try(keys, '{device}', moment, who);
  else
    keys := array[itm.door_digest('pair', encode(pair, 'hex')), itm.door_digest('name', coalesce(who::text, encode(counted, 'hex'))),
                  itm.door_digest('network', encode(network, 'hex'))];
    wait := itm.count_try(keys, '{pair,name,network}', moment, who);
  end if;
  if wait > 0 then
    perform itm.tell_refusal(who, 'too_many_tries', network, typed, moment);
    return;
  end if;
  delete from itm.counted_try t where t.id in (
    select o.id from itm.counted_try o where o.counted_at < now() - interval '5 minutes' order by o.counted_at limit 100 for update skip locked);
  if who is null then
    delete from itm.counted_try t where t.id in (
      select o.id from itm.counted_try o where o.id in (
        select u.id from itm.counted_try u where u.account_id is null order by u.counted_at desc, u.id offset 999 limit 100)
      for update skip locked);
  end if;
  insert into itm.counted_try (account_id, keys) values (who, keys) returning id into ticket;
end $$;

create or replace function itm.count_sign_in(name text, pair bytea, network bytea, counted bytea, typed bytea, device bytea, at timestamp with time zone default null,
                                             out wait integer, out ticket uuid)
language sql security definer set search_path = pg_catalog, pg_temp
as $$ select c.wait, c.ticket from itm.count_for(itm.account_named(name), pair, network, counted, typed, device, itm.story_time(at)) c $$;
revoke all on function itm.count_for from public;
create or replace function itm.count_own(at timestamp with time zone default null, out wait integer, out ticket uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  keys bytea[] := array[itm.door_digest('session', coalesce(itm.session(), itm.account())::text)];
begin
  if itm.account() is null then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody is at work';
  end if;
  wait := itm.count_try(keys, '{session}', itm.story_time(at), itm.account());
  if wait = 0 then
    insert into itm.counted_try (account_id, session_id, keys) values (itm.account(), itm.session(), keys) returning id into ticket;
  end if;
end $$;

-- What the slow digest is computed with. A name that nobody has gets the parameters of somebody, always of the same person, and a salt
-- that stays: so it looks like a name of the panel, also while digests of before are renewed one by one.
drop function itm.salt_of(text, text);
create function itm.salt_of(name text) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  seed constant bytea := itm.door_digest('salt', name);
  salt constant text := rtrim(encode(substr(seed, 1, 16), 'base64'), '=');
  near constant uuid := encode(substr(seed, 17, 16), 'hex')::uuid;
  own constant text := (select itm.salt_in(c.password_hash) from public.credential c where c.account_id = itm.account_named(name));
  other text := coalesce(
    (select itm.salt_in(c.password_hash) from public.credential c where c.account_id >= near order by c.account_id limit 1),
    (select itm.salt_in(c.password_hash) from public.credential c order by c.account_id limit 1));
begin
  other := coalesce(regexp_replace(other, '\$[^$]*$', ''), (select d.parameters from itm.door d));
  return coalesce(own, other || '$' || case when other like 'scrypt%' then left(translate(salt, '+/', 'xy'), 16) else salt end);
end $$;

-- A passkey that nobody has, or that proved nothing, is an entry or is counted for one, as a wrong password is.
create or replace function itm.tell_refusal(who uuid, reason text, network bytea, typed bytea, at timestamp with time zone) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
begin
  perform itm.check_length(network, typed);
  perform itm.at_the_door(who);
  if itm.tally_try(case when who is null then coalesce(network, '\x00') else uuid_send(who) end, reason, at) then
    perform audit.append('auth.login', case when reason in ('unknown_name', 'wrong_password', 'wrong_key', 'wrong_passkey') then 'failure' else 'denied' end, 'account', who::text,
      detail => case when who is null and typed is not null then jsonb_build_object('reason', reason, 'name', encode(typed, 'hex')) else jsonb_build_object('reason', reason) end,
      to_presidency => who is null);
  end if;
  perform set_config('backtrace_functions', before, true);
end $$;
create or replace function itm.refuse_passkey() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.tell_refusal(null, 'wrong_passkey',
    sha256(convert_to(coalesce(nullif(current_setting('audit.context', true), '')::jsonb ->> 'address', ''), 'UTF8')), null, now())
$$;
do $$
declare
  body constant text := pg_get_functiondef('itm.write_counted'::regproc);
  kinds constant text := '(''unknown_name'', ''wrong_password'', ''wrong_key'')';
  age constant text := 'interval ''1 hour''';
begin
  if strpos(body, kinds) = 0 or strpos(body, age) = 0 then
    raise exception 'itm.write_counted is another one than this migration expects';
  end if;
  execute replace(replace(body, kinds, '(''unknown_name'', ''wrong_password'', ''wrong_key'', ''wrong_passkey'')'), age, 'interval ''5 minutes''');
end $$;

-- Notices that the panel writes while nobody is at work: short ones, and a hundred open ones of a kind.
create function itm.notice_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if length(new.subject) > 200 or length(new.detail::text) > 2000 then
    raise exception using errcode = 'restrict_violation', message = 'a notice is short';
  end if;
  if (select count(*) from public.alert a where a.kind = new.kind and a.acknowledged_at is null) >= 100 then
    return null;
  end if;
  return new;
end $$;
create trigger a_notice before insert on public.alert for each row when (session_user = 'itm_app') execute function itm.notice_rules();
alter table public.alert enable always trigger a_notice;
revoke all on function itm.check_length, itm.count_try, itm.salt_of, itm.notice_rules from public;
grant execute on function itm.salt_of to itm_app;
