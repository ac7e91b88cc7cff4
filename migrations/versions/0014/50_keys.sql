-- Keys are replaced while the panel runs. The owner's login, which no serving process has, opens a replacement for an
-- institution; only then do the functions below change anything, called by the panel's login, which has the keys.

create table itm.key_rotation (
  id uuid default gen_random_uuid() primary key,
  institution_id uuid not null references public.institution (id),
  kind text not null,
  former bytea,
  begun_at timestamp with time zone default now() not null,
  switched_at timestamp with time zone,
  done text default '' not null,
  ended_at timestamp with time zone,
  renewing xid8,
  constraint key_rotation_kind check (kind in ('master', 'institution', 'person', 'index')),
  constraint key_rotation_former check (former is null or (kind = 'institution' and ended_at is null))
);
create unique index key_rotation_one on itm.key_rotation (institution_id) where ended_at is null;
comment on table itm.key_rotation is 'Replacements of keys, one open at a time for each institution; each finished one of kind index counts the generation.';
comment on column itm.key_rotation.former is 'The institution''s former key, wrapped, until no record needs it.';
comment on column itm.key_rotation.done is 'The last record that was renewed: PERSON or CASE and its id; an interrupted run goes on after it.';
comment on column itm.key_rotation.renewing is 'The transaction that renews a record right now: it changes no value, so that a legal hold lets it pass.';
revoke all on itm.key_rotation from public;

create policy key_functions on public.institution_key for select to itm_owner using (institution_id = (select itm.institution()));
create policy key_switch on public.institution_key for update to itm_owner
  using (institution_id = (select itm.institution())) with check (institution_id = (select itm.institution()));

