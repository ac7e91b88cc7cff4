-- A legal hold keeps stored values. No person comes into a closed case or leaves it.

-- True if a legal hold keeps the sealed values of this row: a hold on its person or on a case of the person, on the case that
-- it is part of, or on somebody who is or was in the case whose narrative it is. `lock` keeps others from setting one meanwhile.
create function itm.values_are_held(relation text, row_values jsonb, lock boolean) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  institution constant uuid := (row_values ->> 'institution_id')::uuid;
  way text[];
  narrative uuid;
  people uuid[];
  cases uuid[];
begin
  select k.* into kept from itm.kept k where k.relation = values_are_held.relation;
  way := itm.way_up(relation);
  narrative := case when relation = 'case_file' then (row_values ->> 'id')::uuid
    when way[cardinality(way)] = 'case_file' then itm.at_end_of(trim_array(way, 1), row_values) end;
  people := case relation
    when 'person' then array[(row_values ->> 'id')::uuid]
    when 'case_file' then array(
      select l.person_id from public.case_person l where l.case_id = narrative and l.institution_id = institution)
    else array[itm.at_end_of(kept.about, row_values)] end;
  cases := array[narrative] || case when relation <> 'case_file' then array(
    select l.case_id from public.case_person l where l.person_id = any (people) and l.institution_id = institution) end;
  if lock then
    perform from public.person p where p.id = any (people) and p.institution_id = institution order by p.id for share;
    perform from public.case_file c where c.id = any (cases) and c.institution_id = institution order by c.id for share;
  end if;
  return exists (select from public.person p where p.id = any (people) and p.institution_id = institution and p.hold_reason is not null)
      or exists (select from public.case_file c where c.id = any (cases) and c.institution_id = institution and c.hold_reason is not null);
end $$;

-- Asked for people's own writes (in the trigger's WHEN), of a stored value that is to be emptied or replaced. What is empty
-- is filled as ever. The erasures outside the panel, after a restore, repeat what was decided.
create function itm.hold_keeps() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.values_are_held(tg_table_name, to_jsonb(old), true) then
    raise exception using errcode = 'restrict_violation', constraint = 'legal_hold', message = 'a legal hold keeps what is stored';
  end if;
  return new;
end $$;

create function itm.keep_held(relation text, private text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  sealed constant text[] := array(select name from unnest(private) name where name not in ('data_key', 'index_terms'));
begin
  if sealed <> '{}' then
    perform itm.keep_rule(relation, 'd_hold', format('before update of %s when (session_user = ''itm_app'' and (%s))',
        (select string_agg(quote_ident(s), ', ') from unnest(sealed) s),
        (select string_agg(format('old.%1$I is not null and old.%1$I is distinct from new.%1$I', s), ' or ') from unnest(sealed) s)),
      'itm.hold_keeps()');
  end if;
end $$;
select itm.keep_held(k.relation, k.private) from itm.kept k where k.by_hand order by k.relation;

-- The same question for the panel, before it is written.
create function itm.hold_on(kind text, record uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant text := (select k.relation from itm.kept k where k.kind = hold_on.kind);
  row_values jsonb;
begin
  if relation is null then
    return false;
  end if;
  execute format('select to_jsonb(r) from public.%I r where r.id = $1 and r.institution_id = itm.institution()', relation)
    into row_values using record;
  return row_values is not null and itm.values_are_held(relation, row_values, false);
end $$;
comment on function itm.hold_on is 'Whether a legal hold keeps what is sealed in a record of the institution at work.';

-- A link comes into an open case and leaves one, by whatever way. The case is not closed meanwhile.
create function itm.link_of_open_case() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform from public.case_file c where c.id = new.case_id and c.institution_id = new.institution_id for share;
  if exists (select from public.case_file c where c.id = new.case_id and c.institution_id = new.institution_id
             and c.closed_on is not null) then
    raise exception using errcode = 'restrict_violation', constraint = 'closed_case', message = 'a closed case is reopened first';
  end if;
  return new;
end $$;
select itm.keep_rule('case_person', 'e_open', 'before insert or update of deleted_at, deletion_reason when (current_user = ''itm_app'')',
                     'itm.link_of_open_case()');

revoke all on function itm.values_are_held, itm.hold_keeps, itm.keep_held, itm.hold_on, itm.link_of_open_case from public;
grant execute on function itm.hold_on to itm_app;
