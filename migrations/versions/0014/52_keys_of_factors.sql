-- The secrets of authenticator apps are sealed under the institution's key like records, and are renewed with them.
create policy key_of_sign_in on public.institution_key for select to itm_owner
  using ((select itm.scope()) = 'login' and institution_id = (select itm.home()));

-- Also while a person of the institution signs in: of the account's institution, whichever one the context names.
create or replace function itm.institution_keys()
returns table (wrapped bytea, former bytea, generation integer, generation_before integer, renewing boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  whose constant uuid := case itm.scope() when 'institution' then itm.institution()
                                          when 'login' then (select a.institution_id from public.account a where a.id = itm.account()) end;
begin
  if whose is null then
    return;
  end if;
  perform pg_advisory_xact_lock_shared(1229802315, hashtext(whose::text));
  return query
    with known as (
      select count(*) filter (where r.kind = 'index' and r.switched_at is not null)::integer as switched,
             count(*) filter (where r.kind = 'index' and r.switched_at is not null and r.ended_at is null)::integer as open,
             -- A transaction that began before a replacement ended may still hold what it read then
             count(*) filter (where r.kind = 'person' and r.switched_at is not null
                              and coalesce(r.ended_at > now() - interval '10 minutes', true)) > 0 as persons,
             (array_agg(r.former) filter (where r.former is not null))[1] as former
        from itm.key_rotation r where r.institution_id = whose)
    select k.wrapped, n.former, 1 + n.switched, 1 + n.switched - n.open, n.persons
      from public.institution_key k cross join known n where k.institution_id = whose;
end $$;

create or replace function itm.key_owners(rotation uuid, after text, most integer) returns table (owner text, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.open_rotation(rotation);
  return query select w.owner, w.id from (
      select 'case_file' as owner, c.id from public.case_file c where c.institution_id = itm.institution() and c.data_key is not null
      union all
      select 'second_factor', f.id from public.second_factor f where f.institution_id = itm.institution() and f.data_key is not null
      union all
      select 'person', p.id from public.person p where p.institution_id = itm.institution() and p.data_key is not null) w
    where w.owner || ' ' || w.id > after collate "C" order by (w.owner || ' ' || w.id) collate "C" limit most;
end $$;

create or replace function itm.sealed_columns(relation text, owner text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when sealed_columns.relation = 'second_factor' and sealed_columns.owner = 'second_factor' then '{data_key,sealed}'::text[] else (
    select array_agg(distinct p.column_name) from itm.protected p
      join pg_attribute a on a.attrelid = format('public.%I', p.relation)::regclass and a.attname = p.column_name and a.atttypid = 'bytea'::regtype
     where p.relation = sealed_columns.relation and p.owner = sealed_columns.owner) end
$$;

create or replace function itm.sealed_values(rotation uuid, owner text, wanted uuid) returns table (relation text, id uuid, sealed jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set bytea_output = 'hex'
as $$
declare
  place record;
begin
  perform itm.open_rotation(rotation);
  if owner = 'second_factor' then
    return query select 'second_factor'::text, f.id, to_jsonb(w) from public.second_factor f, lateral (select f.data_key, f.sealed) w
      where f.id = wanted and f.institution_id = itm.institution() and f.data_key is not null for update of f nowait;
    return;
  end if;
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
