-- Providers of sign-in: an OIDC issuer or a directory that vouches for an institution's people. What counts is the settings' file that the
-- web server reads at its start (ITM_IDENTITY_PROVIDERS_FILE); these rows mirror it without its secrets, so that no page and no statement
-- adds an issuer. A provider is its kind and issuer: where the file names another issuer, the former one's people are nobody's.
create table public.identity_provider (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  kind varchar not null,
  issuer varchar not null,
  code varchar not null,
  name_tr varchar not null,
  name_en varchar not null,
  client varchar,
  acr text[] default '{}' not null,
  amr text[] default '{}' not null,
  ended_at timestamp with time zone,
  primary key (id),
  constraint identity_provider_once unique (kind, issuer),
  constraint identity_provider_kind check (kind in ('oidc', 'ldap')),
  constraint identity_provider_code check (code ~ '^[a-z0-9-]{1,40}$'),
  constraint identity_provider_institution foreign key (institution_id) references public.institution (id)
);
create unique index identity_provider_code_once on public.identity_provider (code) where ended_at is null;
comment on column public.identity_provider.institution_id is 'The Presidency, which keeps the register: its ledger tells of each change';
comment on column public.identity_provider.issuer is 'OIDC: the issuer, letter by letter. LDAP: the directory''s own name, which stays when its server moves';
comment on column public.identity_provider.acr is 'Any of these in a token''s acr is a second factor shown at the provider';
comment on column public.identity_provider.amr is 'Any of these in a token''s amr is a second factor shown at the provider';

-- The institutions whose people a provider may vouch for, and what each of them lets it do.
create table public.provider_binding (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  provider_id uuid not null,
  trusts_factor boolean default false not null,
  arrivals boolean default false not null,
  password boolean default true not null,
  ended_at timestamp with time zone,
  primary key (id),
  constraint provider_binding_once unique (provider_id, institution_id),
  constraint provider_binding_institution foreign key (institution_id) references public.institution (id),
  constraint provider_binding_provider foreign key (provider_id) references public.identity_provider (id)
);
create unique index provider_binding_one_arrival on public.provider_binding (provider_id) where arrivals and ended_at is null;
comment on column public.provider_binding.trusts_factor is 'A second factor that was shown at the provider counts here; else ours follows';
comment on column public.provider_binding.arrivals is 'Somebody whom nobody knows here gets an account without a role, which the manager gives; else is refused';
comment on column public.provider_binding.password is 'Who is linked to the provider may sign in by password or passkey too';

-- Who somebody is at a provider: its own unchangeable id (sub, entryUUID, objectGUID), never an e-mail address or a name.
create table public.external_identity (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  provider_id uuid not null,
  subject varchar not null,
  how varchar not null,
  shown_name varchar,
  linked_at timestamp with time zone default now() not null,
  last_used_at timestamp with time zone,
  ended_at timestamp with time zone,
  primary key (id),
  constraint external_identity_in_institution unique (institution_id, id),
  constraint external_identity_how check (how in ('arrived', 'invited', 'linked')),
  constraint external_identity_subject check (length(subject) between 1 and 255),
  constraint external_identity_name check (length(shown_name) <= 200),
  constraint external_identity_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint external_identity_provider foreign key (provider_id) references public.identity_provider (id)
);
create unique index external_identity_once on public.external_identity (provider_id, subject) where ended_at is null;
create unique index external_identity_of_account on public.external_identity (account_id, provider_id) where ended_at is null;
comment on column public.external_identity.subject is 'Personal data: the id that a provider gave to a member of staff';
comment on column public.external_identity.how is 'arrived: the first sign-in made the account; invited: a one-time link was used with it; linked: from within the account''s own session';
comment on column public.external_identity.shown_name is 'Personal data: the name of a member of staff at the provider''s last sign-in; it changes nothing here';

alter table public.account_session add constraint account_session_in_institution unique (institution_id, id);
-- What a session has from its provider: which of the account's identities, and the provider's own session. No token is kept.
create table public.provider_session (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  session_id uuid not null,
  identity_id uuid not null,
  sid varchar,
  primary key (id),
  constraint provider_session_once unique (session_id),
  constraint provider_session_sid check (length(sid) <= 255),
  constraint provider_session_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint provider_session_session foreign key (institution_id, session_id) references public.account_session (institution_id, id) on delete cascade,
  constraint provider_session_identity foreign key (institution_id, identity_id) references public.external_identity (institution_id, id)
);
create index provider_session_of_identity on public.provider_session (identity_id);
comment on column public.provider_session.sid is 'Personal data: the session of a member of staff at the provider';

