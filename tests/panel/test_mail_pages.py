"""Pages where links go by e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.panel.panel_app import RunningPanel


def test_with_a_server_for_mails_the_page_shows_an_address_and_no_link(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    boss = panel.browser(panel.make.manager(who.tenant))
    panel.app.config["ITM_MAILS"] = True
    try:
        page = boss.post(f"/accounts/{who.id}/invite", reason="WRITTEN_ORDER")
    finally:
        panel.app.config["ITM_MAILS"] = False
    assert page.status_code == 200
    assert "/invitation/" not in page.text
    assert "adresine gönderiliyor" in page.text
