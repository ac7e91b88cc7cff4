-- A living record keeps its key. Its values and the key are destroyed together, in the transaction that erases a person
-- of it; a value that is cleared otherwise is a change of content.

create or replace function itm.person_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  content boolean;
  derived boolean := (new.age_band, new.is_child, new.sensitivity) is distinct from (old.age_band, old.is_child, old.sensitivity);
begin
  if current_user <> 'itm_app' or new.erased_at is not null then
    return new;
  end if;
  if new.data_key is distinct from old.data_key then
    raise exception using errcode = 'restrict_violation', message = 'a living record keeps its key';
  end if;
  content := (new.gender, new.citizenships, new.language, new.birth_precision, new.given_name_enc, new.family_name_enc,
              new.birth_date_enc, new.tckn_enc, new.ykn_enc, new.passport_enc, new.phone_enc, new.email_enc,
              new.address_enc, new.guardian_enc) is distinct from
             (old.gender, old.citizenships, old.language, old.birth_precision, old.given_name_enc, old.family_name_enc,
              old.birth_date_enc, old.tckn_enc, old.ykn_enc, old.passport_enc, old.phone_enc, old.email_enc,
              old.address_enc, old.guardian_enc);
  if old.sensitivity >= 3 and (content or derived) and itm.in_circle(old.id, old.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing change this person';
  end if;
  if content and not exists (
       select from public.case_person l join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
        where l.person_id = new.id and l.institution_id = new.institution_id and l.deleted_at is null
          and c.deleted_at is null and c.closed_on is null) then
    raise exception using errcode = 'restrict_violation', message = 'a person of closed cases is locked';
  end if;
  -- Only who goes through all persons (the upkeep) writes the index and the age anew where nothing was changed.
  if itm.everywhere('manage') is not true
     and ((new.index_terms is distinct from old.index_terms and not content)
          or (derived and new.birth_date_enc is not distinct from old.birth_date_enc and not itm.days_changed(old.id))) then
    raise exception using errcode = 'restrict_violation', message = 'the index and the age follow what was changed';
  end if;
  return new;
end $$;

-- At the commit: what was destroyed belongs to a person who was erased in this transaction. Only a manager erases.
create function itm.destroyed_by_erasure() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  lawful boolean;
begin
  if session_user <> 'itm_app' then
    return null;
  end if;
  case tg_table_name
    when 'case_file' then
      lawful := exists (
        select from public.case_person l join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
         where l.case_id = new.id and l.institution_id = new.institution_id and p.erased_at = now());
    when 'victim_profile' then
      lawful := exists (
        select from public.case_person l
          join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
          join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
         where l.id = new.case_person_id and l.institution_id = new.institution_id
           and (p.erased_at = now() or c.closed_on is null));
    else
      lawful := exists (
        select from public.person p
         where p.institution_id = new.institution_id and p.erased_at = now()
           and (p.id = new.record or exists (
             select from public.victim_profile v
               join public.case_person l on l.id = v.case_person_id and l.institution_id = v.institution_id
              where v.id = new.record and l.person_id = p.id)));
  end case;
  if not lawful then
    raise exception using errcode = 'restrict_violation', message = 'protected values are destroyed by an erasure alone';
  end if;
  return null;
end $$;
revoke all on function itm.destroyed_by_erasure from public;
grant execute on function itm.destroyed_by_erasure to itm_app, itm_owner;

create constraint trigger destroyed_by_erasure after update on public.case_file deferrable initially deferred
  for each row when (old.data_key is not null and new.data_key is null) execute function itm.destroyed_by_erasure();
create constraint trigger destroyed_by_erasure after update on public.victim_profile deferrable initially deferred
  for each row when ((old.sex_exploitation_enc is not null and new.sex_exploitation_enc is null)
                     or (old.health_enc is not null and new.health_enc is null)
                     or (old.needs_enc is not null and new.needs_enc is null)) execute function itm.destroyed_by_erasure();
create constraint trigger destroyed_by_erasure after update on public.access_note deferrable initially deferred
  for each row when (old.words is not null and new.words is null) execute function itm.destroyed_by_erasure();
alter table public.case_file enable always trigger destroyed_by_erasure;
alter table public.victim_profile enable always trigger destroyed_by_erasure;
alter table public.access_note enable always trigger destroyed_by_erasure;

-- A reason in words is about a record that its writer sees.
drop policy note_add on public.access_note;
create policy note_add on public.access_note for insert to itm_app
  with check (institution_id = (select itm.institution()) and account_id = (select itm.account()) and case kind
    when 'person' then exists (select from person p where p.id = access_note.record and p.institution_id = access_note.institution_id)
    when 'case' then exists (select from case_file c where c.id = access_note.record and c.institution_id = access_note.institution_id)
    when 'victim_profile' then exists (select from victim_profile v where v.id = access_note.record and v.institution_id = access_note.institution_id)
    else false end);
