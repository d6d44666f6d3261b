import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { inspect } from "node:util";

import * as botkeys from "../dist/index.js";
import { PositionOutbox, RevisionCounter } from "../dist/positions.js";
import { EventParser, EventTooLarge } from "../dist/sse.js";
import { configOf, QUICK, releaseOf, Service, vectors } from "./support.mjs";

const { BotClient } = botkeys;
const { token } = vectors.token;
const SYMBOL = "BTC-USDT-SWAP";

let service;
let clients = [];

beforeEach(async () => {
  service = await Service.start();
});

afterEach(async () => {
  for (const bot of clients.splice(0)) {
    await bot.close();
  }
  await service.stop();
});

function client(options = {}) {
  const bot = new BotClient(service.url, token, { pace: QUICK, ...options });
  clients.push(bot);
  return bot;
}

/** Run the client beside the work, as a bot does. */
async function running(bot, work) {
  return await bot.running(work);
}

const problem = (status, code, more = {}) => [status, { code, detail: "No.", request_id: "r", ...more }];
const unauthenticated = problem(401, "unauthenticated");
const opening = { symbol: SYMBOL, side: "long", quantity: "0.01" };

test("arguments that cannot be right are refused, and none is quoted", () => {
  for (const url of ["ftp://x", "botkeys.example", "", "http://"]) {
    assert.throws(() => new BotClient(url, token), botkeys.InsecureAddress);
  }
  for (const url of ["https://u:PLANTED@x", "https://x/?a", "https://x/#a", "http://10.0.0.1"]) {
    assert.throws(
      () => new BotClient(url, token),
      (error) => error instanceof botkeys.InsecureAddress && !inspect(error).includes("PLANTED"),
    );
  }
  for (const url of ["http://localhost:1", "http://127.8.0.1", "http://[::1]:80", "https://x/y/"]) {
    assert.equal(new BotClient(url, token).botId, vectors.token.bot_id);
  }
  assert(new BotClient("http://10.0.0.1", token, { allowInsecureHttp: true }));
  assert.throws(() => new BotClient("https://x", "bkb_no"), botkeys.MalformedToken);
  assert.throws(() => new BotClient("https://x", token, { minimumVersion: 2 }), RangeError);
  assert.throws(() => new BotClient("https://x", token, { keyId: "no" }), RangeError);
  assert.throws(() => new BotClient("https://x", token, { suite: "rsa" }), RangeError);
});

test("nothing shows the token", async () => {
  const bot = client();
  service.faults.credentials = "lost";
  const error = await bot.credentials().catch((caught) => caught);
  assert(error instanceof botkeys.Unreachable);
  const shown = [bot, error].flatMap((each) => [
    inspect(each, { depth: 20, showHidden: true }),
    JSON.stringify(each),
    `${each}`,
  ]);
  assert(!shown.join().includes(token.slice(4, 40)));
  assert.equal(service.of("credentials").length, 1); // a release is not repeated by itself
});

test("an answer for anything but what the bot expects is refused", async () => {
  const { binding } = vectors;
  const expecting = { keyId: binding.key_id, exchange: "okx", environment: "testnet" };
  for (const [changes, error] of [
    [{ account_id: binding.key_id }, botkeys.WrongKey],
    [{ bot_id: binding.key_id }, botkeys.WrongKey],
    [{ key_id: binding.bot_id }, botkeys.WrongKey],
    [{ exchange: "kucoin" }, botkeys.WrongKey],
    [{ environment: "live" }, botkeys.WrongKey],
    [{ suite: "x25519" }, botkeys.WrongKey],
    [{ version: 2 }, botkeys.OlderVersion],
    [{}, botkeys.CannotOpen], // for another one-time key
    [{ version: "3" }, botkeys.MalformedAnswer],
    [{ nonce: "not base64url" }, botkeys.MalformedAnswer],
    [{ account_id: 1 }, botkeys.MalformedAnswer],
  ]) {
    service.faults.credentials = [200, releaseOf("mlkem768-x25519", changes)];
    const bot = client({ ...expecting, minimumVersion: 3 });
    await assert.rejects(bot.credentials(), error);
  }
});

