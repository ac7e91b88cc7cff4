-- Keys of programs. A key belongs to an institution and has a responsible person, in whose name it acts: in each transaction it may
-- do what that person may do now, and of that only what the key names. Its maker never sees its secret: the responsible person
-- takes it, once, with a fresh factor. Here stands its SHA-256.
create table public.api_key (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  name varchar not null,
  scopes text[] not null,
  networks text[] not null,
  expires_at timestamp with time zone not null,
  secret_at timestamp with time zone,
  overlap_until timestamp with time zone,
  last_used_at timestamp with time zone,
  last_used_address varchar,
  refused_at timestamp with time zone,
  ended_at timestamp with time zone,
  ended_by uuid,
  why varchar,
  created_at timestamp with time zone default now() not null,
  created_by uuid,
  updated_at timestamp with time zone default now() not null,
  updated_by uuid,
  row_version integer default 1 not null,
  primary key (id),
  constraint api_key_in_institution unique (institution_id, id),
  constraint api_key_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint api_key_name check (length(name) between 1 and 60),
  constraint api_key_scopes check (cardinality(scopes) between 1 and 100),
  constraint api_key_networks check (cardinality(networks) between 1 and 20),
  constraint api_key_length check (expires_at <= created_at + interval '366 days'),
  constraint api_key_ended check ((ended_at is null) = (why is null)),
  constraint api_key_address check (length(last_used_address) <= 60),
  constraint api_key_why check (why in ('not_needed', 'leaked', 'suspicion', 'replaced', 'mistake', 'suspended', 'role', 'link', 'institution'))
);
create index api_key_of_account on public.api_key (account_id, created_at);
create index api_key_recent on public.api_key (institution_id, created_at desc, id desc);
comment on column public.api_key.last_used_address is 'Personal data: the network address of the last use';

-- A secret opens until its time, or until its key ends. Two at most: the present one, and the one before it while both work.
-- Not captured: that a secret was taken stands in its key's row.
create table public.api_key_secret (
  digest bytea not null,
  institution_id uuid not null,
  key_id uuid not null,
  made_at timestamp with time zone default now() not null,
  until timestamp with time zone,
  primary key (digest),
  constraint api_key_secret_digest check (octet_length(digest) = 32),
  constraint api_key_secret_key foreign key (institution_id, key_id) references public.api_key (institution_id, id)
);
create unique index api_key_secret_present on public.api_key_secret (key_id) where until is null;
create index api_key_secret_of_key on public.api_key_secret (key_id);

alter table public.api_key enable row level security;
alter table public.api_key force row level security;
alter table public.api_key_secret enable row level security;
alter table public.api_key_secret force row level security;
create policy key_read on public.api_key for select to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages())) or account_id = (select itm.account())
         or (select itm.scope()) = 'oversight'
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy key_make on public.api_key for insert to itm_app
  with check (institution_id = (select itm.institution()) and (select itm.manages()));
create policy key_end on public.api_key for update to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages())) or account_id = (select itm.account())
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))))
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or account_id = (select itm.account())
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy key_rules on public.api_key for all to itm_owner using (true) with check (true);
create policy key_rules on public.api_key_secret for all to itm_owner using (true) with check (true);
revoke all on public.api_key, public.api_key_secret from public;
grant select, insert (id, institution_id, account_id, name, scopes, networks, expires_at), update (why) on public.api_key to itm_app;
select audit.watch('public.api_key', 'api_key', 1, 'institution_id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version,last_used_at,last_used_address,refused_at}', 'role.change');

