/** What a bot uses. Everything exported here is public; the other modules are internal. */

export type * from "./api.js";
export { BotClient, type BotOptions, type Opening } from "./bot-client.js";
export { ReleasedCredentials } from "./credentials.js";
export {
  BotClientError,
  CannotOpen,
  Forbidden,
  Forgotten,
  InsecureAddress,
  KeyInactive,
  MalformedAnswer,
  MalformedToken,
  MayNotOpen,
  NoKey,
  NotAuthenticated,
  NotRecordable,
  NotReserved,
  OlderVersion,
  RateLimited,
  Refused,
  ReportsPending,
  ReportsRefused,
  ServiceUnavailable,
  TooManyReports,
  Unreachable,
  WrongKey,
  type Refusal,
} from "./errors.js";
export type { CredentialsCheck, CredentialsFinding } from "./health.js";
export type { BotPosition } from "./positions.js";
export type {
  EquityRecord,
  EventRecord,
  FundingRecord,
  SignalRecord,
  TradeRecord,
} from "./recorder.js";
export { Secret } from "./secret.js";
export type { Pace } from "./timing.js";
