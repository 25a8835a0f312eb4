"""That a page can be used by everybody, as far as a machine can tell (WCAG 2.2, level AA)."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine

from api.app import create_app
from api.pages.assets import STATIC
from tests.api import builders as b
from tests.api import chain_rows as c
from tests.api.page_elements import Element, Page
from tests.api.page_rows import add_file, page_settings
from tests.api.serving import Stage

CSS = (STATIC / "page.css").read_text()
TEXT_CONTRAST = 4.5
"""Success criterion 1.4.3."""
SHAPE_CONTRAST = 3.0
"""Success criterion 1.4.11: borders of controls, bars."""
TEXT = ("ink", "muted", "accent", "good", "warn", "bad")
GROUNDS = ("page", "card", "tint")


@pytest.fixture
def page(stage: Stage, database_url: str, tmp_path: Path, login_engine: Engine) -> Iterator[Page]:
    with login_engine.begin() as rows:
        c.add_marks(rows, degraded_reason="halted")
        campaign_id = b.add_campaign(rows)
        c.add_treasury(rows)
        b.add_settled(rows, campaign_id, amount_minor=1_000_000)
        add_file(rows, campaign_id, purpose="cover")
        add_file(rows, campaign_id)
        add_file(rows, campaign_id, "mp4", declared_type="video/mp4")
        add_file(rows, campaign_id, "pdf", declared_type="application/pdf")
    app = create_app(page_settings(database_url, tmp_path))
    with stage.showing(app) as client:
        yield Page(client.get("/campaigns/solar").text)


def test_page_names_its_language_and_itself(page: Page) -> None:
    assert page.one("html")["lang"] == "pt-BR"
    assert page.one("title").text
    assert "user-scalable" not in page.one("meta", name="viewport")["content"]
    for link in page.all("a", hreflang="en"):
        assert link["lang"] == "en"


def test_headings_go_down_one_level_at_a_time(page: Page) -> None:
    levels = [int(one.tag[1]) for one in page.elements if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(one.text for one in page.elements if re.fullmatch("h[1-6]", one.tag))


def test_ids_are_unique_and_every_reference_to_one_leads_somewhere(page: Page) -> None:
    ids = [one["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.elements:
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert set(one.attributes.get(name, "").split()) <= set(ids), one
        if one.attributes.get("href", "").startswith("#"):
            assert one["href"][1:] in ids


def test_everything_that_can_be_used_has_a_name(page: Page) -> None:
    labelled = {one.attributes.get("for", "") for one in page.all("label")}

    def named(one: Element) -> bool:
        names = (one.attributes.get(name) for name in ("aria-label", "aria-labelledby"))
        return any(names) or one.attributes.get("id") in labelled or "label" in one.inside

    for one in page.elements:
        match one.tag:
            case "input" | "video":
                assert named(one), one
            case "progress":
                assert named(one) or "template" in one.inside, one  # named with its file
            case "a" | "button":
                pictured = [img for img in page.all("img") if img.inside[-2:] == ("a", "picture")]
                assert one.text or pictured, one
            case "section" | "nav":
                assert named(one), one
            case "img":
                assert one["alt"] or one["src"].startswith("/static/icon."), one
            case _:
                pass
    (legend,) = page.all("legend")
    assert legend.inside[-1] == "fieldset"
    assert legend.text


def test_news_is_announced_and_no_state_is_told_by_colour_alone(page: Page) -> None:
    live = page.one("p", id="upload-live")
    assert (live["role"], live["aria-live"]) == ("status", "polite")
    for one in page.all("p", _class="note good"):
        assert "✓" in one.text
    (warning,) = page.all("p", _class="note warn")
    assert warning.text.startswith("! ")


def test_what_needs_a_script_is_hidden_until_it_runs(page: Page) -> None:
    assert "hidden" in page.one("section", id="upload").attributes
    for button in page.all("button"):
        assert "hidden" in button.attributes
    (notice,) = page.all("noscript")
    assert "JavaScript" in notice.text


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


def schemes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    return {"light": colours(light), "dark": colours(light) | colours(dark)}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, "relative luminance")."""

    def linear(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_controls_stand_out_from_their_ground(scheme: str) -> None:
    chosen = schemes()[scheme]
    for ground in GROUNDS:
        for text in TEXT:
            assert contrast(chosen[text], chosen[ground]) >= TEXT_CONTRAST, (text, ground)
        assert contrast(chosen["edge"], chosen[ground]) >= SHAPE_CONTRAST, ground
    assert contrast(chosen["accent"], chosen["track"]) >= SHAPE_CONTRAST
    assert contrast(chosen["ink"], chosen["track"]) >= TEXT_CONTRAST


def test_both_schemes_name_the_same_colours_and_the_rest_uses_only_these() -> None:
    light, dark = (set(colours(css)) for css in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL))
    assert light == dark
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", re.sub(r"#[\w-]+[^{};]*\{", "{", rules))
    assert set(re.findall(r"var\(--([\w-]+)\)", rules)) <= light | {"shadow", "round"}


def test_nothing_moves_for_those_who_want_no_motion() -> None:
    calm = r"@media \(prefers-reduced-motion: no-preference\) \{.*?\n\}"
    assert "transition" in CSS
    assert not re.findall("transition|animation", re.sub(calm, "", CSS, flags=re.DOTALL))
