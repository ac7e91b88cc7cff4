-- Row-level security: enabled and forced on every table, every policy names its roles.
-- itm_owner sees rows only where a policy below says so (for the oversight views and for rules that must
-- look across); itm_app sees what the bound context allows; itm_signer what its jobs need.

do $$
declare name text;
begin
  for name in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where n.nspname = 'public' and c.relkind = 'r' and c.relname <> 'alembic_version'
  loop
    execute format('alter table public.%I enable row level security', name);
    execute format('alter table public.%I force row level security', name);
  end loop;
end $$;

-- Institutions: everybody who is signed in reads the register.
create policy register_read on institution for select to itm_app using ((select itm.scope()) is not null);
create policy register_add on institution for insert to itm_app
  with check ((select itm.approves()) or (select itm.scope()) = 'accounts');
create policy register_edit on institution for update to itm_app
  using ((select itm.approves())) with check ((select itm.approves()));
create policy register_jobs on institution for select to itm_signer using (true);
create policy register_rules on institution for select to itm_owner using (true);

-- Units: one's own institution; the overseers and account administrators see the trees' names.
create policy unit_read on unit for select to itm_app
  using (institution_id = (select itm.home()) or (select itm.scope()) in ('oversight', 'accounts', 'audit'));
create policy unit_add on unit for insert to itm_app
  with check ((institution_id = (select itm.institution()) and (select itm.manages()))
              or (select itm.approves()) or (select itm.scope()) = 'accounts');
create policy unit_edit on unit for update to itm_app
  using (institution_id = (select itm.institution()) and (select itm.manages()))
  with check (institution_id = (select itm.institution()) and (select itm.manages()));

-- The institution's wrapped key: read by those who work in it, made once when it joins.
create policy key_read on institution_key for select to itm_app using (institution_id = (select itm.institution()));
create policy key_add on institution_key for insert to itm_app
  with check ((select itm.approves()) or (select itm.scope()) = 'accounts');

-- Accounts.
create policy account_login on account for select to itm_app
  using ((select itm.scope()) = 'login' and (username = (select itm.login_name()) or id = (select itm.account())));
create policy account_own on account for select to itm_app using (id = (select itm.account()));
create policy account_read on account for select to itm_app
  using (institution_id = (select itm.institution()) or (select itm.scope()) = 'accounts'
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home())))
         or (select itm.approves()));
create policy account_add on account for insert to itm_app
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts');
create policy account_edit on account for update to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts'
         or id = (select itm.account()))
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts'
              or id = (select itm.account()));
-- Only for the epoch, when an approval changes a role (itm.account_rules holds the rest).
create policy account_approval on account for update to itm_app
  using ((select itm.approves())) with check ((select itm.approves()));

-- Secrets: only the account's own sign-in.
create policy credential_own on credential for all to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()))
  with check ((select itm.scope()) = 'login' and account_id = (select itm.account()));

create policy invitation_redeem on invitation for select to itm_app using (token_digest = (select itm.token()));
create policy invitation_use on invitation for update to itm_app
  using (token_digest = (select itm.token())) with check (token_digest = (select itm.token()));
create policy invitation_own on invitation for select to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()));
create policy invitation_read on invitation for select to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts');
create policy invitation_add on invitation for insert to itm_app
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts');
create policy invitation_withdraw on invitation for update to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts')
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts');

-- Role grants.
create policy grant_own on role_grant for select to itm_app using (account_id = (select itm.account()));
create policy grant_read on role_grant for select to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages()))
         or (select itm.scope()) = 'accounts' or (select itm.approves())
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy grant_add on role_grant for insert to itm_app
  with check (((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts'
               or (select itm.approves()))
              and account_id is distinct from (select itm.account()));
create policy grant_edit on role_grant for update to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts'
         or (select itm.approves()))
  with check (((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts'
               or (select itm.approves()))
              and account_id is distinct from (select itm.account()));

create policy approval_read on grant_approval for select to itm_app
  using ((institution_id = (select itm.institution()) and (select itm.manages()))
         or (select itm.scope()) = 'accounts' or (select itm.approves())
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy approval_add on grant_approval for insert to itm_app
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.approves()));

