"""Views are singletons, and plain Flask-AppBuilder keeps a request's filters on them: other threads get them too."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

from tests.panel.probes.panel_site import PanelSite
from tests.panel.probes.plain_site import Site

THREADS = 8
Search = Callable[[str], str]  # a term to the page that answers it


def crossed(searches: list[Search], terms: list[str], requests: int, enough: int) -> int:
    """The number of answers that carried another thread's search term; each thread stops once `enough` are seen.

    Term n belongs to search n; all threads start together.
    """
    found = 0

    def ask(number: int) -> None:
        nonlocal found
        others = [term for n, term in enumerate(terms) if n != number]
        for _ in range(requests):
            if found >= enough:
                return
            page = searches[number](terms[number])
            found += any(term in page for term in others)

    with ThreadPoolExecutor(len(searches)) as pool:
        list(pool.map(ask, range(len(searches))))
    return found


def test_plain_threads_answer_with_each_others_search_terms(plain: Site) -> None:
    plain.begin_again()
    people = [plain.person(name) for name in islice(cycle(("alice", "bob")), THREADS)]
    terms = [f"sought-by-{name}-{n}" for n, name in enumerate(islice(cycle(("alice", "bob")), THREADS))]

    def search(number: int) -> Search:
        return lambda term: people[number].get(f"/recordview/list/?_flt_2_title={term}").body

    assert crossed([search(n) for n in range(THREADS)], terms, requests=500, enough=1)


def test_our_panel_answers_every_thread_with_its_own_search(panel_site: PanelSite) -> None:
    panel, make = panel_site.panel, panel_site.panel.make
    tenants = [make.institution("JGK"), make.other_institution()]
    people = [panel.browser(make.focal_point(tenant)) for tenant in islice(cycle(tenants), THREADS)]
    terms = [f"ITM-{tenant.code}-{1900 + n}" for n, tenant in enumerate(islice(cycle(tenants), THREADS))]
    marks = {records.tenant.code: records.reference for records in (panel_site.a, panel_site.b)}

    def search(number: int) -> Search:
        """A list, a filtered list and a search form at once; each shows its own term, and no other's rows."""
        own, others = tenants[number % 2].code, tenants[1 - number % 2].code

        def ask(term: str) -> str:
            listed = people[number].get("/cases/?status=Active").text
            assert marks[own] in listed
            assert marks[others] not in listed
            found = people[number].get(f"/cases/?q={term}").text
            typed = people[number].post("/persons/search", name=term).text
            assert term in found
            assert term in typed
            return listed + found + typed

        return ask

    assert crossed([search(n) for n in range(THREADS)], terms, requests=6, enough=1) == 0