test("each problem has its class, and none is beyond the tree", async () => {
  const bot = client();
  for (const [fault, type, code] of [
    [problem(403, "forbidden"), botkeys.Forbidden, "forbidden"],
    [problem(409, "no_key"), botkeys.NoKey, "no_key"],
    [problem(409, "key_inactive"), botkeys.KeyInactive, "key_inactive"],
    [problem(429, "rate_limited"), botkeys.RateLimited, "rate_limited"],
    [problem(503, "unavailable"), botkeys.ServiceUnavailable, "unavailable"],
    [problem(422, "new\u0007code"), botkeys.Refused, "new code"],
    [[418, "a proxy's page"], botkeys.Refused, "http_418"],
    [[418, null], botkeys.Refused, "http_418"],
    [[302, {}, { location: "http://127.0.0.1:1/" }], botkeys.Unreachable, "unreachable"],
    [unauthenticated, botkeys.NotAuthenticated, "unauthenticated"],
  ]) {
    fault[2] ??= { "retry-after": "7" };
    service.faults.credentials = fault;
    await assert.rejects(bot.credentials(), (error) => {
      assert(error instanceof type && error instanceof botkeys.BotClientError);
      assert.equal(error.code, code);
      assert(!(error instanceof botkeys.Refused) || error.retryAfter === 7);
      return true;
    });
  }
  await assert.rejects(bot.config(), botkeys.NotAuthenticated); // without another call
  assert.equal(service.of("config").length, 0);
});

test("the stream is followed, resumed by its last id, and polled around", async () => {
  const bot = client();
  const seen = [];
  await running(bot, async () => {
    for await (const config of bot.changes()) {
      seen.push(config.version);
      if (config.version === "v1") {
        await service.until(() => service.streams.length === 1);
        const next = JSON.stringify(configOf({ version: "v2" }));
        const [start, end] = [next.slice(0, 20), next.slice(20)];
        service.send(`retry: 10\r\n\r\nevent: config\ndata: ${start}`);
        service.send(`${end}\nid: v2\n\n: ping\n\nevent: other\ndata: ignored\n\n`);
      } else if (config.version === "v2") {
        service.config = configOf({ version: "v3" });
        service.faults.stream = problem(503, "unavailable");
        service.streams[0].destroy();
      } else {
        break;
      }
    }
    delete service.faults.stream;
    await service.until(() => service.streams.length === 2);
  });
  assert.deepEqual(seen, ["v1", "v2", "v3"]);
  assert.equal(service.of("stream").at(-1).headers["last-event-id"], "v2");
});

test("a silent stream is opened again", async () => {
  const bot = client({ pace: { ...QUICK, streamIdle: 0.05 } });
  await running(bot, () => service.until(() => service.streams.length >= 3));
});

test("heartbeats go on through an outage", async () => {
  const bot = client();
  service.faults.heartbeat = problem(500, "internal_error");
  await running(bot, async () => {
    await service.until(() => service.of("heartbeat").length >= 6);
    delete service.faults.heartbeat;
    const before = service.of("heartbeat").length;
    await service.until(() => service.of("heartbeat").length >= before + 2);
  });
});

test("a refused token ends everything at once", async () => {
  const bot = client();
  const waiting = bot.changes().next();
  let aborted;
  const ended = running(bot, async (signal) => {
    signal.addEventListener("abort", () => (aborted = true));
    await new Promise(() => {});
  });
  await service.until(() => service.of("heartbeat").length >= 1);
  await waiting;
  service.faults.heartbeat = unauthenticated;
  await assert.rejects(ended, botkeys.NotAuthenticated);
  assert(aborted);
  await assert.rejects(bot.changes().next(), botkeys.NotAuthenticated);
  await assert.rejects(bot.openPosition(opening), botkeys.NotAuthenticated);
});

test("running returns the work's result, throws its error, and stops with it", async () => {
  const bot = client();
  assert.equal(await running(bot, async () => 7), 7);
  await assert.rejects(
    running(bot, async () => {
      throw new Error("mine");
    }),
    /mine/,
  );
  const calls = service.calls.length;
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(service.calls.length, calls);
});

test("an opening is a permission, or an error that says why not", async () => {
  const bot = client();
  const position = await bot.openPosition(opening);
  assert.equal(position.status, "opening");
  const [put] = service.of(position.id);
  assert.equal(put.method, "PUT");
  assert.deepEqual(Object.keys(put.body), ["revision", "symbol", "side", "status", "quantity"]);
  await bot.renew(position);
  assert(service.of(position.id)[1].body.revision > put.body.revision);

  const blocked_by = ["frozen", "bot_paused"];
  service.faults.positions = problem(409, "frozen", { blocked_by });
  await assert.rejects(bot.openPosition(opening), (error) => {
    assert(error instanceof botkeys.MayNotOpen);
    assert.deepEqual(error.reasons, blocked_by);
    return error.code === "frozen";
  });
  for (const stored of [
    { status: "open", expires_at: null },
    { status: "opening", expires_at: "2020-01-01T00:00:00Z" },
    { status: "opening", expires_at: null },
  ]) {
    service.faults.positions = [200, { ...opening, id: "1", ...stored }];
    await assert.rejects(bot.openPosition(opening), botkeys.NotReserved);
  }
});

