-- Which columns the panel's login changes. A number, a pseudonym, a place, what follows from other columns and the
-- stamps are not among them.

revoke update on public.case_file, public.person, public.case_person, public.victim_profile, public.unit from itm_app;
grant update (status, opened_on, closed_on, closure_reason, province, referral_source, exploitation_types, industry,
  confidentiality, shared, lead_institution_id, unit_id, data_key, narrative_enc, closure_note_enc, hold_reason,
  lowering_reason, deleted_at, deletion_reason) on public.case_file to itm_app;
grant update (gender, citizenships, language, age_band, is_child, birth_precision, data_key, given_name_enc,
  family_name_enc, birth_date_enc, tckn_enc, ykn_enc, passport_enc, phone_enc, email_enc, address_enc, guardian_enc,
  index_terms, hold_reason, erased_at, erasure_ground, deleted_at, deletion_reason) on public.person to itm_app;
grant update (deleted_at, deletion_reason) on public.case_person to itm_app;
grant update (trafficking_status, status_decision_maker, recruitment_methods, control_methods, age_when_trafficked,
  relation_to_trafficker, sex_exploitation_enc, health_enc, needs_enc, deleted_at, deletion_reason)
  on public.victim_profile to itm_app;
grant update (parent_id, name, province) on public.unit to itm_app;

revoke insert on public.access_note, public.grant_approval from itm_app;
grant insert (id, institution_id, account_id, kind, record, purpose, words) on public.access_note to itm_app;
grant insert (id, institution_id, grant_id, approver_id, approver_institution_id) on public.grant_approval to itm_app;

-- Times of assignments.
create function itm.assignment_times() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  if tg_op = 'INSERT' then
    new.assigned_at := now();
  else
    new.assigned_at := old.assigned_at;
    new.ended_at := coalesce(old.ended_at, case when new.ended_at is not null then now() end);
  end if;
  return new;
end $$;

create or replace function itm.hold_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if new.hold_reason is distinct from old.hold_reason and current_user = 'itm_app' and itm.managed(old.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only a manager sets or lifts a legal hold';
  end if;
  new.held_at := case when new.hold_reason is null then null else coalesce(old.held_at, now()) end;
  return new;
end $$;

-- Drafts of others are thrown away by who erases.
create or replace function itm.forget_drafts(record uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  delete from public.draft d where d.institution_id = itm.institution() and itm.manages() and d.form like '%:' || record::text;
end;

revoke all on function itm.assignment_times from public;
grant execute on function itm.assignment_times to itm_app, itm_owner;
create trigger a_times before insert or update on public.case_assignment for each row execute function itm.assignment_times();
alter table public.case_assignment enable always trigger a_times;
