-- Rules of cases, persons and profiles, for every writer. Triggers that ask for itm_app bind the panel and its users'
-- statements; the owner's own functions and a migration do what they must.

create function itm.confidence(level text) returns integer
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select array_position(array['OPEN', 'INTERNAL', 'CONFIDENTIAL', 'SPECIAL'], level) $$;

-- Lowering a case's confidentiality lets more people in: a manager does it, for a reason. A closed case keeps its
-- content until it is opened again; what is destroyed (erasure) is no change of content.
create function itm.case_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  if itm.confidence(new.confidentiality) is not distinct from itm.confidence(old.confidentiality) then
    if new.lowering_reason is distinct from old.lowering_reason then
      raise exception using errcode = 'restrict_violation', message = 'a reason belongs to a lowering';
    end if;
  elsif itm.confidence(new.confidentiality) > itm.confidence(old.confidentiality) then
    new.lowering_reason := null;
  else
    if itm.managed(old.unit_id) is not true then
      raise exception using errcode = 'insufficient_privilege', message = 'only a manager lowers a case''s confidentiality';
    end if;
    if new.lowering_reason is null then
      raise exception using errcode = 'restrict_violation', message = 'confidentiality is lowered for a reason';
    end if;
  end if;
  new.sensitivity := itm.confidence(new.confidentiality) - 1;
  if old.closed_on is not null and new.closed_on is not null and (
       (new.opened_on, new.closed_on, new.closure_reason, new.province, new.referral_source, new.exploitation_types,
        new.industry, new.shared, new.unit_id, new.lead_institution_id, new.status) is distinct from
       (old.opened_on, old.closed_on, old.closure_reason, old.province, old.referral_source, old.exploitation_types,
        old.industry, old.shared, old.unit_id, old.lead_institution_id, old.status)
       or (new.narrative_enc is not null and new.narrative_enc is distinct from old.narrative_enc)
       or (new.closure_note_enc is not null and new.closure_note_enc is distinct from old.closure_note_enc)) then
    raise exception using errcode = 'restrict_violation', message = 'a closed case is reopened first';
  end if;
  return new;
end $$;