test("amounts are decimals as text, never numbers", async () => {
  const bot = client();
  const position = { ...opening, id: "1", status: "open" };
  for (const wrong of [0.1, 1, NaN, "", "1e400", "0x1", "1,5", " 1", null]) {
    await assert.rejects(bot.openPosition({ ...opening, quantity: wrong }), TypeError);
    assert.throws(() => bot.report({ ...position, quantity: wrong }), TypeError);
    if (wrong !== null) {
      assert.throws(() => bot.opened(position, { entry_price: wrong }), TypeError);
      assert.throws(() => bot.recordEquity({ equity: wrong, settle: "USDT" }), TypeError);
      assert.throws(() => bot.recordTrade({ ...position, exit_price: wrong }), TypeError);
      assert.throws(() => bot.recordTrade(position, { fees: wrong }), TypeError);
      const fees = [{ asset: "BNB", amount: wrong }];
      assert.throws(() => bot.recordTrade(position, { fees }), TypeError);
    }
  }
  await bot.flush(0.5);
  assert.equal(service.calls.length, 0);
});

test("reports of a position arrive in order, with growing revisions, through an outage", async () => {
  const bot = client();
  const position = await bot.openPosition({ ...opening, id: "p:1" });
  service.faults.positions = "lost";
  const open = bot.opened(position, { entry_price: "97000.5" });
  assert.equal(open.status, "open");
  const changed = { ...open, quantity: "0.005" };
  bot.report(changed); // replaces the one before
  changed.quantity = "7"; // the bot's own object, which was not reported again
  const closed = bot.closePosition(open, { exit_price: "98000", fees: "0.1" });
  await assert.rejects(bot.flush(0.05), (error) => {
    assert(error instanceof botkeys.ReportsPending);
    return error.count === 2;
  });
  delete service.faults.positions;
  await bot.flush(5);
  const sent = service.of("p%3A1").map(({ body }) => body);
  const revisions = sent.map(({ revision }) => revision);
  assert.deepEqual(revisions, revisions.toSorted((one, other) => one - other));
  const [last] = sent.slice(-1);
  assert.equal(last.status, "closed");
  assert.equal(last.exit_price, "98000");
  assert.equal(last.closed_at, closed.closed_at);
  const opens = sent.filter(({ status }) => status === "open");
  assert.deepEqual(new Set(opens.map(({ quantity }) => quantity)), new Set(["0.005"]));
  assert.equal(new Set(opens.map(({ revision }) => revision)).size, 1); // repeated as it was
});

test("a report made while the one before is being answered is not lost", async () => {
  for (let microtasks = 0; microtasks < 40; microtasks += 1) {
    const sent = [];
    const connection = {
      async call(_method, _path, { body }) {
        sent.push(body.quantity);
        return { status: 200, text: JSON.stringify({ ...body, id: "p" }) };
      },
    };
    const revisions = new RevisionCounter();
    const outbox = new PositionOutbox(connection, QUICK, revisions, assert.fail);
    const position = { id: "p", symbol: "BTC-USDT-SWAP", side: "long", status: "open" };
    outbox.put({ ...position, quantity: "1" });
    const { signal } = new AbortController();
    const delivered = outbox.deliver(signal);
    for (let step = 0; step < microtasks; step += 1) {
      await null;
    }
    outbox.put({ ...position, quantity: "2" });
    await delivered;
    await outbox.deliver(signal);
    assert.equal(sent.at(-1), "2", `after ${microtasks} microtasks`);
  }
});

test("a revision that the service has already passed is passed in turn", async () => {
  const bot = client();
  const ahead = Date.now() + 60_000;
  service.positions["1"] = { ...opening, id: "1", status: "opening", revision: ahead };
  const position = await bot.openPosition({ ...opening, id: "1" });
  assert.equal(position.revision, ahead + 1);
  bot.opened(position, { entry_price: "1" });
  await bot.flush(5);
  assert.equal(service.positions["1"].status, "open");
});

