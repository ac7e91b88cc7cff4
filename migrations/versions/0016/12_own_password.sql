-- The own password is changed by the person who has it: with a second factor of the last minutes where there is one, with the present
-- password proved in a counted try, and with the web server's word for what it computed. SQL in a session that is open, or in half a
-- session, changes none.

-- Who has just proved the own password in which session. Functions alone write and read it.
create table itm.own_proof (
  session_id uuid primary key,
  account_id uuid not null,
  at timestamp with time zone default now() not null
);
comment on table itm.own_proof is 'The present password was right in this session: good for one change, for five minutes.';
comment on column itm.own_proof.account_id is 'The person; for minutes.';
-- Whose digest has other parameters than today's, and in which transaction it was proved.
create table itm.due_renewal (
  account_id uuid primary key,
  judged_in xid8 not null
);
comment on table itm.due_renewal is 'A digest with parameters of before whose password was right in this transaction.';
comment on column itm.due_renewal.account_id is 'The person, until the digest is renewed.';
revoke all on itm.own_proof, itm.due_renewal from public;
-- What people write about themselves is as short as the page has it; what stands longer from before stays.
alter table public.account add constraint account_lengths check (length(first_name) <= 100 and length(last_name) <= 100
  and length(email) <= 200 and length(title) <= 500 and length(username) <= 80 and length(language) <= 10) not valid;
alter table public.credential add constraint credential_length check (length(password_hash) <= 300);
alter table itm.door add column parameters text default '$argon2id-sha256$v=19$m=19456,t=2,p=1' not null;
comment on column itm.door.parameters is 'Of passwords, today.';

create or replace function itm.confirm(ticket uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found constant itm.counted_try := itm.take_try(ticket);
  reason text;
begin
  if itm.account() is null or found.account_id is distinct from itm.account() or found.session_id is distinct from itm.session() then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody is at work';
  end if;
  reason := itm.judge(found);
  if reason is null then
    perform itm.take_back_try(found.keys);
    delete from itm.own_proof p where p.at < now() - interval '5 minutes';
    insert into itm.own_proof (session_id, account_id) select itm.session(), itm.account() where itm.session() is not null
    on conflict (session_id) do update set at = now();
  else
    perform audit.append('auth.login', 'failure', 'account', found.account_id::text, detail => jsonb_build_object('reason', reason, 'while', 'signed_in'));
  end if;
  return reason;
end $$;

-- Uses up the proof of the session at work. A command has no session: the owner's login let it in.
create function itm.use_own_proof() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.is_command() then
    return;
  end if;
  delete from itm.own_proof p where p.session_id = itm.session() and p.account_id = itm.account() and p.at > now() - interval '5 minutes';
  if not found then
    raise exception using errcode = 'insufficient_privilege', message = 'the present password is proved first';
  end if;
end $$;

-- A proof under each salt of before is asked for: fewer would hide a password of before.
create or replace function itm.keep_password(who uuid, kept text, proofs bytea[]) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(cardinality(proofs), 0) <> (select count(*) from itm.salts_kept(who))
     or exists (select from unnest(proofs) p where octet_length(p) between 16 and 64 is not true) then
    raise exception using errcode = 'restrict_violation', message = 'a new password is proved under every salt of before';
  end if;
  if exists (select from (select c.password_hash as h from public.credential c where c.account_id = who
                          union all select f.password_hash from public.former_password f where f.account_id = who) k, unnest(proofs) p
              where itm.is_proof(k.h, p)) then
    return false;
  end if;
  insert into public.credential (account_id, institution_id, password_hash) select a.id, a.institution_id, kept from public.account a where a.id = who
  on conflict (account_id) do update set password_hash = excluded.password_hash, failures = 0, locked_until = null, changed_at = now();
  update public.account a set epoch = a.epoch + 1 where a.id = who;
  return true;
end $$;

-- The proofs are the web server's word, not SQL's: they are part of its claim.
drop function itm.change_own_password(text, bytea[]);
create function itm.change_own_password(kept text, proofs bytea[], at bigint default null, mac bytea default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if itm.scope() is distinct from 'login' or itm.account() is null then
    raise exception using errcode = 'insufficient_privilege', message = 'nobody is at work';
  end if;
  if not itm.is_command() then
    if coalesce(itm.factor_age(), 'infinity') > 360 and itm.had_factor(itm.account()) then
      raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
    end if;
    if itm.is_claim(concat_ws(' ', 'password', itm.account(), encode(sha256(convert_to(kept, 'UTF8')), 'hex'),
         (select string_agg(encode(p, 'hex'), ',' order by n) from unnest(proofs) with ordinality u (p, n))), at, mac) is not true then
      raise exception using errcode = 'insufficient_privilege', message = 'this is no claim of the web server';
    end if;
  end if;
  perform itm.use_own_proof();
  return itm.keep_password(itm.account(), kept, proofs);
end $$;

-- Links and warnings go to the e-mail address: another own one takes the own password too, as on the page.
create function itm.own_address_is_proved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and new.id = itm.account() and itm.session() is not null then
    perform itm.use_own_proof();
  end if;
  return new;
end $$;
create trigger c_own_address before update of email on public.account for each row
  when (old.email is distinct from new.email) execute function itm.own_address_is_proved();
alter table public.account enable always trigger c_own_address;

-- A digest with parameters of before is renewed in the transaction in which itm.sign_in judged its proof, by the web server alone, under
-- today's. True: it was. The owner is not told, since the password stays.
drop function itm.keep_anew(bytea, text);
create function itm.keep_anew(kept text, at bigint default null, mac bytea default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  who constant uuid := itm.shows_factor();
begin
  delete from itm.due_renewal r where r.account_id = who and r.judged_in = pg_current_xact_id();
  if not found or itm.is_claim(concat_ws(' ', 'keep_anew', who, encode(sha256(convert_to(kept, 'UTF8')), 'hex')), at, mac) is not true
     or not starts_with(kept, (select d.parameters || '$' from itm.door d)) then
    return false;
  end if;
  update public.credential c set password_hash = kept where c.account_id = who;
  return found;
end $$;

-- itm.sign_in of 0015/82. The reason of a refusal is the ledger's alone, but for those who wait: their password was right.
create or replace function itm.sign_in(ticket uuid, network bytea, typed bytea, digest bytea, idle interval, lasts interval, address text, device text,
                            at timestamp with time zone default null)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
  moment constant timestamp with time zone := itm.story_time(at);
  found constant itm.counted_try := itm.take_try(ticket);
  reason text := case when found.session_id is null then itm.judge(found) else 'unknown_name' end;
begin
  reason := coalesce(reason, itm.obstacle(found.account_id));
  if reason is not null then
    perform itm.tell_refusal(found.account_id, reason, network, typed, moment);
    return case when reason = 'unconfirmed' then reason else 'refused' end;
  end if;
  perform itm.at_the_door(found.account_id);
  perform itm.take_back_try(found.keys);
  perform itm.begin_session(found.account_id, digest, '{password}', null, idle, lasts, address, device);
  insert into itm.due_renewal (account_id, judged_in)
  select c.account_id, pg_current_xact_id() from public.credential c cross join itm.door d
   where c.account_id = found.account_id and not starts_with(c.password_hash, d.parameters || '$')
  on conflict (account_id) do update set judged_in = excluded.judged_in;
  perform set_config('backtrace_functions', before, true);
  return null;
end $$;
revoke all on function itm.use_own_proof, itm.change_own_password, itm.own_address_is_proved, itm.keep_anew from public;
grant execute on function itm.change_own_password, itm.keep_anew to itm_app;