-- The keys of the institution at work. The lock is shared and lasts to the transaction's end: no key is replaced
-- under a transaction that has read one. A statement after the lock sees what was committed while it waited.
create function itm.institution_keys()
returns table (wrapped bytea, former bytea, generation integer, generation_before integer, renewing boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.scope() is distinct from 'institution' then
    return;
  end if;
  perform pg_advisory_xact_lock_shared(1229802315, hashtext(itm.institution()::text));
  return query
    with known as (
      select count(*) filter (where r.kind = 'index' and r.switched_at is not null)::integer as switched,
             count(*) filter (where r.kind = 'index' and r.switched_at is not null and r.ended_at is null)::integer as open,
             -- A transaction that began before a replacement ended may still hold what it read then
             count(*) filter (where r.kind = 'person' and r.switched_at is not null
                              and coalesce(r.ended_at > now() - interval '10 minutes', true)) > 0 as persons,
             (array_agg(r.former) filter (where r.former is not null))[1] as former
        from itm.key_rotation r where r.institution_id = itm.institution())
    select k.wrapped, n.former, 1 + n.switched, 1 + n.switched - n.open, n.persons
      from public.institution_key k cross join known n where k.institution_id = itm.institution();
end $$;
comment on function itm.institution_keys is 'The wrapped keys of the institution at work; nothing outside an institution.';

-- The open replacement, locked. The machine''s work is no account''s, and is done for all units.
create function itm.open_rotation(rotation uuid) returns itm.key_rotation
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  found itm.key_rotation;
begin
  select r.* into found from itm.key_rotation r
   where r.id = rotation and r.institution_id = itm.institution() and r.ended_at is null for update;
  if found.id is null or itm.everywhere('manage') is not true or itm.account() is not null then
    raise exception using errcode = 'insufficient_privilege', message = 'no replacement of keys is open here';
  end if;
  return found;
end $$;

-- Nobody works with the former key any more when this is committed: it waits for all who have read it.
create function itm.switch_key(rotation uuid, before bytea default null, after bytea default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  open itm.key_rotation := itm.open_rotation(rotation);
begin
  perform pg_advisory_xact_lock(1229802315, hashtext(itm.institution()::text));
  if open.switched_at is not null or (after is null) <> (open.kind in ('person', 'index')) then
    raise exception using errcode = 'restrict_violation', message = 'a key is replaced once in a replacement';
  end if;
  if after is not null then
    update public.institution_key k set wrapped = after where k.institution_id = itm.institution() and k.wrapped = before;
    if not found then
      raise exception using errcode = 'restrict_violation', message = 'another key is stored than was read';
    end if;
  end if;
  update itm.key_rotation r set switched_at = now(), former = case open.kind when 'institution' then before end
   where r.id = rotation;
end $$;

-- The persons and cases that have a key, in the order in which they are renewed.
create function itm.key_owners(rotation uuid, after text, most integer) returns table (owner text, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.open_rotation(rotation);
  return query select w.owner, w.id from (
      select 'case_file' as owner, c.id from public.case_file c where c.institution_id = itm.institution() and c.data_key is not null
      union all
      select 'person', p.id from public.person p where p.institution_id = itm.institution() and p.data_key is not null) w
    where w.owner || ' ' || w.id > after collate "C" order by (w.owner || ' ' || w.id) collate "C" limit most;
end $$;

-- The sealed columns of a table that are about owners of this kind.
create function itm.sealed_columns(relation text, owner text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select array_agg(distinct p.column_name) from itm.protected p
    join pg_attribute a on a.attrelid = format('public.%I', p.relation)::regclass and a.attname = p.column_name and a.atttypid = 'bytea'::regtype
   where p.relation = sealed_columns.relation and p.owner = sealed_columns.owner
$$;

-- All that is sealed under an owner's key: its own row first. Locked, or refused where somebody else is at it.
create function itm.sealed_values(rotation uuid, owner text, wanted uuid) returns table (relation text, id uuid, sealed jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set bytea_output = 'hex'
as $$
declare
  place record;
begin
  perform itm.open_rotation(rotation);
  for place in
    select p.relation, p.path, itm.sealed_columns(p.relation, p.owner) as columns from itm.protected p
     where p.owner = sealed_values.owner and itm.sealed_columns(p.relation, p.owner) is not null
     group by p.relation, p.path, p.owner order by p.path <> '{id}', p.relation
  loop
    return query execute format(
      'select %L::text, r.id, (select jsonb_object_agg(v.key, v.value) from jsonb_each(to_jsonb(r)) v'
      '  where v.key = any ($3) and v.value <> ''null'') from public.%I r'
      ' where r.institution_id = $2 and %s order by r.id for update of r nowait',
      place.relation, place.relation, itm.about_condition(place.path)) using wanted, itm.institution(), place.columns;
  end loop;
end $$;

-- Writes the same values anew. What is empty stays empty, and what is filled stays filled.
create function itm.renew_values(rotation uuid, owner text, relation text, wanted uuid, sealed jsonb, terms bytea[] default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  open itm.key_rotation := itm.open_rotation(rotation);
  columns constant text[] := itm.sealed_columns(relation, owner);
  names constant text[] := array(select jsonb_object_keys(sealed) order by 1);
  changed integer;
begin
  if open.switched_at is null or columns is null or not names <@ columns
     or exists (select from jsonb_each(sealed) v where v.value = 'null') or (terms is not null and relation <> 'person') then
    raise exception using errcode = 'restrict_violation', message = 'only what is sealed is renewed';
  end if;
  update itm.key_rotation r set renewing = pg_current_xact_id() where r.id = rotation;
  execute format('update public.%I r set %s where r.id = $1 and r.institution_id = $2 and num_nulls(%s) = 0', relation,
      concat_ws(', ', (select string_agg(format('%I = ($3 ->> %L)::bytea', n, n), ', ') from unnest(names) n),
                case when terms is not null then 'index_terms = $4' end),
      coalesce((select string_agg(format('r.%I', n), ', ') from unnest(names) n), '0'))
    using wanted, itm.institution(), sealed, terms;
  get diagnostics changed = row_count;
  update itm.key_rotation r set renewing = null where r.id = rotation;
  if changed <> 1 then
    raise exception using errcode = 'restrict_violation', message = 'the record has changed meanwhile';
  end if;
end $$;

create function itm.renewed_until(rotation uuid, reached text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.open_rotation(rotation);
  update itm.key_rotation r set done = reached where r.id = rotation;
end $$;

-- A renewal changes no value.
create or replace function itm.hold_keeps() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from itm.key_rotation r where r.institution_id = new.institution_id and r.ended_at is null
             and r.renewing = pg_current_xact_id_if_assigned()) then
    return new;
  end if;
  if itm.values_are_held(tg_table_name, to_jsonb(old), true) then
    raise exception using errcode = 'restrict_violation', constraint = 'legal_hold', message = 'a legal hold keeps what is stored';
  end if;
  return new;
end $$;

revoke all on function itm.institution_keys, itm.open_rotation, itm.switch_key, itm.key_owners, itm.sealed_columns,
  itm.sealed_values, itm.renew_values, itm.renewed_until from public;
grant execute on function itm.institution_keys, itm.switch_key, itm.key_owners, itm.sealed_values, itm.renew_values,
  itm.renewed_until to itm_app;
