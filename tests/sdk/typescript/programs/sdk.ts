// A bot's whole work with the package as it is published, on the running service.
import assert from "node:assert/strict";
import { inspect } from "node:util";
import {
  BotClient,
  MayNotOpen,
  NotAuthenticated,
  ReportsRefused,
  type Config,
  type DecimalText,
  type Position,
} from "botkeys";

const { BASE_URL = "", BOT_TOKEN = "", USER_TOKEN = "", GIVEN = "{}" } = process.env;
const { key_id, bot_id, symbol, api_key, api_secret } = JSON.parse(GIVEN);

async function asUser(method: string, path: string, body?: object): Promise<any> {
  const answer = await fetch(BASE_URL + path, {
    method,
    headers: { Authorization: `Bearer ${USER_TOKEN}`, "Content-Type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  assert(answer.ok, `${path}: ${await answer.clone().text()}`);
  return answer.json();
}

const expected = { keyId: key_id, exchange: "okx", environment: "testnet" } as const;
const pace = { heartbeat: 0.2, firstCheck: 0.01, records: 0.1 };
const check = async () => ({ status: "ok", permissions: { withdraw: "no" } }) as const;

await using classical = new BotClient(BASE_URL, BOT_TOKEN, { ...expected, suite: "x25519" });
assert.equal((await classical.credentials()).apiSecret.reveal(), api_secret);

const bot = new BotClient(BASE_URL, BOT_TOKEN, { ...expected, pace, check });
const ended = bot.running(async (signal) => {
  const configs = bot.changes();
  const next = async (): Promise<Config> => {
    const { value } = await configs.next();
    assert(value);
    return value;
  };
  let config = await next();
  assert.equal(config.assets[0]?.symbol, symbol);

  const credentials = await bot.credentials();
  assert.equal(credentials.apiKey.reveal(), api_key);
  assert.equal(credentials.apiSecret.reveal(), api_secret);
  assert(!inspect(credentials).includes(api_key));

  // A key that was added without a check opens nothing until its bot has reported.
  while (!config.may_open_positions) {
    assert.deepEqual(config.blocked_by, ["unverified"]);
    config = await next();
  }
  await asUser("PATCH", `/v1/bots/${bot_id}`, { paused: true });
  while (config.may_open_positions) {
    config = await next();
  }
  const opening = { symbol, side: "long", quantity: "0.5" } as const;
  await assert.rejects(bot.openPosition(opening), (error) => {
    assert(error instanceof MayNotOpen);
    assert.deepEqual(error.reasons, ["bot_paused"]);
    return true;
  });
  await asUser("PATCH", `/v1/bots/${bot_id}`, { paused: false });

  const reserved = await bot.openPosition({ ...opening, id: "ts:1" });
  await bot.renew(reserved);
  bot.reportOrders({ [symbol]: 1 });
  const entry_price: DecimalText = "97012.5";
  const open: Position = bot.opened(reserved, { entry_price });
  await bot.flush(20);
  assert.equal((await asUser("GET", `/v1/bots/${bot_id}`)).open_positions, 1);

  const restarted = new BotClient(BASE_URL, BOT_TOKEN, expected);
  assert.deepEqual((await restarted.positions()).map(({ id }) => id), ["ts:1"]);
  const closed = bot.closePosition(open, { exit_price: "98100", fees: "1.25" });
  const charged = [
    { asset: "USDT", amount: "1.25" },
    { asset: "BNB", amount: "0.001" },
  ];
  bot.recordTrade(closed, { exit_reason: "target", fees: charged });
  bot.recordFunding({ symbol, amount: "-0.125", settle: "USDT", id: "f1" });
  bot.recordEquity({ equity: "10250.75", settle: "USDT" });
  bot.recordSignal({ symbol, name: "breakout", direction: "long", score: "0.8", acted: true });
  bot.recordEvent({ kind: "reconnected", message: "The feed was away.", data: { seconds: 3 } });
  bot.recordEvent({ kind: "future", message: "Too early.", at: "2126-01-01T00:00:00Z", id: "e9" });
  bot.reportOrders({});
  await assert.rejects(bot.flush(20), (error) => {
    assert(error instanceof ReportsRefused);
    assert.deepEqual(error.refusals, [{ kind: "events", id: "e9", code: "clock_ahead" }]);
    return true;
  });

  const of = async (kind: string) => (await asUser("GET", `/v1/${kind}?environment=testnet`)).items;
  const [trade] = await of("trades");
  assert.equal(trade.position_id, "ts:1");
  assert.equal(trade.quantity, "0.5");
  assert.equal(trade.fees, "1.25");
  assert.equal((await of("funding"))[0].amount, "-0.125");
  assert.equal((await of("equity-snapshots"))[0].equity, "10250.75");
  assert.equal((await of("signals"))[0].score, "0.8");
  assert((await of("bot-events")).some((event: any) => event.kind === "reconnected"));
  assert.equal((await of("positions"))[0].status, "closed");

  await asUser("POST", `/v1/bots/${bot_id}/token`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert(credentials.forgotten);
});
await assert.rejects(ended, NotAuthenticated);
await bot.close();
console.log("done");
