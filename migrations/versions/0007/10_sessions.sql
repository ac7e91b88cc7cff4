-- A session is a row: signing out ends this one, an account's epoch ends all of them. A session counts while its row is
-- open and has the account's epoch, so that one that begins while the epoch rises is over at once.
-- Not captured: each begin and end has an entry of its own (auth.login, auth.logout) or is a change that is captured.
create table public.account_session (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  epoch integer not null,
  begun_at timestamp with time zone default now() not null,
  ended_at timestamp with time zone,
  why varchar,
  primary key (id),
  constraint account_session_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint account_session_why check (why in ('signed_out', 'renewed', 'all', 'password', 'link', 'role', 'suspended')),
  constraint account_session_ended check ((ended_at is null) = (why is null))
);
create index account_session_of_account on public.account_session (account_id, begun_at);

alter table public.account_session enable row level security;
alter table public.account_session force row level security;
create policy session_own on public.account_session for all to itm_app
  using (account_id = (select itm.account()))
  with check (account_id = (select itm.account()) and institution_id = (select itm.home()));
create policy session_rules on public.account_session for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
revoke all on public.account_session from public;
grant select, insert (id, institution_id, account_id), update (why) on public.account_session to itm_app;

-- Only a person who may sign in begins a session, and an ended one stays ended. Rows of a month ago go: without its row
-- a session is no session.
create function itm.session_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    delete from public.account_session s where s.account_id = new.account_id and s.begun_at < now() - interval '30 days';
    new.begun_at := now();
    new.ended_at := null;
    new.why := null;
    select a.epoch into new.epoch from public.account a where a.id = new.account_id and a.active;
    if new.epoch is null or not itm.has_password(new.account_id) or itm.waits(new.account_id) then
      raise exception using errcode = 'restrict_violation', message = 'this person cannot sign in';
    end if;
    return new;
  end if;
  if old.ended_at is not null or new.why is null then
    raise exception using errcode = 'restrict_violation', message = 'an ended session stays ended';
  end if;
  new.ended_at := now();
  return new;
end $$;

-- Raising the epoch ends all sessions of the account. The reason is what this transaction changed.
create function itm.epoch_ends_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.account_session s set why = case
      when not new.active then 'suspended'
      when exists (select from public.invitation n where n.account_id = new.id and n.created_at = now()) then 'link'
      when exists (select from public.role_grant g where g.account_id = new.id and g.updated_at = now()) then 'role'
      when exists (select from public.credential c where c.account_id = new.id and c.changed_at = now())
           or not itm.has_password(new.id) then 'password'
      else 'all' end
   where s.account_id = new.id and s.ended_at is null;
  return null;
end $$;

create trigger a_rules before insert or update on public.account_session for each row execute function itm.session_rules();
create trigger d_ends_sessions after update of epoch on public.account for each row
  when (new.epoch > old.epoch) execute function itm.epoch_ends_sessions();
create trigger d_suspension_ends_sessions after update of active on public.account for each row
  when (old.active and not new.active) execute function itm.epoch_ends_sessions();
alter table public.account_session enable always trigger a_rules;
alter table public.account enable always trigger d_ends_sessions, enable always trigger d_suspension_ends_sessions;

revoke all on function itm.session_rules, itm.epoch_ends_sessions from public;
