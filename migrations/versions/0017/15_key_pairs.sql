-- A key pair for each institution: everybody who is signed in seals for it, it alone opens. The public half is vouched for by
-- the master key, the private one is under a key that the institution's key wraps.

create table public.institution_pair (
  id uuid default gen_random_uuid() primary key,
  institution_id uuid not null references public.institution (id),
  public_sealed bytea not null,
  data_key bytea not null,
  private_sealed bytea not null,
  made_at timestamp with time zone default now() not null,
  constraint institution_pair_in_institution unique (institution_id, id),
  constraint institution_pair_once unique (institution_id)
);
comment on table public.institution_pair is 'The key pair for which others seal what they send to an institution.';
comment on column public.institution_pair.public_sealed is 'The public half, under the master key: no secret, but nobody else puts one there.';
comment on column public.institution_pair.private_sealed is 'The seed of the private half, under data_key, which the institution''s key wraps.';
alter table public.institution_pair enable row level security;
alter table public.institution_pair force row level security;
revoke all on public.institution_pair from public;

create policy pair_read on public.institution_pair for select to itm_app
  using ((select itm.account()) is not null or institution_id = (select itm.institution()));
create policy pair_add on public.institution_pair for insert to itm_app
  with check ((select itm.approves()) or ((select itm.scope()) = 'accounts' and (select itm.account()) is null)
              or (institution_id = (select itm.institution()) and (select itm.account()) is null and (select itm.everywhere('manage'))));
create policy pair_functions on public.institution_pair for select to itm_owner using (institution_id = (select itm.institution()));
create policy pair_renewed on public.institution_pair for update to itm_owner
  using (institution_id = (select itm.institution())) with check (institution_id = (select itm.institution()));
grant select (id, institution_id, public_sealed, made_at), insert on public.institution_pair to itm_app;
select audit.watch('public.institution_pair', 'institution_pair', 1, 'institution_id', 'id', '{public_sealed,data_key,private_sealed}', '{made_at}');

-- The private half, sealed, for those who work in its institution.
create function itm.pair_secret(wanted uuid) returns table (data_key bytea, private_sealed bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select p.data_key, p.private_sealed from public.institution_pair p
   where p.id = wanted and p.institution_id = itm.institution() and itm.scope() = 'institution'
$$;
comment on function itm.pair_secret is 'The sealed private half of the pair of the institution at work.';

-- While the master key is replaced: the same public half, vouched for by the next one.
create function itm.vouch_anew(rotation uuid, wanted uuid, before bytea, after bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  open itm.key_rotation := itm.open_rotation(rotation);
begin
  if open.kind <> 'master' then
    raise exception using errcode = 'restrict_violation', message = 'a pair is vouched for anew while the master key is replaced';
  end if;
  update public.institution_pair p set public_sealed = after
   where p.id = wanted and p.institution_id = itm.institution() and p.public_sealed = before;
end $$;
comment on function itm.vouch_anew is 'Writes the public half of a pair as the next master key vouches for it.';

-- Pairs are renewed with the other keys.
create or replace function itm.key_owners(rotation uuid, after text, most integer) returns table (owner text, id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.open_rotation(rotation);
  return query select w.owner, w.id from (
      select 'case_file' as owner, c.id from public.case_file c where c.institution_id = itm.institution() and c.data_key is not null
      union all
      select 'institution_pair', i.id from public.institution_pair i where i.institution_id = itm.institution()
      union all
      select 'second_factor', f.id from public.second_factor f where f.institution_id = itm.institution() and f.data_key is not null
      union all
      select 'person', p.id from public.person p where p.institution_id = itm.institution() and p.data_key is not null) w
    where w.owner || ' ' || w.id > after collate "C" order by (w.owner || ' ' || w.id) collate "C" limit most;
end $$;

create or replace function itm.sealed_columns(relation text, owner text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when sealed_columns.relation <> sealed_columns.owner then null
              when sealed_columns.relation = 'second_factor' then '{data_key,sealed}'::text[]
              when sealed_columns.relation = 'institution_pair' then '{data_key,private_sealed}'::text[] end
  union all
  select array_agg(distinct p.column_name) from itm.protected p
    join pg_attribute a on a.attrelid = format('public.%I', p.relation)::regclass and a.attname = p.column_name and a.atttypid = 'bytea'::regtype
   where p.relation = sealed_columns.relation and p.owner = sealed_columns.owner
   order by 1 nulls last limit 1
$$;

create or replace function itm.sealed_values(rotation uuid, owner text, wanted uuid) returns table (relation text, id uuid, sealed jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp set bytea_output = 'hex'
as $$
declare
  place record;
begin
  perform itm.open_rotation(rotation);
  if owner in ('second_factor', 'institution_pair') then
    return query execute format('select %1$L::text, r.id, (select jsonb_object_agg(v.key, v.value) from jsonb_each(to_jsonb(r)) v'
      ' where v.key = any ($3)) from public.%1$I r where r.id = $1 and r.institution_id = $2 and r.data_key is not null for update of r nowait', owner)
      using wanted, itm.institution(), itm.sealed_columns(owner, owner);
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

revoke all on function itm.pair_secret, itm.vouch_anew from public;
grant execute on function itm.pair_secret, itm.vouch_anew to itm_app;
