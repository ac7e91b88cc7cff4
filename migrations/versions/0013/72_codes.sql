-- A coded column holds a code: free text there would stay in the ledger for good. Each list in use is a function of its own,
-- so that the catalogue shows it; the panel's vocabularies hold the same. A later migration that adds a code says its list anew.

create function itm.codes(list text) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  codes text[];
begin
  if to_regprocedure(format('itm.%I()', 'codes_of_' || list)) is not null then
    execute format('select itm.%I()', 'codes_of_' || list) into codes;
  end if;
  return codes;
end $$;

create function itm.keep_list(list text, codes text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create or replace function itm.%I() returns text[] language sql immutable'
    ' set search_path = pg_catalog, pg_temp as %L', 'codes_of_' || list, format('select %L::text[]', codes));
  execute format('revoke all on function itm.%1$I() from public; grant execute on function itm.%1$I() to itm_app, itm_owner, itm_signer',
    'codes_of_' || list);
end $$;
comment on function itm.keep_list is 'Says a list of codes, or says it anew.';

select itm.keep_list('trafficking_status', '{PossibleVictimOfTrafficking,ActualVictimOfTrafficking,InstitutionConsidersVictim,'
  'NotAVictimOfTrafficking}');
select itm.keep_list('status_decision_maker', '{Police,NGO,CourtOrProsecution,NonPoliceGovernmentalOrganization,Other}');
select itm.keep_list('exploitation_type', '{ForcedLabour,SexualExploitation,ChildLabour,ForcedMarriage,Servitude,'
  'ForcedMilitaryByNonStateActors,OrganRemoval,ForcedBegging,ForcedAdoption,Surrogacy,Other}');
select itm.keep_list('method_of_control', '{PhysicalThreats,ThreatsLawEnforcement,ThreatensChildrenFamily,DebtBondage,'
  'FalsePromises,PhysicalAbuse,SexualAbuse,TakesEarnings,RestrictsFinancialAccess,RestrictsMedicalCare,'
  'WithholdsNecessities,PsychologicalAbuse,PsychoactiveSubstance,ExcessiveWorkingHours,WithholdsDocuments,Other}');
select itm.keep_list('method_of_recruitment', '{AtAPlaceOfBusiness,AtAnEducationalInstitution,AtWork,'
  'ThroughOnlineSocialNetworks,ThroughAnOnlineAdvertisement,ThroughATelevisionAdvert,ThroughANewspaperAdvert,'
  'ThroughFamilyOrFamilyEvents,ThroughFriendsOrSocialEvents,Other}');
select itm.keep_list('gender', '{Feminine,Masculine,TransgenderFeminine,TransgenderMasculine,NonConforming,'
  'NonSpecifiedUnknown}');
select itm.keep_list('case_status', '{Active,FollowUp,Closed,ClosedReferred}');
select itm.keep_list('referral_source', '{POLICE,GENDARMERIE,COASTGUARD,HOTLINE_157,PMM_PROVINCIAL,PROSECUTOR,'
  'LABOUR_INSPECTOR,SOCIAL_SERVICES,HEALTH,EMBASSY,NGO,IO,SELF,OTHER}');
select itm.keep_list('access_purpose', '{CASE_WORK,REFERRAL,IDENTIFICATION,STATISTICS,SUPERVISION,AUDIT,EMERGENCY,COURT,'
  'DATA_SUBJECT}');
select itm.keep_list('age_band', '{0-8,9-17,18-20,21-23,24-26,27-29,30-38,39-47,48+,UNK}');
select itm.keep_list('institution_kind', '{presidency,ministry,agency,law_enforcement,intelligence,judiciary,rapporteur,'
  'local_government,professional_body,ngo,international}');
select itm.keep_list('case_closure_reason', '{NOT_A_VICTIM,SUPPORT_COMPLETED,RETURNED,REFERRED,WITHDREW,LOST_CONTACT,'
  'DUPLICATE,OTHER}');
