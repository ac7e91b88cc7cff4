-- Privileges. No DELETE and no TRUNCATE on records: they are soft-deleted, grants and assignments end.

revoke create on schema public from public;
revoke all on all tables in schema public from public;
grant usage on schema public to itm_app, itm_signer;

grant select, insert, update on institution, unit, account, credential, invitation, role_grant, login_throttle,
  case_file, case_counter, case_assignment, person, case_person, victim_profile to itm_app;
grant select, insert on institution_key, grant_approval to itm_app;
grant delete on login_throttle to itm_app; -- counts of past windows
grant select, insert, update (label, opens), delete on saved_view to itm_app; -- a preference: its person may throw it away
grant select, insert, update, delete on draft, editing to itm_app; -- what is saved or left is thrown away
grant delete, select (saved_at) on draft to itm_signer;
grant select on job_run to itm_app;
grant select, update (acknowledged_at, acknowledged_by),
  insert (kind, severity, subject, detail) on alert to itm_app;
grant select, insert (holder, level, requested_by) on verification_request to itm_app;
grant select, insert (id, institution_id, kind, reason, first_seq, last_seq), update (decision) on ledger_decision to itm_app;
grant select on oversight_case, oversight_person, oversight_institution, alembic_version to itm_app;

grant select, insert on itm.installation to itm_app;

grant select on institution, alembic_version to itm_signer;
grant select, insert, update on job_run, alert, verification_request to itm_signer;
grant select, update (carried_out_at, outcome) on ledger_decision to itm_signer;
