-- Referrals: one institution asks another for one service for one person. A draft is the sender's alone; sent, it is an act of
-- two parties (0013/70). What goes is sealed for the receiver (15_key_pairs.sql) and kept on the receiver's side.

select itm.keep_list('referral_service', '{SAFE_PLACE,EMERGENCY_NIGHT,CHILD_CARE_PLACE,HEALTH_CARE,FORENSIC_REPORT,PSYCHOSOCIAL,ADDICTION,'
  'LEGAL_COUNSEL,LAWYER,COURT_SUPPORT,COMPENSATION,INTERPRETATION,MEDIATION,IDENTITY_PAPERS,SCHOOL,LANGUAGE_COURSE,VOCATIONAL,WORK_PERMIT,'
  'JOB,CASH_3294,IN_KIND,NGO_PROGRAMME,IDENTIFICATION,ASYLUM,RETURN,FAMILY_TRACING,WITNESS_PROTECTION}');
select itm.keep_list('referral_urgency', '{IMMEDIATE,URGENT,NORMAL}');
select itm.keep_list('referral_reject_reason', '{OUT_OF_MANDATE,NO_CAPACITY,NO_SUITABLE_PLACE,NOT_SAFE_HERE,NO_INTERPRETER,INCOMPLETE,CONSENT,'
  'DUPLICATE,CONFLICT,OTHER}');
select itm.keep_list('referral_withdrawal_reason', '{CONSENT_WITHDRAWN,WRONG_RECEIVER,WRONG_CONTENT,NO_NEED,OTHER_PROVIDER,OVERDUE,MISSING,'
  'DECEASED,ERASED}');
select itm.keep_list('referral_end_reason', '{PERSON_LEFT,CONSENT_WITHDRAWN,MOVED,MISSING,SERVICE_CLOSED,RETURNED,DECEASED,ERASED}');
select itm.keep_list('referral_outcome', '{GIVEN,PARTLY,REFUSED_BY_PERSON,NO_CAPACITY,NOT_REACHED,NOT_NEEDED,NOT_ENTITLED,PASSED_ON}');
select itm.keep_list('disclosure_ground', '{CHILD_REPORT,CRIME_REPORT,COURT_ORDER,LIFE_DANGER,LEGAL_DUTY,SOCIAL_SERVICE,HEALTH_CARE,REMOVAL_STOP,'
  'OTHER}');

create table public.referral_draft (like itm.record including all, person_id uuid not null, case_id uuid not null, state varchar not null,
  receiver_id uuid not null references public.institution (id), services varchar[] not null default '{}', urgency varchar not null,
  scopes varchar[] not null default '{}', ground varchar, words_enc bytea, sent_at timestamp with time zone);
select itm.keep('referral_draft', 'referral_draft', refs => '{person_id>person,case_id>case_file}', parent => 'person_id', about => 'person_id',
  private => '{words_enc}', states => '{>draft,draft>sent,draft>dropped}', recent => 'created_at');
select itm.keep_codes('referral_draft', '{services>referral_service,urgency>referral_urgency,scopes>data_scope,ground>disclosure_ground}');

create table public.referral (like itm.record including all, like itm.side including all, state varchar not null, service varchar not null,
  urgency varchar not null, sent_at timestamp with time zone not null, due_at timestamp with time zone not null,
  answered_at timestamp with time zone, ended_at timestamp with time zone, reject_reason varchar, withdrawal_reason varchar, end_reason varchar,
  outcome varchar, scopes varchar[] not null, fields varchar[] not null, ground varchar, consent_ends date, sealed_sha256 varchar not null,
  told varchar not null, draft_id uuid, person_id uuid, case_id uuid, consents uuid[]);
select itm.keep('referral', 'referral', refs => '{person_id>person,case_id>case_file,draft_id>referral_draft}', about => 'person_id',
  recent => 'sent_at', common => '{state,service,urgency,sent_at,due_at,answered_at,ended_at,reject_reason,withdrawal_reason,end_reason,outcome,'
  'scopes,fields,ground,consent_ends,sealed_sha256,told}',
  states => '{>sent,sent>accepted@to:answered_at,sent>rejected@to:answered_at+ended_at+reject_reason,sent>withdrawn@from:ended_at+withdrawal_reason,'
  'accepted>done@to:ended_at+outcome,accepted>ended@both:ended_at+end_reason,done>ended@both:ended_at+end_reason}');
