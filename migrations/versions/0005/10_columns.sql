-- What a case's and a link's row hold from now on.

alter table public.case_file add column lowering_reason varchar;

-- The age belongs to the day on which the case was opened, so it belongs to the link.
alter table public.case_person add column age_band varchar default 'UNK' not null;
alter table public.case_person add column is_child boolean;

-- "About 17" is kept with the day on which it was estimated.
alter table public.person drop constraint person_birth_precision;
alter table public.person add constraint person_birth_precision check (birth_precision in ('year', 'month', 'day', 'estimate'));

-- What stands on the person holds for the link until its age is worked out anew (itm_admin/cases/ages.py).
create policy migrating on public.case_person for all to itm_owner using (true) with check (true);
create policy migrating on public.person for all to itm_owner using (true) with check (true);
create policy migrating on public.case_file for all to itm_owner using (true) with check (true);
create policy migrating on public.victim_profile for all to itm_owner using (true) with check (true);
create policy migrating on public.institution for all to itm_owner using (true) with check (true);
alter table public.case_person disable trigger audit_capture;
alter table public.case_person disable trigger a_stamp;
update public.case_person l set age_band = p.age_band, is_child = p.is_child
  from public.person p where p.id = l.person_id and p.institution_id = l.institution_id;
alter table public.case_person enable always trigger audit_capture;
alter table public.case_person enable always trigger a_stamp;

select audit.watch('public.case_file', 'case', 2, 'institution_id', 'id', '{data_key,narrative_enc,closure_note_enc}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.case_person', 'case_person', 2, 'institution_id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.baseline('public.case_file');
select audit.baseline('public.case_person');

-- Only the Presidency identifies a victim formally. What others had entered so was their own opinion.
update public.victim_profile v set trafficking_status = 'InstitutionConsidersVictim'
  from public.institution i
  where i.id = v.institution_id and i.kind <> 'presidency' and v.trafficking_status = 'ActualVictimOfTrafficking';

drop policy migrating on public.case_person;
drop policy migrating on public.person;
drop policy migrating on public.case_file;
drop policy migrating on public.victim_profile;
drop policy migrating on public.institution;
