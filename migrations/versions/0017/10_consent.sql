-- Consent (rıza): what a person answered to one purpose. A row for each asking; what was answered never changes, and a
-- withdrawal is final. Referrals stand on the two questions at the end: itm.consent_live and itm.hold_consent.

select itm.keep_list('consent_purpose', '{SUPPORT,IDENTIFICATION,SHARING,MEDICAL,PSYCHOSOCIAL,LEGAL,JUSTICE,CONSULATE,FAMILY,'
  'ABROAD,RETURN,INTERPRETER,RECORDING,FOLLOW_UP,RESEARCH}');
select itm.keep_list('consent_answer', '{GIVEN,REFUSED,NOT_ASKED,NOT_ABLE,WITHDRAWN}');
select itm.keep_list('consent_form', '{WRITTEN,SPOKEN,FINGERPRINT,ELECTRONIC,GUARDIAN,COURT}');
select itm.keep_list('consent_withdrawal_reason', '{PERSON,FEAR,NO_NEED,DISTRUST,CAME_OF_AGE,GUARDIAN_CHANGED,NO_REASON}');
select itm.keep_list('data_scope', '{SUMMARY,IDENTITY,NUMBERS,CONTACT,ADDRESS,FAMILY,EXPLOITATION,SEXUAL,HEALTH,NEEDS,RISK,'
  'INTERVIEW,NARRATIVE,STATUS,JUSTICE,DOCUMENTS}');
select itm.keep_list('guardian_kind', '{PARENT,GUARDIAN,TRUSTEE,ASHB,LAWYER,NONE}');

create table consent (like itm.record including all,
  person_id uuid not null,
  state varchar not null,
  purpose varchar not null,
  answer varchar not null,
  given_on date not null,
  expires_on date,
  ends_of_age boolean not null default false,
  recipients uuid[] not null default '{}',
  kinds varchar[] not null default '{}',
  institutions uuid[] not null default '{}',
  scopes varchar[] not null default '{}',
  form varchar,
  language varchar,
  text_version integer,
  guardian_kind varchar,
  guardian_suspected boolean not null default false,
  interpreter_enc bytea,
  guardian_enc bytea,
  paper_enc bytea,
  withdrawn_on date,
  withdrawal_reason varchar,
  constraint consent_answered check (answer <> 'WITHDRAWN'),
  constraint consent_in_a_form check (answer <> 'GIVEN' or (form is not null and language is not null)),
  constraint consent_opens_to_somebody check ((scopes = '{}') = (recipients = '{}' and kinds = '{}')),
  constraint consent_not_over_before check (expires_on >= given_on),
  constraint consent_by_a_guardian check (form <> 'GUARDIAN' or (guardian_kind is not null and guardian_kind <> 'NONE')),
  constraint consent_of_no_suspect check (answer <> 'GIVEN' or not guardian_suspected),
  constraint consent_text_version check (text_version between 1 and 9999)
);
select itm.keep('consent', 'consent', refs => '{person_id>person}', parent => 'person_id', about => 'person_id',
  private => '{interpreter_enc,guardian_enc,paper_enc}', states => '{>recorded,recorded>withdrawn}', recent => 'given_on');
select itm.keep_codes('consent', '{purpose>consent_purpose,answer>consent_answer,form>consent_form,kinds>institution_kind,'
  'scopes>data_scope,language>language,guardian_kind>guardian_kind,withdrawal_reason>consent_withdrawal_reason}');
comment on column consent.institutions is
  'The recipients, and the active institutions of the kinds on the day of entry. One that joins later is not covered.';
comment on column consent.interpreter_enc is 'Personal data, sealed.';
comment on column consent.guardian_enc is 'Personal data, sealed.';
comment on column consent.paper_enc is 'Personal data, sealed.';

-- A consent by kind covers the institutions of that day. The person heard of no institution that joins later.
create function itm.consent_recipients() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from unnest(new.recipients) r where r = new.institution_id or not exists (
               select from public.institution i where i.id = r and i.status = 'active')) then
    raise exception using errcode = 'check_violation', column = 'recipients', constraint = 'consent_to_an_institution',
      message = 'a recipient is another institution that is active';
  end if;
  new.institutions := array(
    select i.id from public.institution i
     where i.id <> new.institution_id and i.status = 'active' and (i.id = any (new.recipients) or i.kind = any (new.kinds))
     order by i.id);
  return new;
end $$;
select itm.keep_rule('consent', 'd_recipients', 'before insert', 'itm.consent_recipients()');

