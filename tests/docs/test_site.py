"""The site that `make docs` built: whole, and complete without any other server."""

import importlib
import pathlib
import re
from html.parser import HTMLParser

import pytest


ROOT = pathlib.Path(__file__).parents[2]
SITE = ROOT / "site"
ROOMS = sorted(path.parent.name for path in (ROOT / "src/lengthwise").glob("[!_]*/__init__.pyi"))

pytestmark = pytest.mark.site


class Page(HTMLParser):
    """What a page loads, where its links lead, its ids, and its text outside code."""

    VOID = ("img", "link", "meta", "br", "hr", "input", "source", "path", "mspace")

    def __init__(self, path):
        super().__init__()
        self.loads, self.links, self.ids, self.words, self.mathml = [], [], set(), [], 0
        self.styles, self._within = [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found["id"]} if "id" in found else set()
        self.mathml += tag == "math"
        self.styles += [found["style"]] if "style" in found else []
        if tag == "a":
            self.links += [found["href"]] if "href" in found else []
        elif tag == "link":
            rel = set(found.get("rel", "").split())
            self.loads += [] if rel <= {"next", "prev", "canonical"} else [found["href"]]
        else:
            names = ("src", "srcset", "poster", "data", "href", "xlink:href", "action")
            self.loads += [found[name] for name in names if name in found]
        if tag not in self.VOID:
            self._within.append(tag)

    def handle_endtag(self, tag):
        while tag in self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" in self._within:
            self.styles.append(data)
        if not {"style", "script", "code", "pre", "math"} & set(self._within):
            self.words.append(data)


@pytest.fixture(scope="module")
def pages():
    found = {path.relative_to(SITE): Page(path) for path in SITE.rglob("*.html")}
    assert len(found) > 20, f"{SITE} must hold the built site: run `make docs`."
    return found


def elsewhere(address):
    return bool(re.match(r"(?:[a-z]+:)?//|(?!data:)[a-z]+:", address.strip(), flags=re.IGNORECASE))


def test_pages_load_nothing_from_elsewhere(pages):
    loads = {(path, address) for path, page in pages.items() for address in page.loads}
    assert len(loads) > 5 * len(pages)  # each has its styles, its script and its icon
    assert not {(path, address) for path, address in loads if elsewhere(address)}


def test_styles_load_nothing_from_elsewhere(pages):
    styles = [path.read_text() for path in SITE.rglob("*.css")]
    assert len(styles) >= 3
    styles += [style for page in pages.values() for style in page.styles]
    for style in styles:
        used = re.findall(r"url\(\s*['\"]?([^'\")]*)|@import\s+['\"]([^'\"]*)", style)
        assert not [address for pair in used for address in pair if address and elsewhere(address)]


def test_every_link_within_the_site_has_an_end(pages):
    for path, page in pages.items():
        for link in page.links:
            if elsewhere(link) or path.name == "404.html":  # the latter is served at any address
                continue
            address, _, anchor = link.partition("#")
            end = (SITE / path.parent / address).resolve() if address else SITE / path
            end = end / "index.html" if end.is_dir() else end
            assert end.is_file(), (path, link)
            if anchor and end.suffix == ".html":
                assert anchor in pages[end.relative_to(SITE)].ids, (path, link)


def test_formulas_are_mathml(pages):
    for path, page in pages.items():
        assert not re.search(r"\$|\\[(\[a-zA-Z]", " ".join(page.words)), path
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / "docs/theory.md").read_text(), flags=re.DOTALL)
    written = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, flags=re.DOTALL)
    assert len(written) > 100
    assert pages[pathlib.Path("theory/index.html")].mathml == len(written)
    theory = (SITE / "theory/index.html").read_text()
    bars = re.findall(r"<mo([^>]*)>(?:\||&#x0*7C;|&#124;)</mo>", theory)
    assert len(bars) > 5
    assert all('stretchy="false"' in bar for bar in bars)  # others grow to the height of the line
    assert pages[pathlib.Path("api/training/index.html")].mathml > 10  # of docstrings


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_explained(pages, room):
    module = importlib.import_module(f"lengthwise.{room}")
    text = (SITE / "api" / room / "index.html").read_text()
    parts = re.split(r'<h\d id="(lengthwise[\w.]+)" class="doc doc-heading">', text)
    explained = {
        name: "<p>" in part.partition("</h2>")[2]
        for name, part in zip(parts[1::2], parts[2::2], strict=True)
    }
    for name in module.__all__:
        assert explained.get(f"lengthwise.{room}.{name}"), name


def test_a_class_shows_what_it_is_made_from(pages):
    text = (SITE / "api/training/index.html").read_text()
    part = text.partition('id="lengthwise.training.BEMA"')[2].partition("<h3")[0]
    signature = re.sub(r"<[^>]+>|\s", "", part)
    assert "kappa:Any=0.5," in signature
    assert "convention:str=&quot;paper&quot;" in signature or 'convention:str="paper"' in signature


def test_the_tutorial_shows_its_outputs(pages):
    text = (SITE / "tutorial/index.html").read_text()
    assert re.search(r"<td>EMA_decay0\.998</td>", text)
    images = re.findall(r'<img[^>]* src="([^"]+\.png)"', text)
    assert images
    assert all((SITE / "tutorial" / image).resolve().is_file() for image in images)
