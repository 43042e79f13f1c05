"""The endpoint's own page, where columns have names that the page uses itself."""

from __future__ import annotations

import re
from html import unescape

from mainspring.contract import Contract
from mainspring.package import build
from mainspring.serve.page import SCRIPT, page
from mainspring.serve.served import Served
from mainspring.serve.traffic import Deployment
from mainspring.train import fit
from tests.serve import shop


def test_a_column_called_as_the_place_of_the_address_stays_a_column() -> None:
    terms = Contract.parse(shop.CONTRACT.replace("[columns.town]", "[columns.ADDRESS]"))
    model = fit(shop.table().rename({"town": "ADDRESS"}), terms, kind="linear")
    bundle = build(model, contract=terms, holdout=shop.table(20, seed=1).rename({"town": "ADDRESS"}))
    text = page(Deployment(1, Served(bundle, name="shop", version=1)))
    found = re.search(r'<pre id="command">(.*) <span id="address">ADDRESS</span>/predict</pre>', text)
    assert found is not None
    assert '"ADDRESS":' in unescape(found[1])
    assert text.count('id="address"') == 1
    assert 'by("address").textContent = location.origin' in SCRIPT


def test_the_page_asks_an_address_without_the_password_that_it_was_opened_with() -> None:
    assert "location.origin + location.pathname" in SCRIPT  # fetch refuses an address that has one
    assert 'fetch("' not in SCRIPT