test("a bot that restarts goes on with what it holds", async () => {
  const ahead = Date.now() + 60_000;
  for (const id of ["1", "2", "3", "4", "5"]) {
    const status = id === "4" ? "closed" : "open";
    const key = { id: vectors.binding.key_id, label: "Perps" };
    service.positions[id] = { ...opening, id, status, key, revision: ahead };
  }
  const bot = client();
  bot.closePosition({ ...opening, id: "2", status: "open" }, { exit_price: "1" });
  bot.report({ ...opening, id: "6", status: "open" });
  const held = await bot.positions();
  assert.deepEqual(held.map(({ id }) => id).sort(), ["1", "3", "5", "6"]);
  assert.deepEqual(service.of("cursor=2").length, 1);
  const [first] = held;
  bot.closePosition(first, { exit_price: "2" });
  await bot.flush(5);
  assert(service.of("/positions/1")[0].body.revision > ahead);
  assert.equal(service.of("/positions/1")[0].body.key_id, vectors.binding.key_id);
  assert.deepEqual((await bot.positions()).map(({ id }) => id), ["3", "5", "6"]);

  service.faults["positions?limit=200"] = [200, { items: [], next_cursor: "1" }];
  service.faults["positions?limit=200&cursor=1"] = [200, { items: [], next_cursor: "1" }];
  await assert.rejects(bot.positions(), botkeys.MalformedAnswer);
  service.faults["positions?limit=200"] = [200, { items: [{ id: 1 }], next_cursor: null }];
  await assert.rejects(bot.positions(), /items\.0\.id/);
});

test("a refused report of a position is thrown once, by flush", async () => {
  const warnings = [];
  const bot = client({ onWarning: (message) => warnings.push(message) });
  service.faults.positions = problem(409, "data_deleted");
  bot.report({ ...opening, id: "1", status: "open" });
  await assert.rejects(bot.flush(5), (error) => error.code === "data_deleted");
  await bot.flush(5);
  assert.deepEqual(warnings, ["report of position 1 refused: data_deleted"]);
});

test("records are sent in batches, once each, and refusals are thrown by flush", async () => {
  const bot = client();
  await bot.config();
  const closed = { ...opening, id: "t1", status: "closed", entry_price: "1", exit_price: "2" };
  const fees = [{ asset: "BNB", amount: "0.001" }];
  assert.equal(bot.recordTrade(closed, { exit_reason: "target", fees }), "t1");
  bot.recordFunding({ symbol: SYMBOL, amount: "-1.25", settle: "USDT", id: "f1" });
  bot.recordEquity({ equity: "10250.75", settle: "USDT", at: new Date("2026-11-22T10:00:00Z") });
  bot.recordSignal({ symbol: SYMBOL, name: "breakout", direction: "long", acted: true, id: "s1" });
  const id = bot.recordEvent({ kind: "reconnected", message: "The feed was away." });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  let lost = 1;
  service.faults.funding = () => (lost-- > 0 ? "lost" : undefined);
  service.refuses.s1 = "clock_ahead";
  await assert.rejects(bot.flush(5), (error) => {
    assert.deepEqual(error.refusals, [{ kind: "signals", id: "s1", code: "clock_ahead" }]);
    return error instanceof botkeys.ReportsRefused;
  });
  await bot.flush(5);
  const { key_id, items } = service.of("trades")[0].body;
  assert.equal(key_id, vectors.binding.key_id);
  assert.equal(items[0].position_id, "t1");
  assert.equal(items[0].exit_reason, "target");
  assert(!("status" in items[0]) && !("leverage" in items[0]));
  assert.deepEqual(items[0].fees, fees);
  assert.equal(service.records["funding/f1"].amount, "-1.25");
  assert.equal(service.of("equity-snapshots")[0].body.items[0].at, "2026-11-22T10:00:00.000Z");
  assert.equal(service.records[`events/${id}`].level, "info");
});

test("one bad record does not hold up the others, and a swap starts another batch", async () => {
  const bot = client();
  await bot.config();
  service.faults.events = ({ items }) =>
    items.some(({ id }) => id === "bad") ? problem(422, "invalid_request") : undefined;
  for (const id of ["1", "2", "bad", "3"]) {
    bot.recordEvent({ kind: "k", message: "m", id });
  }
  service.config = configOf({ version: "v2", key: { ...configOf().key, id: vectors.binding.bot_id } });
  await bot.config();
  bot.recordEvent({ kind: "k", message: "m", id: "4" });
  await assert.rejects(bot.flush(5), (error) => {
    assert.deepEqual(error.refusals.map(({ id }) => id), ["bad"]);
    return true;
  });
  assert.deepEqual(Object.keys(service.records).sort(), ["1", "2", "3", "4"].map((id) => `events/${id}`));
  assert.equal(service.of("events").at(-1).body.key_id, vectors.binding.bot_id);
});

