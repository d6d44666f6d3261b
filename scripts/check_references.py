"""Check that every file and module that the repository's own text names exists.

Comments, docstrings, Markdown and the comments of other text files are read. `python -m
scripts.check_references` prints what is named and missing, and exits with 1 if anything is.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]

_SKIPPED = {"__pycache__", "node_modules", "build", "dist", "static", "fixtures"}
_KEPT_HIDDEN = {".ci", ".editorconfig", ".pre-commit-config.yaml", ".dockerignore", ".gitignore"}
_READ = {".py", ".md", ".toml", ".yaml", ".yml", ".ini", ".sql", ".mako"}
_READ_NAMES = {"Makefile", "Dockerfile", "run", *_KEPT_HIDDEN}

# A path below one of our folders, a document or module by its bare name, or what lies outside.
_STEP = r"(?:[\w.<>*…-]|\{[\w, ]+\})+"
_PATH = re.compile(rf"(?<![\w./<>{{}}*-])(?:\.{{1,2}}/)*[\w.-]+(?:/{_STEP})*/?")
_DOCUMENT = re.compile(r"\bdocs/[\w./-]*\w")
_BARE = re.compile(r"^[\w-]+\.(?:md|py)$|^(?:LICENSE|Makefile|Dockerfile)$")
_MODULE = re.compile(r"(?<![\w./@-])[a-z_]+(?:\.[A-Za-z_]\w*)+")
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"[<>{}*…]")

Found = tuple[int, str]


class Repository:
    """The files below one root, and what they may call each other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(text_files(root))
        self.names = {path.name for path in self.files} | {path.name for path in root.iterdir()}
        self.top = {path.name for path in root.iterdir() if path.is_dir() and _read(path)}
        self.sources = [root, *sorted(path for path in root.glob("sdk/*/src") if path.is_dir())]
        self.packages = {
            path.name
            for source in self.sources
            for path in source.iterdir()
            if path.is_dir() and any(file.is_relative_to(path) for file in self.files)
        }

    def missing(self) -> Iterator[str]:
        """Yield `file:line: name` for every reference that names nothing."""
        for path in self.files:
            for line, name in self._missing_in(path):
                yield f"{path.relative_to(self.root)}:{line}: {name}"

    def _missing_in(self, path: Path) -> Iterator[Found]:
        text = path.read_text(encoding="utf-8")
        prose = text
        if path.suffix == ".py":
            prose = python_prose(text, messages="tests" not in path.relative_to(self.root).parts)
        elif path.suffix == ".md":
            yield from self._links(path, text)
            prose = _LINK.sub("", _FENCE.sub(_blank, text))
        else:
            prose = "\n".join(re.sub(r"^.*?(?:#|--|$)", "", line) for line in text.splitlines())
        for number, line in enumerate(prose.splitlines(), start=1):
            for name in self._names(line):
                if not self._exists(name, path) and not _may_be_absent(name, path, text):
                    yield number, name

    def _links(self, path: Path, text: str) -> Iterator[Found]:
        for match in _LINK.finditer(text):
            target, _, anchor = match.group(1).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (path.parent / target) if target else path
            if not _holds(file) or (anchor and anchor not in anchors(file)):
                yield text.count("\n", 0, match.start()) + 1, match.group(1)

    def _names(self, line: str) -> Iterator[str]:
        for match in _PATH.finditer(line):
            name = match.group().rstrip(".-")
            parts = PurePosixPath(name).parts
            if not parts or _PLACEHOLDER.search(parts[0]):
                continue
            ours = "/" in name and parts[0] in {*self.top, "shared"}
            if parts[0] == ".." or ours or _BARE.match(name):
                yield name
        for match in _MODULE.finditer(line):
            if match.group().partition(".")[0] in self.packages:
                yield match.group()

    def _exists(self, name: str, path: Path) -> bool:
        if _BARE.match(name):
            return name in self.names
        if "/" not in name:
            return any(_is_module(source, name.split(".")) for source in self.sources)
        if "shared" in PurePosixPath(name).parts[:2]:
            return False
        return any(_holds(base / name) or _matches(base, name) for base in (self.root, path.parent))


def python_prose(text: str, *, messages: bool = True) -> str:
    """Return a module's comments and docstrings, and the pages its messages name, line by line."""
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] += token.string
    tree = ast.parse(text)
    # A docstring, or a string that stands alone below what it describes.
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) in alone:
            for offset, line in enumerate(node.value.splitlines()):
                lines[node.lineno - 1 + offset] += f" {line}"
        elif messages:
            lines[node.lineno - 1] += " ".join(["", *_DOCUMENT.findall(node.value)])
    return "\n".join(lines)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    headings = _HEADING.findall(_FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def text_files(root: Path) -> Iterator[Path]:
    for path in root.iterdir():
        if not _read(path):
            continue
        if path.is_dir():
            yield from text_files(path)
        elif path.suffix in _READ or path.name in _READ_NAMES:
            yield path


def _read(path: Path) -> bool:
    """Return whether this is a file or folder of ours, neither made by a tool nor from others."""
    hidden = path.name.startswith(".") and path.name not in _KEPT_HIDDEN
    return not hidden and path.name not in _SKIPPED and not path.name.endswith(".egg-info")


def _may_be_absent(name: str, path: Path, text: str) -> bool:
    """Return whether this is data beside the repository, in a test that skips without it."""
    return "shared" in name and path.name.startswith("test_") and "skip" in text


def _holds(path: Path) -> bool:
    """Return whether this is a file, or a folder that holds more than caches of former modules."""
    if not path.is_dir():
        return path.exists()
    return any(file.is_file() and "__pycache__" not in file.parts for file in path.rglob("*"))


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


def _matches(base: Path, name: str) -> bool:
    """Return whether a file fits a name with a placeholder, such as `docs/<name>.md`."""
    if not _PLACEHOLDER.search(name):
        return False
    return any(True for _ in base.glob(re.sub(r"<[^>]*>|\{[^}]*\}|…", "*", name)))


def _is_module(source: Path, parts: list[str]) -> bool:
    """Return whether this is a package, a module, or a name that stands in one."""
    for length in range(len(parts), 0, -1):
        place, rest = source.joinpath(*parts[:length]), parts[length:]
        module = place.with_suffix(".py")
        file = module if module.is_file() else place / "__init__.py"
        if place.is_dir() and not rest:
            return True
        if file.is_file():
            return _names_in(file).issuperset(rest)
    return False


@cache
def _names_in(module: Path) -> frozenset[str]:
    """Return the names in a module's code, its comments and strings left out."""
    with tokenize.open(module) as file:
        tokens = tokenize.generate_tokens(file.readline)
        return frozenset(token.string for token in tokens if token.type == tokenize.NAME)


def main() -> int:
    missing = list(Repository(ROOT).missing())
    for line in missing:
        print(line, file=sys.stderr)
    if missing:
        print(f"{len(missing)} references name nothing in the repository.", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
