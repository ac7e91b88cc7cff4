-- The passwords of before, so that none of them is taken again: five of each account at most. Nobody reads a digest here
-- but the function below, which gives a person's own ones to the sign-in's scope, where the new password is compared.
-- Not captured: each row is a change of the credential, which is.
create table public.former_password (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  password_hash varchar not null,
  replaced_at timestamp with time zone default now() not null,
  primary key (id),
  constraint former_password_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);
create index former_password_of_account on public.former_password (account_id, replaced_at);
comment on column public.former_password.password_hash is 'Personal data: argon2id digest of a password that a member of staff had before';
alter table public.former_password enable row level security;
alter table public.former_password force row level security;
create policy former_rules on public.former_password for all to itm_owner using (true) with check (true);
revoke all on public.former_password from public;

-- A new digest is argon2id. One that replaces an older kind for the same password leaves `changed_at` as it is; every
-- other one is a new password, and its time is the database's.
create function itm.credential_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' and new.password_hash = old.password_hash then
    new.changed_at := old.changed_at;
    return new;
  end if;
  if new.password_hash not like '$argon2id$v=19$%' then
    raise exception using errcode = 'restrict_violation', message = 'a password is kept as an argon2id digest';
  end if;
  if tg_op = 'INSERT' or new.changed_at is distinct from old.changed_at
     or split_part(new.password_hash, '$', 4) = split_part(old.password_hash, '$', 4) then
    new.changed_at := now();
  end if;
  return new;
end $$;

create function itm.remember_password() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  insert into public.former_password (institution_id, account_id, password_hash)
  values (old.institution_id, old.account_id, old.password_hash);
  delete from public.former_password f where f.account_id = old.account_id and f.id not in (
    select g.id from public.former_password g where g.account_id = old.account_id order by g.replaced_at desc, g.id limit 5);
  return null;
end $$;

-- For the sign-in's scope alone, of the person in it: what the next password is compared with.
create function itm.own_passwords() returns setof varchar
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select f.password_hash from public.former_password f where itm.scope() = 'login' and f.account_id = itm.account()
  union all
  select c.password_hash from public.credential c where itm.scope() = 'login' and c.account_id = itm.account()
$$;

-- While one account has a digest of before, comparing takes the time of both kinds for everybody.
create function itm.has_old_digests() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select exists (select from public.credential c where c.password_hash like 'scrypt:%') $$;

-- The owner is told of a new password, and not of a new digest for the same one.
create or replace function itm.tell_of_password() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' and (tg_op = 'INSERT' or new.changed_at is distinct from old.changed_at) then
    perform itm.tell(new.account_id, 'password');
  end if;
  return null;
end $$;

create trigger a_rules before insert or update on public.credential for each row execute function itm.credential_rules();
create trigger d_remember after update of password_hash on public.credential for each row
  when (new.changed_at is distinct from old.changed_at) execute function itm.remember_password();
create trigger d_remember_void after delete on public.credential for each row execute function itm.remember_password();
alter table public.credential enable always trigger a_rules, enable always trigger d_remember,
  enable always trigger d_remember_void;
revoke all on function itm.credential_rules, itm.remember_password, itm.own_passwords, itm.has_old_digests from public;
grant execute on function itm.own_passwords, itm.has_old_digests to itm_app;