-- A person's own views of lists, in whatever scope; nobody else reads them, not even a manager.
create policy view_own on saved_view for all to itm_app
  using (account_id = (select itm.account()))
  with check (account_id = (select itm.account()) and institution_id = (select itm.home()));

-- Drafts: their author's alone, inside the institution. The scheduler throws old ones away, without a right to read what they hold.
create policy draft_own on draft for all to itm_app
  using (institution_id = (select itm.institution()) and account_id = (select itm.account()))
  with check (institution_id = (select itm.institution()) and account_id = (select itm.account()));
create policy draft_old on draft for delete to itm_signer using (saved_at < now() - interval '7 days');
create policy draft_age on draft for select to itm_signer using (true);
create policy draft_look on draft for select to itm_owner using (true);
create policy draft_gone on draft for delete to itm_owner using (true);

create policy editing_read on editing for select to itm_app using (institution_id = (select itm.institution()));
create policy editing_own on editing for all to itm_app
  using (institution_id = (select itm.institution()) and account_id = (select itm.account()))
  with check (institution_id = (select itm.institution()) and account_id = (select itm.account()));

create policy throttle on login_throttle for all to itm_app
  using ((select itm.scope()) = 'login') with check ((select itm.scope()) = 'login');

-- Cases. OPEN: the institution's whole case staff; INTERNAL: whose grant covers the unit; CONFIDENTIAL and
-- SPECIAL: the assigned people and the managers. A row is visible to its author inside the transaction
-- that makes it, so that it can be assigned.
create policy case_work on case_file for all to itm_app
  using (institution_id = (select itm.institution()) and (
    (select itm.everywhere('manage')) or unit_id = any ((select itm.units('manage'))::uuid[])
    or (confidentiality in ('OPEN', 'INTERNAL')
        and ((select itm.everywhere('unit')) or unit_id = any ((select itm.units('unit'))::uuid[])))
    or (confidentiality = 'OPEN' and (select itm.units('unit')) <> '{}')
    or exists (select from case_assignment a where a.case_id = case_file.id and a.institution_id = case_file.institution_id
               and a.account_id = (select itm.account()) and a.ended_at is null)
    or (created_by = (select itm.account()) and created_at = now())))
  with check (institution_id = (select itm.institution()) and (
    (select itm.everywhere('manage')) or unit_id = any ((select itm.units('manage'))::uuid[])
    or (select itm.everywhere('create')) or unit_id = any ((select itm.units('create'))::uuid[])
    or exists (select from case_assignment a where a.case_id = case_file.id and a.institution_id = case_file.institution_id
               and a.account_id = (select itm.account()) and a.ended_at is null)));

create policy counter on case_counter for all to itm_app
  using (institution_id = (select itm.institution())) with check (institution_id = (select itm.institution()));

-- Assignments name a case and an account of one institution; what the case holds stays behind the case's policy.
create policy assignment on case_assignment for all to itm_app
  using (institution_id = (select itm.institution())) with check (institution_id = (select itm.institution()));

-- A person is seen through a visible case. OFFSET 0 keeps the planner from reading all links and cases beforehand:
-- a page looks up the few that it shows.
create policy link_work on case_person for all to itm_app
  using (institution_id = (select itm.institution())
         and exists (select from case_file c where c.id = case_person.case_id and c.institution_id = case_person.institution_id offset 0))
  with check (institution_id = (select itm.institution())
              and exists (select from case_file c where c.id = case_person.case_id and c.institution_id = case_person.institution_id));

create policy person_work on person for all to itm_app
  using (institution_id = (select itm.institution()) and (
    (select itm.everywhere('manage'))
    or exists (select from case_person l where l.person_id = person.id and l.institution_id = person.institution_id
               and l.deleted_at is null offset 0)
    or (created_by = (select itm.account()) and created_at = now())))
  with check (institution_id = (select itm.institution()));