-- Digests of what a provider sends once (states, logout tokens), for an hour.
create table public.provider_message (
  digest bytea not null,
  seen_at timestamp with time zone default now() not null,
  primary key (digest),
  constraint provider_message_digest check (octet_length(digest) = 32)
);
create index provider_message_age on public.provider_message (seen_at);

alter table public.identity_provider enable row level security, force row level security;
alter table public.provider_binding enable row level security, force row level security;
alter table public.external_identity enable row level security, force row level security;
alter table public.provider_session enable row level security, force row level security;
alter table public.provider_message enable row level security, force row level security;
create policy provider_rules on public.identity_provider for all to itm_owner using (true) with check (true);
create policy binding_rules on public.provider_binding for all to itm_owner using (true) with check (true);
create policy identity_rules on public.external_identity for all to itm_owner using (true) with check (true);
create policy provider_session_rules on public.provider_session for all to itm_owner using (true) with check (true);
create policy message_rules on public.provider_message for all to itm_owner using (true) with check (true);
create policy provider_known on public.identity_provider for select to itm_app using ((select itm.scope()) is not null);
create policy binding_known on public.provider_binding for select to itm_app using ((select itm.scope()) is not null);
create policy identity_own on public.external_identity for select to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()));
create policy identity_read on public.external_identity for select to itm_app
  using (institution_id = (select itm.institution()) and (select itm.manages()) or (select itm.scope()) = 'accounts'
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy identity_unlink on public.external_identity for update to itm_app
  using ((select itm.scope()) = 'login' and (select itm.session()) is not null and account_id = (select itm.account()));
create policy provider_session_own on public.provider_session for select to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()));
revoke all on public.identity_provider, public.provider_binding, public.external_identity, public.provider_session, public.provider_message from public;
grant select on public.identity_provider, public.provider_binding, public.provider_session to itm_app;
grant select, update (ended_at) on public.external_identity to itm_app;
select audit.watch('public.identity_provider', 'identity_provider', 1, 'institution_id', 'id', '{}', '{}', 'account.change');
select audit.watch('public.provider_binding', 'provider_binding', 1, 'institution_id', 'id', '{}', '{}', 'account.change');
select audit.watch('public.external_identity', 'external_identity', 1, 'institution_id', 'id', '{subject,shown_name}', '{last_used_at}', 'account.change');

-- An arrival makes the account where the person has none.
create policy account_arrives on public.account for insert to itm_owner
  with check ((select session_user) = 'itm_app');

-- What a provider vouches for is checked by the web server alone, so it claims it (0015/84). Commands, which the owner's login lets in, need
-- no claim.
create function itm.check_provider_claim(words text, at bigint, mac bytea) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and not itm.is_command() and itm.is_claim(words, at, mac) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'this is no claim of the web server';
  end if;
end $$;

