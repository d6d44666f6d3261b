// Tests of the page's modules that need no browser. Run by test_modules.py.
import assert from "node:assert/strict";
import { test } from "node:test";

const kit = new URL("../../app/dashboard/static/kit/", import.meta.url);
const { serverSentEvents } = await import(new URL("server_sent.js", kit));
const { ApiProblem, address } = await import(new URL("api.js", kit));
const { ago, brief, counted, decimal, short, signed } = await import(new URL("format.js", kit));
const { minus, isMore, plus } = await import(new URL("decimal_sum.js", kit));
const { drawdownLine, equityLine } = await import(new URL("curves.js", kit));
const { dayOf, daysAfter, periodOf, startOf } = await import(new URL("period.js", kit));

async function events(...pieces) {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  return Array.fromAsync(serverSentEvents(body));
}

test("events are read however their bytes arrive", async () => {
  const text = ": hello\n\nid: 7\nevent: key.added\ndata: {\"a\":\ndata: 1}\n\ndata: ü\r\n\r\n";
  const whole = await events(text);
  assert.deepEqual(whole, [
    { id: "", event: "comment", data: "" },
    { id: "7", event: "key.added", data: '{"a":\n1}' },
    { id: "7", event: "message", data: "ü" },
  ]);
  const bytes = new TextEncoder().encode(text);
  for (let cut = 1; cut < bytes.length; cut++) {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.slice(0, cut));
        controller.enqueue(bytes.slice(cut));
        controller.close();
      },
    });
    assert.deepEqual(await Array.fromAsync(serverSentEvents(body)), whole, `cut at ${cut}`);
  }
});

test("an event that never ends is not kept in memory", async () => {
  await assert.rejects(events("data: " + "x".repeat(300_000)));
  await assert.rejects(events(..."x".repeat(10).split("").map(() => "data: " + "x".repeat(100_000) + "\n")));
});

test("decimals keep every digit", () => {
  assert.equal(decimal("1234567.10000000001"), "1\u202f234\u202f567.10000000001");
  assert.equal(decimal("-0.5"), "−0.5");
  assert.equal(decimal("999"), "999");
  assert.equal(decimal(null), "–");
  assert.equal(signed("12"), "+12");
  assert.equal(signed("-12"), "−12");
  assert.equal(signed("0"), "0");
  assert.equal(short("0.00001234"), "0.0000123");
  assert.equal(short("-1234.5"), "−1,235");
  assert.equal(short("2500000"), "2.5M");
  assert.equal(counted(1, "key"), "1 key");
  assert.equal(counted(2000, "key"), "2,000 keys");
});

test("spans are given in their largest unit", () => {
  const at = Date.parse("2026-11-29T12:00:00Z");
  assert.equal(ago("2026-11-29T11:57:00Z", at), "3 minutes ago");
  assert.equal(ago("2026-12-02T13:00:00Z", at), "in 3 days");
  assert.equal(ago("2026-11-29T11:59:50Z", at), "just now");
});

test("addresses leave out what is empty and escape the rest", () => {
  assert.equal(address("/v1/keys", { a: "", b: null, c: undefined }), "/v1/keys");
  assert.equal(address("/v1/keys", { search: "a&b", type: ["x", "y"] }), "/v1/keys?search=a%26b&type=x&type=y");
});

test("a problem's faults are found by the field that they are about", () => {
  const errors = [
    { loc: ["body", "label"], msg: "must not be empty", type: "x" },
    { loc: ["body", "label"], msg: "another", type: "x" },
    { loc: ["query", "sort"], msg: "unknown", type: "x" },
  ];
  const problem = new ApiProblem(422, { code: "invalid_request", detail: "No.", errors });
  assert.deepEqual(problem.fields, { label: "must not be empty", sort: "unknown" });
  assert.equal(problem.message, "No.");
});

test("a glance rounds no digit before the point, and says no less than eight", () => {
  assert.equal(brief("12.5"), "12.5");
  assert.equal(brief("-14.99995042409300181"), "−14.99995");
  assert.equal(brief("1234567890.12345"), "1\u202f234\u202f567\u202f890");
  assert.equal(brief("1000000000"), "1\u202f000\u202f000\u202f000");
  assert.equal(brief("0.000000123456789012"), "0.00000012345679");
  assert.equal(brief(null), "–");
});

