"""Which statements name no one account on purpose, and which are sent by other tests."""

from collections.abc import Collection, Mapping

from tests.support.statement_rules import Fault, Rule

READINGS = frozenset(
    {
        # Candidates of the workers, which then act account by account.
        "app.domains.operations.claims:another_waits",
        "app.domains.webhooks.outbox:_DUE",
        "app.domains.webhooks.outbox:accounts_with_news",
        "app.domains.webhooks.outbox:due",
        "app.worker.rollups:_due",
        "app.worker.presence:announce_offline",
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

KNOWN = frozenset(
    {
        "app.domains.analytics.rollups:mark_cut_days",
        "app.domains.bots.config_rows:MANY",
        "app.domains.bots.config_rows:_OF_MANY",
        "app.domains.ingest.repository:_COUNTED",
        "app.domains.runtime.release.repository:ADD_RELEASE",
        "app.domains.runtime.release.repository:ReleaseRepository.add",
        # Functions of the database.
        "purge_events",
        "purge_rows",
    }
)
"""Places whose statements do not keep the rules yet."""

COMMANDS = "app.commands."
"""Where the commands of operators are, which may read and write all accounts."""

NOT_SENT_HERE = frozenset(
    {
        "app.commands.audit_months:Months._drop",
        "app.commands.audit_months:months_before",
        "app.commands.doctor.database:_clock",
        "app.commands.doctor.database:_direct",
        "app.commands.doctor.database:_examined",
        "app.commands.doctor.database:_server",
        "app.commands.doctor.database:connected",
        "app.commands.doctor.logins:look",
        "app.commands.record_restoration:record_restoration",
        "app.commands.retire_audit:_Retirement._delete",
        "app.commands.retire_audit:_Retirement._elsewhere",
        "app.commands.retire_audit:_Retirement._last_old",
        "app.commands.retire_audit:_Retirement._seal",
        "app.commands.retire_audit:_Retirement.run",
        "app.commands.rotate_master_key:_require_rights",
        "app.commands.verify_audit:_Verification._check_accounts",
        "app.commands.verify_audit:accounts_with_log",
        "app.custody.master_keys.registry:announce",
        "app.custody.master_keys.registry:leave",
        "app.custody.master_keys.registry:register",
        "app.custody.master_keys.rotation:counts_by_version",
        "app.custody.master_keys.rotation:reseal_batch",
        "app.db.grants:_grant",
        "app.db.grants:statements",
        "app.db.migration_locks:take_turn",
        "app.db.pending:_with_sizes",
        "app.db.pending:look",
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
        "app.domains.webhooks.repository:WebhookRepository.has_event",
        "app.pipeline.idempotency:IdempotencyRepository.release",
        "app.process.development:_let_service_in",
    }
)
"""The functions whose statements no test of the logins sends: commands, starts of processes, and
what a rare request needs. Other tests send them, and hold them to the rules as well.
"""


def unlisted(faults: Mapping[str, Collection[Fault]]) -> list[tuple[str, str, str]]:
    """Return the faults by their place, but those of readings across accounts that are listed."""
    return sorted(
        (place, *fault)
        for place, found in faults.items()
        for fault in found
        if place not in KNOWN
        and not (place in READINGS and fault.rule is Rule.READING)
        and not (place.startswith(COMMANDS) and fault.rule in {Rule.READING, Rule.ACCOUNT})
    )
