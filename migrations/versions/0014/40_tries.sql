-- Wrong tries to sign in delay the next one, and lock nobody out. What is counted is a keyed digest: of a name from an address
-- ('pair'), of a name in all ('name'), of an address's network ('network'), of a device that the account has signed in
-- from before ('device', which nothing else delays), or of a session in which the own password is asked for ('session').
-- Not captured: digests, and each try is an entry or is counted by one.
truncate public.login_throttle;
alter table public.login_throttle drop constraint login_throttle_pkey, add primary key (key);
alter table public.login_throttle
  add column kind varchar not null,
  add column last_at timestamp with time zone not null,
  add column until timestamp with time zone,
  add constraint login_throttle_kind check (kind in ('pair', 'name', 'network', 'device', 'session'));
create index login_throttle_age on public.login_throttle (last_at);
revoke all on public.login_throttle from itm_app;
drop policy throttle on public.login_throttle;
create policy throttle on public.login_throttle for all to itm_owner using (true) with check (true);

-- Free tries, the first delay after them, the longest one, and the quiet time after which all is forgotten. A network's
-- tries count for a quarter of an hour.
create function itm.try_limits(kind text)
returns table (free integer, first interval, longest interval, quiet interval)
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select l.free, l.first, l.longest, l.quiet from (values
    ('pair', 5, interval '5 seconds', interval '15 minutes', interval '1 hour'),
    ('device', 5, interval '5 seconds', interval '15 minutes', interval '1 hour'),
    ('session', 5, interval '5 seconds', interval '15 minutes', interval '1 hour'),
    ('name', 100, interval '2 seconds', interval '15 minutes', interval '24 hours'),
    ('network', 200, interval '1 second', interval '1 minute', interval '15 minutes')
  ) as l (kind, free, first, longest, quiet) where l.kind = try_limits.kind
$$;

-- Counts one try before its password is compared. The seconds to wait; 0: it is counted, and may be compared. A try that has
-- to wait counts nowhere and puts nothing off. Rows are locked in the order given, so that many threads get no more
-- tries than one.
create function itm.count_try(keys bytea[], kinds text[], at timestamp with time zone) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  rules record;
  held public.login_throttle;
  wait interval := interval '0';
begin
  if itm.scope() is distinct from 'login' then
    raise exception using errcode = 'insufficient_privilege', message = 'tries are counted while signing in';
  end if;
  if random() < 0.02 then
    delete from public.login_throttle t where t.last_at < least(at, now()) - interval '1 day';
    delete from public.login_throttle t where t.last_at < (select o.last_at from public.login_throttle o order by o.last_at desc offset 50000 limit 1);
  end if;
  for n in 1 .. cardinality(keys) loop
    select * into rules from itm.try_limits(kinds[n]);
    insert into public.login_throttle as t (key, kind, "window", tries, last_at) values (keys[n], kinds[n], at, 0, at)
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