test("differences of decimals are exact", () => {
  assert.equal(minus("0.3", "0.1"), "0.2");
  assert.equal(minus("-1.25", "2"), "-3.25");
  assert.equal(minus("1000000000000000000.1", "0.000000000000000001"), "1000000000000000000.099999999999999999");
  assert.equal(minus("-0.50", "-0.5"), "0");
  assert.ok(isMore("0.1", "-5") && !isMore("-5", "0.1") && !isMore("1.0", "1"));
});

const point = (minute, equity, net, reset = false) => ({
  at: new Date(minute * 60_000).toISOString(),
  equity,
  net_pnl_cumulative: net,
  reset,
});

test("a bot that was away leaves a gap in its equity", () => {
  const line = equityLine("k", [0, 1, 2, 3, 30, 31].map((minute) => point(minute, `1${minute}`, "0")));
  assert.deepEqual(line.values, ["10", "11", "12", "13", null, "130", "131"]);
  assert.deepEqual(line.at, [0, 60, 120, 180, 240, 1800, 1860]);
  assert.deepEqual(equityLine("k", [point(0, null, "1")]).at, []);
});

test("a drawdown is counted from the highest value, and from new test funds", () => {
  const points = [point(0, null, "-2"), point(1, null, "5"), point(2, null, "1.5"), point(3, null, "1", true), point(4, null, "0.5")];
  assert.deepEqual(drawdownLine("k", points).values, ["-2", "0", "-3.5", "0", "-0.5"]);
});

test("a day begins where the account is, also where midnight does not exist", () => {
  // As Python's time zones have it.
  assert.equal(startOf("2026-11-28", "UTC"), "2026-11-28T00:00:00.000Z");
  assert.equal(startOf("2026-07-01", "Europe/Prague"), "2026-06-30T22:00:00.000Z");
  assert.equal(startOf("2026-11-28", "Asia/Kathmandu"), "2026-11-27T18:15:00.000Z");
  assert.equal(startOf("2017-10-15", "America/Sao_Paulo"), "2017-10-15T03:00:00.000Z"); // 01:00
  assert.equal(startOf("2018-02-18", "America/Sao_Paulo"), "2018-02-18T03:00:00.000Z");
  assert.equal(startOf("2026-11-01", "America/Havana"), "2026-11-01T04:00:00.000Z"); // the first of two
  assert.equal(startOf("2024-04-26", "Africa/Cairo"), "2024-04-25T22:00:00.000Z"); // 01:00
  assert.equal(dayOf(Date.parse("2026-11-28T23:30:00Z"), "Europe/Prague"), "2026-11-29");
  assert.equal(daysAfter("2028-02-28", 1), "2028-02-29");
});

test("a period is of whole days, the last one included", () => {
  const present = Date.parse("2026-11-28T23:30:00Z"); // the 29th in Prague
  const week = periodOf({}, "Europe/Prague", "7d", present);
  assert.deepEqual([week.from, week.to], ["2026-11-22T23:00:00.000Z", null]);
  const chosen = periodOf({ period: "days", from: "2026-03-29", to: "2026-03-29" }, "Europe/Prague", "7d", present);
  assert.deepEqual([chosen.from, chosen.to], ["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]); // 23 hours
  const wrong = periodOf({ period: "days", from: "yesterday" }, "UTC", "7d", present);
  assert.deepEqual([wrong.from, wrong.to], [null, null]);
  assert.equal(periodOf({ period: "nonsense" }, "UTC", "7d", present).name, "all");
});

test("results of days add up to a line for each settle asset", async () => {
  const { runningSums } = await import(new URL("../parts/symbol_curves.js", kit));
  const of = (settle, day, net_pnl) => ({
    settle,
    net_pnl,
    period: { from: `2026-11-0${day}T00:00:00Z`, to: `2026-11-0${day + 1}T00:00:00Z` },
  });
  const sums = runningSums([of("USDT", 3, "-0.3"), of("BTC", 1, "1"), of("USDT", 1, "0.1"), of("USDT", 2, "0.2")]);
  assert.deepEqual(
    sums.map(([settle, points]) => [settle, points.map((point) => point.net_pnl_cumulative)]),
    [["BTC", ["1"]], ["USDT", ["0.1", "0.3", "0"]]],
  );
  assert.equal(sums[1][1][0].at, "2026-11-02T00:00:00Z");
  assert.equal(plus("-0.1", "0.1"), "0");
  assert.equal(plus("99999999999999999999.1", "0.9"), "100000000000000000000");
});
