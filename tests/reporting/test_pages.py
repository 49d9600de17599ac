import pytest

from partway.reporting.pages import fill_template


def test_texts_bring_no_marks_of_their_own_and_every_mark_needs_a_text() -> None:
    texts = dict.fromkeys(("title", "introduction", "missed", "contents", "sections", "footer"), "{{title}}")
    filled = fill_template("findings_page.html", texts)
    assert "<h1>{{title}}</h1>" in filled
    assert "style-src 'sha256-" in filled
    with pytest.raises(KeyError):
        fill_template("findings_page.html", {})
