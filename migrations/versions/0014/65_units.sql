-- An institution's auditor reads the units of the own institution. Those of all are the national auditors' to read.
alter policy unit_read on public.unit
  using (institution_id = (select itm.home()) or (select itm.scope()) in ('oversight', 'accounts')
         or ((select itm.scope()) = 'audit' and (select itm.national())));
