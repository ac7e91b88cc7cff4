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

-- A case's reference is given by the database, with the case: the panel writes no number. Its year's counter stays locked
-- until the transaction ends, so the numbers have no gap. The last number's case must be there when the transaction
-- ends (the key below), and before another number is given: an INSERT that stores nothing after all (ON CONFLICT) fails.
alter table public.case_counter add column reference varchar; -- of the case that has the last number

create policy migrating on public.case_counter for all to itm_owner using (true) with check (true);
create policy migrating on public.case_file for select to itm_owner using (true);
update public.case_counter n set reference = c.reference
  from public.case_file c, public.institution i
 where i.id = n.institution_id and c.institution_id = n.institution_id
   and c.reference = format('ITM-%s-%s-%s', i.code, n.year, lpad(n.last::text, greatest(6, length(n.last::text)), '0'));
drop policy migrating on public.case_counter;
drop policy migrating on public.case_file;

alter table public.case_counter add constraint case_counter_case foreign key (institution_id, reference)
  references public.case_file (institution_id, reference) deferrable initially deferred;
create policy counter_given on public.case_counter for all to itm_owner
  using (institution_id = (select itm.institution())) with check (institution_id = (select itm.institution()));
revoke insert, update on public.case_counter from itm_app;

create function itm.give_reference() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  counted public.case_counter;
  number text;
begin
  if session_user <> 'itm_app' then
    return new;
  end if;
  insert into public.case_counter as n (institution_id, year, last)
  values (new.institution_id, extract(year from new.opened_on), 1)
  on conflict (institution_id, year) do update set last = n.last + 1
  returning * into strict counted;
  if counted.reference is not null and not exists (
       select from public.case_file c where c.institution_id = new.institution_id and c.reference = counted.reference) then
    raise exception using errcode = 'restrict_violation', message = 'a case''s number is given with its case';
  end if;
  number := lpad(counted.last::text, greatest(6, length(counted.last::text)), '0');
  select format('ITM-%s-%s-%s', i.code, counted.year, number) into strict new.reference
    from public.institution i where i.id = new.institution_id;
  update public.case_counter n set reference = new.reference
   where n.institution_id = new.institution_id and n.year = counted.year;
  return new;
end $$;
create trigger b_reference before insert on public.case_file for each row execute function itm.give_reference();
alter table public.case_file enable always trigger b_reference;
revoke all on function itm.last_login_rules, itm.give_reference from public;
