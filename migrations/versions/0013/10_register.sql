-- Two registers. itm.kept: each kind of record, and what it was declared with. itm.protected: each column that holds
-- something about a person or a case, and the way from its row to the person or case. Tables are named without their
-- schema, which is public. A way is column, table, column, …: {person_id}, or {case_person_id,case_person,person_id}.

create table itm.kept (
  relation text primary key,
  kind text not null unique,
  refs text[] default '{}' not null,
  parent text,
  about text[],
  private text[] default '{}' not null,
  states text[] default '{}' not null,
  common text[] default '{}' not null,
  recent text,
  sensitivity smallint,
  by_hand boolean default false not null
);
comment on table itm.kept is 'Each kind of record with the arguments of itm.keep, so that a later migration can loop over all.';
comment on column itm.kept.common is 'Columns that both sides of an act of two parties hold.';
comment on column itm.kept.by_hand is 'The table''s policies and rules were written for it alone: a loop over all leaves it out.';

create table itm.protected (
  relation text not null,
  column_name text not null,
  owner text not null,
  path text[] not null,
  primary key (relation, column_name, owner, path),
  constraint protected_owner check (owner in ('person', 'case_file'))
);
comment on table itm.protected is 'Each column with protected values: whose they are, and the way from the row to the owner.';
revoke all on itm.kept, itm.protected from public;
grant select on itm.kept to itm_app;

-- The rows r of a table that are about $1, as a condition.
create function itm.about_condition(path text[]) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp
as $$
declare
  condition text := format('%I = $1', path[cardinality(path)]);
begin
  for i in reverse cardinality(path) - 1 .. 2 by 2 loop
    condition := format('%I in (select t.id from public.%I t where t.%s)', path[i - 1], path[i], condition);
  end loop;
  return 'r.' || condition;
end $$;

-- The id at the end of a way that begins in this row, or null where a row of it is not seen.
create function itm.at_end_of(path text[], row_values jsonb) returns uuid
language plpgsql stable strict set search_path = pg_catalog, pg_temp
as $$
declare
  found uuid := (row_values ->> path[1])::uuid;
begin
  for i in 2 .. cardinality(path) - 1 by 2 loop
    execute format('select t.%I from public.%I t where t.id = $1', path[i + 1], path[i]) into found using found;
  end loop;
  return found;
end $$;

-- The way from a kind of record through its parents to the topmost, which comes last: {stay_id,stay,case_id,case_file}.
create function itm.way_up(wanted text) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  way text[] := '{}';
  record itm.kept;
begin
  loop
    select k.* into record from itm.kept k where k.relation = wanted;
    exit when record.parent is null;
    wanted := itm.referred(record.refs, record.parent);
    way := way || record.parent || wanted;
  end loop;
  return way;
end $$;

-- The table that a column names, by refs such as {case_id>case_file}.
create function itm.referred(refs text[], wanted text) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$ select split_part(r, '>', 2) from unnest(refs) r where split_part(r, '>', 1) = wanted $$;

revoke all on function itm.about_condition, itm.at_end_of, itm.way_up, itm.referred from public;
grant execute on function itm.about_condition, itm.at_end_of, itm.referred to itm_app, itm_owner;

insert into itm.kept (relation, kind, refs, parent, about, private, by_hand) values
  ('case_file', 'case', '{}', null, null, '{data_key,narrative_enc,closure_note_enc}', true),
  ('person', 'person', '{}', null, null, '{data_key,given_name_enc,family_name_enc,birth_date_enc,tckn_enc,ykn_enc,'
   'passport_enc,phone_enc,email_enc,address_enc,guardian_enc,index_terms}', true),
  ('case_person', 'case_person', '{case_id>case_file,person_id>person}', 'case_id', '{person_id}', '{}', true),
  ('victim_profile', 'victim_profile', '{case_person_id>case_person}', 'case_person_id',
   '{case_person_id,case_person,person_id}', '{sex_exploitation_enc,health_enc,needs_enc}', true);

insert into itm.protected (relation, column_name, owner, path)
select k.relation, c.name, case k.relation when 'case_file' then 'case_file' else 'person' end, coalesce(k.about, '{id}')
  from itm.kept k cross join unnest(k.private) c (name);
-- Why somebody was looked at, in words: about the person, about one of the person's records, or about a case. The words
-- about a case go with its narrative.
insert into itm.protected (relation, column_name, owner, path) values
  ('access_note', 'words', 'case_file', '{record}'),
  ('access_note', 'words', 'person', '{record}'),
  ('access_note', 'words', 'person', '{record,victim_profile,case_person_id,case_person,person_id}');
