-- Acts of two parties: a row on each side, written together by the owner's functions, so that both ledgers hold the act in
-- the same commit, with one digest in both events. Each side's table has, beside its own columns, those below; the columns
-- in common are written by itm.open_sides and itm.act_of_two alone. An area's definer function asks who may, then calls them.

create table itm.side (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  common uuid not null,
  party varchar not null,
  other_institution_id uuid not null,
  act integer not null,
  shared varchar not null,
  primary key (id),
  constraint one_of_two_parties check (party in ('from', 'to')),
  constraint two_institutions check (institution_id <> other_institution_id)
);
comment on table itm.side is 'The columns that a side of an act of two has. Without rows: other tables are made like it.';
alter table itm.side enable row level security;
alter table itm.side force row level security;
revoke all on itm.side from public;

-- The context of an event that another institution reads too: who acts in whose name, and no name, address or page.
create function itm.as_seen_from_outside(said jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('ledger', said -> 'ledger', 'reads', said -> 'reads', 'purpose', said -> 'purpose',
    'actor', jsonb_build_object('user', said #> '{actor,user}', 'institution', said #> '{actor,institution}', 'role', said #> '{actor,role}'),
    'request', jsonb_build_object('id', said #> '{request,id}'))
$$;

-- The columns that both sides hold: the arguments of the trigger that compares them.
create function itm.common_columns(relation text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select string_to_array(split_part(encode(t.tgargs, 'escape'), '\000', 1), ' ') from pg_trigger t
   where t.tgrelid = format('public.%I', relation)::regclass and t.tgname = 'sides_agree'
$$;

-- What stands in both rows, and so in both events: the version of this text, the act's number, the digest of what both sides
-- hold after it, chained to the one before, and both ledgers' origins in the order of their bytes.
create function itm.shared_digest(relation text, side jsonb, before text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set TimeZone = 'UTC' set DateStyle = 'ISO, YMD'
as $$
declare
  columns constant text[] := itm.common_columns(relation);
  parties constant uuid[] := case side ->> 'party' when 'from'
    then array[side ->> 'institution_id', side ->> 'other_institution_id'] else array[side ->> 'other_institution_id', side ->> 'institution_id'] end;
  origins constant text := (select string_agg(l.origin, ' ' order by l.origin collate "C") from audit.ledger l
                             where l.holder = any (parties) and l.closed_at is null);
  lines constant text := (select string_agg(name || '=' || coalesce((side -> name)::text, 'null'), E'\n' order by n)
                            from unnest(columns) with ordinality as u (name, n));
begin
  return concat_ws(' ', 'itm-shared-act/v1', side ->> 'act', encode(sha256(convert_to(concat_ws(E'\n', 'itm-shared-act/v1',
    side ->> 'act', origins, relation, side ->> 'common', parties[1], parties[2], lines, coalesce(before, '-')), 'UTF8')), 'hex'), origins);
end $$;

-- Writes both sides, with the reduced context, the side "from" first: the order of locks everywhere.
create function itm.write_sides(relation text, statement text, sides jsonb[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  said constant text := current_setting('audit.context', true);
  side jsonb;
begin
  perform set_config('audit.context', itm.as_seen_from_outside(nullif(said, '')::jsonb)::text, true);
  foreach side in array sides loop
    execute statement using side;
  end loop;
  perform set_config('audit.context', coalesce(said, ''), true);
end $$;

-- Opens an act: `held` is what both hold, `ours` and `theirs` what each side has of its own. Returns the id in common.
create function itm.open_sides(relation text, receiver uuid, held jsonb, ours jsonb, theirs jsonb) returns uuid
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  sender constant uuid := itm.institution();
  common constant uuid := gen_random_uuid();
  side jsonb;
  shared text;
  names text;
begin
  if sender is null then
    raise exception using errcode = 'insufficient_privilege', message = 'an act of two begins in an institution';
  end if;
  execute format('select to_jsonb(jsonb_populate_record(null::public.%I, $1))', relation) into side
    using held || jsonb_build_object('id', gen_random_uuid(), 'institution_id', sender, 'common', common, 'party', 'from',
                                     'other_institution_id', receiver, 'act', 1);
  shared := itm.shared_digest(relation, side, null);
  side := side || jsonb_build_object('shared', shared);
  names := (select string_agg(quote_ident(name), ', ') from unnest(itm.columns_of(relation)) name
             where side -> name <> 'null' or ours ? name or theirs ? name);
  perform itm.write_sides(relation,
    format('insert into public.%1$I (%2$s) select %2$s from jsonb_populate_record(null::public.%1$I, $1)', relation, names),
    array[side || ours, side || jsonb_build_object('id', gen_random_uuid(), 'institution_id', receiver, 'party', 'to',
                                                   'other_institution_id', sender) || theirs]);
  return common;
end $$;

-- One more act of both: `changed` are the columns in common that it changes.
create function itm.act_of_two(relation text, common uuid, changed jsonb) returns integer
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  columns constant text[] := itm.common_columns(relation);
  sides jsonb[];
  side jsonb;
  shared text;
begin
  if exists (select from jsonb_object_keys(changed) k where k <> all (columns)) then
    raise exception 'not in common: %', changed;
  end if;
  execute format('select array_agg(to_jsonb(s) order by s.party) from'
                 ' (select r.* from public.%I r where r.common = $1 order by r.party for update) s', relation) into sides using common;
  if cardinality(sides) is distinct from 2
     or itm.institution() is null or itm.institution()::text not in (sides[1] ->> 'institution_id', sides[2] ->> 'institution_id') then
    raise exception using errcode = 'insufficient_privilege', message = 'this act is between others';
  end if;
  side := sides[1] || changed || jsonb_build_object('act', (sides[1] ->> 'act')::integer + 1);
  shared := itm.shared_digest(relation, side, sides[1] ->> 'shared');
  changed := changed || jsonb_build_object('act', side -> 'act', 'shared', shared);
  perform itm.write_sides(relation,
    format('update public.%1$I r set (%2$s) = (select %2$s from jsonb_populate_record(null::public.%1$I, $1)) where r.id = ($1 ->> ''id'')::uuid',
           relation, (select string_agg(quote_ident(k), ', ') from jsonb_object_keys(changed) k)),
    array[sides[1] || changed, sides[2] || changed]);
  return (side ->> 'act')::integer;
end $$;

-- At the commit, whoever wrote: both sides are there, name each other and hold the same.
create function itm.sides_agree() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  columns constant text[] := string_to_array(tg_argv[0], ' ') || '{act,shared}'::text[];
  sides jsonb[];
begin
  execute format('select array_agg(to_jsonb(r) order by r.party) from public.%I r where r.common = $1', tg_table_name)
    into sides using new.common;
  if cardinality(sides) is distinct from 2
     or sides[1] ->> 'institution_id' is distinct from sides[2] ->> 'other_institution_id'
     or sides[2] ->> 'institution_id' is distinct from sides[1] ->> 'other_institution_id'
     or exists (select from unnest(columns) name where sides[1] -> name is distinct from sides[2] -> name) then
    raise exception using errcode = 'restrict_violation', message = 'both sides of an act hold the same';
  end if;
  return null;
end $$;

-- relation: a table made like itm.side. columns: those in common. own: those that each side writes for itself. states: the
-- steps of the column state, which is in common.
create function itm.keep_sides(
  relation text, kind text, columns text[], own text[] default '{}', states text[] default '{}', shape integer default 1
) returns void language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  head constant text[] := '{id,institution_id,common,party,other_institution_id}';
begin
  if not head || '{act,shared}'::text[] || columns || own <@ itm.columns_of(relation) then
    raise exception '% is not made like itm.side, or a column that is named is not there', relation;
  elsif columns && own then
    raise exception 'a column of % is in common or of one side', relation;
  elsif exists (select from pg_attribute a where a.attrelid = format('public.%I', relation)::regclass and a.attname = any (columns)
                and a.atthasdef) then
    raise exception 'a column of % in common has a default, which the digest would not know', relation;
  end if;
  execute format('alter table public.%I add constraint %I unique (institution_id, id)', relation, relation || '_in_institution');
  execute format('alter table public.%I add constraint %I unique (common, party)', relation, relation || '_once');
  execute format('alter table public.%I add constraint %I foreign key (institution_id) references public.institution (id)',
                 relation, relation || '_institution');
  execute format('alter table public.%I add constraint %I foreign key (other_institution_id) references public.institution (id)',
                 relation, relation || '_other');
  execute format('alter table public.%I enable row level security', relation);
  execute format('alter table public.%I force row level security', relation);
  execute format('create policy %I on public.%I for select to itm_app using (institution_id = (select itm.institution()))',
                 relation || '_read', relation);
  execute format('create policy %I on public.%I for update to itm_app using (institution_id = (select itm.institution()))'
                 ' with check (institution_id = (select itm.institution()))', relation || '_own', relation);
  execute format('create policy %I on public.%I for select to itm_owner using (true)', relation || '_both', relation);
  execute format('create policy %I on public.%I for insert to itm_owner'
                 ' with check ((select itm.institution()) in (institution_id, other_institution_id))', relation || '_opened', relation);
  execute format('create policy %I on public.%I for update to itm_owner'
                 ' using ((select itm.institution()) in (institution_id, other_institution_id))'
                 ' with check ((select itm.institution()) in (institution_id, other_institution_id))', relation || '_acts', relation);
  perform itm.keep_rule(relation, 'b_stays', format('before update when ((%s) is distinct from (%s))',
      (select string_agg(format('old.%I', f), ', ') from unnest(head) f),
      (select string_agg(format('new.%I', f), ', ') from unnest(head) f)),
    format('itm.stays(%L)', array_to_string(head, ', ')));
  if states <> '{}' then
    perform itm.keep_states(relation, 'state', states);
  end if;
  execute format('create constraint trigger sides_agree after insert or update on public.%I deferrable initially deferred'
                 ' for each row execute function itm.sides_agree(%L)', relation, array_to_string(columns, ' '));
  execute format('alter table public.%I enable always trigger sides_agree', relation);
  perform audit.watch(format('public.%I', relation), kind, shape, 'institution_id', 'id', '{}', '{}');
  execute format('grant select on public.%I to itm_app', relation);
  if own <> '{}' then
    execute format('grant update (%s) on public.%I to itm_app', (select string_agg(quote_ident(o), ', ') from unnest(own) o), relation);
  end if;
end $$;
comment on function itm.keep_sides is 'Gives a table of two sides its keys, policies, rules, capture and grants.';

revoke all on function itm.as_seen_from_outside, itm.common_columns, itm.shared_digest, itm.write_sides, itm.open_sides, itm.act_of_two, itm.sides_agree,
  itm.keep_sides from public;
