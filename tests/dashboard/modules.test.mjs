// Tests of the page's modules that need no browser. Run by test_modules.py.
import assert from "node:assert/strict";
import { test } from "node:test";

const kit = new URL("../../app/dashboard/static/kit/", import.meta.url);
const { serverSentEvents } = await import(new URL("server_sent.js", kit));
const { ApiProblem, address } = await import(new URL("api.js", kit));
const { ago, counted, decimal, short, signed } = await import(new URL("format.js", kit));

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
