"""The page in a real browser: it draws, asks for nothing, complains of nothing, and prints."""

from pathlib import Path

import pytest

import thalweg as tw

BAD = Path(__file__).parents[1] / "bad"

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module", params=["en", "ja"])
def page_file(request, tmp_path_factory):
    problem = tw.read(BAD / "hostile_names.csv", "y")
    fit = tw.train(problem, "diagonal")
    made = tw.report(tw.survey(problem), fit, tw.certify(fit, problem), lang=request.param)
    return request.param, made.save(tmp_path_factory.mktemp("page") / "report.html")


DRAWN = 4 + 4 + 8 + 6 + 6
"""Pictures: of the diagonal fit in the survey, of its run, and of its study (timeline, halves, folds, Lasso, race,
training, initialisations, tour); of the adapted fit; of the shallow fit and its surroundings."""


def opened(browser, file, width=1280, scheme="light"):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    seen = {"messages": [], "requests": [], "dialogs": []}
    page.on("console", lambda message: seen["messages"].append((message.type, message.text)))
    page.on("pageerror", lambda error: seen["messages"].append(("error", str(error))))
    page.on("request", lambda request: seen["requests"].append(request.url))
    page.on("dialog", lambda dialog: (seen["dialogs"].append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-figures]", timeout=30000)
    return page, seen


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark")])
def test_it_draws_and_is_quiet(browser, page_file, width, scheme):
    _, file = page_file
    page, seen = opened(browser, file, width, scheme)
    assert [m for m in seen["messages"] if m[0] == "error"] == []
    assert seen["requests"] == [file.as_uri()] and seen["dialogs"] == []
    lines = page.eval_on_selector_all(
        "figure[data-plot]",
        "all => all.map(e => e.querySelectorAll("
        "'.scatterlayer .trace, .heatmaplayer .hm, .gl-container canvas, .barlayer .trace, .contourlayer .contour')"
        ".length)",
    )
    heights = page.eval_on_selector_all("figure[data-plot] .plot", "all => all.map(e => e.clientHeight)")
    assert len(lines) == DRAWN and min(lines) >= 1 and min(heights) > 150
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_hostile_names_are_text_everywhere_also_in_figures(browser, page_file):
    _, file = page_file
    page, seen = opened(browser, file)
    assert page.locator("td", has_text="<script>alert(1)</script>").count() > 0
    labels = page.eval_on_selector_all("g.ytick text", "all => all.map(e => e.textContent)")
    assert any("<script>alert(1)</script>" in label for label in labels)
    assert page.locator("img").count() == 0 and seen["dialogs"] == []
    page.context.close()


def test_figures_have_words_for_those_who_do_not_see_them(browser, page_file):
    _, file = page_file
    page, _ = opened(browser, file)
    for figure in page.locator("figure[data-plot]").all():
        assert len(figure.locator("[role=img]").get_attribute("aria-label")) > 30
        figure.locator("summary").click()
        assert figure.locator("table tbody tr").first.is_visible()
    page.context.close()


def test_japanese_glyphs_render(browser, page_file):
    lang, file = page_file
    if lang != "ja":
        return
    page, _ = opened(browser, file)
    # A missing glyph is drawn as the same box for every character; real glyphs differ.
    differ = page.evaluate("""() => {
        const draw = (c) => {
            const canvas = document.createElement("canvas");
            const brush = canvas.getContext("2d");
            brush.font = "40px " + getComputedStyle(document.body).fontFamily;
            brush.fillText(c, 2, 42);
            return canvas.toDataURL();
        };
        return new Set(["判", "断", "用", "語"].map(draw)).size;
    }""")
    assert differ == 4
    page.context.close()


def test_it_prints_to_pdf(browser, page_file, tmp_path):
    _, file = page_file
    page, _ = opened(browser, file)
    content = page.pdf(path=tmp_path / "report.pdf")
    assert content[:5] == b"%PDF-" and len(content) > 50_000
    page.context.close()


def test_dark_follows_the_reader(browser, page_file):
    _, file = page_file
    page, _ = opened(browser, file, scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.eval_on_selector("g.xtick text", "e => getComputedStyle(e).fill")
    assert dark == "rgb(22, 25, 29)" and ink == "rgb(230, 228, 223)"
    page.context.close()
