-- Who is at work, as the session told it (see itm_admin/foundation/tenancy.py). Nothing told: NULL, no rows.
-- STABLE and called inside (select …) in policies, so that each is evaluated once per statement.

create schema itm;
grant usage on schema itm to itm_app, itm_signer;

-- What the installation is for: written once, by `itm demo` or `itm init`, and never changed.
create table itm.installation (
  synthetic boolean not null,
  sole boolean primary key default true check (sole)
);

create function itm.context() returns jsonb
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select nullif(current_setting('itm.context', true), '')::jsonb $$;

create function itm.scope() returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select itm.context() ->> 'scope' $$;

create function itm.account() returns uuid
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select (itm.context() ->> 'account')::uuid $$;

-- The institution, but only while working inside it.
create function itm.institution() returns uuid
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select case when itm.scope() = 'institution' then (itm.context() ->> 'institution')::uuid end $$;

-- The actor's own institution, whatever the scope.
create function itm.home() returns uuid
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select (itm.context() ->> 'institution')::uuid $$;

create function itm.login_name() returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select case when itm.scope() = 'login' then itm.context() ->> 'login' end $$;

create function itm.token() returns bytea
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select case when itm.scope() = 'login' then decode(itm.context() ->> 'token', 'hex') end $$;

-- level: 'unit' (work on), 'manage' or 'create'.
create function itm.everywhere(level text) returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select coalesce(itm.context() -> level = '"*"'::jsonb, false) $$;

create function itm.units(level text) returns uuid[]
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select case when jsonb_typeof(itm.context() -> level) = 'array'
         then array(select value::uuid from jsonb_array_elements_text(itm.context() -> level)) else '{}' end
$$;

create function itm.manages() returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select itm.scope() = 'institution' and (itm.everywhere('manage') or itm.units('manage') <> '{}') $$;

create function itm.approves() returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select itm.scope() = 'oversight' and coalesce((itm.context() ->> 'approves')::boolean, false) $$;

create function itm.national() returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select coalesce((itm.context() ->> 'national')::boolean, false) $$;

-- Turkish letters without ICU: ı before i, ç after c, and so on, whatever the server's locale. The same order
-- and the same lower case as in itm_admin/foundation/turkish.py (a test compares them).
create function itm.tr_lower(value text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select translate(normalize(value, nfc), 'ABCÇDEFGĞHIİJKLMNOÖPQRSŞTUÜVWXYZÂÎÛ', 'abcçdefgğhıijklmnoöpqrsştuüvwxyzâîû') $$;

-- To be ordered by: bytes, so that no collation has a say. Letters come after digits, each in its alphabet's place.
create function itm.tr_key(value text) returns bytea
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select convert_to(translate(itm.tr_lower(value), 'abcçdefgğhıijklmnoöpqrsştuüvwxyzâîûáéèêëñ',
                              'ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`ALYAFFFFQ'), 'UTF8')
$$;

-- To be searched in: what is typed without its marks finds it all the same, and so does I for ı.
create function itm.tr_fold(value text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select translate(itm.tr_lower(value), 'çğıöşüâîûáéèêëñ', 'cgiosuaiuaeeeen') $$;

revoke execute on all functions in schema itm from public;
grant execute on all functions in schema itm to itm_app, itm_owner;
