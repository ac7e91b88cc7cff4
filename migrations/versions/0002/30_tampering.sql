-- What a record is by the ledger and what it is now, column by column, for the auditors who are told of a difference.

create policy unit_views on unit for select to itm_owner using ((select itm.scope()) = 'audit');

-- `shown` are the columns whose values this reader may see; of the others it is told alone that they differ.
create function itm.differences(kind text, id text, shown text[])
returns table (field text, by_ledger jsonb, now jsonb, seq bigint, ledger uuid)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set TimeZone = 'UTC' set DateStyle = 'ISO, YMD'
as $$
declare
  watched audit.watched;
  present jsonb;
begin
  if itm.scope() is distinct from 'audit' then return; end if;
  select w.* into watched from audit.watched w where w.kind = differences.kind order by w.shape desc limit 1;
  if not found then return; end if;
  execute format('select to_jsonb(t) from %s t where t.%I::text = $1', watched.relation, watched.key[1])
    into present using differences.id;
  if not itm.national() and (present ->> coalesce(watched.holder, 'institution_id'))::uuid is distinct from itm.home() then
    return;
  end if;
  return query
  with events as (
    select e.content::jsonb as content, l.generation, f.seq, l.id as ledger
      from audit.event e join audit.leaf f on f.event_id = e.id join audit.ledger l on l.id = f.ledger_id
     where e.target_id = differences.id and e.target_kind = differences.kind and e.via = 'trigger'),
  lasting as (
    select distinct on (c.key) c.key as name, c.value, v.seq, v.ledger
      from events v, jsonb_each(v.content -> 'changes') c order by c.key, v.generation desc, v.seq desc),
  latest as (select v.seq, v.ledger from events v order by v.generation desc, v.seq desc limit 1)
  select n.name, case when n.name = any (shown) then o.value -> 'new' end,
         case when n.name = any (shown) then present -> n.name end,
         coalesce(o.seq, e.seq), coalesce(o.ledger, e.ledger)
    from unnest(watched.columns) n (name) cross join latest e left join lasting o on o.name = n.name
   where n.name <> all (watched.private) and coalesce(jsonb_typeof(o.value -> 'new'), 'null') <> 'object'
     and nullif(nullif(present ->> n.name, ''), '[]') is distinct from nullif(nullif(o.value ->> 'new', ''), '[]');
end $$;
comment on function itm.differences(text, text, text[]) is
  'Columns of a record that are not as its entries say, for auditors; values only of the columns that they may see.';
revoke execute on function itm.differences(text, text, text[]) from public;
grant execute on function itm.differences(text, text, text[]) to itm_app;

-- Records that the last full verification found otherwise than the ledger says: for a mark on their own pages.
create function itm.found_changed(id text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from audit.ledger l
      cross join lateral (select v.findings from audit.verification v
                           where v.ledger_id = l.id and v.level = 'full' order by v.id desc limit 1) v
     where l.closed_at is null and v.findings @> jsonb_build_array(jsonb_build_object('id', found_changed.id)))
$$;
comment on function itm.found_changed(text) is 'Whether the last full verification found this record changed past the panel.';
revoke execute on function itm.found_changed(text) from public;
grant execute on function itm.found_changed(text) to itm_app;
