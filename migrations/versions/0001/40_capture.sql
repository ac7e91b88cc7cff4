-- Which tables the ledger captures: all that hold institution, account, role or record data.
-- audit.watch(table, kind, shape, holder, key, private, ignored, action)
-- Not captured, with the reason: case_counter (a number already in the case's reference), login_throttle
-- (digests of tries; each try is an event of its own), job_run (each run is an event of its own),
-- alert (raised and acknowledged by events of their own), verification_request (asked for by an event of its own),
-- editing (who has a form open, for a quarter of an hour: nothing of a record),
-- saved_view (a person's preference, seen by nobody else: no record's data; its label is typed, and the ledger forgets nothing).

select audit.watch('public.institution', 'institution', 1, 'id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.unit', 'unit', 1, 'institution_id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.institution_key', 'institution_key', 1, 'institution_id', 'institution_id', '{wrapped}', '{created_at}');
select audit.watch('public.account', 'account', 1, 'institution_id', 'id', '{first_name,last_name,email}',
  '{last_login,created_at,created_by,updated_at,updated_by,row_version}', 'account.change');
select audit.watch('public.credential', 'credential', 1, 'institution_id', 'account_id', '{password_hash}',
  '{failures,changed_at}', 'account.change');
select audit.watch('public.invitation', 'invitation', 1, 'institution_id', 'id', '{token_digest}', '{created_at}', 'account.change');
select audit.watch('public.role_grant', 'role_grant', 1, 'institution_id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version}', 'role.change');
select audit.watch('public.grant_approval', 'grant_approval', 1, 'institution_id', 'id', '{}', '{}', 'role.change');
select audit.watch('public.case_file', 'case', 1, 'institution_id', 'id', '{data_key,narrative_enc,closure_note_enc}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.person', 'person', 1, 'institution_id', 'id',
  '{data_key,given_name_enc,family_name_enc,birth_date_enc,tckn_enc,ykn_enc,passport_enc,phone_enc,email_enc,address_enc,guardian_enc,index_terms}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.case_person', 'case_person', 1, 'institution_id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.victim_profile', 'victim_profile', 1, 'institution_id', 'id',
  '{sex_exploitation_enc,health_enc,needs_enc}', '{created_at,created_by,updated_at,updated_by,row_version}');
select audit.watch('public.case_assignment', 'case_assignment', 1, 'institution_id', 'id', '{}', '{}', 'record.assign');
-- In the Presidency's ledger, whichever ledger is meant: that one may be the one that cannot be written any more.
select audit.watch('public.ledger_decision', 'ledger_decision', 1, null, 'id', '{}', '{}');
-- Of a draft only that there is one: what is typed before it is saved is no record's data, and it is saved every few seconds.
select audit.watch('public.draft', 'draft', 1, 'institution_id', 'id', '{}', '{sealed,saved_at}');
