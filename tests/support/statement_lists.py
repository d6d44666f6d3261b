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
        # What waits, for metrics.
        "app.worker.waiting:_read_operations",
        "app.worker.waiting:_read_outbox",
        "app.worker.waiting:_read_stale_days",
        # How often bots were asked for heartbeats, once for each process.
        "app.domains.runtime.heartbeat.writer:_LAST_LEASE",
        # The heads of all accounts with open streams.
        "app.domains.events.watch:_HEADS",
        # Commands of operators.
        "app.commands.audit_months:_STARTS",
        "app.custody.master_keys.registry:versions_in_use",
    }
)
"""Readings across accounts, none of which locks a row."""

KNOWN = frozenset(
    {
        "app.custody.master_keys.registry:announce",
        "app.custody.master_keys.registry:leave",
        "app.domains.analytics.rollups:mark_cut_days",
        "app.domains.assets.repository:AssetRepository._notify",
        "app.domains.assets.repository:AssetRepository.change",
        "app.domains.bots.config_rows:MANY",
        "app.domains.bots.config_rows:_OF_MANY",
        "app.domains.bots.repository:BotRepository._end",
        "app.domains.bots.repository:BotRepository.change",
        "app.domains.bots.token_repository:BotTokenRepository.replace",
        "app.domains.catalogue.leverages:KeyLeverages.learn",
        "app.domains.catalogue.repository:CatalogueRepository.claim",
        "app.domains.catalogue.repository:CatalogueRepository.due",
        "app.domains.catalogue.repository:CatalogueRepository.finish",
        "app.domains.catalogue.repository:CatalogueRepository.store_instruments",
        "app.domains.deletion.account.repository:ClosingRepository.cancel_others",
        "app.domains.deletion.account.repository:ClosingRepository.close",
        "app.domains.deletion.purge_repository:PurgeRepository.purge",
        "app.domains.events.log:_ADD_MANY",
        "app.domains.imports.repository:ImportRepository.received",
        "app.domains.imports.repository:_FAIL",
        "app.domains.imports.repository:_STAGE",
        "app.domains.ingest.repository:_COUNT",
        "app.domains.ingest.repository:_COUNTED",
        "app.domains.keys.margin_modes:_SHARE",
        "app.domains.keys.repository:KeyRepository.change",
        "app.domains.keys.repository:KeyRepository.close_late_positions",
        "app.domains.positions.repository:PositionRepository.close",
        "app.domains.runtime.heartbeat.key_health_repository:HealthRepository.change",
        "app.domains.runtime.heartbeat.key_health_repository:HealthRepository.looked_at",
        "app.domains.runtime.release.repository:ADD_RELEASE",
        "app.domains.sessions.lookup:_USED",
        "app.domains.sessions.repository:SessionRepository.end",
        "app.domains.sessions.repository:SessionRepository.leave_only",
        "app.domains.webhooks.repository:WebhookRepository.add",
        "app.domains.webhooks.repository:WebhookRepository.cancel_pending",
        "app.domains.webhooks.repository:WebhookRepository.change",
        "app.pipeline.claim_lease:_RENEW",
        "app.pipeline.idempotency:IdempotencyRepository.claim",
        "app.worker.expiry:_announce",
        "app.worker.presence:_ADD_EVENTS",
        "app.worker.presence:_NAMED",
        "app.worker.presence:_announce",
        # Functions of the database.
        "change_contract",
        "claim_import",
        "claim_operation",
        "clear_import",
        "end_import",
        "end_operation",
        "forget_account",
        "lapse_openings",
        "notify_bots",
        "purge_events",
        "purge_rows",
        "store_import",
        "sweep_expired",
        "sweep_imports",
        "sweep_sessions",
        "sweep_webhook_deliveries",
        "undo_import",
    }
)
"""Places whose statements do not keep the rules yet."""

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
        if place not in KNOWN and (place not in READINGS or fault.rule is not Rule.ACCOUNT)
    )
