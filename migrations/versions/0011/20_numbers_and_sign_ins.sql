-- The account's own sign-in writes when it last was, with the database's time.
create function itm.last_login_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' then
    if tg_op = 'INSERT' or itm.login_name() is distinct from new.username then
      raise exception using errcode = 'restrict_violation', message = 'a sign-in writes when it was, and nothing else does';
    end if;
    new.last_login := now();
  end if;
  return new;
end $$;
create trigger e_never_signed_in before insert on public.account for each row
  when (new.last_login is not null) execute function itm.last_login_rules();
create trigger e_signed_in before update on public.account for each row
  when (old.last_login is distinct from new.last_login) execute function itm.last_login_rules();
alter table public.account enable always trigger e_never_signed_in, enable always trigger e_signed_in;

-- An institution's number of the year begins at one and rises by one.
create function itm.counter_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' and (
       (tg_op = 'INSERT' and new.last <> 1)
       or (tg_op = 'UPDATE' and (new.institution_id, new.year, new.last)
                                is distinct from (old.institution_id, old.year, old.last + 1))) then
    raise exception using errcode = 'restrict_violation', message = 'the number of cases rises by one';
  end if;
  return new;
end $$;

create trigger a_rises before insert or update on public.case_counter for each row execute function itm.counter_rules();
alter table public.case_counter enable always trigger a_rises;
revoke all on function itm.last_login_rules, itm.counter_rules from public;