-- The kind of record that a subject of the roles' table is about: VictimProfile is victim_profile.
create function itm.kind_of_subject(subject text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select lower(regexp_replace(subject, '([a-z0-9])([A-Z])', '\1_\2', 'g')) $$;

-- May a key name this act? Records and what describes them, never power, and no act that takes a fresh second factor.
create function itm.key_may(scope text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select scope ~ '^[A-Z][A-Za-z]*\.[a-z_]+$' and split_part(scope, '.', 2) <> all ('{export,erase,hold,approve,history}')
     and (split_part(scope, '.', 1) in ('Vocabulary', 'Register', 'ApiDescription')
          or exists (select from itm.kept k where k.kind = itm.kind_of_subject(split_part(scope, '.', 1))))
$$;

-- The kinds of records that a key with these scopes changes. Cases, their people and profiles are one work.
create function itm.key_writes(scopes text[]) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select '{access_note,alert}'::text[] || coalesce(array_agg(distinct k.kind), '{}')
    from unnest(scopes) s (scope)
    cross join unnest(case when split_part(s.scope, '.', 1) in ('Case', 'Person', 'VictimProfile')
                           then '{case,case_assignment,case_person,person,victim_profile}'::text[]
                           else array[itm.kind_of_subject(split_part(s.scope, '.', 1))] end) k (kind)
   where split_part(s.scope, '.', 2) not in ('list', 'show', 'search', 'reveal')
$$;

-- Is the address in one of the networks? IPv4 in IPv6's clothes is IPv4. What is no address is in none.
create function itm.address_in(address text, networks text[]) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from unnest(networks) n where regexp_replace(address, '^::ffff:(?=[0-9.]+$)', '')::inet <<= n::cidr);
exception when data_exception then
  return false;
end $$;

-- The key of a secret, and why it opens nothing, if so: ended, expired, replaced, person, address.
create function itm.key_of(secret bytea, address text)
returns table (key uuid, name text, account uuid, home uuid, username varchar, code varchar, scopes text[], refused text,
               used_age double precision, used_address varchar)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select k.id, k.name::text, a.id, a.institution_id, a.username, i.code, k.scopes,
         case when k.ended_at is not null then 'ended' when k.expires_at <= now() then 'expired' when s.until <= now() then 'replaced'
              when not a.active or i.status <> 'active' or not exists (
                     select from public.role_grant g where g.account_id = a.id and g.state = 'active')
                   or exists (select from public.access_change c where c.account_id = a.id and c.kind = 'link' and c.state = 'waiting') then 'person'
              when not itm.address_in(address, k.networks) then 'address' end,
         extract(epoch from now() - k.last_used_at)::float8, k.last_used_address
    from public.api_key_secret s join public.api_key k on k.id = s.key_id
    join public.account a on a.id = k.account_id join public.institution i on i.id = k.institution_id
   where s.digest = sha256(secret)
$$;

-- As itm.me, for a key's secret: its responsible person, the key, and why it opens nothing.
create function itm.me_by_key(secret bytea, address text)
returns table (key uuid, key_name text, scopes text[], refused text, used_age double precision, used_address varchar,
               id uuid, institution_id uuid, unit_id uuid, username text, first_name text, last_name text, language text, epoch integer,
               code text, name_tr text, name_en text, kind text, obstacle text, grants jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select k.key, k.name, k.scopes, k.refused, k.used_age, k.used_address,
         a.id, a.institution_id, a.unit_id, a.username, a.first_name, a.last_name, a.language, a.epoch, i.code, i.name_tr, i.name_en, i.kind,
         null::text,
         coalesce((select jsonb_agg(jsonb_build_object('role', g.role, 'unit', g.unit_id, 'units', case when g.unit_id is not null then (
                   with recursive below as (
                     select u.id from public.unit u where u.id = g.unit_id and u.institution_id = g.institution_id
                     union
                     select u.id from public.unit u join below b on u.parent_id = b.id where u.institution_id = g.institution_id
                   ) select jsonb_agg(b.id) from below b) end) order by g.created_at, g.id)
            from public.role_grant g where g.account_id = a.id and g.state = 'active'), '[]')
    from itm.key_of(secret, address) k join public.account a on a.id = k.account join public.institution i on i.id = a.institution_id
$$;

-- itm.enter of 0014/80_context.sql, and the lines with `key`: it also lets a key's secret in. A key proves no second factor, so
-- what takes one stays shut; it never enters the person's own room (`login`); its entries name it (`on_behalf_of`).
create or replace function itm.enter(secret bytea, wanted text, reading text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p record;
  g record;
  key text;
begin
  select s.id, s.factor_at, a.id as account, a.institution_id as home, a.username, i.code into p
    from public.account_session s
    join public.account a on a.id = s.account_id and a.active
    join public.institution i on i.id = a.institution_id and i.status = 'active'
   where s.secret_digest = sha256(secret) and s.ends_at > now() and s.seen_at > now() - s.idle
     and (s.ended_at is null and s.epoch = a.epoch or s.ended_at = now());
  if p.id is null then
    select k.key as id, null::timestamp with time zone as factor_at, k.account, k.home, k.username, k.code into p
      from itm.key_of(secret, nullif(current_setting('audit.context', true), '')::jsonb ->> 'address') k where k.refused is null;
    key := (select concat('api_key ', k.id, ' ', k.name) from public.api_key k where k.id = p.id);
  end if;
  if p.id is not null and (key is not null and coalesce(wanted, 'login') <> 'login'
       or key is null and (wanted is not distinct from 'login' or p.factor_at is not null or not itm.factor_needed())) then
    select count(*) filter (where wanted = any (t.scopes)) as n, string_agg(distinct t.role, ',' order by t.role) as roles,
           max(t.reads) filter (where wanted = any (t.scopes)) as reads,
           array_agg(h.unit_id) filter (where t.covers = 'unit' and wanted = any (t.scopes)) as unit,
           array_agg(h.unit_id) filter (where t.covers = 'manage' and wanted = any (t.scopes)) as manage,
           array_agg(h.unit_id) filter (where t.covers in ('unit', 'assigned') and wanted = any (t.scopes)) as work,
           bool_or(t.covers = 'assigned' and wanted = any (t.scopes)) as assigned, bool_or(t.assigns and wanted = any (t.scopes)) as assigns,
           bool_or(t.role = 'auditor_national' and wanted = 'audit') as national,
           bool_or(t.role = 'presidency_supervisor' and wanted = 'oversight') as approves
      into g
      from public.role_grant h join itm.role_table() t on t.role = h.role
     where h.account_id = p.account and h.state = 'active' and (wanted is null or wanted = 'login' or wanted = any (t.scopes));
    if wanted is null or wanted = 'login' or g.n > 0 then
      perform set_config('backtrace_functions', concat('itm_1,', wanted, ',', replace(p.home::text, '-', ''), ',', replace(p.account::text, '-', ''), ',',
        replace(p.id::text, '-', ''), ',',
        case when array_position(g.unit, null) > 0 then 'all' when g.unit is not null then itm.reach(p.home, g.unit) end, ',',
        case when array_position(g.manage, null) > 0 then 'all' when g.manage is not null then itm.reach(p.home, g.manage) end, ',',
        case when array_position(g.work, null) > 0 then 'all' when g.work is not null then itm.reach(p.home, g.work) end, ',',
        case when g.assigned then 'a' end, case when g.assigns then 's' end, case when g.national then 'n' end, case when g.approves then 'p' end,
        case when key is not null then 'k' end, ',',
        floor(extract(epoch from p.factor_at)), ',',
        encode(convert_to(jsonb_build_object('ledger', p.home, 'reads',
          case when reading = 'actor' then 'actor' else (array['none', 'actor', 'ledger', 'all'])[1 + coalesce(g.reads, 0)] end,
          'on_behalf_of', key,
          'actor', jsonb_build_object('user', p.account, 'name', p.username, 'institution', p.code, 'role', g.roles))::text, 'UTF8'), 'hex')), true);
      return true;
    end if;
  end if;
  perform set_config('backtrace_functions', '', true);
  return false;
end $$;

-- A program is at work: the session that was proved is a key.
create function itm.by_key() returns boolean language plpgsql stable parallel safe as
$$ begin return pg_catalog.strpos(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 9), 'k') > 0; end $$;

-- What a key changes is an entry, of a kind that the key names. No row changes without one, so nothing else is changed with it.
create function itm.key_changes() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if new.target_kind is null or new.target_kind <> all (itm.key_writes((select k.scopes from public.api_key k where k.id = itm.session()))) then
    raise exception using errcode = 'insufficient_privilege', message = 'the key does not include this';
  end if;
  return new;
end $$;
create trigger a_key before insert on audit.event for each row when (new.via = 'trigger' and itm.by_key()) execute function itm.key_changes();
alter table audit.event enable always trigger a_key;
-- Sessions are not captured.
create function itm.no_key() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
  raise exception using errcode = 'insufficient_privilege', message = 'a key opens no session';
end $$;
create trigger a_key before insert on public.account_session for each row when (itm.by_key()) execute function itm.no_key();
alter table public.account_session enable always trigger a_key;

-- Made by a manager for somebody else, and ended once; a key never changes otherwise. Whose power made it, never has its secret.
create function itm.key_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    if new.why is not null and old.ended_at is null then
      new.ended_at := now();
      new.ended_by := itm.account();
    elsif (new.ended_at, new.why) is distinct from (old.ended_at, old.why) or old.ended_at is not null then
      raise exception using errcode = 'restrict_violation', message = 'an ended key stays ended';
    end if;
    if current_user = 'itm_app' and new.why not in ('not_needed', 'leaked', 'suspicion', 'replaced', 'mistake') then
      raise exception using errcode = 'restrict_violation', message = 'a key is ended for one of these reasons';
    end if;
    return new;
  end if;
  new.secret_at := null;
  new.ended_at := null;
  new.why := null;
  if itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if new.account_id is not distinct from itm.account() then
    raise exception using errcode = 'restrict_violation', constraint = 'own_key', message = 'nobody makes a key for the own account';
  end if;
  if new.expires_at <= now() or exists (select from unnest(new.scopes) s where not itm.key_may(s))
     or exists (select from unnest(new.networks) n where not itm.is_network(n)) then
    raise exception using errcode = 'restrict_violation', message = 'this is no key';
  end if;
  return new;
end $$;
create function itm.is_network(written text) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
  return written = text(written::cidr);
exception when data_exception then
  return false;
end $$;
create trigger a_stamp before insert or update of name, why, secret_at on public.api_key for each row execute function itm.stamp();
create trigger b_rules before insert or update of why, ended_at on public.api_key for each row execute function itm.key_rules();
alter table public.api_key enable always trigger a_stamp, enable always trigger b_rules;

-- The responsible person takes the secret, whose digest comes here: the first one, or another. The one before goes on for the
-- overlap. Two at the same moment: the second finds another version.
create function itm.take_key(key uuid, digest bytea, overlap interval, version integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  held public.api_key;
begin
  select k.* into held from public.api_key k where k.id = take_key.key and k.account_id = itm.account() for update;
  if held.id is null or itm.by_key() then
    raise exception using errcode = 'no_data_found', message = 'this key is not there';
  end if;
  if itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if held.row_version <> version then
    raise exception using errcode = 'serialization_failure', message = 'somebody else was faster';
  end if;
  if held.ended_at is not null or held.expires_at <= now() or overlap not between interval '0' and interval '7 days' then
    raise exception using errcode = 'restrict_violation', constraint = 'key_over', message = 'this key opens nothing any more';
  end if;
  delete from public.api_key_secret s where s.key_id = held.id and (s.until <= now() or overlap = interval '0');
  if exists (select from public.api_key_secret s where s.key_id = held.id and s.until is not null) then
    raise exception using errcode = 'restrict_violation', constraint = 'key_overlaps', message = 'two secrets work already';
  end if;
  update public.api_key_secret s set until = now() + overlap where s.key_id = held.id and s.until is null;
  update public.api_key k set secret_at = now(), overlap_until = case when found then now() + overlap end where k.id = held.id;
  insert into public.api_key_secret (digest, institution_id, key_id) values (digest, held.institution_id, held.id);
end $$;

-- The last use, once a minute or from another address.
create function itm.key_used(secret bytea, address text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.api_key k set last_used_at = now(), last_used_address = left(key_used.address, 60)
   where k.id = (select s.key_id from public.api_key_secret s where s.digest = sha256(secret))
     and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute' or k.last_used_address is distinct from left(key_used.address, 60))
$$;

-- A right secret that opens nothing: the first of a quarter of an hour is an entry of the institution, in the person's name and
-- with the key's, and with no right.
create function itm.key_refused(secret bytea, address text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  k record;
begin
  select o.* into k from itm.key_of(secret, address) o where o.refused is not null;
  update public.api_key p set refused_at = now()
   where p.id = k.key and (p.refused_at is null or p.refused_at < now() - interval '15 minutes');
  if found then
    perform set_config('backtrace_functions', concat('itm_k,door,', replace(k.home::text, '-', ''), ',', replace(k.account::text, '-', ''), ',,,,,,,',
      encode(convert_to(jsonb_build_object('ledger', k.home, 'on_behalf_of', concat('api_key ', k.key, ' ', k.name),
        'actor', jsonb_build_object('user', k.account, 'name', k.username, 'institution', k.code))::text, 'UTF8'), 'hex')), true);
    perform audit.append('auth.login', 'denied', 'api_key', k.key::text, detail => jsonb_build_object('reason', 'key_' || k.refused));
    perform set_config('backtrace_functions', before, true);
  end if;
end $$;

-- A key ends with its person's suspension, change of roles and new link, and with its institution. What is taken up again revives none.
create function itm.epoch_ends_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.api_key k set why = case
      when not new.active then 'suspended'
      when exists (select from public.role_grant g where g.account_id = new.id and g.updated_at = now()) then 'role'
      else 'link' end
   where k.account_id = new.id and k.ended_at is null
     and (not new.active
          or exists (select from public.role_grant g where g.account_id = new.id and g.updated_at = now())
          or exists (select from public.invitation n where n.account_id = new.id and n.created_at = now()));
  return null;
end $$;
create trigger g_ends_keys after update of epoch, active on public.account for each row execute function itm.epoch_ends_keys();
alter table public.account enable always trigger g_ends_keys;
-- A role that is new raises no epoch.
create function itm.role_ends_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if new.state = 'active' or tg_op = 'UPDATE' and old.state = 'active' then
    update public.api_key k set why = 'role' where k.account_id = new.account_id and k.ended_at is null;
  end if;
  return null;
end $$;
create trigger e_ends_keys after insert or update of state, role, unit_id on public.role_grant for each row execute function itm.role_ends_keys();
alter table public.role_grant enable always trigger e_ends_keys;
create function itm.institution_ends_keys() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.api_key k set why = 'institution' where k.institution_id = new.id and k.ended_at is null;
  return null;
end $$;
create trigger e_ends_keys after update of status on public.institution for each row
  when (old.status = 'active' and new.status <> 'active') execute function itm.institution_ends_keys();
alter table public.institution enable always trigger e_ends_keys;

-- The responsible person and the maker are told when a key is made, when a secret is taken or renewed, and when it ends.
do $$
declare
  kinds text[] := array(select m[1] from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''(\w+)''', 'g') m
                         where c.conrelid = 'public.mail'::regclass and c.conname = 'mail_kind');
begin
  execute format('alter table public.mail drop constraint mail_kind, add constraint mail_kind check (kind in (%s))',
                 (select string_agg(quote_literal(k), ', ')
                    from unnest(kinds || '{told_key_made,told_key_taken,told_key_rotated,told_key_ended}'::text[]) k));
end $$;
create function itm.tell_of_key() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  kind constant text := case when tg_op = 'INSERT' then 'made' when old.ended_at is null and new.ended_at is not null then 'ended'
    when old.secret_at is null and new.secret_at is not null then 'taken' when old.secret_at <> new.secret_at then 'rotated' end;
begin
  if session_user = 'itm_app' and kind is not null then
    insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
    select a.institution_id, a.id, 'told_key_' || kind, new.account_id, a.email, a.language,
           jsonb_build_object('name', a.first_name || ' ' || a.last_name, 'username', p.username, 'key', new.name)
      from public.account a join public.account p on p.id = new.account_id
     where a.id in (new.account_id, new.created_by) and (a.active or a.id = new.account_id);
  end if;
  return null;
end $$;
create trigger d_tell after insert or update of ended_at, why, secret_at on public.api_key for each row execute function itm.tell_of_key();
alter table public.api_key enable always trigger d_tell;

-- As in 20_fresh_factors.sql; a key shows no factor, so that it reveals one person in a day.
create or replace function itm.revealed_here() returns table (kind text, record text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with recursive here as (
      select s.id, s.account_id, s.begun_at from public.account_session s where s.id = itm.session()
      union
      select b.id, b.account_id, b.begun_at from public.account_session b
        join here h on b.account_id = h.account_id and b.why = 'renewed' and b.ended_at = h.begun_at
    )
  select e.target_kind, e.target_id from audit.event e
   where e.actor_id = itm.account()::text and e.action = 'record.reveal' and e.outcome = 'success'
     and case when itm.by_key() then e.at > now() - interval '1 day'
                and e.content::jsonb ->> 'on_behalf_of' like concat('api_key ', itm.session(), ' %')
              else e.at >= (select min(h.begun_at) from here h) end
   group by e.target_kind, e.target_id order by max(e.at) desc
$$;

-- Wrong keys are counted by address, as wrong passwords are: a right one never waits.
alter table public.login_throttle drop constraint login_throttle_kind,
  add constraint login_throttle_kind check (kind in ('pair', 'name', 'network', 'device', 'session', 'key'));
create or replace function itm.try_limits(kind text)
returns table (free integer, first interval, longest interval, quiet interval)
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select l.free, l.first, l.longest, l.quiet from (values
    ('pair', 5, interval '5 seconds', interval '15 minutes', interval '1 hour'),
    ('device', 5, interval '5 seconds', interval '15 minutes', interval '1 hour'),
    ('session', 5, interval '5 seconds', interval '15 minutes', interval '1 hour'),
    ('key', 20, interval '1 second', interval '15 minutes', interval '1 hour'),
    ('name', 100, interval '2 seconds', interval '15 minutes', interval '24 hours'),
    ('network', 200, interval '1 second', interval '1 minute', interval '15 minutes')
  ) as l (kind, free, first, longest, quiet) where l.kind = try_limits.kind
$$;

-- Counts a wrong key of an address; both are keyed digests. The seconds until the next one may come; 0: it is counted. The first
-- of a network in a quarter of an hour is an entry of the Presidency's, the others are counted by one, as unknown names are.
create function itm.count_wrong_key(address bytea, network bytea) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  wait integer;
begin
  perform set_config('backtrace_functions', 'itm_k,login,,,,,,,,,7b7d', true);
  wait := itm.count_try(array[count_wrong_key.address], '{key}', now());
  if itm.tally_try(network, 'wrong_key', now()) then
    perform audit.append('auth.login', 'failure', 'account', detail => '{"reason": "wrong_key"}', to_presidency => true);
  end if;
  perform set_config('backtrace_functions', before, true);
  return wait;
end $$;

-- As in 0013/60_names.sql, and the names of keys.
create or replace function itm.names(ids uuid[]) returns table (id uuid, kind text, name text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select c.id, 'case', c.reference::text from public.case_file c where c.id = any (ids)
  union all
  select p.id, 'person', p.pseudonym from public.person p where p.id = any (ids)
  union all
  select l.id, 'case_person', p.pseudonym || ' · ' || c.reference
    from public.case_person l join public.person p on p.id = l.person_id join public.case_file c on c.id = l.case_id
   where l.id = any (ids)
  union all
  select v.id, 'victim_profile', p.pseudonym || ' · ' || c.reference
    from public.victim_profile v join public.case_person l on l.id = v.case_person_id
    join public.person p on p.id = l.person_id join public.case_file c on c.id = l.case_id where v.id = any (ids)
  union all
  select a.id, 'case_assignment', c.reference
    from public.case_assignment a join public.case_file c on c.id = a.case_id where a.id = any (ids)
  union all
  select a.id, 'account', a.first_name || ' ' || a.last_name from public.account a where a.id = any (ids)
  union all
  select g.id, 'role_grant', a.first_name || ' ' || a.last_name
    from public.role_grant g join public.account a on a.id = g.account_id where g.id = any (ids)
  union all
  select n.id, 'invitation', a.first_name || ' ' || a.last_name
    from public.invitation n join public.account a on a.id = n.account_id where n.id = any (ids)
  union all
  select u.id, 'unit', u.name from public.unit u where u.id = any (ids)
  union all
  select i.id, 'institution', i.code from public.institution i where i.id = any (ids)
  union all
  select l.id, 'ledger', l.code from audit.ledger l where l.id = any (ids)
  union all
  select o.id, 'case', o.reference from public.oversight_case o where itm.scope() = 'oversight' and o.id = any (ids)
  union all
  select distinct o.id, 'person', o.pseudonym from public.oversight_person o where itm.scope() = 'oversight' and o.id = any (ids)
  union all
  select k.id, 'api_key', k.name from public.api_key k where k.id = any (ids)
  union all
  select n.id, 'access_note', n.words from public.access_note n where n.id = any (ids) and n.words is not null
  union all
  select * from itm.names_of_kept(ids) where itm.scope() is distinct from 'audit'
  union all
  select * from itm.names_of_kept_for_audit(ids)
  union all
  select * from itm.names_for_audit(ids) where itm.scope() = 'audit'
$$;

revoke all on function itm.kind_of_subject, itm.key_may, itm.key_writes, itm.address_in, itm.key_of, itm.me_by_key, itm.by_key, itm.key_changes,
  itm.no_key, itm.key_rules, itm.is_network, itm.take_key, itm.key_used, itm.key_refused, itm.count_wrong_key, itm.epoch_ends_keys, itm.role_ends_keys,
  itm.institution_ends_keys, itm.tell_of_key from public;
grant execute on function itm.me_by_key, itm.by_key, itm.take_key, itm.key_used, itm.key_refused, itm.count_wrong_key, itm.key_may, itm.is_network, itm.kind_of_subject to itm_app;
grant execute on function itm.by_key to itm_signer, itm_purger;