select itm.keep_codes('referral', '{service>referral_service,urgency>referral_urgency,reject_reason>referral_reject_reason,'
  'withdrawal_reason>referral_withdrawal_reason,end_reason>referral_end_reason,outcome>referral_outcome,scopes>data_scope,ground>disclosure_ground}');
-- due_at ends the time to answer, also at night. told is the root over salted digests of what was sent: with a field's salt, that field
-- alone is proved. consents are those on which the sender's side rests.
create index referral_open on public.referral (institution_id, due_at) where state in ('sent', 'accepted') and deleted_at is null;
create index referral_of_consents on public.referral using gin (consents) where party = 'from';

-- What a side rests on stays.
select itm.keep_rule('referral', 'b_rests', 'before update when (old.consents is distinct from new.consents or old.draft_id is distinct from new.draft_id)',
  'itm.stays(''consents, draft_id'')');

-- The times of an answer and of an end are the database's, and each end has its reason.
create or replace function itm.act_on_referral(side uuid, act integer, changed jsonb) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set TimeZone = 'UTC'
as $$
declare
  becomes constant text := changed ->> 'state';
  reason constant text := case becomes when 'rejected' then 'reject_reason' when 'withdrawn' then 'withdrawal_reason' when 'done' then 'outcome'
                                       when 'ended' then 'end_reason' end;
begin
  if reason is not null and changed ->> reason is null then
    raise exception using errcode = 'restrict_violation', message = 'a referral ends for a reason';
  end if;
  changed := changed - '{answered_at,ended_at}'::text[];
  if becomes in ('accepted', 'rejected') then
    changed := changed || jsonb_build_object('answered_at', now());
  end if;
  if reason is not null then
    changed := changed || jsonb_build_object('ended_at', now());
  end if;
  return itm.act_of_two('referral', side, act, changed);
end $$;

-- Digests are made of times too: they are written in one zone, whatever the session's is.
alter function itm.open_sides(text, uuid, jsonb, jsonb) set TimeZone = 'UTC';
alter function itm.act_of_two(text, uuid, integer, jsonb) set TimeZone = 'UTC';

