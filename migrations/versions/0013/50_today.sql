-- The tables of before take the same rules: each fires always, states are lists of steps, and what hangs on a case asks
-- the case's unit now for its deletion.

drop trigger b_deletion on public.case_file;
drop trigger b_deletion on public.person;
drop trigger b_deletion on public.case_person;
drop trigger b_deletion on public.victim_profile;
drop trigger c_erased on public.victim_profile;
select itm.keep_rule(k.relation, 'b_deletion', 'before insert or update of deleted_at, deletion_reason',
                     format('itm.deletion_by_manager(%s)', case when k.parent is not null then
                       quote_literal(array_to_string(itm.way_up(k.relation), '>')) end))
  from itm.kept k order by k.relation;
select itm.keep_rule(k.relation, 'd_erased',
         'before insert or update of sex_exploitation_enc, health_enc, needs_enc'
         ' when (num_nonnulls(new.sex_exploitation_enc, new.health_enc, new.needs_enc) > 0)',
         format('itm.erased_stays(%L)', array_to_string(k.about, '>')))
  from itm.kept k where k.relation = 'victim_profile';
drop function itm.profile_of_the_living();

select itm.keep_states('institution', 'status', '{>active,active>suspended,suspended>active}');
select itm.keep_states('case_file', 'status', '{>Active,Active>FollowUp,FollowUp>Active,Active>Closed,Active>ClosedReferred,'
  'FollowUp>Closed,FollowUp>ClosedReferred,Closed>Active,ClosedReferred>Active}');
select itm.keep_states('role_grant', 'state', '{>proposed,>active,proposed>active,proposed>ended,active>ended}');
select itm.keep_states('access_change', 'state', '{>waiting,>done,waiting>done,waiting>refused,waiting>replaced}');
select itm.keep_states('verification_request', 'state',
  '{>waiting,waiting>running,running>waiting,running>done,running>failed}');
update itm.kept k set states = '{>Active,Active>FollowUp,FollowUp>Active,Active>Closed,Active>ClosedReferred,FollowUp>Closed,'
  'FollowUp>ClosedReferred,Closed>Active,ClosedReferred>Active}' where k.relation = 'case_file';

-- Every rule of ours fires always.
do $$
declare rule record;
begin
  for rule in select t.tgrelid::regclass::text as relation, t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
               where c.relnamespace in ('public'::regnamespace, 'itm'::regnamespace) and not t.tgisinternal and t.tgenabled <> 'A'
               order by 1, 2
  loop
    execute format('alter table %s enable always trigger %I', rule.relation, rule.tgname);
  end loop;
end $$;

-- Without the steps of its state, which c_state keeps.
create or replace function itm.separation_of_roles() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  apart constant text[] := array['auditor_national', 'auditor_institution', 'system_administrator'];
  needed constant integer := case when new.role = 'auditor_national' then 2 else 1 end;
  approvals integer;
  outside integer;
  independent integer;
begin
  -- Before everything else: the rules below look at the role, so one who rewrote it while ending it would pass them all.
  if tg_op = 'UPDATE' and (new.id, new.institution_id, new.account_id, new.role, new.unit_id) is distinct from
     (old.id, old.institution_id, old.account_id, old.role, old.unit_id) then
    raise exception using errcode = 'restrict_violation', message = 'a grant is ended and given anew, never rewritten';
  end if;
  if current_user = 'itm_app' and (tg_op = 'INSERT' or new.state <> old.state)
     and not (new.role = any (itm.gives(itm.scope()))
              or (tg_op = 'UPDATE' and old.state = 'proposed'
                  and (itm.approves() or itm.scope() = 'accounts' or itm.manages()))) then
    raise exception using errcode = 'restrict_violation', message = 'this role is not given from here';
  end if;
  -- The machine's own command appoints the first two people; everybody else is proposed first.
  if current_user = 'itm_app' and tg_op = 'INSERT' and new.state = 'active' and itm.is_rise(new.role, itm.scope())
     and not itm.is_beginning() then
    raise exception using errcode = 'restrict_violation', message = 'a rise in power is proposed first';
  end if;
  if current_user = 'itm_app' and tg_op = 'UPDATE' and old.state = 'active' and new.state = 'ended'
     and new.role in ('auditor_national', 'auditor_institution') then
    raise exception using errcode = 'restrict_violation', message = 'ending an auditor''s role takes two people';
  end if;
  if tg_op = 'UPDATE' and old.state = 'active' and new.state = 'ended' and session_user = 'itm_app' then
    perform itm.grant_end_keeps_last(new.account_id, new.role, new.institution_id);
  end if;
  if new.state = 'ended' then
    return new;
  end if;
  -- Two grants at once to one account wait for each other here.
  perform pg_advisory_xact_lock(hashtextextended(new.account_id::text, 0));
  if exists (select from public.role_grant g
             where g.account_id = new.account_id and g.id <> new.id and g.state <> 'ended' and g.role <> new.role
               and (g.role = any (apart) or new.role = any (apart))) then
    raise exception using errcode = 'restrict_violation', message = 'this role is held alone';
  end if;
  if new.role in ('presidency_operator', 'presidency_supervisor')
     and not exists (select from public.institution i where i.id = new.institution_id and i.kind = 'presidency') then
    raise exception using errcode = 'restrict_violation', message = 'this role belongs to the Presidency';
  end if;
  -- By the kind of institution: a national auditor is the inspection's of a ministry or the rapporteur's.
  if new.role = 'auditor_national'
     and not exists (select from public.institution i where i.id = new.institution_id and i.kind in ('ministry', 'rapporteur')) then
    raise exception using errcode = 'restrict_violation', message = 'a national auditor is of a ministry or of the rapporteur';
  end if;
  if new.state = 'active' and (new.role = 'auditor_national' or (tg_op = 'UPDATE' and old.state = 'proposed')) then
    select count(*), count(*) filter (where i.kind <> 'presidency'),
           count(*) filter (where itm.is_independent(new.created_by, a.approver_id))
      into approvals, outside, independent
      from public.grant_approval a join public.institution i on i.id = a.approver_institution_id
     where a.grant_id = new.id and a.approver_id <> new.account_id and a.approver_id is distinct from new.created_by;
    if new.role = 'auditor_national' and (approvals < 2 or outside < 1 or outside = approvals) then
      raise exception using errcode = 'restrict_violation',
        message = 'a national auditor needs two approvals, one of the Presidency and one from outside it';
    end if;
    if approvals < needed or (independent < 1 and session_user = 'itm_app') then
      raise exception using errcode = 'restrict_violation',
        message = 'a rise in power needs somebody whom the proposer did not raise';
    end if;
  end if;
  return new;
end $$;
