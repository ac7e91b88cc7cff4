-- Directories (LDAP, Active Directory): the web server asks them, with names and passwords that are stored nowhere. Here their tries are counted as those of
-- passwords are, and whom a directory lets in no more is suspended. A directory's answer is a claim of the web server (0015/84).

-- A try is counted by itm.count_for (0016/13) before a directory is asked: of the person who last came with this name.
create function itm.count_directory_try(provider uuid, name text, pair bytea, network bytea, counted bytea, typed bytea, device bytea,
                                        out wait integer, out ticket uuid)
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  select c.wait, c.ticket from itm.count_for((
      select x.account_id from public.external_identity x
       where x.provider_id = provider and x.ended_at is null and itm.name_key(x.shown_name) = count_directory_try.name
       order by x.last_used_at desc nulls last limit 1), pair, network, counted, typed, device, now()) c
$$;

-- A directory's answer to a counted try, once. 'right', and no answer at all, take the try back; a refusal is told. The try counts for whom
-- the name was known as, and a right answer names its person by the id alone (itm.provider_person).
create function itm.directory_answer(ticket uuid, answer text, network bytea, typed bytea, at bigint, mac bytea) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found itm.counted_try;
begin
  perform itm.check_provider_claim(concat_ws(' ', 'directory_answer', ticket, answer), at, mac);
  delete from itm.counted_try t where t.id = ticket and t.counted_at > now() - interval '5 minutes' returning * into found;
  if found.id is null or found.session_id is not null then
    raise exception using errcode = 'insufficient_privilege', message = 'a try is counted first';
  end if;
  if answer in ('right', 'directory_down') then
    perform itm.take_back_try(found.keys);
  end if;
  if answer <> 'right' then
    perform itm.tell_refusal(found.account_id, answer, network, typed, now());
  end if;
end $$;

-- Whom a directory is asked about by its id: open accounts of people for whom it vouches.
create function itm.directory_people(provider uuid, at bigint, mac bytea) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.check_provider_claim(concat_ws(' ', 'directory_people', provider), at, mac);
  return query select x.subject::text from public.external_identity x join public.account a on a.id = x.account_id and a.active
    where x.provider_id = provider and x.ended_at is null and itm.vouches(x.provider_id, x.institution_id) order by 1;
end $$;

-- The directory lets somebody in no more: the account is suspended, with all that follows. The last of a kind stays, and its sessions end.
-- Gives 'suspended', 'kept', or NULL for somebody whose account is not open.
create function itm.directory_closes(provider uuid, subject text, reason text, at bigint, mac bytea) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  person record;
  outcome text := 'suspended';
begin
  perform itm.check_provider_claim(concat_ws(' ', 'directory_closes', provider, itm.hex_of(subject), reason), at, mac);
  select a.id, a.institution_id, i.code into person from public.external_identity x
    join public.account a on a.id = x.account_id and a.active join public.institution i on i.id = a.institution_id
   where x.provider_id = provider and x.subject = directory_closes.subject and x.ended_at is null and itm.vouches(x.provider_id, x.institution_id) for update of a;
  if person.id is null then
    return null;
  end if;
  perform set_config('backtrace_functions', concat('itm_d,door,', replace(person.institution_id::text, '-', ''), ',,,,,,,,',
    encode(convert_to(jsonb_build_object('ledger', person.institution_id, 'actor',
      jsonb_build_object('user', null, 'name', 'itm.directory', 'role', null, 'institution', person.code))::text, 'UTF8'), 'hex')), true);
  perform set_config('itm.why', 'DIRECTORY_CLOSED', true);
  begin
    update public.account a set active = false where a.id = person.id;
  exception when restrict_violation then
    outcome := 'kept';
    update public.account a set epoch = a.epoch + 1 where a.id = person.id;
  end;
  perform audit.append('auth.logout', target_kind => 'account', target_id => person.id::text,
    detail => jsonb_build_object('sessions', 'directory', 'reason', reason));
  perform set_config('itm.why', '', true);
  perform set_config('backtrace_functions', before, true);
  return outcome;
end $$;

-- An act of the machine has no reason of a person's; this one has its own. A directory's refusals are told as a wrong password is.
do $$
declare
  change record;
  body text;
begin
  for change in select * from (values
    ('itm.act_has_reason', 'new.reason := null;',
     'new.reason := case when new.kind = ''suspend'' and current_setting(''itm.why'', true) = ''DIRECTORY_CLOSED'' then ''DIRECTORY_CLOSED'' end;'),
    ('itm.tell_refusal', '''wrong_key''', '''wrong_key'', ''directory_refused'', ''directory_unknown'''),
    ('itm.write_counted', '''wrong_key''', '''wrong_key'', ''directory_refused'', ''directory_unknown''')) c(name, was, is_now) loop
    body := pg_get_functiondef(change.name::regproc);
    if strpos(body, change.was) = 0 then
      raise exception '% is another one than this migration expects', change.name;
    end if;
    execute replace(body, change.was, change.is_now);
  end loop;
end $$;

revoke all on function itm.count_directory_try, itm.directory_answer, itm.directory_people, itm.directory_closes from public;
grant execute on function itm.count_directory_try, itm.directory_answer, itm.directory_people, itm.directory_closes to itm_app;

create function itm.has_directories() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select exists (select from public.identity_provider p where p.kind = 'ldap' and p.ended_at is null) $$;
revoke all on function itm.has_directories from public;
grant execute on function itm.has_directories to itm_signer;