create function itm.hex_of(words text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select encode(sha256(convert_to(coalesce(words, ''), 'UTF8')), 'hex') $$;

create function itm.vouches(provider uuid, institution uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (select from public.identity_provider p join public.provider_binding b on b.provider_id = p.id and b.ended_at is null
                  where p.id = provider and p.ended_at is null and b.institution_id = vouches.institution)
$$;

-- Writes what the file declares: [{kind, issuer, code, name_tr, name_en, client, acr, amr, institutions: [{code, trusts_factor, arrivals,
-- password}]}]. Gives the codes that no institution has, and then writes nothing. What the file names no more ends; its people come no
-- more, and stay known.
create function itm.declare_providers(declared text, at bigint default null, mac bytea default null) returns text[]
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  unknown text[];
  presidency uuid;
  one jsonb;
  provider uuid;
begin
  perform itm.check_provider_claim('providers ' || itm.hex_of(declared), at, mac);
  perform pg_advisory_xact_lock(hashtextextended('itm identity providers', 0));
  unknown := array(select distinct c ->> 'code' from jsonb_array_elements(declared::jsonb) d, jsonb_array_elements(d -> 'institutions') c
                    where not exists (select from public.institution i where i.code = c ->> 'code') order by 1);
  if unknown <> '{}' then
    return unknown;
  end if;
  select i.id into presidency from public.institution i where i.kind = 'presidency';
  if presidency is null then  -- a new installation: its institutions are entered later
    return '{}';
  end if;
  if before = '' then
    perform itm.at_the_door(null);
  end if;
  update public.identity_provider p set ended_at = now() where p.ended_at is null and not exists (
    select from jsonb_array_elements(declared::jsonb) d where d ->> 'kind' = p.kind and d ->> 'issuer' = p.issuer and d ->> 'code' = p.code);
  for one in select * from jsonb_array_elements(declared::jsonb) loop
    insert into public.identity_provider as p (institution_id, kind, issuer, code, name_tr, name_en, client, acr, amr)
    values (presidency, one ->> 'kind', one ->> 'issuer', one ->> 'code', one ->> 'name_tr', one ->> 'name_en', one ->> 'client',
            array(select jsonb_array_elements_text(one -> 'acr')), array(select jsonb_array_elements_text(one -> 'amr')))
    on conflict on constraint identity_provider_once do update
      set code = excluded.code, name_tr = excluded.name_tr, name_en = excluded.name_en, client = excluded.client, acr = excluded.acr,
          amr = excluded.amr, ended_at = null
      where (p.code, p.name_tr, p.name_en, p.client, p.acr, p.amr, p.ended_at)
            is distinct from (excluded.code, excluded.name_tr, excluded.name_en, excluded.client, excluded.acr, excluded.amr, null);
    select p.id into strict provider from public.identity_provider p where p.kind = one ->> 'kind' and p.issuer = one ->> 'issuer';
    update public.provider_binding b set ended_at = now()
     where b.provider_id = provider and b.ended_at is null and not exists (
       select from jsonb_array_elements(one -> 'institutions') c join public.institution i on i.code = c ->> 'code' where i.id = b.institution_id);
    -- One institution gets the arrivals: the former one gives them up before the next one has them.
    update public.provider_binding b set arrivals = false from public.institution i, jsonb_array_elements(one -> 'institutions') c
     where b.provider_id = provider and b.arrivals and i.id = b.institution_id and c ->> 'code' = i.code and not (c ->> 'arrivals')::boolean;
    insert into public.provider_binding as b (institution_id, provider_id, trusts_factor, arrivals, password)
    select i.id, provider, (c ->> 'trusts_factor')::boolean, (c ->> 'arrivals')::boolean, (c ->> 'password')::boolean
      from jsonb_array_elements(one -> 'institutions') c join public.institution i on i.code = c ->> 'code'
    on conflict on constraint provider_binding_once do update
      set trusts_factor = excluded.trusts_factor, arrivals = excluded.arrivals, password = excluded.password, ended_at = null
      where (b.trusts_factor, b.arrivals, b.password, b.ended_at)
            is distinct from (excluded.trusts_factor, excluded.arrivals, excluded.password, null);
  end loop;
  update public.account_session s set why = 'provider' from public.provider_session p join public.external_identity x on x.id = p.identity_id
   where s.id = p.session_id and s.ended_at is null and not itm.vouches(x.provider_id, x.institution_id);
  perform set_config('backtrace_functions', before, true);
  return '{}';
end $$;

-- The row of a provider that the file names.
create function itm.provider_of(kind text, issuer text) returns uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select p.id from public.identity_provider p where p.kind = provider_of.kind and p.issuer = provider_of.issuer and p.ended_at is null $$;

-- The account's person can prove it elsewhere.
create function itm.has_identity(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select itm.may_ask() and exists (select from public.external_identity x where x.account_id = who and x.ended_at is null
                                      and itm.vouches(x.provider_id, x.institution_id))
$$;

-- The account's person can prove it at all: by a password, or elsewhere.
create function itm.has_way_in(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select itm.has_password(who) or itm.has_identity(who) $$;

-- The institution lets the account's person in through its provider alone.
create function itm.only_by_provider(who uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select exists (select from public.external_identity x
    join public.provider_binding b on b.provider_id = x.provider_id and b.institution_id = x.institution_id and b.ended_at is null and not b.password
    join public.identity_provider p on p.id = x.provider_id and p.ended_at is null
   where x.account_id = who and x.ended_at is null)
$$;

-- The account of a person whom a provider has just vouched for. `former`: it was one, and is none any more. `trusts_factor`: of the
-- account's institution.
create function itm.provider_person(provider uuid, subject text, shown text, at bigint default null, mac bytea default null)
returns table (identity uuid, institution_id uuid, account_id uuid, former boolean, trusts_factor boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.check_provider_claim(concat_ws(' ', 'provider_person', provider, itm.hex_of(subject)), at, mac);
  return query update public.external_identity x set last_used_at = now(), shown_name = left(shown, 200)
    where x.provider_id = provider and x.subject = provider_person.subject and x.ended_at is null
    returning x.id, x.institution_id, x.account_id, not itm.vouches(x.provider_id, x.institution_id),
      coalesce((select b.trusts_factor from public.provider_binding b
                 where b.provider_id = provider and b.institution_id = x.institution_id and b.ended_at is null), false);
  if not found then
    return query select x.id, x.institution_id, x.account_id, true, false from public.external_identity x
      where x.provider_id = provider and x.subject = provider_person.subject order by x.linked_at desc limit 1;
  end if;
end $$;

-- The account of somebody who comes for the first time: without a role and without a password, in the institution that gets the
-- provider's arrivals. NULL: none does. `person`: {first_name, last_name, username, email, language}. An address that somebody there has
-- already, or that nobody vouches for, is not taken: the manager writes one.
create function itm.provider_arrival(provider uuid, subject text, shown text, person text, at bigint default null, mac bytea default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  said constant jsonb := person::jsonb;
  home uuid;
  free text := said ->> 'username';
  mail text := said ->> 'email';
  number integer := 1;
  made uuid;
begin
  perform itm.check_provider_claim(concat_ws(' ', 'provider_arrival', provider, itm.hex_of(subject), itm.hex_of(person)), at, mac);
  select b.institution_id into home from public.provider_binding b
    join public.identity_provider p on p.id = b.provider_id and p.ended_at is null
    join public.institution i on i.id = b.institution_id and i.status = 'active'
   where b.provider_id = provider and b.arrivals and b.ended_at is null;
  if home is null then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('itm arrivals', 0));
  if exists (select from public.external_identity x where x.provider_id = provider and x.subject = provider_arrival.subject) then
    raise exception using errcode = 'restrict_violation', message = 'this person has come before';
  end if;
  while exists (select from public.account a where itm.name_key(a.username) = itm.name_key(free)) loop
    number := number + 1;
    free := (said ->> 'username') || number;
  end loop;
  if mail is null or exists (select from public.account a where a.institution_id = home and itm.name_key(a.email) = itm.name_key(mail)) then
    mail := free || '@adres.invalid';
  end if;
  perform itm.at_the_door(null);
  insert into public.account (institution_id, username, first_name, last_name, email, language)
  values (home, free, said ->> 'first_name', said ->> 'last_name', mail, said ->> 'language') returning id into made;
  perform itm.at_the_door(made);
  insert into public.external_identity (institution_id, account_id, provider_id, subject, how, shown_name, last_used_at)
  values (home, made, provider, subject, 'arrived', left(shown, 200), now());
  perform set_config('backtrace_functions', before, true);
  return made;
end $$;

-- Links the account at work with the person whom the provider has just vouched for: in the own whole session, with a second factor of the
-- last minutes. NULL: done. 'taken': that person is somebody else's, or was.
create function itm.provider_link(provider uuid, subject text, shown text, at bigint default null, mac bytea default null) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.check_provider_claim(concat_ws(' ', 'provider_link', itm.account(), provider, itm.hex_of(subject)), at, mac);
  if itm.session() is null or itm.scope() is distinct from 'login' or coalesce(itm.factor_age(), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if not itm.vouches(provider, itm.home()) then
    raise exception using errcode = 'restrict_violation', message = 'this provider does not vouch for this institution';
  end if;
  return itm.keep_identity(itm.home(), itm.account(), provider, subject, shown, 'linked');
end $$;

create function itm.keep_identity(home uuid, who uuid, provider uuid, subject text, shown text, how text) returns text
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('itm arrivals', 0));
  if exists (select from public.external_identity x where x.provider_id = provider and x.subject = keep_identity.subject
                and (x.ended_at is null or x.account_id <> who))
     or exists (select from public.external_identity x where x.provider_id = provider and x.account_id = who and x.ended_at is null) then
    return 'taken';
  end if;
  insert into public.external_identity (institution_id, account_id, provider_id, subject, how, shown_name, last_used_at)
  values (home, who, provider, subject, how, left(shown, 200), now());
  return null;
end $$;

-- Uses a one-time link with a provider in place of a password. 'bad': it does not open; 'foreign': the provider does not vouch for the
-- link's institution; 'taken': the provider's person is somebody else's. NULL: done.
create function itm.redeem_by_provider(token text, provider uuid, subject text, shown text, at bigint default null, mac bytea default null) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  link uuid;
  person record;
  refused text;
begin
  perform itm.check_provider_claim(concat_ws(' ', 'provider_redeem', itm.hex_of(token), provider, itm.hex_of(subject)), at, mac);
  select n.id into link from public.invitation n where n.token_digest = sha256(convert_to(token, 'UTF8')) for update;
  select n.account_id, n.institution_id into person from itm.invited(token) n where n.id = link;
  if person.account_id is null then
    return 'bad';
  end if;
  if not itm.vouches(provider, person.institution_id) then
    return 'foreign';
  end if;
  perform itm.at_the_door(person.account_id);
  update public.external_identity x set ended_at = now() where x.account_id = person.account_id and x.provider_id = provider
     and x.subject = redeem_by_provider.subject and x.ended_at is null; -- the same person again, by a new link
  refused := itm.keep_identity(person.institution_id, person.account_id, provider, subject, shown, 'invited');
  if refused is not null then
    raise exception using errcode = 'ITM02', message = 'somebody else is linked';
  end if;
  update public.invitation n set used_at = now() where n.id = link;
  update public.account a set epoch = a.epoch + 1 where a.id = person.account_id;
  perform set_config('backtrace_functions', before, true);
  return null;
exception when sqlstate 'ITM02' then
  perform set_config('backtrace_functions', before, true);
  return 'taken';
end $$;

-- A link is ended in the account's own session, with a second factor of the last minutes. The last way in stays.
create function itm.identity_changes() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if old.ended_at is not null and (new.ended_at is distinct from old.ended_at) then
    raise exception using errcode = 'restrict_violation', message = 'an ended link stays ended';
  end if;
  if current_user <> 'itm_app' then
    return new;
  end if;
  if itm.session() is null or coalesce(itm.factor_age(), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if new.ended_at is null then
    raise exception using errcode = 'restrict_violation', message = 'an ended link stays ended';
  end if;
  if not itm.has_password(old.account_id) then
    raise exception using errcode = 'restrict_violation', constraint = 'last_way_in', message = 'the last way in stays';
  end if;
  new.ended_at := now();
  return new;
end $$;
create trigger b_rules before update on public.external_identity for each row execute function itm.identity_changes();
alter table public.external_identity enable always trigger b_rules;

-- With a link end the sessions that came from it; the one in which its person ends it goes on.
create function itm.identity_ends_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.account_session s set why = 'provider' from public.provider_session p
   where p.identity_id = new.id and s.id = p.session_id and s.ended_at is null and s.id is distinct from itm.session();
  return null;
end $$;
create trigger d_sessions after update on public.external_identity for each row
  when (old.ended_at is null and new.ended_at is not null) execute function itm.identity_ends_sessions();
alter table public.external_identity enable always trigger d_sessions;

-- A role that two people give, a password that two people end, or a new one-time link that is used, voids what the account could be
-- entered by before: also a provider's person who was linked in its sessions or by an earlier link. Who arrived by the provider stays
-- who the provider says; the end of an auditor's password ends that too.
create function itm.void_identities(who uuid, also_arrived boolean default false) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.external_identity x set ended_at = now()
   where x.account_id = who and x.ended_at is null and x.linked_at < now() and (also_arrived or x.how <> 'arrived')
$$;
create function itm.change_ends_identities() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.void_identities(new.account_id, new.kind = 'reset');
  return null;
end $$;
create trigger e_identities after update on public.access_change for each row
  when (old.state = 'waiting' and new.state = 'done' and new.kind in ('rise', 'reset')) execute function itm.change_ends_identities();
alter table public.access_change enable always trigger e_identities;
create function itm.link_ends_identities() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.void_identities(new.account_id);
  return null;
end $$;
create trigger e_identities after update on public.invitation for each row
  when (old.used_at is null and new.used_at is not null) execute function itm.link_ends_identities();
alter table public.invitation enable always trigger e_identities;

-- The owner is told of a link that is made or ended.
create function itm.tell_of_identity() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and (tg_op = 'UPDATE' or new.how <> 'arrived') then
    perform itm.tell(new.account_id, 'identity');
  end if;
  return null;
end $$;
create trigger e_tell after insert on public.external_identity for each row execute function itm.tell_of_identity();
create trigger e_tell_end after update on public.external_identity for each row
  when (old.ended_at is null and new.ended_at is not null) execute function itm.tell_of_identity();
alter table public.external_identity enable always trigger e_tell, enable always trigger e_tell_end;
do $$
declare
  wanted record;
  known text[];
begin
  for wanted in select * from (values ('mail', 'mail_kind', 'kind', 'told_identity'), ('account_session', 'account_session_why', 'why', 'provider')) w(relation, rule, col, word) loop
    known := array(select m[1] from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''(\w+)''', 'g') m
                    where c.conrelid = ('public.' || wanted.relation)::regclass and c.conname = wanted.rule);
    execute format('alter table public.%I drop constraint %I, add constraint %I check (%I in (%s))', wanted.relation, wanted.rule, wanted.rule, wanted.col,
                   (select string_agg(quote_literal(k), ', ') from unnest(known || wanted.word) k));
  end loop;
end $$;

-- The reason why an account may not sign in whose person is proved (0015/82), also of somebody who has no password and is vouched for.
create or replace function itm.obstacle(who uuid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case
      when not a.active then 'inactive'
      when i.status <> 'active' then 'institution_suspended'
      when w.waits and p.pending then 'reset_pending'
      when w.waits then 'unconfirmed'
      when not exists (select from public.role_grant g where g.account_id = a.id and g.state = 'active') then 'no_role'
      when p.pending or c.account_id is null and x.linked_at is null then 'reset_pending' end
    from public.account a join public.institution i on i.id = a.institution_id
    left join public.credential c on c.account_id = a.id
    cross join lateral (select max(e.linked_at) as linked_at from public.external_identity e
                         where e.account_id = a.id and e.ended_at is null and itm.vouches(e.provider_id, e.institution_id)) x
    cross join lateral (select exists (select from public.access_change y where y.account_id = a.id and y.kind = 'link' and y.state = 'waiting') as waits) w
    cross join lateral (select exists (select from public.invitation n where n.account_id = a.id and n.used_at is null
                                          and n.created_at > greatest(c.changed_at, x.linked_at)) as pending) p
   where a.id = who
$$;

-- The same of the way in which the person was proved.
create function itm.obstacle_of_way(who uuid, methods text[]) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when 'provider' = any (methods)
      then case when not exists (select from public.external_identity x where x.account_id = who and x.ended_at is null
                                    and itm.vouches(x.provider_id, x.institution_id)) then 'no_identity' end
      else case when itm.only_by_provider(who) then 'provider_only' end end
$$;

-- Functions of before, in which these words change and no others.
do $$
declare
  change record;
  body text;
begin
  for change in select * from (values
    ('itm.sign_in', 'itm.obstacle(found.account_id)', 'itm.obstacle(found.account_id), itm.obstacle_of_way(found.account_id, ''{password}'')'),
    ('itm.sign_in_by_claim', 'reason := itm.obstacle(who)', 'reason := coalesce(itm.obstacle(who), itm.obstacle_of_way(who, methods))'),
    ('itm.session_rules', 'itm.has_password(', 'itm.has_way_in('),
    ('itm.epoch_ends_sessions', 'itm.has_password(', 'itm.has_way_in('),
    ('itm.invitation_rules', 'itm.has_password(', 'itm.has_way_in('),
    ('itm.somebody_confirms', 'itm.has_password(', 'itm.has_way_in(')) c(name, was, is_now) loop
    body := pg_get_functiondef(change.name::regproc);
    if strpos(body, change.was) = 0 then
      raise exception '% is another one than this migration expects', change.name;
    end if;
    execute replace(body, change.was, change.is_now);
  end loop;
end $$;

-- The session that has just begun through a provider: which identity, and the provider's own session.
create function itm.name_provider_session(identity uuid, sid text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  insert into public.provider_session (institution_id, account_id, session_id, identity_id, sid)
  select s.institution_id, s.account_id, s.id, x.id, left(name_provider_session.sid, 255)
    from public.account_session s join public.external_identity x on x.account_id = s.account_id and x.id = identity and x.ended_at is null
   where s.id = itm.session() and s.begun_at = now() and 'provider' = any (s.methods)
$$;

-- A session that follows the present one (a second factor, a step-up, a new password) has the provider's from it.
create function itm.provider_session_goes_on() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.session() is not null then
    update public.provider_session p set session_id = new.id from public.account_session s
     where p.session_id = itm.session() and s.id = p.session_id and s.account_id = new.account_id and s.ended_at = now();
  end if;
  return null;
end $$;
create trigger f_provider after insert on public.account_session for each row execute function itm.provider_session_goes_on();
alter table public.account_session enable always trigger f_provider;

-- The provider says that somebody has signed out there: the sessions that came from it end, of that session there or of that person,
-- each person with an entry. Gives their number.
create function itm.provider_signs_out(provider uuid, subject text, sid text, at bigint default null, mac bytea default null) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  gone record;
  persons integer := 0;
begin
  perform itm.check_provider_claim(concat_ws(' ', 'provider_sign_out', provider, itm.hex_of(subject), itm.hex_of(sid)), at, mac);
  if coalesce(subject, sid) is null then
    return 0;
  end if;
  for gone in
    with over as (
      update public.account_session s set why = 'provider'
        from public.provider_session p join public.external_identity x on x.id = p.identity_id
       where s.id = p.session_id and s.ended_at is null and x.provider_id = provider
         and (provider_signs_out.subject is null or x.subject = provider_signs_out.subject)
         and (provider_signs_out.sid is null or p.sid = provider_signs_out.sid)
      returning s.account_id)
    select o.account_id, count(*) as sessions from over o group by o.account_id loop
    perform itm.at_the_door(gone.account_id);
    perform audit.append('auth.logout', target_kind => 'account', target_id => gone.account_id::text, detail => jsonb_build_object('sessions', 'provider'));
    persons := persons + 1;
  end loop;
  perform set_config('backtrace_functions', before, true);
  return persons;
end $$;

-- True the first time that this is seen in an hour: what is older than that is refused by its own time.
create function itm.first_time(digest bytea, at bigint default null, mac bytea default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.check_provider_claim('once ' || encode(digest, 'hex'), at, mac);
  delete from public.provider_message m where m.seen_at < now() - interval '1 hour';
  insert into public.provider_message (digest) values (first_time.digest) on conflict do nothing;
  return found;
end $$;

-- Somebody came from a provider and was not let in, whom no account is known of: the first of a quarter of an hour and network is an entry
-- of the Presidency's ledger, the others are counted.
create function itm.refuse_provider(provider text, reason text, network bytea, at bigint default null, mac bytea default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
begin
  perform itm.check_provider_claim(concat_ws(' ', 'provider_refused', provider, reason), at, mac);
  perform itm.at_the_door(null);
  if itm.tally_try(coalesce(network, '\x00'), reason, now()) then
    perform audit.append('auth.login', 'denied', detail => jsonb_build_object('reason', reason, 'provider', left(provider, 40)), to_presidency => true);
  end if;
  perform set_config('backtrace_functions', before, true);
end $$;

do $$
declare
  inside constant text[] := '{check_provider_claim,hex_of,only_by_provider,keep_identity,identity_changes,identity_ends_sessions,void_identities,change_ends_identities,
    link_ends_identities,tell_of_identity,obstacle_of_way,provider_session_goes_on}';
  door constant text[] := '{declare_providers,provider_of,vouches,has_identity,has_way_in,provider_person,provider_arrival,provider_link,redeem_by_provider,
    name_provider_session,provider_signs_out,first_time,refuse_provider}';
  name text;
begin
  foreach name in array inside || door loop
    execute format('revoke all on function itm.%I from public', name);
  end loop;
  foreach name in array door loop
    execute format('grant execute on function itm.%I to itm_app', name);
  end loop;
end $$;
