"""SQL features of PostgreSQL 16, 17 and 18, as patterns: the service runs on 15."""

import re

NEWER_THAN_15 = (
    r"\bany_value\s*\(",
    r"\bjson_(table|exists|query|value|serialize|scalar|array|object|arrayagg|objectagg)\s*\(",
    r"\bIS\s+(NOT\s+)?JSON\b",
    r"\buuidv[47]\s*\(",
    r"\buuid_extract_",
    r"\bcasefold\s*\(",
    r"\brandom_normal\s*\(",
    r"\barray_(shuffle|sample|sort|reverse)\s*\(",
    r"\bpg_input_is_valid\b",
    r"\btransaction_timeout\b",
    r"\bWITHOUT\s+OVERLAPS\b",
    r"\bNOT\s+ENFORCED\b",
    r"\bVIRTUAL\b",
    r"\bRETURNING\s+(WITH|OLD|NEW)\b",
    r"\bON_ERROR\s+(STOP|IGNORE|SET_NULL)\b",
    r"\bSPLIT\s+PARTITION\b",
    r"\bMERGE\s+INTO\b[^;]*\bRETURNING\b",
    r"\bAT\s+LOCAL\b",
    r"\bGRANT\b[^;]*\bMAINTAIN\b",
    r"\bGRANT\b[^;]*\bWITH\s+(INHERIT|SET)\b",
)


def newer_than_15(sql: str) -> list[str]:
    """Return the patterns of newer features that occur in the SQL."""
    return [pattern for pattern in NEWER_THAN_15 if re.search(pattern, sql, re.IGNORECASE)]
