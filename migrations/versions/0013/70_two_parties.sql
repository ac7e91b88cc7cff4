-- Acts of two parties: a row on each side, written together by the owner's functions, so that both ledgers hold the act in
-- the same commit, with one digest in both events. A table of sides is made like itm.record and like itm.side and kept by
-- itm.keep with the columns in common, which nobody writes but these functions. itm.keep writes two for each such table:
-- itm.open_<table>(receiver, held, ours) and itm.act_on_<table>(side, act, changed).

create table itm.side (
  common uuid not null,
  party varchar not null,
  other_institution_id uuid not null,
  act integer not null,
  shared varchar not null,
  constraint one_of_two_parties check (party in ('from', 'to'))
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

-- Whether the person at work works on this side.
create function itm.works_on_side(relation text, side uuid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  found boolean;
begin
  execute format('select exists (select from public.%I r where r.id = $1 and r.institution_id = itm.institution()'
                 ' and r.deleted_at is null and %s)', relation, itm.work_condition(relation, 'r')) into found using side;
  return found;
end $$;

-- Two institutions act on one thing while both take part in the coordination, and while neither's side was deleted.
create function itm.refuse_one_sided(relation text, wanted uuid, institutions uuid[]) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  gone boolean;
begin
  if exists (select from unnest(institutions) wanted_one
             where not exists (select from public.institution i where i.id = wanted_one and i.status = 'active')) then
    raise exception using errcode = 'restrict_violation', constraint = 'other_suspended', message = 'the other institution takes no part now';
  end if;
  execute format('select exists (select from public.%I r where r.common = $1 and r.deleted_at is not null)', relation)
    into gone using wanted;
  if gone then
    raise exception using errcode = 'restrict_violation', constraint = 'side_deleted', message = 'a side of this act was deleted';
  end if;
end $$;

-- Opens an act: `held` is what both hold, `ours` what the sender's side has of its own, with its id and its unit. The
-- receiver's side belongs to the receiver's root unit. Returns the id of the sender's side.
create function itm.open_sides(relation text, receiver uuid, held jsonb, ours jsonb) returns uuid
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  sender constant uuid := itm.institution();
  columns constant text[] := itm.common_columns(relation);
  own constant text[] := array(
    select name from unnest(itm.columns_of(relation)) name where name <> all (columns || itm.columns_of_record()
      || '{common,party,other_institution_id,act,shared}'::text[])) || '{id,unit_id}'::text[];
  theirs constant jsonb := jsonb_build_object('id', gen_random_uuid(), 'institution_id', receiver, 'party', 'to',
    'other_institution_id', sender, 'unit_id', (select u.id from public.unit u where u.institution_id = receiver and u.parent_id is null));
  side jsonb;
  names text;
begin
  if sender is null then
    raise exception using errcode = 'insufficient_privilege', message = 'an act of two begins in an institution';
  elsif not array(select jsonb_object_keys(held)) <@ columns or not array(select jsonb_object_keys(ours)) <@ own then
    raise exception using errcode = 'restrict_violation', message = 'a column is in common or of one side';
  end if;
  perform itm.refuse_one_sided(relation, null, array[sender, receiver]);
  execute format('select to_jsonb(jsonb_populate_record(null::public.%I, $1))', relation) into side
    using held || jsonb_build_object('id', coalesce(ours -> 'id', to_jsonb(gen_random_uuid())), 'institution_id', sender,
                                     'common', gen_random_uuid(), 'party', 'from', 'other_institution_id', receiver, 'act', 1);
  side := jsonb_strip_nulls(side || jsonb_build_object('shared', itm.shared_digest(relation, side, null)));
  names := (select string_agg(quote_ident(name), ', ') from unnest(itm.columns_of(relation)) name
             where side ? name or ours ? name or name = 'unit_id');
  perform itm.write_sides(relation,
    format('insert into public.%1$I (%2$s) select %2$s from jsonb_populate_record(null::public.%1$I, $1)', relation, names),
    array[side || ours, side || theirs]);
  if not itm.works_on_side(relation, (side ->> 'id')::uuid) then
    raise exception using errcode = 'insufficient_privilege', message = 'who opens an act of two works on its side';
  end if;
  return (side ->> 'id')::uuid;
end $$;

-- One more act of both, by somebody who works on this side and saw the act before it: `changed` are the columns in common
-- that it changes. Returns the act's number.
create function itm.act_of_two(relation text, side uuid, seen integer, changed jsonb) returns integer
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  sides jsonb[];
  after jsonb;
begin
  if not itm.works_on_side(relation, side) then
    raise exception using errcode = 'insufficient_privilege', message = 'this act is between others';
  elsif not array(select jsonb_object_keys(changed)) <@ itm.common_columns(relation) then
    raise exception using errcode = 'restrict_violation', message = 'a column is in common or of one side';
  end if;
  execute format('select array_agg(to_jsonb(s) order by s.party) from (select r.* from public.%1$I r where r.common ='
                 ' (select o.common from public.%1$I o where o.id = $1) order by r.party for update) s', relation) into sides using side;
  perform itm.refuse_one_sided(relation, (sides[1] ->> 'common')::uuid,
    array[sides[1] ->> 'institution_id', sides[2] ->> 'institution_id']::uuid[]);
  if (sides[1] ->> 'act')::integer <> seen then
    raise exception using errcode = 'serialization_failure', message = 'the other side acted meanwhile';
  end if;
  after := sides[1] || changed || jsonb_build_object('act', seen + 1);
  changed := changed || jsonb_build_object('act', seen + 1, 'shared', itm.shared_digest(relation, after, sides[1] ->> 'shared'));
  perform itm.write_sides(relation,
    format('update public.%1$I r set (%2$s) = (select %2$s from jsonb_populate_record(null::public.%1$I, $1)) where r.id = ($1 ->> ''id'')::uuid',
           relation, (select string_agg(quote_ident(k), ', ') from jsonb_object_keys(changed) k)),
    array[sides[1] || changed, sides[2] || changed]);
  return seen + 1;
end $$;

-- What both hold changes by the listed steps alone, each by its party: from>to@party, and the columns that it changes along.
create function itm.step_of_two() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  before constant jsonb := to_jsonb(old);
  after constant jsonb := to_jsonb(new);
  changed constant text[] := array(
    select name from unnest(string_to_array(tg_argv[0], ' ')) name where before -> name is distinct from after -> name);
  acting constant text := case itm.institution() when new.institution_id then new.party
    when new.other_institution_id then case new.party when 'from' then 'to' else 'from' end end;
  step text;
begin
  if changed = '{}' then
    return new;
  end if;
  select s into step from unnest(tg_argv[1:]) s where split_part(s, '@', 1) = (before ->> 'state') || '>' || (after ->> 'state');
  if step is null or not array_remove(changed, 'state') <@ string_to_array(split_part(step, ':', 2), '+') then
    raise exception using errcode = 'restrict_violation', message = 'what both sides hold changes by its steps alone';
  elsif split_part(split_part(step, '@', 2), ':', 1) in (acting, case when acting is not null then 'both' end) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'the other side does this';
  end if;
  return new;
end $$;

-- At the commit, for every writer: both sides are there, name each other and hold the same.
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

-- The part of itm.keep for a table with two sides: what both hold, policies for the owner's functions, and these functions.
create function itm.keep_sides(kept itm.kept) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant text := kept.relation;
begin
  execute format('alter table public.%I add constraint %I unique (common, party)', relation, relation || '_once');
  execute format('alter table public.%I add constraint %I foreign key (other_institution_id) references public.institution (id)',
                 relation, relation || '_other');
  execute format('alter table public.%I add constraint two_institutions check (institution_id <> other_institution_id)', relation);
  execute format('create policy %I on public.%I for select to itm_owner using (true)', relation || '_both', relation);
  execute format('create policy %I on public.%I for insert to itm_owner'
                 ' with check ((select itm.institution()) in (institution_id, other_institution_id))', relation || '_opened', relation);
  execute format('create policy %I on public.%I for update to itm_owner'
                 ' using ((select itm.institution()) in (institution_id, other_institution_id))'
                 ' with check ((select itm.institution()) in (institution_id, other_institution_id))', relation || '_acts', relation);
  if kept.states <> '{}' then
    perform itm.keep_rule(relation, 'c_step_of_two', 'before update', format('itm.step_of_two(%L, %s)', array_to_string(kept.common, ' '),
      (select string_agg(quote_literal(s), ', ' order by n) from unnest(kept.states) with ordinality as u (s, n) where s like '%@%')));
  end if;
  execute format('create constraint trigger sides_agree after insert or update on public.%I deferrable initially deferred'
                 ' for each row execute function itm.sides_agree(%L)', relation, array_to_string(kept.common, ' '));
  execute format('alter table public.%I enable always trigger sides_agree', relation);
  execute format('create function itm.%I(receiver uuid, held jsonb, ours jsonb) returns uuid language sql security definer'
                 ' set search_path = pg_catalog, pg_temp as %L', 'open_' || relation,
                 format('select itm.open_sides(%L, receiver, held, ours)', relation));
  execute format('create function itm.%I(side uuid, act integer, changed jsonb) returns integer language sql security definer'
                 ' set search_path = pg_catalog, pg_temp as %L', 'act_on_' || relation,
                 format('select itm.act_of_two(%L, side, act, changed)', relation));
  execute format('revoke all on function itm.%I, itm.%I from public', 'open_' || relation, 'act_on_' || relation);
  execute format('grant execute on function itm.%I, itm.%I to itm_app', 'open_' || relation, 'act_on_' || relation);
end $$;
comment on function itm.keep_sides is 'Gives a table of two sides what both hold, and the functions that write both.';

-- The receiver's root unit, to which the receiver's side belongs.
create policy unit_of_receiver on public.unit for select to itm_owner using (parent_id is null and (select itm.institution()) is not null);

revoke all on function itm.as_seen_from_outside, itm.common_columns, itm.shared_digest, itm.write_sides, itm.works_on_side, itm.refuse_one_sided, itm.open_sides,
  itm.act_of_two, itm.step_of_two, itm.sides_agree, itm.keep_sides from public;
