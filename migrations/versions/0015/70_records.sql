-- Why a record was deleted is a code in each table that has a place for it, named or not: no words come into it past the forms.
-- codes: {column>list,…}
create or replace function itm.keep_codes(relation text, codes text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  held constant text[] := codes || case when 'deletion_reason' = any (itm.columns_of(relation))
    and not exists (select from unnest(codes) c where c like 'deletion_reason>%') then '{deletion_reason>deletion_reason}'::text[] end;
begin
  if exists (select from unnest(held) c where split_part(c, '>', 1) <> all (itm.columns_of(relation))
             or (split_part(c, '>', 2) not in ('citizenship', 'country', 'language', 'kind') and itm.codes(split_part(c, '>', 2)) is null)) then
    raise exception 'codes are written column>list: %', held;
  end if;
  perform itm.keep_rule(relation, 'c_codes', format('before insert or update of %s when (session_user = ''itm_app'')',
      (select string_agg(quote_ident(split_part(c, '>', 1)), ', ' order by n) from unnest(held) with ordinality as u (c, n))),
    format('itm.coded(%s)', (select string_agg(quote_literal(c), ', ' order by n) from unnest(held) with ordinality as u (c, n))));
end $$;

-- As before, and with the codes that each kept table has.
create or replace function itm.keep(
  relation text, kind text, refs text[] default '{}', parent text default null, about text default null,
  private text[] default '{}', states text[] default '{}', recent text default null, shape integer default 1,
  common text[] default '{}'
) returns void language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  way text[];
  fixed text[];
begin
  kept := (relation, kind, refs, parent, string_to_array(about, '>'), private, states, common, recent,
           case when private <> '{}' then 3 when about is not null then 2 else 1 end, false);
  perform itm.refuse_undeclared(kept);
  insert into itm.kept select kept.*;
  way := itm.way_up(relation);
  fixed := itm.fixed_columns(kept);
  perform itm.keep_keys(relation, refs, array_remove(array[parent, nullif(kept.about[1], parent)], null), recent);
  perform itm.keep_row_security(relation, refs, parent);
  perform itm.keep_erasure(relation);
  perform itm.keep_stamps(relation, fixed, way);
  perform itm.keep_rule(relation, 'b_place', 'before insert', format('itm.place(%L%s)', kept.sensitivity,
    case when parent is not null then ', ' || quote_literal(parent || '>' || itm.referred(refs, parent)) else '' end));
  if states <> '{}' then
    perform itm.keep_states(relation, 'state', states);
  end if;
  if kept.about is not null then
    perform itm.keep_protected(relation, kept.about, private);
    perform itm.keep_rule(relation, 'e_circle', itm.writes_of_people(kept),
      format(case itm.owner_of(relation) when 'person' then 'itm.circle(%L)' else 'itm.circle_of_case(%L)' end, about));
  end if;
  if way[cardinality(way)] = 'case_file' then
    perform itm.keep_rule(relation, 'e_open', 'before insert or update when (current_user = ''itm_app'')', format('itm.open_case(%L)', array_to_string(way, '>')));
  end if;
  perform audit.watch(format('public.%I', relation), kind, shape, 'institution_id', 'id', private,
                      '{created_at,created_by,updated_at,updated_by,row_version}');
  perform itm.keep_codes(relation, '{}');
  perform itm.keep_grants(kept);
  if common <> '{}' then
    perform itm.keep_sides(kept);
  end if;
  perform itm.write_lookups();
end $$;