-- What is known of a person: changed through an open case, and where the person is of special sensitivity by those
-- in the circle alone. An erasure, a hold, a deletion and what is derived are no change of content.
create function itm.person_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  content boolean;
begin
  if current_user <> 'itm_app' or new.erased_at is not null then
    return new;
  end if;
  content := (new.gender, new.citizenships, new.language, new.birth_precision, new.given_name_enc, new.family_name_enc,
              new.birth_date_enc, new.tckn_enc, new.ykn_enc, new.passport_enc, new.phone_enc, new.email_enc,
              new.address_enc, new.guardian_enc, new.unit_id, new.pseudonym) is distinct from
             (old.gender, old.citizenships, old.language, old.birth_precision, old.given_name_enc, old.family_name_enc,
              old.birth_date_enc, old.tckn_enc, old.ykn_enc, old.passport_enc, old.phone_enc, old.email_enc,
              old.address_enc, old.guardian_enc, old.unit_id, old.pseudonym);
  if old.sensitivity >= 3 and (content or new.sensitivity < 3) and itm.in_circle(old.id, old.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing change this person';
  end if;
  if content and not exists (
       select from public.case_person l join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
        where l.person_id = new.id and l.institution_id = new.institution_id and l.deleted_at is null
          and c.deleted_at is null and c.closed_on is null) then
    raise exception using errcode = 'restrict_violation', message = 'a person of closed cases is locked';
  end if;
  return new;
end $$;

-- A person of special sensitivity is linked by those in the circle: else one could let oneself in through a new case.
create function itm.link_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  person record;
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  if tg_op = 'UPDATE' then
    if (new.case_id, new.person_id, new.unit_id) is distinct from (old.case_id, old.person_id, old.unit_id) then
      raise exception using errcode = 'restrict_violation', message = 'a link keeps its case and its person';
    end if;
    return new;
  end if;
  select p.sensitivity, p.unit_id, p.created_by, p.created_at into person
    from public.person p where p.id = new.person_id and p.institution_id = new.institution_id;
  -- A foreign key is kept past row-level security: without this, whoever knows an id would let themselves in.
  if not found then
    raise exception using errcode = 'insufficient_privilege', message = 'the person of this link is not there';
  end if;
  if person.sensitivity >= 3 and not (person.created_by is not distinct from itm.account() and person.created_at = now())
     and itm.in_circle(new.person_id, person.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing link this person';
  end if;
  if exists (select from public.case_file c where c.id = new.case_id and c.institution_id = new.institution_id
             and c.closed_on is not null) then
    raise exception using errcode = 'restrict_violation', message = 'a closed case is reopened first';
  end if;
  return new;
end $$;

-- A profile is locked with its case, closed to those outside the circle, and says "identified" only at the Presidency.
create function itm.profile_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  owner record;
begin
  if new.trafficking_status = 'ActualVictimOfTrafficking'
     and (tg_op = 'INSERT' or new.trafficking_status is distinct from old.trafficking_status)
     and not exists (select from public.institution i where i.id = new.institution_id and i.kind = 'presidency') then
    raise exception using errcode = 'restrict_violation', message = 'only the Presidency identifies a victim formally';
  end if;
  if current_user <> 'itm_app' then
    return new;
  end if;
  if tg_op = 'UPDATE' and num_nonnulls(new.sex_exploitation_enc, new.health_enc, new.needs_enc) = 0
     and to_jsonb(new) - '{sex_exploitation_enc,health_enc,needs_enc,updated_at,updated_by,row_version}'::text[]
         = to_jsonb(old) - '{sex_exploitation_enc,health_enc,needs_enc,updated_at,updated_by,row_version}'::text[] then
    return new;  -- destroyed, by an erasure
  end if;
  select p.id, p.unit_id, p.sensitivity, c.closed_on into owner
    from public.case_person l
    join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
    join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
   where l.id = new.case_person_id and l.institution_id = new.institution_id;
  if owner.closed_on is not null then
    raise exception using errcode = 'restrict_violation', message = 'a closed case is reopened first';
  end if;
  if owner.sensitivity >= 3 and itm.in_circle(owner.id, owner.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing change this profile';
  end if;
  return new;
end $$;

-- Nobody alive is left in no case: such a person would be in no list. Asked at the commit, so that one transaction may
-- take a person out of one case and put them into another, or delete them.
create function itm.nobody_is_lost() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  wanted uuid := case tg_table_name when 'person' then new.id else (to_jsonb(new) ->> 'person_id')::uuid end;
begin
  if current_user = 'itm_app' and exists (
       select from public.person p
        where p.id = wanted and p.institution_id = new.institution_id and p.deleted_at is null and p.erased_at is null
          and not exists (select from public.case_person l where l.person_id = p.id and l.institution_id = p.institution_id
                          and l.deleted_at is null)) then
    raise exception using errcode = 'restrict_violation', message = 'a person is in a case, or deleted, or erased';
  end if;
  return null;
end $$;

revoke all on function itm.confidence, itm.case_rules, itm.person_rules, itm.link_rules, itm.profile_rules,
  itm.nobody_is_lost from public;
grant execute on function itm.confidence, itm.case_rules, itm.person_rules, itm.link_rules, itm.profile_rules,
  itm.nobody_is_lost to itm_app, itm_owner;

create trigger e_rules before update on case_file for each row execute function itm.case_rules();
create trigger e_rules before update on person for each row execute function itm.person_rules();
create trigger e_rules before insert or update on case_person for each row execute function itm.link_rules();
create trigger e_rules before insert or update on victim_profile for each row execute function itm.profile_rules();
create constraint trigger nobody_is_lost after update of deleted_at on case_person deferrable initially deferred
  for each row when (new.deleted_at is not null and old.deleted_at is null) execute function itm.nobody_is_lost();
create constraint trigger nobody_is_lost after insert or update of deleted_at on person deferrable initially deferred
  for each row when (new.deleted_at is null) execute function itm.nobody_is_lost();
alter table case_file enable always trigger e_rules;
alter table person enable always trigger e_rules;
alter table case_person enable always trigger e_rules;
alter table victim_profile enable always trigger e_rules;
alter table case_person enable always trigger nobody_is_lost;
alter table person enable always trigger nobody_is_lost;
