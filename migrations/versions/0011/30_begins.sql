-- A record begins alive. The rules of closing, deleting, holding and erasing look at a change, and a row that began with one
-- of these had passed none of them.
create function itm.begins() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  if tg_table_name = 'account' then
    new.epoch := 0; -- at its largest value nothing could end the account's sessions
  elsif jsonb_strip_nulls(to_jsonb(new)) ?| array['deleted_at', 'deletion_reason', 'held_at', 'hold_reason', 'erased_at',
          'erasure_ground', 'closed_on', 'closure_reason', 'closure_note_enc', 'lowering_reason'] then
    raise exception using errcode = 'restrict_violation',
      message = 'a record begins alive: it is closed, deleted, held or erased later';
  end if;
  return new;
end $$;
create trigger a_begins before insert on public.case_file for each row execute function itm.begins();
create trigger a_begins before insert on public.person for each row execute function itm.begins();
create trigger a_begins before insert on public.case_person for each row execute function itm.begins();
create trigger a_begins before insert on public.victim_profile for each row execute function itm.begins();
create trigger a_begins before insert on public.account for each row execute function itm.begins();
alter table public.case_file enable always trigger a_begins;
alter table public.person enable always trigger a_begins;
alter table public.case_person enable always trigger a_begins;
alter table public.victim_profile enable always trigger a_begins;
alter table public.account enable always trigger a_begins;

-- An institution's units are one tree: one root, no circle, also when two people move units at once. The one who
-- registers an institution gives it its root; its managers add all others.
create function itm.unit_tree() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('unit' || new.institution_id::text, 0));
  if (case tg_op
       when 'UPDATE' then (old.parent_id is null) <> (new.parent_id is null)
       else new.parent_id is null
            and exists (select from public.unit u where u.institution_id = new.institution_id and u.parent_id is null)
      end) then
    raise exception using errcode = 'restrict_violation', message = 'an institution''s units have one root, and it stays';
  end if;
  if tg_op = 'INSERT' and new.parent_id is not null and itm.scope() <> 'institution' then
    raise exception using errcode = 'restrict_violation', message = 'a unit is added by its institution';
  end if;
  if exists (
       with recursive above(id) as (
         select new.parent_id
         union
         select u.parent_id from above a join public.unit u on u.id = a.id and u.institution_id = new.institution_id
       ) select from above a where a.id = new.id) then
    raise exception using errcode = 'restrict_violation', message = 'a unit is not below itself';
  end if;
  return new;
end $$;
create trigger c_tree before insert or update of parent_id on public.unit for each row execute function itm.unit_tree();
alter table public.unit enable always trigger c_tree;
revoke execute on function itm.begins(), itm.unit_tree() from public;
grant execute on function itm.begins(), itm.unit_tree() to itm_app;

-- The register is the supervisor's; before there is one, the machine's, which is nobody's account.
alter policy register_add on public.institution
  with check ((select itm.approves()) or ((select itm.scope()) = 'accounts' and (select itm.account()) is null));
alter policy key_add on public.institution_key
  with check ((select itm.approves()) or ((select itm.scope()) = 'accounts' and (select itm.account()) is null));
alter policy unit_add on public.unit
  with check ((institution_id = (select itm.institution()) and (select itm.manages()))
              or (select itm.approves()) or ((select itm.scope()) = 'accounts' and (select itm.account()) is null));
