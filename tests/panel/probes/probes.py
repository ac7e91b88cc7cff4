"""The 39 probes, by name: where plain Flask-AppBuilder leaks under `base_filters`, and how each asks.

One row per probe; each also asks our panel, which must hold. A leak is
another tenant's data seen, changed or pointed at, or a value that no screen shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.panel.probes import on_panel, on_panel_api, on_plain
from tests.panel.probes.panel_site import PanelSite
from tests.panel.probes.plain_site import Site

HELD, LEAKS = False, True


@dataclass(frozen=True)
class Probe:
    name: str
    leaks_on_plain: bool
    on_plain: Callable[[Site], bool]
    on_panel: Callable[[PanelSite], None]
    note: str = ""


PROBES = (
    # Lists and forms
    Probe("list rows", HELD, on_plain.list_rows, on_panel.list_rows),
    Probe("relation dropdown in the search form", LEAKS, on_plain.search_dropdown, on_panel.search_dropdown),
    Probe("show by id", HELD, on_plain.show_by_id, on_panel.show_by_id),
    Probe("edit page by id", HELD, on_plain.edit_page_by_id, on_panel.edit_page_by_id),
    Probe("dropdown of the add form", LEAKS, on_plain.add_dropdown, on_panel.add_dropdown),
    Probe("dropdown of the edit form", LEAKS, on_plain.edit_dropdown, on_panel.edit_dropdown),
    Probe("add linking another tenant's row", LEAKS, on_plain.add_linking, on_panel.add_linking),
    Probe("the foreign name then shown in the list", LEAKS, on_plain.linked_name_in_list, on_panel.linked_name_in_list),
    Probe("add prefilled by a filter in the address", LEAKS, on_plain.add_prefilled, on_panel.add_prefilled),
    Probe("edit linking another tenant's row", LEAKS, on_plain.edit_relinking, on_panel.edit_relinking),
    Probe("edit by id", HELD, on_plain.edit_by_id, on_panel.edit_by_id),
    Probe("delete by id", HELD, on_plain.delete_by_id, on_panel.delete_by_id),
    Probe("single action", LEAKS, on_plain.single_action, on_panel.single_action),
    Probe("bulk action", LEAKS, on_plain.bulk_action, on_panel.bulk_action),
    Probe("master and detail by another's key", HELD, on_plain.master_detail, on_panel.master_detail),
    Probe("related views", HELD, on_plain.related_views, on_panel.related_views),
    Probe("a view whose author forgot the filter", LEAKS, on_plain.forgotten_filter, on_panel.forgotten_filter),
    Probe(
        "several views on one page",
        HELD,
        on_plain.several_views,
        on_panel.several_views,
        "would only repeat a name linked before",
    ),
    Probe("compact editing", HELD, on_plain.compact_edit, on_panel.compact_edit),
    Probe("chart", HELD, on_plain.chart, on_panel.chart),
    Probe("base filter on a path to many", LEAKS, on_plain.dotted_filter, on_panel.dotted_filter),
    Probe("file download", LEAKS, on_plain.download, on_panel.download),
    Probe("filter on a hidden column", LEAKS, on_plain.hidden_filter, on_panel.hidden_filter),
    Probe("order by a hidden or related column", LEAKS, on_plain.hidden_order, on_panel.hidden_order),
    Probe(
        "unbounded page size",
        HELD,
        on_plain.page_size,
        on_panel.page_size,
        "gives every row of one's own at once; none of others",
    ),
    Probe("unique validator as an oracle", LEAKS, on_plain.unique_oracle, on_panel.unique_oracle),
    # API
    Probe("API list", HELD, on_plain.api_list, on_panel_api.api_list),
    Probe("linked foreign names in the API list", LEAKS, on_plain.api_linked_names, on_panel_api.api_linked_names),
    Probe("API get by id", HELD, on_plain.api_get, on_panel_api.api_get),
    Probe("related values of API _info", LEAKS, on_plain.api_info, on_panel_api.api_info),
    Probe("API put by id", HELD, on_plain.api_put, on_panel_api.api_put),
    Probe("API delete by id", HELD, on_plain.api_delete, on_panel_api.api_delete),
    Probe("API post linking", LEAKS, on_plain.api_post_linking, on_panel_api.api_post_linking),
    Probe("API filter by a foreign relation", HELD, on_plain.api_relation_filter, on_panel_api.api_relation_filter),
    # Administration
    Probe("tenant administrator lists all users", LEAKS, on_plain.lists_users, on_panel_api.lists_users),
    Probe("opens another tenant's user", LEAKS, on_plain.opens_user, on_panel_api.opens_user),
    Probe("gives self Admin", LEAKS, on_plain.gives_self_admin, on_panel_api.gives_self_admin),
    Probe("resets the platform root's password", LEAKS, on_plain.resets_root, on_panel_api.resets_root),
    Probe("security API lists all tenants", LEAKS, on_plain.security_api, on_panel_api.security_api),
)
