-- What leaves by e-mail, written in the transaction of the act and sent afterwards by a process of its own. Rows are made
-- by the triggers below, so that no act goes untold; the panel's role adds links alone, and reads, changes and removes
-- nothing. A link's secret is never stored: the sender makes it at the moment of sending.
-- Not captured: each row follows from a change that is. Address and names go when the mail has left, the row after a week.
create table public.mail (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  account_id uuid not null,
  kind varchar not null,
  about uuid not null, -- for national auditors an account of another institution
  invitation_id uuid,
  address varchar,
  language varchar not null,
  detail jsonb,
  created_at timestamp with time zone default now() not null,
  due_at timestamp with time zone default now() not null,
  tries integer default 0 not null,
  sent_at timestamp with time zone,
  primary key (id),
  constraint mail_kind check (kind in ('link', 'told_link', 'told_confirmed', 'told_rise', 'told_end', 'told_reset',
    'told_password', 'told_email', 'audit_link', 'audit_confirmed', 'audit_rise', 'audit_end', 'audit_reset')),
  constraint mail_account foreign key (institution_id, account_id) references public.account (institution_id, id),
  constraint mail_invitation foreign key (institution_id, invitation_id) references public.invitation (institution_id, id),
  constraint mail_sent check (sent_at is null or (address is null and detail is null))
);
create index mail_due on public.mail (due_at) where sent_at is null;
create index mail_age on public.mail (institution_id, created_at);
comment on column public.mail.address is 'Personal data: e-mail address of a member of staff, until the mail has left';
comment on column public.mail.detail is 'Personal data: names and user names of members of staff, until the mail has left';

-- Not captured: it follows from the changes of accounts. Who set an account's address, and when: a link to an address that its maker has chosen is no link to the person.
create table public.account_address (
  account_id uuid not null,
  institution_id uuid not null,
  set_at timestamp with time zone default now() not null,
  set_by uuid,
  primary key (account_id),
  constraint account_address_account foreign key (institution_id, account_id) references public.account (institution_id, id)
);

alter table public.mail enable row level security;
alter table public.mail force row level security;
alter table public.account_address enable row level security;
alter table public.account_address force row level security;
create policy mail_link on public.mail for insert to itm_app
  with check (kind = 'link' and (institution_id = (select itm.institution()) or (select itm.scope()) = 'accounts'));
create policy mail_rules on public.mail for all to itm_owner using (true) with check (true);
create policy mail_send on public.mail for select to itm_signer using (true);
create policy mail_sent on public.mail for update to itm_signer using (true) with check (true);
create policy address_rules on public.account_address for all to itm_owner
  using ((select session_user) = 'itm_app') with check ((select session_user) = 'itm_app');
create policy mail_rules on public.invitation for all to itm_owner
  using ((select session_user) = 'itm_signer' and exists (select from public.mail m where m.invitation_id = invitation.id and m.kind = 'link'))
  with check ((select session_user) = 'itm_signer');
revoke all on public.mail, public.account_address from public;
grant insert (id, institution_id, account_id, kind, about, invitation_id, language) on public.mail to itm_app;
grant select, update (address, detail, due_at, tries, sent_at) on public.mail to itm_signer;

create function itm.address_is_set() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' then
    return null;
  end if;
  -- One plain address, as the panel asks for: a link goes to one person, and to whom the page shows.
  if new.email !~ '^[^][[:space:][:cntrl:]@,;:<>()"\\]+@[^][[:space:][:cntrl:]@,;:<>()"\\]+$' then
    raise exception using errcode = 'restrict_violation', message = 'this is not one plain e-mail address';
  end if;
  insert into public.account_address (account_id, institution_id, set_at, set_by)
  values (new.id, new.institution_id, now(), itm.account())
  on conflict (account_id) do update set set_at = now(), set_by = itm.account();
  return null;
end $$;

