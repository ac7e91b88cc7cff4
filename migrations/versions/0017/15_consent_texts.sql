-- The texts that are read out when consent is asked: of the Presidency alone, for everybody to read and to print. A text that was
-- read out once never changes: the next one is another version.

create table consent_text (like itm.record including all,
  purpose varchar not null,
  language varchar not null,
  number integer not null,
  body varchar not null,
  yes varchar not null,
  no varchar not null,
  constraint consent_text_versions check (number between 1 and 9999)
);
select itm.keep('consent_text', 'consent_text');
select itm.keep_codes('consent_text', '{purpose>consent_purpose,language>language}');
create unique index consent_text_once on consent_text (purpose, language, number);
create policy consent_text_read on consent_text for select to itm_app using ((select itm.scope()) is not null and deleted_at is null);

create function itm.of_presidency() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from public.institution i where i.id = new.institution_id and i.kind = 'presidency') then
    raise exception using errcode = 'insufficient_privilege', message = 'the Presidency alone writes this';
  end if;
  return new;
end $$;
select itm.keep_rule('consent_text', 'd_presidency', 'before insert', 'itm.of_presidency()');
select itm.keep_rule('consent_text', 'b_text', 'before update when ((old.purpose, old.language, old.number, old.body, old.yes, old.no)'
  ' is distinct from (new.purpose, new.language, new.number, new.body, new.yes, new.no))', 'itm.stays(''the parts of a text'')');
revoke all on function itm.of_presidency from public;
