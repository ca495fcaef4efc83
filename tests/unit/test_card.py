"""Cards, pages and pictures: what is on them, and that nothing in them is taken for HTML."""

import base64
import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from kinds import ended, late
from PIL import Image

from daybook import pictures
from daybook.card import VERDICTS, badge_html, badges, card_html, card_text, deciding, format_number
from daybook.page import command_line, facts_table, folded, head, page
from daybook.pictures import gallery, legend, new_figure, show
from daybook.promotion import Promotion
from daybook.promotion_report import promotion_picture
from daybook.score_report import score_picture
from daybook.traffic import picture


def test_format_number_has_separators_and_four_digits() -> None:
    texts = [format_number(value) for value in (20.3194, 17379, 17379.2, -1234.5, 1e-9, 1e15, float("nan"))]
    assert texts == ["20.32", "17,379", "17,379", "-1,234", "1e-09", "1e+15", "nan"]


def test_badges_are_one_or_two() -> None:
    assert badges("PROMOTE", "late") == ["ALERT", "PROMOTE"] and badges("OK", "late") == ["ALERT"]
    assert badges(None, None) == ["DONE"] and badges("OK", "late", "failed") == ["FAILED"]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        values = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        values = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return float(values @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", [*VERDICTS, "FAILED", "DONE"])
def test_badge_is_readable(name: str) -> None:
    html = badge_html(name)
    colours = [part.partition(";")[0] for part in html.split("background:")[1].split("color:")]
    ink = {"#fff": "#ffffff", "#000": "#000000"}[colours[1]]
    assert contrast(colours[0], ink) >= 4.5 and f">{name}<" in html


def test_page_colours_are_readable() -> None:
    light, dark = page("", "", "").split("@media screen")[:2]
    for text in (light, dark):
        colours = dict(
            part.strip().split(": ") for part in text.split("{", 2)[-1].partition("}")[0].split(";") if "--" in part
        )
        for name in ("ink", "soft", "link", "bad", "key", "text", "note", "number"):
            for ground in ("page", "shade"):
                paper = colours[f"--{ground}"].replace("#fff", "#ffffff")[:7]
                assert contrast(colours[f"--{name}"], paper) >= 4.5, (name, ground)


def test_card_escapes_everything() -> None:
    html = card_html(["OK"], ["<i>", "<i>"], {"<i>": 1}, "<i>")
    assert html.count("&lt;i&gt;") == 4 and "<i>" not in html
    assert (
        card_text(["OK"], ["fine"], {"mae": 1.23456, "model": None}, "x")
        == "OK  fine\nmae              1.2346\nnext: x"
    )
    assert deciding({"a_b": 1, "c": 2.0, "d": 3, "e": 4, "f": 5})[0] == ("a b", "1") and len(deciding({})) == 0


def test_parts_of_a_page_escape_everything() -> None:
    for html in (facts_table({"<i>": "<i>"}), folded("<i>", ""), command_line("<i>"), head("", ["OK"], ["<i>", "<i>"])):
        assert "<i>" not in html and "&lt;i&gt;" in html
    assert "<title>&lt;i&gt;</title>" in page("<i>", "", "")


def opened(html: str) -> Image.Image:
    """The first picture in HTML."""
    return Image.open(io.BytesIO(base64.b64decode(html.partition("base64,")[2].partition('"')[0])))


def test_show_makes_a_picture_with_a_text() -> None:
    figure, axis = new_figure(width=3.5, height=2)
    axis.plot([1, 2], label="<a>")
    legend(axis)
    shown = show(figure, 'one "to" <two>')
    assert 'alt="one &quot;to&quot; &lt;two&gt;"' in shown._repr_html_() and repr(shown) == 'one "to" <two>'
    assert opened(shown.html).size == (560, 320)
    assert not matplotlib.rcParams["axes.spines.top"], "a picture of the owner looks the same"


def test_gallery_has_each_picture_once() -> None:
    made = gallery((new_figure(width=3)[0], f"number {k}") for k in range(3))
    assert made.html.count("<img ") == 3 and made.alt == "number 0\nnumber 1\nnumber 2"


def test_colours_are_apart_for_the_colour_blind() -> None:
    protan = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])  # Machado et al. 2009
    deutan = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    names = ("BLUE", "RED", "GREY", "INK")
    colours = [[int(getattr(pictures, name)[k : k + 2], 16) for k in (1, 3, 5)] for name in names]
    for seen in (np.array(colours) @ protan.T, np.array(colours) @ deutan.T):
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(names), 1)]
        assert apart.min() > 60


def test_score_picture_suits_the_task() -> None:
    then, now = pd.Series([0.1, 0.2, 0.9]), pd.Series([0.8, 0.9])
    assert "mean 0.85 for this table, 0.4 for" in score_picture(late, then, now).alt
    names = pd.Series([str(name) for name in ended.classes])
    assert "instead of" in score_picture(ended, names, names.head(1)).alt
    assert "mean 7 for this table" in score_picture(late, pd.Series([7.0]), pd.Series([7.0] * 3)).alt


def test_promotion_picture_needs_a_rival() -> None:
    assert promotion_picture(Promotion("a:1", "back", {}), None) is None
    assert promotion_picture(Promotion("a:1", "forced", {"mae": 2.0}), None) is None
    shown = promotion_picture(Promotion("a:1", "first", {"mae": 2.0, "baseline_mae": 3.0}), None)
    assert shown.alt == "mae: naive baseline 3, new champion 2"


def test_traffic_picture_counts_by_kind() -> None:
    hours = pd.DataFrame({200: [3, 1], 404: [0, 1]}, index=pd.to_datetime(["2024-01-01 00:00", "2024-01-01 05:00"]))
    assert picture(hours).alt.endswith("4 answered, 1 refused (4xx).")
