"""The 39 probes, by name: where plain Flask-AppBuilder leaks under `base_filters`, and how each asks.

One row per probe. A leak is another tenant's data seen, changed or pointed at, or a value that no screen shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.panel.probes import on_plain
from tests.panel.probes.plain_site import Site

HELD, LEAKS = False, True


@dataclass(frozen=True)
class Probe:
    name: str
    leaks_on_plain: bool
    on_plain: Callable[[Site], bool]
    note: str = ""


PROBES = (
    # Lists and forms
    Probe("list rows", HELD, on_plain.list_rows),
    Probe("relation dropdown in the search form", LEAKS, on_plain.search_dropdown),
    Probe("show by id", HELD, on_plain.show_by_id),
    Probe("edit page by id", HELD, on_plain.edit_page_by_id),
    Probe("dropdown of the add form", LEAKS, on_plain.add_dropdown),
    Probe("dropdown of the edit form", LEAKS, on_plain.edit_dropdown),
    Probe("add linking another tenant's row", LEAKS, on_plain.add_linking),
    Probe("the foreign name then shown in the list", LEAKS, on_plain.linked_name_in_list),
    Probe("add prefilled by a filter in the address", LEAKS, on_plain.add_prefilled),
    Probe("edit linking another tenant's row", LEAKS, on_plain.edit_relinking),
    Probe("edit by id", HELD, on_plain.edit_by_id),
    Probe("delete by id", HELD, on_plain.delete_by_id),
    Probe("single action", LEAKS, on_plain.single_action),
    Probe("bulk action", LEAKS, on_plain.bulk_action),
    Probe("master and detail by another's key", HELD, on_plain.master_detail),
    Probe("related views", HELD, on_plain.related_views),
    Probe("a view whose author forgot the filter", LEAKS, on_plain.forgotten_filter),
    Probe("several views on one page", HELD, on_plain.several_views, "would only repeat a name linked before"),
    Probe("compact editing", HELD, on_plain.compact_edit),
    Probe("chart", HELD, on_plain.chart),
    Probe("base filter on a path to many", LEAKS, on_plain.dotted_filter),
    Probe("file download", LEAKS, on_plain.download),
    Probe("filter on a hidden column", LEAKS, on_plain.hidden_filter),
    Probe("order by a hidden or related column", LEAKS, on_plain.hidden_order),
    Probe("unbounded page size", HELD, on_plain.page_size, "gives every row of one's own at once; none of others"),
    Probe("unique validator as an oracle", LEAKS, on_plain.unique_oracle),
    # API
    Probe("API list", HELD, on_plain.api_list),
    Probe("linked foreign names in the API list", LEAKS, on_plain.api_linked_names),
    Probe("API get by id", HELD, on_plain.api_get),
    Probe("related values of API _info", LEAKS, on_plain.api_info),
    Probe("API put by id", HELD, on_plain.api_put),
    Probe("API delete by id", HELD, on_plain.api_delete),
    Probe("API post linking", LEAKS, on_plain.api_post_linking),
    Probe("API filter by a foreign relation", HELD, on_plain.api_relation_filter),
    # Administration
    Probe("tenant administrator lists all users", LEAKS, on_plain.lists_users),
    Probe("opens another tenant's user", LEAKS, on_plain.opens_user),
    Probe("gives self Admin", LEAKS, on_plain.gives_self_admin),
    Probe("resets the platform root's password", LEAKS, on_plain.resets_root),
    Probe("security API lists all tenants", LEAKS, on_plain.security_api),
)
