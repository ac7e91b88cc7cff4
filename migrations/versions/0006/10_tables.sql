-- One rule for every rise in power: proposed by one person, in force after another one who is independent of the
-- first. A link is a rise too, since its maker has seen the secret. This table holds what waits and what happened.

alter table public.invitation add constraint invitation_in_institution unique (institution_id, id);

create table public.access_change (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  kind varchar not null,
  state varchar default 'waiting' not null,
  invitation_id uuid,
  grant_id uuid,
  created_at timestamp with time zone default now() not null,
  created_by uuid,
  decided_at timestamp with time zone,
  decided_by uuid,
  primary key (id),
  constraint access_change_kind check (kind in ('link', 'rise', 'end', 'reset')),
  constraint access_change_state check (state in ('waiting', 'done', 'refused', 'replaced')),
  constraint access_change_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint access_change_invitation foreign key (institution_id, invitation_id) references public.invitation (institution_id, id),
  constraint access_change_grant foreign key (institution_id, grant_id) references public.role_grant (institution_id, id),
  foreign key (institution_id) references public.institution (id)
);
create index access_change_of_account on public.access_change (account_id, created_at);
create unique index access_change_waits_once on public.access_change (account_id, kind, coalesce(grant_id, account_id)) where state = 'waiting';

alter table public.access_change enable row level security;
alter table public.access_change force row level security;

create policy change_own on public.access_change for select to itm_app using (account_id = (select itm.account()));
create policy change_read on public.access_change for select to itm_app
  using (institution_id = (select itm.institution()) or (select itm.scope()) = 'accounts' or (select itm.approves())
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or institution_id = (select itm.home()))));
create policy change_ask on public.access_change for insert to itm_app
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.scope()) = 'accounts');
create policy change_decide on public.access_change for update to itm_app
  using (institution_id = (select itm.institution()) or (select itm.scope()) = 'accounts' or (select itm.approves()))
  with check (institution_id = (select itm.institution()) or (select itm.scope()) = 'accounts' or (select itm.approves()));

-- The rules below run as the owner: they look across institutions, and void secrets that nobody may read.
create policy rise_rules on public.access_change for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy rise_look on public.account for select to itm_owner using ((select session_user) = 'itm_app');
create policy rise_epoch on public.account for update to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy rise_look on public.invitation for select to itm_owner using ((select session_user) = 'itm_app');
create policy rise_voids on public.invitation for update to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy rise_look on public.role_grant for select to itm_owner using ((select session_user) = 'itm_app');
create policy rise_ends on public.role_grant for update to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy rise_look on public.grant_approval for select to itm_owner using ((select session_user) = 'itm_app');
create policy rise_look on public.credential for select to itm_owner using ((select session_user) = 'itm_app');
create policy rise_voids on public.credential for delete to itm_owner using ((select session_user) = 'itm_app');

-- A second administrator confirms as well.
drop policy approval_add on public.grant_approval;
create policy approval_add on public.grant_approval for insert to itm_app
  with check ((institution_id = (select itm.institution()) and (select itm.manages())) or (select itm.approves())
              or (select itm.scope()) = 'accounts');

grant select, insert, update (state) on public.access_change to itm_app;
select audit.watch('public.access_change', 'access_change', 1, 'institution_id', 'id', '{}', '{created_at}', 'role.change');
