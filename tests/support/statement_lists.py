"""Which statements name no one account on purpose, and which are sent by other tests."""

from collections.abc import Collection, Mapping

from tests.support.sent_statements import TESTS
from tests.support.statement_rules import Fault, Rule

READINGS = frozenset(
    {
        # Candidates of the workers, which then act account by account.
        "app.domains.operations.claims:another_waits",
        "app.domains.webhooks.outbox:_DUE",
        "app.domains.webhooks.outbox:accounts_behind",
        "app.domains.webhooks.outbox:accounts_with_news",
        "app.domains.webhooks.outbox:due",
        "app.worker.rollups:_due",
        "app.worker.rollups:_CUT_LATELY",
        "app.worker.rollups:mark_cut",
        "app.worker.presence:PresenceSweep._remember",
        "app.worker.presence:_ONLINE",
        "app.worker.presence:_are_few",
        "app.worker.presence:announce_offline",
        "app.worker.expiry:_CANDIDATES",
        "app.worker.expiry:announce_expiry",
        "claim_import",
        "claim_operation",
        "lapse_openings",
        "sweep_expired",
        "sweep_imports",
        "sweep_sessions",
        "sweep_webhook_deliveries",
        # What waits, for metrics.
        "app.worker.waiting:_read_operations",
        "app.worker.waiting:_read_outbox",
        "app.worker.waiting:_read_stale_days",
        # How often bots were asked for heartbeats, once for each process.
        "app.domains.runtime.heartbeat.writer:_LAST_LEASE",
        # The heads of all accounts with open streams.
        "app.domains.events.watch:_HEADS",
        "app.domains.runtime.stream.event_numbers:_NUMBERS",
        # The configurations of all bots with open streams, and of bots that call together.
        "app.domains.bots.config_rows:GLANCE_AT_MANY",
        "app.domains.bots.config_rows:MANY",
        "app.domains.bots.config_rows:_OF_MANY",
        # Which master keys are in use, and what a command reseals account by account.
        "app.custody.master_keys.registry:versions_in_use",
        "app.custody.master_keys.rotation:counts_by_version",
        "app.custody.master_keys.rotation:reseal_batch",
        # A catalogue's keys, while it is decided what is fetched.
        "app.domains.catalogue.repository:CatalogueRepository._in_use",
        "change_contract",
        "notify_bots",
    }
)
"""Readings across accounts, none of which locks a row."""

COMMANDS = "app.commands."
"""Where the commands of operators are, which may read and write all accounts."""

NOT_SENT_HERE = frozenset(
    {
        "app.custody.master_keys.registry:announce",
        "app.custody.master_keys.registry:leave",
        "app.custody.master_keys.registry:register",
        "app.custody.master_keys.rotation:counts_by_version",
        "app.custody.master_keys.rotation:_reseal",
        "app.custody.master_keys.rotation:reseal_batch",
        "app.db.distribution:_read",
        "app.db.distribution:distribute_new",
        "app.db.distribution:go_one_by_one",
        "app.db.distribution:is_distributed",
        "app.db.distribution:is_installed",
        "app.db.distribution:let_writers_lock",
        "app.db.distribution:place",
        "app.db.grants:_grant",
        "app.db.grants:statements",
        "app.db.migration_locks:take_turn",
        "app.db.pending:_with_sizes",
        "app.db.pending:look",
        "app.db.roles:create_roles",
        "app.domains.audit.chain:verify",
        "app.domains.audit.repository:AuditRepository.filtered_page",
        "app.domains.bots.repository:BotRepository.lock_presence",
        "app.domains.deletion.account.repository:ClosingRepository.begin_again",
        "app.domains.freezes.repository:FreezeRepository.key_exists",
        "app.domains.imports.repository:ImportRepository.has_bot",
        "app.domains.keys.margin_modes:MarginModes.lock",
        "app.domains.keys.margin_modes:MarginModes.newest",
        "app.domains.keys.margin_modes:MarginModes.share",
        "app.domains.keys.margin_modes:MarginModes.shared",
        "app.domains.runtime.stream.listener:_listen_until_lost",
        "app.domains.webhooks.outbox:_unwatch",
        "app.domains.webhooks.repository:WebhookRepository.has_event",
        "app.pipeline.idempotency:IdempotencyRepository.release",
        "app.worker.presence:PresenceSweep._remember",
        "app.process.development:_let_service_in",
    }
)
"""The functions whose statements no test of the logins sends: starts of processes, and what a rare
request needs. Other tests send them, and hold them to the rules as well.
"""


_OF_TESTS = frozenset({Rule.ACCOUNT, Rule.READING, Rule.ELSEWHERE})
"""What tests may do, who meet no other account, and Citus permits."""


def unlisted(faults: Mapping[str, Collection[Fault]]) -> list[tuple[str, str, str]]:
    """Return the faults by their place, but those of readings across accounts that are listed."""
    return sorted(
        (place, *fault)
        for place, found in faults.items()
        for fault in found
        if not (place in READINGS and fault.rule is Rule.READING)
        and not (place.startswith(COMMANDS) and fault.rule in {Rule.READING, Rule.ACCOUNT})
        and not (place.startswith(TESTS) and fault.rule in _OF_TESTS)
    )
