-- One form of every name, and one key by which two names are the same: foundation/name_folding.py in the database's words
-- (clean_name, name_key; a test compares).

create function itm.clean_name(value text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select btrim(regexp_replace(regexp_replace(regexp_replace(translate(normalize(value, nfc),
      U&'\00B4\0060\2018\2019\201B\02B9\02BB\02BC\02BD\02BE\02BF\2032\FF07\2010\2011\2012\2013\2014\2015\2212\FE58\FE63\FF0D',
      repeat('''', 13) || repeat('-', 10)),
    -- controls (but what separates words), soft hyphens, joiners, marks of direction, fillers, selectors, tags
    U&'[\0001-\0008\000E-\001B\007F-\0084\0086-\009F\00AD\034F\0600-\0605\061C\06DD\070F\08E2\115F\1160\17B4\17B5\180B-\180F\200B\200D-\200F\202A-\202E\2060-\206F\3164\FE00-\FE0F\FEFF\FFA0\FFF9-\FFFB]|[\+0E0000-\+0E0FFF]', '', 'g'),
    -- the non-joiner stays between two letters of Arabic script, where Persian and Kurdish names need it
    U&'(?<![\0620-\063F\0641-\065F\066E-\06D3\06D5\06EE\06EF\06FA-\06FF\0750-\077F\0870-\0887\08A0-\08C9\200C])\200C+|\200C+(?![\0620-\063F\0641-\065F\066E-\06D3\06D5\06EE\06EF\06FA-\06FF\0750-\077F\0870-\0887\08A0-\08C9\200C])|\200C+(?=\200C)', '', 'g'),
    U&'[\0009-\000D\001C-\0020\0085\00A0\1680\2000-\200A\2028\2029\202F\205F\3000]+', ' ', 'g'), ' ')
$$;

create function itm.name_key(value text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select replace(itm.tr_fold(itm.clean_name(normalize(itm.clean_name(value), nfkc))), U&'\200C', '') $$;

create function itm.clean_names() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  case tg_table_name
    when 'unit' then new.name := itm.clean_name(new.name);
    when 'saved_view' then new.label := itm.clean_name(new.label);
    when 'institution' then
      new.name_tr := itm.clean_name(new.name_tr);
      new.name_en := itm.clean_name(new.name_en);
    else
      new.first_name := itm.clean_name(new.first_name);
      new.last_name := itm.clean_name(new.last_name);
      new.title := nullif(itm.clean_name(new.title), '');
  end case;
  return new;
end $$;

revoke all on function itm.clean_name, itm.name_key, itm.clean_names from public;
grant execute on function itm.clean_name, itm.name_key, itm.clean_names to itm_app, itm_owner;

create policy migrating on public.unit for all to itm_owner using (true) with check (true);
create policy migrating on public.account for all to itm_owner using (true) with check (true);
create policy migrating on public.institution for all to itm_owner using (true) with check (true);
create policy migrating on public.saved_view for all to itm_owner using (true) with check (true);
alter table public.unit drop constraint unit_name_per_parent;
alter table public.saved_view drop constraint saved_view_label_once;
update public.unit set name = coalesce(nullif(itm.clean_name(name), ''), 'Birim') where name <> itm.clean_name(name);
update public.saved_view set label = coalesce(nullif(itm.clean_name(label), ''), 'Görünüm') where label <> itm.clean_name(label);
update public.institution set name_tr = itm.clean_name(name_tr), name_en = itm.clean_name(name_en)
  where (name_tr, name_en) is distinct from (itm.clean_name(name_tr), itm.clean_name(name_en));
update public.account set first_name = itm.clean_name(first_name), last_name = itm.clean_name(last_name), title = itm.clean_name(title)
  where (first_name, last_name, title) is distinct from (itm.clean_name(first_name), itm.clean_name(last_name), itm.clean_name(title));
-- Those that look the same are told apart by a number, the oldest keeps its name.
do $$
declare again record;
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
end $$;
-- An e-mail address or an institution's name is not ours to change: people decide, and the upgrade waits for them.
do $$
declare twice text;
begin
  select string_agg(told, '; ' order by told) into twice from (
    select 'one e-mail address: ' || string_agg(a.username, ', ' order by a.username) as told
      from public.account a group by a.institution_id, itm.name_key(a.email) having count(*) > 1
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
create unique index institution_name_tr_once on public.institution (itm.name_key(name_tr));
create unique index institution_name_en_once on public.institution (itm.name_key(name_en));
create unique index unit_name_per_parent on public.unit (institution_id, parent_id, itm.name_key(name));
create unique index saved_view_label_once on public.saved_view (account_id, list, itm.name_key(label));
drop policy migrating on public.unit;
drop policy migrating on public.account;
drop policy migrating on public.institution;
drop policy migrating on public.saved_view;

create trigger b_clean before insert or update of name on public.unit for each row execute function itm.clean_names();
create trigger b_clean before insert or update of label on public.saved_view for each row execute function itm.clean_names();
create trigger a_clean before insert or update of name_tr, name_en on public.institution for each row execute function itm.clean_names();
create trigger a_clean before insert or update of first_name, last_name, title on public.account for each row execute function itm.clean_names();
alter table public.unit enable always trigger b_clean;
alter table public.saved_view enable always trigger b_clean;
alter table public.institution enable always trigger a_clean;
alter table public.account enable always trigger a_clean;

-- Up to where the blind index was written in which form (itm_admin/cases/reindexing.py): it is keyed, so that the panel
-- writes it; an interrupted run goes on here.
create table itm.indexed (
  institution_id uuid primary key references public.institution (id),
  form integer not null,
  up_to uuid
);
comment on table itm.indexed is 'The form of the blind index in which an institution''s persons were written, and after which person to go on.';
grant select, insert, update on itm.indexed to itm_app;
