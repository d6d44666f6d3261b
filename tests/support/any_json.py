"""Any JSON, mixed with words and names that get past a parser's first check."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

HOSTILE = ("", "\x00", "\ud800", "1e999", "1e-40", "NaN", "1_0", "٣", "-", "0x1", "-1", "0", "1")


def any_json(names: tuple[str, ...], words: tuple[str, ...]) -> SearchStrategy[object]:
    """Return a strategy. `names` of members and `words` are those that a parser looks for."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from([*words, *HOSTILE])
        | st.text(max_size=8)
        | st.decimals()
    )
    members = st.sampled_from(names)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(members, inner, max_size=12),
        max_leaves=30,
    )