-- What was answered stays. It may end sooner than it was given for, and never later: that is asked anew. Days are those of
-- Türkiye; one more is left for a clock that is ahead.
create function itm.consent_days() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  latest constant date := (now() at time zone 'Europe/Istanbul')::date + 1;
begin
  if tg_op = 'INSERT' then
    if new.given_on > latest then
      raise exception using errcode = 'check_violation', column = 'given_on', constraint = 'consent_given_already',
        message = 'an answer is given before it is entered';
    end if;
    return new;
  end if;
  if old.ends_of_age and not new.ends_of_age then
    raise exception using errcode = 'restrict_violation', constraint = 'consent_ends_of_age',
      message = 'a consent that ends with childhood goes on ending with it';
  elsif new.expires_on is distinct from old.expires_on
     and (old.state = 'withdrawn' or new.expires_on is null or new.expires_on > old.expires_on) then
    raise exception using errcode = 'restrict_violation', constraint = 'consent_is_asked_anew',
      message = 'a consent is not prolonged: it is asked anew';
  elsif new.state = 'withdrawn' and old.state <> 'withdrawn' then
    if new.answer <> 'GIVEN' or new.withdrawal_reason is null or new.withdrawn_on is null
       or new.withdrawn_on < new.given_on or new.withdrawn_on > latest then
      raise exception using errcode = 'restrict_violation', constraint = 'consent_withdrawn',
        message = 'what was given is withdrawn, on a day since and for a reason';
    end if;
  elsif (new.withdrawn_on, new.withdrawal_reason) is distinct from (old.withdrawn_on, old.withdrawal_reason) then
    raise exception using errcode = 'restrict_violation', constraint = 'consent_withdrawn', message = 'a withdrawal is final';
  end if;
  return new;
end $$;
select itm.keep_rule('consent', 'd_days', 'before insert or update', 'itm.consent_days()');
select itm.keep_rule('consent', 'b_answered', 'before update when ((old.purpose, old.answer, old.given_on, old.recipients, old.kinds,'
  ' old.institutions, old.scopes, old.form, old.language, old.text_version, old.guardian_kind, old.guardian_suspected)'
  ' is distinct from (new.purpose, new.answer, new.given_on, new.recipients, new.kinds, new.institutions, new.scopes, new.form,'
  ' new.language, new.text_version, new.guardian_kind, new.guardian_suspected))',
  'itm.stays(''the purpose, the answer, who is told what, and how it was asked'')');

-- Live: given, not withdrawn, not over, and covering recipient and scope on this day. For those who see the person.
create function itm.consent_live(person uuid, recipient uuid, scope text, day date) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from public.consent c join public.person p on p.id = c.person_id and p.institution_id = c.institution_id
     where c.person_id = consent_live.person and c.institution_id = itm.institution() and p.erased_at is null and c.deleted_at is null
       and c.answer = 'GIVEN' and c.state = 'recorded' and c.given_on <= consent_live.day
       and (c.expires_on is null or c.expires_on >= consent_live.day)
       and consent_live.scope = any (c.scopes) and consent_live.recipient = any (c.institutions))
    and itm.sees_person(consent_live.person)
$$;
comment on function itm.consent_live is 'True if the person''s consent lets this institution be told this scope on this day.';

-- The same, held: until the transaction ends nobody withdraws what it rests on. For each scope that is covered the consent that
-- lasts longest; a scope without a row is covered by none. Consents are locked in the order of their ids, before any other row.
create function itm.hold_consent(person uuid, recipient uuid, scopes text[], day date)
returns table (scope text, consent_id uuid, expires_on date)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.sees_person(hold_consent.person) is not true then
    return;
  end if;
  perform from public.consent c where c.person_id = hold_consent.person and c.institution_id = itm.institution()
    and hold_consent.recipient = any (c.institutions) order by c.id for share;
  return query
    select distinct on (wanted) wanted, c.id, c.expires_on
      from unnest(hold_consent.scopes) wanted
      join public.consent c on c.person_id = hold_consent.person and c.institution_id = itm.institution() and wanted = any (c.scopes)
     where c.deleted_at is null and c.answer = 'GIVEN' and c.state = 'recorded' and c.given_on <= hold_consent.day
       and (c.expires_on is null or c.expires_on >= hold_consent.day) and hold_consent.recipient = any (c.institutions)
       and exists (select from public.person p where p.id = c.person_id and p.institution_id = c.institution_id and p.erased_at is null)
     order by wanted, c.expires_on desc nulls first, c.id;
end $$;
comment on function itm.hold_consent is 'The live consents to these scopes, locked against withdrawal until the transaction ends.';

revoke all on function itm.consent_recipients, itm.consent_days, itm.consent_live, itm.hold_consent from public;
grant execute on function itm.consent_live, itm.hold_consent to itm_app, itm_owner;