select itm.keep_list('confidentiality', '{OPEN,INTERNAL,CONFIDENTIAL,SPECIAL}');
select itm.keep_list('deletion_reason', '{ENTERED_IN_ERROR,DUPLICATE,WRONG_CASE,NOT_IN_MANDATE,LEGAL_REQUEST,OTHER}');
select itm.keep_list('erasure_ground', '{PERSON_REQUEST,PURPOSE_ENDED,CONSENT_WITHDRAWN,NO_LEGAL_BASIS,COURT_DECISION,'
  'BOARD_DECISION}');
select itm.keep_list('hold_reason', '{COURT_ORDER,PROSECUTOR_REQUEST,PROCEEDINGS,INSPECTION}');
select itm.keep_list('lowering_reason', '{RISK_ENDED,MORE_STAFF_NEEDED,HANDOVER,SET_IN_ERROR}');
select itm.keep_list('case_role', '{VICTIM,WITNESS,RELATIVE,GUARDIAN}');
select itm.keep_list('relation_to_trafficker', '{IntimatePartner,Friend,Family,Employer,Recruiter,Stranger,Other,Unknown}');
select itm.keep_list('industry_isic', '{A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q,R,S,T,U}');
select itm.keep_list('province', '{TR-01,TR-02,TR-03,TR-04,TR-05,TR-06,TR-07,TR-08,TR-09,TR-10,TR-11,TR-12,TR-13,TR-14,TR-15,'
  'TR-16,TR-17,TR-18,TR-19,TR-20,TR-21,TR-22,TR-23,TR-24,TR-25,TR-26,TR-27,TR-28,TR-29,TR-30,TR-31,TR-32,TR-33,'
  'TR-34,TR-35,TR-36,TR-37,TR-38,TR-39,TR-40,TR-41,TR-42,TR-43,TR-44,TR-45,TR-46,TR-47,TR-48,TR-49,TR-50,TR-51,'
  'TR-52,TR-53,TR-54,TR-55,TR-56,TR-57,TR-58,TR-59,TR-60,TR-61,TR-62,TR-63,TR-64,TR-65,TR-66,TR-67,TR-68,TR-69,'
  'TR-70,TR-71,TR-72,TR-73,TR-74,TR-75,TR-76,TR-77,TR-78,TR-79,TR-80,TR-81}');
select itm.keep_list('role', '{focal_point,caseworker,institution_manager,auditor_national,auditor_institution,'
  'presidency_operator,presidency_supervisor,system_administrator}');

