-- Unusual sign-ins and many wrong ones are alerts, for the institution's managers and auditors. Each open one stands once for an
-- account; the entry of the sign-in itself has the rest. A wave of names that nobody has is the Presidency's.
drop policy alert_of_looks on public.alert;
create policy alert_of_looks on public.alert for insert to itm_owner
  with check (kind in ('access.limit', 'account.unusual', 'account.tries', 'account.unknown'));

create function itm.of_sign_in(kind text) returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select kind in ('account.unusual', 'account.tries') $$;

-- The Presidency watches its own people's sign-ins, and no other institution's; nobody takes care of an alert about the own account.
drop policy alert_read on public.alert;
drop policy alert_acknowledge on public.alert;
create policy alert_read on public.alert for select to itm_app
  using (((select itm.scope()) = 'oversight' and (not itm.of_sign_in(kind) or holder = (select itm.home())))
         or ((select itm.scope()) = 'audit' and ((select itm.national()) or holder is null or holder = (select itm.home())))
         or ((select itm.manages()) and itm.of_sign_in(kind) and holder = (select itm.home())));
create policy alert_acknowledge on public.alert for update to itm_app
  using (((select itm.approves()) or ((select itm.scope()) = 'audit' and (select itm.national()))
          or (itm.of_sign_in(kind) and holder = (select itm.home()) and ((select itm.manages()) or (select itm.scope()) = 'audit')))
         and (not itm.of_sign_in(kind) or subject is distinct from (select a.username from public.account a where a.id = (select itm.account()))))
  with check (((select itm.approves()) or ((select itm.scope()) = 'audit' and (select itm.national()))
          or (itm.of_sign_in(kind) and holder = (select itm.home()) and ((select itm.manages()) or (select itm.scope()) = 'audit')))
         and (not itm.of_sign_in(kind) or subject is distinct from (select a.username from public.account a where a.id = (select itm.account()))));