-- The try was right: what it alone counts is forgotten, and what it shares with others is taken back.
create function itm.take_back_try(keys bytea[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.scope() is distinct from 'login' then
    raise exception using errcode = 'insufficient_privilege', message = 'tries are counted while signing in';
  end if;
  for n in 1 .. cardinality(keys) loop
    update public.login_throttle t set tries = greatest(t.tries - 1, 0),
           until = case when t.tries - 1 >= (select l.free from itm.try_limits(t.kind) l) then t.until end
     where t.key = keys[n] and t.kind in ('name', 'network');
    delete from public.login_throttle t where t.key = keys[n] and (t.tries = 0 or t.kind not in ('name', 'network'));
  end loop;
end $$;

-- Entries of refused tries are counted too: the first of a quarter of an hour is an entry at once, the others are one
-- entry afterwards. Unknown names are counted by network, and together where many networks try.
create table public.sign_in_tally (
  subject bytea not null,
  reason varchar not null,
  institution_id uuid,
  account_id uuid,
  since timestamp with time zone not null,
  tries integer default 1 not null,
  primary key (subject, reason),
  constraint sign_in_tally_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);
alter table public.sign_in_tally enable row level security;
alter table public.sign_in_tally force row level security;
create policy tally_rules on public.sign_in_tally for all to itm_owner using (true) with check (true);
revoke all on public.sign_in_tally from public;
create index sign_in_tally_age on public.sign_in_tally (since);

-- True: this try is an entry of its own.
create function itm.tally_try(subject bytea, reason text, at timestamp with time zone) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  alone boolean;
begin
  if itm.scope() is distinct from 'login' then
    raise exception using errcode = 'insufficient_privilege', message = 'tries are counted while signing in';
  end if;
  if itm.account() is null and not exists (select from public.sign_in_tally t where t.subject = tally_try.subject)
     and (select count(*) from public.sign_in_tally t where t.account_id is null) >= 50 then
    subject := '\x00';
  end if;
  insert into public.sign_in_tally as t (subject, reason, institution_id, account_id, since)
  values (subject, reason, (select a.institution_id from public.account a where a.id = itm.account()), itm.account(), at)
  on conflict on constraint sign_in_tally_pkey do update set tries = t.tries + 1 returning t.tries = 1 into alone;
  return alone;
end $$;

-- What has been counted long enough, or of the person at work: each row goes, and becomes an entry if it counts anything.
create function itm.tallies_over(at timestamp with time zone)
returns table (institution_id uuid, account_id uuid, code varchar, username varchar, reason varchar, tries integer, since timestamp with time zone)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.scope() is distinct from 'login' then
    raise exception using errcode = 'insufficient_privilege', message = 'tries are counted while signing in';
  end if;
  return query
    with over as (
      delete from public.sign_in_tally t
       where (t.subject, t.reason) in (
         select o.subject, o.reason from public.sign_in_tally o
          where o.since <= at - interval '15 minutes' or o.account_id = itm.account()
          order by o.since limit 50 for update skip locked)
      returning t.*)
    select o.institution_id, o.account_id, i.code, a.username, o.reason, o.tries - 1, o.since
      from over o left join public.account a on a.id = o.account_id left join public.institution i on i.id = o.institution_id
     where o.tries > 1 order by o.since;
end $$;

-- A browser in which somebody has signed in: it has a signed cookie with a secret, here stands the SHA-256. A row opens nothing;
-- it only keeps strangers' tries from delaying its person. Twenty of each account at most; forgotten by its person, and
-- with a new link and a suspension.
create table public.known_device (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  secret_digest bytea not null,
  device varchar,
  made_at timestamp with time zone default now() not null,
  seen_at timestamp with time zone default now() not null,
  primary key (id),
  constraint known_device_once unique (account_id, secret_digest),
  constraint known_device_digest check (octet_length(secret_digest) = 32),
  constraint known_device_words check (length(device) <= 60),
  constraint known_device_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);
alter table public.known_device enable row level security;
alter table public.known_device force row level security;
create policy device_own on public.known_device for select to itm_app using (account_id = (select itm.account()));
create policy device_forget on public.known_device for delete to itm_app using (account_id = (select itm.account()));
create policy device_rules on public.known_device for all to itm_owner using (true) with check (true);
revoke all on public.known_device from public;
grant select (id, institution_id, account_id, device, made_at, seen_at), delete on public.known_device to itm_app;

create function itm.device_known(digest bytea) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select d.id from public.known_device d
   where itm.scope() = 'login' and d.account_id = itm.account() and d.secret_digest = digest
$$;

-- The network of an address; NULL if it is none.
create function itm.network_of(address text) returns inet
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
  return network(set_masklen(address::inet, case family(address::inet) when 4 then 24 else 64 end));
exception when data_exception then
  return null;
end $$;

-- A person has signed in: the browser is known from now on. What is unusual about it: a new device, a network from which
-- this account did not sign in for a month, an hour in which fewer than one in a hundred of the institution's sign-ins begin.
-- The person and the institution's managers are told.
create function itm.note_sign_in(digest bytea, device text, address text) returns text[]
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  person public.account;
  unusual text[] := '{}';
  place inet;
  total bigint;
  near bigint;
begin
  if itm.scope() is distinct from 'login' then
    raise exception using errcode = 'insufficient_privilege', message = 'devices are known by signing in';
  end if;
  select a.* into person from public.account a where a.id = itm.account();
  if exists (select from public.known_device d where d.account_id = person.id)
     and not exists (select from public.known_device d where d.account_id = person.id and d.secret_digest = digest) then
    unusual := unusual || 'device'::text;
  end if;
  place := itm.network_of(address);
  if place is not null
     and exists (select from public.account_session s where s.account_id = person.id and s.begun_at < now() and s.factor_at is not null and itm.network_of(s.address) is not null)
     and not exists (select from public.account_session s where s.account_id = person.id and s.begun_at < now() and s.factor_at is not null and itm.network_of(s.address) = place) then
    unusual := unusual || 'network'::text;
  end if;
  select count(*), count(*) filter (where
           least(abs(extract(hour from s.begun_at at time zone 'Europe/Istanbul') - extract(hour from now() at time zone 'Europe/Istanbul')),
             24 - abs(extract(hour from s.begun_at at time zone 'Europe/Istanbul') - extract(hour from now() at time zone 'Europe/Istanbul'))) <= 1
           and (extract(isodow from s.begun_at at time zone 'Europe/Istanbul') > 5) = (extract(isodow from now() at time zone 'Europe/Istanbul') > 5))
    into total, near
    from public.account_session s
   where s.institution_id = person.institution_id and s.factor_at is not null and s.begun_at < now() and s.begun_at > now() - interval '30 days';
  if total >= 50 and near * 100 < total then
    unusual := unusual || 'hour'::text;
  end if;
  insert into public.known_device as d (institution_id, account_id, secret_digest, device)
  values (person.institution_id, person.id, digest, left(note_sign_in.device, 60))
  on conflict on constraint known_device_once do update set seen_at = now(), device = excluded.device;
  delete from public.known_device d where d.account_id = person.id and d.id not in (
    select e.id from public.known_device e where e.account_id = person.id order by e.seen_at desc, e.id limit 20);
  if unusual <> '{}' then
    insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
    select a.institution_id, a.id, case when a.id = person.id then 'told_unusual' else 'told_manager_unusual' end, person.id, a.email, a.language,
           jsonb_build_object('name', a.first_name || ' ' || a.last_name, 'username', person.username,
                              'unusual', array_to_string(unusual, ','), 'device', coalesce(note_sign_in.device, '—'),
                              'place', coalesce(note_sign_in.address, '—'))
      from public.account a
     where a.active and (a.id = person.id or a.institution_id = person.institution_id and exists (
             select from public.role_grant g where g.account_id = a.id and g.role = 'institution_manager' and g.state = 'active'));
  end if;
  return unusual;
end $$;

-- Two kinds of mail more.
do $$
declare
  kinds text[] := array(select m[1] from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''(\w+)''', 'g') m
                         where c.conrelid = 'public.mail'::regclass and c.conname = 'mail_kind');
begin
  execute format('alter table public.mail drop constraint mail_kind, add constraint mail_kind check (kind in (%s))',
                 (select string_agg(quote_literal(k), ', ') from unnest(kinds || '{told_unusual,told_manager_unusual}') k));
end $$;

create function itm.forget_devices() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not new.active or exists (select from public.invitation n where n.account_id = new.id and n.created_at = now()) then
    delete from public.known_device d where d.account_id = new.id;
  end if;
  return null;
end $$;
create trigger f_forget_devices after update of epoch, active on public.account for each row execute function itm.forget_devices();
alter table public.account enable always trigger f_forget_devices;

revoke all on function itm.try_limits, itm.count_try, itm.take_back_try, itm.tally_try, itm.tallies_over, itm.device_known,
  itm.network_of, itm.note_sign_in, itm.forget_devices from public;
grant execute on function itm.count_try, itm.take_back_try, itm.tally_try, itm.tallies_over, itm.device_known, itm.note_sign_in to itm_app;
