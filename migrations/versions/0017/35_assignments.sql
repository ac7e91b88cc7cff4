-- An assignment is called by its case and by the person who works on it: its end names nobody by itself.

do $$
declare
  change record;
  body text;
begin
  for change in select * from (values
    ('itm.names',
     'select a.id, ''case_assignment'', c.reference
    from public.case_assignment a join public.case_file c on c.id = a.case_id where',
     'select a.id, ''case_assignment'', concat_ws('' · '', c.reference, w.first_name || '' '' || w.last_name)
    from public.case_assignment a join public.case_file c on c.id = a.case_id
    left join public.account w on w.id = a.account_id where'),
    ('itm.names_for_audit',
     'select a.id, ''case_assignment'', c.reference
    from public.case_assignment a join reached using (institution_id) join public.case_file c on c.id = a.case_id',
     'select a.id, ''case_assignment'', concat_ws('' · '', c.reference, w.first_name || '' '' || w.last_name)
    from public.case_assignment a join reached using (institution_id) join public.case_file c on c.id = a.case_id
    left join public.account w on w.id = a.account_id'),
    ('itm.names_inside_known',
     'select a.id, a.case_id from public.case_assignment a',
     'select a.id, i.inside from public.case_assignment a cross join unnest(array[a.case_id, a.account_id]) i (inside)'))
    c(name, was, is_now) loop
    body := pg_get_functiondef(change.name::regproc);
    if strpos(body, change.was) = 0 then
      raise exception '% is another one than this migration expects', change.name;
    end if;
    execute replace(body, change.was, change.is_now);
  end loop;
end $$;