-- The person set the address, or somebody other than the maker of the link and than who set it has confirmed this
-- account since. Nothing is known of an address from before: then a confirmation of any time by another person counts.
create function itm.address_is_vouched(who uuid, maker uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select coalesce((select d.set_by = who from public.account_address d where d.account_id = who), false)
      or exists (select from public.access_change c left join public.account_address d on d.account_id = c.account_id
                 where c.account_id = who and c.state = 'done' and c.decided_by is not null
                   and c.decided_by is distinct from maker and c.decided_by is distinct from d.set_by
                   and (d.set_at is null or c.decided_at >= d.set_at))
$$;

-- To the owner of the account, and to those who audit the institution: its own auditors, else the national ones.
create function itm.tell(about uuid, kind text, address text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  person public.account;
begin
  select a.* into person from public.account a where a.id = tell.about;
  delete from public.mail m where m.institution_id = person.institution_id and m.created_at < now() - interval '7 days';
  insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
  select person.institution_id, person.id, 'told_' || kind, person.id, coalesce(tell.address, person.email), person.language,
         jsonb_build_object('name', person.first_name || ' ' || person.last_name, 'username', person.username);
  if kind in ('link', 'confirmed', 'rise', 'end', 'reset') then
    insert into public.mail (institution_id, account_id, kind, about, address, language, detail)
    select a.institution_id, a.id, 'audit_' || kind, person.id, a.email, a.language,
           jsonb_build_object('name', a.first_name || ' ' || a.last_name, 'username', person.username)
      from public.account a join public.role_grant g on g.account_id = a.id and g.state = 'active'
     where a.active and a.id <> person.id
       and ((g.role = 'auditor_institution' and a.institution_id = person.institution_id)
            or (g.role = 'auditor_national' and not exists (
                  select from public.role_grant h join public.account b on b.id = h.account_id
                   where h.role = 'auditor_institution' and h.state = 'active' and b.active and b.id <> person.id
                     and b.institution_id = person.institution_id)));
  end if;
end $$;

create function itm.tell_of_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user <> 'itm_app' then
    return null;
  end if;
  if tg_op = 'INSERT' and (new.kind = 'link' or new.state = 'done') then
    perform itm.tell(new.account_id, new.kind);
  elsif tg_op = 'UPDATE' and old.state = 'waiting' and new.state = 'done' and new.decided_by is not null then
    perform itm.tell(new.account_id, case new.kind when 'link' then 'confirmed' else new.kind end);
  end if;
  return null;
end $$;

create function itm.tell_of_password() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' then
    perform itm.tell(new.account_id, 'password');
  end if;
  return null;
end $$;

-- To the address of before: a thief of the account reads the new one.
create function itm.tell_of_address() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_app' then
    perform itm.tell(new.id, 'email', old.email);
  end if;
  return null;
end $$;

-- A link that goes by e-mail belongs to a link of this transaction. The token that its maker could know is void; if the
-- address is vouched for, nobody but the person will have seen the link, and the first sign-in waits for nobody.
create function itm.mail_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  link public.invitation;
  person public.account;
begin
  if new.kind <> 'link' or pg_trigger_depth() > 1 then
    return new;
  end if;
  select n.* into link from public.invitation n
   where n.id = new.invitation_id and n.used_at is null and n.created_at = now() and n.created_by = itm.account();
  if link.id is null then
    raise exception using errcode = 'restrict_violation', message = 'a link that was made now is mailed';
  end if;
  select a.* into person from public.account a where a.id = link.account_id;
  new.institution_id := person.institution_id;
  new.account_id := person.id;
  new.about := person.id;
  new.address := person.email;
  new.language := person.language;
  new.detail := jsonb_build_object('name', person.first_name || ' ' || person.last_name, 'username', person.username);
  delete from public.mail m where m.about = person.id and m.kind = 'told_link' and m.created_at = now();
  update public.invitation n set token_digest = sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
   where n.id = link.id;
  if itm.address_is_vouched(person.id, link.created_by) then
    update public.access_change c set state = 'done' where c.invitation_id = link.id and c.state = 'waiting';
  end if;
  return new;
end $$;

-- The sender's new secret, of which only the digest comes here. False: the link was used, withdrawn or has expired.
create function itm.mail_token(mail uuid, digest bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  link uuid;
begin
  select m.invitation_id into link from public.mail m where m.id = mail_token.mail and m.kind = 'link' and m.sent_at is null;
  update public.invitation n set token_digest = digest, expires_at = now() + interval '72 hours'
   where n.id = link and n.used_at is null and n.expires_at > now();
  return found;
end $$;

-- Who sends a mail forgets its address, and writes no other: the link in it would go elsewhere.
create function itm.mail_stays() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user = 'itm_signer' then
    raise exception using errcode = 'restrict_violation', message = 'a mail keeps its address and its text, or loses them';
  end if;
  return new;
end $$;
revoke execute on function itm.mail_stays() from public;
create trigger b_mail before update of address, detail on public.mail for each row
  when ((new.address is not null and new.address is distinct from old.address)
        or (new.detail is not null and new.detail is distinct from old.detail)) execute function itm.mail_stays();
alter table public.mail enable always trigger b_mail;
create trigger a_mail before insert on public.mail for each row execute function itm.mail_rules();
create trigger d_address after insert or update of email on public.account for each row execute function itm.address_is_set();
create trigger d_tell after insert or update of state on public.access_change for each row execute function itm.tell_of_change();
create trigger d_tell after insert or update of password_hash on public.credential for each row execute function itm.tell_of_password();
create trigger e_tell after update of email on public.account for each row
  when (old.email is distinct from new.email) execute function itm.tell_of_address();
alter table public.mail enable always trigger a_mail;
alter table public.account enable always trigger d_address, enable always trigger e_tell;
alter table public.access_change enable always trigger d_tell;
alter table public.credential enable always trigger d_tell;

revoke all on function itm.address_is_set, itm.address_is_vouched, itm.tell, itm.tell_of_change, itm.tell_of_password,
  itm.tell_of_address, itm.mail_rules, itm.mail_token from public;
grant execute on function itm.mail_token to itm_signer;
