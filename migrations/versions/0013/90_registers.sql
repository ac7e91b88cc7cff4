-- The registers are rows, which the catalogue's manifest does not hold; erasing and revealing believe them. They are compared
-- with what the manifest does hold: the triggers' arguments and the columns that the ledger covers as private.

create function itm.ways() returns table (relation text, path text[], columns text[])
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select c.relname::text, string_to_array(split_part(encode(t.tgargs, 'escape'), '\000', 1), '>'),
         array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (t.tgattr)
               and t.tgfoid = 'itm.erased_stays()'::regprocedure)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
   where t.tgfoid in ('itm.erased_stays()'::regprocedure, 'itm.circle()'::regprocedure)
$$;

create function itm.registers_otherwise() returns table (relation text, id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with covered as (
    select distinct on (w.relation) replace(w.relation, 'public.', '') as relation, w.kind, w.private
      from only audit.watched w order by w.relation, w.shape desc),
  protected as (
    select w.relation, c.name, 'person', w.path from itm.ways() w cross join unnest(w.columns) c (name)
    union select 'access_note', 'words', 'person', array['record', w.relation] || w.path from itm.ways() w
    union select 'access_note', 'words', o.name, '{record}' from (values ('person'), ('case_file')) o (name)
    union select w.relation, c.name, w.relation, '{id}' from covered w cross join unnest(w.private) c (name)
           where w.relation in ('person', 'case_file')),
  kept as (
    select t.relation, w.kind, t.about from covered w join (
      select w.relation, w.path as about from itm.ways() w
      union select c.relname::text, null from pg_trigger t join pg_class c on c.oid = t.tgrelid
             where t.tgfoid = 'itm.place()'::regprocedure and c.relname <> all (select w.relation from itm.ways() w)
      union values ('case_file', null), ('person', null), ('case_person', '{person_id}'::text[])) t on t.relation = w.relation)
  select 'itm.protected', d.relation || '.' || d.name from (
    (select * from protected except select p.relation, p.column_name, p.owner, p.path from only itm.protected p)
    union (select p.relation, p.column_name, p.owner, p.path from only itm.protected p except select * from protected)) d (relation, name)
  union
  select 'itm.kept', d.relation from (
    (select * from kept except select k.relation, k.kind, k.about from only itm.kept k)
    union (select k.relation, k.kind, k.about from only itm.kept k except select * from kept)) d
$$;
comment on function itm.registers_otherwise() is
  'Rows of itm.protected and itm.kept that are not as the triggers and the covered columns say. As itm_signer.';
revoke all on function itm.ways, itm.registers_otherwise from public;
grant execute on function itm.registers_otherwise to itm_signer;