-- A referral rests on a legal ground, or on consents that all still hold today: asked of the sender's rows at each look.
create function itm.rests_on_consent(side uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (select from public.referral t join public.referral s on s.common = t.common and s.party = 'from' where t.id = side
    and (s.ground is not null or not exists (
      select from unnest(s.consents) wanted left join public.consent c on c.id = wanted and c.institution_id = s.institution_id
       where c.id is null or c.deleted_at is not null or c.answer <> 'GIVEN' or c.state <> 'recorded'
          or c.expires_on < (now() at time zone 'Europe/Istanbul')::date)))
$$;
comment on function itm.rests_on_consent is 'True while a legal ground, or each consent that it rests on, lets a referral be read.';

-- What was sent, sealed: the summary without identity, which the receiver reads at once, and the snapshot, which acceptance opens.
create table public.referral_content (
  id uuid primary key,
  institution_id uuid not null,
  side_id uuid not null,
  part varchar not null,
  pair_id uuid not null,
  sealed_key bytea,
  sealed bytea,
  constraint referral_content_part check (part in ('summary', 'snapshot')),
  constraint referral_content_whole check ((sealed_key is null) = (sealed is null)),
  constraint referral_content_once unique (side_id, part),
  constraint referral_content_side foreign key (institution_id, side_id) references public.referral (institution_id, id),
  constraint referral_content_pair foreign key (institution_id, pair_id) references public.institution_pair (institution_id, id)
);
comment on table public.referral_content is 'What was sent with a referral, sealed for the receiver alone. Both columns are emptied where it ends unanswered.';
alter table public.referral_content enable row level security;
alter table public.referral_content force row level security;
revoke all on public.referral_content from public;

-- The receiver alone; of the snapshot only after acceptance, and both only while what they rest on lasts.
create policy content_read on public.referral_content for select to itm_app using (institution_id = (select itm.institution()) and exists (
  select from public.referral s where s.id = referral_content.side_id and s.institution_id = (select itm.institution()) and s.party = 'to'
     and s.deleted_at is null and s.state = any (case referral_content.part when 'summary' then '{sent,accepted,done}'::text[] else '{accepted,done}'::text[] end)
     offset 0) and itm.rests_on_consent(side_id));
create policy alert_of_disclosures on public.alert for select to itm_app
  using (kind = 'referral.unconsented' and (select itm.manages()) and holder = (select itm.home()));
create policy alert_of_referrals on public.alert for insert to itm_owner with check (kind = 'referral.unconsented');
create policy content_functions on public.referral_content for select to itm_owner using (true);
create policy content_sent on public.referral_content for insert to itm_owner with check (institution_id <> (select itm.institution()));
create policy content_gone on public.referral_content for update to itm_owner using (true);
grant select on public.referral_content to itm_app;

-- A referral that ends unanswered leaves nothing behind that opens.
create function itm.referral_content_goes() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.referral_content c set sealed = null, sealed_key = null where c.side_id = new.id and c.sealed is not null;
  return null;
end $$;
select itm.keep_rule('referral', 'f_content_goes', 'after update of state when (new.party = ''to'' and new.state in (''rejected'', ''withdrawn''))',
  'itm.referral_content_goes()');

-- Sends a draft to its receiver, once for each service. `contents` is a list, one of each service, with summary and snapshot: id, key and
-- text, both sealed; `said` is what both sides hold of it.
create function itm.send_referral(draft uuid, said jsonb, contents jsonb) returns setof uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp set TimeZone = 'UTC' set bytea_output = 'hex'
as $$
declare
  prepared public.referral_draft;
  service text;
  held jsonb;
  side uuid;
  theirs uuid;
  n integer := 0;
begin
  select d.* into prepared from public.referral_draft d
   where d.id = draft and d.institution_id = itm.institution() and d.deleted_at is null for update;
  if prepared.id is null or not itm.sends_referral(prepared) then
    raise exception using errcode = 'insufficient_privilege', message = 'this draft is not sent by this person';
  elsif prepared.state <> 'draft' then
    raise exception using errcode = 'restrict_violation', message = 'a draft is sent once';
  elsif prepared.services = '{}' or jsonb_array_length(contents) <> cardinality(prepared.services) then
    raise exception using errcode = 'restrict_violation', message = 'each service has its own referral';
  end if;
  perform itm.refuse_unconsented(prepared, said);
  if prepared.urgency = 'NORMAL' and exists (select from public.person p where p.id = prepared.person_id and p.is_child) then
    prepared.urgency := 'URGENT';
  end if;
  held := jsonb_build_object('state', 'sent', 'urgency', prepared.urgency, 'sent_at', now(), 'ground', prepared.ground,
    'due_at', now() + case prepared.urgency when 'IMMEDIATE' then interval '2 hours' when 'URGENT' then interval '24 hours' else interval '72 hours' end,
    'scopes', said -> 'scopes', 'fields', said -> 'fields', 'consent_ends', said -> 'consent_ends');
  foreach service in array prepared.services loop
    held := held || jsonb_build_object('service', service, 'sealed_sha256', contents -> n ->> 'sealed_sha256', 'told', contents -> n ->> 'told');
    side := itm.open_sides('referral', prepared.receiver_id, jsonb_strip_nulls(held), jsonb_strip_nulls(jsonb_build_object(
      'unit_id', prepared.unit_id, 'draft_id', prepared.id, 'person_id', prepared.person_id, 'case_id', prepared.case_id, 'consents', said -> 'consents')));
    theirs := (select o.id from public.referral o join public.referral s on s.common = o.common where s.id = side and o.party = 'to');
    insert into public.referral_content (id, institution_id, side_id, part, pair_id, sealed_key, sealed)
      select (c ->> 'id')::uuid, prepared.receiver_id, theirs, c ->> 'part', (c ->> 'pair')::uuid, (c ->> 'sealed_key')::bytea, (c ->> 'sealed')::bytea
        from jsonb_array_elements(contents -> n -> 'parts') c;
    n := n + 1;
    return next side;
  end loop;
  update public.referral_draft d set state = 'sent', sent_at = now() where d.id = draft;
  if prepared.ground is not null then
    insert into public.alert (kind, severity, holder, subject, detail)
      select 'referral.unconsented', 'warning', i.id, i.code, jsonb_build_object('disclosure_ground', prepared.ground)
        from public.institution i where i.id = prepared.institution_id
      on conflict do nothing;
  end if;
end $$;
comment on function itm.send_referral is 'Sends a draft, once for each service: both sides, what both hold, and what is sealed for the receiver.';

-- Those who work on the draft's unit send it.
create function itm.sends_referral(prepared public.referral_draft) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return itm.scope() = 'institution' and itm.account() is not null
     and (itm.everywhere('unit') or prepared.unit_id = any (itm.units('unit')) or itm.everywhere('manage') or prepared.unit_id = any (itm.units('manage')));
end $$;

-- A draft is for a case that its author sees, and that the person stands in. Asked as the author: row-level security answers.
create function itm.draft_in_case() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from public.case_file c join public.case_person l on l.case_id = c.id and l.institution_id = c.institution_id
                  where c.id = new.case_id and c.deleted_at is null and l.person_id = new.person_id and l.deleted_at is null) then
    raise exception using errcode = 'restrict_violation', message = 'the case of this person is not there';
  end if;
  return new;
