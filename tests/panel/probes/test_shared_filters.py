"""Views are singletons, and plain Flask-AppBuilder keeps a request's filters on them: other threads get them too."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

from tests.panel.probes.plain_site import Site

THREADS = 8
Search = Callable[[str], str]  # a term to the page that answers it


def crossed(searches: list[Search], terms: list[str], requests: int, enough: int) -> int:
    """How many answers carried another thread's search term; each thread stops once `enough` are seen.

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