create policy profile_work on victim_profile for all to itm_app
  using (institution_id = (select itm.institution())
         and exists (select from case_person l where l.id = victim_profile.case_person_id and l.institution_id = victim_profile.institution_id))
  with check (institution_id = (select itm.institution())
              and exists (select from case_person l where l.id = victim_profile.case_person_id and l.institution_id = victim_profile.institution_id));

-- What the oversight views read, as their owner, and only while an overseer or auditor is at work. The whole comparison
-- stands inside (select …): the planner takes a yes or no for half of the rows, and a comparison for nearly none.
create policy case_views on case_file for select to itm_owner using ((select itm.scope() in ('oversight', 'audit')));
create policy person_views on person for select to itm_owner using ((select itm.scope() in ('oversight', 'audit')));
create policy link_views on case_person for select to itm_owner using ((select itm.scope() in ('oversight', 'audit')));
create policy account_views on account for select to itm_owner using ((select itm.scope()) in ('oversight', 'audit'));
create policy grant_views on role_grant for select to itm_owner using ((select itm.scope()) in ('oversight', 'audit'));

-- Erasures are repeated after a restore (itm.erase_again), from the list that is held outside.
create policy erased_again on case_file for update to itm_owner
  using ((select session_user) = 'itm_signer') with check ((select session_user) = 'itm_signer');
create policy erased_again on person for update to itm_owner
  using ((select session_user) = 'itm_signer') with check ((select session_user) = 'itm_signer');
create policy erased_again on victim_profile for update to itm_owner
  using ((select session_user) = 'itm_signer') with check ((select session_user) = 'itm_signer');

-- Jobs, alerts, verifications asked for. When a job ran is no secret: the health page tells it to machines.
create policy job_read on job_run for select to itm_app using (true);
create policy job_work on job_run for all to itm_signer using (true) with check (true);
-- An alert without a holder concerns every ledger.
create policy alert_read on alert for select to itm_app
  using ((select itm.scope()) = 'oversight'
         or ((select itm.scope()) = 'audit'
             and ((select itm.national()) or holder is null or holder = (select itm.home()))));
create policy alert_count on alert for select to itm_owner using (true);
-- The web server tells of a scheduler that has died, and of nothing else.
create policy alert_notice on alert for insert to itm_app
  with check (kind = 'job.missed' and holder is null and acknowledged_at is null);
create policy alert_acknowledge on alert for update to itm_app
  using ((select itm.approves()) or ((select itm.scope()) = 'audit' and (select itm.national())))
  with check ((select itm.approves()) or ((select itm.scope()) = 'audit' and (select itm.national())));
create policy alert_work on alert for all to itm_signer using (true) with check (true);

create policy request_read on verification_request for select to itm_app
  using ((select itm.scope()) = 'audit' and ((select itm.national()) or holder = (select itm.home())));
create policy request_add on verification_request for insert to itm_app
  with check ((select itm.scope()) = 'audit' and ((select itm.national()) or holder = (select itm.home()))
              and requested_by = (select itm.account()) and state = 'waiting');
create policy request_work on verification_request for all to itm_signer using (true) with check (true);

-- Decisions about ledgers: the Presidency's supervisor proposes, a national auditor of another institution decides.
create policy decision_read on ledger_decision for select to itm_app
  using ((select itm.approves()) or ((select itm.scope()) = 'audit' and (select itm.national())));
create policy decision_propose on ledger_decision for insert to itm_app with check ((select itm.approves()));
create policy decision_decide on ledger_decision for update to itm_app
  using ((select itm.scope()) = 'audit' and (select itm.national()))
  with check ((select itm.scope()) = 'audit' and (select itm.national()));
create policy decision_work on ledger_decision for select to itm_signer using (true);
create policy decision_done on ledger_decision for update to itm_signer using (true) with check (true);
-- Those functions of the owner that carry out what was decided mark it, for the scheduler's process alone.
create policy decision_mark on ledger_decision for update to itm_owner
  using ((select session_user) = 'itm_signer') with check ((select session_user) = 'itm_signer');
