"""Check a built site: its links lead somewhere, its examples have pictures, and nothing is loaded from elsewhere.

Usage: ``python docs/check_site.py docs/_build``
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.update(attrs[key] for key in ("id", "name") if attrs.get(key))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif tag == "link" and "canonical" not in attrs.get("rel", ""):
            self.loads.append(attrs.get("href"))
        elif attrs.get("src"):
            self.loads.append(attrs["src"])


def problems(site):
    """Lines that say what is wrong."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    for path, page in pages.items():
        for url in page.links + page.loads:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                if url in page.loads and parts.scheme != "data":
                    yield f"{path}: loads {url}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path}: {url} does not exist"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{path}: {url} has no such place"
    for path in (site / "auto_examples").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        if path.stem != "index" and not any(kind in text for kind in ("sphx-glr-single-img", "sphx-glr-multi-img")):
            yield f"{path}: an example without a picture"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1]).resolve()))
    print("\n".join(found) or "all links lead somewhere, and every example has a picture")
    sys.exit(bool(found))
