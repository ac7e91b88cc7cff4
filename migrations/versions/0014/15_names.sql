-- One form for what people type alike: without marks and case, full-width and other forms as the plain ones, and İ, I, ı
-- and i one letter. Names are searched by it and told apart by it, in sign-ins too. The same table of letters as
-- `folded` in itm_admin/foundation/name_folding.py (a test compares them).
create or replace function itm.tr_fold(value text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select replace(replace(replace(replace(translate(
    regexp_replace(normalize(value, nfkd), U&'[\0300-\036F]', '', 'g'),
    'ABCDEFGHIJKLMNOPQRSTUVWXYZΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯıςØøĐđŁłĦħƏŊ。·‧・ẞÆŒÞ',
    'abcdefghijklmnopqrstuvwxyzαβγδεζηθικλμνξοπρστυφχψωѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяiσooddllhhəŋ....ßæœþ'
  ), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th')
$$;

-- What looked different until now may look the same: the unique columns are made anew, and two of one name are told apart
-- by a number, or by people.
create policy migrating on public.unit for all to itm_owner using (true) with check (true);
create policy migrating on public.account for select to itm_owner using (true);
create policy migrating on public.institution for select to itm_owner using (true);
create policy migrating on public.saved_view for all to itm_owner using (true) with check (true);
drop index public.account_email_once, public.institution_name_tr_once, public.institution_name_en_once,
  public.unit_name_per_parent, public.saved_view_label_once;
do $$
declare
  again record;
  twice text;
begin
  for again in
    select u.id, u.name, row_number() over (partition by u.institution_id, u.parent_id, itm.name_key(u.name) order by u.created_at, u.id) as place
      from public.unit u
  loop
    if again.place > 1 then
      update public.unit set name = again.name || ' (' || again.place || ' – ' || left(again.id::text, 4) || ')' where id = again.id;
    end if;
  end loop;
  for again in
    select v.id, v.label, row_number() over (partition by v.account_id, v.list, itm.name_key(v.label) order by v.id) as place
      from public.saved_view v
  loop
    if again.place > 1 then
      update public.saved_view set label = left(again.label, 50) || ' ' || left(again.id::text, 8) where id = again.id;
    end if;
  end loop;
  select string_agg(told, '; ' order by told) into twice from (
    select 'one e-mail address: ' || string_agg(a.username, ', ' order by a.username) as told
      from public.account a group by a.institution_id, itm.name_key(a.email) having count(*) > 1
    union all
    select 'one user name: ' || string_agg(a.username, ', ' order by a.username)
      from public.account a group by itm.name_key(a.username) having count(*) > 1
    union all
    select 'one Turkish name: ' || string_agg(i.code, ', ' order by i.code)
      from public.institution i group by itm.name_key(i.name_tr) having count(*) > 1
    union all
    select 'one English name: ' || string_agg(i.code, ', ' order by i.code)
      from public.institution i group by itm.name_key(i.name_en) having count(*) > 1
  ) as found;
  if twice is not null then
    raise exception using errcode = 'unique_violation',
      message = 'Not upgraded, since these look the same: ' || twice,
      hint = 'Change all but one of each with the program that is installed now, then upgrade again.';
  end if;
end $$;
create unique index account_email_once on public.account (institution_id, itm.name_key(email));
create unique index account_username_once on public.account (itm.name_key(username));
create unique index institution_name_tr_once on public.institution (itm.name_key(name_tr));
create unique index institution_name_en_once on public.institution (itm.name_key(name_en));
create unique index unit_name_per_parent on public.unit (institution_id, parent_id, itm.name_key(name));
create unique index saved_view_label_once on public.saved_view (account_id, list, itm.name_key(label));
drop policy migrating on public.unit;
drop policy migrating on public.account;
drop policy migrating on public.institution;
drop policy migrating on public.saved_view;
