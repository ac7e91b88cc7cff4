-- The database knows each session: who is signed in, how, since when and until when. The cookie holds a secret of 32 random
-- bytes and names nobody; here stands its SHA-256, which opens nothing. This database's clock judges.
-- Sessions of before have no secret: they end, and all sign in once more.
truncate public.account_session;

-- seen_at: the last act, to the minute. ends_at: the end in any case; idle: it ends if nothing is done for so long. methods: how the
-- person proved to be this account's. factor_at: the last second factor; NULL where one is needed is half a session, which opens
-- only the pages of the second step. address and device: what it began from, in short words.
alter table public.account_session
  add column secret_digest bytea not null unique,
  add column seen_at timestamp with time zone default now() not null,
  add column ends_at timestamp with time zone not null,
  add column idle interval default interval '30 minutes' not null,
  add column methods text[] default '{}' not null,
  add column factor_at timestamp with time zone,
  add column address varchar,
  add column device varchar,
  drop constraint account_session_why,
  add constraint account_session_why check (why in ('signed_out', 'elsewhere', 'renewed', 'all', 'password', 'factor', 'link', 'role', 'suspended', 'institution')),
  add constraint account_session_digest check (octet_length(secret_digest) = 32),
  add constraint account_session_length check (ends_at <= begun_at + interval '24 hours'),
  add constraint account_session_idle check (idle between interval '1 minute' and interval '2 hours'),
  add constraint account_session_methods check (methods <@ '{password,totp,passkey,recovery,provider,machine}'::text[]),
  add constraint account_session_words check (length(address) <= 60 and length(device) <= 60);

revoke all on public.account_session from itm_app;
grant select (id, institution_id, account_id, epoch, begun_at, ended_at, why, seen_at, ends_at, idle, methods, factor_at, address, device),
  update (why) on public.account_session to itm_app;
-- Also what an administrator of the database suspends ends sessions.
alter policy session_rules on public.account_session
  using ((select session_user) not in ('itm_signer', 'itm_purger')) with check ((select session_user) not in ('itm_signer', 'itm_purger'));
create policy session_units on public.unit for select to itm_owner using ((select session_user) = 'itm_app');

-- The one answer to: is a session without a second factor half a session?
create function itm.factor_needed() returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select false $$;

-- Only a person who may sign in begins a session, and an ended one stays ended. Rows of a month ago go: without its row
-- a session is no session.
create or replace function itm.session_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    delete from public.account_session s where s.account_id = new.account_id and s.begun_at < now() - interval '30 days';
    new.begun_at := now();
    new.seen_at := now();
    new.ended_at := null;
    new.why := null;
    if new.factor_at is null and itm.factor_needed() then
      new.ends_at := least(new.ends_at, now() + interval '10 minutes');
    end if;
    select a.epoch into new.epoch from public.account a join public.institution i on i.id = a.institution_id
     where a.id = new.account_id and a.active and i.status = 'active';
    if new.epoch is null or not itm.has_password(new.account_id) or itm.waits(new.account_id) then
      raise exception using errcode = 'restrict_violation', message = 'this person cannot sign in';
    end if;
    return new;
  end if;
  if old.ended_at is not null or new.why is null and new.seen_at = old.seen_at then
    raise exception using errcode = 'restrict_violation', message = 'an ended session stays ended';
  end if;
  if new.why is not null then
    new.ended_at := now();
  end if;
  return new;
end $$;

-- Begins a session of the account at work. `instead_of`: the own session that this one replaces, whose end it keeps.
create function itm.open_session(digest bytea, methods text[], factor_age interval, idle interval, lasts interval, address text, device text, instead_of uuid default null)
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before public.account_session;
  opened uuid;
begin
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

-- The person of a secret, with grants, in one statement. No row: nobody has it. `ended`: it opens nothing any more.
create function itm.me(secret bytea)
returns table (session uuid, id uuid, institution_id uuid, unit_id uuid, username text, first_name text, last_name text, language text, epoch integer,
               code text, name_tr text, name_en text, kind text, obstacle text, ended text, half boolean, methods text[], factor_age double precision,
               seen_age double precision, idle_left double precision, absolute_left double precision, grants jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select s.id, a.id, a.institution_id, a.unit_id, a.username, a.first_name, a.last_name, a.language, a.epoch,
         i.code, i.name_tr, i.name_en, i.kind,
         case when not a.active then 'inactive' when i.status <> 'active' then 'institution_suspended'
              when itm.waits(a.id) then 'unconfirmed' end,
         case when s.why is not null then s.why when s.epoch <> a.epoch then 'all'
              when s.ends_at <= now() then 'absolute' when s.seen_at <= now() - s.idle then 'idle' end,
         s.factor_at is null and itm.factor_needed(), s.methods, extract(epoch from now() - s.factor_at)::float8,
         extract(epoch from now() - s.seen_at)::float8, extract(epoch from s.seen_at + s.idle - now())::float8,
         extract(epoch from s.ends_at - now())::float8,
         coalesce((select jsonb_agg(jsonb_build_object('role', g.role, 'unit', g.unit_id, 'units', case when g.unit_id is not null then (
                   with recursive below as (
                     select u.id from public.unit u where u.id = g.unit_id and u.institution_id = g.institution_id
                     union
                     select u.id from public.unit u join below b on u.parent_id = b.id where u.institution_id = g.institution_id
                   ) select jsonb_agg(b.id) from below b) end) order by g.created_at, g.id)
            from public.role_grant g where g.account_id = a.id and g.state = 'active'), '[]')
    from public.account_session s
    join public.account a on a.id = s.account_id join public.institution i on i.id = a.institution_id
   where s.secret_digest = sha256(secret)
$$;

-- Somebody was at work in it. Its time moves at most once a minute, unless the person asks for it (`at_once`).
create function itm.session_seen(secret bytea, at_once boolean default false) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.account_session s set seen_at = now()
   where s.secret_digest = sha256(secret) and s.ended_at is null and s.ends_at > now() and s.seen_at > now() - s.idle
     and s.seen_at < now() - case when at_once then interval '0' else interval '1 minute' end
$$;

-- The browser that has a session's secret gives it away: another sign-in replaces it.
create function itm.end_session(secret bytea, reason text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$ update public.account_session s set why = reason where s.secret_digest = sha256(secret) and s.ended_at is null $$;

-- An institution that is taken up again revives no session.
create function itm.institution_ends_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.account_session s set why = 'institution' where s.institution_id = new.id and s.ended_at is null;
  return null;
end $$;
create trigger e_ends_sessions after update of status on public.institution for each row
  when (old.status = 'active' and new.status <> 'active') execute function itm.institution_ends_sessions();
alter table public.institution enable always trigger e_ends_sessions;

revoke all on function itm.factor_needed, itm.open_session, itm.me, itm.session_seen, itm.end_session, itm.institution_ends_sessions from public;
grant execute on function itm.factor_needed, itm.open_session, itm.me, itm.session_seen, itm.end_session to itm_app;