create function itm.alert_of_account(who uuid, alert text, told jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  insert into public.alert (kind, severity, holder, subject, detail)
  select alert, 'warning', a.institution_id, a.username, told || jsonb_build_object('account', a.username, 'institution', i.code)
    from public.account a join public.institution i on i.id = a.institution_id where a.id = who
  on conflict do nothing
$$;
revoke all on function itm.of_sign_in, itm.alert_of_account from public;
grant execute on function itm.of_sign_in to itm_app;

-- 0014/40 and 0015/82, with their alerts: written into the functions, so that nothing else of them changes.
do $$
declare
  body text;
  change text[];
begin
  foreach change slice 1 in array array[
    array['itm.note_sign_in', '  return unusual;',
          '  if unusual <> ''{}'' then
    perform itm.alert_of_account(person.id, ''account.unusual'', jsonb_build_object(''unusual'', array_to_string(unusual, '','')));
  end if;
  return unusual;'],
    array['itm.tell_refusal', 'before constant text := current_setting(''backtrace_functions'');',
          'before constant text := current_setting(''backtrace_functions'');
  tries integer;'],
    array['itm.tell_refusal', '  perform set_config(''backtrace_functions'', before, true);',
          '  if reason in (''wrong_password'', ''unknown_name'') then
    select t.tries into tries from public.sign_in_tally t
     where t.reason = tell_refusal.reason and t.subject in (case when who is null then coalesce(network, ''\x00'') else uuid_send(who) end, ''\x00'')
     order by t.tries desc limit 1;
    if who is not null and tries = 10 then
      perform itm.alert_of_account(who, ''account.tries'', jsonb_build_object(''tries'', tries));
    elsif who is null and tries = 50 then
      insert into public.alert (kind, severity, detail) values (''account.unknown'', ''warning'', jsonb_build_object(''tries'', tries)) on conflict do nothing;
    end if;
  end if;
  perform set_config(''backtrace_functions'', before, true);']] loop
    body := pg_get_functiondef(change[1]::regproc);
    if strpos(body, change[2]) = 0 then
      raise exception '% is another one than this migration expects', change[1];
    end if;
    execute replace(body, change[2], change[3]);
  end loop;
end $$;

create function itm.many_wrong_codes() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' then
    perform itm.alert_of_account(new.account_id, 'account.tries', jsonb_build_object('tries', new.failures));
  end if;
  return null;
end $$;
revoke all on function itm.many_wrong_codes from public;
create trigger d_alert after insert or update of failures on public.code_tries for each row
  when (new.failures = 5) execute function itm.many_wrong_codes();
alter table public.code_tries enable always trigger d_alert;

-- Who is suspended or active again, gets a role, or is named, approved, refused or replaced in a rank is told.
do $$
declare
  kinds text[] := array(select m[1] from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''(\w+)''', 'g') m
                         where c.conrelid = 'public.mail'::regclass and c.conname = 'mail_kind');
begin
  execute format('alter table public.mail drop constraint mail_kind, add constraint mail_kind check (kind in (%s))',
                 (select string_agg(quote_literal(k), ', ')
                    from unnest(kinds || '{told_suspend,told_resume,told_give,told_rank_asked,told_rank,told_rank_refused,told_rank_ended,told_key_changed,told_key_asked,told_key_widened,told_key_declined,told_key_expires}'::text[]) k));
end $$;

create or replace function itm.tell_of_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  kind text;
begin
  if session_user <> 'itm_app' then
    return null;
  end if;
  if new.kind in ('primary', 'deputy') then
    kind := case when tg_op = 'INSERT' then 'rank_asked' when old.state = 'waiting' and new.state = 'done' then 'rank'
      when old.state = 'waiting' and new.state = 'refused' then 'rank_refused' when old.state = 'done' and new.state = 'replaced' then 'rank_ended' end;
  elsif new.kind in ('suspend', 'resume') then
    kind := case when tg_op = 'INSERT' then new.kind end;
  elsif new.kind = 'give' then
    -- A rise is told when it counts, and a new account's first role comes with its link.
    kind := case when tg_op = 'INSERT' and exists (
      select from public.role_grant g join public.account a on a.id = g.account_id
       where g.id = new.grant_id and g.state = 'active' and a.created_at < now()) then 'give' end;
  elsif tg_op = 'INSERT' and (new.kind = 'link' or new.state = 'done') then
    kind := new.kind;
  elsif tg_op = 'INSERT' and new.kind = 'factors' then
    kind := 'factors_asked';
  elsif tg_op = 'UPDATE' and old.state = 'waiting' and new.state = 'done' and new.decided_by is not null then
    kind := case new.kind when 'link' then 'confirmed' else new.kind end;
  end if;
  if kind is not null then
    perform itm.tell(new.account_id, kind);
  end if;
  return null;
end $$;

-- A key is renamed and narrowed by its manager, and its secret goes on. What is wider waits in `wanted_…` until the responsible
-- person accepts it: two people, as when a key is made.
alter table public.api_key
  add column wanted_scopes text[], add column wanted_networks text[], add column wanted_until timestamp with time zone,
  add column wanted_at timestamp with time zone, add column wanted_by uuid, add column expiry_told_at timestamp with time zone,
  add constraint api_key_wanted check ((wanted_at is null) = (num_nonnulls(wanted_scopes, wanted_networks, wanted_until) = 0)
    and (wanted_at is null or wanted_by is not null)),
  add constraint api_key_wanted_scopes check (cardinality(wanted_scopes) between 1 and 100),
  add constraint api_key_wanted_networks check (cardinality(wanted_networks) between 1 and 20),
  add constraint api_key_wanted_until check (wanted_until <= created_at + interval '366 days');
grant update (name, scopes, networks, expires_at, wanted_scopes, wanted_networks, wanted_until) on public.api_key to itm_app;
select audit.watch('public.api_key', 'api_key', 2, 'institution_id', 'id', '{}',
  '{created_at,created_by,updated_at,updated_by,row_version,last_used_at,last_used_address,refused_at,expiry_told_at}', 'role.change');

create function itm.networks_within(networks text[], others text[]) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select not exists (select from unnest(networks) n where not exists (select from unnest(others) o where n::cidr <<= o::cidr)) $$;

create function itm.key_edited(was public.api_key, now_is public.api_key) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  wants constant boolean := num_nonnulls(now_is.wanted_scopes, now_is.wanted_networks, now_is.wanted_until) > 0
    and (now_is.wanted_scopes, now_is.wanted_networks, now_is.wanted_until) is distinct from (was.wanted_scopes, was.wanted_networks, was.wanted_until);
begin
  if not itm.manages() or now_is.institution_id <> itm.institution() or now_is.why is not null or was.expires_at <= now() then
    raise exception using errcode = 'restrict_violation', message = 'this key is not changed from here';
  end if;
  if not now_is.scopes <@ was.scopes or exists (select from unnest(now_is.networks) n where not itm.is_network(n))
     or now_is.expires_at > was.expires_at or now_is.expires_at <= now() or not itm.networks_within(now_is.networks, was.networks) then
    raise exception using errcode = 'restrict_violation', message = 'a wider key is accepted by its responsible person';
  end if;
  if wants and coalesce(itm.factor_age(), 'infinity') > 360 and itm.session() is not null then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if wants and now_is.account_id is not distinct from itm.account() then
    raise exception using errcode = 'restrict_violation', constraint = 'own_key', message = 'nobody makes a key for the own account';
  end if;
  if wants and (now_is.wanted_until <= now() or exists (select from unnest(now_is.wanted_scopes) s where not itm.key_may(s))
                or exists (select from unnest(now_is.wanted_networks) n where not itm.is_network(n))) then
    raise exception using errcode = 'restrict_violation', message = 'this is no key';
  end if;
end $$;

create or replace function itm.key_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    if new.why is not null and old.ended_at is null then
      new.ended_at := now();
      new.ended_by := itm.account();
    elsif (new.ended_at, new.why) is distinct from (old.ended_at, old.why) or old.ended_at is not null then
      raise exception using errcode = 'restrict_violation', message = 'an ended key stays ended';
    end if;
    if current_user = 'itm_app' and new.why not in ('not_needed', 'leaked', 'suspicion', 'replaced', 'mistake') then
      raise exception using errcode = 'restrict_violation', message = 'a key is ended for one of these reasons';
    end if;
    if current_user = 'itm_app'
       and (new.name, new.scopes, new.networks, new.expires_at, new.wanted_scopes, new.wanted_networks, new.wanted_until)
           is distinct from (old.name, old.scopes, old.networks, old.expires_at, old.wanted_scopes, old.wanted_networks, old.wanted_until) then
      perform itm.key_edited(old, new);
      if num_nonnulls(new.wanted_scopes, new.wanted_networks, new.wanted_until) = 0 then
        new.wanted_at := null;
        new.wanted_by := null;
      elsif (new.wanted_scopes, new.wanted_networks, new.wanted_until) is distinct from (old.wanted_scopes, old.wanted_networks, old.wanted_until) then
        new.wanted_at := now();
        new.wanted_by := itm.account();
      end if;
    end if;
    return new;
  end if;
  new.secret_at := null;
  new.ended_at := null;
  new.why := null;
  if itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if new.account_id is not distinct from itm.account() then
    raise exception using errcode = 'restrict_violation', constraint = 'own_key', message = 'nobody makes a key for the own account';
  end if;
  if new.expires_at <= now() or exists (select from unnest(new.scopes) s where not itm.key_may(s))
     or exists (select from unnest(new.networks) n where not itm.is_network(n)) then
    raise exception using errcode = 'restrict_violation', message = 'this is no key';
  end if;
  return new;
end $$;
drop trigger a_stamp on public.api_key;
drop trigger b_rules on public.api_key;
drop trigger d_tell on public.api_key;
create trigger a_stamp before insert or update of name, why, secret_at, scopes, networks, expires_at, wanted_scopes, wanted_networks, wanted_until
  on public.api_key for each row execute function itm.stamp();
create trigger b_rules before insert or update of why, ended_at, name, scopes, networks, expires_at, wanted_scopes, wanted_networks, wanted_until
  on public.api_key for each row execute function itm.key_rules();
create trigger d_tell after insert or update of ended_at, why, secret_at, name, scopes, networks, expires_at, wanted_scopes, wanted_networks, wanted_until
  on public.api_key for each row execute function itm.tell_of_key();
alter table public.api_key enable always trigger a_stamp, enable always trigger b_rules, enable always trigger d_tell;

-- The responsible person accepts what is wanted for the key, or declines it. The secret goes on.
create function itm.answer_key(key uuid, version integer, accepted boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  held public.api_key;
begin
  select k.* into held from public.api_key k where k.id = answer_key.key and k.account_id = itm.account() for update;
  if held.id is null or itm.by_key() then
    raise exception using errcode = 'no_data_found', message = 'this key is not there';
  end if;
  if accepted and itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  if held.row_version <> version then
    raise exception using errcode = 'serialization_failure', message = 'somebody else was faster';
  end if;
  if held.ended_at is not null or held.expires_at <= now() or held.wanted_at is null or held.wanted_by = held.account_id then
    raise exception using errcode = 'restrict_violation', constraint = 'key_over', message = 'nothing is wanted for this key';
  end if;
  update public.api_key k
     set scopes = case when accepted then coalesce(k.wanted_scopes, k.scopes) else k.scopes end,
         networks = case when accepted then coalesce(k.wanted_networks, k.networks) else k.networks end,
         expires_at = case when accepted then coalesce(k.wanted_until, k.expires_at) else k.expires_at end,
         expiry_told_at = case when accepted and k.wanted_until is not null then null else k.expiry_told_at end,
         wanted_scopes = null, wanted_networks = null, wanted_until = null, wanted_at = null, wanted_by = null
   where k.id = held.id;
end $$;

create or replace function itm.tell_of_key() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  moved constant boolean := tg_op = 'UPDATE' and (new.scopes, new.networks, new.expires_at) is distinct from (old.scopes, old.networks, old.expires_at);
  kind constant text := case when tg_op = 'INSERT' then 'made' when old.ended_at is null and new.ended_at is not null then 'ended'
    when old.secret_at is null and new.secret_at is not null then 'taken' when old.secret_at <> new.secret_at then 'rotated'
    when new.wanted_at is not null and new.wanted_at is distinct from old.wanted_at then 'asked'
    when old.wanted_at is not null and new.wanted_at is null then case when moved then 'widened' else 'declined' end
    when moved or new.name <> old.name then 'changed' end;
begin
  if session_user = 'itm_app' and kind is not null then
    insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
    select a.institution_id, a.id, 'told_key_' || kind, new.account_id, a.email, a.language,
           jsonb_build_object('name', a.first_name || ' ' || a.last_name, 'username', p.username, 'key', new.name)
      from public.account a join public.account p on p.id = new.account_id
     where a.id in (new.account_id, new.created_by, old.wanted_by) and (a.active or a.id = new.account_id);
  end if;
  return null;
end $$;

-- As itm_signer, by the process that sends mails: a key that ends by itself within two weeks, or the last third of a shorter time, is told once.
create function itm.tell_of_expiring_keys() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  k record;
  found_ones integer := 0;
begin
  for k in update public.api_key e set expiry_told_at = now()
            where e.ended_at is null and e.expiry_told_at is null and e.expires_at > now()
              and e.expires_at - now() < least(interval '14 days', (e.expires_at - e.created_at) / 3)
            returning e.* loop
    insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
    select a.institution_id, a.id, 'told_key_expires', k.account_id, a.email, a.language,
           jsonb_build_object('name', a.first_name || ' ' || a.last_name, 'username', p.username, 'key', k.name,
                              'until', to_char(k.expires_at at time zone 'Europe/Istanbul', 'DD.MM.YYYY HH24:MI'))
      from public.account a join public.account p on p.id = k.account_id
     where a.id in (k.account_id, k.created_by) and a.active;
    found_ones := found_ones + 1;
  end loop;
  return found_ones;
end $$;
create index api_key_expiry on public.api_key (expires_at) where ended_at is null and expiry_told_at is null;

-- The contact of each institution, for everybody who is at work: who stands in its ranks, and nothing else of the account.
create function itm.focal_points() returns table (institution_id uuid, rank text, account_id uuid, name text, title text, since timestamp with time zone)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select c.institution_id, c.kind::text, a.id, a.first_name || ' ' || a.last_name, a.title::text, c.decided_at
    from public.access_change c join public.account a on a.id = c.account_id and a.active
    join public.institution i on i.id = c.institution_id and i.status = 'active'
   where c.kind in ('primary', 'deputy') and c.state = 'done' and itm.scope() in ('institution', 'oversight', 'audit', 'accounts') and itm.account() is not null
$$;

revoke all on function itm.networks_within, itm.key_edited, itm.answer_key, itm.tell_of_expiring_keys, itm.focal_points from public;
grant execute on function itm.networks_within, itm.key_edited, itm.answer_key, itm.focal_points to itm_app;
grant execute on function itm.tell_of_expiring_keys to itm_signer;
