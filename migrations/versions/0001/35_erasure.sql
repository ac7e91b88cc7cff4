-- Legal holds and personal erasure: what a hold keeps is not destroyed, what was erased stays erased.

-- A hold is set and lifted by a manager of the record's unit; when is the database's to write.
create function itm.hold_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if new.hold_reason is distinct from old.hold_reason and current_user = 'itm_app'
     and not (itm.everywhere('manage') or new.unit_id = any (itm.units('manage'))) then
    raise exception using errcode = 'insufficient_privilege', message = 'only a manager sets or lifts a legal hold';
  end if;
  new.held_at := case when new.hold_reason is null then null else coalesce(old.held_at, now()) end;
  return new;
end $$;

create function itm.erasure_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if old.erased_at is not null then
    raise exception using errcode = 'restrict_violation', message = 'an erased person stays as they are';
  end if;
  if new.erased_at is null then
    return new;
  end if;
  new.erased_at := now();
  if current_user = 'itm_app' and not (itm.everywhere('manage') or new.unit_id = any (itm.units('manage'))) then
    raise exception using errcode = 'insufficient_privilege', message = 'only a manager erases a person';
  end if;
  -- Repeated after a restore: the hold in the backup was lifted before the erasure.
  if session_user = 'itm_app' and (
       num_nonnulls(old.hold_reason, new.hold_reason) > 0
       or exists (select from public.case_person l
                  join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
                  where l.person_id = new.id and l.institution_id = new.institution_id and c.hold_reason is not null)) then
    raise exception using errcode = 'restrict_violation', message = 'a legal hold keeps this person';
  end if;
  if exists (select from public.victim_profile v
             join public.case_person l on l.id = v.case_person_id and l.institution_id = v.institution_id
             where l.person_id = new.id and num_nonnulls(v.sex_exploitation_enc, v.health_enc, v.needs_enc) > 0) then
    raise exception using errcode = 'restrict_violation', message = 'the person''s profiles are erased first';
  end if;
  return new;
end $$;

create function itm.profile_of_the_living() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if num_nonnulls(new.sex_exploitation_enc, new.health_enc, new.needs_enc) > 0
     and exists (select from public.case_person l
                 join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
                 where l.id = new.case_person_id and p.erased_at is not null) then
    raise exception using errcode = 'restrict_violation', message = 'the person was erased';
  end if;
  return new;
end $$;

create trigger c_hold before update on case_file for each row execute function itm.hold_rules();
create trigger c_hold before update on person for each row execute function itm.hold_rules();
create trigger d_erasure before update on person for each row execute function itm.erasure_rules();
create trigger c_erased before insert or update on victim_profile for each row execute function itm.profile_of_the_living();

-- After a restore: which of these persons are alive again, and their erasure once more. As itm_signer
-- alone; the login cannot be forged by a setting. The list outside names who and which narratives.
create function itm.alive_again(persons uuid[]) returns table (person uuid, alive boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_signer' then
    raise exception using errcode = 'insufficient_privilege', message = 'only itm_signer asks this';
  end if;
  return query select p.id, p.erased_at is null from public.person p where p.id = any (persons) order by p.id;
end $$;

create function itm.erased_persons() returns table (institution uuid, person uuid, ground text, at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_signer' then
    raise exception using errcode = 'insufficient_privilege', message = 'only itm_signer asks this';
  end if;
  return query select p.institution_id, p.id, p.erasure_ground::text, p.erased_at
               from public.person p where p.erased_at is not null order by p.id;
end $$;

create function itm.erase_again(institution uuid, person uuid, ground text, cases uuid[]) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD' set IntervalStyle = 'iso_8601' set bytea_output = 'hex' set extra_float_digits = 1
as $$
begin
  if session_user <> 'itm_signer' then
    raise exception using errcode = 'insufficient_privilege', message = 'only itm_signer repeats an erasure';
  end if;
  perform from public.person p where p.id = erase_again.person and p.institution_id = erase_again.institution
    and p.erased_at is null for update;
  if not found then
    return false;
  end if;
  update public.case_file c set narrative_enc = null, closure_note_enc = null, data_key = null
    where c.institution_id = erase_again.institution and c.id = any (cases)
      and num_nonnulls(c.narrative_enc, c.closure_note_enc, c.data_key) > 0;
  update public.victim_profile v set sex_exploitation_enc = null, health_enc = null, needs_enc = null
    from public.case_person l
    where l.id = v.case_person_id and l.institution_id = v.institution_id and l.person_id = erase_again.person
      and v.institution_id = erase_again.institution
      and num_nonnulls(v.sex_exploitation_enc, v.health_enc, v.needs_enc) > 0;
  update public.person p set data_key = null, given_name_enc = null, family_name_enc = null, birth_date_enc = null,
      tckn_enc = null, ykn_enc = null, passport_enc = null, phone_enc = null, email_enc = null, address_enc = null,
      guardian_enc = null, index_terms = '{}', erased_at = now(), erasure_ground = ground
    where p.institution_id = erase_again.institution and p.id = erase_again.person;
  perform audit.write(erase_again.institution, 'person.erase', 'success', 'append', 'person', erase_again.person::text,
    erase_again.institution, cases::text[], null,
    ',"detail":{"ground":' || audit.js(ground) || ',"shredded":' || cardinality(cases) || ',"replayed":true}');
  return true;
end $$;

revoke execute on all functions in schema itm from public;
grant execute on function itm.hold_rules(), itm.erasure_rules(), itm.profile_of_the_living() to itm_app, itm_owner;
grant execute on function itm.alive_again, itm.erased_persons, itm.erase_again to itm_signer;
