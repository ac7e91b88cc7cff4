-- What is stored of a password is the SHA-256 of its slow digest: the web server gets parameters and salt, computes the slow
-- digest and hands it over as the proof; SQL reads neither. Digests of before hold their result and are converted here:
-- nobody signs in anew for it.
create policy migrating on public.credential for all to itm_owner using (true) with check (true);
create function pg_temp.kept(digest text) returns text language sql immutable as
$$
  select case
    when digest like '$argon2id$%' then '$argon2id-sha256$' || substr(regexp_replace(digest, '\$[^$]*$', ''), 11) || '$' || encode(sha256(decode(
      rpad(substring(digest from '[^$]*$'), (length(substring(digest from '[^$]*$')) + 3) / 4 * 4, '='), 'base64')), 'hex')
    when digest like 'scrypt:%' then 'scrypt-sha256:' || substr(regexp_replace(digest, '\$[^$]*$', ''), 8) || '$'
      || encode(sha256(decode(substring(digest from '[^$]*$'), 'hex')), 'hex')
    else digest end
$$;
do $$
declare
  rule record;
begin
  for rule in select t.tgname from pg_trigger t where t.tgrelid = 'public.credential'::regclass and not t.tgisinternal and t.tgenabled = 'A' loop
    execute format('alter table public.credential disable trigger %I', rule.tgname);
  end loop;
  update public.credential c set password_hash = pg_temp.kept(c.password_hash);
  for rule in select t.tgname from pg_trigger t where t.tgrelid = 'public.credential'::regclass and not t.tgisinternal and t.tgenabled = 'D' loop
    execute format('alter table public.credential enable always trigger %I', rule.tgname);
  end loop;
  update public.former_password f set password_hash = pg_temp.kept(f.password_hash);
end $$;
drop function pg_temp.kept(text);
select audit.watch('public.credential', 'credential', 2, 'institution_id', 'account_id', '{password_hash}', '{failures,changed_at}', 'account.change');
select audit.baseline('public.credential');
drop policy migrating on public.credential;
comment on column public.former_password.password_hash is 'Personal data: SHA-256 of the argon2id digest of a password that a member of staff had before';

create or replace function itm.credential_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' and new.password_hash = old.password_hash then
    new.changed_at := old.changed_at;
    return new;
  end if;
  if new.password_hash !~ '^\$argon2id-sha256\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,86}\$[0-9a-f]{64}$' then
    raise exception using errcode = 'restrict_violation', message = 'a password is kept as the SHA-256 of an argon2id digest';
  end if;
  if tg_op = 'INSERT' or new.changed_at is distinct from old.changed_at
     or split_part(new.password_hash, '$', 4) = split_part(old.password_hash, '$', 4) then
    new.changed_at := now();
  end if;
  return new;
end $$;

create or replace function itm.has_old_digests() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select exists (select from public.credential c where c.password_hash like 'scrypt%') $$;

-- Parameters and salt; and the comparison.
create function itm.salt_in(kept text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select regexp_replace(kept, '\$[^$]*$', '') $$;
create function itm.is_proof(kept text, proof bytea) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select coalesce(substring(kept from '[^$]*$') = encode(sha256(proof), 'hex'), false) $$;

drop function itm.own_passwords();
revoke all on public.credential from itm_app;
create policy door_writes on public.credential for insert to itm_owner with check ((select session_user) = 'itm_app');
create policy door_renews on public.credential for update to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
revoke all on function itm.salt_in, itm.is_proof from public;

-- Nobody sees a password's row any more: the own one is told of by its account.
do $$
declare
  body constant text := pg_get_functiondef('itm.sees'::regproc);
  mark constant text := 'return exists (select from public.credential c where c.account_id = key);';
begin
  if strpos(body, mark) = 0 then
    raise exception 'itm.sees is another one than this migration expects';
  end if;
  execute replace(body, mark, 'return itm.scope() = ''login'' and key = itm.account();');
end $$;