-- Countries and languages are lists of others (ISO 3166-1, ISO 639-1), which grow: a code has their form.
create function itm.is_code(list text, code text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select coalesce(case list
    when 'citizenship' then code ~ '^([A-Z]{2}|XXA|XXX)$'
    when 'country' then code ~ '^[A-Z]{2}$'
    when 'language' then code ~ '^[a-z]{2}$'
    when 'kind' then exists (select from itm.kept k where k.kind = code)
    else code = any (itm.codes(list)) end, false)
$$;

-- For each argument column>list: what is written there is a code of the list. What stood there before may stay.
create function itm.coded() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  before constant jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
  after constant jsonb := to_jsonb(new);
  name text;
  list text;
begin
  for name, list in select split_part(a, '>', 1), split_part(a, '>', 2) from unnest(tg_argv) a loop
    continue when after -> name = 'null'::jsonb or after -> name is not distinct from before -> name;
    if exists (select from jsonb_array_elements_text(
                 case jsonb_typeof(after -> name) when 'array' then after -> name else jsonb_build_array(after -> name) end) code
               where not itm.is_code(list, code)) then
      raise exception using errcode = 'check_violation', column = name, table = tg_table_name, constraint = 'coded',
        message = format('%s of %s holds codes of the list %s', name, tg_table_name, list);
    end if;
  end loop;
  return new;
end $$;

-- codes: {column>list,…}. What the panel writes: a database of before comes up with what it holds, and an
-- erasure is repeated after a restore on the ground that it had.
create function itm.keep_codes(relation text, codes text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from unnest(codes) c where split_part(c, '>', 1) <> all (itm.columns_of(relation))
             or (split_part(c, '>', 2) not in ('citizenship', 'country', 'language', 'kind') and itm.codes(split_part(c, '>', 2)) is null)) then
    raise exception 'codes are written column>list: %', codes;
  end if;
  perform itm.keep_rule(relation, 'c_codes', format('before insert or update of %s when (session_user = ''itm_app'')',
      (select string_agg(quote_ident(split_part(c, '>', 1)), ', ' order by n) from unnest(codes) with ordinality as u (c, n))),
    format('itm.coded(%s)', (select string_agg(quote_literal(c), ', ' order by n) from unnest(codes) with ordinality as u (c, n))));
end $$;
comment on function itm.keep_codes is 'Lets the named columns of a table hold nothing but codes of their lists.';

select itm.keep_codes('case_file', '{status>case_status,closure_reason>case_closure_reason,province>province,referral_source>referral_source,'
  'exploitation_types>exploitation_type,industry>industry_isic,confidentiality>confidentiality,hold_reason>hold_reason,'
  'lowering_reason>lowering_reason,deletion_reason>deletion_reason}');
select itm.keep_codes('person', '{gender>gender,citizenships>citizenship,language>language,age_band>age_band,hold_reason>hold_reason,'
  'erasure_ground>erasure_ground,deletion_reason>deletion_reason}');
select itm.keep_codes('case_person', '{role>case_role,age_band>age_band,deletion_reason>deletion_reason}');
select itm.keep_codes('victim_profile', '{trafficking_status>trafficking_status,status_decision_maker>status_decision_maker,'
  'recruitment_methods>method_of_recruitment,control_methods>method_of_control,relation_to_trafficker>relation_to_trafficker,'
  'deletion_reason>deletion_reason}');
select itm.keep_codes('institution', '{kind>institution_kind}');
select itm.keep_codes('unit', '{province>province}');
select itm.keep_codes('role_grant', '{role>role}');
select itm.keep_codes('access_note', '{kind>kind,purpose>access_purpose}');

-- A case is closed in its status, on a day and for a reason, and opened in the years that its form takes. Days are those of
-- Türkiye; one more is left for a clock that is ahead.
create function itm.days_of_case() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  latest constant date := (now() at time zone 'Europe/Istanbul')::date + 1;
begin
  if tg_op = 'UPDATE' and (new.status, new.opened_on, new.closed_on, new.closure_reason)
                          is not distinct from (old.status, old.opened_on, old.closed_on, old.closure_reason) then
    return new;
  elsif (new.status in ('Closed', 'ClosedReferred')) <> (new.closed_on is not null)
        or num_nulls(new.closed_on, new.closure_reason) not in (0, 2) then
    raise exception using errcode = 'check_violation', constraint = 'closed_in_all',
      message = 'a case is closed in its status, on a day and for a reason';
  elsif new.closed_on < new.opened_on or new.closed_on > latest then
    raise exception using errcode = 'check_violation', column = 'closed_on', constraint = 'closed_after_it_was_opened',
      message = 'a case is closed after it was opened';
  elsif new.opened_on not between '1990-01-01' and latest then
    raise exception using errcode = 'check_violation', column = 'opened_on', constraint = 'opened_in_our_years',
      message = 'a case is opened since 1990, and not in the future';
  end if;
  return new;
end $$;
select itm.keep_rule('case_file', 'd_days', 'before insert or update of status, opened_on, closed_on, closure_reason'
                     ' when (session_user = ''itm_app'')', 'itm.days_of_case()');

revoke all on function itm.codes, itm.keep_list, itm.is_code, itm.coded, itm.keep_codes, itm.days_of_case from public;
grant execute on function itm.codes, itm.is_code to itm_app, itm_owner, itm_signer;