end $$;
select itm.keep_rule('referral_draft', 'e_in_case', 'before insert or update of case_id, person_id when (current_user = ''itm_app'')', 'itm.draft_in_case()');

-- A draft is sent by the function alone.
create function itm.draft_is_sent() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'restrict_violation', message = 'a draft is sent with its referrals';
end $$;
select itm.keep_rule('referral_draft', 'e_sent', 'before insert or update of state when (new.state = ''sent'' and current_user = ''itm_app'')',
  'itm.draft_is_sent()');

-- Ends referrals of this institution's side in both ledgers. The database does it, after a consent or a person has gone.
create function itm.end_referrals(wanted uuid[], reason text) returns void
language plpgsql set search_path = pg_catalog, pg_temp set TimeZone = 'UTC'
as $$
declare
  one record;
  sides jsonb[];
  changed jsonb;
begin
  for one in select r.id, r.common from public.referral r where r.id = any (wanted) and r.state in ('sent', 'accepted', 'done') order by r.id loop
    select array_agg(to_jsonb(s) order by s.party) into sides from (
      select r.* from public.referral r where r.common = one.common order by r.party for update) s;
    continue when sides[1] ->> 'state' not in ('sent', 'accepted', 'done');
    changed := jsonb_build_object('ended_at', now(), 'act', (sides[1] ->> 'act')::integer + 1)
      || case sides[1] ->> 'state' when 'sent' then jsonb_build_object('state', 'withdrawn', 'withdrawal_reason', reason)
                                   else jsonb_build_object('state', 'ended', 'end_reason', reason) end;
    changed := changed || jsonb_build_object('shared', itm.shared_digest('referral', sides[1] || changed, sides[1] ->> 'shared'));
    perform itm.write_sides('referral',
      format('update public.referral r set (%1$s) = (select %1$s from jsonb_populate_record(null::public.referral, $1)) where r.id = ($1 ->> ''id'')::uuid',
             (select string_agg(quote_ident(k), ', ') from jsonb_object_keys(changed) k)),
      array[sides[1] || changed, sides[2] || changed]);
  end loop;
end $$;

-- The person's data are erased: what was not accepted is withdrawn with its keys, what was accepted is read no more.
create function itm.erased_person_ends_referrals() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  ours constant uuid[] := array(select r.id from public.referral r
    where r.institution_id = new.institution_id and r.person_id = new.id and r.party = 'from' and r.state in ('sent', 'accepted', 'done'));
begin
  if itm.institution() = new.institution_id then
    perform itm.end_referrals(ours, 'ERASED');
  else  -- again after a restore: the keys go, and the acts stay as they were
    update public.referral_content c set sealed = null, sealed_key = null from public.referral o
     where o.id = c.side_id and o.common in (select r.common from public.referral r where r.id = any (ours));
  end if;
  return null;
end $$;
select itm.keep_rule('person', 'g_referrals', 'after update of erased_at when (old.erased_at is null and new.erased_at is not null)',
  'itm.erased_person_ends_referrals()');

revoke all on function itm.referral_content_goes, itm.send_referral, itm.sends_referral, itm.draft_in_case, itm.draft_is_sent, itm.end_referrals,
  itm.erased_person_ends_referrals, itm.rests_on_consent from public;
grant execute on function itm.send_referral, itm.rests_on_consent, itm.draft_in_case to itm_app;
revoke execute on function itm.open_referral from itm_app;
