"""Check that a site is whole, and that reading it needs no network: python tools/links.py build/docs."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("link", "href"),
}


class Page(HTMLParser):
    """What a page has, what it links to, and what a browser loads with it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loaded = {""}, [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the addresses of an element."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)
            elif (tag, name) in LOADED and value:
                self.loaded.append(value)


def remote(text: str) -> list[str]:
    """Addresses elsewhere that a style loads."""
    found = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""", text)
    return [address for address in found if re.match("(https?:)?//", address)]


def faults(site: Path) -> list[str]:
    """What is wrong with a site: a link that leads nowhere, or something that is loaded from elsewhere."""
    pages = {path: Page(path) for path in sorted(site.resolve().rglob("*.html"))}
    found = [
        f"{path.name} loads {address}" for path in sorted(site.rglob("*.css")) for address in remote(path.read_text())
    ]
    for path, page in pages.items():
        styles = "".join(re.findall(r"<style.*?</style>", page.text, re.DOTALL))
        addresses = [(address, False) for address in page.links] + [(address, True) for address in page.loaded]
        found += [f"{path.name} loads {address}" for address in remote(styles)]
        for address, is_loaded in addresses:
            parts = urlsplit(address)
            if parts.scheme == "data" or (not is_loaded and (parts.scheme or parts.netloc)):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if parts.scheme or parts.netloc:
                found.append(f"{path.name} loads {address}")
            elif not target.is_file() or (target in pages and unquote(parts.fragment) not in pages[target].ids):
                found.append(f"{path.relative_to(site.resolve())} links to {address}, which is not there")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit("\n".join(faults(Path(sys.argv[1]))) or 0)
