-- Beside an erasure that is under way or was done: what is written about the person waits for it, and is refused after it.

select itm.keep_rule(k.relation, 'd_living', 'before insert or update of deleted_at when (new.deleted_at is null)',
                     format('itm.about_the_living(%L)', array_to_string(k.about, '>')))
  from itm.kept k where k.by_hand and k.about is not null order by k.relation;

-- A reason in words is about a record that holds something protected, of a person who is not erased, or of a case that was
-- not shredded. As the owner, who looks the record up in the institution at work.
create function itm.note_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  row_values jsonb;
  gone boolean;
begin
  select k.* into kept from itm.kept k where k.kind = new.kind and k.private <> '{}';
  if kept.relation is null then
    raise exception using errcode = 'restrict_violation', message = 'nothing of this kind is revealed';
  end if;
  execute format('select to_jsonb(r) from public.%I r where r.id = $1 and r.institution_id = $2', kept.relation)
    into row_values using new.record, new.institution_id;
  if row_values is null then
    raise exception using errcode = 'insufficient_privilege', message = 'the record of this reason is not there';
  elsif kept.relation = 'case_file' then
    select c.data_key is null into gone from public.case_file c where c.id = new.record for share;
    if gone then
      raise exception using errcode = 'restrict_violation', constraint = 'nothing_is_shown', message = 'the narrative was shredded';
    end if;
  else
    perform itm.lock_living(itm.at_end_of(coalesce(kept.about, '{id}'), row_values));
  end if;
  return new;
end $$;
select itm.keep_rule('access_note', 'd_living', 'before insert when (current_user = ''itm_app'')', 'itm.note_rules()');

-- What is typed into a form of a person, or of a record about a person. A form's name ends with the id of its record.
create function itm.draft_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  named constant text := substring(new.form from '[^:]*$');
  place record;
  row_values jsonb;
begin
  if named !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    return new;
  end if;
  for place in select k.relation, coalesce(k.about, '{id}') as about from itm.kept k where k.about is not null or k.relation = 'person' loop
    execute format('select to_jsonb(r) from public.%I r where r.id = $1 and r.institution_id = $2', place.relation)
      into row_values using named::uuid, new.institution_id;
    if row_values is not null then
      perform itm.lock_living(itm.at_end_of(place.about, row_values));
    end if;
  end loop;
  return new;
end $$;
select itm.keep_rule('draft', 'd_living', 'before insert or update when (current_user = ''itm_app'')', 'itm.draft_rules()');

revoke all on function itm.note_rules, itm.draft_rules from public;
