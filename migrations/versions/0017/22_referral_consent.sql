-- Consent and referrals: nothing is sent that no live consent covers, and a consent that is withdrawn ends what rests on it.

-- The database's own functions ask for a sender's consents in the receiver's session.
create policy consent_of_referrals on public.consent for select to itm_owner using (true);

-- The consents are held until the commit: a withdrawal waits for the sending, and then ends it.
create function itm.refuse_unconsented(prepared public.referral_draft, said jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant text[] := array_remove(array(select jsonb_array_elements_text(said -> 'scopes')), 'SUMMARY');
  named constant uuid[] := array(select jsonb_array_elements_text(said -> 'consents')::uuid order by 1);
  held record;
begin
  select array_agg(distinct h.scope) as scopes, array_agg(distinct h.consent_id order by h.consent_id) as consents, min(h.expires_on) as ends into held
    from itm.hold_consent(prepared.person_id, prepared.receiver_id, wanted, (now() at time zone 'Europe/Istanbul')::date) h;
  if prepared.ground is not null then
    if named <> '{}' or prepared.words_enc is null then
      raise exception using errcode = 'restrict_violation', constraint = 'referral_ground', message = 'without consent a referral has a ground, in words';
    end if;
  elsif named = '{}' then
    raise exception using errcode = 'restrict_violation', constraint = 'referral_consent', message = 'no live consent lets anything go to this receiver';
  elsif not wanted <@ coalesce(held.scopes, '{}') or named is distinct from coalesce(held.consents, '{}')
        or held.ends is distinct from (said ->> 'consent_ends')::date then
    raise exception using errcode = 'restrict_violation', constraint = 'referral_consent', message = 'no live consent lets this go to this receiver';
  end if;
end $$;

-- A consent that ends takes along what rests on it, in the same commit: what was not accepted is withdrawn, the rest ends.
create function itm.consent_ends_referrals() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.end_referrals(array(select r.id from public.referral r where r.party = 'from' and r.institution_id = new.institution_id
    and r.consents @> array[new.id] and r.state in ('sent', 'accepted', 'done')), 'CONSENT_WITHDRAWN');
  return null;
end $$;
select itm.keep_rule('consent', 'g_referrals', 'after update of state, deleted_at when ((old.state <> ''withdrawn'' and new.state = ''withdrawn'')'
  ' or (old.deleted_at is null and new.deleted_at is not null))', 'itm.consent_ends_referrals()');

revoke all on function itm.refuse_unconsented, itm.consent_ends_referrals from public;