test("what cannot be recorded is refused at once, and a full queue too", () => {
  const bot = client();
  const looped = {};
  looped.itself = looped;
  for (const data of [looped, { big: 1n }, { long: "x".repeat(70_000) }]) {
    assert.throws(
      () => bot.recordEvent({ kind: "k", message: "m", data }),
      botkeys.NotRecordable,
    );
  }
  const data = { long: "x".repeat(60_000) };
  assert.throws(() => {
    for (;;) {
      bot.recordEvent({ kind: "k", message: "m", data });
    }
  }, botkeys.TooManyReports);
  clients = []; // nobody takes what it has queued
});

test("resting orders are repeated while any rests", async () => {
  const bot = client();
  await running(bot, async () => {
    bot.reportOrders({ [SYMBOL]: 3, OTHER: 0 });
    await service.until(() => service.of("orders").length >= 3);
    assert.deepEqual(service.of("orders")[2].body, { orders: [{ symbol: SYMBOL, count: 3 }] });
    bot.reportOrders({});
    await service.until(() => service.of("orders").at(-1).body.orders.length === 0);
  });
});

for (const suite of ["mlkem768-x25519", "x25519"]) {
  test(`credentials of ${suite} live until they are dropped`, async (context) => {
    const { OneTimeKey } = await import("../dist/sealing/one-time-key.js");
    const { private_key } = vectors.releases.find((each) => each.suite === suite);
    const seed = Buffer.from(private_key, "base64url");
    context.mock.method(OneTimeKey, "generate", () => new OneTimeKey(suite, seed));
    service.faults.credentials = [200, releaseOf(suite)];
    const findings = [];
    const check = async (credentials, config) => {
      findings.push([credentials.apiKey.reveal(), config.key.contract_type]);
      return { status: "ok", permissions: { withdraw: "no" } };
    };
    const bot = client({ suite, check, keyId: vectors.binding.key_id.toUpperCase() });
    const { api_key } = JSON.parse(Buffer.from(vectors.seal.plaintext, "base64url"));
    await running(bot, async () => {
      await service.until(() => service.of("config").length >= 1);
      const [credentials, same] = await Promise.all([bot.credentials(), bot.credentials()]);
      assert.equal(credentials, same);
      assert.equal(service.of("credentials").length, 1);
      assert.equal(credentials.apiKey.reveal(), api_key);
      const shown = [inspect(credentials, { showHidden: true, depth: 9 }), JSON.stringify({ credentials })];
      assert(!shown.join().includes(api_key));

      await service.until(() => service.of("heartbeat").some(({ body }) => body.credentials));
      const reports = service.of("heartbeat").filter(({ body }) => body.credentials);
      const { key_id, version, status, permissions } = reports[0].body.credentials;
      assert.deepEqual({ key_id, version, status, permissions }, {
        ...{ key_id: vectors.binding.key_id, version: 3, status: "ok" },
        permissions: { withdraw: "no" },
      });
      assert.deepEqual(findings, [[api_key, "linear"]]);

      service.config = configOf({ version: "v2", key: { ...configOf().key, version: 4 } });
      await bot.config();
      await credentials.dropped();
      assert.throws(() => credentials.apiSecret, botkeys.Forgotten);
      assert.throws(() => bot.reportCredentials({ status: "ok" }), botkeys.Forgotten);
    });
    // The same answer opened before, so it counts as seen; an older one does not come back.
    const again = await bot.credentials();
    assert.equal(again.version, 3);
    await bot.close();
    assert(again.forgotten);
  });
}

test("the parser takes bytes in any pieces", () => {
  const text = "\ufeffid: 1\r\nretry: 5\revent: config\ndata: ä\ndata\n\n: c\n\ndata: x\nid: \u00002\n\nid: 3\n\n";
  const whole = [
    { kind: "config", data: "ä\n", id: "1" },
    { kind: "message", data: "x", id: "1" },
  ];
  const raw = Buffer.from(text);
  for (const size of [1, 2, 3, 7, raw.length]) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < raw.length; at += size) {
      events.push(...parser.feed(raw.subarray(at, at + size)));
    }
    assert.deepEqual(events, whole);
    assert.deepEqual([parser.lastEventId, parser.retryMs], ["3", 5]);
  }
  const small = new EventParser("", 10);
  assert.throws(() => small.feed(Buffer.from("data: 0123456789")), EventTooLarge);
});
