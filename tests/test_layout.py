"""What the names of modules promise, read from the imports: no list names a module."""

import grimp
import pytest

HTTP = ("fastapi", "starlette", "uvicorn", "httpx")
SPEAKS_HTTP = (
    "router",
    "deps",
    "responses",
    "listing",
    "exports",
    "content_negotiation",
    "progress_stream",
    "events.stream",
    "stream.feeder",
    "stream.messages",
    "period",
)
"""How a module's name ends that knows requests and responses."""

UPWARD = {
    "repository": ("service", "router", "deps"),
    "service": ("router", "deps"),
    "schemas": ("repository", "service", "router", "deps"),
    "serializers": ("service", "router", "deps"),
    "errors": ("repository", "service", "router", "deps", "schemas"),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", "botkeys", include_external_packages=True, cache_dir=None)


def domain_modules(graph: grimp.ImportGraph) -> list[str]:
    return sorted(name for name in graph.modules if name.startswith("app.domains."))


@pytest.mark.parametrize(("kind", "above"), UPWARD.items())
def test_a_kind_of_module_imports_none_of_the_kinds_above_it(
    graph: grimp.ImportGraph, kind: str, above: tuple[str, ...]
) -> None:
    kinds = [name for name in domain_modules(graph) if name.endswith(kind)]
    broken = [
        f"{name} -> {imported}"
        for name in kinds
        for imported in sorted(graph.find_modules_directly_imported_by(name))
        if imported.startswith("app.domains.") and imported.endswith(above)
    ]
    assert kinds
    assert broken == []


def test_only_modules_that_say_so_know_http(graph: grimp.ImportGraph) -> None:
    knowing = {
        name
        for name in domain_modules(graph)
        if graph.find_modules_directly_imported_by(name) & set(HTTP)
    }
    assert {name for name in knowing if not name.endswith(SPEAKS_HTTP)} == set()
    assert {ending for ending in SPEAKS_HTTP if not any(n.endswith(ending) for n in knowing)} == (
        set()
    )
